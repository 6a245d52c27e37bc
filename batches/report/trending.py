"""Which trends a report shows: every tag that was read, with the limits of the unit procedures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from batches.errors import BadInput
from batches.plain import dict_in, text_in
from batches.procedure import find
from batches.quantities import Quantity
from batches.recipe import Limit, UnitProcedure
from batches.record import BatchState
from batches.report import words
from batches.report.bundle import Bundle
from batches.report.readings import Reading
from batches.report.trends import Band, Trend

NEXT = timedelta(hours=2)
"""Unit procedures that begin so soon after one another are drawn without a break in their limits."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A trend, the time it spans and what stands under it."""

    trend: Trend
    start: datetime
    end: datetime
    caption: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A limit on a tag of a unit, while a unit procedure ran."""

    unit: str
    limit: Limit
    path: str
    start: datetime
    end: datetime


def trends(bundle: Bundle, state: BatchState, readings: Sequence[Reading]) -> list[Drawn]:
    """One trend for each unit and tag; those with critical limits first, those without limits last."""
    by_tag: dict[tuple[str, str], list[Reading]] = {}
    for one in readings:
        by_tag.setdefault((one.unit, one.tag), []).append(one)
    limits: dict[tuple[str, str], list[Watched]] = {key: [] for key in by_tag}
    for one in watched(bundle, state):
        limits.setdefault((one.unit, one.limit.tag), []).append(one)
    order = sorted(by_tag, key=lambda key: (_rank(limits[key]), key))
    return [_drawn(key, by_tag[key], limits[key]) for key in order]


def _rank(limits: Sequence[Watched]) -> int:
    return 2 if not limits else 0 if any(one.limit.critical for one in limits) else 1


def watched(bundle: Bundle, state: BatchState) -> Iterator[Watched]:
    """Every limit of every unit procedure that was begun, with the time it held."""
    ends = {
        text_in(e.content(), "path"): e.recorded_at
        for e in bundle.entries
        if e.kind == "unit_procedure_finished" and e.body
    }
    for entry in bundle.entries:
        if entry.kind == "unit_procedure_started" and entry.body is not None:
            path = text_in(entry.body, "path")
            node = find(state.known_recipe().procedure, path, state.progress)
            if isinstance(node, UnitProcedure):
                unit = text_in(dict_in(entry.body, "units"), node.unit)
                for limit in node.limits:
                    yield Watched(unit, limit, path, entry.recorded_at, ends.get(path, bundle.exported_at))


def _drawn(key: tuple[str, str], readings: list[Reading], limits: Sequence[Watched]) -> Drawn:
    measure = readings[0].value.unit
    same = tuple(
        sorted((one for one in readings if one.value.unit == measure), key=lambda one: one.measured_at)
    )
    bands = _merged(
        Band(w.start, w.end, _in(w.limit.low, measure), _in(w.limit.high, measure)) for w in limits
    )
    name = words.tag(key[1])
    title = (
        f"{name[:1].upper() + name[1:] if name.islower() else name} of {key[0]} ({words.measure(measure)})"
    )
    return Drawn(Trend(title, same, bands), same[0].measured_at, same[-1].measured_at, _caption(same, limits))


def _merged(bands: Iterable[Band]) -> tuple[Band, ...]:
    """Bands that follow one another with the same limits are one."""
    found: list[Band] = []
    for band in sorted(bands, key=lambda band: band.start):
        last = found[-1] if found else None
        if (
            last is not None
            and (last.low, last.high) == (band.low, band.high)
            and band.start <= last.end + NEXT
        ):
            found[-1] = replace(last, end=max(last.end, band.end))
        else:
            found.append(band)
    return tuple(found)


def _in(bound: Quantity | None, measure: str) -> Decimal | None:
    try:
        return None if bound is None else bound.to(measure).value
    except BadInput:
        return None


def _caption(readings: Sequence[Reading], limits: Sequence[Watched]) -> str:
    good = [one.value for one in readings if one.quality == "good"]
    doubtful = len(readings) - len(good)
    text = f"{len(readings)} readings"
    if good:
        low, high = min(good, key=lambda one: one.value), max(good, key=lambda one: one.value)
        text += f", {words.shown(low.plain())} to {words.shown(high.plain())}"
    if doubtful:
        text += f"; {doubtful} not of good quality (open circles)"
    told = dict.fromkeys(_limit_text(one.limit) for one in limits)
    return text + (f". Limits: {'; '.join(told)}" if told else "")


def _limit_text(limit: Limit) -> str:
    given = words.bounds(*(None if bound is None else bound.plain() for bound in (limit.low, limit.high)))
    return f"{given}, critical" if limit.critical else given
