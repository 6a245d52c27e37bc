"""Driver for equipment that speaks OPC UA LADS (OPC 30500-1).

The batch is the SupervisoryJobId, the command the SupervisoryTaskId of a programme; by the latter a run
can be asked for after a lost reply: first the active programme, then the results. Set-points are
written and read back. Limits of the link are real time, everything else is process time.

Options of the plant file: `limit` (longest answer), `patience` (how long a broken link is mended while
a programme runs), `stale_after`, `slowest_look`, `remembers` (false: the device forgets ids, so that
nothing is 'not seen' for certain), `names` (tag: name of the LADS function).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from asyncua import ua
from asyncua.client.client import Client

from batches.errors import BadInput
from batches.quantities import Quantity, duration, parse
from devices.base import (
    Clock,
    DeviceFault,
    DeviceProtocolError,
    DeviceRefused,
    DeviceUnreachable,
    Identity,
    Outcome,
    OutcomeUnknown,
    Quality,
    Reading,
    Repeatability,
)
from devices.lads import ANSWER_PROMPT, pair
from devices.lads_client import (
    AT_REST,
    Function,
    Map,
    Progress,
    call,
    plain,
    progress,
    quantity_of,
    result_of,
    results_by_task,
    values,
)
from devices.lads_link import Link
from devices.unit import Unit

T = TypeVar("T")
SAFE_STATES: Mapping[str, tuple[str, ...]] = {
    "keep_environment": (),
    "stop_feeds": ("perfusion_rate",),
    "stand_still": (),
}
"""Tags set to zero in a safe state; whatever else stands at its set-point stays there."""
ENDED: Mapping[str, Literal["done", "failed"]] = {"Complete": "done", "Idle": "done", "Aborted": "failed"}
"""What a state says of the run that ended in it; Stopped may be either."""
LOOK_FIRST = timedelta(seconds=1)


class LadsDriver:
    """One LADS device at opc.tcp://host:port/NAME. See `devices.base.Device` and `Prompting`."""

    def __init__(self, unit: Unit, clock: Clock) -> None:
        self._unit, self._clock = unit, clock
        limit = self._time("limit", "5 s").total_seconds()
        self._link = Link(unit.id, unit.address, limit, self._check)
        self._patience = self._time("patience", "60 s").total_seconds()
        self._stale_after = self._time("stale_after", "60 s")
        self._slowest = self._time("slowest_look", "60 s")
        self._remembers = unit.options.get("remembers") is not False
        names = unit.options.get("names")
        self._names = names if isinstance(names, Mapping) else {}
        self._last: dict[str, Reading] = {}
        self._asked: dict[str, str] = {}

    def _time(self, option: str, default: str) -> timedelta:
        return duration(parse(str(self._unit.options.get(option, default))))

    def repeatability(self, action: str) -> Repeatability:
        """Set-points are idempotent; whatever else is done has an id that the device keeps, or forgets."""
        if action in ("set", "safe"):
            return "idempotent"
        return "queryable" if self._remembers else "non_repeatable"

    # -- the link --------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        """Reach the device and learn what it offers. Raises DeviceUnreachable, DeviceProtocolError."""
        async with self._link.asking(DeviceUnreachable) as (_, known):
            return known.identity

    async def close(self) -> None:
        """Leave the device; what it runs goes on."""
        await self._link.close()

    def _check(self, known: Map) -> None:
        """The device must have every tag of the plant file, in a unit of measure that fits."""
        for tag, wanted in self._unit.tags.items():
            function = known.functions.get(str(self._names.get(tag, tag)))
            if function is None:
                offered = ", ".join(known.functions) or "none"
                raise DeviceProtocolError(
                    f"{self._unit.id} has no function for the tag '{tag}'; it has: {offered}."
                )
            try:
                quantity_of(0.0, function.unit, None).to(wanted.unit)
            except BadInput as error:
                raise DeviceProtocolError(
                    f"{self._unit.id}, tag '{tag}' of the plant file: {error}"
                ) from error

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, mending the link for as long as patience lasts. Raises OutcomeUnknown then."""
        give_up = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                return await ask()
            except DeviceUnreachable as error:
                if asyncio.get_running_loop().time() >= give_up:
                    raise OutcomeUnknown(f"{error} What it ran may have gone on.") from error

    # -- values ----------------------------------------------------------------------------------

    def _function(self, known: Map, tag: str) -> Function:
        name = str(self._names.get(tag, tag))
        if name not in known.functions:
            raise DeviceRefused(f"{self._unit.id} has no tag '{tag}'; it has: {', '.join(known.functions)}.")
        return known.functions[name]

    async def read(self, tag: str) -> Reading:
        """The value of a tag. Quality from status and age; a failed probe shows its last value as bad."""
        async with self._link.asking(DeviceUnreachable) as (client, known):
            function = self._function(known, tag)
            (shown,) = await values(client, [function.value])
        value, status = plain(shown), shown.StatusCode or ua.StatusCode()
        if value is None or status.is_bad():
            return self._bad(tag, status)
        amount = quantity_of(value, function.unit, function.digits)
        if tag in self._unit.tags:
            amount = amount.to(self._unit.tags[tag].unit)
        at, quality = shown.SourceTimestamp, "good" if status.is_good() else "uncertain"
        reading = self._last[tag] = Reading(
            amount, at or self._clock.now(), self._aged(at, quality), self._unit.id
        )
        return reading

    def _aged(self, at: datetime | None, quality: Quality) -> Quality:
        if at is None:
            return "uncertain"
        return "stale" if self._clock.now() - at > self._stale_after else quality

    def _bad(self, tag: str, status: ua.StatusCode) -> Reading:
        if tag not in self._last:
            raise DeviceFault(
                f"{self._unit.id} shows no value for '{tag}' ({status.name}); look at the probe."
            )
        last = self._last[tag]
        return Reading(last.value, last.at, "bad", f"{self._unit.id}: {status.name}")

    async def set(self, tag: str, value: Quantity, command_id: str) -> None:
        """Write a set-point, read it back and see to it that its controller runs."""
        async with self._link.asking(OutcomeUnknown) as (client, known):
            function = self._function(known, tag)
            node, target = self._target(tag, function, value)
            written = ua.DataValue(ua.Variant(target, ua.VariantType.Double))
            (status,) = await client.uaclient.write_attributes([node], [written])
            status.check()
            (shown,) = await values(client, [node])
            if plain(shown) != target:
                raise DeviceProtocolError(
                    f"{self._unit.id} took {tag} {value} but shows {plain(shown)}; look at it."
                )
            await self._run_controller(client, function)

    def _target(self, tag: str, function: Function, value: Quantity) -> tuple[ua.NodeId, float]:
        """Where the set-point is, and its value in the device's unit of measure; refused here if the device would refuse it."""
        if function.target is None:
            raise DeviceRefused(f"{self._unit.id} has no set-point '{tag}'; it can only be read.")
        try:
            target = float(value.to(function.unit).value)
        except BadInput as error:
            raise DeviceRefused(f"{self._unit.id} cannot be set to {tag} {value}: {error}") from error
        if function.span and not function.span[0] <= target <= function.span[1]:
            low, high = function.span
            why = f"it takes {low:g} to {high:g} {function.unit}"
            raise DeviceRefused(f"{self._unit.id} cannot be set to {tag} {value}; {why}.")
        return function.target, target

    async def _run_controller(self, client: Client, function: Function) -> None:
        if (
            function.control is None
            or "CurrentState" not in function.controls
            or "Start" not in function.controls
        ):
            return
        (state,) = await values(client, [function.controls["CurrentState"]])
        if plain(state) == "Stopped":
            await call(client, function.control, function.controls["Start"])

    # -- programmes ------------------------------------------------------------------------------

    async def do(self, action: str, command_id: str, parameters: Mapping[str, object]) -> Outcome:
        """Run an action or programme to its end. The same command again waits for the same run."""
        given = {name: value for name, value in parameters.items() if name not in ("batch", "command")}
        template, job = action.removeprefix("program:"), str(parameters.get("batch", ""))
        run = await self._start(template, given, job, command_id)
        return await self._ended(run, command_id)

    async def _start(self, template: str, given: Mapping[str, object], job: str, task: str) -> str:
        async with self._link.asking(OutcomeUnknown) as (client, known):
            if "StartProgram" not in known.state:
                raise DeviceRefused(f"{self._unit.id} runs no programmes.")
            pairs = [pair(known.lads, name, written(name, value)) for name, value in given.items()]
            answer = await call(
                client,
                known.state[""],
                known.state["StartProgram"],
                ua.Variant(template, ua.VariantType.String),
                ua.Variant(pairs, ua.VariantType.ExtensionObject, is_array=True),
                ua.Variant(job, ua.VariantType.String),
                ua.Variant(task, ua.VariantType.String),
                ua.Variant([], ua.VariantType.ExtensionObject, is_array=True),
            )
            return str(answer[0]) if answer else ""

    async def _ended(self, run: str, task: str) -> Outcome:
        pause = LOOK_FIRST
        while True:
            now = await self._patiently(self._progress)
            if now.run != run or now.state in AT_REST:
                return await self._concluded(run, task, now.state)
            wait = min(now.left or pause, self._slowest)
            await self._clock.sleep_until(self._clock.now() + max(wait, LOOK_FIRST))
            pause = min(pause * 2, self._slowest)

    async def _concluded(self, run: str, task: str, state: str) -> Outcome:
        found = await self._patiently(lambda: self._result(task, state))
        if found is None:
            raise OutcomeUnknown(f"{self._unit.id} ended {run} and keeps no result of it; look at the unit.")
        if found.status == "unknown":
            raise OutcomeUnknown(
                f"{self._unit.id} ended {run} in state {state}: {found.text} Look at the unit."
            )
        return found

    async def _progress(self) -> Progress:
        async with self._link.asking(DeviceUnreachable) as (client, known):
            return await progress(client, known)

    async def _result(self, task: str, state: str = "") -> Outcome | None:
        """The result of a command; `state` in which its run was seen to end, for a device that tells no outcome."""
        async with self._link.asking(DeviceUnreachable) as (client, known):
            parts = known.by_task.get(task) or (await results_by_task(client, known)).get(task)
            if parts is None:
                return None
            found = await result_of(client, parts)
        if found.status == "unknown" and state in ENDED:
            return Outcome(
                ENDED[state], found.results, f"{found.text} Its state became {state}.", found.evidence
            )
        return found

    async def command_status(self, command_id: str) -> Outcome:
        """What became of a programme or action. For a set-point this says nothing: write it again."""
        now = await self._progress()
        if now.task == command_id and now.state not in AT_REST:
            return Outcome("running", text=f"{now.run} is {now.state}")
        if (found := await self._result(command_id)) is not None:
            return found
        if now.task is None and now.state not in AT_REST:
            return Outcome(
                "unknown", text=f"{self._unit.id} runs {now.run} and does not tell for which command."
            )
        return Outcome("not_seen" if self._remembers else "unknown")

    async def prompt(self, command_id: str) -> str | None:
        """What the command's programme asks a person at present."""
        if not self._link.opened:
            return None
        now = await self._progress()
        if now.task != command_id or not now.prompt:
            return None
        self._asked[command_id] = now.prompt
        return now.prompt

    async def answer_prompt(self, command_id: str, text: str) -> None:
        """Answer the prompt last read for this command; never a later one."""
        asked = self._asked.get(command_id) or await self.prompt(command_id)
        if not asked:
            raise DeviceRefused(f"{self._unit.id} asks nothing for this command.")
        async with self._link.asking(OutcomeUnknown) as (client, known):
            given = [ua.Variant(each, ua.VariantType.String) for each in (command_id, asked, text)]
            await call(client, known.active[""], known.active[ANSWER_PROMPT], *given)

    # -- states ----------------------------------------------------------------------------------

    async def safe(self, state: str, command_id: str) -> None:
        """Bring about a safe state of SAFE_STATES; the device must answer for it to count."""
        if state not in SAFE_STATES:
            raise DeviceRefused(
                f"{self._unit.id} has no safe state '{state}'; it has: {', '.join(SAFE_STATES)}."
            )
        await self._progress()
        for tag in SAFE_STATES[state]:
            if tag in self._unit.tags and self._unit.tags[tag].settable:
                await self.set(
                    tag, Quantity(0 * self._unit.tags[tag].low.value, self._unit.tags[tag].unit), command_id
                )

    async def stop(self) -> None:
        """End what runs, in order. A unit at which nothing runs is left as it is."""
        await self._command("Stop")

    async def abort(self) -> None:
        """End what runs, at once."""
        await self._command("Abort")

    async def hold(self) -> None:
        """Let the programme stand still."""
        await self._command("Hold")

    async def unhold(self) -> None:
        """Let the programme go on."""
        await self._command("Unhold")

    async def _command(self, method: str) -> None:
        if method == "Stop" and (await self._progress()).state in AT_REST:
            return
        async with self._link.asking(OutcomeUnknown) as (client, known):
            parts = known.state if method in known.state else known.running
            if method not in parts:
                raise DeviceRefused(f"{self._unit.id} offers no {method}.")
            await call(client, parts[""], parts[method])


def written(name: str, value: object) -> str:
    """A parameter as LADS carries it: text. Raises DeviceRefused for what has no text."""
    match value:
        case bool():
            return "true" if value else "false"
        case Quantity() | int() | str():
            return str(value)
        case _:
            raise DeviceRefused(
                f"The parameter '{name}' is a {type(value).__name__}; a device takes amounts and texts."
            )
