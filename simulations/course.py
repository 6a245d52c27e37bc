"""What becomes of a recipe's steps in one scenario: what each takes, who does it, how it may turn out.

The rules of a product are looked up once for each step that is ever asked, when its node grows. Where
no rule says otherwise a process goes as it should: first options, passing results, plausible values in
the middle of what is allowed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from fnmatch import fnmatchcase
from functools import cache
from math import inf
from typing import assert_never

from batches.errors import BadInput
from batches.phases.common_1 import STOP
from batches.quantities import Quantity, quantity
from batches.recipe import Limit, Recipe, Test, UnitProcedure, nodes
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    Field,
    First,
    Label,
    Produce,
    Program,
    Read,
    Result,
    Sample,
    Scan,
    Set,
    Sign,
    Step,
    Transfer,
    Until,
    Value,
    Wait,
)
from simulations.compiled import seconds
from simulations.distributions import Constant, Distribution
from simulations.replies import Answer, Part, one_of, only
from simulations.scenario import Amount, Need, OutcomeRule, ProductPlan, ShiftEnd, WorkRule
from simulations.step_tree import Place

EVIDENCE = "0" * 64
"""What stands for the digest of an event file."""


SETTLED = ("temperature", "agitation", "ph", "dissolved_oxygen", "co2", "o2")
"""Tags of a controlled environment: where no rule says how long they take to their set-point, none."""


class Op(Enum):
    """What a step is to the simulation."""

    FREE = "takes neither time nor people"
    WORK = "people do it"
    SPAN = "a device or timer takes its time"
    FIRST = "whichever comes first"
    RESULT = "the laboratory's result is waited for"


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A step as the simulation sees it. `takes`: one of these distributions, by the shares in `bounds`;
    `constant`: seconds where they are known, else -1. `sample`, `material` with `amount`: what it
    begins in the laboratory or takes from stock. `options`, `within`: of a First."""

    op: Op
    takes: tuple[Distribution, ...] = ()
    bounds: Part = Part("", (None,))
    constant: float = 0.0
    need: Need = Need("", 0)
    rule: ShiftEnd = "interrupt"
    sample: str = ""
    material: str = ""
    amount: Quantity | None = None
    options: "tuple[Task, ...]" = ()
    within: float = inf
    stops: frozenset[int] = frozenset()
    """Replies of a decision that end the batch."""


class Rules:
    """The rules of one product, for its recipe."""

    def __init__(self, plan: ProductPlan, recipe: Recipe) -> None:
        self.plan, self.recipe = plan, recipe
        parts = [node for node in nodes(recipe.procedure) if isinstance(node, UnitProcedure)]
        self._limits: dict[str, Limit] = {limit.tag: limit for part in parts for limit in part.limits}

    # --- what a step takes ----------------------------------------------------------------------------

    def task(self, place: Place, step: Step) -> Task:
        """What the step takes. Raises BadInput where no rule of the scenario says it."""
        match step:
            case Set() | Read() | Produce():
                rule = self._work(place, step)
                return Task(Op.FREE) if rule is None else _task(rule, step)
            case Wait():
                time = seconds(step.duration)
                return Task(Op.SPAN, (Constant(time),), constant=time)
            case Until():
                return self._until(place, step)
            case First():
                options = tuple(self.task(place, option) for option in step.options)
                return Task(Op.FIRST, options=options, within=seconds(step.within) if step.within else inf)
            case Result():
                return Task(Op.RESULT, sample=step.sample)
            case (
                Do()
                | Program()
                | Transfer()
                | Consume()
                | Label()
                | Sample()
                | Ask()
                | Decide()
                | Scan()
                | Sign()
            ):
                return self._known(place, step)
            case _:
                assert_never(step)

    def _known(self, place: Place, step: Step) -> Task:
        rule = self._work(place, step)
        if rule is None:
            kind, name = type(step).__name__, name_of(step)
            raise BadInput(
                f"No rule of {self.plan.name} says how long the step {kind} '{name}' of {place.path} takes; "
                f"add one to its 'work', such as {{step: {kind}, takes: …}}."
            )
        found = _task(rule, step)
        if isinstance(step, Decide) and STOP in step.options:
            values = self._decision(place, step).values
            stops = frozenset(number for number, value in enumerate(values) if value == STOP)
            return replace(found, stops=stops)
        return found

    def _work(self, place: Place, step: Step) -> WorkRule | None:
        kind, role, name = type(step).__name__, role_of(step), name_of(step)
        for rule in self.plan.work:
            fits = rule.step in ("", kind) and rule.role in ("", role) and _here(rule, place)
            if fits and (not rule.name or fnmatchcase(name, rule.name)):
                return rule
        return None

    def _until(self, place: Place, step: Until) -> Task:
        rule = self._outcome("until", place, step.tag)
        work = None if rule else self._work(place, step)
        if work is not None:
            return _task(work, step)
        if rule is None and step.tag in SETTLED:
            return Task(Op.FREE)
        if rule is None:
            raise BadInput(
                f"Nothing says when {step.tag} of {place.path} reaches its value; add an outcome "
                f"{{of: until, name: {step.tag}, classes: …}} to {self.plan.name}."
            )
        amounts = [each.value for each in rule.classes if isinstance(each.value, Amount)]
        if len(amounts) < len(rule.classes):
            raise BadInput(f"The outcome 'until {step.tag}' of {self.plan.name} must give times.")
        takes = tuple(_in_seconds(amount) for amount in amounts)
        constant = takes[0].mean if len(takes) == 1 and isinstance(takes[0], Constant) else -1.0
        shares = one_of(tuple(range(len(takes))), tuple(each.probability for each in rule.classes))
        return Task(Op.SPAN, takes, shares, constant)

    # --- how a step may turn out ----------------------------------------------------------------------

    def answer(self, place: Place, step: Step) -> Answer:
        """The replies a step may get. Raises BadInput where the scenario must say them and does not."""
        match step:
            case Set() | Wait():
                return only(None)
            case Until():
                return only(step.at_least or step.at_most)
            case Read():
                rule = self._outcome("read", place, step.tag)
                part = _part("", rule) if rule else Part("", (self._reading(place, step.tag),))
                return Answer("one", (part,))
            case First():
                return Answer("fired", options=tuple(self.answer(place, option) for option in step.options))
            case Do() | Transfer():
                return Answer("by_name", tuple(self._told(place)))
            case Program():
                return Answer("by_name", (*self._told(place), Part("evidence", (EVIDENCE,))))
            case Consume() | Produce():
                return only(f"L-{step.material}")
            case Label():
                return _counted(step.count)
            case Sample():
                return only(f"S-{step.name}")
            case Result():
                tests = self.recipe.samples[step.sample].tests.items()
                return Answer("by_name", tuple(self.result(place, step.sample, *test) for test in tests))
            case Ask():
                return Answer("by_name", tuple(self._field(place, *field) for field in step.fields.items()))
            case Decide():
                return Answer("one", (self._decision(place, step),))
            case Scan():
                return only(step.expects)
            case Sign():
                return only(True)
            case _:
                assert_never(step)

    def result(self, place: Place | None, sample: str, name: str, test: Test) -> Part:
        """The results a test may give. `place` None: the sample of a batch that does not wait for it."""
        for rule in self.plan.outcomes:
            fits = rule.of == "result" and rule.name == name and rule.sample in ("", sample)
            if fits and (place is None or _here(rule, place)):
                return _part(name, rule)
        return Part(name, (self._passing(sample, test),))

    def _field(self, place: Place, name: str, field: Field) -> Part:
        rule = self._outcome("field", place, name)
        return Part(name, (_entered(field),)) if rule is None else _part(name, rule)

    def _decision(self, place: Place, step: Decide) -> Part:
        for rule in self.plan.outcomes:
            if rule.of == "decision" and _here(rule, place) and fnmatchcase(step.question, rule.name):
                found = _part("", rule)
                strange = [value for value in found.values if value not in step.options]
                if strange:
                    raise BadInput(
                        f"'{strange[0]}' is no option of '{step.question}' in {place.path}; "
                        f"the options are {', '.join(step.options)}."
                    )
                return found
        return Part("", (step.options[0],))

    def _told(self, place: Place) -> Iterator[Part]:
        seen = set[str]()
        for rule in self.plan.outcomes:
            if rule.of == "told" and rule.name not in seen and _here(rule, place):
                seen.add(rule.name)
                yield _part(rule.name, rule)

    def _outcome(self, of: str, place: Place, name: str) -> OutcomeRule | None:
        found = (r for r in self.plan.outcomes if r.of == of and r.name == name and _here(r, place))
        return next(found, None)

    def _passing(self, sample: str, test: Test) -> Value:
        """A result that meets every criterion on it."""
        criteria = self.recipe.specification.values()
        asked = [c for c in criteria if (c.sample, c.attribute) == (sample, test.attribute)]
        equals = next((c.equals for c in asked if c.equals), "")
        if test.kind == "yes_no":
            return equals.casefold() not in ("no", "false")
        if test.kind != "quantity":
            return equals or (test.options[0] if test.options else "as it should be")
        low = max((c.at_least for c in asked if c.at_least), default=test.low)
        high = min((c.at_most for c in asked if c.at_most), default=test.high)
        return _between(low, high, test.unit)

    def _reading(self, place: Place, tag: str) -> Quantity:
        limit, store = self._limits.get(tag), self.recipe.product.store_high
        if limit is not None and (limit.low or limit.high):
            return _between(limit.low, limit.high, (limit.low or limit.high or _NOTHING).unit)
        if tag == "temperature" and store is not None:
            return store
        raise BadInput(
            f"Nothing says what {tag} of {place.path} reads; add an outcome "
            f"{{of: read, name: {tag}, classes: …}} to {self.plan.name}."
        )


_NOTHING = quantity(0, "")


def _here(rule: WorkRule | OutcomeRule, place: Place) -> bool:
    return rule.phase in ("", place.phase) and (not rule.path or fnmatchcase(place.path, rule.path))


def _task(rule: WorkRule, step: Step) -> Task:
    work = rule.work
    need = work.need if work.need.role else Need(role_of(step), work.need.people, work.need.skill)
    constant = work.takes.mean if isinstance(work.takes, Constant) else -1.0
    sample = step.name if isinstance(step, Sample) else ""
    material, amount = (step.material, step.quantity) if isinstance(step, Consume) else ("", None)
    plain = constant == 0.0 and not sample and not material
    op = Op.FREE if plain else Op.WORK if need.people else Op.SPAN
    return Task(
        op, (work.takes,), Part("", (0,)), constant, need, work.at_shift_end, sample, material, amount
    )


def role_of(step: Step) -> str:
    """The role a step asks; an operator where it asks none."""
    match step:
        case Ask() | Decide() | Scan() | Sign() | Result():
            return step.role
        case _:
            return "operator"


def name_of(step: Step) -> str:
    """What a rule may call a step by."""
    match step:
        case Set() | Read() | Until():
            return step.tag
        case Do():
            return step.action
        case Program() | Sample():
            return step.name
        case Consume() | Produce() | Label():
            return step.material
        case Result():
            return step.sample
        case Decide():
            return step.question
        case Ask() | Scan() | Sign():
            return step.text
        case Transfer():
            return step.source
        case Wait() | First():
            return ""


def _part(name: str, rule: OutcomeRule) -> Part:
    values: list[Value] = []
    shares: list[float] = []
    for each in rule.classes:
        if isinstance(each.value, Amount):
            levels = 1 if isinstance(each.value.distribution, Constant) else rule.levels
            values += [_measured(level, each.value.unit) for level in each.value.distribution.levels(levels)]
            shares += [each.probability / levels] * levels
        else:
            values.append(each.value)
            shares.append(each.probability)
    return one_of(tuple(values), tuple(shares), name)


def _measured(value: float, unit: str) -> Quantity:
    return quantity(f"{value:.9g}", unit)


def _in_seconds(amount: Amount) -> Distribution:
    if not amount.unit or amount.unit == "s":
        return amount.distribution
    return _Scaled(amount.distribution, _factor(amount.unit))


@cache
def _factor(unit: str) -> float:
    return float(quantity(1, unit).to("s").value)


@dataclass(frozen=True, slots=True)
class _Scaled(Distribution):
    of: Distribution
    factor: float

    def sample(self, u: float) -> float:
        return self.of.sample(u) * self.factor

    @property
    def mean(self) -> float:
        return self.of.mean * self.factor


def _entered(asked: Field) -> Value:
    match asked.kind:
        case "quantity":
            return _between(asked.low, asked.high, asked.unit)
        case "yes_no":
            return True
        case "choice":
            return asked.options[0]
        case "text":
            return "as described"


def _between(low: Quantity | None, high: Quantity | None, unit: str) -> Quantity:
    found = [bound.to(unit).value for bound in (low, high) if bound is not None]
    return quantity(sum(found, Decimal(0)) / len(found), unit) if found else quantity(1, unit)


def _counted(count: int) -> Answer:
    counts: Mapping[str, int] = {"printed": count, "used": count, "destroyed": 0, "returned": 0}
    return Answer("by_name", tuple(Part(name, (quantity(each, ""),)) for name, each in counts.items()))
