"""The interpreter of one phase: what it sends, what it compares, what it refuses."""

import doctest
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput, RecordError
from batches.interpret import MOST_STEPS, drive, replay
from batches.plain import Plain
from batches.quantities import Quantity, parse
from batches.steps import Ask, Decide, Field, Fired, First, PhaseRun, Read, Set, Step, Value, Wait, plain
from tests.conftest import ROOT

WARM = parse("37.0 degC")


def phase() -> PhaseRun:
    yield Set("temperature", WARM)
    reading = yield Read("temperature")
    fired = yield First((Wait(parse("1 h")), Ask("Look.", {"normal": Field("yes_no")})), within=parse("3 h"))
    return {"reading": reading, "fired": fired, "kind": type(reading).__name__}


def answers(step: Step) -> Value:
    match step:
        case Read():
            return parse("36.90 degC")
        case First():
            return Fired(1, {"normal": True})
        case _:
            return None


def record(run: Callable[[], PhaseRun] = phase) -> list[tuple[Plain, Plain]]:
    return [(plain(step), plain(reply)) for step, reply in drive(run(), answers)[0]]


def test_a_phase_is_driven_to_its_end() -> None:
    asked, results = drive(phase(), answers)
    look = First((Wait(parse("1 h")), Ask("Look.", {"normal": Field("yes_no")})), within=parse("3 h"))
    assert asked == [
        (Set("temperature", WARM), None),
        (Read("temperature"), parse("36.90 degC")),
        (look, Fired(1, {"normal": True})),
    ]
    assert results == {
        "reading": parse("36.90 degC"),
        "fired": Fired(1, {"normal": True}),
        "kind": "Quantity",
    }


def test_a_phase_without_results_gives_none() -> None:
    def quiet() -> PhaseRun:
        yield Wait(parse("1 min"))
        return None

    assert drive(quiet(), answers) == ([(Wait(parse("1 min")), None)], {})


def test_a_phase_sees_what_a_record_would_give() -> None:
    """A list becomes a tuple, a quantity keeps its digits: the same live and replayed."""
    seen: list[Value] = []

    def nosy() -> PhaseRun:
        seen.append((yield Read("temperature")))
        return None

    drive(nosy(), lambda _: {"value": "36.90", "unit": "degC"})
    assert seen == [Quantity(parse("36.90").value, "degC")]


def test_a_reply_that_no_record_can_hold_is_refused() -> None:
    with pytest.raises(BadInput, match="larger than 2\\^53 - 1"):
        drive(phase(), lambda _: 2**60)


def test_a_phase_that_does_not_end_is_stopped() -> None:
    def endless() -> PhaseRun:
        while True:
            yield Wait(parse("1 h"))

    with pytest.raises(RecordError, match="has not ended after 7 steps"):
        drive(endless(), answers, most=7)
    assert MOST_STEPS == 10_000


def test_a_record_replays() -> None:
    asked, results = drive(phase(), answers)
    found = replay(phase(), record())
    assert (found.steps, found.step, found.results, found.ended) == (len(asked), None, results, True)


@given(st.integers(0, 3))
def test_a_record_replays_as_far_as_it_goes(length: int) -> None:
    steps = [step for step, _ in drive(phase(), answers)[0]]
    found = replay(phase(), record()[:length])
    assert (found.steps, found.step) == (length, steps[length] if length < 3 else None)
    assert found.ended == (length == 3)


def test_the_first_step_that_differs_is_named() -> None:
    changed = record()
    changed[1] = ({"step": "Read", "tag": "ph", "unit": ""}, changed[1][1])
    with pytest.raises(RecordError) as error:
        replay(phase(), changed)
    assert str(error.value) == (
        'Step 2 is recorded as {"step":"Read","tag":"ph","unit":""}, '
        'but the phase asks for {"step":"Read","tag":"temperature","unit":""}.'
    )


def test_digits_count_in_the_comparison() -> None:
    changed = record()
    changed[0] = (
        {"step": "Set", "tag": "temperature", "unit": "", "value": {"value": "37", "unit": "degC"}},
        None,
    )
    with pytest.raises(RecordError, match='Step 1 is recorded as .*"37".* asks for .*"37.0"'):
        replay(phase(), changed)


def test_a_record_that_goes_on_after_the_end_is_found() -> None:
    extra = (*record(), (plain(Wait(parse("1 h"))), None))
    with pytest.raises(
        RecordError, match='Step 4 is recorded as .*"Wait".* but the phase had ended before it'
    ):
        replay(phase(), extra)


def test_a_missing_entry_is_found() -> None:
    with pytest.raises(RecordError, match='Step 1 is recorded as .*"Read".* asks for .*"Set"'):
        replay(phase(), record()[1:])


def test_another_answer_leads_to_another_step() -> None:
    def choosing() -> PhaseRun:
        if (yield Decide("Go on?", ("yes", "no"), {})) == "yes":
            yield Wait(parse("1 h"))
        return {}

    taken = [(plain(Decide("Go on?", ("yes", "no"), {})), "no"), (plain(Wait(parse("1 h"))), None)]
    with pytest.raises(RecordError, match="Step 2 .* had ended"):
        replay(choosing(), taken)


def test_the_examples_of_the_explanation_run() -> None:
    page = ROOT / "docs" / "explanation" / "phases-and-recipes.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert (failed, tried > 5) == (0, True)
