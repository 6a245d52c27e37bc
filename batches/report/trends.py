"""Trends as SVG: a value over time with its limits, small enough to read on paper.

A picture is a fixed 520 by 128 points, without script, style sheet or outside reference. Coordinates
are written with one decimal, so that the same readings give the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import floor, log10
from xml.sax.saxutils import escape

from batches.report.readings import Reading, thinned

WIDTH, HEIGHT = 520.0, 128.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 512.0, 8.0, 106.0
MOST_POINTS = 700
LEGIBLE = 40.0
"""A band narrower than this carries no figure; the caption has it."""
GAP = 5
"""So many times the usual time between two readings is a gap: no line is drawn over it."""
FONT = "Libertinus Serif"
INK, GRID, LINE, LIMIT, OUTSIDE = "#333333", "#e4e4e4", "#1f5a8a", "#b3261e", "#fbeceb"
STEPS = tuple(timedelta(hours=hours) for hours in (1, 2, 4, 6, 12, 24, 48, 96, 168, 336, 720))


@dataclass(frozen=True, slots=True)
class Band:
    """Limits that held from `start` to `end`, in the unit of measure of the readings."""

    start: datetime
    end: datetime
    low: Decimal | None
    high: Decimal | None


@dataclass(frozen=True, slots=True)
class Trend:
    """What one picture shows."""

    title: str
    readings: tuple[Reading, ...]
    bands: tuple[Band, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """The scales of a picture."""

    start: datetime
    end: datetime
    bottom: float
    top: float

    def x(self, at: datetime) -> float:
        span = (self.end - self.start) / timedelta(seconds=1) or 1.0
        place = LEFT + (RIGHT - LEFT) * ((at - self.start) / timedelta(seconds=1)) / span
        return min(max(place, LEFT), RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.bottom) / ((self.top - self.bottom) or 1.0)
        return min(max(BOTTOM - (BOTTOM - TOP) * share, TOP), BOTTOM)


def svg(trend: Trend, start: datetime, end: datetime) -> bytes:
    """The picture of a trend from `start` to `end`."""
    values = [float(one.value.value) for one in trend.readings]
    limits = [float(limit) for band in trend.bands for limit in (band.low, band.high) if limit is not None]
    frame = Frame(start, max(end, start + timedelta(minutes=1)), *_range([*values, *limits]))
    parts = [*_outside(trend, frame), *_grid(frame), *_limits(trend, frame), *_curve(trend, values, frame)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:g}" height="{HEIGHT:g}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}">'
    return (head + "".join(parts) + "</svg>").encode("utf-8")


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Bottom and top of the picture: the values with a margin, never a range of zero."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = (high - low) * 0.12 or abs(high) * 0.05 or 1.0
    return low - margin, high + margin


def _grid(frame: Frame) -> Iterator[str]:
    for value in ticks(frame.bottom, frame.top):
        y = frame.y(value)
        yield _line(LEFT, y, RIGHT, y, GRID)
        yield _text(LEFT - 4, y + 3, _number(value), "end")
    for at, label in days(frame.start, frame.end):
        x = frame.x(at)
        yield _line(x, BOTTOM, x, BOTTOM + 3, INK)
        yield _text(x, BOTTOM + 13, label, "middle")
    yield _line(LEFT, BOTTOM, RIGHT, BOTTOM, INK)
    yield _line(LEFT, TOP, LEFT, BOTTOM, INK)


def ticks(bottom: float, top: float, about: int = 4) -> list[float]:
    """Round numbers (1, 2, 5 times a power of ten) between bottom and top."""
    rough = (top - bottom) / about
    size = 10.0 ** floor(log10(rough))
    step = size * next(part for part in (1, 2, 5, 10) if size * part >= rough * 0.999)
    first = floor(bottom / step) + 1
    return [index * step for index in range(first, floor(top / step) + 1)]


def days(start: datetime, end: datetime, most: int = 9) -> list[tuple[datetime, str]]:
    """Marks counted from the start, in hours or days: 'day 3', '6 h'."""
    step = next((step for step in STEPS if (end - start) / step <= most), STEPS[-1] * 12)
    count = int((end - start) / step)
    return [(start + index * step, _since(index * step, step)) for index in range(count + 1)]


def _since(passed: timedelta, step: timedelta) -> str:
    if step < timedelta(hours=24):
        return f"{passed // timedelta(hours=1)} h"
    return f"day {passed // timedelta(days=1)}"


def _outside(trend: Trend, frame: Frame) -> Iterator[str]:
    for band in trend.bands:
        if band.high is not None and (y := frame.y(float(band.high))) > TOP:
            yield _box(frame, band, TOP, y)
        if band.low is not None and (y := frame.y(float(band.low))) < BOTTOM:
            yield _box(frame, band, y, BOTTOM)


def _box(frame: Frame, band: Band, top: float, bottom: float) -> str:
    left, right = frame.x(band.start), frame.x(band.end)
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" fill="{OUTSIDE}"/>'


def _limits(trend: Trend, frame: Frame) -> Iterator[str]:
    for band in trend.bands:
        for limit, above in ((band.low, False), (band.high, True)):
            if limit is not None:
                y, end = frame.y(float(limit)), frame.x(band.end)
                yield _line(frame.x(band.start), y, end, y, LIMIT, dash="4 3")
                if end - frame.x(band.start) > LEGIBLE:
                    yield _text(end - 2, y - 3 if above else y + 9, f"{limit:f}", "end", LIMIT)


def _curve(trend: Trend, values: Sequence[float], frame: Frame) -> Iterator[str]:
    good = [
        (one.measured_at, value)
        for one, value in zip(trend.readings, values, strict=True)
        if one.quality == "good"
    ]
    kept = thinned(good, MOST_POINTS, [value for _, value in good])
    for part in unbroken(kept):
        path = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in part)
        yield f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1" stroke-linejoin="round"/>'
    if len(kept) == 1:
        yield f'<circle cx="{frame.x(kept[0][0]):.1f}" cy="{frame.y(kept[0][1]):.1f}" r="1.6" fill="{LINE}"/>'
    for one, value in zip(trend.readings, values, strict=True):
        if one.quality != "good":
            yield f'<circle cx="{frame.x(one.measured_at):.1f}" cy="{frame.y(value):.1f}" r="1.4" fill="none" stroke="{LIMIT}" stroke-width="0.6"/>'


def unbroken(points: Sequence[tuple[datetime, float]]) -> list[list[tuple[datetime, float]]]:
    """The points in pieces without a gap between two of them."""
    steps = sorted(after[0] - before[0] for before, after in pairwise(points))
    longest = GAP * steps[len(steps) // 2] if steps else timedelta(0)
    found: list[list[tuple[datetime, float]]] = []
    for point in points:
        if found and point[0] - found[-1][-1][0] <= longest:
            found[-1].append(point)
        else:
            found.append([point])
    return found


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="0.6"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = INK) -> str:
    attributes = (
        f'x="{x:.1f}" y="{y:.1f}" font-family="{FONT}" font-size="9" text-anchor="{anchor}" fill="{colour}"'
    )
    return f"<text {attributes}>{escape(text)}</text>"


def _number(value: float) -> str:
    return f"{value:.6g}"
