"""Times: every time limit can be met, given what the phases say of their durations.

A finding is a limit that no run can meet: durations that nobody knows bound nothing.
`batches/checks/network.py` has the method.
"""

from collections.abc import Iterator, Mapping

from batches.checks import windows
from batches.checks.measures import as_declared
from batches.checks.network import Builder, Limit, Network, Span
from batches.checks.subject import Call, Flaw, Subject
from batches.checks.windows import seconds
from batches.errors import BadInput
from batches.procedure import join
from batches.recipe import (
    Calculate,
    Choice,
    Node,
    Operation,
    Parallel,
    PhaseCall,
    Repeat,
    UnitProcedure,
    nodes,
)
from batches.steps import Value
from batches.time_limits import spoken


def time_limit(subject: Subject) -> Iterator[Flaw]:
    """Durations are possible, and each time limit between phases is meant and can be met."""
    for call in subject.calls:
        least, most = duration_of(subject, call)
        if most is not None and least > most:
            yield (
                call.line,
                f"'{call.path}' takes at least {spoken(least)} and at most {spoken(most)} with these parameters; correct them.",
            )
        yield from windows.limits_are_meant(subject, call)
    for call in trailing(subject, subject.recipe.procedure, ""):
        yield (
            call.line,
            f"'{call.path}' limits the time to the next phase, but it is the last; take 'then_within' away, or say 'to' which phase.",
        )
    for network in networks(subject):
        for limit, together in network.broken():
            yield limit.call.line, _cannot_be_met(limit, together=together)


def time_limit_at_risk(subject: Subject) -> Iterator[Flaw]:
    """A time limit that can be met only if something waits before it begins."""
    for network in networks(subject):
        broken = [limit for limit, _ in network.broken()]
        for limit, by in network.missed():
            if limit not in broken:
                yield limit.call.line, _missed(limit, by)


def _missed(limit: Limit, by: float) -> str:
    path = limit.call.path
    return (
        f"If all begins as soon as it can, {windows.told(limit)} is missed by {spoken(by)}: "
        f"{'it' if limit.target else 'the next phase'} waits for another branch; let '{path}' begin later, or end "
        "the other branch sooner."
    )


def _cannot_be_met(limit: Limit, *, together: bool) -> str:
    ending = "together with the other time limits here" if together else "whatever is done"
    sentence = windows.told(limit)
    return (
        f"{sentence[0].upper()}{sentence[1:]} cannot be met, {ending}: what must happen until then takes "
        f"{'longer, or is over sooner' if limit.least else 'longer'}; allow more time, or do less in between."
    )


def trailing(subject: Subject, body: tuple[Node, ...], prefix: str) -> Iterator[Call]:
    """The phases with a time limit that a body can end with."""
    for node in reversed(body):
        if any(isinstance(below, PhaseCall) for below in nodes((node,))):
            yield from _trailing_in(subject, node, join(prefix, node.name))
            return


def _trailing_in(subject: Subject, node: Node, path: str) -> Iterator[Call]:
    match node:
        case PhaseCall():
            call = subject.call_at.get(path)
            if call is not None and any(not limit.to for limit in node.then_within):
                yield call
        case Parallel():
            for branch in node.branches:
                yield from trailing(subject, branch, path)
        case Choice():
            for _, way in node.options:
                yield from trailing(subject, way, path)
        case Operation() | UnitProcedure() | Repeat():
            yield from trailing(subject, node.body, path)
        case Calculate():
            return


def duration_of(subject: Subject, call: Call) -> Span:
    """What a phase takes; a sample that it is the first to take keeps it for the turnaround."""
    try:
        least, most = call.phase.duration(_Given(subject, call))
    except _Unclear:
        least, most = None, None
    waits = _turnaround(subject, call)
    return (least or 0.0, most) if waits is None else (max(least or 0.0, waits), None)


class _Unclear(BadInput):
    """A duration depends on a parameter that only the run knows, or that is wrong."""


class _Given(Mapping[str, Value]):
    """The parameters of a phase that are known before the run; asking for another raises."""

    def __init__(self, subject: Subject, call: Call) -> None:
        self.subject = subject
        self.call = call

    def __getitem__(self, name: str) -> Value:
        value = self.call.value(name)
        found = self.subject.constant(value)
        if value is not None and (found is None or not as_declared(self.subject, self.call, name)):
            raise _Unclear(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.call.phase.parameters if self.call.value(name) is not None)

    def __len__(self) -> int:
        return len(list(iter(self)))


def _turnaround(subject: Subject, call: Call) -> "float | None":
    """The laboratory's time if the phase waits for a sample that nobody took before it."""
    name = call.word(call.phase.results_of) if call.phase.results_of else ""
    plan = subject.recipe.samples.get(name)
    first = next((one for one in subject.calls if name in one.words(one.phase.samples)), None)
    return seconds(plan.turnaround) if plan is not None and first is call else None


def networks(subject: Subject) -> Iterator[Network]:
    """The network of the whole procedure, and one for each way of a choice and each repeat in it."""
    yield whole(subject, subject.recipe.procedure, "")
    for spot in subject.spots:
        match spot.node:
            case Choice():
                for _, body in spot.node.options:
                    yield whole(subject, body, spot.path)
            case Repeat():
                yield whole(subject, spot.node.body, spot.path)
            case _:
                continue


def whole(subject: Subject, body: tuple[Node, ...], prefix: str) -> Network:
    """The network of one body."""
    builder = Builder(
        subject,
        duration=lambda call: duration_of(subject, call),
        trailing=lambda below, path: trailing(subject, below, path),
        limits=lambda call: windows.limits_of(subject, call),
    )
    return builder.build(body, prefix)
