"""Good conduct: identity, second persons, line clearance, labels, holds."""

from collections.abc import Iterator

from batches.checks.materials import patient_materials
from batches.checks.subject import Call, Flaw, Subject, listed
from batches.expressions import references


def identity_first(subject: Subject) -> Iterator[Flaw]:
    """In each unit procedure the chain of identity is scanned before a patient's material is touched,
    used or made (EU GMP Part IV section 9)."""
    patient = patient_materials(subject)
    scans = {call.path for call in subject.calls if call.phase.verifies_identity}
    for call in subject.calls:
        own = {path for path in subject.order.before[call.path] & scans if _together(subject, path, call)}
        named = call.words((*call.phase.touches, *call.phase.consumes, *call.phase.produces))
        touched = [name for name in named if name in patient]
        if touched and not own and not call.phase.verifies_identity:
            yield (
                call.line,
                f"'{call.path}' touches '{touched[0]}' before the chain of identity is scanned in '{call.within.name}'; put a phase before it that verifies the identity, on every way.",
            )


def second_person(subject: Subject) -> Iterator[Flaw]:
    """A manual entry on which the release or the course of the batch depends is verified by a second
    person (EU GMP Annex 11 clause 6)."""
    why: dict[tuple[str, str], str] = {
        (criterion.sample, criterion.attribute): "the specification judges it"
        for criterion in subject.recipe.specification.values()
    }
    why |= dict(_read(subject))
    for plan in subject.recipe.samples.values():
        for test in plan.tests.values():
            reason = why.get((plan.name, test.attribute))
            if reason and not test.critical:
                yield (
                    test.place.line,
                    f"'{test.attribute}' of the sample '{plan.name}' is entered by one person, but {reason}; add 'critical: true', so that a second one verifies it.",
                )


def _read(subject: Subject) -> "Iterator[tuple[tuple[str, str], str]]":
    """The results of samples that expressions read."""
    for use in subject.uses:
        for name in references(use.text):
            call = subject.aliases.get(name.root)
            if call is not None and call.phase.results_of:
                yield (call.word(call.phase.results_of), name.result), f"{use.where} depends on it"


def line_clearance(subject: Subject) -> Iterator[Flaw]:
    """Open work, filling and labelling stand between two line clearances of their unit procedure
    (21 CFR 211.188(b)(6))."""
    patient = patient_materials(subject)
    clearances = {call.path for call in subject.calls if call.phase.clears_line}
    for call in subject.calls:
        is_open = call.phase.fills or call.phase.labels or patient & set(call.words(call.phase.touches))
        if is_open and not call.phase.clears_line:
            for when, there in (("before", subject.order.before), ("after", subject.order.after)):
                if not any(_together(subject, path, call) for path in there[call.path] & clearances):
                    yield (
                        call.line,
                        f"The line is not cleared {when} '{call.path}' in '{call.within.name}'; put a line clearance {when} it, on every way.",
                    )


def label_reconciliation(subject: Subject) -> Iterator[Flaw]:
    """Where containers are filled, labels are printed and accounted for before the line is cleared
    (21 CFR 211.125)."""
    labels = {call.path for call in subject.calls if call.phase.labels}
    clearances = {call.path for call in subject.calls if call.phase.clears_line}
    for call in subject.calls:
        if call.phase.fills and not call.phase.labels:
            around = subject.order.before[call.path] | subject.order.after[call.path]
            closing = [
                path for path in subject.order.after[call.path] & clearances if _together(subject, path, call)
            ]
            done = {path for path in around & labels if _together(subject, path, call)}
            if not done or (closing and not any(done & subject.order.before[path] for path in closing)):
                yield (
                    call.line,
                    f"The labels are not reconciled before '{call.within.name}' closes its filling '{call.path}'; put the labelling between the line clearances.",
                )


def hold(subject: Subject) -> Iterator[Flaw]:
    """Every phase says how it is held safely and for how long, or that it cannot be held."""
    for call in subject.calls:
        sentence = _wrong_hold(call)
        if sentence:
            yield call.line, sentence


def _wrong_hold(call: Call) -> str:
    said, states = call.node.hold, call.phase.holds
    if not said.safe and not said.otherwise:
        example = f"{{safe: {states[0]}, longest: 12 h}}" if states else "{cannot: finish}"
        return f"'{call.path}' says neither how it is held nor that it cannot be held; add 'hold: {example}'."
    if said.safe and not states:
        return f"'{call.path}' cannot be held, whatever its hold says; write 'hold: {{cannot: finish}}' or 'discard'."
    if said.safe and said.safe not in states:
        return f"'{call.path}' cannot be held in '{said.safe}'; its safe states are {listed(states)}."
    if said.longest is not None and said.longest.value <= 0:
        return f"'{call.path}' may be held for {said.longest} at the longest; write a time above zero."
    return ""


def _together(subject: Subject, path: str, call: Call) -> bool:
    """Whether the phase at a path is in the unit procedure of a call."""
    return subject.within[path] == subject.within[call.path]
