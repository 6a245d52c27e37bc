"""Volumes: no vessel is emptied below nothing or filled above what it holds.

A vessel is followed if the recipe gives its unit a `capacity`. It begins empty; each phase changes it
as the phase declares. What only the run tells makes it unknown until it is emptied, and of an unknown
volume nothing is said. A result counts with the plausible range of its test. A choice leaves the span
of its ways, a repeat that of its rounds up to its bound. The whole is worked out at the values of the
formula, and again at each end of each proven range, since every value inside is allowed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias, assert_never

from batches.checks.intervals import Interval, of_expression, of_value, point
from batches.checks.measures import alike
from batches.checks.subject import Call, Flaw, Subject
from batches.errors import BadInput
from batches.expressions import references
from batches.procedure import join
from batches.quantities import Quantity, quantity
from batches.recipe import Calculate, Choice, Node, Operation, Parallel, PhaseCall, Repeat, UnitProcedure

State: TypeAlias = "dict[str, Interval | None]"
"""Volume by role; None: unknown."""
Known: TypeAlias = "dict[str, Interval | None]"
ROUNDS = 50
"""A repeat of more rounds than this that changes a volume each time leaves it unknown."""
NOTHING = Quantity(Decimal(0), "mL")


def volume(subject: Subject) -> Iterator[Flaw]:
    """Vessels are never over-full, and nothing is taken out that is not in them."""
    followed = {
        role: point(NOTHING) for role, most in subject.recipe.capacities.items() if alike(most.unit, "mL")
    }
    if not followed:
        return
    for case, formula in _cases(subject):
        run = _Run(subject, _known(subject, formula), case)
        run.body(subject.recipe.procedure, "", dict(followed))
        if run.flaws:
            yield from run.flaws
            return


def _cases(subject: Subject) -> "Iterator[tuple[str, dict[str, Quantity | int]]]":
    """The formula as it is, then with one value at an end of its proven range."""
    formula = {
        name: parameter.value
        for name, parameter in subject.recipe.formula.items()
        if isinstance(parameter.value, (Quantity, int)) and not isinstance(parameter.value, bool)
    }
    yield "", formula
    for name in sorted(formula.keys() & _read(subject)):
        parameter = subject.recipe.formula[name]
        for end in (parameter.low, parameter.high):
            if end is not None:
                yield f" when '{name}' is {end}, which its proven range allows", formula | {name: end}


def _read(subject: Subject) -> set[str]:
    """The formula values and calculations on which the volumes depend."""
    amounts = {
        part for call in subject.calls for change in call.phase.vessel for part in change[1:].split("*")
    }
    found = {
        name.root
        for use in subject.uses
        if isinstance(use.spot.node, PhaseCall)
        for parameter, value in use.spot.node.parameters.items()
        if parameter in amounts and value == use.text
        for name in references(use.text)
    }
    while (
        more := {
            name.root
            for known, spot in subject.calculations.items()
            if known in found and isinstance(spot.node, Calculate)
            for name in references(spot.node.expression)
        }
        - found
    ):
        found |= more
    return found


def _known(subject: Subject, formula: "Mapping[str, Quantity | int]") -> Known:
    """What every name can come to."""
    known: Known = {name: of_value(value) for name, value in formula.items()}
    for alias, call in subject.aliases.items():
        plan = subject.recipe.samples.get(call.word(call.phase.results_of)) if call.phase.results_of else None
        for name, test in plan.tests.items() if plan else ():
            if test.low is not None and test.high is not None:
                known[f"{alias}.{name}"] = Interval(test.low, test.high)
    for name, spot in subject.calculations.items():
        assert isinstance(spot.node, Calculate)
        known[name] = of_expression(spot.node.expression, known)
    return known


@dataclass(slots=True)
class _Run:
    """One way through the procedure, with the volumes it leaves."""

    subject: Subject
    known: Known
    case: str
    flaws: list[Flaw] = field(default_factory=list[Flaw])
    amounts: "dict[tuple[str, str], Interval | None]" = field(
        default_factory=dict["tuple[str, str]", "Interval | None"]
    )

    def body(self, nodes: tuple[Node, ...], prefix: str, state: State) -> State:
        for node in nodes:
            state = self.node(node, join(prefix, node.name), state)
        return state

    def node(self, node: Node, path: str, state: State) -> State:
        match node:
            case PhaseCall():
                return self.phase(path, state)
            case Calculate():
                return state
            case Operation() | UnitProcedure():
                return self.body(node.body, path, state)
            case Parallel():
                return self.parallel(node, path, state)
            case Choice():
                ways = [self.body(body, path, state) for _, body in node.options]
                ended = any(not condition for condition, _ in node.options)
                return _joined(ways if ended else [*ways, state])
            case Repeat():
                return self.repeat(node, path, state)
            case _:
                assert_never(node)

    def parallel(self, node: Parallel, path: str, state: State) -> State:
        """Branches change vessels of their own; one that several change is unknown from here on."""
        changed = [self.roles(branch, path) for branch in node.branches]
        shared = {role for role in state if sum(role in roles for roles in changed) > 1}
        state = {role: None if role in shared else volume for role, volume in state.items()}
        for branch, roles in zip(node.branches, changed, strict=True):
            after = self.body(branch, path, state)
            state = {role: after[role] if role in roles else volume for role, volume in state.items()}
        return state

    def roles(self, branch: tuple[Node, ...], path: str) -> set[str]:
        starts = tuple(join(path, node.name) for node in branch)
        return {
            call.role
            for call in self.subject.calls
            if (call.phase.vessel or call.phase.samples)
            and any(call.path == start or call.path.startswith(start + "/") for start in starts)
        }

    def repeat(self, node: Repeat, path: str, state: State) -> State:
        ends: list[State] = []
        for _ in range(min(node.at_most, ROUNDS)):
            before, state = state, self.body(node.body, path, state)
            ends.append(state)
            if state == before:
                return _joined(ends)
        if node.at_most <= ROUNDS:
            return _joined(ends)
        return {role: volume if volume == ends[0][role] else None for role, volume in state.items()}

    def phase(self, path: str, state: State) -> State:
        call = self.subject.call_at.get(path)
        if call is None or call.role not in state:
            return state
        volume = self.sampled(call, state[call.role])
        for change in call.phase.vessel:
            volume = self.changed(call, change, volume)
        return state | {call.role: volume}

    def sampled(self, call: Call, volume: "Interval | None") -> "Interval | None":
        """Samples may be taken off: the volume may be that much lower."""
        for name in call.words(call.phase.samples):
            plan = self.subject.recipe.samples.get(name)
            taken = plan.volume if plan else None
            if volume is not None and taken is not None and alike(taken.unit, "mL"):
                volume = Interval(max(volume.low - taken, NOTHING), volume.high)
        return volume

    def changed(self, call: Call, change: str, volume: "Interval | None") -> "Interval | None":
        if change == "empty":
            return point(NOTHING)
        if change == "?":
            return None
        names = change[1:].split("*")
        if any(call.value(name) is None for name in names):
            return volume  # an optional amount that is not given
        if (call.path, change) not in self.amounts:
            self.amounts[call.path, change] = self.amount(call, names)
        amount = self.amounts[call.path, change]
        if volume is None or amount is None:
            return None
        return self.added(call, volume, amount) if change[0] == "+" else self.taken(call, volume, amount)

    def amount(self, call: Call, names: list[str]) -> "Interval | None":
        """The product of parameters, as a volume; containers and wells only count."""
        found: Interval | None = point(quantity(1, ""))
        for name in names:
            value = call.value(name)
            factor = (
                of_expression(value, self.known)
                if isinstance(value, str) and "$" in value
                else of_value(value)
            )
            found = found and factor and found.over(_countless(factor), Quantity.__mul__)
        try:
            return found and Interval(found.low.to("mL"), found.high.to("mL"))
        except BadInput:
            return None

    def added(self, call: Call, volume: Interval, amount: Interval) -> "Interval | None":
        after = volume.over(amount, Quantity.__add__)
        capacity = self.subject.recipe.capacities[call.role]
        if after.low > capacity:
            sentence = (
                f"'{call.path}' fills '{call.role}' to {_span(after)}{self.case}, but it holds {capacity}"
            )
            self.flaws.append((call.line, f"{sentence}; add less, or take some out before."))
            return None  # what follows from a mistake is not a second one
        return Interval(after.low, min(after.high, capacity))

    def taken(self, call: Call, volume: Interval, amount: Interval) -> "Interval | None":
        after = volume.over(amount, Quantity.__sub__)
        if after.high < NOTHING:
            sentence = f"'{call.path}' takes {_span(amount)} out of '{call.role}'{self.case}, which holds {_span(volume)} then"
            self.flaws.append((call.line, f"{sentence}; take less, or add some before."))
            return None
        return Interval(max(after.low, NOTHING), after.high)


def _countless(amount: Interval) -> Interval:
    """Containers and wells are counted: 10 bags of 5 mL are 50 mL."""
    counted = amount.low.dimension in ("[container]", "[microwell]")
    return Interval(quantity(amount.low.value, ""), quantity(amount.high.value, "")) if counted else amount


def _joined(states: list[State]) -> State:
    first, *others = states
    for other in others:
        first = {role: _join(volume, other[role]) for role, volume in first.items()}
    return first


def _join(one: "Interval | None", other: "Interval | None") -> "Interval | None":
    return None if one is None or other is None else one.join(other)


def _span(volume: Interval) -> str:
    low, high = f"{volume.low.value.normalize():f}", f"{volume.high.value.normalize():f}"
    return f"{low} mL" if low == high else f"{low} to {high} mL"
