"""Kinds and dimensions: every value is of the kind and measures the thing that it should."""

from collections.abc import Iterator

from batches.checks.subject import Call, Flaw, Subject
from batches.errors import BadInput
from batches.expressions import Type, type_of
from batches.phases.base import Declared
from batches.quantities import Quantity, same_measure
from batches.recipe import Calculate, Choice, Repeat, Scalar, UnitProcedure

TIME, VOLUME, TEMPERATURE = "s", "mL", "degC"
WORDS = {TIME: "a time", VOLUME: "a volume", TEMPERATURE: "a temperature"}


def kind(subject: Subject) -> Iterator[Flaw]:
    """Parameters, calculations and conditions are of the kind that is asked for."""
    for call in subject.calls:
        for name, value in call.node.parameters.items():
            sentence = _wrong_kind(subject, call, name, value)
            if sentence:
                yield call.line_of(name), sentence
    for use in subject.uses:
        found = _inferred(subject, use.text)
        node = use.spot.node
        if found and isinstance(node, (Choice, Repeat)) and found.kind != "yes_no":
            yield (
                use.line,
                f"{_start(use.where)} is {found}, not yes or no; compare it with something: {use.text}.",
            )
        if found and isinstance(node, Calculate) and node.unit and found.kind in ("text", "yes_no"):
            yield (
                use.line,
                f"{_start(use.where)} is {found}, not a quantity in {node.unit}; take 'unit' away.",
            )


def _wrong_kind(subject: Subject, call: Call, name: str, value: Scalar) -> str:
    declared = call.phase.parameters[name]
    start = f"'{name}' of '{call.path}'"
    computed = isinstance(value, str) and "$" in value
    if computed and declared.kind in ("material", "sample", "role"):
        return f"{start} names a {declared.kind} and cannot be an expression; write the name itself."
    found = _inferred(subject, value) if computed and isinstance(value, str) else type_of(value)
    if found is None:
        return ""
    if declared.kind == "choice" and not computed and value not in declared.options:
        return f"{start} is '{value}'; write one of {', '.join(declared.options)}."
    wanted = {"quantity": "quantity", "integer": "whole", "flag": "yes_no"}.get(declared.kind, "text")
    return (
        ""
        if found.kind == wanted
        else f"{start} is {_said(value, found)}; {_advice(subject, call, declared)}."
    )


def _said(value: Scalar, found: Type) -> str:
    if isinstance(value, str) and "$" not in value:
        return f"the text '{value}'"
    return f"{found} ({value})" if isinstance(value, (Quantity, str)) else f"{found} ({str(value).lower()})"


def _advice(subject: Subject, call: Call, declared: Declared) -> str:
    match declared.kind:
        case "quantity":
            unit = subject.measure(call, declared)
            example = f"such as 1.5 {unit}" if unit else "such as 1.5"
            return f"write a quantity Kweek knows, {example}"
        case "integer":
            return "write a whole number"
        case "flag":
            return "write true or false"
        case _:
            return "write text that does not read as a number"


def dimension(subject: Subject) -> Iterator[Flaw]:
    """Every quantity has the dimension of what it stands for, in expressions too."""
    yield from _of_header(subject)
    yield from _of_samples(subject)
    yield from _of_procedure(subject)
    yield from _of_parameters(subject)
    for use in subject.uses:
        try:
            found = subject.infer(use.text)
        except BadInput as error:
            yield use.line, f"{_start(use.where)}: {error}"
            continue
        node = use.spot.node
        if isinstance(node, Calculate) and found and found.kind in ("quantity", "whole"):
            yield from _unlike(use.line, f"The calculation '{node.name}'", found.unit, node.unit)


def _of_header(subject: Subject) -> Iterator[Flaw]:
    recipe, line = subject.recipe, subject.recipe.lines.get("product", 0)
    yield from _not(line, "The store temperature of the product", recipe.product.store_low, TEMPERATURE)
    yield from _not(line, "The store temperature of the product", recipe.product.store_high, TEMPERATURE)
    yield from _not(line, "The shelf life of the product", recipe.product.expires_within, TIME)
    for role, capacity in recipe.capacities.items():
        yield from _not(recipe.lines.get(f"units/{role}", 0), f"The capacity of '{role}'", capacity, VOLUME)
    for material in recipe.materials.values():
        what = f"'use_within' of the material '{material.name}'"
        yield from _not(material.place.line, what, material.use_within, TIME)
    for value in recipe.formula.values():
        if isinstance(value.value, Quantity):
            for end in (value.low, value.high):
                if end is not None:
                    yield from _unlike(
                        value.place.line, f"The range of '{value.name}'", end.unit, value.value.unit
                    )


def _of_samples(subject: Subject) -> Iterator[Flaw]:
    for plan in subject.recipe.samples.values():
        yield from _not(plan.place.line, f"The turnaround of the sample '{plan.name}'", plan.turnaround, TIME)
        yield from _not(plan.place.line, f"The volume of the sample '{plan.name}'", plan.volume, VOLUME)
        for test in plan.tests.values():
            for end in (test.low, test.high):
                if end is not None:
                    what = f"The plausible range of '{test.attribute}'"
                    yield from _unlike(test.place.line, what, end.unit, test.unit)
    for criterion in subject.recipe.specification.values():
        plan = subject.recipe.samples.get(criterion.sample)
        test = plan.tests.get(criterion.attribute) if plan else None
        for end in (criterion.at_least, criterion.at_most):
            if end is not None and test is not None and test.kind == "quantity":
                what = f"The specification of '{criterion.name}'"
                yield from _unlike(criterion.place.line, what, end.unit, test.unit)


def _of_procedure(subject: Subject) -> Iterator[Flaw]:
    for call in subject.calls:
        yield from _not(call.line, f"'longest' of the hold of '{call.path}'", call.node.hold.longest, TIME)
        for limit in call.node.then_within:
            for amount in (limit.at_least, limit.at_most):
                yield from _not(call.line, f"'then_within' of '{call.path}'", amount, TIME)
    for spot in subject.spots:
        for limit in spot.node.limits if isinstance(spot.node, UnitProcedure) else ():
            yield from _not(limit.place.line, f"The delay of the limit of '{limit.tag}'", limit.delay, TIME)
            if limit.low is not None and limit.high is not None:
                what = f"The limit of '{limit.tag}'"
                yield from _unlike(limit.place.line, what, limit.high.unit, limit.low.unit)


def _of_parameters(subject: Subject) -> Iterator[Flaw]:
    for call in subject.calls:
        for name, value in call.node.parameters.items():
            yield from _wrong_measure(subject, call, name, value)


def _wrong_measure(subject: Subject, call: Call, name: str, value: Scalar) -> Iterator[Flaw]:
    declared = call.phase.parameters[name]
    computed = isinstance(value, str) and "$" in value
    found = _inferred(subject, value) if computed and isinstance(value, str) else type_of(value)
    unit = subject.measure(call, declared) if declared.kind == "quantity" else None
    if unit is not None and found is not None and found.kind == "quantity":
        yield from _unlike(call.line_of(name), f"'{name}' of '{call.path}'", found.unit, unit)


def as_declared(subject: Subject, call: Call, name: str) -> bool:
    """Whether what the recipe gives for a parameter is what the phase declares."""
    value = call.node.parameters.get(name)
    return value is None or not (
        _wrong_kind(subject, call, name, value) or list(_wrong_measure(subject, call, name, value))
    )


def _inferred(subject: Subject, text: str) -> "Type | None":
    try:
        return subject.infer(text)
    except BadInput:  # said by `dimension`
        return None


def _not(line: int, what: str, amount: "Quantity | None", unit: str) -> Iterator[Flaw]:
    """A flaw if an amount is not a time, a volume, a temperature."""
    if amount is not None and not alike(amount.unit, unit):
        yield line, f"{what} is {amount}, which is not {WORDS[unit]}; write it in {unit} or the like."


def _unlike(line: int, what: str, found: str, wanted: str) -> Iterator[Flaw]:
    """A flaw if two units of measure do not measure the same thing."""
    if not alike(found, wanted):
        yield (
            line,
            f"{what} is in '{found}', but '{wanted}' is needed, which measures something else; correct the unit.",
        )


def alike(found: str, wanted: str) -> bool:
    """Whether two units of measure can be compared."""
    try:
        same_measure(found, wanted)
    except BadInput:
        return False
    return True


def _start(where: str) -> str:
    return where[0].upper() + where[1:]
