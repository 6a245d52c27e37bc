"""A record is re-executed: what followed its recipe conforms, every other difference is found."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from batches.conformance import Conformance, conform
from batches.entries import Actor, Entry
from batches.phases import PHASES
from batches.phases.base import Phase
from batches.plain import Plain, dict_in, dicts_in, list_in
from batches.recipe_reader import read
from tests.batches.eventful import eventful, small, stopped
from tests.batches.running import run
from tests.batches.tampering import at, by, changed, first, resealed, saying, without
from tests.conftest import ROOT

RECIPES = sorted((ROOT / "batches" / "recipes").glob("*.yaml"))


@cache
def events() -> tuple[Entry, ...]:
    return tuple(eventful().entries)


@cache
def plain_run() -> tuple[Entry, ...]:
    return tuple(small().entries)


def found(entries: "list[Entry] | tuple[Entry, ...]") -> list[str]:
    return [f"{one.entry}: {one.sentence}" for one in conform(entries).findings]


def only(entries: list[Entry]) -> str:
    """The one finding there should be."""
    (one,) = found(entries)
    return one


# --- what conforms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_run_of_a_recipe_conforms_to_it(file: Path) -> None:
    judged = conform(run(read(file.read_text(), file.name)))
    assert (judged.findings, judged.unknown, judged.state.state) == ([], [], "Complete")


def test_trouble_that_was_handled_by_the_rules_conforms_and_departures_are_told() -> None:
    judged = conform(events())
    assert judged.conforms
    assert judged.departures == [
        "Departure C-B-26-0001-1 (applied): the weekend shift ends earlier",
        "Departure C-B-26-0001-2 (confirmed): one count more before disposal",
    ]


def test_a_batch_that_was_held_aborted_and_disposed_of_conforms() -> None:
    judged = conform(stopped().entries)
    assert (judged.findings, judged.state.state, judged.state.in_care) == ([], "Aborted", False)


def test_an_abort_without_its_reason_is_found() -> None:
    entries = stopped().entries
    number = first(entries, "state_changed", cause="abort").number
    sentences = found(changed(entries, number, saying(reason="")))
    assert sentences[0] == f"{number}: 'abort' needs a reason; say why in a few words."


def test_a_record_that_has_not_ended_is_judged_as_far_as_it_goes() -> None:
    for length in range(1, len(events()), 7):
        assert found(events()[:length]) == []


def test_an_entry_that_does_not_fit_ends_the_judging() -> None:
    entries = [*events()[:20], events()[30]]
    assert (
        only(entries)
        == "31: Entry 21 is missing: 31 (step_done) stands there. Nothing after it can be judged."
    )


# --- what is unknown here -----------------------------------------------------------------------------


def test_a_phase_unknown_here_is_said_and_the_rest_is_judged() -> None:
    def without_expand(name: str, version: int) -> Phase:
        from batches.phases import lookup

        return lookup("expand" if name == "no" else name, 7 if name == "expand" else version)

    judged = conform(events(), without_expand)
    (unknown,) = judged.unknown
    assert unknown.sentence == "not re-executable: expand@1 unknown here ('Culture/Grow/Passages[1]/grown')"
    assert events()[unknown.entry - 1].kind == "phase_started"
    assert judged.findings == []
    assert judged.state.state == "Complete"


def test_a_language_unknown_here_is_said_and_nothing_is_judged() -> None:
    content = {**dict_in(events()[0].content(), "content"), "language": 9}
    forged = changed(events(), 1, saying(content=content))
    judged = conform(forged)
    assert [one.sentence for one in judged.unknown] == ["not re-executable: recipe language 9 unknown here"]
    assert (judged.findings, judged.state.entries) == ([], 0)


# --- forged records, every hash right -----------------------------------------------------------------


def test_a_decision_turned_round_does_not_fit_what_followed() -> None:
    number = first(events(), "step_done", reply="harvest").number
    forged = changed(events(), number, saying(reply="continue"))
    sentences = found(forged)
    assert "recorded as finished, but it has not ended: it asks for First" in sentences[0]


def test_a_scan_of_another_patient_is_found() -> None:
    number = first(events(), "step_done", reply="KWDEMO126000001U").number
    (sentence,) = found(changed(events(), number, saying(reply="KWDEMO126000002W")))
    assert sentence.startswith(f"{number}: The reply to task B-26-0001-T")
    assert "The label scanned (KWDEMO126000002W) is not the chain-of-identity label" in sentence


def test_a_scan_of_another_patient_is_found_though_the_task_was_forged_with_it() -> None:
    number = first(events(), "step_done", reply="KWDEMO126000001U").number
    asked = events()[number - 2]
    (task,) = dicts_in(asked.content(), "tasks")
    expecting = {**task, "content": {**dict_in(task, "content"), "expects": "text:KWDEMO126000002W"}}
    forged = changed(events(), asked.number, saying(tasks=[expecting]))
    (sentence,) = found(changed(forged, number, saying(reply="KWDEMO126000002W")))
    assert "The label scanned (KWDEMO126000002W) is not the chain-of-identity label" in sentence


def test_a_record_that_words_its_tasks_and_deviations_otherwise_still_conforms() -> None:
    """Wording has no version: newer software says some things better."""
    worded = list(events())
    for entry in events():
        if entry.kind == "deviation_opened":
            worded = changed(worded, entry.number, saying(text="told in other words"))
        elif entry.kind == "step_asked" and entry.content()["tasks"]:
            tasks = [{**task, "content": {**dict_in(task, "content"), "text": "asked in other words", "hint": "new"}}
                     for task in dicts_in(entry.content(), "tasks")]  # fmt: skip
            worded = changed(worded, entry.number, saying(tasks=tasks))
    assert found(worded) == []


def test_an_implausible_value_is_found() -> None:
    entry = first(events(), "step_done", path="Culture/Take out/Enough/harvested", number=4)
    (sentence,) = found(
        changed(events(), entry.number, saying(reply={"volume": {"value": "9000", "unit": "mL"}}))
    )[:1]
    assert "is not one it accepts: 'volume' = 9000 mL is not plausible" in sentence


def test_a_result_altered_consistently_is_found_where_something_followed_from_it() -> None:
    """The looks of `expand` are shown with the result: a forged result does not fit the question."""
    number = next(
        e.number for e in events() if e.kind == "step_done" and "viability" in str(e.content().get("reply"))
    )
    better = {
        "viability": {"value": "99", "unit": "%"},
        "viable_cells": {"value": "500000000000", "unit": "cell"},
    }
    sentences = found(changed(events(), number, saying(reply=better)))
    assert any(
        "is not what the phase asks for: 'given.viability.value' should be \"99\"" in one for one in sentences
    )


def test_a_set_point_that_the_phase_does_not_ask_is_found() -> None:
    entry = first(events(), "step_asked", path="Culture/Seed/inoculate", number=3)
    step = {**dict_in(entry.content(), "step"), "value": {"value": "39.0", "unit": "degC"}}
    assert only(changed(events(), entry.number, saying(step=step))) == (
        f"{entry.number}: Step 3 of 'Culture/Seed/inoculate' is not what the phase asks for: "
        '\'value.value\' should be "37.0", but "39.0" is recorded.'
    )


def test_a_parameter_that_the_recipe_does_not_give_is_found() -> None:
    entry = first(events(), "phase_started", path="Culture/Grow/Passages[1]/grown")
    parameters = {**dict_in(entry.content(), "parameters"), "look_every": {"value": "24", "unit": "h"}}
    sentences = found(changed(events(), entry.number, saying(parameters=parameters)))
    assert sentences[0] == (
        f'{entry.number}: phase_started: \'parameters.look_every.value\' should be "20", but "24" is recorded.'
    )


@pytest.mark.parametrize(
    ("kind", "members", "sentence"),
    [
        ("calculated", {"value": {"value": "500", "unit": "%"}}, "calculated: 'value.value' should be"),
        ("chosen", {"option": 1}, "chosen: 'option' should be 0, but 1 is recorded."),
        ("expiry_set", {"expires": "2030-01-01T00:00:00.000000Z"}, "expiry_set: 'expires' should be"),
        ("phase_finished", {"results": {}}, "phase_finished: 'results.cleared' is missing."),
        ("time_limit_exceeded", {"limit": "9 h"}, "time_limit_exceeded: 'limit' should be \"90 min\""),
        ("step_failed", {"sentence": ""}, ""),
        ("deviation_closed", {"conclusion": " "}, "A deviation is closed with a conclusion"),
        ("departure_requested", {"reason": ""}, "A departure needs a reason"),
        ("corrected", {"reason": ""}, "A correction needs a reason"),
        ("corrected", {"old": {}}, "corrected: 'old."),
        ("evidence_kept", {"text": "nothing happened"}, "does not have the digest that is recorded for it"),
        ("state_changed", {"to": "Complete"}, "state_changed: 'to' should be \"Running\""),
        ("state_changed", {"cause": "magic"}, "which is no command"),
        ("unit_bound", {"role": "oven"}, "which the recipe does not ask for"),
        ("unit_procedure_started", {"units": {"cabinet": "OVEN-1"}}, "'units.cabinet' should be \"CABINET-01\""),
    ],
)  # fmt: skip
def test_a_forged_member_is_found(kind: str, members: dict[str, Plain], sentence: str) -> None:
    entry = first(events(), kind)
    sentences = found(changed(events(), entry.number, saying(**members)))
    assert any(sentence in one for one in sentences)
    assert sentences


# --- who, when ----------------------------------------------------------------------------------------


def test_an_answer_in_a_role_that_may_not_is_found() -> None:
    entry = first(events(), "step_done", path="Receipt/Take in/receipt", number=3)
    forged = changed(events(), entry.number, by(Actor("person", "p-0006", "qc")))
    assert (
        only(forged)
        == f"{entry.number}: Task B-26-0001-T0004 is for the role supervisor; p-0006 answered as qc."
    )


def test_a_signed_answer_without_its_signature_is_found() -> None:
    entry = next(e for e in events() if e.kind == "step_done" and "signature" in e.content())
    body = {name: value for name, value in entry.content().items() if name != "signature"}
    (sentence,) = found(changed(events(), entry.number, lambda e: replace(e, body=body)))
    assert sentence.endswith("is signed, and its answer carries no signature.")


def test_one_person_who_did_both_is_found() -> None:
    entry = next(e for e in events() if e.kind == "step_done" and "performer" in e.content())
    same = Actor("person", str(entry.content()["performer"]), "operator")
    (sentence,) = found(changed(events(), entry.number, by(same)))
    assert sentence.endswith("needs 2 people, and fewer answered.")


def test_a_departure_that_its_requester_approved_is_found() -> None:
    entry = first(events(), "departure_decided", status="applied")
    sentences = found(changed(events(), entry.number, by(Actor("person", "p-0002", "qa"))))
    assert (
        sentences[0]
        == f"{entry.number}: C-B-26-0001-1 needs another person than those who asked for it and applied it."
    )


def test_a_command_by_somebody_without_the_right_is_found() -> None:
    forged = changed(plain_run(), 2, by(Actor("person", "p-0006", "qc")))
    assert only(forged) == "2: 'start' needs the role operator or supervisor; ask such a person."


def test_a_wait_that_ended_before_its_time_is_found() -> None:
    entry = first(events(), "step_done", reply={"fired": 0, "reply": None})
    early = changed(events(), entry.number, at(entry.recorded_at - timedelta(hours=2)))
    sentences = found(early)
    assert sentences[0] == f"{entry.number}: The wait of step 2 is recorded as over before its time."


def test_a_step_asked_with_another_due_time_is_found() -> None:
    entry = next(e for e in events() if e.kind == "step_asked" and e.content()["dues"])
    dues = ["2026-12-01T00:00:00.000000Z" if due else None for due in list_in(entry.content(), "dues")]
    assert "step_asked: 'dues.1' should be" in found(changed(events(), entry.number, saying(dues=dues)))[0]


# --- entries left out -----------------------------------------------------------------------------------

FREE = Counter({
    "set_restored": 2, "note_added": 1, "refused": 1, "engine_recovered": 1, "step_repeated": 1, "excursion_ended": 1,
    "evidence_kept": 1, "deviation_closed": 1, "corrected": 1, "unit_unbound": 3, "state_changed": 1,
})  # fmt: skip
"""Entries nothing later rests on, by kind: without them the record is another that conforms too. Only
the chain and its checkpoint show that they were there (docs/explanation/what-verification-proves.md)."""


def test_an_entry_left_out_is_found_unless_nothing_rests_on_it() -> None:
    unseen = Counter(e.kind for e in events() if not found(without(events(), e.number)))
    assert unseen == FREE


def test_two_entries_exchanged_are_found_where_one_rests_on_the_other() -> None:
    entries, seen = list(events()), 0
    for place in range(len(entries) - 1):
        pair = entries[place + 1], entries[place]
        forged = resealed([*entries[:place], *pair, *entries[place + 2 :]])
        seen += bool(found(forged))
    assert seen > len(entries) * 0.7


def test_a_phase_left_out_whole_is_found() -> None:
    path = "Receipt/Clear/clear_line"
    numbers = [e.number for e in plain_run() if e.content().get("path") == path]
    answers = [
        e.number
        for e in plain_run()
        if e.kind == "task_answered" and e.content()["task"] == "B-26-0001-T0001"
    ]
    forged = without(plain_run(), *numbers, *answers)
    assert (
        "phase_started at 'Receipt/Take in/receipt' was not among what the recipe allowed then."
        in found(forged)[0]
    )


def test_conformance_of_nothing_is_empty() -> None:
    assert conform(()) == Conformance()
    assert len(PHASES) > 15
