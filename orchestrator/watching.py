"""What is watched while a batch runs: alarm limits of tags, how long a hold lasts, times between phases."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from batches import commands, departures, procedure_actions
from batches.commands import Decision
from batches.entries import Draft, stamp
from batches.errors import BadInput
from batches.limits import Event, Seen, Watch, Watched, judge, resumed
from batches.plain import Plain
from batches.quantities import duration
from batches.recipe import Limit, UnitProcedure
from batches.states import ENDED
from devices.base import DeviceError, Reading

if TYPE_CHECKING:
    from orchestrator.executor import BatchRunner

SILENT_AFTER = timedelta(hours=4)
"""A tag with limits that gives no good value for longer raises a deviation (assumed)."""


SOONEST_LOOK = timedelta(seconds=15)
"""A tag outside its limit is not looked at more often (assumed)."""


async def watch_limits(runner: "BatchRunner", path: str, node: UnitProcedure) -> None:
    """Read the tags with limits, keep the readings, and record excursions as they start and end."""
    unit = runner.state.units.get(node.unit, "")
    if not node.limits or runner.engine.equipment.manual(unit):
        return
    clock, watches = runner.engine.clock, {limit.tag: Watch(limit, SILENT_AFTER) for limit in node.limits}
    watched = {tag: _so_far(runner, path, tag) for tag in watches}
    while runner.state.elements[path] not in ENDED:
        await clock.sleep_until(clock.now() + _next_look(runner, watches, watched))
        for tag, watch in watches.items():
            reading = await _read(runner, unit, tag)
            seen = None if reading is None else Seen(reading.value, reading.at, reading.quality)
            watched[tag], events = _judged(watch, watched[tag], seen, clock.now())
            for event in events:
                runner.commit(_record(runner, path, unit, watch.limit, event))


def _next_look(
    runner: "BatchRunner", watches: Mapping[str, Watch], watched: Mapping[str, Watched]
) -> timedelta:
    """Sooner while a tag is outside and its delay runs: one look an hour cannot tell a short stop of the
    agitator from a long one."""
    doubtful = [
        watches[tag].delay / 4 for tag, seen in watched.items() if seen.outside and not seen.excursion
    ]
    usual = runner.engine.settings.sample_every
    return min([usual, *(max(each, SOONEST_LOOK) for each in doubtful)])


def _judged(
    watch: Watch, before: Watched, seen: Seen | None, now: datetime
) -> tuple[Watched, tuple[Event, ...]]:
    """A value that measures something else than its limit is no value: silence will say so."""
    try:
        return judge(watch, before, seen, now)
    except BadInput:
        return judge(watch, before, None, now)


def _so_far(runner: "BatchRunner", path: str, tag: str) -> Watched:
    """The watch is resumed: an excursion that the record holds open stays open."""
    return resumed(runner.engine.clock.now(), runner.state.outside_since.get((path, tag)))


async def _read(runner: "BatchRunner", unit: str, tag: str) -> Reading | None:
    try:
        reading = await runner.engine.equipment.read(unit, tag)
    except DeviceError:
        return None
    runner.engine.keep_reading(unit, tag, reading)
    return reading


def _record(runner: "BatchRunner", path: str, unit: str, limit: Limit, event: Event) -> Decision:
    body: dict[str, Plain] = {
        "path": path, "tag": event.tag, "unit": unit, "since": stamp(event.since), "side": event.side,
        "value": None if event.value is None else event.value.plain(),
        "worst": None if event.worst is None else event.worst.plain(),
        "low": None if limit.low is None else limit.low.plain(), "high": None if limit.high is None else limit.high.plain(),
    }  # fmt: skip
    if event.kind in ("excursion_started", "silence_started"):
        usual = "high" if event.kind == "silence_started" else "critical" if limit.critical else "medium"
        body |= {"priority": limit.priority or usual, "latching": limit.latching}
    match event.kind:
        case "excursion_started" | "silence_started":
            silent = event.kind == "silence_started"
            yield Draft("tag_silent" if silent else "excursion_started", body)
            says = "gives no good value" if silent else f"is {event.value}, beyond its {event.side} limit"
            if limit.critical or silent:
                yield commands.deviation(
                    runner.state, "major", f"{event.tag} of {unit} {says} since {stamp(event.since)}.", path,
                    runner.state.entries,
                )  # fmt: skip
            if limit.holds and not silent:
                yield from commands.hold_by_system(runner.state, path, f"{event.tag} of {unit} {says}.")
        case "excursion_ended":
            yield Draft("excursion_ended", body)
        case "silence_ended":
            yield Draft("tag_heard", body)


async def watch_time_limits(runner: "BatchRunner") -> None:
    """Say at once when a time limit passes and what it waits for has not begun."""
    clock = runner.engine.clock
    while not runner.state.ended:
        signal = runner.signal
        wakes = min((one.wakes for one in runner.state.time_limits if one.wakes is not None), default=None)
        if wakes is None:
            await runner.change(signal)
        elif not await clock.wait(asyncio.shield(signal), wakes):
            runner.commit(procedure_actions.pass_limits(runner.state, clock.now()))


async def watch_confirmations(runner: "BatchRunner") -> None:
    """Say when quality assurance did not confirm an urgent departure in time; also once the batch has ended."""
    clock, state = runner.engine.clock, runner.state
    while not state.settled:
        signal = runner.signal
        wakes = min((one.wakes for one in state.departures.values() if one.wakes is not None), default=None)
        if wakes is None:
            await runner.change(signal)
        elif not await clock.wait(asyncio.shield(signal), wakes):
            runner.commit(departures.overdue(state, clock.now()))


async def watch_hold(runner: "BatchRunner", path: str, node: UnitProcedure) -> None:
    """Open a deviation when a hold outlasts what its phase declares."""
    while runner.state.elements[path] not in ENDED:
        signal = runner.signal
        longest = _longest(runner, path)
        if runner.state.elements[path] != "Held" or longest is None or path in runner.state.overrun:
            await runner.change(signal)
            continue
        due = runner.state.since[path] + longest
        if await runner.engine.clock.wait(asyncio.shield(signal), due):
            continue
        sentence = (
            f"The hold of '{path}' lasts longer than the {longest} its phase allows; decide how to go on."
        )
        runner.commit(_overrun(runner, path, sentence))


def _overrun(runner: "BatchRunner", path: str, sentence: str) -> Decision:
    yield Draft("hold_overrun", {"path": path, "sentence": sentence})
    yield commands.deviation(runner.state, "major", sentence, path)


def _longest(runner: "BatchRunner", path: str) -> timedelta | None:
    found = [duration(hold.longest) for hold in runner.holds(path) if hold.longest is not None]
    return min(found, default=None)
