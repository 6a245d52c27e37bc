"""Corrections of what was entered: a new entry that names the old one and says why.

A correction never alters a reply that was replayed. The right value has to be one that could have been
entered then, by somebody who may enter it; what was asked, decided or calculated since is named, and
opens a deviation; the last results of a sample are judged as corrected.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from batches.commands import Decision, deviation
from batches.entries import Actor, Draft, Entry
from batches.errors import BadInput, NotPermitted, RecordError, Refused
from batches.plain import Plain, PlainDict, dict_in, dicts_in, list_in, text_in, whole_in
from batches.quantities import Quantity
from batches.record import BatchState
from batches.record_state import Task
from batches.steps import Fired, Value, decode, plain
from batches.tasks import ANSWER_KEYS, ANSWERS_FOR, reply_of

CORRECTABLE = frozenset({"step_done", "task_answered", "note_added", "by_hand"})
NAMED = 8
"""How many of the entries that followed are named in the sentence; the entry names all."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the corrected entry answered: the step's plain form ({} if none), and its task, if it had one."""

    step: PlainDict
    task: Task | None


def correct(
    state: BatchState, entry: Entry, entries: Sequence[Entry], new: Plain, reason: str, actor: Actor
) -> Decision:
    """Correct an entry of a batch. `entries`: all of the batch so far. Raises BadInput, Refused."""
    if entry.kind not in CORRECTABLE:
        raise Refused(f"Entry {entry.number} is {entry.kind}; only what a person entered can be corrected.")
    if entry.actor.kind != "person":
        raise Refused(f"Entry {entry.number} was entered by no person; only what a person entered can be.")
    if not reason.strip():
        raise BadInput("A correction needs a reason (Annex 11 clause 9); say what was wrong.")
    before, later = entries[: entry.number - 1], entries[entry.number :]
    asked = _asked(state, entry, before)
    _check_role(entry, asked, actor)
    old = _now(entry, later)
    value = _right_value(state, entry, asked, old, new)
    if value == old:
        raise BadInput(
            f"The correction of entry {entry.number} says the same as before; enter the right value."
        )
    affected = [*_affected(entry, later)]
    body: dict[str, Plain] = {
        "entry": entry.number, "old": old, "new": value, "reason": reason, "affected": affected,
    }  # fmt: skip
    if sample := _judged_sample(entry, asked, later):
        body["sample"] = sample
    yield Draft("corrected", body, actor)
    if affected:
        sentence = f"Entry {entry.number} was corrected after {_named(affected)} had followed from it; judge them again."
        path = entry.content().get("path")
        yield deviation(state, "major", sentence, path if isinstance(path, str) else "", entry.number)


def _named(affected: Sequence[int]) -> str:
    more = f" and {len(affected) - NAMED} more" if len(affected) > NAMED else ""
    return f"entries {', '.join(map(str, affected[:NAMED]))}{more}"


# --- what was asked -----------------------------------------------------------------------------------


def _asked(state: BatchState, entry: Entry, before: Sequence[Entry]) -> _Asked:
    """The step and the task that the entry answered, from the entries before it."""
    body = entry.content()
    if entry.kind == "task_answered":
        return _Asked({}, _task(before, text_in(body, "task")))
    if entry.kind != "step_done":
        return _Asked({}, None)
    where = (body.get("path"), body.get("number"), body.get("attempt"))
    for other in [each for each in reversed(before) if each.kind == "step_asked"]:
        asked = other.content()
        if (asked.get("path"), asked.get("number"), asked.get("attempt")) == where:
            decided = "decision" in body  # the outcome of a failed or doubtful step, not of its task
            return _Asked(dict_in(asked, "step"), None if decided else _task_for(other, asked, body))
    return _Asked({}, None)


def _task_for(entry: Entry, asked: PlainDict, done: PlainDict) -> Task | None:
    """The task of the step, or of the option that came first."""
    reply = done.get("reply")
    option = reply.get("fired") if isinstance(reply, Mapping) else None
    found = [task for task in dicts_in(asked, "tasks") if task.get("option") in (None, option)]
    return _read_task(entry, found[0], text_in(asked, "path")) if found else None


def _task(before: Sequence[Entry], identity: str) -> Task | None:
    for other in reversed(before):
        body = other.content()
        if other.kind in ("step_asked", "task_opened"):
            opened = dicts_in(body, "tasks") if other.kind == "step_asked" else [dict_in(body, "task")]
            for task in opened:
                if task.get("id") == identity:
                    return _read_task(other, task, text_in(body, "path"))
    return None


def _read_task(entry: Entry, task: PlainDict, path: str) -> Task:
    return Task(
        text_in(task, "id"), text_in(task, "kind"), path, text_in(task, "role"), dict_in(task, "content"),
        entry.recorded_at, entry.number, people=whole_in(task, "people"),
    )  # fmt: skip


def _check_role(entry: Entry, asked: _Asked, actor: Actor) -> None:
    role = entry.actor.role if asked.task is None else asked.task.role
    may = ANSWERS_FOR.get(role, (role,))
    if actor.role not in may:
        raise NotPermitted(
            f"Entry {entry.number} is corrected by {' or '.join(may)}, who may enter it; your role is {actor.role}."
        )


# --- the right value ----------------------------------------------------------------------------------


def _now(entry: Entry, later: Sequence[Entry]) -> Plain:
    """What the entry says by now: what it said, or what it was last corrected to."""
    body = entry.content()
    said = body.get("reply", body.get("answer", body.get("text", body.get("results"))))
    for other in later:
        if other.kind == "corrected" and other.content().get("entry") == entry.number:
            said = other.content().get("new")
    return said


def _right_value(state: BatchState, entry: Entry, asked: _Asked, old: Plain, new: Plain) -> Plain:
    """The right value, checked as it would have been when it was entered. Raises BadInput."""
    if asked.task is None:
        given = _read(new)
        _check_like(f"The right value of entry {entry.number}", _read(old), given)
        return plain(given)
    if entry.kind == "task_answered":
        reply_of(state, asked.task, new)
        return plain(_read(new))
    was = _read(old)
    if isinstance(was, Fired):
        return plain(replace(was, reply=_accepted(state, asked.task, _reply_in(entry, was, new))))
    return plain(_accepted(state, asked.task, new))


def _accepted(state: BatchState, task: Task, new: Plain) -> Value:
    return reply_of(state, task, {ANSWER_KEYS.get(task.kind, "confirmed"): new})


def _reply_in(entry: Entry, was: Fired, new: Plain) -> Plain:
    if not isinstance(new, Mapping) or new.get("fired") != was.index or set(new) != {"fired", "reply"}:
        raise BadInput(
            f"Which option came first is no value: correct entry {entry.number} as "
            f"{{'fired': {was.index}, 'reply': …}}."
        )
    return new["reply"]


def _read(new: Plain) -> Value:
    try:
        return decode(new)
    except RecordError as error:
        raise BadInput(f"The right value cannot be read: {error.__cause__ or error}") from error


def _check_like(what: str, old: Value, new: Value) -> None:
    """A value of the same form and dimension as the one it replaces."""
    if type(old) is not type(new):
        raise BadInput(f"{what} has another form than '{plain(old)}'; give it in the same form.")
    if isinstance(old, Quantity) and isinstance(new, Quantity):
        new.to(old.unit)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        if old.keys() != new.keys():
            raise BadInput(
                f"{what} names {', '.join(new) or 'nothing'}; it has {', '.join(old) or 'nothing'}."
            )
        for name, value in old.items():
            _check_like(f"{what}: '{name}'", value, new[name])
    elif isinstance(new, str) and not 0 < len(new.strip()) <= 4000:
        raise BadInput(f"{what} needs a text of 1 to 4000 characters.")


# --- what followed ------------------------------------------------------------------------------------


def _affected(entry: Entry, later: Sequence[Entry]) -> Iterator[int]:
    """What the phase asked and gave afterwards, what another answer of the same step said, and what was
    calculated or chosen from its results."""
    path = entry.content().get("path")
    names: set[str] = set()
    for other in later:
        body = other.content()
        if other.kind == "phase_finished" and path is not None and body.get("path") == path:
            names |= {name for name in list_in(body, "names") if isinstance(name, str)}
        inputs = body.get("inputs")
        read = isinstance(inputs, Mapping) and names & inputs.keys()
        if read and other.kind == "calculated":
            names.add(text_in(body, "name"))
        if read or (path is not None and other.kind in _FOLLOWS and body.get("path") == path):
            yield other.number


_FOLLOWS = ("step_asked", "phase_finished")
"""Entries of the same phase that followed from the replies before them."""


def _judged_sample(entry: Entry, asked: _Asked, later: Sequence[Entry]) -> str:
    """The sample whose last results the entry gives: the specification judges the corrected ones."""
    if asked.step.get("step") != "Result":
        return ""
    sample = text_in(asked.step, "sample")
    again = [
        (body.get("path"), body.get("number"))
        for body in (other.content() for other in later if other.kind == "step_asked")
        if dict_in(body, "step").get("step") == "Result" and dict_in(body, "step").get("sample") == sample
    ]
    done = [
        (other.content().get("path"), other.content().get("number"))
        for other in later
        if other.kind == "step_done"
    ]
    return "" if any(one in done for one in again) else sample
