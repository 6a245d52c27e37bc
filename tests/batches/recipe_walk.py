"""Walk a whole recipe in memory with a plain interpreter of its tree: who is asked what, and when.

Not the pure machine of `batches/procedure.py`: a second, naive reading of the same grammar, so that
each can be held against the other. Parallel branches begin together; the clock is kept by whoever answers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, assert_never

from batches.expressions import evaluate
from batches.interpret import drive
from batches.phases import begin, lookup
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
from batches.steps import Step, Value


class Somebody(Protocol):
    """Answers steps. `now` is in hours since the start; the walk sets it at every phase."""

    now: float

    def begin(self, path: str, unit: str, call: PhaseCall) -> None: ...
    def answer(self, step: Step) -> Value: ...


@dataclass(frozen=True, slots=True)
class Walked:
    """One phase of the walk: what was asked and answered, what came out, from when to when (hours)."""

    path: str
    unit: str
    call: PhaseCall
    asked: list[tuple[Step, Value]]
    results: Mapping[str, Value]
    began: float
    ended: float


@dataclass
class Walk:
    """A recipe being walked: values that expressions read, and the phases so far."""

    recipe: Recipe
    somebody: Somebody
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    phases: list[Walked] = field(default_factory=list[Walked])

    def to_the_end(self) -> "Walk":
        self.values |= {name: parameter.value for name, parameter in self.recipe.formula.items()}
        self._sequence(self.recipe.procedure, "", "", 0.0)
        return self

    @property
    def hours(self) -> float:
        return max(phase.ended for phase in self.phases)

    def named(self, alias: str) -> Iterator[Walked]:
        return (phase for phase in self.phases if phase.call.alias == alias)

    def _sequence(self, body: tuple[Node, ...], path: str, unit: str, at: float) -> float:
        for node in body:
            at = self._node(node, f"{path}/{node.name}" if path else node.name, unit, at)
        return at

    def _node(self, node: Node, path: str, unit: str, at: float) -> float:
        match node:
            case PhaseCall():
                return self._phase(node, path, unit, at)
            case Calculate():
                found = evaluate(node.expression, self.values)
                self.values[node.name] = (
                    found.to(node.unit) if node.unit and isinstance(found, Quantity) else found
                )
                return at
            case Operation():
                return self._sequence(node.body, path, unit, at)
            case UnitProcedure():
                return self._sequence(node.body, path, node.unit, at)
            case Parallel():
                return max(self._sequence(branch, path, unit, at) for branch in node.branches)
            case Choice():
                taken = next(
                    body for test, body in node.options if not test or evaluate(test, self.values) is True
                )
                return self._sequence(taken, path, unit, at)
            case Repeat():
                return self._repeat(node, path, unit, at)
            case _:
                assert_never(node)

    def _repeat(self, node: Repeat, path: str, unit: str, at: float) -> float:
        for count in range(1, node.at_most + 1):
            at = self._sequence(node.body, f"{path}[{count}]", unit, at)
            if evaluate(node.until, self.values) is True:
                break
        return at

    def _phase(self, call: PhaseCall, path: str, unit: str, at: float) -> float:
        given = {name: self._value(value) for name, value in call.parameters.items()}
        self.somebody.now = at
        self.somebody.begin(path, unit, call)
        asked, results = drive(begin(lookup(call.phase, call.version), given), self.somebody.answer)
        self.phases.append(Walked(path, unit, call, asked, results, at, self.somebody.now))
        for name in (call.alias, call.name):
            if name:
                self.values[name] = results
        return self.somebody.now

    def _value(self, value: Value) -> Value:
        return evaluate(value, self.values) if isinstance(value, str) and "$" in value else value


Answer = Callable[[Step], Value]
