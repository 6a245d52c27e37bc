"""The plain interpreter of one phase: somebody answers, in memory, or a record does.

`drive` lets a function answer every step; `replay` gives a phase the replies of a record and demands
that it asks what the record says it asked. Both send what a record would hold: every reply has been
plain JSON once, so that a phase cannot see more when it runs than when it is run again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import UnionType
from typing import cast, get_args

from batches.errors import KweekError, RecordError
from batches.plain import Plain, canonical, from_json
from batches.steps import PhaseRun, Step, Value, decode, plain

MOST_STEPS = 10_000
"""More than any phase asks for; a phase that asks for more does not end."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """Where a phase stands after its recorded replies: ended with `results`, or waiting for `step`."""

    steps: int
    step: Step | None
    results: Mapping[str, Value]

    @property
    def ended(self) -> bool:
        return self.step is None


def drive(
    run: PhaseRun, answer: Callable[[Step], Value], most: int = MOST_STEPS
) -> tuple[list[tuple[Step, Value]], Mapping[str, Value]]:
    """Run a phase to its end with the answers given: every step with its reply, and the results.

    Raises RecordError if the phase has not ended after `most` steps.
    """
    asked: list[tuple[Step, Value]] = []
    step, results = advance(run, None, first=True)
    while step is not None:
        if len(asked) == most:
            raise RecordError(f"The phase has not ended after {most} steps; it would go on for ever.")
        reply = as_recorded(answer(step))
        asked.append((step, reply))
        step, results = advance(run, reply)
    return asked, results


def replay(run: PhaseRun, recorded: Iterable[tuple[Plain, Plain]]) -> Replayed:
    """Give a phase its recorded replies: pairs of a step and its reply, as plain JSON.

    Raises RecordError naming the first step that is not what the phase asks for.
    """
    step, results = advance(run, None, first=True)
    number = 0
    for number, (expected, reply) in enumerate(recorded, 1):
        same_step(number, step, expected)
        step, results = advance(run, decode(reply))
    return Replayed(number, step, results)


def same_step(number: int, step: Step | None, recorded: Plain) -> None:
    """Compare a step with the recorded one as canonical JSON. Raises RecordError."""
    if step is None:
        raise RecordError(
            f"Step {number} is recorded as {_shown(recorded)}, but the phase had ended before it."
        )
    if canonical(plain(step)) != canonical(recorded):
        asks = _shown(plain(step))
        raise RecordError(f"Step {number} is recorded as {_shown(recorded)}, but the phase asks for {asks}.")


def advance(run: PhaseRun, reply: Value, *, first: bool = False) -> tuple[Step | None, Mapping[str, Value]]:
    """The next step of a phase, or None with its results once it has ended.

    Raises what the phase refuses itself, and RecordError for every other mistake in it: a phase that
    cannot go on holds its own unit procedure and nothing else.
    """
    try:
        return _advanced(run, reply, first)
    except KweekError:
        raise
    except Exception as error:
        raise _mistake(f"{type(error).__name__}: {error}") from error


def _advanced(run: PhaseRun, reply: Value, first: bool) -> tuple[Step | None, Mapping[str, Value]]:
    try:
        step = next(run) if first else run.send(reply)
    except StopIteration as stop:
        return None, _results(stop.value)
    _check_step(step)
    return step, {}


def _results(value: object) -> Mapping[str, Value]:
    if value is not None and not isinstance(value, Mapping):
        raise _mistake(f"it returns {value!r}, which are no results.")
    results = cast("Mapping[str, Value]", value or {})
    plain(results)  # what no record can hold
    return results


def _check_step(step: Step) -> None:
    """What a phase made of a wrong reply may have the wrong type: found here, before it is recorded."""
    if not isinstance(step, get_args(Step)):
        raise _mistake(f"it asks for {step!r}, which is no step.")
    for name, known in _typed(type(step)).items():
        member: object = object.__getattribute__(step, name)
        if not isinstance(member, known):
            raise _mistake(f"it asks for a {type(step).__name__} whose {name} is {member!r}.")
    plain(step)


@cache
def _typed(kind: type[Step]) -> dict[str, type | UnionType]:
    """The members of a step whose type can be looked at: classes and unions of classes."""
    return {found.name: found.type for found in fields(kind) if isinstance(found.type, type | UnionType)}


def _mistake(what: str) -> RecordError:
    return RecordError(f"The phase cannot go on after this reply: {what}")


def as_recorded(reply: Value) -> Value:
    """The reply as it comes back from the bytes of a record. Raises BadInput for what no record can hold."""
    return decode(from_json(canonical(plain(reply))))


def _shown(value: Plain) -> str:
    return canonical(value).decode()
