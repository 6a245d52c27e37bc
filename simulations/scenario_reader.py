"""A scenario from its YAML text, or from plain content that somebody changed (a sweep).

The way is that of recipes (`batches/written.py`): named values with lines become the model of
`simulations/scenario.py`; every mistake of form is a finding, and all are raised together in one
ScenarioError. What a well-formed scenario means is `simulations/scenario_check.py`.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from batches.errors import BadInput, NotFound, RecipeError
from batches.plain import PlainDict, canonical
from batches.written import Mistakes, Written, compose, from_plain
from simulations import order_reader, product_reader, site_reader
from simulations.figures import TIME, Gathered, Part
from simulations.scenario import (
    Calendar,
    Horizon,
    Scenario,
    ScenarioError,
    Shift,
)
from simulations.scenario_times import a_date, clock_time, days_of, zone_name

SCENARIOS = Path(__file__).parent / "scenarios"
SCENARIO_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


def load(name: str) -> Scenario:
    """The scenario that ships under a name, or in a file. Raises NotFound or ScenarioError."""
    return read(*text_of(name))


def text_of(name: str) -> tuple[str, str]:
    """The text of the scenario that ships under a name, or of a file; and what findings call it.

    Raises NotFound.
    """
    path = SCENARIOS / f"{name}.yaml" if SCENARIO_NAME.fullmatch(name) else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(sorted(each.stem for each in SCENARIOS.glob("*.yaml")))
        raise NotFound(
            f"There is no scenario '{name}' to read; name a file, or one of those that ship: {known}."
        ) from error
    return text, str(path) if path.parent != SCENARIOS else path.name


def read(text: str, file: str) -> Scenario:
    """The scenario in a YAML text; `file` is what findings call it. Raises ScenarioError with findings."""
    mistakes = Mistakes(file, kind="scenario")
    try:
        return _scenario(compose(text, mistakes), mistakes)
    except RecipeError as error:
        raise ScenarioError(str(error), error.findings) from error


def from_content(content: PlainDict) -> Scenario:
    """The scenario with this plain content. Raises ScenarioError with findings, without lines."""
    mistakes = Mistakes("", kind="scenario")
    try:
        return _scenario(from_plain(content), mistakes)
    except RecipeError as error:
        raise ScenarioError(str(error), error.findings) from error


def _scenario(written: Written, mistakes: Mistakes) -> Scenario:
    gathered = Gathered(mistakes)
    part = Part(written, "The scenario", "", gathered)
    mistakes.complain()
    content = cast("PlainDict", written.plain())
    found = Scenario(
        name=part.name("scenario", "cart-hospital", SCENARIO_NAME),
        title=part.text("title", "what is planned"),
        horizon=_horizon(part),
        calendars={name: _calendar(name, each) for name, each in part.parts("calendars", "calendar")},
        sites={name: site_reader.site(name, each) for name, each in part.parts("sites", "site")},
        clinics=part.texts("clinics"),
        products={name: product_reader.product(name, each) for name, each in part.parts("products", "product")},
        demand={name: order_reader.demand(name, each) for name, each in part.parts("demand", "demand")},
        lanes=tuple(order_reader.lane(each) for each in part.listed("lanes", "Lane")),
        costs=tuple(order_reader.cost(each) for each in part.listed("costs", "Cost")),
        currency=part.text("currency"),
        figures=tuple(gathered.figures),
        content=content,
        digest=_digest(content, mistakes),
        notes=dict(_notes(part)),
        file=mistakes.file,
    )  # fmt: skip
    for key, example in (("sites", "{hospital: {units: …}}"), ("products", "{cart: {recipe: …}}")):
        if key not in part.members:
            part.missing(key, example)
    part.close()
    mistakes.complain()
    return found


def _digest(content: PlainDict, mistakes: Mistakes) -> str:
    try:
        return hashlib.sha256(canonical(content)).hexdigest()
    except BadInput as error:
        mistakes.add(1, "yaml", str(error))
        return ""


def _notes(part: Part) -> Iterator[tuple[str, str]]:
    inner = part.part("notes")
    for name in inner.members if inner else ():
        yield name, inner.text(name) if inner else ""


def _horizon(part: Part) -> Horizon:
    inner = part.part("horizon", "The horizon")
    if inner is None:
        part.missing(
            "horizon", "{start: 2027-01-04, zone: Europe/Amsterdam, warm_up: 90 day, length: 365 day}"
        )
        return Horizon("2027-01-04", "UTC", 0.0, 1.0)
    length = inner.one("length", TIME)
    if length <= 0:
        inner.wrong(inner.members.get("length", Written(None, inner.line)), "The horizon has no length; write a time above zero.")  # fmt: skip
    warm_up = inner.one("warm_up", TIME) if "warm_up" in inner.members else 0.0
    if warm_up < 0 or length < 0:
        inner.wrong(
            Written(None, inner.line),
            f"{inner.what} has a negative time; write times of zero or more.",
            "negative",
        )
    found = Horizon(a_date(inner, "start"), zone_name(inner), warm_up, length)
    inner.close()
    return found


def _calendar(name: str, part: Part) -> Calendar:
    shifts = tuple(_shift(each) for each in part.listed("shifts", "Shift"))
    if not shifts and part.sound:
        part.wrong(Written(None, part.line), f"{part.what} has no shift, so that nobody would ever work by it; give 'shifts'.", "no-shift")  # fmt: skip
    holidays = tuple(a_date(part, "holidays", node) for node in part.items("holidays"))
    part.text("source")
    part.flag("assumed")
    found = Calendar(name, shifts, holidays, part.place)
    part.close()
    return found


def _shift(part: Part) -> Shift:
    start, end = clock_time(part, "from"), clock_time(part, "to")
    breaks = tuple(_break(each) for each in part.listed("breaks", "Break"))
    found = Shift(days_of(part, "days"), start, end, breaks)
    part.close()
    return found


def _break(part: Part) -> tuple[int, int]:
    found = clock_time(part, "from"), clock_time(part, "to")
    part.close()
    return found
