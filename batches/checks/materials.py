"""Materials: where they come from, and which of them are a patient's."""

from collections.abc import Iterator

from batches.checks.subject import Call, Flaw, Subject
from batches.recipe import Material

MADE = ("intermediate", "product")


def material_origin(subject: Subject) -> Iterator[Flaw]:
    """What is consumed was received as a lot, or surely produced before."""
    producers = [(call, name) for call in subject.calls for name in call.words(call.phase.produces)]
    for call in subject.calls:
        for parameter in dict.fromkeys((*call.phase.consumes, *call.phase.touches)):
            material = subject.recipe.materials.get(call.word(parameter))
            if material is not None and material.kind in MADE:
                made = {maker.path for maker, name in producers if name == material.name}
                if not made & subject.order.before[call.path]:
                    yield call.line_of(parameter), _not_there(call, material, made)
    for call, name in producers:
        material = subject.recipe.materials.get(name)
        if material is not None and material.kind not in MADE:
            yield (
                call.line,
                f"'{call.path}' produces '{name}', a {material.kind} material that is received as a lot; declare it as intermediate or product.",
            )


def _not_there(call: Call, material: Material, made: set[str]) -> str:
    start = f"'{call.path}' uses '{material.name}', which this batch makes"
    if not made:
        return f"{start}, but no phase produces it; add one before, or declare it as starting, raw or consumable."
    return (
        f"{start}, but '{min(made)}' is not surely done before; move one of them, or produce it on every way."
    )


def patient_materials(subject: Subject) -> frozenset[str]:
    """The materials that carry an identity: those that must, and all that is made of them.

    A made material is a patient's unless every phase that makes it consumes something, and nothing
    of a patient's: what comes out of a vessel is taken to be what lives there.
    """
    materials = subject.recipe.materials
    found = {name for name, material in materials.items() if material.identity}
    if not found and subject.recipe.product.kind != "autologous":
        return frozenset()
    makers = {
        name: [call for call in subject.calls if name in call.words(call.phase.produces)]
        for name, material in materials.items()
        if material.kind in MADE
    }
    while more := {name for name, calls in makers.items() if name not in found and _descends(calls, found)}:
        found |= more
    return frozenset(found)


def _descends(makers: list[Call], found: set[str]) -> bool:
    inputs = [set(call.words((*call.phase.consumes, *call.phase.touches))) for call in makers]
    return any(not names or names & found for names in inputs)
