"""A phase with a mistake in it refuses in one sentence, whatever its mistake is."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from batches.errors import BadInput, RecordError
from batches.interpret import advance
from batches.quantities import parse
from batches.steps import Do, PhaseRun, Read, Value, Wait

WRONG = cast("Any", {"volume": parse("5 mL")})


def divides() -> PhaseRun:
    yield Read("ph")
    raise ZeroDivisionError("a bug")


def asks_for_nothing() -> PhaseRun:
    yield Read("ph")
    yield cast("Any", "feed")


def asks_with_a_wrong_member() -> PhaseRun:
    yield Read("ph")
    yield Wait(WRONG)


def asks_with_a_fraction() -> PhaseRun:
    yield Read("ph")
    yield Do("feed", {"volume": cast("Any", 0.5)})


def returns_a_number() -> PhaseRun:
    yield Read("ph")
    return cast("Any", 7)


def returns_a_fraction() -> PhaseRun:
    yield Read("ph")
    return {"volume": cast("Any", 0.5)}


@pytest.mark.parametrize(
    ("phase", "says"),
    [
        (divides, "ZeroDivisionError: a bug"),
        (asks_for_nothing, "it asks for 'feed', which is no step"),
        (asks_with_a_wrong_member, "it asks for a Wait whose duration is "),
        (asks_with_a_fraction, "TypeError"),
        (returns_a_number, "it returns 7, which are no results"),
        (returns_a_fraction, "TypeError"),
    ],
)
def test_a_mistake_of_a_phase_is_said_in_one_sentence(phase: Callable[[], PhaseRun], says: str) -> None:
    run = phase()
    assert advance(run, None, first=True) == (Read("ph"), {})
    with pytest.raises(RecordError) as caught:
        advance(run, parse("7.2 pH"))
    assert str(caught.value).startswith("The phase cannot go on after this reply: ")
    assert says in str(caught.value)


def test_what_a_phase_refuses_itself_stays_its_own_sentence() -> None:
    def refuses() -> PhaseRun:
        yield Read("ph")
        raise BadInput("The volume does not fit the vessel.")

    run = refuses()
    advance(run, None, first=True)
    with pytest.raises(BadInput, match=r"^The volume does not fit the vessel\.$"):
        advance(run, parse("7.2 pH"))


def test_steps_and_results_that_are_right_pass() -> None:
    def right() -> PhaseRun:
        reply: Value = yield Do("feed", {"volume": parse("5 mL"), "fast": True, "note": None}, unit="reactor")
        return {"fed": reply, "none": None}

    run = right()
    asked, _ = advance(run, None, first=True)
    assert asked == Do("feed", {"volume": parse("5 mL"), "fast": True, "note": None}, unit="reactor")
    assert advance(run, {"volume": parse("5 mL")}) == (None, {"fed": {"volume": parse("5 mL")}, "none": None})
