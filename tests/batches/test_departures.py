"""Departures of every kind, corrections with what followed from them, and the end of deviations."""

from copy import deepcopy
from datetime import timedelta
from typing import get_args

import pytest

from batches import corrections, departures
from batches.conformance import conform
from batches.entries import Actor, Draft, Entry
from batches.errors import BadInput, KweekError, NotFound, NotPermitted, Refused
from batches.plain import Plain, PlainDict, list_in
from batches.quantities import parse
from batches.recipe_reader import read
from batches.steps import Role, plain
from tests.batches.eventful import harvests, small_recipe, until
from tests.batches.running import Run, good, person

GROWN = "Culture/Grow/Passages[1]/grown"
SAMPLE = "Finish/Control/Test/sample"
CLEAR = "Receipt/Clear/clear_line"
EXTRA: PlainDict = {
    "sample@1": {"sample": "count"},
    "as": "extra",
    "hold": {"safe": "keep_environment", "longest": "12 h"},
}
WHO = {role: Actor("person", f"p-{role}", role) for role in get_args(Role)}
SKIP: PlainDict = {"kind": "skip", "path": SAMPLE, "values": {}}


def started() -> Run:
    run = Run(small_recipe(), harvests).start()
    until(run, lambda: bool(run.state.phases))
    return run


def ask(
    run: Run, change: PlainDict, *, urgent: bool = False, role: str = "operator", reason: str = "needed"
) -> str:
    identity = departures.next_id(run.state)
    run.batch(departures.request(run.state, change, reason, urgent, WHO[role], run.now))
    return identity


def decide(
    run: Run, identity: str, role: str = "qa", *, approve: bool = True, who: Actor | None = None
) -> None:
    run.batch(departures.decide(run.state, identity, approve, "seen", who or WHO[role], run.now))


def refused(run: Run, error: type[KweekError], match: str, change: PlainDict, **more: str) -> None:
    before = deepcopy(run.state)
    with pytest.raises(error, match=match):
        ask(run, change, **more)  # pyright: ignore[reportArgumentType]
    assert run.state == before


def finish(run: Run) -> list[str]:
    """Run to the end; the phases in the order in which they began. The verifier accepts the record."""
    while run.advance():
        pass
    found = conform(run.entries)
    assert found.findings == []
    return [str(entry.content()["path"]) for entry in run.entries if entry.kind == "phase_started"]


# --- each kind ----------------------------------------------------------------------------------------


def test_a_departure_is_requested_by_one_and_approved_by_quality_assurance() -> None:
    run = started()
    identity = ask(run, SKIP)
    assert run.state.progress.skipped == set()
    with pytest.raises(NotPermitted, match="another person"):
        decide(run, identity, who=Actor("person", "p-operator", "qa"))
    decide(run, identity)
    assert (run.state.departures[identity].status, run.state.progress.skipped) == ("applied", {SAMPLE})
    assert [found.severity for found in run.state.deviations.values()] == ["major"]
    assert SAMPLE not in finish(run)
    assert conform(run.entries).departures == [f"Departure {identity} (applied): needed"]


def test_a_phase_is_added_after_another_and_repeated() -> None:
    run = started()
    decide(run, ask(run, {"kind": "add", "after": SAMPLE, "phase": EXTRA}))
    decide(run, ask(run, {"kind": "repeat", "path": SAMPLE}))
    begun = finish(run)
    assert sorted(path for path in begun if path.startswith("Finish/Control/Test/")) == [
        "Finish/Control/Test/extra", SAMPLE, f"{SAMPLE}+1",
    ]  # fmt: skip


def test_a_phase_is_added_after_one_that_was_added() -> None:
    run = started()
    decide(run, ask(run, {"kind": "add", "after": SAMPLE, "phase": EXTRA}))
    more: PlainDict = {**EXTRA, "as": "one_more"}
    decide(run, ask(run, {"kind": "add", "after": "Finish/Control/Test/extra", "phase": more}))
    begun = finish(run)
    assert begun.index("Finish/Control/Test/one_more") == begun.index("Finish/Control/Test/extra") + 1


def test_a_parameter_and_a_formula_value_are_changed() -> None:
    run = started()
    value: PlainDict = {"value": "20", "unit": "h"}
    decide(run, ask(run, {"kind": "parameter", "path": GROWN, "name": "look_every", "value": value}))
    finish(run)
    (begun,) = [
        e.content() for e in run.entries if e.kind == "phase_started" and e.content()["path"] == GROWN
    ]
    parameters = begun["parameters"]
    assert isinstance(parameters, dict)
    assert parameters["look_every"] == value


def test_where_cells_cannot_wait_two_people_act_and_quality_assurance_confirms() -> None:
    run = started()
    identity = ask(run, SKIP, urgent=True)
    with pytest.raises(NotPermitted):
        decide(run, identity, "operator", who=WHO["operator"])
    decide(run, identity, "supervisor")
    found = run.state.departures[identity]
    assert (found.status, found.confirm_by) == ("applied_unconfirmed", run.now + timedelta(hours=24))
    assert run.state.progress.skipped == {SAMPLE}
    with pytest.raises(NotPermitted, match="another person"):
        decide(run, identity, "supervisor")
    with pytest.raises(NotPermitted, match="quality assurance"):
        decide(run, identity, who=Actor("person", "p-other", "supervisor"))
    run.now += timedelta(hours=1)
    decide(run, identity)
    assert (found := run.state.departures[identity]).status == "confirmed"
    with pytest.raises(Refused, match="cannot be decided again"):
        decide(run, identity)
    assert SAMPLE not in finish(run)
    assert found.people == ["p-operator", "p-supervisor", "p-qa"]


def test_a_departure_that_is_rejected_changes_nothing() -> None:
    run = started()
    identity = ask(run, SKIP)
    decide(run, identity, approve=False)
    assert (run.state.departures[identity].status, run.state.progress.skipped, run.state.deviations) == (
        "rejected",
        set(),
        {},
    )
    with pytest.raises(Refused, match="is rejected"):
        decide(run, identity)
    assert SAMPLE in finish(run)


@pytest.mark.parametrize("role", get_args(Role))
def test_who_may_ask_for_a_departure(role: str) -> None:
    run = started()
    if role in ("operator", "supervisor", "qa"):
        assert ask(run, SKIP, role=role) == "C-B-26-0001-1"
    else:
        refused(run, NotPermitted, "your role is", SKIP, role=role)


# --- what may not be ----------------------------------------------------------------------------------


def test_what_has_started_is_neither_skipped_nor_changed() -> None:
    run = started()
    refused(run, Refused, "has started", {"kind": "skip", "path": next(iter(run.state.phases)), "values": {}})
    refused(run, Refused, "has started", {"kind": "parameter", "path": CLEAR, "name": "area", "value": "x"})


def test_identity_is_never_departed_from() -> None:
    run = started()
    refused(
        run, Refused, "verifies identity", {"kind": "skip", "path": "Culture/Seed/inoculate", "values": {}}
    )
    change: PlainDict = {
        "kind": "parameter",
        "path": "Culture/Seed/inoculate",
        "name": "volume",
        "value": "1 mL",
    }
    refused(run, Refused, "verifies identity", change)


@pytest.mark.parametrize(
    "change",
    [
        {}, {"kind": "unit"}, {"kind": "skip"}, {"kind": "skip", "path": SAMPLE}, {"kind": "skip", "path": 7, "values": {}},
        {"kind": "skip", "path": "Culture", "values": {}}, {"kind": "skip", "path": "Nowhere/x", "values": {}},
        {"kind": "add", "after": SAMPLE}, {"kind": "add", "after": SAMPLE, "phase": {"sample@1": {"sample": "count"}}},
        {"kind": "add", "after": SAMPLE, "phase": {"sample@1": {"sample": "none"}, "as": "x"}},
        {"kind": "parameter", "path": GROWN, "name": "nothing", "value": "1 h"},
        {"kind": "parameter", "path": GROWN, "name": "look_every", "value": "1 mL"},
        {"kind": "formula", "name": "nothing", "value": "1"}, {"kind": "repeat", "path": SAMPLE, "after": "Culture"},
    ],
)  # fmt: skip
def test_a_departure_that_makes_no_sense_is_refused_in_a_sentence(change: PlainDict) -> None:
    refused(started(), BadInput, ".", change)


def test_a_departure_needs_a_reason_and_a_batch_that_goes_on() -> None:
    run = started()
    refused(run, BadInput, "needs a reason", SKIP, reason="  ")
    finish(run)
    refused(run, Refused, "has ended", SKIP)


def test_a_phase_is_not_put_where_nobody_will_come_by_again() -> None:
    run = started()
    until(run, lambda: "Receipt" in run.state.progress.finished)
    add: PlainDict = {"kind": "add", "after": CLEAR, "phase": EXTRA}
    refused(run, Refused, "has ended|has started after", add)
    last = [path for path in run.state.progress.started if path.startswith("Receipt/")][-1]
    refused(run, Refused, "has ended", {**add, "after": last})
    refused(run, Refused, "has ended", {"kind": "repeat", "path": last})


def test_two_phases_of_one_name_are_not_put_beside_each_other() -> None:
    run = started()
    change: PlainDict = {"kind": "add", "after": SAMPLE, "phase": {**EXTRA, "as": "sample"}}
    refused(run, BadInput, "name", change)
    decide(run, ask(run, {"kind": "add", "after": SAMPLE, "phase": EXTRA}))
    refused(run, BadInput, "name", {"kind": "add", "after": SAMPLE, "phase": EXTRA})


def test_a_departure_that_came_too_late_is_not_applied() -> None:
    run = started()
    identity = ask(run, SKIP)
    until(run, lambda: SAMPLE in run.state.progress.started)
    with pytest.raises(Refused, match="has started"):
        decide(run, identity)


def test_nobody_decides_what_was_not_asked() -> None:
    with pytest.raises(NotFound, match="no departure C-9"):
        decide(started(), "C-9")


# --- corrections --------------------------------------------------------------------------------------

CHAIN = """
recipe: chain
language: 1
version: 1
title: What follows from a value
product: {name: Thing, kind: allogeneic, store: {at_most: -150 degC}, expires: {after: first, within: 365 day}}
formula: {wanted: {value: 5 mL, source: test}}
units: {reactor: bioreactor/vertical_wheel}
samples:
  count:
    tests: {volume: {unit: mL, plausible: [0 mL, 100 mL], method: scale}}
    turnaround: 1 h
    source: test
procedure:
  - unit_procedure: Grow
    unit: reactor
    operations:
      - operation: Op
        phases:
          - sample@1: {sample: count}
            as: first
            hold: {safe: stand_still, longest: 1 h}
          - calculate: half
            value: $first.volume / 2
            unit: mL
          - calculate: other
            value: $wanted * 2
            unit: mL
          - choice: Which
            when:
              - if: $half > '1 mL'
                then:
                  - decide@1: {question: Many?, options: a | b}
                    hold: {safe: stand_still, longest: 1 h}
              - otherwise:
                  - decide@1: {question: Few?, options: a | b}
                    as: few
                    hold: {safe: stand_still, longest: 1 h}
"""


def chain() -> tuple[Run, Entry]:
    run = Run(read(CHAIN, "chain.yaml"), good).start()
    until(run, lambda: bool(run.state.progress.chosen))
    entry = next(e for e in run.entries if e.kind == "step_done" and isinstance(e.content()["reply"], dict))
    return run, entry


def correct(run: Run, entry: Entry, new: Plain, reason: str = "read the wrong line") -> PlainDict:
    run.batch(corrections.correct(run.state, entry, [*run.entries], new, reason, entry.actor))
    return next(e.content() for e in reversed(run.entries) if e.kind == "corrected")


def test_a_correction_flags_what_followed_and_alters_no_reply() -> None:
    run, entry = chain()
    history = deepcopy(run.state.progress.values)
    body = correct(run, entry, {"volume": plain(parse("7 mL"))})
    flagged = [run.entries[int(str(n)) - 1] for n in list_in(body, "affected")]
    assert [(e.kind, e.content().get("name", "")) for e in flagged] == [
        ("phase_finished", ""),
        ("calculated", "half"),
        ("chosen", ""),
    ]
    assert body["old"] == entry.content()["reply"]
    assert run.state.progress.values == history, "what was replayed stays"
    (found,) = run.state.deviations.values()
    assert (found.severity, f"Entry {entry.number} was corrected" in found.text) == ("major", True)
    assert [*run.state.corrections] == [entry.number]
    assert conform(run.entries).findings == []


def test_a_correction_from_which_nothing_followed_opens_no_deviation() -> None:
    run = started()
    run.batch(iter((Draft("note_added", {"text": "The courier was late."}, person("operator")),)))
    body = correct(run, run.entries[-1], "The courier was early.")
    assert (body["affected"], run.state.deviations) == ([], {})


@pytest.mark.parametrize("kind", ["phase_started", "calculated", "state_changed"])
def test_only_what_a_person_entered_is_corrected(kind: str) -> None:
    run, _ = chain()
    entry = next(e for e in run.entries if e.kind == kind)
    with pytest.raises(Refused, match=f"Entry {entry.number} is {kind}"):
        correct(run, entry, "x")


def test_a_correction_says_something_else_and_why() -> None:
    run, entry = chain()
    with pytest.raises(BadInput, match="needs a reason"):
        correct(run, entry, {"volume": plain(parse("7 mL"))}, " ")
    with pytest.raises(BadInput, match="says the same as before"):
        correct(run, entry, entry.content()["reply"])


def test_a_wrong_correction_is_corrected_back() -> None:
    run, entry = chain()
    old, new = entry.content()["reply"], {"volume": plain(parse("7 mL"))}
    correct(run, entry, new)
    with pytest.raises(BadInput, match="says the same as before"):
        correct(run, entry, new)
    assert correct(run, entry, old)["new"] == old
    assert len(run.state.corrections[entry.number]) == 2


def test_a_quantity_that_cannot_be_read_is_bad_input() -> None:
    run, entry = chain()
    with pytest.raises(BadInput):
        correct(run, entry, {"value": "many", "unit": "mL"})


# --- deviations ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", get_args(Role))
def test_a_deviation_is_closed_by_quality_assurance_with_a_conclusion(role: str) -> None:
    run = started()
    decide(run, ask(run, SKIP))
    (identity,) = run.state.deviations

    def close(conclusion: str, which: str = identity) -> None:
        run.batch(departures.close_deviation(run.state, which, conclusion, WHO[role]))

    if role not in ("qa", "qp"):
        with pytest.raises(NotPermitted):
            close("no effect")
        return
    with pytest.raises(BadInput, match="conclusion"):
        close(" ")
    with pytest.raises(NotFound):
        close("no effect", "D-9")
    close("no effect")
    assert run.state.deviations[identity].status == "closed"
    with pytest.raises(NotFound, match="no open deviation"):
        close("no effect")


NESTED = CHAIN.replace("          - sample@1: {sample: count}\n            as: first\n            hold: {safe: stand_still, longest: 1 h}\n", """          - repeat: Outer
            at_most: 2
            until: $inner.volume < '0 mL'
            body:
              - repeat: Inner
                at_most: 2
                until: $inner.volume < '0 mL'
                body:
                  - sample@1: {sample: count}
                    as: inner
                    hold: {safe: stand_still, longest: 1 h}
          - sample@1: {sample: count}
            as: first
            hold: {safe: stand_still, longest: 1 h}
""")  # fmt: skip


def test_an_earlier_round_is_over_and_the_other_option_is_not_taken() -> None:
    run = Run(read(NESTED, "nested.yaml"), good).start()
    here = "Grow/Op/Outer[1]/Inner[2]/inner"
    until(run, lambda: here in run.state.phases)
    refused(run, Refused, "has ended", {"kind": "repeat", "path": "Grow/Op/Outer[1]/Inner[1]/inner"})
    decide(run, ask(run, {"kind": "repeat", "path": here}))
    until(run, lambda: bool(run.state.progress.chosen))
    refused(run, Refused, "has ended", {"kind": "repeat", "path": here})
    many: PlainDict = {"kind": "skip", "path": "Grow/Op/Which/few", "values": {}}
    refused(run, Refused, "took another option", many)
    assert f"{here}+1" in finish(run)
