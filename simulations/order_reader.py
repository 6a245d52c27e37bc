"""Demand, lanes and costs of a scenario, from their mappings in the file."""

from typing import Literal, cast

from batches.written import Written
from simulations.distributions import Constant, Distribution, Exponential
from simulations.figures import NUMBER, Part
from simulations.scenario import Cost, Demand, Lane, PatientClass, Slots
from simulations.scenario_times import a_date, days_of
from simulations.site_reader import NOTHING

WEEK = 7 * 86400.0


def demand(name: str, part: Part) -> Demand:
    """The orders for a product: 'interval', 'per_week' (a Poisson stream) or 'dates'."""
    dates = tuple(a_date(part, "dates", node) for node in part.items("dates"))
    interval = _interval(part)
    if part.sound and interval is None and not dates and not part.members.keys() & {"per_week", "interval"}:
        part.missing("per_week", "{value: 1.2, source: …}")
    found = Demand(
        product=name,
        interval=interval,
        dates=dates,
        season=_season(part),
        classes=tuple(_class(each, inner) for each, inner in part.parts("classes", "class of patients")),
        clinics=_clinics(part),
        slots=_slots(part.part("slots")),
        cancelled=part.share("cancelled"),
        collection=part.time("collection"),
        infusion=part.time("infusion"),
        place=part.place,
    )
    _add_up(part, "classes", sum(each.share for each in found.classes))
    _add_up(part, "clinics", sum(found.clinics.values()))
    part.close()
    return found


def _interval(part: Part) -> Distribution | None:
    rate = part.number("per_week", NUMBER)
    given = part.time("interval")
    if rate is not None and rate <= 0:
        part.wrong(part.members["per_week"], f"'per_week' of {part.within} is 0; write a number above zero, or remove the demand.", "negative")  # fmt: skip
        return Constant(WEEK)
    if given is not None and given.mean <= 0:
        part.wrong(
            part.members["interval"],
            f"'interval' of {part.within} is no time, so that orders without end would come at once; write a time above zero.",
            "negative",
        )
    return given if rate is None else Exponential(WEEK / rate)


def _season(part: Part) -> tuple[float, ...]:
    inner = part.part("season")
    if inner is None:
        return ()
    found = tuple(inner.values("factors", NUMBER, 12))
    if any(factor < 0 for factor in found) or not any(found):
        inner.wrong(inner.members.get("factors", Written(None, inner.line)), f"{inner.what} has a factor below zero, or only zeros; write twelve factors of about 1.", "negative")  # fmt: skip
    inner.note_source(", ".join(f"{factor:g}" for factor in found))
    inner.close()
    return found


def _class(name: str, part: Part) -> PatientClass:
    found = PatientClass(
        name=name,
        share=part.share("share", required=True),
        priority=part.whole("priority", 0, 99) if "priority" in part.members else 0,
        patience=part.time("patience"),
        dies=part.share("dies"),
    )
    part.close()
    return found


def _clinics(part: Part) -> dict[str, float]:
    inner = part.part("clinics")
    return {name: inner.share(name) for name in inner.members} if inner else {}


def _add_up(part: Part, key: str, total: float) -> None:
    if key in part.members and total and abs(total - 1) > 1e-6:
        sentence = f"The shares of '{key}' of {part.within} add up to {total:.4g}; they must add up to 1."
        part.wrong(part.members[key], sentence, "probability")


def _slots(part: Part | None) -> Slots | None:
    if part is None:
        return None
    found = Slots(days_of(part, "days"), part.count("count"), part.seconds("notice") or 0.0)
    part.close()
    return found


def lane(part: Part) -> Lane:
    """A transport from one site or clinic to another."""
    found = Lane(
        source=part.name("from", "hospital"),
        target=part.name("to", "clinic"),
        time=part.time("time", required=True) or NOTHING,
        loss=part.share("loss"),
        couriers=part.count("couriers", 0),
        calendar=part.name("calendar", ""),
        both_ways=part.flag("both_ways", True),
        place=part.place,
    )
    part.close()
    return found


def cost(part: Part) -> Cost:
    """What something costs."""
    per = part.option("per", ("year", "hour", "batch", "use"))
    value = part.number("value", NUMBER, required=True) or 0.0
    found = Cost(
        part.text("of", "units/processor"),
        cast("Literal['year', 'hour', 'batch', 'use']", per),
        value,
        part.place,
    )
    part.close()
    return found
