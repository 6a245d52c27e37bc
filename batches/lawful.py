"""What the rules say about entries that the procedure does not decide: commands, departures, replies.

What a person or the system did is decided anew by the same functions that decided it then
(`commands.py`, `departures.py`, `tasks.py`), from the state before the entry; where no function
decides an entry, a check here says what it must obey.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from batches import by_hand, commands, corrections, departures, procedure_actions
from batches.commands import Decision
from batches.entries import Entry
from batches.errors import KweekError, RecordError
from batches.plain import Plain, PlainDict, dict_in, dicts_in, text_in, whole_in
from batches.procedure import find, owner
from batches.quantities import Quantity
from batches.recipe import PhaseCall, UnitProcedure
from batches.record import BatchState
from batches.record_state import OpenStep, Task
from batches.states import COMMANDS, Command
from batches.steps import Fired, decode, plain
from batches.tasks import ANSWER_KEYS, ANSWERS_FOR, SIGNED, reply_of

EARLY = timedelta(seconds=1)
"""A timer may fire this much before its due time, as clocks are read to different precision."""

NOTICE = timedelta(minutes=1)
"""How long saying that something has passed may take."""


class Unlawful(RecordError):
    """An entry that the rules do not allow where it stands."""


Check = Callable[[BatchState, Entry, PlainDict], None]
Decider = Callable[[BatchState, Entry, PlainDict, Sequence[Entry]], Decision]


def decided(state: BatchState, entry: Entry, before: Sequence[Entry]) -> Decision | None:
    """What the rules decide for what the entry says was asked; None if no rule decides it.

    `before`: the entries of the batch before this one. Running the decision raises its refusals.
    """
    decider = _DECIDERS.get(entry.kind)
    return None if decider is None else decider(state, entry, entry.content(), before)


def check(state: BatchState, entry: Entry) -> None:
    """Judge an entry that no decision covers, before it is folded. Raises Unlawful."""
    found = _CHECKS.get(entry.kind)
    if found is not None:
        found(state, entry, entry.content())


# --- what is decided again ------------------------------------------------------------------------


def _state_changed(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    path, cause = text_in(body, "path"), text_in(body, "cause")
    if path not in state.elements:
        raise Unlawful(f"'{path}' changed its state before it had begun.")
    command: Command | None = next((known for known in COMMANDS if known == cause), None)
    if command is not None:
        return commands.command(state, path, command, entry.actor, text_in(body, "reason"))
    if cause != "logic ended":
        raise Unlawful(f"'{path or 'batch'}' changed its state by '{cause}', which is no command.")
    if path == "" and not commands.settled(state):
        raise Unlawful(
            f"The batch went from {body.get('from')} to {body.get('to')} before its procedure had got there."
        )
    if any(task.kind == "restart" and task.path == path for task in state.tasks.values()):
        raise Unlawful(f"'{path}' went on before a person confirmed that it is fit to.")
    return commands.settle(state, path)


def _failed(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    return commands.failed(state, text_in(body, "path"), text_in(body, "sentence"))


def _in_doubt(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    return commands.in_doubt(state, text_in(body, "path"), text_in(body, "sentence"))


def _requested(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    change, urgent = dict_in(body, "change"), body.get("urgent") is True
    return departures.request(state, change, text_in(body, "reason"), urgent, entry.actor, entry.recorded_at)


def _departure_decided(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    approve = body.get("status") not in ("rejected", "not_confirmed")
    reason = text_in(body, "reason")
    return departures.decide(state, text_in(body, "id"), approve, reason, entry.actor, entry.recorded_at)


def _overdue(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    return departures.miss(state, text_in(body, "id"), entry.recorded_at)


def _closed(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    return departures.close_deviation(state, text_in(body, "id"), text_in(body, "conclusion"), entry.actor)


def _corrected(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    number = whole_in(body, "entry")
    if not 0 < number <= len(before):
        raise Unlawful(f"It corrects entry {number}, which does not stand before it.")
    old, reason = before[number - 1], text_in(body, "reason")
    return corrections.correct(state, old, before, body.get("new"), reason, entry.actor)


def _limit_passed(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    limit = next((one for one in state.time_limits if one.is_named(body)), None)
    if limit is None:
        raise Unlawful(f"No time limit counted from {body.get('from')} of '{body.get('since')}'.")
    return procedure_actions.pass_limit(state, limit, entry.recorded_at)


def _voided(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    number = whole_in(body, "entry")
    if number not in state.by_hand:
        raise Unlawful(f"Entry {number} is no work by hand that still counted.")
    if not by_hand.may_void(state, number, entry.recorded_at):
        raise Unlawful(f"The work by hand of entry {number} still counted when it was voided.")
    return by_hand.void(state, number)


def _entered(state: BatchState, entry: Entry, body: PlainDict, before: Sequence[Entry]) -> Decision:
    return by_hand.enter(state, body, entry.actor, entry.happened_at or entry.recorded_at)


_DECIDERS: dict[str, Decider] = {
    "by_hand": _entered,
    "by_hand_voided": _voided,
    "time_limit_exceeded": _limit_passed,
    "state_changed": _state_changed,
    "step_failed": _failed,
    "step_in_doubt": _in_doubt,
    "departure_requested": _requested,
    "departure_decided": _departure_decided,
    "departure_overdue": _overdue,
    "deviation_closed": _closed,
    "corrected": _corrected,
}


# --- what is checked ------------------------------------------------------------------------------


def _evidence(state: BatchState, entry: Entry, body: PlainDict) -> None:
    """The digest is over the file's bytes: those of the text, or of what it stands for in base64."""
    if hashlib.sha256(_bytes_of(body)).hexdigest() != text_in(body, "digest"):
        raise Unlawful(
            f"The event file of {body.get('unit')} does not have the digest that is recorded for it."
        )


def _bytes_of(body: PlainDict) -> bytes:
    text, encoding = text_in(body, "text"), body.get("encoding")
    if encoding not in (None, "base64"):
        raise Unlawful(f"The event file of {body.get('unit')} is kept in an unknown encoding, {encoding}.")
    try:
        return text.encode() if encoding is None else base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Unlawful(f"The event file of {body.get('unit')} is said to be base64, and is not.") from error


def _unit_bound(state: BatchState, entry: Entry, body: PlainDict) -> None:
    role = text_in(body, "role")
    if role not in state.known_recipe().units:
        raise Unlawful(f"A unit was bound as '{role}', which the recipe does not ask for.")
    if role in state.units:
        raise Unlawful(f"A second unit was bound as '{role}' without a departure.")


def _answered(state: BatchState, entry: Entry, body: PlainDict) -> None:
    task = state.tasks.get(text_in(body, "task"))
    if task is None:
        raise Unlawful(f"No task {body.get('task')} was open.")
    _check_person(entry, task)
    if any(who == entry.actor.id for who, _ in task.answers):
        raise Unlawful(f"Task {task.id} needs a second person; {entry.actor.id} answered it twice.")
    if body.get("rejects") is True and not task.answers:
        raise Unlawful(f"Task {task.id} had no answer yet that {entry.actor.id} could reject.")


def _task_opened(state: BatchState, entry: Entry, body: PlainDict) -> None:
    if (kind := dict_in(body, "task").get("kind")) in ("failed", "in_doubt"):
        raise Unlawful(
            f"A person was asked about a step that is {str(kind).replace('_', ' ')}, and no entry says that it is."
        )


def _excursion(state: BatchState, entry: Entry, body: PlainDict) -> None:
    open_ = (text_in(body, "path"), text_in(body, "tag")) in state.excursions
    if open_ != (entry.kind == "excursion_ended"):
        raise Unlawful(
            f"An excursion of {body.get('tag')} {'started twice' if open_ else 'ended that had not started'}."
        )


def owes_deviation(state: BatchState, entry: Entry) -> bool:
    """Whether the next entry must open a deviation because of this one: a critical limit was left."""
    if entry.kind != "excursion_started" or entry.body is None:
        return False
    path, tag = text_in(entry.body, "path"), text_in(entry.body, "tag")
    node = find(state.known_recipe().procedure, path, state.progress)
    return isinstance(node, UnitProcedure) and any(
        limit.tag == tag and limit.critical for limit in node.limits
    )


def unsettled(state: BatchState) -> Iterator[tuple[int, str]]:
    """What should have been done before the batch ended: entry and sentence."""
    if state.ended:
        for found in state.departures.values():
            if found.status == "applied_unconfirmed":
                yield (
                    found.entry,
                    f"The departure {found.id} was applied, and quality assurance never confirmed it.",
                )
        yield from _unsaid(state)


def _unsaid(state: BatchState) -> Iterator[tuple[int, str]]:
    """Time limits that passed before the batch ended, and of which nothing was said."""
    for limit in state.time_limits:
        if limit.wakes is not None and state.ended_at is not None and limit.wakes + NOTICE < state.ended_at:
            yield (
                state.entries,
                f"The time limit after {limit.origin} passed at {limit.due}, and nobody was told.",
            )


def _discarded(state: BatchState, entry: Entry, body: PlainDict) -> None:
    """Only a hold discards a phase, and only where the recipe says so."""
    path = text_in(body, "path")
    call = find(state.known_recipe().procedure, path, state.progress)
    held = state.elements.get(owner(path, state.elements)) == "Holding"
    if not held or not isinstance(call, PhaseCall) or call.hold.otherwise != "discard":
        raise Unlawful(f"'{path}' was discarded where its recipe does not discard it.")


def _latched(state: BatchState, entry: Entry, body: PlainDict) -> None:
    """A condition latches only while its unit procedure does not run, and only if it holds."""
    path = text_in(body, "path")
    step, reply = state.step(path), body.get("reply")
    if state.elements.get(owner(path, state.elements)) == "Running" and state.state == "Running":
        raise Unlawful(f"Step {step.number} of '{path}' latched while its unit procedure was running.")
    asked = step.step
    if step.kind == "First":
        fired = decode(reply)
        options = dicts_in(step.step, "options")
        if not isinstance(fired, Fired) or not 0 <= fired.index < len(options):
            raise Unlawful(f"What latched does not say which option of step {step.number} it was.")
        asked, reply = options[fired.index], plain(fired.reply)
    if asked.get("step") != "Until":
        raise Unlawful(f"Step {step.number} of '{path}' waits for no condition that could latch.")
    _check_condition(asked, reply)


def _expiry(state: BatchState, entry: Entry, body: PlainDict) -> None:
    raise Unlawful("An expiry date was set where the recipe's rule gives none.")


_CHECKS: dict[str, Check] = {
    "evidence_kept": _evidence,
    "unit_bound": _unit_bound,
    "task_opened": _task_opened,
    "task_answered": _answered,
    "excursion_started": _excursion,
    "excursion_ended": _excursion,
    "expiry_set": _expiry,
    "phase_discarded": _discarded,
    "step_latched": _latched,
}


# --- replies --------------------------------------------------------------------------------------


def check_reply(state: BatchState, entry: Entry, body: PlainDict, contents: Mapping[str, PlainDict]) -> None:
    """Whether the recorded reply is one the step can have had then. Raises Unlawful.

    `contents`: what the tasks of the step ask, where it was computed anew; the record's own words
    cannot vouch for its replies.
    """
    step, reply = state.step(text_in(body, "path")), body.get("reply")
    if "by_hand" in body:
        _check_by_hand(state, entry, body, step)
        return
    if step.status != "asked":  # failed or in doubt: the reply is what a person decided
        if entry.actor.kind != "person" or body.get("task") not in [*state.closed]:
            raise Unlawful(
                f"Step {step.number} was {step.status.replace('_', ' ')}, and no person gave its outcome."
            )
        return
    if step.latched is not None and step.latched.get("reply") != reply:
        raise Unlawful(
            f"Step {step.number} had latched, and its reply is another than the one it latched with."
        )
    tasks = [
        replace(task, content=contents.get(task.id, task.content))
        for task in state.tasks.values()
        if task.path == body["path"] and task.step == step.number
    ]
    if step.kind == "First":
        _check_first(state, entry, step, reply, tasks)
    else:
        _check_reached(state, entry, step, 0, step.step, reply, tasks)


def _check_by_hand(state: BatchState, entry: Entry, body: PlainDict, step: OpenStep) -> None:
    """The outcome of work that people entered: it was asked for, still counted, and is what they entered."""
    number, path = whole_in(body, "by_hand"), text_in(body, "path")
    up = owner(path, state.elements)
    if number not in state.by_hand or not by_hand.counts(state, up, entry.recorded_at):
        raise Unlawful(
            f"Step {step.number} is recorded as done by hand, and entry {number} says no such work."
        )
    if step.status != "asked" or not by_hand.is_for(state, number, up, step.unit, step.step):
        raise Unlawful(
            f"Step {step.number} is recorded as done by hand, but entry {number} is other work than it asks for."
        )
    if body.get("reply") != plain(by_hand.outcome(state, number)):
        raise Unlawful(f"The reply to step {step.number} is not what was entered as done by hand.")


def _check_reached(
    state: BatchState, entry: Entry, step: OpenStep, index: int, asked: PlainDict, reply: Plain, tasks: list[Task]
) -> None:  # fmt: skip
    """A step, or the option of a First, that is recorded as reached: its time, its condition, its answer."""
    if asked.get("step") == "Wait":
        _check_due(entry, step, index, "wait")
    _check_condition(asked, reply)
    for task in tasks:
        _check_answer(state, entry, task, reply)


def _check_first(state: BatchState, entry: Entry, step: OpenStep, reply: Plain, tasks: list[Task]) -> None:
    options = dicts_in(step.step, "options")
    if not isinstance(reply, Mapping) or not isinstance(index := reply.get("fired"), int):
        raise Unlawful(f"The reply to step {step.number} does not say which of its options came first.")
    if not 0 <= index < len(step.dues):
        raise Unlawful(f"The reply to step {step.number} names the option {index}, which it does not have.")
    if index == len(options):
        _check_due(entry, step, index, "time limit")
        return
    answered = [task for task in tasks if task.option == index]
    _check_reached(state, entry, step, index, options[index], reply.get("reply"), answered)


def _check_due(entry: Entry, step: OpenStep, index: int, what: str) -> None:
    due = step.dues[index]
    if due is None or entry.recorded_at < due - EARLY:
        raise Unlawful(f"The {what} of step {step.number} is recorded as over before its time.")


def _check_condition(step: PlainDict, reply: Plain) -> None:
    if step.get("step") != "Until":
        return
    value = decode(reply)
    low, high = decode(step["at_least"]), decode(step["at_most"])
    if not isinstance(value, Quantity):
        raise Unlawful(f"The wait for {step['tag']} ended without a value.")
    if (isinstance(low, Quantity) and value < low) or (isinstance(high, Quantity) and value > high):
        raise Unlawful(f"The wait for {step['tag']} ended at {value}, where its condition does not hold.")


def _check_answer(state: BatchState, entry: Entry, task: Task, reply: Plain) -> None:
    """A reply that a person gave is one the task accepts: the same rules as when it was answered."""
    _check_person(entry, task)
    key = ANSWER_KEYS.get(task.kind)
    if key is not None:
        _check_accepted(state, task, key, reply)
    if task.people > len({*(who for who, _ in task.answers), entry.actor.id}):
        raise Unlawful(f"Task {task.id} needs {task.people} people, and fewer answered.")


def _check_accepted(state: BatchState, task: Task, key: str, reply: Plain) -> None:
    try:
        accepted = reply_of(state, task, {key: reply})
    except KweekError as error:
        raise Unlawful(f"The reply to task {task.id} is not one it accepts: {error}") from error
    if accepted != decode(reply):
        raise Unlawful(f"The reply to task {task.id} is not the answer it was given.")


def _check_person(entry: Entry, task: Task) -> None:
    """Who answered may answer, and signed where the task is signed (21 CFR 11.10(g), 11.50)."""
    body = entry.content()
    if entry.actor.kind != "person" or entry.actor.role not in ANSWERS_FOR.get(task.role, ()):
        raise Unlawful(
            f"Task {task.id} is for the role {task.role}; {entry.actor.id} answered as {entry.actor.role or 'none'}."
        )
    if task.kind in SIGNED and not isinstance(body.get("signature"), Mapping):
        raise Unlawful(f"Task {task.id} is signed, and its answer carries no signature.")
