"""Conformance: a record re-executed against its recipe. Review by exception, computed.

The fold of the entries is taken again, entry by entry. What the procedure did must have been among
what it could do then (`procedure.ready`) and must equal what the rules decide (`commands`). What a
phase asked must equal, as canonical JSON, what the phase's code asks when it is given the recorded
replies. Departures that people authorised change the tree, and the rest is judged by the changed
tree. Every other difference is a finding that names its entry. Code never comes from the record: a
phase version or language unknown here is said, not guessed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias, cast

from batches import commands, lawful, procedure_actions
from batches.entries import Draft, Entry, moment
from batches.errors import MALFORMED, KweekError, NotFound, RecordError
from batches.expressions import LANGUAGE
from batches.interpret import advance
from batches.phases import begin, lookup
from batches.phases.base import Phase
from batches.plain import Plain, PlainDict, canonical, dict_in, dicts_in, text_in
from batches.procedure import (
    Action,
    Choose,
    FinishUnitProcedure,
    Iterate,
    StartPhase,
    StartUnitProcedure,
    TakeValue,
    find,
    owner,
    ready,
)
from batches.recipe import PhaseCall, UnitProcedure
from batches.record import BatchState
from batches.steps import Do, PhaseRun, Program, Read, Set, Step, Transfer, Value, decode, plain

SLACK = timedelta(seconds=10)
"""How far a due time may lie from the one counted from its entry: an engine on a real clock reads
the time once to decide and once to record."""

Phases: TypeAlias = Callable[[str, int], Phase]


@dataclass(frozen=True, slots=True)
class Finding:
    """A place where the record did not follow its recipe or the rules; `entry` 0: the whole record."""

    entry: int
    sentence: str


@dataclass(slots=True)
class Conformance:
    """What re-execution found. `unknown`: why (a part of) the record cannot be re-executed here."""

    state: BatchState = field(default_factory=BatchState)
    findings: list[Finding] = field(default_factory=list[Finding])
    unknown: list[Finding] = field(default_factory=list[Finding])

    @property
    def departures(self) -> list[str]:
        """Departures that were applied: a sentence each."""
        return [
            f"Departure {found.id} ({found.status.replace('_', ' ')}): {found.reason}"
            for found in self.state.departures.values() if found.status.startswith(("applied", "confirmed"))
        ]  # fmt: skip

    @property
    def conforms(self) -> bool:
        return not self.findings and not self.unknown


def conform(entries: Iterable[Entry], phases: Phases = lookup) -> Conformance:
    """Re-execute the entries of a batch's stream. Never raises for what a record may hold."""
    run = Reexecution(phases)
    for entry in entries:
        if not run.follow(entry):
            return run.found
    run.found.findings += [Finding(number, sentence) for number, sentence in lawful.unsettled(run.state)]
    return run.found


@dataclass(slots=True)
class Follower:
    """A phase run again: its generator, what it asks for now, and its results once it has ended."""

    run: PhaseRun
    step: Step | None = None
    results: Mapping[str, Value] = field(default_factory=dict[str, Value])
    stuck: str = ""
    """Why the phase itself refused to go on, if it did."""

    def send(self, reply: Value, *, first: bool = False) -> None:
        try:
            self.step, self.results = advance(self.run, reply, first=first)
        except KweekError as error:
            self.step, self.stuck = None, str(error)


class Reexecution:
    """The record followed so far."""

    def __init__(self, phases: Phases) -> None:
        self.found = Conformance()
        self._phases = phases
        self._followers: dict[str, Follower] = {}
        self._expected: Iterator[Draft] | None = None
        self._before: list[Entry] = []
        self._contents: dict[str, PlainDict] = {}
        """What each task of a step asks, by the phase and the rules: not as the record words it."""
        self._files: list[Plain] = []
        """Digests of the event files kept so far."""
        self._owed = 0
        """The entry for which the next one must open a deviation; 0 for none."""

    @property
    def state(self) -> BatchState:
        return self.found.state

    def follow(self, entry: Entry) -> bool:
        """Judge an entry and fold it. False when nothing after it can be judged."""
        if entry.number == self.state.entries + 1:
            try:
                self._judge(entry)
            except KweekError as error:
                self._find(entry, str(error))
            except MALFORMED as error:
                self._expected = None
                self._find(entry, _misshapen(entry, error))
        return self._fold(entry)

    def _find(self, entry: Entry, sentence: str) -> None:
        self.found.findings.append(Finding(entry.number, sentence))

    def _fold(self, entry: Entry) -> bool:
        try:
            if entry.kind == "batch_created" and not self._language_known(entry):
                return False
            self.state.apply(entry)
            self._before.append(entry)
            self._after(entry)
        except KweekError as error:
            self._find(entry, f"{error} Nothing after it can be judged.")
            return False
        except MALFORMED as error:
            self._find(entry, f"{_misshapen(entry, error)} Nothing after it can be judged.")
            return False
        return True

    def _language_known(self, entry: Entry) -> bool:
        language = dict_in(entry.content(), "content").get("language")
        if language != LANGUAGE:
            sentence = f"not re-executable: recipe language {language} unknown here"
            self.found.unknown.append(Finding(entry.number, sentence))
        return language == LANGUAGE

    # --- what may stand here --------------------------------------------------------------------------

    def _judge(self, entry: Entry) -> None:
        if self._continues(entry):
            return
        body = entry.content()
        self._pay(entry, body)
        match entry.kind:
            case kind if kind in ACTIONS:
                self._procedure(entry, body, ACTIONS[kind])
            case "time_limit_exceeded" | "time_limit_undercut" if body.get("begun") is not False:
                self._procedure(entry, body, (StartPhase,))
            case "deviation_opened":
                self._bounded_repeat(entry, body)
            case "step_asked":
                self._asked(entry, body)
            case "step_done":
                lawful.check_reply(self.state, entry, body, self._contents)
                self._check_evidence(entry, body)
            case "phase_finished":
                self._finished(entry, body)
            case _:
                self._decided(entry)

    def _continues(self, entry: Entry) -> bool:
        """Whether the entry belongs to a decision that has begun; then it must be its next draft."""
        draft = None if self._expected is None else next(self._expected, None)
        if draft is None:
            self._expected = None
            return False
        self._same(entry, draft)
        return True

    def _begin(self, entry: Entry, decision: Iterator[Draft]) -> None:
        """The entry begins a decision; what follows must be the rest of it."""
        self._expected = decision
        if not self._continues(entry):
            self._find(entry, f"The rules decide nothing here, but {entry.kind} is recorded.")

    def _same(self, entry: Entry, draft: Draft) -> None:
        if entry.kind != draft.kind:
            self._expected = None
            self._find(entry, f"{draft.kind} should stand here, but {entry.kind} is recorded.")
        elif (difference := differs(unworded(draft.body), unworded(entry.content()))) is not None:
            self._find(entry, f"{entry.kind}: {difference}")
        elif draft.actor != entry.actor:
            self._find(entry, f"{entry.kind} should be by {draft.actor.id}, but is by {entry.actor.id}.")

    def _check_evidence(self, entry: Entry, body: PlainDict) -> None:
        """An event file that a reply names is kept in the record, before it."""
        reply = body.get("reply")
        named = reply.get("evidence") if isinstance(reply, Mapping) else None
        if named is not None and named not in self._files:
            self._find(entry, "The reply names an event file that the record does not keep.")

    def _pay(self, entry: Entry, body: PlainDict) -> None:
        owed, self._owed = self._owed, 0
        if owed and not (entry.kind == "deviation_opened" and body.get("cause") == owed):
            self._find(entry, f"Entry {owed} left a critical limit, and no deviation was opened for it.")

    def _decided(self, entry: Entry) -> None:
        decision = lawful.decided(self.state, entry, self._before)
        if decision is None:
            lawful.check(self.state, entry)
        else:
            self._begin(entry, decision)

    # --- the procedure --------------------------------------------------------------------------------

    def _procedure(self, entry: Entry, body: PlainDict, wanted: tuple[type, ...]) -> None:
        path = text_in(body, "path")
        action = self._ready(path, wanted)
        if action is None:
            self._find(entry, f"{entry.kind} at '{path}' was not among what the recipe allowed then.")
            return
        self._check_running(entry, action)
        self._begin(entry, procedure_actions.take(self.state, action, entry.recorded_at))

    def _ready(self, path: str, wanted: tuple[type, ...]) -> Action | None:
        walk = ready(self.state.known_recipe().procedure, self.state.progress)
        return next((a for a in walk.actions if a.path == path and isinstance(a, wanted)), None)

    def _check_running(self, entry: Entry, action: Action) -> None:
        up = owner(action.path, self.state.elements)
        stopped = [f"'{path or 'batch'}' was {self.state.elements[path]}" for path in dict.fromkeys(("", up))
                   if self.state.elements[path] != "Running"]  # fmt: skip
        held_elsewhere = up != "" and self.state.state in ("Holding", "Restarting", "Pausing")
        if stopped and not (held_elsewhere and len(stopped) == 1):
            self._find(entry, f"{entry.kind} at '{action.path}' while {' and '.join(stopped)}.")

    def _bounded_repeat(self, entry: Entry, body: PlainDict) -> None:
        """A deviation because a repeat reached its bound is the first half of that decision."""
        action = self._ready(text_in(body, "path"), (Iterate,))
        if action is None:
            return
        drafts = procedure_actions.take(self.state, action, entry.recorded_at)
        first = next(drafts, None)
        if (
            first is not None
            and first.kind == entry.kind
            and differs(unworded(first.body), unworded(body)) is None
        ):
            self._expected = drafts

    # --- phases ---------------------------------------------------------------------------------------

    def _after(self, entry: Entry) -> None:
        """What a folded entry means for the phases that are run again, and for what must follow."""
        if lawful.owes_deviation(self.state, entry):
            self._owed = entry.number
        if entry.kind == "phase_started":
            self._start(entry, entry.content())
        elif entry.kind == "evidence_kept":
            self._files.append(entry.content().get("digest"))
        elif entry.kind == "step_done":
            body = entry.content()
            follower = self._followers.get(text_in(body, "path"))
            if follower is not None:
                follower.send(decode(body.get("reply")))

    def _start(self, entry: Entry, body: PlainDict) -> None:
        path, name = text_in(body, "path"), text_in(body, "phase")
        try:
            phase = self._phases(name, cast("int", body["version"]))
        except NotFound:
            sentence = f"not re-executable: {name}@{body['version']} unknown here ('{path}')"
            self.found.unknown.append(Finding(entry.number, sentence))
            return
        follower = Follower(begin(phase, cast("Mapping[str, Value]", decode(dict_in(body, "parameters")))))
        follower.send(None, first=True)
        self._followers[path] = follower

    def _asked(self, entry: Entry, body: PlainDict) -> None:
        path = text_in(body, "path")
        follower, phase = self._followers.get(path), self.state.phase(path)
        if follower is None:
            return
        step = follower.step
        if step is None:
            why = follower.stuck or "it has ended"
            self._lose(entry, path, f"The phase '{path}' asks for no further step here: {why}.")
        elif canonical(plain(step)) != canonical(body.get("step")):
            sentence = f"Step {len(phase.history) + 1} of '{path}' is not what the phase asks for:"
            self._lose(entry, path, f"{sentence} {differs(plain(step), body.get('step'))}")
        else:
            unit = self._unit_of(path, step)
            (draft,) = commands.ask(self.state, path, step, unit, entry.recorded_at, _by_hand(body))
            self._contents |= {
                text_in(task, "id"): dict_in(task, "content") for task in dicts_in(draft.body, "tasks")
            }
            self._same(entry, draft)

    def _lose(self, entry: Entry, path: str, sentence: str) -> None:
        """A phase that went another way is not followed further: one finding, not one for each step."""
        self._find(entry, sentence)
        del self._followers[path]

    def _unit_of(self, path: str, step: Step) -> str:
        if not isinstance(step, (Set, Read, Do, Program, Transfer)):
            return ""
        up = owner(path, self.state.elements)
        node = find(self.state.known_recipe().procedure, up, self.state.progress)
        return self.state.units.get(step.unit or cast("UnitProcedure", node).unit, "")

    def _finished(self, entry: Entry, body: PlainDict) -> None:
        path = text_in(body, "path")
        follower = self._followers.pop(path, None)
        if follower is None:
            return
        if follower.step is not None or follower.stuck:
            why = follower.stuck or f"it asks for {commands.text_of(cast('PlainDict', plain(follower.step)))}"
            self._find(entry, f"The phase '{path}' is recorded as finished, but it has not ended: {why}.")
            return
        call = find(self.state.known_recipe().procedure, path, self.state.progress)
        now = entry.recorded_at
        decision = commands.finish_phase(self.state, cast("PhaseCall", call), path, follower.results, now)
        self._begin(entry, decision)


def _misshapen(entry: Entry, error: Exception) -> str:
    return f"{entry.kind} holds a member of another shape than its kind has: {type(error).__name__}: {error}."


ACTIONS: Mapping[str, tuple[type, ...]] = {
    "unit_procedure_started": (StartUnitProcedure,),
    "unit_procedure_finished": (FinishUnitProcedure,),
    "phase_started": (StartPhase,),
    "calculated": (TakeValue,),
    "chosen": (Choose,),
    "iterated": (Iterate,),
    "repeat_finished": (Iterate,),
}
"""Entries of the procedure, with the action that must have been possible."""


def unworded(body: PlainDict) -> PlainDict:
    """A body without what only words it. The sentences of deviations and tasks belong to no version:
    newer software may say them better, and an old record still conforms."""
    found: dict[str, Plain] = dict(body)
    if "severity" in body:
        found["text"] = ""
    if isinstance(task := body.get("task"), Mapping):
        found["task"] = {**task, "content": {}}
    if "tasks" in body:
        found["tasks"] = [{**task, "content": {}} for task in dicts_in(body, "tasks")]
    return found


def _by_hand(body: PlainDict) -> PlainDict | None:
    """The content of the task for work by hand, which the plant words and the recipe does not."""
    tasks = dicts_in(body, "tasks")
    return next((dict_in(task, "content") for task in tasks if task.get("kind") == "work"), None)


def differs(expected: Plain, found: Plain, at: str = "") -> str | None:
    """The first difference of two plain values in words, or None. Due times may differ by SLACK."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name in sorted({*expected, *found}):
            if name not in found or name not in expected:
                what = "is missing" if name not in found else "should not be there"
                return f"'{_in(at, name)}' {what}."
            if (inner := differs(expected[name], found[name], _in(at, name))) is not None:
                return inner
        return None
    if (
        isinstance(expected, (list, tuple))
        and isinstance(found, (list, tuple))
        and len(expected) == len(found)
    ):
        pairs = enumerate(zip(expected, found, strict=True), 1)
        return next((d for i, (e, f) in pairs if (d := differs(e, f, _in(at, str(i)))) is not None), None)
    if canonical(expected) == canonical(found) or _near(expected, found):
        return None
    return f"'{at}' should be {_brief(expected)}, but {_brief(found)} is recorded."


def _in(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _near(expected: Plain, found: Plain) -> bool:
    try:
        return abs(moment(cast("str", expected)) - moment(cast("str", found))) <= SLACK
    except (RecordError, TypeError):
        return False


def _brief(value: Plain) -> str:
    text = canonical(value).decode()
    return text if len(text) <= 100 else f"{text[:97]}…"
