"""What a LADS device offers, learned by browsing it, and how its nodes are read and called.

Nodes are found by the names of their browse names, whatever the namespace index, so that it does not
matter in which order a server loaded its nodesets, or whose namespace its instances are in.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from batches.errors import BadInput
from batches.quantities import Quantity
from devices.base import DeviceProtocolError, Identity, Outcome
from devices.lads import DI, LADS, OUTCOME, OUTCOME_TEXT, PROMPT, node_id

Nodes = dict[str, ua.NodeId]
AT_REST = {"Stopped", "Aborted", "Idle", "Complete", "Clearing", "Resetting"}
"""States in which a functional unit runs no programme."""
MEASURE = ("EngineeringUnits", "ValuePrecision", "EURange")
CONTROL = "ControlFunctionState"
CHUNK = 60_000
"""Bytes of a file asked for at once; a server need not take larger messages than 64 KiB."""
IDENTITY = ("Manufacturer", "Model", "SerialNumber", "SoftwareRevision")
SPELLED = {"°C": "degC", "1/min": "rpm", "l": "L"}
"""Units of measure as other servers write them."""


class CallRefused(Exception):
    """A call with a bad status; `text` is the device's own sentence if it gave one."""

    def __init__(self, status: ua.StatusCode, text: str) -> None:
        super().__init__(text or status.name)
        self.code, self.text = status.value, text or status.name


@asynccontextmanager
async def within(when: float) -> AsyncIterator[None]:
    """A limit at `when` (time of the event loop). Raises TimeoutError.

    What `asyncio.timeout_at` does, and also where a reply arrives at the very moment of the limit: the
    library then raises a kind of CancelledError of its own, which would pass for a cancellation of
    the whole task.
    """
    limit = asyncio.timeout_at(when)
    try:
        async with limit:
            yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if limit.expired() and task is not None and not task.cancelling():
            raise TimeoutError from None
        raise asyncio.CancelledError from None  # the plain kind, by which a limit further out knows its own


@dataclass(slots=True)
class Function:
    """A LADS function: its value, and its set-point and controller if it has them."""

    value: ua.NodeId
    unit: str = ""
    digits: int | None = None
    target: ua.NodeId | None = None
    span: tuple[float, float] | None = None
    control: ua.NodeId | None = None
    controls: Nodes = field(default_factory=dict[str, ua.NodeId])


@dataclass(slots=True)
class Map:
    """Where things are at one device; lists of nodes are by name, '' is the object itself."""

    lads: int
    identity: Identity
    device: Nodes
    state: Nodes
    running: Nodes
    active: Nodes
    results: ua.NodeId | None
    functions: dict[str, Function]
    by_task: dict[str, Nodes] = field(default_factory=dict[str, Nodes])
    """Results seen so far, by SupervisoryTaskId; a result never changes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a unit runs at present. `task`: None if the server does not tell; `left`: of its stage."""

    run: str
    task: str | None
    state: str
    left: timedelta
    prompt: str


async def children(client: Client, nodes: Sequence[ua.NodeId | None]) -> list[Nodes]:
    """The children of each node by name, with the node itself under ''; nothing for no node."""

    async def of(node: ua.NodeId | None) -> Nodes:
        if node is None:
            return {}
        found = await client.get_node(node).get_children_descriptions()
        return {"": node} | {
            str(each.BrowseName.Name): ua.NodeId(each.NodeId.Identifier, each.NodeId.NamespaceIndex)
            for each in found
        }

    return list(await asyncio.gather(*map(of, nodes)))


async def below(client: Client, node: ua.NodeId | None) -> Nodes:
    """The children of one node."""
    return (await children(client, [node]))[0]


def _members(group: Nodes) -> Nodes:
    """What a LADS set holds, without the set itself and its version."""
    return {name: node for name, node in group.items() if name not in ("", "NodeVersion")}


def _picked(parts: Nodes, *names: str) -> Nodes:
    return {name: parts[name] for name in names if name in parts}


async def values(client: Client, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
    """The values of variables, in one request."""
    return await client.uaclient.read_attributes(list(nodes), AttributeIds.Value) if nodes else []


async def told(client: Client, groups: Sequence[Nodes]) -> list[dict[str, Any]]:
    """What the variables of each group hold, by name, in one request."""
    shown = iter(await values(client, [node for group in groups for node in group.values()]))
    return [{name: plain(next(shown)) for name in group} for group in groups]


def plain(shown: ua.DataValue) -> Any:
    """What a variable holds: text of a LocalizedText, None for nothing."""
    value = shown.Value.Value if shown.Value else None
    return value.Text or "" if isinstance(value, ua.LocalizedText) else value


async def call(client: Client, node: ua.NodeId, method: ua.NodeId, *given: ua.Variant) -> list[Any]:
    """Call a method. Raises CallRefused for a bad status."""
    request = ua.CallMethodRequest(ObjectId=node, MethodId=method, InputArguments=list(given))
    (result,) = await client.uaclient.call([request])
    if not result.StatusCode.is_good():
        why = [
            each.AdditionalInfo
            for each in result.InputArgumentDiagnosticInfos or []
            if each and each.AdditionalInfo
        ]
        raise CallRefused(result.StatusCode, " ".join(why))
    return [each.Value for each in result.OutputArguments or []]


async def learn(client: Client, name: str) -> Map:
    """Find the device `name` and what it offers. Raises DeviceProtocolError if it is no LADS device."""
    spaces = await client.get_namespace_array()
    if DI not in spaces or LADS not in spaces:
        raise DeviceProtocolError("The server there does not speak LADS; check the address.")
    devices = await below(client, node_id(5001, spaces.index(DI)))
    if name not in devices:
        others = ", ".join(sorted(each for each in devices if each)) or "none"
        raise DeviceProtocolError(f"The server there has no device '{name}'; it has: {others}.")
    device = await below(client, devices[name])
    units = await below(client, device.get("FunctionalUnitSet"))
    own = list(_members(units).values())
    unit = await below(client, units.get(name, own[0] if own else None))
    state = await below(client, unit.get("FunctionalUnitState"))
    if missing := [each for each in (*IDENTITY, "FunctionalUnitSet") if each not in device] or (
        [] if "CurrentState" in state else ["FunctionalUnitState"]
    ):
        raise DeviceProtocolError(f"The device '{name}' lacks {missing[0]}, which LADS demands.")
    manager = await below(client, unit.get("ProgramManager"))
    (who,) = await told(client, [_picked(device, *IDENTITY)])
    return Map(
        lads=spaces.index(LADS),
        identity=Identity(*(str(who[each] or "") for each in IDENTITY)),
        device=device,
        state=state,
        running=await below(client, state.get("RunningStateMachine")),
        active=await below(client, manager.get("ActiveProgram")),
        results=manager.get("ResultSet"),
        functions=await _functions(client, unit.get("FunctionSet")),
    )


async def _functions(client: Client, function_set: ua.NodeId | None) -> dict[str, Function]:
    names = _members(await below(client, function_set))
    found: dict[str, Function] = {}
    for name, parts in zip(names, await children(client, list(names.values())), strict=True):
        value, target, control = (
            _first(parts, "CurrentValue", "SensorValue"),
            parts.get("TargetValue"),
            parts.get(CONTROL),
        )
        if value is None:
            continue  # a cover, a timer: no value that a tag could stand for
        shown, aimed, controls = await children(client, [value, target, control])
        measure, limits = await told(client, [_picked(shown, *MEASURE), _picked(aimed, *MEASURE)])
        unit, digits, _ = _measure_in(measure)
        found[name] = Function(value, unit, digits, target, _measure_in(limits)[2], control, controls)
    return found


def _first(parts: Nodes, *names: str) -> ua.NodeId | None:
    return next((parts[name] for name in names if name in parts), None)


def _measure_in(shown: Mapping[str, Any]) -> tuple[str, int | None, tuple[float, float] | None]:
    """Unit of measure, digits after the point and range that an analog variable declares."""
    unit, digits, span = (shown.get(name) for name in MEASURE)
    text = (unit.DisplayName.Text or "") if unit else ""
    return (
        SPELLED.get(text, text),
        int(digits) if digits is not None else None,
        (span.Low, span.High) if span else None,
    )


def quantity_of(value: float, unit: str, digits: int | None) -> Quantity:
    """A Double as a quantity, with the digits the device declares. Raises DeviceProtocolError."""
    try:
        number = Decimal(repr(float(value)))
        return Quantity(number if digits is None else number.quantize(Decimal(1).scaleb(-digits)), unit)
    except (BadInput, ArithmeticError, TypeError) as error:
        raise DeviceProtocolError(f"The value {value} {unit} makes no sense: {error}") from error


async def progress(client: Client, known: Map) -> Progress:
    """The active programme and the state of the unit, in one request."""
    run, task, length, past = (
        "DeviceProgramRunId",
        "SupervisoryTaskId",
        "EstimatedStepRuntime",
        "CurrentStepRuntime",
    )
    groups = [
        _picked(known.active, run, task, length, past, PROMPT),
        *(_picked(machine, "CurrentState") for machine in (known.state, known.running)),
    ]
    shown, outer, inner = await told(client, groups)
    state = str(outer["CurrentState"])
    left = (shown.get(length) or 0.0) - (shown.get(past) or 0.0)
    return Progress(
        run=str(shown.get(run) or ""),
        task=shown.get(task),
        state=str(inner.get("CurrentState") or state) if state == "Running" else state,
        left=timedelta(milliseconds=max(left, 0.0)),
        prompt=str(shown.get(PROMPT) or ""),
    )


async def results_by_task(client: Client, known: Map) -> dict[str, Nodes]:
    """The parts of every result, by the task it is of; only results not seen before are looked at."""
    seen = {parts[""] for parts in known.by_task.values()}
    new = [node for node in _members(await below(client, known.results)).values() if node not in seen]
    parts = [each for each in await children(client, new) if "SupervisoryTaskId" in each]
    tasks = await values(client, [each["SupervisoryTaskId"] for each in parts])
    known.by_task.update({str(plain(task)): each for task, each in zip(tasks, parts, strict=True)})
    return known.by_task


async def result_of(client: Client, parts: Nodes) -> Outcome:
    """The outcome in a result object: variables, event file, and how the run ended if that is told.

    LADS 1.0.0 has no such statement; where a server has not ours either, the status is 'unknown'.
    """
    variables, files = await children(client, [parts.get("VariableSet"), parts.get("FileSet")])
    named, filed = _members(variables), _members(files)
    details = await children(client, [*named.values(), *filed.values()])
    groups = [
        _picked(parts, OUTCOME, OUTCOME_TEXT),
        *(_picked(each, "", *MEASURE) for each in details[: len(named)]),
    ]
    ended, *found = await told(client, groups)
    results = {
        name: value for name, each in zip(named, found, strict=True) if (value := _result(each)) is not None
    }
    held = [each["File"] for each in details[len(named) :] if "File" in each]
    evidence = await content(client, held[0]) if held else b""
    match ended.get(OUTCOME):
        case ("done" | "failed") as status:
            return Outcome(status, results, str(ended.get(OUTCOME_TEXT) or ""), evidence)
        case _:
            return Outcome("unknown", results, "The device tells no outcome.", evidence)


def _result(shown: Mapping[str, Any]) -> Quantity | str | bool | int | None:
    value = shown[""]
    if isinstance(value, float):
        unit, digits, _ = _measure_in(shown)
        return quantity_of(value, unit, digits)
    return value if isinstance(value, str | bool | int) else None


async def content(client: Client, file: ua.NodeId) -> bytes:
    """What a file object (OPC 10000-20) holds."""
    (parts,) = await children(client, [file])
    mode = ua.Variant(ua.OpenFileMode.Read.value, ua.VariantType.Byte)
    handle = ua.Variant((await call(client, file, parts["Open"], mode))[0], ua.VariantType.UInt32)
    length, held = ua.Variant(CHUNK, ua.VariantType.Int32), b""
    while True:
        (part,) = await call(client, file, parts["Read"], handle, length)
        held += part or b""
        if not part or len(part) < CHUNK:
            await call(client, file, parts["Close"], handle)
            return held
