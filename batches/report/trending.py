"""Which trends a report shows: every tag that was read, with the limits of the unit procedures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from batches.errors import BadInput
from batches.plain import text_in
from batches.procedure import unit_procedures
from batches.quantities import Quantity
from batches.recipe import Limit
from batches.record import BatchState
from batches.report import words
from batches.report.bundle import Bundle
from batches.report.readings import Reading
from batches.report.trends import Trend
from batches.report.words import bounds, plainly, shown


@dataclass(frozen=True, slots=True)
class Drawn:
    """A trend, the time it spans and what stands under it."""

    trend: Trend
    start: datetime
    end: datetime
    caption: str


def trends(bundle: Bundle, state: BatchState, readings: Sequence[Reading]) -> list[Drawn]:
    """One trend for each unit and tag; those with limits first, critical ones before others."""
    by_tag: dict[tuple[str, str], list[Reading]] = {}
    for one in readings:
        by_tag.setdefault((one.unit, one.tag), []).append(one)
    limits = {key: limit_of(bundle, state, *key) for key in by_tag}
    order = sorted(by_tag, key=lambda key: (_rank(limits[key]), key))
    return [_drawn(key, by_tag[key], limits[key]) for key in order]


def _rank(limit: Limit | None) -> int:
    return 2 if limit is None else 0 if limit.critical else 1


def limit_of(bundle: Bundle, state: BatchState, unit: str, tag: str) -> Limit | None:
    """The limit that a unit procedure on this unit had on the tag; the first, if there were several."""
    recipe = state.known_recipe()
    bound = [
        entry.content() for entry in bundle.entries if entry.kind == "unit_bound" and entry.body is not None
    ]
    roles = {text_in(body, "role") for body in bound if body.get("unit") == unit}
    for _, node in unit_procedures(recipe.procedure):
        if node.unit in roles:
            for limit in node.limits:
                if limit.tag == tag:
                    return limit
    return None


def _drawn(key: tuple[str, str], readings: list[Reading], limit: Limit | None) -> Drawn:
    measure, sign = readings[0].value.unit, words.measure(readings[0].value.unit)
    same = tuple(
        sorted((one for one in readings if one.value.unit == measure), key=lambda one: one.measured_at)
    )
    low, high = (
        None if limit is None else _in(bound, measure)
        for bound in ((limit and limit.low), (limit and limit.high))
    )
    title = f"{plainly(key[1]).capitalize()} of {key[0]} ({sign})"
    trend = Trend(title, measure, same, low, high)
    return Drawn(trend, same[0].measured_at, same[-1].measured_at, _caption(same, limit))


def _in(bound: Quantity | None, measure: str) -> Decimal | None:
    try:
        return None if bound is None else bound.to(measure).value
    except BadInput:
        return None


def _caption(readings: Sequence[Reading], limit: Limit | None) -> str:
    good = [one.value for one in readings if one.quality == "good"]
    doubtful = len(readings) - len(good)
    text = f"{len(readings)} readings"
    if good:
        low, high = min(good, key=lambda one: one.value), max(good, key=lambda one: one.value)
        text += f", {shown(low.plain())} to {shown(high.plain())}"
    if doubtful:
        text += f"; {doubtful} not of good quality (open circles)"
    if limit is not None:
        given = bounds(*(None if bound is None else bound.plain() for bound in (limit.low, limit.high)))
        text += f". Limits: {given}{', critical' if limit.critical else ''}"
    return text
