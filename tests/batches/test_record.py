"""The record of a batch: whatever is asked of it, no invariant breaks, and the fold is the state."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import commands, corrections, departures
from batches.commands import Decision
from batches.entries import Draft, Entry
from batches.errors import KweekError, RecordError
from batches.plain import PlainDict, dict_in, dicts_in, text_in
from batches.record import BatchState, fold
from batches.states import ACCEPTED, AUTOMATIC, COMMANDS, STATES, Command, State
from tests.batches.eventful import eventful, harvests, small_recipe
from tests.batches.running import PEOPLE, Run, person

ROLES = sorted(PEOPLE)
CHANGES: tuple[PlainDict, ...] = (
    {"kind": "skip", "path": "Finish/Control/Test/sample", "values": {}},
    {"kind": "skip", "path": "Receipt/Clear/clear_line", "values": {}},
    {"kind": "repeat", "path": "Culture/Grow/Passages[1]/grown", "after": "Culture/Grow/Passages[1]/grown"},
    {"kind": "parameter", "path": "Culture/Grow/Passages[1]/grown", "name": "look_every", "value": "20 h"},
    {"kind": "nonsense"},
    {},
)
ROLE, REASON = st.sampled_from(ROLES), st.sampled_from(["because", ""])
OFTEN = st.sampled_from(["supervisor", "operator"])
OP = st.one_of(
    st.tuples(st.just("advance"), st.integers(1, 12)),
    st.tuples(st.just("command"), st.sampled_from(COMMANDS), ROLE, REASON, st.integers(0, 3)),
    st.tuples(st.just("command"), st.sampled_from(("hold", "pause", "resume", "restart")), OFTEN, REASON, st.integers(0, 1)),
    st.tuples(st.just("settle"), st.integers(0, 3)),
    st.tuples(st.just("trouble"), st.booleans()),
    st.tuples(st.just("answer"), st.booleans()),
    st.tuples(st.just("depart"), st.sampled_from(CHANGES), st.sampled_from(ROLES), st.sampled_from(["", "because"])),
    st.tuples(st.just("decide"), st.booleans(), st.sampled_from(ROLES), st.integers(1, 3)),
    st.tuples(st.just("correct"), st.integers(1, 60)),
    st.tuples(st.just("close"), st.sampled_from(ROLES), st.integers(1, 3)),
    st.tuples(st.just("latch"), st.booleans()),
)  # fmt: skip


class Batch:
    """A batch in memory to which anything may be done."""

    def __init__(self) -> None:
        self.run = Run(small_recipe(), harvests)
        self.run.batch(commands.command(self.run.state, "", "start", person("operator"), ""))
        self.refused = 0

    @property
    def state(self) -> BatchState:
        return self.run.state

    def path(self, index: int) -> str:
        return [*self.state.elements][index % len(self.state.elements)]

    def attempt(self, decision: Callable[[], Decision]) -> None:
        """A decision: taken whole, or refused, and then nothing has changed."""
        before, entries = deepcopy(self.state), len(self.run.entries)
        try:
            self.run.batch(decision())
        except KweekError:
            self.refused += 1
            assert self.state == before
            assert len(self.run.entries) == entries

    def apply(self, op: tuple[object, ...]) -> None:
        state, run = self.state, self.run
        match op:
            case ("advance", int(times)):
                self._advance(times)
            case ("command", str(command), str(role), str(reason), int(index)):
                given: Command = next(each for each in COMMANDS if each == command)
                path = self.path(index)
                self.attempt(lambda: commands.command(state, path, given, person(role), reason))
            case ("settle", int(index)):
                path = self.path(index)
                self.attempt(lambda: commands.settle(state, path))
            case ("trouble", bool(certain)):
                self._trouble(commands.failed if certain else commands.in_doubt)
            case ("answer", bool(retry)):
                self._answer(retry)
            case ("depart", dict(change), str(role), str(reason)):
                self.attempt(lambda: departures.request(state, change, reason, False, person(role), run.now))
            case ("decide", bool(approve), str(role), int(number)):
                identity = f"C-{state.number}-{number}"
                self.attempt(
                    lambda: departures.decide(state, identity, approve, "seen", person(role), run.now)
                )
            case ("correct", int(number)):
                self._correct(number)
            case ("close", str(role), int(number)):
                identity = f"D-{state.number}-{number}"
                self.attempt(lambda: departures.close_deviation(state, identity, "no effect", person(role)))
            case _:
                self._latch()

    def _advance(self, times: int) -> None:
        for _ in range(times):
            running = all(at in ("Running", "Complete") for at in self.state.elements.values())
            troubled = any(
                p.open is not None and p.open.status != "asked" for p in self.state.phases.values()
            )
            if running and not troubled and not self.state.ended:
                self.run.advance()

    def _trouble(self, what: "Callable[[BatchState, str, str], Decision]") -> None:
        for path, phase in [*self.state.phases.items()]:
            if phase.open is not None and phase.open.status == "asked":
                self.attempt(lambda path=path: what(self.state, path, "The valve did not open."))
                return

    def _answer(self, retry: bool) -> None:
        task = next((t for t in self.state.tasks.values() if t.kind in ("failed", "in_doubt")), None)
        if task is not None:
            path, up = task.path, task.path.split("/")[0]
            body: PlainDict = {"task": task.id, "answer": {}, "closes": True, "goes_on": up, "retry": retry}
            if retry:
                self.attempt(lambda: iter((Draft("task_answered", body, person("supervisor")),)))
                if self.state.step(path).status == "retry":
                    self.run.ask_again(path)

    def _correct(self, number: int) -> None:
        entries = self.run.entries
        if number <= len(entries):
            entry = entries[number - 1]
            self.attempt(
                lambda: corrections.correct(
                    self.state, entry, [*entries], {"cleared": False}, "typed wrong", entry.actor
                )
            )

    def _latch(self) -> None:
        for path, phase in [*self.state.phases.items()]:
            if phase.open is not None and phase.open.kind == "First":
                self.attempt(
                    lambda path=path: commands.latch(self.state, path, None, person("qa"), self.run.now)
                )
                return


def transitions(entries: list[Entry]) -> list[tuple[State, State, str]]:
    bodies = [entry.content() for entry in entries if entry.kind == "state_changed"]
    return [(_state(b, "from"), _state(b, "to"), text_in(b, "cause")) for b in bodies]


def _state(body: PlainDict, key: str) -> State:
    return next(state for state in STATES if state == body[key])


def lawful(before: State, after: State, cause: str) -> bool:
    command: Command | None = next((each for each in COMMANDS if each == cause), None)
    return (ACCEPTED.get((before, command)) if command else AUTOMATIC.get(before)) == after


def check(batch: Batch, closed: set[str]) -> None:
    state, entries = batch.state, batch.run.entries
    assert [entry.number for entry in entries] == [*range(1, len(entries) + 1)]
    assert all(lawful(*change) for change in transitions(entries))
    for phase in state.phases.values():
        assert phase.open is None or phase.open.number == len(phase.history) + 1
    opened = [
        text_in(t, "id") for e in entries if e.kind == "step_asked" for t in dicts_in(e.content(), "tasks")
    ]
    opened += [text_in(dict_in(e.content(), "task"), "id") for e in entries if e.kind == "task_opened"]
    assert len(opened) == len({*opened}) == state.tasks_opened
    assert {*opened} == {*state.tasks} | {*state.closed}
    assert not {*state.tasks} & {*state.closed}
    assert closed <= {*state.closed}, "a closed task stays closed"
    assert fold(entries) == state


@settings(max_examples=60, deadline=None)
@given(st.lists(OP, min_size=8, max_size=30))
def test_whatever_is_asked_no_invariant_breaks(ops: list[tuple[object, ...]]) -> None:
    batch, closed = Batch(), set[str]()
    remembered: list[tuple[int, BatchState]] = []
    for op in ops:
        batch.apply(op)
        check(batch, closed)
        closed = {*batch.state.closed}
        remembered.append((len(batch.run.entries), deepcopy(batch.state)))
    for count, state in remembered[:: max(1, len(remembered) // 4)]:
        assert fold(batch.run.entries[:count]) == state, "the fold of a prefix never changes"


@cache
def everything() -> Run:
    return eventful()


def test_the_fold_of_a_whole_batch_is_its_live_state() -> None:
    run = everything()
    assert fold(run.entries) == run.state
    assert run.state.state == "Complete"


@pytest.mark.parametrize("field", ["state", "task", "unit"])
def test_states_that_differ_are_not_equal(field: str) -> None:
    """Whole states are compared: a comparison that could not fail would prove nothing."""
    state, other = fold(everything().entries), fold(everything().entries)
    match field:
        case "state":
            other.elements[""] = "Running"
        case "task":
            other.closed.popitem()
        case _:
            other.units["x"] = "y"
    assert state != other


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_an_entry_that_is_missing_twice_or_out_of_order_is_named(data: st.DataObject) -> None:
    entries = everything().entries
    at = data.draw(st.integers(0, len(entries) - 2))
    how = data.draw(st.sampled_from(["drop", "twice", "swap"]))
    changed = [*entries]
    match how:
        case "drop":
            del changed[at]
        case "twice":
            changed.insert(at, entries[at])
        case _:
            changed[at], changed[at + 1] = entries[at + 1], entries[at]
    with pytest.raises(RecordError, match=r"Entry \d+ is missing: \d+ \(\w+\) stands there"):
        fold(changed)


@pytest.mark.parametrize("at", [0, 1, 5])
def test_an_unknown_kind_is_refused_and_named(at: int) -> None:
    entries = [*everything().entries]
    entries[at] = replace(entries[at], kind="phase_blessed")
    with pytest.raises(RecordError, match=f"Entry {at + 1} is of the unknown kind 'phase_blessed'"):
        fold(entries)


def test_the_first_entry_and_only_it_makes_the_batch() -> None:
    entries = everything().entries
    with pytest.raises(RecordError, match="batch_created stands first and only there"):
        fold([replace(entries[1], number=1)])
    with pytest.raises(RecordError, match="batch_created stands first and only there"):
        fold([entries[0], replace(entries[0], number=2)])


def refuses(state: BatchState, kind: str, body: PlainDict, match: str) -> None:
    """An entry that cannot stand here: named, and the state is as before."""
    before = deepcopy(state)
    entry = commands.provisional(state, Draft(kind, body), everything().now)
    with pytest.raises(
        RecordError, match=rf"Entry {state.entries + 1} \({kind}\) cannot stand here.*{match}"
    ):
        state.apply(entry)
    assert state == before


def test_entries_that_cannot_stand_are_refused_with_their_number() -> None:
    run = Run(small_recipe(), harvests)
    run.batch(commands.command(run.state, "", "start", person("operator"), ""))
    while not run.state.phases:
        run.advance()
    path, state = next(iter(run.state.phases)), run.state
    step = state.step(path)
    asked: PlainDict = {
        "path": path, "number": step.number + 1, "attempt": 1, "step": {}, "command": "", "unit": "", "dues": [], "tasks": [],
    }  # fmt: skip
    done: PlainDict = {"path": path, "number": step.number + 1, "attempt": 1, "reply": None}
    refuses(state, "state_changed", {"path": "", "from": "Idle", "to": "Running"}, "is Running, not Idle")
    refuses(
        state,
        "phase_started",
        {"path": path, "phase": "x", "version": 1, "parameters": {}},
        "was started before",
    )
    refuses(state, "phase_finished", {"path": path, "results": {}, "names": []}, "still waits for step")
    refuses(state, "phase_finished", {"path": "Nowhere/x", "results": {}, "names": []}, "No phase is open")
    refuses(state, "step_asked", asked, "out of order")
    refuses(state, "step_asked", {**asked, "number": step.number, "attempt": 2}, "out of order")
    refuses(state, "step_done", done, f"waits for step {step.number}")
    refuses(state, "task_answered", {"task": "B-1-T9"}, "no task B-1-T9 is open")
    refuses(state, "deviation_closed", {"id": "D-9"}, "no deviation D-9 is open")
    refuses(state, "departure_decided", {"id": "C-9"}, "no departure C-9")
    refuses(state, "corrected", {"entry": 999}, "does not stand before it")
    refuses(state, "step_latched", {"path": path, "number": 9, "attempt": 1}, "cannot latch")
    refuses(state, "phase_discarded", {"path": "Nowhere/x"}, "No phase is open")


def test_a_failed_step_cannot_fail_again_before_it_is_tried_again() -> None:
    run = Run(small_recipe(), harvests).start()
    while not run.state.phases:
        run.advance()
    path = next(iter(run.state.phases))
    run.batch(commands.failed(run.state, path, "The valve did not open."))
    refuses(run.state, "step_failed", {"path": path}, "is failed, not asked")
    refuses(run.state, "step_in_doubt", {"path": path}, "is failed, not asked")


def test_time_never_decides_the_fold() -> None:
    """The same entries, recorded later, are the same batch: only the times differ."""
    entries = everything().entries
    later = [replace(entry, recorded_at=entry.recorded_at + timedelta(days=1)) for entry in entries]
    assert fold(later).progress.values == fold(entries).progress.values
