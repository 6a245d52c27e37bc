"""Ranges: proven ranges hold their value, set-points keep within limits, limits are the right way round."""

from collections.abc import Iterator

from batches.checks.measures import alike
from batches.checks.subject import Call, Flaw, Subject
from batches.quantities import Quantity
from batches.recipe import Criterion, Limit, Parameter, Test, UnitProcedure


def proven_range(subject: Subject) -> Iterator[Flaw]:
    """A formula value lies in its proven range, and a critical one has a range (ICH Q8)."""
    for value in subject.recipe.formula.values():
        sentence = _unproven(value)
        if sentence:
            yield value.place.line, sentence


def _unproven(parameter: Parameter) -> str:
    value, low, high = parameter.value, parameter.low, parameter.high
    name = f"'{parameter.name}'"
    if not isinstance(value, Quantity):
        return f"{name} has a proven range but is no quantity; take the range away." if low or high else ""
    if parameter.critical and low is None and high is None:
        return f"{name} is critical and has no proven range; add 'low', 'high' or both."
    if above(low, high):
        return f"The proven range of {name} ends ({high}) below where it begins ({low}); correct the range."
    if above(low, value) or above(value, high):
        return (
            f"{name} is {value}, outside its proven range {_span(low, high)}; correct the value or the range."
        )
    return ""


def set_point(subject: Subject) -> Iterator[Flaw]:
    """A set-point lies within the alarm limits of its unit procedure."""
    for call in subject.calls:
        for limit in call.within.limits if call.role == call.within.unit else ():
            value = subject.constant(call.value(limit.tag)) if limit.tag in call.phase.sets else None
            if isinstance(value, Quantity) and (above(limit.low, value) or above(value, limit.high)):
                yield call.line_of(limit.tag), _would_alarm(call, limit, value)


def _would_alarm(call: Call, limit: Limit, value: Quantity) -> str:
    return (
        f"The set-point '{limit.tag}' of '{call.path}' is {value}, outside the alarm limits "
        f"{_span(limit.low, limit.high)} of '{call.within.name}': it would alarm at once; correct one of them."
    )


def unproven_set_point(subject: Subject) -> Iterator[Flaw]:
    """A set-point comes from a formula value with a proven range."""
    for call in subject.calls:
        for tag in call.phase.sets:
            value = call.node.parameters.get(tag)
            source = (
                subject.recipe.formula.get(value[1:]) if isinstance(value, str) and value[:1] == "$" else None
            )
            if value is not None and (source is None or (source.low is None and source.high is None)):
                yield (
                    call.line_of(tag),
                    f"The set-point '{tag}' of '{call.path}' has no proven range; make it a formula value with 'low' and 'high'.",
                )


def reversed_range(subject: Subject) -> Iterator[Flaw]:
    """Limits begin below where they end, and a specification can be met by a plausible result."""
    product, line = subject.recipe.product, subject.recipe.lines.get("product", 0)
    if above(product.store_low, product.store_high):
        yield (
            line,
            f"The store temperature ends ({product.store_high}) below where it begins ({product.store_low}).",
        )
    for spot in subject.spots:
        for limit in spot.node.limits if isinstance(spot.node, UnitProcedure) else ():
            if above(limit.low, limit.high):
                yield (
                    limit.place.line,
                    f"The limit of '{limit.tag}' ends ({limit.high}) below where it begins ({limit.low}); correct it.",
                )
    for plan in subject.recipe.samples.values():
        for test in plan.tests.values():
            if above(test.low, test.high):
                yield (
                    test.place.line,
                    f"The plausible range of '{test.attribute}' ends ({test.high}) below where it begins ({test.low}); correct it.",
                )
    for criterion in subject.recipe.specification.values():
        plan = subject.recipe.samples.get(criterion.sample)
        sentence = _cannot_be_met(criterion, plan.tests.get(criterion.attribute) if plan else None)
        if sentence:
            yield criterion.place.line, sentence


def _cannot_be_met(criterion: Criterion, test: "Test | None") -> str:
    low, high = criterion.at_least, criterion.at_most
    if above(low, high):
        return f"The specification of '{criterion.name}' ends ({high}) below where it begins ({low}); correct it."
    if test and (above(low, test.high) or above(test.low, high)):
        return (
            f"No plausible result of '{criterion.attribute}' ({_span(test.low, test.high)}) can meet the "
            f"specification {_span(low, high)}; correct one of them."
        )
    return ""


def above(left: "Quantity | None", right: "Quantity | None") -> bool:
    """Whether left is greater; no if one is missing or they measure different things (another rule)."""
    return left is not None and right is not None and alike(left.unit, right.unit) and left > right


def _span(low: "Quantity | None", high: "Quantity | None") -> str:
    if low is None or high is None:
        return f"at most {high}" if low is None else f"at least {low}"
    return f"{low} to {high}"
