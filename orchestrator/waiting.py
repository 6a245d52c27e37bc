"""Steps that wait: until a value is reached, for a time, or for the first of several things.

What comes about while the unit procedure is held latches: it completes the step after the restart.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from batches import commands
from batches.entries import SYSTEM, Actor, stamp
from batches.errors import DeviceError
from batches.plain import Plain
from batches.quantities import Quantity, duration
from batches.record_state import OpenStep
from batches.steps import Fired, First, Until, Value, decode
from devices.base import Reading
from orchestrator.cursor import Cursor
from orchestrator.equipment import Equipment

if TYPE_CHECKING:
    from orchestrator.executor import BatchRunner

LATE = timedelta(seconds=5)
"""A timer that fires later than this says so (the system was down)."""


class Waits:
    """Carries out the steps of one batch that wait; each returns when the cursor has moved."""

    def __init__(self, runner: "BatchRunner") -> None:
        self._runner, self._engine, self._state = runner, runner.engine, runner.state

    async def until(self, cursor: Cursor, step: Until, open_: OpenStep) -> None:
        if open_.latched is not None:
            await self._unlatch(cursor, step, open_)
            return
        reading = await self._watch(cursor, step, None)
        if reading is not None:
            self._reached(cursor, step, reading.value, reading)

    def _reached(self, cursor: Cursor, step: Until, reply: Value, reading: Reading) -> None:
        """The condition holds: the step is done, or latches until its unit procedure runs again."""
        actor = Actor("device", self._state.units.get(step.unit or cursor.node.unit, ""))
        if self._runner.runs(cursor):
            self._runner.complete(cursor, reply, actor, more={"measured": stamp(reading.at)})
        else:
            self._runner.commit(commands.latch(self._state, cursor.path, reply, actor, reading.at))

    async def _unlatch(self, cursor: Cursor, step: Until | First, open_: OpenStep) -> None:
        if not self._runner.runs(cursor):
            await self._runner.change(self._runner.signal)
            return
        latched = open_.latched or commands.NOTHING_MORE
        reply = decode(latched["reply"])
        option = step.options[reply.index] if isinstance(step, First) and isinstance(reply, Fired) else step
        role = option.unit if isinstance(option, Until) else ""
        actor = Actor("device", self._state.units.get(role or cursor.node.unit, ""))
        self._runner.complete(cursor, reply, actor, more={"measured": latched["measured"]})

    async def _watch(self, cursor: Cursor, step: Until, until: datetime | None) -> Reading | None:
        """Look at a tag until its condition holds; None when `until` or a move of the cursor came first."""
        unit = self._state.units.get(step.unit or cursor.node.unit, "")
        every = self._engine.settings.look_every if step.every is None else duration(step.every)
        moved = cursor.moved
        while True:
            reading = await good_reading(self._engine.equipment, unit, step.tag)
            if reading is not None and _holds(step, reading.value):
                return reading
            due = self._engine.clock.now() + every
            if until is not None and until <= self._engine.clock.now():
                return None
            if await self._engine.clock.wait(moved, due if until is None else min(due, until)):
                return None

    async def wait(self, cursor: Cursor, open_: OpenStep) -> None:
        due = cast("datetime", open_.dues[0])
        if not await self._engine.clock.wait(cursor.moved, due):
            self._runner.complete(cursor, None, more=self._timer(due))

    def _timer(self, due: datetime) -> dict[str, Plain]:
        """Both times, when a timer fired late because the system was down."""
        now = self._engine.clock.now()
        return {"due": stamp(due), "fired": stamp(now)} if now - due > LATE else {}

    async def first(self, cursor: Cursor, step: First, open_: OpenStep) -> None:
        """Whichever option comes first; ties by order. Tasks among the options are answered elsewhere."""
        if open_.latched is not None:
            await self._unlatch(cursor, step, open_)
            return
        dues = [due for due in open_.dues if due is not None]
        ends = min(dues, default=None)
        watched = [(i, option) for i, option in enumerate(step.options) if isinstance(option, Until)]
        moved = cursor.moved
        found = await self._first_until(cursor, watched, ends) if watched else None
        if moved.done():
            return
        if found is not None:
            index, option, reading = found
            self._reached(cursor, option, Fired(index, reading.value), reading)
        elif not await self._engine.clock.wait(moved, ends) and ends is not None:
            self._runner.complete(cursor, Fired(open_.dues.index(ends)), SYSTEM, more=self._timer(ends))

    async def _first_until(
        self, cursor: Cursor, watched: Sequence[tuple[int, Until]], ends: datetime | None
    ) -> tuple[int, Until, Reading] | None:
        looks = {
            asyncio.ensure_future(self._watch(cursor, option, ends)): (index, option)
            for index, option in watched
        }
        try:
            done, _ = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
            found = [(*looks[look], reading) for look in done if (reading := look.result()) is not None]
        finally:
            for look in looks:
                look.cancel()
        return min(found, key=lambda one: one[0], default=None)


async def good_reading(equipment: Equipment, unit: str, tag: str) -> Reading | None:
    """A reading of good quality, or None: a stale or bad value is never taken for a good one."""
    try:
        reading = await equipment.read(unit, tag)
    except DeviceError:
        return None
    return reading if reading.quality == "good" else None


def _holds(step: Until, value: Quantity) -> bool:
    low = step.at_least is None or value >= step.at_least
    return low and (step.at_most is None or value <= step.at_most)
