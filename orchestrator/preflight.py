"""Pre-flight of a recipe on a plant: what it will ask of each liquid handler, checked by devices/preflight.py.

The recipe is walked once in the order of its text: repeats once, of choices the first branch, every answer
the plain one. A phase whose parameters are only known while a batch runs is left out, and said to be.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from batches.errors import KweekError
from batches.expressions import evaluate
from batches.interpret import drive
from batches.phases import begin, lookup
from batches.plain import canonical
from batches.recipe import (
    Calculate,
    Choice,
    Node,
    Operation,
    Parallel,
    PhaseCall,
    Recipe,
    Repeat,
    UnitProcedure,
)
from batches.steps import Ask, Do, Step, Transfer, Value
from devices.plant import Plant
from devices.preflight import Checked, Work, preflight
from devices.unit import Unit
from orchestrator.equipment import action_of

HANDLER = "liquid_handler"


@dataclass(frozen=True, slots=True)
class Preflight:
    """By unit of the plant what was found, and the phases that could not be looked at, with the reason."""

    checked: tuple[Checked, ...]
    left_out: tuple[str, ...]

    @property
    def problems(self) -> list[str]:
        return [f"{each.unit}: {problem}" for each in self.checked for problem in each.problems]


async def preflight_recipe(recipe: Recipe, plant: Plant) -> Preflight:
    """Check the liquid handling of a recipe on every unit of the plant that may be given to it. Raises
    KweekError if a check cannot be run."""
    checked: list[Checked] = []
    left_out: list[str] = []
    for alias, unit_class in recipe.units.items():
        if not unit_class.startswith(HANDLER):
            continue
        work = list(_work(recipe, alias, left_out))
        checked += [await preflight(unit, work) for unit in _unlike(plant.units_of(unit_class))]
    return Preflight(tuple(checked), tuple(left_out))


def _unlike(units: Sequence[Unit]) -> list[Unit]:
    """The units without those that are driven and set up like one before."""
    found: dict[str, Unit] = {}
    for unit in units:
        found.setdefault(f"{unit.driver} {canonical(unit.options)!r}", unit)
    return list(found.values())


def _work(recipe: Recipe, alias: str, left_out: list[str]) -> Iterator[Work]:
    values = {name: parameter.value for name, parameter in recipe.formula.items()}
    for path, unit, call in _phases(recipe.procedure, "", ""):
        if str(call.parameters.get("unit") or unit) != alias:
            continue
        try:
            yield from _asked(path, call, alias, values)
        except KweekError as error:
            left_out.append(f"{path}: {error}")


def _asked(path: str, call: PhaseCall, alias: str, values: Mapping[str, Value]) -> Sequence[Work]:
    given = {
        name: evaluate(value, values) if isinstance(value, str) and "$" in value else value
        for name, value in call.parameters.items()
    }
    asked, _ = drive(begin(lookup(call.phase, call.version), given), _answer)
    return [
        Work(path, *action_of(step))
        for step, _ in asked
        if isinstance(step, (Do, Transfer)) and step.unit in ("", alias)
    ]


def _answer(step: Step) -> Value:
    """The plain answer: nothing was measured, and a lot is a lot."""
    match step:
        case Ask() | Do() | Transfer():
            return {}
        case _:
            return "x"


def _phases(body: Sequence[Node], path: str, unit: str) -> Iterator[tuple[str, str, PhaseCall]]:
    """Every phase in the order of the text, with its path and the unit it is in."""
    for node in body:
        below = f"{path}/{node.name}" if path else node.name
        match node:
            case PhaseCall():
                yield below, unit, node
            case UnitProcedure():
                yield from _phases(node.body, below, node.unit)
            case Operation() | Repeat():
                yield from _phases(node.body, below, unit)
            case Parallel():
                for branch in node.branches:
                    yield from _phases(branch, below, unit)
            case Choice():
                yield from _phases(node.options[0][1], below, unit)
            case Calculate():
                continue
