"""Every kind of entry in words: what it says, the old and the new value, the reason, and where.

An entry of a kind that has no wording of its own still gets a line with everything its body says:
nothing is left out because nobody thought of it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from batches.entries import Entry
from batches.plain import Plain, PlainDict, dict_in
from batches.report.words import bounds, limits_text, plainly, reply_text, shown, step_text


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
        return Said(f"{plainly(entry.kind).capitalize()}: the content was erased; the proof is left")
    about = _SAID.get(entry.kind)
    return _anything(entry.kind, entry.body) if about is None else about(entry.body, known)


Reader = Callable[[PlainDict, Known], Said]


def _anything(kind: str, body: PlainDict) -> Said:
    rest = {name: value for name, value in body.items() if name not in ("path", "reason")}
    return Said(plainly(kind).capitalize(), "", shown(rest), _in(body, "reason"), _in(body, "path"))


def _in(body: PlainDict, name: str) -> str:
    return shown(body.get(name))


def _plain_words(words: str, new: str = "", reason: str = "reason") -> Reader:
    """A kind that reads as `words` with the body's members put in, and its member `new` as the value."""

    def said(body: PlainDict, known: Known) -> Said:
        members = {name: shown(value) for name, value in body.items()}
        what = words.format_map(_Members(members))
        return Said(what, "", _in(body, new) if new else "", _in(body, reason), _in(body, "path"))

    return said


class _Members(dict[str, str]):
    """Members of a body by name; one that is not there reads as nothing."""

    def __missing__(self, name: str) -> str:
        return ""


# --- batch ----------------------------------------------------------------------------------------


def _created(body: PlainDict, known: Known) -> Said:
    identity = f", chain of identity {body['identity']}" if body.get("identity") else ""
    simulated = ", SIMULATED" if body.get("simulated") is True else ""
    what = f"Batch created from the recipe {body.get('recipe')} version {body.get('recipe_version')}{identity}{simulated}"
    return Said(what, "", f"recipe digest {body.get('digest')}; software {body.get('software')}")


def _state(body: PlainDict, known: Known) -> Said:
    return Said(
        f"State of {'the unit procedure' if body.get('path') else 'the batch'}: {body.get('cause')}",
        _in(body, "from"), _in(body, "to"), _in(body, "reason"), _in(body, "path"),
    )  # fmt: skip


def _phase_started(body: PlainDict, known: Known) -> Said:
    what = f"Phase {body.get('phase')}@{body.get('version')} started"
    return Said(what, "", shown(dict_in(body, "parameters")), limits_text(body, "start"), _in(body, "path"))


def _phase_finished(body: PlainDict, known: Known) -> Said:
    return Said(
        "Phase finished", "", shown(dict_in(body, "results")), limits_text(body, "end"), _in(body, "path")
    )


def _calculated(body: PlainDict, known: Known) -> Said:
    what = f"Calculated {body.get('name')} = {body.get('expression')}"
    inputs = shown(dict_in(body, "inputs"))
    return Said(what, "", shown(body.get("value")), f"from {inputs}" if inputs else "", _in(body, "path"))


def _chosen(body: PlainDict, known: Known) -> Said:
    option, inputs = body.get("option"), shown(dict_in(body, "inputs"))
    number = option + 1 if isinstance(option, int) else option
    why = f"{body['condition']} holds" if body.get("condition") else "none of the conditions holds"
    return Said(
        f"Option {number} chosen: {why}", "", "", f"from {inputs}" if inputs else "", _in(body, "path")
    )


def _repeated(body: PlainDict, known: Known) -> Said:
    met = (
        "its condition holds"
        if body.get("satisfied") is True
        else "its condition does not hold, the bound is reached"
    )
    inputs = shown(dict_in(body, "inputs"))
    return Said(
        f"Repeat ended after round {body.get('iterations')}: {met}",
        "",
        "",
        f"from {inputs}" if inputs else "",
        _in(body, "path"),
    )


# --- steps ----------------------------------------------------------------------------------------


def _step(body: PlainDict) -> str:
    attempt = body.get("attempt")
    return f"Step {body.get('number')}" + (f" attempt {attempt}" if attempt != 1 else "")


def _asked(body: PlainDict, known: Known) -> Said:
    unit = f" on {body['unit']}" if body.get("unit") else ""
    return Said(f"{_step(body)} asked{unit}: {step_text(dict_in(body, 'step'))}", where=_in(body, "path"))


_KEYS = frozenset({"path", "number", "attempt", "reply", "reason"})


def _done(body: PlainDict, known: Known) -> Said:
    step = known.step(body)
    new = shown(body.get("reply")) if step is None else reply_text(step, body.get("reply"))
    more = beside({name: value for name, value in body.items() if name not in _KEYS})
    return Said(
        f"{_step(body)} done" + (f" ({more})" if more else ""),
        "",
        new,
        _in(body, "reason"),
        _in(body, "path"),
    )


def beside(more: PlainDict) -> str:
    """What an answer or outcome says beside its value."""
    return ", ".join(text for name, value in more.items() if (text := _beside(name, value)))


def _beside(name: str, value: Plain) -> str:
    match name, value:
        case "signature", Mapping():
            return f"signed by {value.get('name')}: {value.get('meaning')}"
        case "late", Mapping():
            return (
                f"late entry, happened {_in(value, 'happened_at')}, performed by {value.get('performer')}, checked by "
                f"{value.get('checker')}, entered by {value.get('transcriber')}: {value.get('reason')}"
            )
        case "task" | "decision", str():
            return value
        case _:
            return f"{plainly(name)} {shown(value)}".strip()


def _trouble(word: str) -> Reader:
    def said(body: PlainDict, known: Known) -> Said:
        return Said(
            f"{_step(body)} {word}", "", "", _in(body, "sentence") or _in(body, "why"), _in(body, "path")
        )

    return said


def _task(body: PlainDict, known: Known) -> Said:
    task = dict_in(body, "task")
    what = f"Task {task.get('id')} opened for {task.get('role')}: {_in(dict_in(task, 'content'), 'text')}"
    return Said(what, where=_in(body, "path"))


def _answered(body: PlainDict, known: Known) -> Said:
    more = beside(
        {
            name: value
            for name, value in body.items()
            if name not in ("task", "answer", "closes", "retry", "rejects")
        }
    )
    word = "rejected by the second person" if body.get("rejects") is True else "answered"
    what = f"Task {body.get('task')} {word}" + (f" ({more})" if more else "")
    return Said(what, "", shown(body.get("answer")), _in(body, "reason"), _in(body, "path"))


# --- quality --------------------------------------------------------------------------------------


def change_text(change: PlainDict) -> str:
    """A departure's change, as a line a reviewer reads."""
    match change.get("kind"):
        case "skip":
            values = shown(change.get("values"))
            return f"skip '{change.get('path')}'" + (f", with {values}" if values else "")
        case "parameter":
            return f"'{change.get('path')}': {plainly(_in(change, 'name'))} is {_in(change, 'value')}"
        case "formula":
            return f"formula: {plainly(_in(change, 'name'))} is {_in(change, 'value')}"
        case "repeat":
            return f"repeat '{change.get('path')}' after '{change.get('after')}'"
        case "add":
            return f"after '{change.get('after')}' add {_in(change, 'phase')}"
        case _:
            return shown(change)


def _requested(body: PlainDict, known: Known) -> Said:
    urgent = ", urgent" if body.get("urgent") is True else ""
    return Said(
        f"Departure {body.get('id')} requested{urgent}",
        "",
        change_text(dict_in(body, "change")),
        _in(body, "reason"),
    )


def _decided(body: PlainDict, known: Known) -> Said:
    due = f", to be confirmed by {_in(body, 'confirm_by')}" if body.get("confirm_by") else ""
    return Said(
        f"Departure {body.get('id')}: {plainly(_in(body, 'status'))}{due}", "", "", _in(body, "reason")
    )


def _corrected(body: PlainDict, known: Known) -> Said:
    affected = f"; entries that followed from it: {_in(body, 'affected')}" if body.get("affected") else ""
    old = shown(known.replaced(body))
    return Said(f"Entry {body.get('entry')} corrected{affected}", old, _in(body, "new"), _in(body, "reason"))


def _excursion(word: str) -> Reader:
    def said(body: PlainDict, known: Known) -> Said:
        limits = bounds(body.get("low"), body.get("high"))
        worst = f", worst {_in(body, 'worst')}" if body.get("worst") is not None else ""
        what = f"{plainly(_in(body, 'tag')).capitalize()} of {body.get('unit')} {word} since {_in(body, 'since')}"
        return Said(f"{what} (limits: {limits}{worst})", "", _in(body, "value"), "", _in(body, "path"))

    return said


def _evidence(body: PlainDict, known: Known) -> Said:
    text = _in(body, "text")
    in_base64 = body.get("encoding") == "base64"
    size = len(text) // 4 * 3 - text.count("=") if in_base64 else len(text.encode("utf-8"))
    return Said(
        f"Event file of {body.get('unit')} kept",
        "",
        f"{size} bytes, SHA-256 {body.get('digest')}",
        "",
        _in(body, "path"),
    )


# --- other streams --------------------------------------------------------------------------------


def _recipe(word: str) -> Reader:
    def said(body: PlainDict, known: Known) -> Said:
        what = f"Recipe {body.get('recipe')} version {body.get('recipe_version')} {word}"
        return Said(what, "", f"digest {body['digest']}" if "digest" in body else "", _in(body, "reason"))

    return said


_SAID: dict[str, Reader] = {
    "batch_created": _created,
    "state_changed": _state,
    "unit_bound": _plain_words("{unit} bound as {role}"),
    "unit_unbound": _plain_words("{unit} given back, was {role}"),
    "unit_procedure_started": _plain_words("Unit procedure started", "units"),
    "unit_procedure_finished": _plain_words("Unit procedure finished"),
    "phase_started": _phase_started,
    "phase_finished": _phase_finished,
    "calculated": _calculated,
    "chosen": _chosen,
    "iterated": _plain_words("Round {iteration} begun"),
    "repeat_finished": _repeated,
    "step_asked": _asked,
    "step_done": _done,
    "step_latched": _plain_words("Step {number}: its condition came about during the hold", "reply"),
    "phase_discarded": _plain_words("Phase discarded by the hold"),
    "step_failed": _trouble("failed"),
    "step_in_doubt": _trouble("in doubt"),
    "step_repeated": _trouble("repeated"),
    "task_opened": _task,
    "task_answered": _answered,
    "deviation_opened": _plain_words("Deviation {id} opened, {severity}", "text"),
    "deviation_closed": _plain_words("Deviation {id} closed", "conclusion"),
    "departure_requested": _requested,
    "departure_decided": _decided,
    "departure_overdue": _plain_words("Departure {id} not confirmed by {due}"),
    "by_hand_voided": _plain_words("The work done by hand of entry {entry} counts for no step"),
    "corrected": _corrected,
    "refused": _plain_words("Refused: {what}", reason="sentence"),
    "time_limit_exceeded": _plain_words(
        "Time limit exceeded: at most {limit} after the {from} of '{since}', due {due}"
    ),
    "time_limit_undercut": _plain_words(
        "Begun too early: at least {limit} after the {from} of '{since}', from {opens} on"
    ),
    "hold_overrun": _plain_words("Hold too long", reason="sentence"),
    "excursion_started": _excursion("out of limits"),
    "excursion_ended": _excursion("within limits again; was out"),
    "tag_silent": _excursion("gives no good value"),
    "tag_heard": _excursion("gives good values again; was silent"),
    "alarm_acknowledged": _plain_words("Alarm of {tag} of {unit} acknowledged", reason="reason"),
    "alarm_reset": _plain_words("Latched alarm of {tag} of {unit} reset", reason="reason"),
    "alarm_shelved": _plain_words("Alarm of {tag} of {unit} shelved until {until}", reason="reason"),
    "alarm_unshelved": _plain_words("Alarm of {tag} of {unit} shown again", reason="reason"),
    "evidence_kept": _evidence,
    "expiry_set": _plain_words("Expiry date set, counted from '{after}'", "expires"),
    "note_added": _plain_words("Note", "text"),
    "engine_recovered": _plain_words("No system from {away_since} to {away_until}", "text"),
    "safe_asked": _plain_words("{unit}: safe state '{safe}' asked"),
    "safe_reached": _plain_words("{unit}: safe state '{safe}' reached"),
    "safe_failed": _plain_words("{unit}: safe state '{safe}' not confirmed", reason="sentence"),
    "set_restored": _plain_words("{unit}: set-point {tag} given again", "value"),
    "disposed": _plain_words("Material disposed of", "units"),
    "recipe_submitted": _recipe("submitted"),
    "recipe_approved": _recipe("approved"),
    "recipe_superseded": _recipe("superseded"),
    "recipe_withdrawn": _recipe("withdrawn"),
    "lot_received": _plain_words(
        "Lot {lot} of {material} received, {status}; supplier lot {supplier_lot}, expires {expires}",
        "quantity",
    ),
    "lot_produced": _plain_words(
        "Lot {lot} of {material} made by {batch} in {containers} containers from {parents}; {status}",
        "quantity",
    ),
    "lot_released": _plain_words("Lot released"),
    "lot_rejected": _plain_words("Lot rejected"),
    "lot_conditionally_accepted": _plain_words("Lot accepted conditionally"),
    "lot_opened": _plain_words("Lot opened, to be used by {use_by}"),
    "lot_thawed": _plain_words("Lot thawed, to be used by {use_by}"),
    "lot_consumed": _plain_words("Used by {batch}", "quantity"),
    "unit_commissioned": _plain_words("{unit} commissioned, {class}"),
    "unit_allocated": _plain_words("Given to {batch} as {role} {position}"),
    "unit_released": _plain_words("Given back by {batch}; to be cleaned: {to_be_cleaned}"),
    "unit_cleaned": _plain_words("Cleaned ({method}), verified by {verified_by}"),
}
