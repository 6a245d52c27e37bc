"""What the rules look at: a recipe with its phases found, its expressions listed, its names typed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from batches.checks.order import Order, order_of
from batches.errors import BadInput
from batches.expressions import TEXT, WHOLE, YES_NO, Type, evaluate, infer, references, type_of
from batches.phases.base import Declared, Phase
from batches.procedure import join
from batches.quantities import dimension, same_measure
from batches.recipe import Calculate, Choice, Node, PhaseCall, Recipe, Repeat, Scalar, UnitProcedure, children
from batches.steps import Value

Flaw: TypeAlias = tuple[int, str]
"""A line and a sentence."""
Phases: TypeAlias = Mapping[tuple[str, int], Phase]


@dataclass(frozen=True, slots=True)
class UnitClass:
    """What the units of one class offer: unit of measure by tag, and actions (programmes as
    'program:NAME'). None: anything may be asked, because people do the work."""

    tags: Mapping[str, str] | None = None
    actions: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """An element of the procedure, its path (without iterations) and the unit procedure it is in."""

    path: str
    node: Node
    within: UnitProcedure | None


@dataclass(frozen=True, slots=True)
class Call:
    """A phase of the procedure whose class is known."""

    path: str
    node: PhaseCall
    within: UnitProcedure
    phase: Phase

    @property
    def line(self) -> int:
        return self.node.place.line

    def line_of(self, parameter: str) -> int:
        return self.node.lines.get(parameter, self.line)

    def value(self, parameter: str) -> "Scalar | None":
        """What the recipe gives (an expression as text), or the default of the phase."""
        declared = self.phase.parameters.get(parameter)
        return self.node.parameters.get(parameter, declared.default if declared else None)

    def word(self, parameter: str) -> str:
        """The text a parameter gives; '' if it gives none, or an expression."""
        found = self.value(parameter)
        return found if isinstance(found, str) and "$" not in found else ""

    def words(self, parameters: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word for parameter in parameters if (word := self.word(parameter)))

    @property
    def role(self) -> str:
        """The role of the unit it addresses."""
        declared = self.phase.parameters.get("unit")
        named = self.word("unit") if declared is not None and declared.kind == "role" else ""
        return named or self.within.unit


@dataclass(frozen=True, slots=True)
class Use:
    """An expression in the recipe. `where`: what it stands in, for a sentence."""

    line: int
    text: str
    spot: Spot
    where: str


class Subject:
    """A recipe under check. `unit_classes` None: the plant is not known."""

    def __init__(
        self, recipe: Recipe, phases: Phases, unit_classes: "Mapping[str, UnitClass] | None"
    ) -> None:
        self.recipe = recipe
        self.phases = phases
        self.unit_classes = unit_classes
        self.spots = tuple(_spots(recipe.procedure, "", None))
        self.calls = tuple(self._calls())
        self.uses = tuple(use for spot in self.spots for use in _uses(spot))
        self.calculations = {spot.node.name: spot for spot in self.spots if isinstance(spot.node, Calculate)}
        self.call_at = {call.path: call for call in self.calls}
        self.aliases = {call.node.alias: call for call in self.calls if call.node.alias}

    def _calls(self) -> Iterator[Call]:
        for spot in self.spots:
            if isinstance(spot.node, PhaseCall) and spot.within is not None:
                phase = self.phases.get((spot.node.phase, spot.node.version))
                if phase is not None:
                    yield Call(spot.path, spot.node, spot.within, phase)

    @cached_property
    def within(self) -> dict[str, str]:
        """The path of the unit procedure of each element; '' outside."""
        found: dict[str, str] = {}
        for spot in self.spots:
            above = spot.path.rpartition("/")[0]
            found[spot.path] = spot.path if isinstance(spot.node, UnitProcedure) else found.get(above, "")
        return found

    @cached_property
    def order(self) -> Order:
        return order_of(self.recipe.procedure)

    def unit_class(self, role: str) -> str:
        return self.recipe.units.get(role, "")

    def offers(self, role: str) -> "tuple[UnitClass, ...] | None":
        """What the plant's classes that fit a role offer; None if the plant is not known."""
        if self.unit_classes is None:
            return None
        asked = self.unit_class(role)
        return tuple(found for name, found in self.unit_classes.items() if fits(name, asked))

    # --- values and types ---

    def results(self, call: Call) -> "dict[str, Type | None]":
        """The type of each result of a phase, those of its sample included; None: not known."""
        found = {name: self.declared_type(call, declared) for name, declared in call.phase.results.items()}
        plan = self.recipe.samples.get(call.word(call.phase.results_of)) if call.phase.results_of else None
        for name, test in plan.tests.items() if plan else ():
            kinds = {"quantity": Type("quantity", test.unit), "yes_no": YES_NO, "text": TEXT, "choice": TEXT}
            found[name] = kinds[test.kind]
        return found

    def declared_type(self, call: Call, declared: Declared) -> "Type | None":
        match declared.kind:
            case "quantity":
                unit = self.measure(call, declared)
                return None if unit is None else Type("quantity", unit)
            case "integer":
                return WHOLE
            case "flag":
                return YES_NO
            case _:
                return TEXT

    def measure(self, call: Call, declared: Declared) -> "str | None":
        """The unit of measure of a declared quantity; None if it cannot be known."""
        if not declared.unit.startswith("$"):
            return declared.unit
        parameter = declared.unit[1:]
        word = call.word(parameter)
        if call.phase.parameters[parameter].kind == "material":
            material = self.recipe.materials.get(word)
            return (material.unit or None) if material else None
        return word if _is_measure(word) else None

    @cached_property
    def types(self) -> "dict[str, Type | None]":
        """The type of everything an expression may read, as it is written there without '$'."""
        found: dict[str, Type | None] = {
            name: type_of(parameter.value) for name, parameter in self.recipe.formula.items()
        }
        for alias, call in self.aliases.items():
            found |= {f"{alias}.{name}": kind for name, kind in self.results(call).items()}
        for name, spot in self.calculations.items():
            found[name] = self._calculated(spot, found)
        return found

    def _calculated(self, spot: Spot, known: "Mapping[str, Type | None]") -> "Type | None":
        assert isinstance(spot.node, Calculate)
        try:
            found = infer(spot.node.expression, {name: kind for name, kind in known.items() if kind})
            if not spot.node.unit or found.kind in ("text", "yes_no"):
                return found
            same_measure(found.unit, spot.node.unit)
        except BadInput:
            return None
        return Type("quantity", spot.node.unit)

    def infer(self, text: str) -> "Type | None":
        """The type of an expression; None if it reads what has no known type. Raises BadInput."""
        if any(self.types.get(str(name)[1:]) is None for name in references(text)):
            return None
        return infer(text, {name: kind for name, kind in self.types.items() if kind})

    @cached_property
    def constants(self) -> dict[str, Value]:
        """The formula, and what is calculated from nothing else."""
        found: dict[str, Value] = {name: parameter.value for name, parameter in self.recipe.formula.items()}
        for name, spot in self.calculations.items():
            value = constant(spot.node.expression, found) if isinstance(spot.node, Calculate) else None
            if value is not None:
                found[name] = value
        return found

    def constant(self, value: "Scalar | None") -> "Scalar | None":
        """A parameter's value where the formula alone decides it."""
        return constant(value, self.constants) if isinstance(value, str) and "$" in value else value


def constant(text: str, values: Mapping[str, Value]) -> "Scalar | None":
    """The value of an expression that reads nothing but `values`, else None."""
    try:
        if all(name.root in values and not name.result for name in references(text)):
            return evaluate(text, values)
    except BadInput:  # said by the rules on expressions
        pass
    return None


def fits(unit_class: str, asked: str) -> bool:
    """Whether a unit of a class serves where `asked` is asked for: bioreactor/stirred_tank is a bioreactor."""
    return not asked or unit_class == asked or unit_class.startswith(asked + "/")


def listed(names: "Mapping[str, object] | tuple[str, ...] | frozenset[str]") -> str:
    """Names for a sentence."""
    return ", ".join(sorted(names)) or "none"


def _is_measure(text: str) -> bool:
    try:
        dimension(text)
    except BadInput:
        return False
    return True


def _spots(body: tuple[Node, ...], prefix: str, within: "UnitProcedure | None") -> Iterator[Spot]:
    for node in body:
        path = join(prefix, node.name)
        yield Spot(path, node, within)
        yield from _spots(children(node), path, node if isinstance(node, UnitProcedure) else within)


def _uses(spot: Spot) -> Iterator[Use]:
    """The expressions that an element holds itself."""
    node, line = spot.node, spot.node.place.line
    match node:
        case PhaseCall():
            for name, value in node.parameters.items():
                if isinstance(value, str) and "$" in value:
                    yield Use(node.lines.get(name, line), value, spot, f"'{name}' of '{spot.path}'")
        case Calculate():
            yield Use(line, node.expression, spot, f"the calculation '{node.name}'")
        case Choice():
            for condition, _ in node.options:
                if condition:
                    yield Use(line, condition, spot, f"the choice '{spot.path}'")
        case Repeat():
            yield Use(line, node.until, spot, f"the end of the repeat '{spot.path}'")
        case _:
            return
