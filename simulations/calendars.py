"""Working time: shifts, breaks and holidays as sorted arrays of seconds since the start.

Zone rules (daylight saving) are applied once, when a calendar is compiled; after that there are only
floats and bisection. Pure.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from math import inf
from zoneinfo import ZoneInfo

from simulations.scenario import Calendar, Horizon, Shift

MARGIN = 120
"""Days compiled beyond the end of the horizon, for work that is still going on there."""


class WorkTime:
    """Stretches of working time, in order and apart from each other. `shifts` says of each which shift it
    is part of: the breaks of one shift divide it into several stretches."""

    __slots__ = ("_before", "ends", "longest", "shifts", "starts")

    def __init__(self, stretches: Sequence[tuple[float, float]], shifts: Sequence[int] = ()) -> None:
        self.starts = [start for start, _ in stretches]
        self.ends = [end for _, end in stretches]
        self.shifts = list(shifts) or list(range(len(stretches)))
        self._before = [0.0, *accumulate(end - start for start, end in stretches)]
        self.longest = max((end - start for start, end in stretches), default=0.0)

    @property
    def stretches(self) -> tuple[tuple[float, float], ...]:
        return tuple(zip(self.starts, self.ends, strict=True))

    def open_until(self, at: float) -> float:
        """The end of the stretch that `at` lies in; -inf if it lies in none."""
        index = bisect_right(self.starts, at) - 1
        return self.ends[index] if index >= 0 and at < self.ends[index] else -inf

    def next_open(self, at: float) -> float:
        """`at` if it is working time, else the start of the next stretch; inf after the last."""
        index = bisect_right(self.ends, at)
        return max(at, self.starts[index]) if index < len(self.starts) else inf

    def worked(self, start: float, end: float) -> float:
        """Working time between two moments."""
        return max(0.0, self._until(end) - self._until(start))

    def worked_until(self, at: float, work: float) -> float:
        """When `work` seconds of working time after `at` are over; inf if there are not so many."""
        if work <= 0:
            return at
        wanted = self._until(at) + work
        if wanted > self._before[-1]:
            return inf
        index = bisect_left(self._before, wanted) - 1
        return self.starts[index] + wanted - self._before[index]

    def _until(self, at: float) -> float:
        """Working time from the beginning to a moment."""
        index = bisect_right(self.starts, at) - 1
        if index < 0:
            return 0.0
        return self._before[index] + min(at, self.ends[index]) - self.starts[index]


ALWAYS = WorkTime([(0.0, inf)])
"""Day and night, without end."""


def compile_calendar(calendar: Calendar, horizon: Horizon) -> WorkTime:
    """The working time of a calendar from the first day of the horizon to its end and MARGIN days more,
    in seconds since that day's midnight, local time."""
    days = int((horizon.warm_up + horizon.length) / 86400) + MARGIN
    return _apart(sorted(_stretches(calendar, horizon, days)))


def midnight(day: date, horizon: Horizon, minutes: int = 0) -> float:
    """Seconds from the start of the horizon to so many minutes by the clock on a day. What falls into the
    hour that a change of the clock leaves out is taken an hour later; of an hour that comes twice, the first."""
    zone = ZoneInfo(horizon.zone)
    first = datetime.combine(date.fromisoformat(horizon.start), datetime.min.time(), zone)
    local = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minutes)
    return local.replace(tzinfo=zone).timestamp() - first.timestamp()


def _stretches(calendar: Calendar, horizon: Horizon, days: int) -> Iterator[tuple[float, float, int]]:
    first = date.fromisoformat(horizon.start)
    closed = {date.fromisoformat(each) for each in calendar.holidays}
    for number in range(-1, days):  # a night shift may have begun the day before
        day = first + timedelta(days=number)
        for place, shift in enumerate(calendar.shifts):
            if day.weekday() not in shift.days or day in closed:
                continue
            for start, end in _parts(shift):
                at, until = midnight(day, horizon, start), midnight(day, horizon, end)
                if until > max(at, 0.0):
                    yield max(at, 0.0), until, (number + 1) * len(calendar.shifts) + place


def _parts(shift: Shift) -> Iterator[tuple[int, int]]:
    """A shift without its breaks, in minutes after the midnight of its first day."""
    end = shift.end if shift.end > shift.start else shift.end + 1440
    at = shift.start
    for start, stop in sorted(_after(shift.start, each) for each in shift.breaks):
        if at < start:
            yield at, min(start, end)
        at = max(at, stop)
    if at < end:
        yield at, end


def _after(start: int, given: tuple[int, int]) -> tuple[int, int]:
    begins = given[0] if given[0] >= start else given[0] + 1440
    return begins, begins + (given[1] - given[0]) % 1440


def _apart(stretches: Sequence[tuple[float, float, int]]) -> WorkTime:
    """Stretches that overlap or touch as one."""
    found: list[tuple[float, float]] = []
    shifts: list[int] = []
    for start, end, shift in stretches:
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
            shifts.append(shift)
    return WorkTime(found, shifts)
