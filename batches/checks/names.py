"""First rules: everything that is named exists, once. The other rules wait until these are content."""

from collections.abc import Iterator
from difflib import get_close_matches

from batches.checks.subject import Call, Flaw, Subject, Use, fits, listed
from batches.errors import BadInput
from batches.expressions import Name, references
from batches.recipe import Calculate, Node, PhaseCall, UnitProcedure


def duplicate_name(subject: Subject) -> Iterator[Flaw]:
    """Formula values, calculations and `as` names share one space: that of `$name`."""
    seen = dict.fromkeys(subject.recipe.formula, "a formula value")
    for spot in subject.spots:
        name, what = _given(spot.node)
        if name in seen:
            yield spot.node.place.line, f"'{name}' is also the name of {seen[name]}; rename this {what}."
        elif name:
            seen[name] = f"a {what}"


def _given(node: Node) -> tuple[str, str]:
    """The name by which expressions read an element; '' if they cannot."""
    match node:
        case PhaseCall():
            return node.alias, "phase"
        case Calculate():
            return node.name, "calculation"
        case _:
            return "", ""


def unknown_phase(subject: Subject) -> Iterator[Flaw]:
    """Every phase is one Kweek has, in a version it has."""
    for spot in subject.spots:
        node = spot.node
        if isinstance(node, PhaseCall) and (node.phase, node.version) not in subject.phases:
            versions = [version for name, version in subject.phases if name == node.phase]
            if versions:
                yield (
                    node.place.line,
                    f"There is no {node.phase}@{node.version}; its newest version is {node.phase}@{max(versions)}.",
                )
            else:
                names = tuple(name for name, _ in subject.phases)
                yield node.place.line, f"There is no phase '{node.phase}'; {advice(node.phase, names)}."


def unknown_parameter(subject: Subject) -> Iterator[Flaw]:
    """A phase is given only parameters that it declares."""
    for call in subject.calls:
        for name in call.node.parameters.keys() - call.phase.parameters.keys():
            known = tuple(call.phase.parameters)
            yield call.line_of(name), f"'{call.node.phase}' has no parameter '{name}'; {advice(name, known)}."


def missing_parameter(subject: Subject) -> Iterator[Flaw]:
    """A phase is given every parameter that it cannot do without."""
    for call in subject.calls:
        for name, declared in call.phase.parameters.items():
            if call.value(name) is None and not declared.optional:
                about = f" ({declared.about})" if declared.about else ""
                yield call.line, f"'{call.path}' needs the parameter '{name}'{about}; add '{name}: …'."


def unknown_material(subject: Subject) -> Iterator[Flaw]:
    """Every material is declared under `materials`."""
    for call, name, word in _words(subject, "material"):
        if word not in subject.recipe.materials:
            yield (
                call.line_of(name),
                f"'{call.path}' names the material '{word}', which is not under 'materials'; {advice(word, tuple(subject.recipe.materials))}.",
            )


def unknown_sample(subject: Subject) -> Iterator[Flaw]:
    """Every sample is declared under `samples`."""
    for call, name, word in _words(subject, "sample"):
        if word not in subject.recipe.samples:
            yield (
                call.line_of(name),
                f"'{call.path}' names the sample '{word}', which is not under 'samples'; {advice(word, tuple(subject.recipe.samples))}.",
            )


def unknown_unit(subject: Subject) -> Iterator[Flaw]:
    """Every role is declared under `units`, and a phase stays with the units of its unit procedure."""
    for spot in subject.spots:
        if isinstance(spot.node, UnitProcedure):
            for role in (spot.node.unit, *spot.node.also):
                if role not in subject.recipe.units:
                    yield (
                        spot.node.place.line,
                        f"'{spot.path}' names the unit '{role}', which is not under 'units'; {advice(role, tuple(subject.recipe.units))}.",
                    )
    for call, name, word in _words(subject, "role"):
        own = (call.within.unit, *call.within.also)
        if word not in own:
            yield (
                call.line_of(name),
                f"'{call.path}' asks for the unit '{word}', which '{call.within.name}' does not have; it has {listed(own)}: add '{word}' to its 'also'.",
            )


def unknown_unit_class(subject: Subject) -> Iterator[Flaw]:
    """The plant has a unit of every class asked for."""
    for role, asked in subject.recipe.units.items():
        known = subject.unit_classes
        if known is not None and not any(fits(name, asked) for name in known):
            line = subject.recipe.lines.get(f"units/{role}", 0)
            yield (
                line,
                f"The plant has no unit of the class '{asked}' for '{role}'; {advice(asked, tuple(known))}.",
            )


def expression(subject: Subject) -> Iterator[Flaw]:
    """Every expression can be read."""
    for use in subject.uses:
        try:
            references(use.text)
        except BadInput as error:
            yield use.line, str(error)


def unknown_name(subject: Subject) -> Iterator[Flaw]:
    """What an expression reads is a formula value, a calculation, or a result of a phase with `as`."""
    for use in subject.uses:
        try:
            found = references(use.text)
        except BadInput:  # said by `expression`
            continue
        for name in found:
            if str(name)[1:] not in subject.types and not _result_unclear(subject, name.root):
                yield use.line, _unknown(subject, use, name)


def _result_unclear(subject: Subject, alias: str) -> bool:
    """Whether the phase of that name, or its sample, is itself unknown: said by another rule."""
    call = subject.aliases.get(alias)
    if call is not None:
        sample = call.word(call.phase.results_of) if call.phase.results_of else ""
        return bool(sample) and sample not in subject.recipe.samples
    return any(isinstance(spot.node, PhaseCall) and spot.node.alias == alias for spot in subject.spots)


def _unknown(subject: Subject, use: Use, name: Name) -> str:
    start = f"{use.where[0].upper()}{use.where[1:]} reads {name}, but"
    call = subject.aliases.get(name.root)
    if call is not None:
        results = listed(subject.results(call))
        ask = f"there is no result '{name.result}'" if name.result else f"'{name.root}' is a phase"
        return f"{start} {ask}; name one of its results: {results}."
    if name.result and name.root in subject.types:
        return f"{start} '{name.root}' is a single value; write ${name.root}."
    names = (*subject.recipe.formula, *subject.calculations, *subject.aliases)
    return f"{start} nothing is called '{name.root}'; {advice(name.root, names)}."


def _words(subject: Subject, kind: str) -> "Iterator[tuple[Call, str, str]]":
    """Each parameter of a kind that gives a name, with that name."""
    for call in subject.calls:
        for name, declared in call.phase.parameters.items():
            if declared.kind == kind and (word := call.word(name)):
                yield call, name, word


def advice(wrong: str, known: tuple[str, ...]) -> str:
    """What may have been meant."""
    close = get_close_matches(wrong, known, 1)
    if close:
        return f"perhaps '{close[0]}' is meant"
    return f"the known names are {listed(known)}" if len(known) <= 12 else "look up its name"
