"""Results of samples: whether they are complete and plausible, and what the specification says of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from batches.errors import BadInput
from batches.limits import side
from batches.plain import Plain
from batches.quantities import Quantity
from batches.recipe import Criterion, SamplePlan
from batches.steps import Value, plain
from batches.tasks import entered, field_of

Results: TypeAlias = Mapping[str, Mapping[str, Value]]
"""The last result by sample of the plan and attribute."""

TO_DATE = " to date"
"""What an interim result ends in: 'negative to date' (Part IV 11.3.2) decides nothing yet."""


def checked(plan: SamplePlan, given: Mapping[str, Plain]) -> dict[str, Value]:
    """The results of a sample, one for each test of its plan.

    Raises BadInput for a test without result, a result without test, a wrong unit of measure or a
    value beyond what is plausible.
    """
    missing, unknown = sorted(plan.tests.keys() - given.keys()), sorted(given.keys() - plan.tests.keys())
    if missing:
        raise BadInput(f"The sample {plan.name} still needs a result for {', '.join(missing)}.")
    if unknown:
        raise BadInput(
            f"The sample {plan.name} has no test for {', '.join(unknown)}; its tests are {', '.join(plan.tests)}."
        )
    return {name: entered(name, _field(plan, name), given[name]) for name in plan.tests}


def _field(plan: SamplePlan, name: str) -> Mapping[str, Plain]:
    field = plain(field_of(plan.tests[name]))
    assert isinstance(field, Mapping)  # plain makes an object of a Field
    return field


def outstanding(plans: Mapping[str, SamplePlan], results: Results) -> tuple[tuple[str, str], ...]:
    """The (sample, attribute) of the plan that have no result yet, in the order of the plan."""
    return tuple(
        (name, attribute)
        for name, plan in plans.items()
        for attribute in plan.tests
        if results.get(name, {}).get(attribute) is None
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the specification says of one result. `pending`: no result, or an interim one."""

    criterion: str
    verdict: Literal["pass", "fail", "pending"]
    value: Value
    blocking: bool
    sentence: str


def verdict(criterion: Criterion, results: Results) -> Verdict:
    """Judge a result against its criterion; the limits belong to what passes.

    Raises BadInput for a result of another kind or dimension than the criterion's.
    """
    value = results.get(criterion.sample, {}).get(criterion.attribute)
    found, why = _judge(criterion, value)
    return Verdict(criterion.name, found, value, criterion.blocking, f"{criterion.name}: {why}.")


def _judge(criterion: Criterion, value: Value) -> tuple[Literal["pass", "fail", "pending"], str]:
    if value is None:
        return "pending", f"no result of sample {criterion.sample} yet"
    if criterion.equals:
        return _judge_text(criterion, value)
    if criterion.at_least is None and criterion.at_most is None:
        return "pass", f"{_shown(value)}, reported without limit"
    if not isinstance(value, Quantity):
        raise BadInput(
            f"The result '{_shown(value)}' of {criterion.name} is not a quantity; enter a number with its unit of measure."
        )
    match side(value, criterion.at_least, criterion.at_most):
        case "low":
            return "fail", f"{value} is below {criterion.at_least}"
        case "high":
            return "fail", f"{value} is above {criterion.at_most}"
        case _:
            return "pass", f"{value} is within {_range(criterion)}"


def _judge_text(criterion: Criterion, value: Value) -> tuple[Literal["pass", "fail", "pending"], str]:
    found, wanted = _shown(value).casefold(), _shown_wanted(criterion.equals)
    if found == wanted:
        return "pass", f"{_shown(value)}, as specified"
    if found == wanted + TO_DATE:
        return "pending", f"{_shown(value)}, an interim result"
    return "fail", f"{_shown(value)} instead of {criterion.equals}"


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()


def _shown_wanted(equals: str) -> str:
    return {"true": "yes", "false": "no"}.get(equals.casefold(), equals.casefold())


def _range(criterion: Criterion) -> str:
    bounds = [
        f"{word} {bound}"
        for word, bound in (("at least", criterion.at_least), ("at most", criterion.at_most))
        if bound is not None
    ]
    return " and ".join(bounds)
