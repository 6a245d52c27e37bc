"""Series of readings: what a picture needs of many points, and where nothing was measured.

A series is thinned so that nothing that a person looks for is lost: in each slice the lowest and the
highest point and the first of the worst quality stay, and both sides of every gap. A gap is never
bridged: it is told as a gap. (M4 keeps first, last, lowest and highest of each pixel column for the same
reason: Jugel et al., VLDB 2014.)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from batches.limits import Quality

T = TypeVar("T")
WORSE: Mapping[Quality, int] = {"good": 0, "uncertain": 1, "stale": 2, "bad": 3}
KEPT_OF_SLICE = 3


@dataclass(frozen=True, slots=True)
class Point(Generic[T]):
    """One reading as the thinning needs it; `of` is whatever the caller wants back."""

    at: datetime
    value: float
    quality: Quality
    of: T


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing was measured after `start` until `end`."""

    start: datetime
    end: datetime


@dataclass(slots=True)
class Series(Generic[T]):
    """`points` in order of time; `total`: how many there are in the range; `gaps`: none is left out."""

    points: list[T] = field(default_factory=list[T])
    gaps: list[Gap] = field(default_factory=list[Gap])
    total: int = 0


def thinned(points: Iterable[Point[T]], total: int, most: int, gap_after: timedelta) -> Series[T]:
    """About `most` of `total` points (in order of time), and every pause longer than `gap_after` as a gap.

    Reads the points once and keeps no more than a slice in memory. With `total` <= `most` all stay.
    """
    found: Series[T] = Series()
    width = 1 if total <= most else max(1, -(-KEPT_OF_SLICE * total // most))
    part: list[Point[T]] = []
    last: Point[T] | None = None
    for point in points:
        found.total += 1
        paused = last is not None and point.at - last.at > gap_after
        if last is not None and paused:
            found.gaps.append(Gap(last.at, point.at))
        if part and (paused or len(part) >= width):
            found.points += _kept(part, paused or last is None)
            part = []
        first_after = paused or last is None
        part.append(point)
        if first_after and width > 1:  # a slice of its own: the side of a gap, or the beginning
            found.points += [point.of]
            part = []
        last = point
    if part:
        found.points += _kept(part, end=True)
    return found


def _kept(part: list[Point[T]], end: bool) -> list[T]:
    """Lowest, highest and the first of the worst quality; the last too where a gap or the end follows."""
    places = range(len(part))
    kept = {
        min(places, key=lambda i: part[i].value),
        max(places, key=lambda i: part[i].value),
        max(places, key=lambda i: (WORSE[part[i].quality], -i)),
    }
    if end:
        kept.add(len(part) - 1)
    return [part[i].of for i in sorted(kept)]
