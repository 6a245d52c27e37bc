"""Twins served as LADS devices over OPC UA: the plant's simulated equipment as real equipment would be.

The server takes its time from the caller: `update(now)` steps every twin and shows what it became; a
method that a client calls acts at `now()`. It listens on the loopback interface only, because it has
neither certificates nor sign-in: whoever reaches the port can act.
"""

import asyncio
import gc
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.common.callback import CallbackType, ServerItemCallback
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from batches.errors import BadInput, NotFound
from devices.base import DeviceRefused
from devices.lads import ANSWER_PROMPT, INJECT, MEASURE, SIMULATION, Command, node_id, pairs_in, status_of
from devices.servers.address_space import (
    FILE_METHODS,
    METHODS,
    NodeId,
    Space,
    argument,
    build_types,
    double,
    scalar,
    text,
)
from devices.servers.faults import number_in
from devices.servers.functional_unit import FunctionalUnit
from devices.servers.memory import Memory
from devices.servers.unit_space import build_unit
from devices.twins.laboratory import measured
from devices.twins.programmes import Amount, OutOfRange, WrongState
from devices.twins.twin import Twin

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ABRUPT = 70
"""Exit code of a server that was told to die."""
AFTER_REPLY = 0.02
"""Seconds after which a fault of the whole server comes: whoever asked for it gets the answer first."""
Outputs = list[ua.Variant]
Act = Callable[..., Awaitable[Outputs]]


class LadsServer:
    """Serves units at `endpoint` (opc.tcp://127.0.0.1:4840; port 0 takes a free one).

    `memory`: file in which runs, ids and states outlive the process. `nodesets`: files of the official
    types, loaded in this order instead of the ones built here. `others`: units of the plant that speak
    another protocol; a laboratory measures them here as well. Raises BadInput for an endpoint that is
    not on the loopback interface, or a memory that cannot be read.
    """

    def __init__(
        self, endpoint: str, units: Mapping[str, Twin], now: Callable[[], datetime],
        memory: Path | None = None, nodesets: Sequence[Path] = (), others: Mapping[str, Twin] | None = None,
    ) -> None:  # fmt: skip
        if urlsplit(endpoint).hostname not in LOOPBACK:
            raise BadInput(
                f"'{endpoint}' is not on the loopback interface; the simulated plant serves nobody else."
            )
        self._endpoint, self._twins, self._now = endpoint, units, now
        self._memory = Memory(memory) if memory else None
        self._nodesets, self._others = nodesets, others or {}
        self._units: dict[str, FunctionalUnit] = {}
        self._owners: dict[NodeId, tuple[FunctionalUnit, str]] = {}
        """The unit (and tag) that an object with methods, or a set-point, belongs to."""
        self._open: dict[int, tuple[NodeId, int]] = {}
        self._server = Server()

    @property
    def port(self) -> int:
        """The port the server listens on."""
        binary = self._server.bserver
        return int(binary.port) if binary else urlsplit(self._endpoint).port or 0

    # -- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Build the address space and listen. Raises OSError if the port is taken."""
        server = self._server
        with _collector_paused():
            await server.init()
            for (
                path
            ) in self._nodesets:  # only LADS itself has nodes without a parent, which strictness refuses
                await server.import_xml(str(path), strict_mode="LADS" not in path.name)
            space = await build_types(server)
            await self._build(space)
        server.set_endpoint(self._endpoint)
        server.set_server_name("Kweek simulated plant")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        server.disable_clock()
        server.subscribe_server_callback(CallbackType.PostWrite, self._written)
        await server.start()

    async def _build(self, space: Space) -> None:
        if self._memory:
            self._memory.recall(self._twins.values())
        for unit_id, twin in self._twins.items():
            nodes = await build_unit(space, twin)
            unit = self._units[unit_id] = FunctionalUnit(self._server, space, twin, nodes)
            for node in (nodes.unit_state.node, nodes.running.node, nodes.active[""]):
                self._owners[node] = (unit, "")
            for tag, machine in nodes.controls.items():
                self._owners[machine.node] = self._owners[nodes.targets[tag]] = (unit, tag)
            string = scalar(ua.VariantType.String)
            inputs = [argument(name, string) for name in ("SupervisoryTaskId", "Prompt", "Answer")]
            path = f"{nodes.path}/{ANSWER_PROMPT}"
            answer = await space.method(nodes.active[""], path, ANSWER_PROMPT, space.at.kweek, inputs, [])
            space.link(answer, self._called(self._answer))
            await unit.publish_known()
        self._link(space)
        await self._build_simulation(space)
        await self.update(self._now())

    def _link(self, space: Space) -> None:
        for name, (number, _) in METHODS.items():
            space.link(node_id(number, space.at.lads), self._called(self._act_of(name)))
        for name, act in (("Open", self._open_file), ("Read", self._read_file), ("Close", self._close_file)):
            space.link(node_id(FILE_METHODS[name]), self._called(act))

    async def _build_simulation(self, space: Space) -> None:
        at, string = space.at.kweek, scalar(ua.VariantType.String)
        note = "Part of the simulation: what a laboratory would measure, and faults on demand. No equipment has this."
        objects, kind = node_id(ObjectIds.ObjectsFolder), node_id(ObjectIds.BaseObjectType)
        node = await space.object(objects, SIMULATION, SIMULATION, at, kind, ObjectIds.Organizes, note)
        asked = [argument(name, string) for name in ("Unit", "Attribute", "UnitOfMeasure")]
        told = [argument("Value", scalar(ua.VariantType.Variant)), argument("UnitOfMeasure", string)]
        space.link(await space.method(node, MEASURE, MEASURE, at, asked, told), self._called(self._measure))
        asked = [argument(name, string) for name in ("Unit", "Fault", "Argument")]
        space.link(await space.method(node, INJECT, INJECT, at, asked, []), self._called(self._inject))

    async def stop(self) -> None:
        """Close all links and stop listening."""
        await self._server.stop()
        if self._memory:
            self._memory.close()

    async def update(self, now: datetime) -> None:
        """Bring every unit to `now` and show what it became. A unit that remembers a later time waits for it."""
        for unit in self._units.values():
            unit.advance(max(now.timestamp(), unit.twin.at))
            await self._show(unit)

    async def _show(self, unit: FunctionalUnit) -> None:
        for run in unit.ended():
            self._keep(unit, run.task)
        await unit.publish()

    def _keep(self, unit: FunctionalUnit, task: str = "") -> None:
        if self._memory:
            self._memory.keep(unit.twin, unit.twin.runs.get(task))

    # -- calls of clients ------------------------------------------------------------------------

    def _called(self, act: Act) -> Callable[..., Awaitable[ua.CallMethodResult]]:
        """A method as asyncua calls it; a refusal becomes a status code, and its sentence goes with it."""

        async def called(node: NodeId, *given: ua.Variant) -> ua.CallMethodResult:
            try:
                outputs = await act(node, *(each.Value for each in given))
            except OutOfRange as error:
                return _refusal(StatusCodes.BadOutOfRange, error)
            except DeviceRefused as error:
                return _refusal(StatusCodes.BadInvalidState, error)
            except NotFound as error:
                return _refusal(StatusCodes.BadNotFound, error)
            except TypeError:
                why = OutOfRange("The arguments are not those of this method; look at its InputArguments.")
                return _refusal(StatusCodes.BadInvalidArgument, why)
            except ValueError as error:
                return _refusal(StatusCodes.BadInvalidArgument, error)
            return ua.CallMethodResult(StatusCode=ua.StatusCode(), OutputArguments=outputs)

        return called

    def _owner(self, node: NodeId) -> tuple[FunctionalUnit, str]:
        if node not in self._owners:
            raise OutOfRange("This object has no such method.")
        return self._owners[node]

    def _at(self, unit: FunctionalUnit) -> float:
        return max(self._now().timestamp(), unit.twin.at)

    @asynccontextmanager
    async def _acting(self, unit: FunctionalUnit) -> AsyncIterator[float]:
        """A command to a unit, with the faults it is to show. Gives the time at which it acts."""
        unit.faults.check()
        yield self._at(unit)
        await self._show(unit)
        if late := unit.faults.late():
            await asyncio.sleep(late)
        if unit.faults.lost():
            self._break_link()

    def _act_of(self, name: str) -> Act:
        match name:
            case "StartProgram":
                return self._start_programme
            case "ControlStart":
                return self._start_control
            case "StartWithTargetValue":
                return self._start_with_target
            case "Start" | "Stop" | "Abort" | "Clear" | "Hold" | "Unhold" | "Reset":
                return self._command_of(name)
            case _:
                raise BadInput(f"There is no method '{name}'.")

    def _command_of(self, command: Command) -> Act:
        async def act(node: NodeId, *_: object) -> Outputs:
            unit, tag = self._owner(node)
            async with self._acting(unit) as at:
                if tag:
                    unit.twin.switch(at, tag, False)  # only Stop reaches a control function
                else:
                    unit.command(command, at)
                self._keep(unit)
            return []

        return act

    async def _start_programme(
        self,
        node: NodeId,
        template: str,
        properties: list[Any] | None,
        job: str,
        task: str,
        samples: object = None,
    ) -> Outputs:
        unit, _ = self._owner(node)
        template, job, task = texts_in(template, job, task)
        if not task:
            raise OutOfRange(
                "StartProgram needs a SupervisoryTaskId, by which the run can be asked for later."
            )
        given = pairs_in(properties or [])
        async with self._acting(unit) as at:
            run = unit.start_programme(at, template, given, job, task)
            self._keep(unit, task)
        return [text(run.run_id)]

    async def _answer(self, node: NodeId, task: str, prompt: str, answer: str) -> Outputs:
        unit, _ = self._owner(node)
        task, prompt, answer = texts_in(task, prompt, answer)
        async with self._acting(unit) as at:
            unit.advance(at)
            unit.twin.answer(at, task, prompt, answer)
            self._keep(unit, task)
        return []

    async def _start_control(self, node: NodeId, *_: object) -> Outputs:
        unit, tag = self._owner(node)
        async with self._acting(unit) as at:
            unit.advance(at)
            unit.twin.switch(at, tag, True)
            self._keep(unit)
        return []

    async def _start_with_target(self, node: NodeId, target: float) -> Outputs:
        unit, tag = self._owner(node)
        async with self._acting(unit) as at:
            unit.advance(at)
            unit.twin.update(at, {tag: float(target)})
            self._keep(unit)
        return []

    async def _written(self, event: ServerItemCallback, _: object) -> None:
        """A client wrote: give set-points to the twin, and take back what it refuses."""
        if not event.is_external:
            return
        for index, item in enumerate(event.request_params.NodesToWrite):
            if item.NodeId not in self._owners or not event.response_params[index].is_good():
                continue
            unit, tag = self._owners[item.NodeId]
            try:
                await self._aim(unit, tag, item.Value)
            except OutOfRange:
                event.response_params[index] = status_of(StatusCodes.BadOutOfRange)
            except WrongState:
                event.response_params[index] = status_of(StatusCodes.BadInvalidState)
            else:
                continue
            old = unit.twin.targets.get(tag, 0.0)
            await unit.write(item.NodeId, double(old), again=True)

    async def _aim(self, unit: FunctionalUnit, tag: str, written: ua.DataValue) -> None:
        value = written.Value.Value if written.Value else None
        if not isinstance(value, float) or not math.isfinite(value):
            raise OutOfRange(f"{value} is no set-point.")
        async with self._acting(unit) as at:
            unit.advance(at)
            unit.twin.aim(at, tag, value)
            self._keep(unit)

    # -- event files -----------------------------------------------------------------------------

    async def _open_file(self, node: NodeId, mode: int) -> Outputs:
        if mode != ua.OpenFileMode.Read.value:
            raise OutOfRange("An event file can only be read.")
        self._content(node)
        handle = max(self._open, default=0) + 1
        self._open[handle] = (node, 0)
        return [ua.Variant(handle, ua.VariantType.UInt32)]

    async def _read_file(self, node: NodeId, handle: int, length: int) -> Outputs:
        at = self._opened(node, handle)
        part = self._content(node)[at : at + max(length, 0)]
        self._open[handle] = (node, at + len(part))
        return [ua.Variant(part, ua.VariantType.ByteString)]

    async def _close_file(self, node: NodeId, handle: int) -> Outputs:
        self._opened(node, handle)
        del self._open[handle]
        return []

    def _opened(self, node: NodeId, handle: int) -> int:
        known, at = self._open.get(handle, (None, 0))
        if known != node:
            raise OutOfRange(f"The handle {handle} does not belong to an open file here.")
        return at

    def _content(self, node: NodeId) -> bytes:
        for unit in self._units.values():
            if node in unit.files:
                return unit.files[node]
        raise OutOfRange("This is not the event file of a result.")

    # -- the simulation's own object -------------------------------------------------------------

    def _unit(self, unit_id: str) -> FunctionalUnit:
        if unit_id not in self._units:
            raise NotFound(f"There is no simulated unit '{unit_id}'; there are: {', '.join(self._units)}.")
        return self._units[unit_id]

    async def _measure(self, _: NodeId, unit_id: str, attribute: str, wanted: str) -> Outputs:
        unit_id, attribute, wanted = texts_in(unit_id, attribute, wanted)
        truth: Mapping[str, float] = {}
        seed = 1
        if unit_id in self._others:
            truth, seed = self._others[unit_id].truth(), self._others[unit_id].seed
        elif unit_id:
            unit = self._unit(unit_id)
            unit.advance(self._at(unit))
            truth, seed = unit.twin.truth(), unit.twin.seed
        found = measured(truth, attribute, wanted, unit_id, seed, self._now().timestamp())
        if isinstance(found, Amount):
            return [double(round(found.value, found.digits)), text(found.unit)]
        return [text(found), text("")]

    async def _inject(self, _: NodeId, unit_id: str, fault: str, asked: str) -> Outputs:
        unit_id, fault, asked = texts_in(unit_id, fault, asked)
        match fault:
            case "die":
                asyncio.get_running_loop().call_later(AFTER_REPLY, os._exit, ABRUPT)
            case "disconnect":
                seconds = number_in(fault, asked.split(), 0)
                asyncio.get_running_loop().call_later(AFTER_REPLY, self._disconnect, seconds)
            case _:
                unit = self._unit(unit_id)
                unit.faults.inject(fault, asked, unit.twin.model.tags, self._at(unit))
                await self._show(unit)
        return []

    def _disconnect(self, seconds: float) -> None:
        """Break every link, and take none for so many real seconds."""
        server = self._server.iserver
        most, server.max_connections = server.max_connections, 0

        def take_again() -> None:
            server.max_connections = most

        asyncio.get_running_loop().call_later(seconds, take_again)
        for transport in list(server.asyncio_transports):
            transport.abort()

    def _break_link(self) -> None:
        """Break the link over which the present call came."""
        binary = self._server.bserver
        for client in binary.clients if binary else ():
            mine = client._task is asyncio.current_task()  # noqa: SLF001  asyncua tells a method not whose call it is
            if mine and client.transport:
                client.transport.abort()


def texts_in(*given: object) -> list[str]:
    """Arguments that must be texts; none is an empty one. Raises TypeError."""
    if any(each is not None and not isinstance(each, str) for each in given):
        raise TypeError("not a text")
    return [str(each or "") for each in given]


def _refusal(code: int, error: Exception) -> ua.CallMethodResult:
    why = ua.DiagnosticInfo(AdditionalInfo=ua.String(error))
    return ua.CallMethodResult(StatusCode=status_of(code), InputArgumentDiagnosticInfos=[why])


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection while thousands of lasting nodes are made: halves the start. They are then
    left out of later collections, which would look at each of them every time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
