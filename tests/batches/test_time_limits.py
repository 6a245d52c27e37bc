"""Time limits in the pure core: what counts, what ends them, what the verifier makes of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches import commands, departures, procedure_actions
from batches.conformance import conform
from batches.entries import Entry, stamp
from batches.errors import BadInput, Refused
from batches.plain import PlainDict
from batches.procedure import Progress, lies_in, without_rounds
from batches.quantities import parse
from batches.recipe import Choice, Node, Operation, Parallel, PhaseCall, Recipe, Repeat, TimeLimit
from batches.recipe_reader import read
from batches.record import fold
from batches.report.words import limits_text
from batches.time_limits import RunningLimit, counted, counting, ends, spoken, target
from tests.batches.eventful import SMALL, command, harvests, settle
from tests.batches.running import START, Run, person
from tests.batches.tampering import changed, without

HOUR = timedelta(hours=1)


def phase(name: str, *limits: TimeLimit) -> PhaseCall:
    return PhaseCall(name, name, 1, {}, then_within=limits)


TREE: tuple[Node, ...] = (
    Operation("One", (phase("a"), Repeat("R", (phase("b"), phase("c")), "true", 3))),
    Parallel("P", ((phase("d"), phase("e")), (Choice("C", (("", (phase("f"),)),)),))),
    Operation("Two", (phase("g"), phase("a#2"))),
)


def running(since: str, to: str = "", of: str = "end") -> RunningLimit:
    return RunningLimit(since, of, to, "", None, "1 h", START + HOUR)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("One/a", ()),
        ("One/R[2]/b", ()),
        ("P/e", (("P", 0),)),
        ("P/C/f", (("P", 1),)),
        ("P/added", (("P", 0),)),
        ("Two/g", ()),
        ("Nowhere/g", ()),
    ],
)
def test_an_element_lies_in_branches(path: str, found: tuple[tuple[str, int], ...]) -> None:
    progress = Progress(added={"P/d": [phase("added")]})
    assert lies_in(TREE, path, progress) == found


@pytest.mark.parametrize(
    ("since", "path", "ended"),
    [
        ("One/a", "One/R[1]/b", True),
        ("One/R[1]/c", "One/R[2]/b", True),
        ("One/R[3]/c", "P/d", True),
        ("P/d", "P/e", True),
        ("P/d", "P/added", True),
        ("P/e", "P/C/f", False),
        ("P/C/f", "P/d", False),
        ("P/e", "Two/g", True),
    ],
)
def test_a_limit_to_the_next_phase_ends_with_what_does_not_lie_beside_it(
    since: str, path: str, ended: bool
) -> None:
    progress = Progress(added={"P/d": [phase("added")]})
    assert ends(running(since), path, TREE, progress) is ended


def test_a_limit_to_a_named_phase_ends_with_that_one_in_any_round() -> None:
    limit = running("One/a", "One/R/c")
    assert [ends(limit, path, TREE, Progress()) for path in ("One/R[1]/b", "One/R[1]/c", "Two/g")] == [
        False,
        True,
        False,
    ]


def test_a_target_is_the_one_phase_of_that_name() -> None:
    assert (target(TREE, "c"), target(TREE, "f"), target(TREE, "a#2")) == ("One/R/c", "P/C/f", "Two/a#2")
    with pytest.raises(BadInput, match=r"^The recipe has no phase 'z' to which a time could run\.$"):
        target(TREE, "z")
    with pytest.raises(
        BadInput, match=r"^The recipe has 2 phases 'a'; give one of them a name of its own with 'as'\.$"
    ):
        target((*TREE, Operation("Three", (phase("a"),))), "a")


def test_what_counts_is_absolute() -> None:
    call = phase(
        "a",
        TimeLimit(parse("2 h"), parse("30 min"), "g"),
        TimeLimit(parse("1 h")),
        TimeLimit(None, parse("1 day"), of="start"),
    )
    assert counted(TREE, call, "end", START) == [
        {"to": "Two/g", "at_least": "30 min", "opens": stamp(START + HOUR / 2), "at_most": "2 h", "due": stamp(START + 2 * HOUR)},
        {"to": "", "at_least": "", "opens": None, "at_most": "1 h", "due": stamp(START + HOUR)},
    ]  # fmt: skip
    (start,) = counted(TREE, call, "start", START)
    assert start == {
        "to": "",
        "at_least": "1 day",
        "opens": stamp(START + 24 * HOUR),
        "at_most": "",
        "due": None,
    }


@given(st.lists(st.sampled_from(["x", "R[1]", "Long name[12]", "a#2"]), min_size=1, max_size=5))
def test_rounds_leave_a_path(parts: list[str]) -> None:
    assert without_rounds("/".join(parts)) == "/".join(part.partition("[")[0] for part in parts)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0.5 s"), (59, "59 s"), (1500, "25 min"), (12600, "3.5 h"), (129600, "1.5 day")],
)
def test_a_time_is_spoken(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


def test_the_report_shows_limits_with_the_phase() -> None:
    window: PlainDict = {
        "to": "Two/g",
        "at_least": "1 h",
        "opens": stamp(START + HOUR),
        "at_most": "2 h",
        "due": stamp(START + 2 * HOUR),
    }
    late: PlainDict = {"since": "One/a", "from": "end", "to": "", "due": stamp(START)}
    least: PlainDict = {**window, "at_most": "", "due": None}
    most: PlainDict = {**window, "to": "", "at_least": "", "opens": None}
    assert limits_text({"limits": [window, least, most]}, "start") == (
        "'Two/g' begins 1 h to 2 h after the start of this phase: from 2026-11-23 09:00:00, by 2026-11-23 10:00:00. "
        "'Two/g' begins at least 1 h after the start of this phase: from 2026-11-23 09:00:00. "
        "The next phase begins within 2 h of the start of this phase: by 2026-11-23 10:00:00."
    )
    assert (
        limits_text({"limits": [most]}, "end") == "The next phase begins within 2 h: by 2026-11-23 10:00:00."
    )
    assert limits_text({"late": [late]}, "start") == "It was due by 2026-11-23 08:00:00, after 'One/a'."
    assert limits_text({}, "end") == ""


# --- whole records --------------------------------------------------------------------------------------


def edited(old: str, new: str) -> Recipe:
    """The small culture with another time limit."""
    text = SMALL.read_text()
    assert text.count(old) == 1
    return read(text.replace(old, new), "small.yaml")


LIMIT = "then_within: {at_most: 90 min}"


def until(run: Run, phase_name: str) -> Run:
    while not any(path.endswith(phase_name) for path in run.state.progress.started):
        assert run.advance()
    return run


def overdue() -> Run:
    """The line is cleared, nobody begins with the receipt for four hours, and the system says so."""
    run = Run(edited(LIMIT, "then_within: {at_most: 90 min, to: inoculate}"), harvests).start()
    until(run, "receipt")
    run.now += 4 * HOUR
    run.batch(procedure_actions.pass_limits(run.state, run.now))
    while run.advance():
        pass
    return run


def kinds(entries: list[Entry], kind: str) -> list[int]:
    return [entry.number for entry in entries if entry.kind == kind]


def test_a_limit_that_was_said_conforms_and_is_not_said_again() -> None:
    run = overdue()
    assert conform(run.entries).findings == []
    assert len(kinds(run.entries, "time_limit_exceeded")) == 1
    state = fold(run.entries)
    assert (state.state, state.time_limits, len(state.deviations)) == ("Complete", [], 1)


def test_a_limit_is_said_once_and_not_before_its_time() -> None:
    run = Run(edited(LIMIT, "then_within: {at_most: 90 min, to: inoculate}"), harvests).start()
    until(run, "receipt")
    (limit,) = run.state.time_limits
    assert limit.due is not None
    with pytest.raises(Refused, match="has not passed, or it was said before"):
        commands.decide(run.state, procedure_actions.pass_limit(run.state, limit, limit.due), limit.due)
    later = limit.due + timedelta(seconds=1)
    assert [draft.kind for draft in commands.decide(run.state, procedure_actions.pass_limits(run.state, later), later)] == [
        "time_limit_exceeded", "deviation_opened"
    ]  # fmt: skip
    assert commands.decide(run.state, procedure_actions.pass_limits(run.state, later), later) == []


def test_the_verifier_finds_what_was_said_or_left_out_wrongly() -> None:
    entries = overdue().entries
    (said,) = kinds(entries, "time_limit_exceeded")
    hidden = conform(without(entries, said, said + 1)).findings
    assert any("time_limit_exceeded should stand here" in one.sentence for one in hidden)
    undone = conform(without(entries, said + 1)).findings
    assert "deviation_opened should stand here" in undone[0].sentence

    def later(entry: Entry) -> Entry:
        body = {**entry.content(), "due": stamp(START + 30 * HOUR)}
        return replace(entry, body=body)

    assert "'due' should be" in conform(changed(entries, said, later)).findings[0].sentence


def test_a_batch_that_ended_with_a_limit_passed_and_unsaid_is_found() -> None:
    run = Run(edited(LIMIT, "then_within: {at_most: 90 min, to: inoculate}"), harvests).start()
    until(run, "receipt")
    run.now += 4 * HOUR
    command(run, "abort", "the power is gone")
    settle(run, "Receipt")
    settle(run, "")
    (found,) = conform(run.entries).findings
    assert found.sentence.startswith("The time limit after the end of 'Receipt/Clear/clear_line' passed at")


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("nowhere", "no phase 'nowhere'"),
        ("clear_line", "'clear_line' has begun already; no time can run to it"),
    ],
)
def test_a_phase_that_is_added_limits_no_time_to_what_cannot_come(to: str, sentence: str) -> None:
    run = until(Run(edited(LIMIT, ""), harvests).start(), "receipt")
    added: PlainDict = {
        "sample@1": {"sample": "count"}, "as": "extra", "hold": {"cannot": "finish"}, "then_within": {"at_most": "1 h", "to": to},
    }  # fmt: skip
    change: PlainDict = {"kind": "add", "after": "Receipt/Take in/receipt", "phase": added}
    with pytest.raises(BadInput, match=sentence):
        commands.decide(
            run.state,
            departures.request(run.state, change, "one more", False, person("supervisor"), run.now),
            run.now,
        )


def test_a_round_counts_anew() -> None:
    old, other, new = (
        running("One/R[1]/c", "Two/g"),
        running("One/a", "Two/g"),
        running("One/R[2]/c", "Two/g"),
    )
    assert counting([old, other], [new]) == [other, new]
