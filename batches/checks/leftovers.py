"""What a recipe holds and does not need, and values of which nobody knows the origin: warnings."""

from collections.abc import Iterator

from batches.checks.subject import Flaw, Subject
from batches.expressions import names
from batches.recipe import UnitProcedure


def unused(subject: Subject) -> Iterator[Flaw]:
    """Every formula value, material, unit and sample is used; a calculation may be there for the record."""
    recipe = subject.recipe
    read = {name for use in subject.uses for name in names(use.text)}
    for name, parameter in recipe.formula.items():
        if name not in read:
            yield parameter.place.line, f"The formula value '{name}' is never used; use it or take it away."
    for name, material in recipe.materials.items():
        if name not in _given(subject, "material"):
            yield material.place.line, f"The material '{name}' is never used; use it or take it away."
    for name, plan in recipe.samples.items():
        if name not in _given(subject, "sample"):
            yield plan.place.line, f"The sample '{name}' is never taken; take it or take it away."
    for role in recipe.units:
        if role not in _roles(subject):
            yield (
                recipe.lines.get(f"units/{role}", 0),
                f"The unit '{role}' is never used; use it or take it away.",
            )


def _given(subject: Subject, kind: str) -> set[str]:
    """The names given to parameters of a kind."""
    return {
        call.word(name)
        for call in subject.calls
        for name, declared in call.phase.parameters.items()
        if declared.kind == kind
    }


def _roles(subject: Subject) -> set[str]:
    own = (spot.node for spot in subject.spots if isinstance(spot.node, UnitProcedure))
    return {role for node in own for role in (node.unit, *node.also)}


def source(subject: Subject) -> Iterator[Flaw]:
    """Every value of the formula, limit and specification says where it comes from, or that it is assumed."""
    recipe = subject.recipe
    for name, parameter in recipe.formula.items():
        if not parameter.source and not parameter.assumed:
            yield (
                parameter.place.line,
                f"The formula value '{name}' has no source; add 'source: …' or 'assumed: true'.",
            )
    for name, criterion in recipe.specification.items():
        if not criterion.source and not criterion.assumed:
            yield (
                criterion.place.line,
                f"The specification of '{name}' has no source; add 'source: …' or 'assumed: true'.",
            )
    for spot in subject.spots:
        for limit in spot.node.limits if isinstance(spot.node, UnitProcedure) else ():
            if not limit.source and not limit.assumed:
                yield (
                    limit.place.line,
                    f"The limit of '{limit.tag}' has no source; add 'source: …' or 'assumed: true'.",
                )
