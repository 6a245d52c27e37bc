"""A recipe compiled once per scenario: its procedure with plain paths, its decisions kept by their inputs.

Values that expressions read are numbers of `Interned`; a parameter, calculation or condition is worked
out by the real evaluator once for each distinct tuple of what it reads. Phases are trees of steps
(`simulations/step_tree.py`). Everything here grows as it is used and never changes what it said.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar, assert_never, cast

from batches.errors import RecordError
from batches.expressions import evaluate, names
from batches.phases import begin, lookup
from batches.phases.base import Phase
from batches.plain import canonical
from batches.procedure import join, unit_procedures, without_rounds
from batches.quantities import Quantity
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
from batches.steps import Value, plain
from batches.time_limits import target
from simulations.step_tree import Course, Interned, Place, Tree

Task = TypeVar("Task")
Values: TypeAlias = dict[str, int]
"""What the expressions of one batch may read: numbers of interned values by name."""
Lookup: TypeAlias = Callable[[str, int], Phase]


@dataclass(frozen=True, slots=True)
class Limited:
    """A time limit that counts from a phase: to the phase at path `to` ('' the next), in seconds."""

    to: str
    at_least: float
    at_most: float | None


@dataclass(slots=True, eq=False)
class CompiledPhase(Generic[Task]):
    """A phase call. `unit`: the role of the unit it addresses."""

    name: str
    call: PhaseCall
    place: Place
    from_start: tuple[Limited, ...]
    from_end: tuple[Limited, ...]
    book: "Compiled[Task]"
    reads: tuple[str, ...]
    trees: dict[tuple[int, ...], Tree[Task]] = field(default_factory=lambda: {})

    def tree(self, values: Values) -> Tree[Task]:
        """Its steps with the parameters these values give. Raises BadInput where they give none."""
        key = tuple([values.get(name, -1) for name in self.reads])
        found = self.trees.get(key)
        if found is None:
            found = self.trees[key] = self.book.tree(self, values)
        return found


@dataclass(slots=True, eq=False)
class Decided(Generic[Task]):
    """An expression or several, worked out once for each distinct tuple of values read."""

    book: "Compiled[Task]"
    reads: tuple[str, ...]
    work_out: Callable[[Mapping[str, Value]], int]
    known: dict[tuple[int, ...], int] = field(default_factory=lambda: {})

    def __call__(self, values: Values) -> int:
        key = tuple([values.get(name, -1) for name in self.reads])
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self.work_out(self.book.read(values))
        return found


@dataclass(slots=True, eq=False)
class CompiledCalculate(Generic[Task]):
    """A calculation: gives the number of its value."""

    name: str
    value: Decided[Task]


@dataclass(slots=True, eq=False)
class CompiledOperation(Generic[Task]):
    """A sequence of its own."""

    name: str
    body: "tuple[CompiledNode[Task], ...]"


@dataclass(slots=True, eq=False)
class CompiledUnitProcedure(Generic[Task]):
    """A sequence with units. `bit` marks it among the unit procedures of the recipe; `roles` as asked."""

    name: str
    path: str
    unit: str
    roles: tuple[str, ...]
    bit: int
    body: "tuple[CompiledNode[Task], ...]"


@dataclass(slots=True, eq=False)
class CompiledParallel(Generic[Task]):
    """Branches side by side."""

    name: str
    branches: "tuple[tuple[CompiledNode[Task], ...], ...]"


@dataclass(slots=True, eq=False)
class CompiledChoice(Generic[Task]):
    """Gives the number of the option that applies."""

    name: str
    option: Decided[Task]
    options: "tuple[tuple[CompiledNode[Task], ...], ...]"


@dataclass(slots=True, eq=False)
class CompiledRepeat(Generic[Task]):
    """`until` gives 1 where its condition holds."""

    name: str
    until: Decided[Task]
    at_most: int
    body: "tuple[CompiledNode[Task], ...]"


CompiledNode: TypeAlias = (
    CompiledPhase[Task] | CompiledCalculate[Task] | CompiledOperation[Task] | CompiledUnitProcedure[Task]
    | CompiledParallel[Task] | CompiledChoice[Task] | CompiledRepeat[Task]
)  # fmt: skip


class Compiled(Generic[Task]):
    """A recipe with what its steps take and give in one scenario (`course`)."""

    def __init__(self, recipe: Recipe, course: Course[Task], phases: Lookup = lookup) -> None:
        self.recipe, self.course, self._phases = recipe, course, phases
        self.interned = Interned()
        self.formula: Values = {
            name: self.interned.number(each.value) for name, each in recipe.formula.items()
        }
        self._trees: dict[tuple[Place, bytes], Tree[Task]] = {}
        found = list(unit_procedures(recipe.procedure))
        self._bits = {path: 1 << number for number, (path, _) in enumerate(found)}
        self._roles = [(self._bits[path], (node.unit, *node.also)) for path, node in found]
        self._later: dict[int, frozenset[str]] = {}
        self.procedure = self._sequence(recipe.procedure, "", "")

    def read(self, values: Values) -> Mapping[str, Value]:
        """The values themselves."""
        return {name: self.interned.values[number] for name, number in values.items()}

    def later(self, finished: int) -> frozenset[str]:
        """Roles that unit procedures not among the `finished` bits will need."""
        found = self._later.get(finished)
        if found is None:
            roles = (role for bit, many in self._roles if not bit & finished for role in many)
            found = self._later[finished] = frozenset(roles)
        return found

    def tree(self, phase: CompiledPhase[Task], values: Values) -> Tree[Task]:
        """The steps of a phase with the parameters these values give."""
        call, known = phase.call, self.read(values)
        parameters: dict[str, Value] = {
            name: evaluate(value, known) if isinstance(value, str) and "$" in value else value
            for name, value in call.parameters.items()
        }
        key = phase.place, canonical(plain(parameters))
        found = self._trees.get(key)
        if found is None:
            declared = self._phases(call.phase, call.version)
            found = Tree(phase.place, lambda: begin(declared, parameters), self.course, self.interned)
            self._trees[key] = found
        return found

    # --- compiling ------------------------------------------------------------------------------------

    def _sequence(self, body: tuple[Node, ...], prefix: str, unit: str) -> "tuple[CompiledNode[Task], ...]":
        return tuple(self._node(node, join(prefix, node.name), unit) for node in body)

    def _node(self, node: Node, path: str, unit: str) -> "CompiledNode[Task]":
        match node:
            case PhaseCall():
                return self._phase(node, path, unit)
            case Calculate():
                return CompiledCalculate(node.name, self._calculation(node))
            case Operation():
                return CompiledOperation(node.name, self._sequence(node.body, path, unit))
            case UnitProcedure():
                roles, bit = (node.unit, *node.also), self._bits[path]
                body = self._sequence(node.body, path, node.unit)
                return CompiledUnitProcedure(node.name, without_rounds(path), node.unit, roles, bit, body)
            case Parallel():
                branches = tuple(self._sequence(branch, path, unit) for branch in node.branches)
                return CompiledParallel(node.name, branches)
            case Choice():
                options = tuple(self._sequence(option, path, unit) for _, option in node.options)
                return CompiledChoice(node.name, self._choice(node, path), options)
            case Repeat():
                body = self._sequence(node.body, f"{path}[1]", unit)
                return CompiledRepeat(node.name, self._condition(node.until), node.at_most, body)
            case _:
                assert_never(node)

    def _phase(self, node: PhaseCall, path: str, unit: str) -> CompiledPhase[Task]:
        role = node.parameters.get("unit")
        place = Place(without_rounds(path), node.phase, role if isinstance(role, str) and role else unit)
        texts = [v for v in node.parameters.values() if isinstance(v, str) and "$" in v]
        reads = tuple(sorted({name for text in texts for name in names(text)}))
        limits = [
            (limit.of, self._limit(limit.to, limit.at_least, limit.at_most)) for limit in node.then_within
        ]
        start, end = (tuple(one for of, one in limits if of == which) for which in ("start", "end"))
        return CompiledPhase(node.name, node, place, start, end, self, reads)

    def _limit(self, to: str, at_least: Quantity | None, at_most: Quantity | None) -> Limited:
        path = target(self.recipe.procedure, to) if to else ""
        return Limited(path, seconds(at_least) if at_least else 0.0, seconds(at_most) if at_most else None)

    def _calculation(self, node: Calculate) -> Decided[Task]:
        def work_out(values: Mapping[str, Value]) -> int:
            found = evaluate(node.expression, values)
            measured = isinstance(found, Quantity) and node.unit
            return self.interned.number(cast("Quantity", found).to(node.unit) if measured else found)

        return Decided(self, names(node.expression), work_out)

    def _condition(self, text: str) -> Decided[Task]:
        return Decided(self, names(text), lambda values: int(evaluate(text, values) is True))

    def _choice(self, node: Choice, path: str) -> Decided[Task]:
        conditions = [condition for condition, _ in node.options]

        def work_out(values: Mapping[str, Value]) -> int:
            for number, condition in enumerate(conditions):
                if not condition or evaluate(condition, values) is True:
                    return number
            raise RecordError(f"No option of the choice '{path}' applies; the recipe lacks an 'otherwise'.")

        reads = {name for condition in conditions if condition for name in names(condition)}
        return Decided(self, tuple(sorted(reads)), work_out)


def seconds(amount: Quantity) -> float:
    """A time in seconds."""
    return float(amount.to("s").value)


def phases(body: "tuple[CompiledNode[Task], ...]") -> "Iterator[CompiledPhase[Task]]":
    """Every phase call of a compiled procedure, in the order of the recipe."""
    for node in body:
        match node:
            case CompiledPhase():
                yield node
            case CompiledOperation() | CompiledUnitProcedure() | CompiledRepeat():
                yield from phases(node.body)
            case CompiledParallel():
                yield from (phase for branch in node.branches for phase in phases(branch))
            case CompiledChoice():
                yield from (phase for option in node.options for phase in phases(option))
            case CompiledCalculate():
                pass
