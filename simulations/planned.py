"""A scenario of either kind with its model, and the same with some of its figures changed.

`vary` names figures by their path in the file, dots between, '*' for every name:
`sites.hospital.units.processor.count`, or shorter `units.processor` and `people.operators` for how many
there are at every site that has them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import cast

from batches.errors import BadInput
from batches.findings import Finding
from batches.plain import Plain, PlainDict
from simulations import queueing_reader, scenario_check, scenario_reader
from simulations.factory import ScenarioModel, model_of
from simulations.model import Model
from simulations.queueing import QueueingModel
from simulations.scenario import Figure

MOST_POINTS = 500
_RANGE = re.compile(r"(?P<low>\d+)\.\.(?P<high>\d+)(\.\.(?P<step>\d+))?")
_SHORT = re.compile(r"(units|people)\.[^.]+")


@dataclass(frozen=True, slots=True)
class Planned:
    """A scenario as the planner's commands use it. `content` is the plain file."""

    name: str
    title: str
    content: PlainDict
    figures: tuple[Figure, ...]
    model: Model
    warnings: tuple[Finding, ...] = ()

    def varied(self, changes: Mapping[str, Plain]) -> "Planned":
        """The same scenario with other values at some paths. Raises BadInput for a path that is not there,
        ScenarioError for a value that cannot be."""
        content = self.content
        for path, value in changes.items():
            content = _with(content, _parts(path), value, path)
        return from_content(content)


def load(name: str) -> Planned:
    """The scenario that ships under a name, or in a file. Raises NotFound or ScenarioError."""
    text, file = scenario_reader.text_of(name)
    if queueing_reader.is_queueing(text):
        return _queueing(queueing_reader.read(text, file))
    return _plant(model_of(scenario_reader.read(text, file)))


def from_content(content: PlainDict) -> Planned:
    """The scenario with this plain content. Raises ScenarioError."""
    if content.get("kind") == "queueing":
        return _queueing(queueing_reader.from_content(content))
    return _plant(model_of(scenario_reader.from_content(content)))


def _queueing(found: queueing_reader.QueueingScenario) -> Planned:
    model = QueueingModel(found.network)
    return Planned(found.network.name, found.title, found.content, found.figures, model)


def _plant(model: ScenarioModel) -> Planned:
    scenario = model.scenario
    scenario_check.refuse(scenario, model.recipes)
    warnings = scenario_check.check(scenario, model.recipes)
    return Planned(scenario.name, scenario.title, scenario.content, scenario.figures, model, warnings)


# --- what may be varied -------------------------------------------------------------------------------


def _parts(path: str) -> list[str]:
    if _SHORT.fullmatch(path):
        path = f"sites.*.{path}.count"
    return path.split(".")


def _with(content: PlainDict, parts: Sequence[str], value: Plain, path: str) -> PlainDict:
    changed, found = _changed(content, parts, value)
    if not found:
        raise BadInput(
            f"'{path}' is no figure of the scenario; name one by its path in the file, such as"
            " units.NAME, people.NAME or sites.NAME.units.NAME.count."
        )
    return cast("PlainDict", changed)


def _changed(content: Plain, parts: Sequence[str], value: Plain) -> tuple[Plain, bool]:
    if not parts:
        return _figure(content, value), True
    if not isinstance(content, Mapping):
        return content, False
    first, rest = parts[0], parts[1:]
    changed, any_found = dict(content), False
    for name in content if first == "*" else [first]:
        if name in content:
            changed[name], found = _changed(content[name], rest, value)
            any_found = any_found or found
    return changed, any_found


def _figure(content: Plain, value: Plain) -> Plain:
    """A figure with another value says that it was varied; its old range no longer speaks of it."""
    if isinstance(content, Mapping) and "value" in content:
        kept = {name: each for name, each in content.items() if name not in ("range", "assumed", "source")}
        return {**kept, "value": value, "source": "varied by the planner"}
    return value


def points(vary: Sequence[str]) -> dict[str, dict[str, Plain]]:
    """Every combination of what is varied, by a name such as 'units.processor=4, people.operators=6'.

    Each of `vary` is PATH=LOW..HIGH, PATH=LOW..HIGH..STEP, or PATH=a,b,c. Raises BadInput.
    """
    axes = [_axis(each) for each in vary]
    found = {
        ", ".join(f"{path}={value}" for path, value in point): dict(point)
        for point in product(*([(path, value) for value in values] for path, values in axes))
    }
    if not axes or len(found) > MOST_POINTS:
        raise BadInput(
            f"{len(found) if axes else 0} points are to be run; vary something, and at most {MOST_POINTS} points."
        )
    return found


def _axis(text: str) -> tuple[str, list[Plain]]:
    path, equals, values = text.partition("=")
    if not equals or not path or not values:
        raise BadInput(f"'{text}' says nothing to vary; write PATH=4..16 or PATH=a,b,c.")
    found = _RANGE.fullmatch(values)
    if not found:
        return path, list(_listed(values))
    low, high, step = int(found["low"]), int(found["high"]), int(found["step"] or 1)
    if high < low or step < 1:
        raise BadInput(f"The range '{values}' is empty; write LOW..HIGH.")
    return path, list(range(low, min(high, low + step * MOST_POINTS) + 1, step))


def _listed(values: str) -> Iterator[Plain]:
    for value in values.split(","):
        text = value.strip()
        yield int(text) if text.isdecimal() else text
