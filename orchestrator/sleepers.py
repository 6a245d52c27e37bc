"""Who sleeps in a time that is told, and what every process clock has: activity and event marks."""

import asyncio
import heapq
from datetime import UTC, datetime
from itertools import count
from typing import Any

from batches.errors import BadInput
from orchestrator.activity import Activity


class Marked:
    """What every process clock has: its activity, and the count of the events published.

    `run` names this start of the engine: one that is started again counts anew.
    """

    def __init__(self, run: str) -> None:
        self.activity = Activity()
        self._run = run
        self._published = 0

    @property
    def published(self) -> str:
        return f"{self._run}-{self._published}"

    def publish(self) -> str:
        self._published += 1
        self.activity.note()
        return self.published


class _Sleeper:
    __slots__ = ("depth", "future", "woken")

    def __init__(self) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.depth = 0
        self.woken = False


class Told(Marked):
    """A time that somebody tells, and who sleeps in it: woken by due time, then by order of lying down."""

    virtual = True

    def __init__(self, now: datetime, run: str) -> None:
        super().__init__(run)
        check_aware(now)
        self._now = now.astimezone(UTC)
        self._due: list[tuple[datetime, int, _Sleeper]] = []
        self._order = count()

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, when: datetime) -> None:
        check_aware(when)
        if when <= self._now:
            await asyncio.sleep(0)
        else:
            await self._sleep(_Sleeper(), when)

    async def wait(self, future: "asyncio.Future[Any]", until: datetime | None = None) -> bool:
        if until is not None:
            check_aware(until)
            if until <= self._now:
                await asyncio.sleep(0)
                return future.done()
        if future.done():
            return True
        sleeper = _Sleeper()

        def rouse(_: "asyncio.Future[Any]") -> None:
            self._rouse(sleeper)

        future.add_done_callback(rouse)
        try:
            await self._sleep(sleeper, until)
        finally:
            future.remove_done_callback(rouse)
        return future.done()

    async def _sleep(self, sleeper: _Sleeper, until: datetime | None) -> None:
        if until is not None:
            heapq.heappush(self._due, (until, next(self._order), sleeper))
        sleeper.depth = self.activity.fall_asleep()
        try:
            await sleeper.future
        finally:
            if not sleeper.woken:  # cancelled in its sleep
                self.activity.wake(sleeper.depth)
            self.activity.woken()

    def _rouse(self, sleeper: _Sleeper) -> None:
        if not sleeper.future.done():
            sleeper.woken = True
            self.activity.wake(sleeper.depth)
            sleeper.future.set_result(None)

    def next_due(self) -> datetime | None:
        """The earliest due time of anybody still asleep."""
        while self._due and self._due[0][2].future.done():
            heapq.heappop(self._due)
        return self._due[0][0] if self._due else None

    def move(self, now: datetime) -> None:
        """Set the time, never back, and wake whom it is time to wake."""
        self._now = max(self._now, now.astimezone(UTC))
        while self._due and self._due[0][0] <= self._now:
            self._rouse(heapq.heappop(self._due)[2])


def check_aware(when: datetime) -> None:
    """Raise BadInput for a time without a zone."""
    if when.tzinfo is None:
        raise BadInput(f"The time {when.isoformat()} has no time zone: process time is UTC.")
