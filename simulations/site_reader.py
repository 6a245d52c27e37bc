"""The sites of a scenario and the work done there, from their mappings in the file."""

from typing import cast

from simulations.distributions import Constant
from simulations.figures import Part
from simulations.scenario import (
    SHIFT_ENDS,
    Breakdown,
    Changeover,
    Cleaning,
    Contamination,
    Laboratory,
    Maintenance,
    Method,
    Need,
    PeopleGroup,
    ShiftEnd,
    Site,
    StockItem,
    Store,
    Suite,
    UnitGroup,
    Work,
)

NOTHING = Constant(0.0)
"""What reading goes on with where a figure is missing: the mistake is noted."""

# -- work ----------------------------------------------------------------------------------------


def work(part: Part | None, role: str = "operator") -> Work | None:
    """{takes: FIGURE, people: 2, role: operator, skill: …, at_shift_end: fits} and nothing else."""
    if part is None:
        return None
    found = work_in(part, role)
    part.close()
    return found


def work_in(part: Part, role: str = "operator") -> Work:
    """The same keys, among others of the mapping."""
    takes = part.time("takes", required=True)
    end = cast("ShiftEnd", part.option("at_shift_end", SHIFT_ENDS, "interrupt"))
    return Work(takes or NOTHING, need(part, role), end)


def need(part: Part, role: str = "operator") -> Need:
    """'people' (0: nobody), 'role' and 'skill' of a piece of work."""
    people = part.whole("people", 0, 50) if "people" in part.members else 1
    return Need(part.name("role", "") or role, people, part.name("skill", ""))


# -- sites ---------------------------------------------------------------------------------------


def site(name: str, part: Part) -> Site:
    """A site: its units, people, laboratory, stock, stores, suites and upkeep."""
    found = Site(
        name=name,
        city=part.text("city"),
        units={each: _units(each, inner) for each, inner in part.parts("units", "unit group")},
        people={each: _people(each, inner) for each, inner in part.parts("people", "group of people")},
        laboratory=_laboratory(part.part("laboratory", f"The laboratory of {part.within}")),
        stock={each: _stock(each, inner) for each, inner in part.parts("stock", "stock")},
        stores={each: _store(each, inner) for each, inner in part.parts("stores", "store")},
        suites={each: _suite(each, inner) for each, inner in part.parts("suites", "suite")},
        upkeep={each: _maintenance(each, inner) for each, inner in part.parts("upkeep", "upkeep")},
        place=part.place,
    )
    part.text("source")
    part.flag("assumed")
    part.close()
    return found


def _units(name: str, part: Part) -> UnitGroup:
    found = UnitGroup(
        name=name,
        unit_class=part.text("class", "bioreactor"),
        count=part.count("count"),
        positions=part.count("positions", 0),
        suite=part.text("suite"),
        cleaning=_cleaning(part.part("cleaning")),
        changeover=_changeover(part.part("changeover")),
        breakdown=_breakdown(part.part("breakdown")),
        contamination=_contamination(part.part("contamination")),
        place=part.place,
    )
    part.close()
    return found


def _cleaning(part: Part | None) -> Cleaning | None:
    if part is None:
        return None
    found = Cleaning(work_in(part), part.seconds("expires"))
    part.close()
    return found


def _changeover(part: Part | None) -> Changeover:
    if part is None:
        return Changeover()
    found = Changeover(work(part.part("batch")), work(part.part("product")), part.count("campaign", 0))
    part.close()
    return found


def _breakdown(part: Part | None) -> Breakdown | None:
    if part is None:
        return None
    basis = part.option("basis", ("in_use", "calendar"), "in_use")
    found = Breakdown(
        after=part.time("after", required=True) or NOTHING,
        repair=part.time("repair", required=True) or NOTHING,
        basis="calendar" if basis == "calendar" else "in_use",
        lost=part.share("lost"),
        need=need(part) if part.members.keys() & {"people", "role", "skill"} else None,
    )
    part.close()
    return found


def _contamination(part: Part | None) -> Contamination | None:
    if part is None:
        return None
    probability = part.share("probability", required=True)
    found = Contamination(probability, part.time("out_of_service", required=True) or NOTHING)
    part.close()
    return found


def _people(name: str, part: Part) -> PeopleGroup:
    found = PeopleGroup(
        name=name,
        role=part.name("role", "operator"),
        count=part.count("count"),
        calendar=part.name("calendar", "weekday"),
        skills=part.texts("skills"),
        gowning=part.time("gowning"),
        absence=part.share("absence"),
        place=part.place,
    )
    part.close()
    return found


def _laboratory(part: Part | None) -> Laboratory | None:
    if part is None:
        return None
    methods = {name: _method(name, inner) for name, inner in part.parts("methods", "method")}
    instruments = part.part("instruments")
    counts = {name: instruments.count(name) for name in instruments.members} if instruments else {}
    found = Laboratory(methods, counts, part.name("at", ""))
    part.close()
    return found


def _method(name: str, part: Part) -> Method:
    found = Method(
        name=name,
        turnaround=part.time("turnaround", required=True) or NOTHING,
        instrument=part.name("instrument", ""),
        occupies=part.time("occupies"),
        work=work(part.part("work"), "qc"),
        batch_of=part.count("batch_of", 1),
        wait_at_most=part.seconds("wait_at_most"),
        invalid=part.share("invalid"),
        place=part.place,
    )
    part.close()
    return found


def _stock(name: str, part: Part) -> StockItem:
    unit = part.measure("unit")
    order = part.number("order", unit, required=True)
    found = StockItem(
        material=name,
        unit=unit,
        start=part.number("start", unit, required=True) or 0.0,
        reorder_at=part.number("reorder_at", unit, required=True) or 0.0,
        order=1.0 if order is None else order,
        lead_time=part.time("lead_time", required="made_by" not in part.members),
        made_by=part.name("made_by", ""),
        keeps=part.seconds("keeps"),
        place=part.place,
    )
    part.close()
    return found


def _store(name: str, part: Part) -> Store:
    found = Store(name, part.count("positions"), part.place)
    part.close()
    return found


def _suite(name: str, part: Part) -> Suite:
    found = Suite(name, part.text("grade"), part.number("area", "m**2") or 0.0)
    part.close()
    return found


def _maintenance(name: str, part: Part) -> Maintenance:
    every = part.seconds("every", required=True)
    first = part.seconds("first")
    if every is not None and every <= 0:
        part.wrong(
            part.members["every"], f"'every' of {part.within} is no time; write one above zero.", "negative"
        )
    units = part.texts("units")
    found = Maintenance(
        name, units, every or 1.0, first if first is not None else every or 1.0, work_in(part), part.place
    )
    part.close()
    return found
