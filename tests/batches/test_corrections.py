"""Corrections: by whom, to what, what followed, and what the specification says then."""

from copy import deepcopy

import pytest

from batches.conformance import conform
from batches.corrections import correct
from batches.disposition import verdicts
from batches.entries import Actor, Draft, Entry
from batches.errors import BadInput, IdentityMismatch, NotPermitted, Refused
from batches.plain import Plain, PlainDict, list_in
from batches.quantities import parse
from batches.record import fold
from batches.steps import Ask, Role, plain
from tests.batches.eventful import harvests, small_recipe, until, waits
from tests.batches.running import Run, person


def run_to_results() -> tuple[Run, Entry]:
    """The small culture up to the results of its count, and the entry that holds them."""
    run = Run(small_recipe(), harvests).start()
    until(run, lambda: bool(run.state.results))
    return run, done(run, "viability")


def done(run: Run, holding: str) -> Entry:
    """The last reply that names something."""
    return next(
        e for e in reversed(run.entries) if e.kind == "step_done" and holding in str(e.content()["reply"])
    )


def corrected(run: Run, entry: Entry, new: Plain, by: Actor | None = None) -> PlainDict:
    who = by or entry.actor
    run.batch(correct(run.state, entry, [*run.entries], new, "read the wrong line", who))
    return next(e.content() for e in reversed(run.entries) if e.kind == "corrected")


def results(viability: str) -> PlainDict:
    return {"viable_cells": plain(parse("4e8 cell")), "viability": plain(parse(viability))}


def test_a_right_value_is_one_that_could_have_been_entered() -> None:
    run, entry = run_to_results()
    wrong: list[Plain] = [
        "banana", 7, None, {"viability": plain(parse("91 %"))}, {**results("91 %"), "more": "x"},
        {**results("91 %"), "viability": "banana"}, results("91 degC"), results("140 %"),
    ]  # fmt: skip
    before = len(run.entries)
    for new in wrong:
        with pytest.raises(BadInput):
            corrected(run, entry, new)
    assert len(run.entries) == before
    assert corrected(run, entry, results("91 %"))["new"] == results("91 %")


@pytest.mark.parametrize("role", ["logistics", "operator", "planner"])
def test_only_who_may_enter_a_value_corrects_it(role: Role) -> None:
    run, entry = run_to_results()
    with pytest.raises(NotPermitted, match="corrected by qc"):
        corrected(run, entry, results("91 %"), Actor("person", "p-x", role))


def test_what_no_person_entered_is_not_corrected() -> None:
    run, _ = run_to_results()
    entry = next(e for e in run.entries if e.kind == "step_done" and e.actor.kind != "person")
    with pytest.raises(Refused, match="by no person"):
        corrected(run, entry, "x", person("operator"))


def test_a_scan_is_never_corrected_to_another_identity() -> None:
    run = Run(small_recipe(), harvests).start()
    until(run, lambda: run.state.identity in str([e.content().get("reply") for e in run.entries]))
    with pytest.raises(IdentityMismatch):
        corrected(run, done(run, run.state.identity), "WRONG-PATIENT")


def test_what_the_phase_itself_did_with_the_value_is_named_and_opens_a_deviation() -> None:
    run, entry = run_to_results()
    until(run, lambda: waits(run, "harvested", object))
    values = deepcopy(run.state.progress.values)
    body = corrected(run, entry, results("91 %"))
    flagged = [run.entries[int(str(number)) - 1] for number in list_in(body, "affected")]
    assert {each.kind for each in flagged} >= {"step_asked", "phase_finished"}
    assert any(each.kind == "step_asked" and "Decide" in str(each.content()["step"]) for each in flagged)
    assert f"Entry {entry.number} was corrected" in [*run.state.deviations.values()][-1].text
    assert run.state.progress.values == values, "what was replayed stays"
    assert conform(run.entries).findings == []


def test_the_specification_judges_the_corrected_result() -> None:
    run, entry = run_to_results()
    specification = run.state.known_recipe().specification

    def viability() -> str:
        return next(
            v.verdict for v in verdicts(run.state.results, specification) if v.criterion == "viability"
        )

    assert viability() == "pass"
    assert corrected(run, entry, results("40 %"))["sample"] == "count"
    assert viability() == "fail"
    assert fold(run.entries).results == run.state.results
    corrected(run, entry, results("88 %"))
    assert viability() == "pass"
    assert conform(run.entries).findings == []


def test_a_note_is_corrected_to_a_text_and_nothing_follows() -> None:
    run = Run(small_recipe(), harvests).start()
    run.batch(iter((Draft("note_added", {"text": "The courier was late."}, person("operator")),)))
    entry = run.entries[-1]
    for new in (7, {}, "", "x" * 5000):
        with pytest.raises(BadInput):
            corrected(run, entry, new)
    assert corrected(run, entry, "The courier was early.")["affected"] == []
    assert run.state.deviations == {}


def test_the_first_of_two_answers_is_corrected_in_the_words_of_an_answer() -> None:
    run = Run(small_recipe(), harvests).start()
    until(run, lambda: waits(run, "clear_line", Ask) and any(e.kind == "step_asked" for e in run.entries))
    task = next(iter(run.state.tasks.values()))
    said: PlainDict = {"nothing_left": True, "cleaned": True, "in_order": True}
    body: PlainDict = {"task": task.id, "answer": {"values": said}, "closes": False}
    run.batch(iter((Draft("task_answered", body, person("operator")),)))
    entry = run.entries[-1]
    with pytest.raises(BadInput):
        corrected(run, entry, {"values": {**said, "cleaned": "banana"}})
    new: PlainDict = {"values": {**said, "cleaned": False}}
    assert corrected(run, entry, new)["new"] == new
