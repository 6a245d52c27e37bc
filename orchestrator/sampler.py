"""The sampler: reads every tag of the plant at its period and hands what it finds to the historian.

One task for each unit, so that a unit which hangs keeps nobody else waiting; a call to a driver is never
cancelled, as that would leave its connection in the middle of something. A tag is due on a fixed grid: a
tick that cannot be kept is not made up for, it is counted in `missed` and shows as a gap. What comes in is
judged first (`batches.limits.trusted`): the historian holds implausible values as bad, never as good.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from batches.errors import DeviceError, KweekError
from batches.limits import Seen, trusted
from devices.base import Reading
from devices.plant import Plant
from devices.unit import Tag, Unit
from orchestrator.clock import ProcessClock

EVERY = timedelta(seconds=10)
"""How often a tag is read where nothing else is said (assumed; between 1 s and 1 min)."""
AT_ONCE = 10
"""How many tags of a unit are asked for at the same time (assumed; a driver may still take turns)."""
SILENT_PERIODS = 3
"""A tag without a reading for so many periods has a gap, and its unit says why."""


class Reads(Protocol):
    """What the sampler asks of equipment."""

    def manual(self, unit: str) -> bool: ...
    async def read(self, unit: str, tag: str) -> Reading: ...


Keep = Callable[[str, str, Reading], None]
"""Takes a reading of a unit's tag: `Engine.keep_reading`."""


@dataclass(slots=True)
class Sampled:
    """How the sampling of one unit goes. `trouble`: why its last reading failed, since `since`; '' when all
    is well. `waiting_since`: a reading was asked for then, and no answer came yet."""

    taken: int = 0
    missed: int = 0
    trouble: str = ""
    since: datetime | None = None
    waiting_since: datetime | None = None
    due: dict[str, datetime] = field(default_factory=dict[str, datetime])


class Sampler:
    """Samples every unit that is not worked by hand. `every`: the period of each tag that `periods` (unit,
    tag) does not name."""

    def __init__(
        self, plant: Plant, equipment: Reads, clock: ProcessClock, keep: Keep, every: timedelta = EVERY,
        periods: Mapping[tuple[str, str], timedelta] | None = None,
    ) -> None:  # fmt: skip
        self._plant, self._equipment, self._clock, self._keep = plant, equipment, clock, keep
        self._every, self._periods = every, periods or {}
        self.units: dict[str, Sampled] = {unit.id: Sampled() for unit in self._sampled()}
        """How each unit goes, by its id."""

    def period(self, unit: str, tag: str) -> timedelta:
        """How often a tag is read."""
        return self._periods.get((unit, tag), self._every)

    async def run(self) -> None:
        """Sample all units until cancelled."""
        async with asyncio.TaskGroup() as group:
            for unit in self._sampled():
                group.create_task(self.sample(unit), name=f"sampler {unit.id}")

    async def sample(self, unit: Unit) -> None:
        """Sample one unit until cancelled."""
        state, now = self.units[unit.id], self._clock.now()
        state.due = dict.fromkeys(unit.tags, now)
        while state.due:
            await self._clock.sleep_until(min(state.due.values()))
            now = self._clock.now()
            ready = [name for name, due in state.due.items() if due <= now]
            for first in range(0, len(ready), AT_ONCE):
                await asyncio.gather(
                    *(
                        self._take(unit, name, unit.tags[name], state)
                        for name in ready[first : first + AT_ONCE]
                    )
                )
            for name in ready:
                state.due[name] = self._next(state, state.due[name], self.period(unit.id, name))

    def _sampled(self) -> list[Unit]:
        return [unit for unit in self._plant.units if unit.tags and not self._equipment.manual(unit.id)]

    def _next(self, state: Sampled, due: datetime, period: timedelta) -> datetime:
        """The next tick of the grid that is not over; those that are were missed."""
        over = max(0, (self._clock.now() - due) // period)
        state.missed += over
        return due + (over + 1) * period

    async def _take(self, unit: Unit, name: str, tag: Tag, state: Sampled) -> None:
        state.waiting_since = self._clock.now()
        try:
            found = await self._equipment.read(unit.id, name)
        except KweekError as error:
            if not isinstance(error, DeviceError):
                error = DeviceError(f"{unit.id} gives no usable value for '{name}': {error}")
            self._failed(state, str(error))
            return
        finally:
            state.waiting_since = None
        self._keep(unit.id, name, judged(found, tag, self._clock.now()))
        state.taken += 1
        state.trouble, state.since = "", None

    def _failed(self, state: Sampled, sentence: str) -> None:
        state.missed += 1
        state.trouble, state.since = sentence, state.since or self._clock.now()


def judged(reading: Reading, tag: Tag, received_at: datetime) -> Reading:
    """A reading with the quality it deserves."""
    seen = Seen(reading.value, reading.at, reading.quality)
    quality = trusted(seen, received_at, tag.low, tag.high)
    return (
        reading if quality == reading.quality else Reading(reading.value, reading.at, quality, reading.source)
    )
