"""The audit trail: every entry of the export as one line that a person reads.

Who, in which role, when, where, what, the old and the new value and the reason (21 CFR 11.10(e),
EU GMP Annex 11 clause 9). An entry of a kind that has no wording of its own still gets a line with
everything its body says: nothing is left out because nobody thought of it.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from batches.entries import Entry, leaf_hash, stamp
from batches.plain import Plain, PlainDict, dict_in
from batches.report.bundle import Bundle
from batches.report.words import NBSP, plainly, reply_text, shown, step_text

COLUMNS = (
    "stream", "number", "recorded_at", "happened_at", "kind", "who", "name", "user_name", "role",
    "where", "what", "old", "new", "reason", "leaf_hash",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What an entry says, in words."""

    what: str
    old: str = ""
    new: str = ""
    reason: str = ""
    where: str = ""


class Known:
    """The entries of one stream by number, and the step that each outcome belongs to."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = {entry.number: entry for entry in entries}
        self._steps = {
            _key_of(entry.body): dict_in(entry.body, "step")
            for entry in self.entries.values() if entry.kind == "step_asked" and entry.body is not None
        }  # fmt: skip

    def step(self, body: PlainDict) -> PlainDict | None:
        """The step an outcome belongs to."""
        return self._steps.get(_key_of(body))

    def replaced(self, body: PlainDict) -> Plain:
        """What a correction replaces: as it says itself, else what the entry it names says."""
        number = body.get("entry")
        named = self.entries.get(number) if isinstance(number, int) else None
        if "old" in body or named is None or named.body is None:
            return body.get("old")
        return next((named.body[name] for name in ("reply", "answer", "text") if name in named.body), None)


def _key_of(body: PlainDict) -> tuple[Plain, ...]:
    return body.get("path"), body.get("number"), body.get("attempt")


def say(entry: Entry, known: Known) -> Said:
    """An entry in words. `known`: what its stream holds, for what it refers to."""
    if entry.body is None:
        return Said(f"{plainly(entry.kind)}: the content was erased; the proof is left")
    about = _SAID.get(entry.kind)
    return _anything(entry.kind, entry.body) if about is None else about(entry.body, known)


Reader = Callable[[PlainDict, Known], Said]


def _anything(kind: str, body: PlainDict) -> Said:
    rest = {name: value for name, value in body.items() if name not in ("path", "reason")}
    return Said(plainly(kind).capitalize(), "", shown(rest), _text(body, "reason"), _text(body, "path"))


def _text(body: PlainDict, name: str) -> str:
    return shown(body.get(name))


def _created(body: PlainDict, known: Known) -> Said:
    identity = f", chain of identity {body['identity']}" if body.get("identity") else ""
    simulated = ", SIMULATED" if body.get("simulated") is True else ""
    what = f"Batch created from the recipe {body.get('recipe')} version {body.get('recipe_version')}{identity}{simulated}"
    return Said(what, "", f"recipe digest {body.get('digest')}; software {body.get('software')}")


def _state(body: PlainDict, known: Known) -> Said:
    return Said(
        f"State of {'the unit procedure' if body.get('path') else 'the batch'}: {body.get('cause')}",
        _text(body, "from"), _text(body, "to"), _text(body, "reason"), _text(body, "path"),
    )  # fmt: skip


def _phase_started(body: PlainDict, known: Known) -> Said:
    what = f"Phase {body.get('phase')}@{body.get('version')} started"
    return Said(what, "", shown(dict_in(body, "parameters")), "", _text(body, "path"))


def _phase_finished(body: PlainDict, known: Known) -> Said:
    then = (
        f"; next within {body['then_within']}, by {body.get('then_due')}" if body.get("then_within") else ""
    )
    return Said("Phase finished", "", shown(dict_in(body, "results")) + then, "", _text(body, "path"))


def _key(body: PlainDict) -> str:
    attempt = body.get("attempt")
    return f"Step {body.get('number')}" + (f" attempt {attempt}" if attempt != 1 else "")


def _asked(body: PlainDict, known: Known) -> Said:
    unit = f" on {body['unit']}" if body.get("unit") else ""
    return Said(f"{_key(body)} asked{unit}: {step_text(dict_in(body, 'step'))}", where=_text(body, "path"))


_STEP_KEYS = frozenset({"path", "number", "attempt", "reply", "reason"})


def _done(body: PlainDict, known: Known) -> Said:
    step = known.step(body)
    new = shown(body.get("reply")) if step is None else reply_text(step, body.get("reply"))
    more = shown({name: value for name, value in body.items() if name not in _STEP_KEYS})
    return Said(
        f"{_key(body)} done" + (f" ({more})" if more else ""),
        "",
        new,
        _text(body, "reason"),
        _text(body, "path"),
    )


def _trouble(word: str) -> Reader:
    def said(body: PlainDict, known: Known) -> Said:
        return Said(f"{_key(body)} {word}", "", "", _text(body, "sentence"), _text(body, "path"))

    return said


def _calculated(body: PlainDict, known: Known) -> Said:
    what = f"Calculated {body.get('name')} = {body.get('expression')}"
    inputs = shown(dict_in(body, "inputs"))
    return Said(what, "", shown(body.get("value")), f"from {inputs}" if inputs else "", _text(body, "path"))


def _task(body: PlainDict, known: Known) -> Said:
    task = dict_in(body, "task")
    what = f"Task {task.get('id')} opened for {task.get('role')}: {_text(dict_in(task, 'content'), 'text')}"
    return Said(what, where=_text(body, "path"))


def _answered(body: PlainDict, known: Known) -> Said:
    return Said(
        f"Task {body.get('task')} answered",
        "",
        shown(body.get("answer")),
        _text(body, "reason"),
        _text(body, "path"),
    )


def _deviation(body: PlainDict, known: Known) -> Said:
    what = f"Deviation {body.get('id')} opened ({body.get('severity')})"
    return Said(what, "", _text(body, "text"), "", _text(body, "path"))


def _departure(body: PlainDict, known: Known) -> Said:
    change = shown(dict_in(body, "change"))
    return Said(f"Departure {body.get('id')} requested", "", change, _text(body, "reason"))


def _decided(body: PlainDict, known: Known) -> Said:
    return Said(f"Departure {body.get('id')} decided", "", _text(body, "status"), _text(body, "reason"))


def _corrected(body: PlainDict, known: Known) -> Said:
    old = known.replaced(body)
    what = f"Entry {body.get('entry')} corrected"
    return Said(what, shown(old), shown(body.get("new")), _text(body, "reason"), _text(body, "path"))


def _refused(body: PlainDict, known: Known) -> Said:
    return Said(f"Refused: {body.get('what')}", "", "", _text(body, "sentence"), _text(body, "path"))


def _late_start(body: PlainDict, known: Known) -> Said:
    what = (
        f"Time limit exceeded: at most {body.get('limit')} after '{body.get('since')}', due {body.get('due')}"
    )
    return Said(what, where=_text(body, "path"))


def _recipe(word: str) -> Reader:
    def said(body: PlainDict, known: Known) -> Said:
        what = f"Recipe {body.get('recipe')} version {body.get('recipe_version')} {word}"
        return Said(what, "", f"digest {body['digest']}" if "digest" in body else "", _text(body, "reason"))

    return said


_SAID: dict[str, Reader] = {
    "batch_created": _created,
    "state_changed": _state,
    "phase_started": _phase_started,
    "phase_finished": _phase_finished,
    "step_asked": _asked,
    "step_done": _done,
    "step_failed": _trouble("failed"),
    "step_in_doubt": _trouble("in doubt"),
    "calculated": _calculated,
    "task_opened": _task,
    "task_answered": _answered,
    "deviation_opened": _deviation,
    "departure_requested": _departure,
    "departure_decided": _decided,
    "corrected": _corrected,
    "refused": _refused,
    "time_limit_exceeded": _late_start,
    "recipe_submitted": _recipe("submitted"),
    "recipe_approved": _recipe("approved"),
    "recipe_superseded": _recipe("superseded"),
    "recipe_withdrawn": _recipe("withdrawn"),
}


def audit_csv(bundle: Bundle) -> bytes:
    """audit.csv: every entry of every stream of the export, one line each, UTF-8, RFC 4180.

    A cell that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for copy in bundle.streams:
        known = Known(copy.entries)
        writer.writerows(map(safe, _row(entry, known, bundle)) for entry in copy.entries)
    return text.getvalue().encode("utf-8")


def _row(entry: Entry, known: Known, bundle: Bundle) -> Iterator[str]:
    said = say(entry, known)
    person = bundle.person(entry.actor.id)
    happened = "" if entry.happened_at is None else stamp(entry.happened_at)
    yield from (entry.stream, str(entry.number), stamp(entry.recorded_at), happened, entry.kind)
    yield from (entry.actor.id, person.name, person.user_name, entry.actor.role)
    yield from (said.where, said.what, said.old, said.new, said.reason, leaf_hash(entry.leaf()))


def safe(cell: str) -> str:
    """A cell without no-break blanks and line ends, and never a formula."""
    flat = " ".join(cell.replace(NBSP, " ").split())
    number = flat[1:2].isdigit() and flat[0] in "+-"
    return f"'{flat}" if flat[:1] in tuple("=+-@") and not number else flat
