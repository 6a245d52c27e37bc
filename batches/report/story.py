"""The procedure as it was executed: what each phase was given, asked and got, by whom and when.

One pass over the entries in order; everything is text for the report, except what says where it is
from (entry numbers).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from batches.entries import Entry
from batches.plain import Plain, PlainDict, dict_in, text_in
from batches.procedure import find, owner
from batches.quantities import is_quantity
from batches.recipe import Criterion, Parameter, PhaseCall, Recipe
from batches.record import BatchState
from batches.report.bundle import Bundle
from batches.report.sentences import Known, say
from batches.report.words import bounds, clock, limits_text, plainly, reply_text, shown, step_text, who
from batches.steps import plain


@dataclass(slots=True)
class Line:
    """A value in the report: what it is called, the value, its limits, and whether it was changed."""

    label: str
    value: str
    limits: str = ""
    changed: str = ""


@dataclass(slots=True)
class StepStory:
    """A step: what was asked, what came of it, who did it, what is remarkable about it."""

    number: int
    text: str
    unit: str
    asked: str
    entries: list[int]
    step: PlainDict
    lines: list[Line] = field(default_factory=list[Line])
    done: str = ""
    people: list[str] = field(default_factory=list[str])
    marks: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class PhaseStory:
    """A phase, with the parameters it was started with and the results it returned."""

    path: str
    phase: str
    started: str
    entry: int
    parameters: list[Line]
    steps: list[StepStory] = field(default_factory=list[StepStory])
    results: list[Line] = field(default_factory=list[Line])
    finished: str = ""
    note: str = ""


@dataclass(slots=True)
class UnitStory:
    """A unit procedure ('' for what the procedure itself did): its units, and what happened in order."""

    path: str
    units: str = ""
    started: str = ""
    finished: str = ""
    items: "list[PhaseStory | Line]" = field(default_factory=list["PhaseStory | Line"])


REMARKABLE = ("decision", "reason", "by_hand", "repeated", "reconciled")
LATE = (("performed", "performer"), ("checked", "checker"), ("entered", "transcriber"))


class Story:
    """Collects the story while the record is folded: `tell` each entry after it was applied."""

    def __init__(self, bundle: Bundle) -> None:
        self.units: dict[str, UnitStory] = {"": UnitStory("")}
        self._bundle = bundle
        self._known = Known(bundle.entries)
        self._open: dict[str, PhaseStory] = {}
        self._answers: dict[str, list[tuple[str, str]]] = {}
        self._steps: dict[int, StepStory] = {}

    def tell(self, entry: Entry, state: BatchState) -> None:
        """Take one entry; `state` is that after it."""
        teller = _TELLERS.get(entry.kind)
        if teller is not None and entry.body is not None:
            teller(self, entry, entry.body, state)

    def _unit(self, path: str, state: BatchState) -> UnitStory:
        return self.units[owner(path, self.units)]

    def _step(self, body: PlainDict) -> StepStory | None:
        found = self._open.get(text_in(body, "path"))
        return found.steps[-1] if found is not None and found.steps else None

    # --- the procedure --------------------------------------------------------------------------------

    def unit_started(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        path, units = text_in(body, "path"), dict_in(body, "units")
        bound = ", ".join(f"{unit} ({plainly(role)})" for role, unit in units.items())
        self.units[path] = UnitStory(path, bound, clock(entry.recorded_at))

    def unit_finished(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        self.units[text_in(body, "path")].finished = clock(entry.recorded_at)

    def decided(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        """A calculation, choice or repeat of the procedure."""
        said = say(entry, self._known)
        value = said.new if said.old == "" else f"{said.old} → {said.new}"
        label = f"{said.what} ({said.reason})" if said.reason else said.what
        self._unit(text_in(body, "path"), state).items.append(Line(f"{entry.number}  {label}", value))

    # --- phases ---------------------------------------------------------------------------------------

    def phase_started(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        path, recipe = text_in(body, "path"), state.known_recipe()
        given, asked = dict_in(body, "parameters"), _asked_for(recipe, path, state)
        lines = [
            Line(plainly(name), shown(value), proven(recipe, asked.get(name)))
            for name, value in given.items()
            if shown(value)
        ]
        found = PhaseStory(
            path, f"{body.get('phase')}@{body.get('version')}", clock(entry.recorded_at), entry.number, lines,
            note=limits_text(body, "start"),
        )  # fmt: skip
        self._open[path] = found
        self._unit(path, state).items.append(found)

    def phase_finished(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        found = self._open.pop(text_in(body, "path"))
        found.finished = clock(entry.recorded_at)
        found.results = [
            Line(plainly(name), shown(value))
            for name, value in dict_in(body, "results").items()
            if shown(value)
        ]
        found.note = " ".join(part for part in (found.note, limits_text(body, "end")) if part)

    # --- steps ----------------------------------------------------------------------------------------

    def asked(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        step, phase = dict_in(body, "step"), self._open[text_in(body, "path")]
        number, attempt = body.get("number"), body.get("attempt")
        if phase.steps and phase.steps[-1].number == number:
            phase.steps[-1].marks.append(f"attempt {attempt}, asked {clock(entry.recorded_at)}")
            phase.steps[-1].entries.append(entry.number)
            return
        assert isinstance(number, int)  # the fold has read it as one
        told = StepStory(
            number, step_text(step), text_in(body, "unit"), clock(entry.recorded_at), [entry.number], step
        )
        phase.steps.append(told)

    def answered(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        """The first of two people; who closes the task stands in the outcome."""
        if body.get("rejects") is True:
            self._answers.pop(text_in(body, "task"), None)
            return
        by = f"{who(entry.actor, self._bundle)}, {clock(entry.recorded_at)}"
        self._answers.setdefault(text_in(body, "task"), []).append((entry.actor.id, by))

    def done(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        told = self._step(body)
        if told is None:
            return
        told.done = clock(entry.recorded_at)
        told.entries.append(entry.number)
        told.lines = outcome(told.step, body.get("reply"), state)
        more = extras(body)
        told.people = self._people(entry, more)
        told.marks += self._marks(entry, more)
        self._steps[entry.number] = told

    def _people(self, entry: Entry, more: PlainDict) -> list[str]:
        by = who(entry.actor, self._bundle)
        task = more.get("task")
        earlier = self._answers.get(task, []) if isinstance(task, str) else []
        if "performer" in more and earlier:
            return [f"performed: {earlier[0][1]}", f"verified: {by}"]
        return [by]

    def _marks(self, entry: Entry, more: PlainDict) -> list[str]:
        """What is remarkable about an outcome."""
        found = [f"{plainly(name)}: {shown(more[name])}" for name in REMARKABLE if name in more]
        if isinstance(late := more.get("late"), Mapping):
            people = (f"{word} by {self._name(late.get(key))}" for word, key in LATE)
            found.append(f"late entry: {', '.join(people)}; {late.get('reason')}")
        if entry.happened_at is not None:
            found.append(f"happened {clock(entry.happened_at)}, entered {clock(entry.recorded_at)}")
        if "fired" in more and "due" in more:
            found.append(f"the timer was due {shown(more['due'])}")
        if isinstance(signed := more.get("signature"), Mapping):
            found.append(f"signed: {signed.get('name')}, {signed.get('meaning')}")
        return found

    def _name(self, person: Plain) -> str:
        return self._bundle.person(shown(person)).name or shown(person)

    def trouble(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        told = self._step(body)
        if told is not None:
            told.marks.append(
                f"{say(entry, self._known).what}: {body.get('sentence') or body.get('why') or ''}"
            )
            told.entries.append(entry.number)

    def corrected(self, entry: Entry, body: PlainDict, state: BatchState) -> None:
        """A value changed since it was entered carries a mark on every print (Annex 11 clause 8.2)."""
        number = body.get("entry")
        told = self._steps.get(number) if isinstance(number, int) else None
        if told is None:
            return
        before = {line.label: line.value for line in outcome(told.step, self._known.replaced(body), state)}
        by = f"{who(entry.actor, self._bundle)}, {clock(entry.recorded_at)}, entry {entry.number}"
        told.lines = outcome(told.step, body.get("new"), state)
        for line in told.lines:
            was = before.get(line.label, "nothing")
            line.changed = "" if was == line.value else f"changed, was {was}: {body.get('reason')} ({by})"


def extras(body: PlainDict) -> PlainDict:
    """What an outcome says beside its reply: task, signature, late entry, work by hand and the like."""
    more = body.get("more")
    rest = {
        name: value
        for name, value in body.items()
        if name not in ("path", "number", "attempt", "reply", "more")
    }
    return {**rest, **more} if isinstance(more, Mapping) else rest


def _asked_for(recipe: Recipe, path: str, state: BatchState) -> Mapping[str, object]:
    node = find(recipe.procedure, path, state.progress)
    return node.parameters if isinstance(node, PhaseCall) else {}


def proven(recipe: Recipe, asked: object) -> str:
    """The proven range of a formula value that a phase takes as it is."""
    name = asked[1:] if isinstance(asked, str) and asked.startswith("$") else ""
    found: Parameter | None = recipe.formula.get(name)
    if found is None:
        return ""
    low, high = (None if bound is None else bound.plain() for bound in (found.low, found.high))
    return bounds(low, high) + (" (critical)" if found.critical else "")


def outcome(step: PlainDict, reply: Plain, state: BatchState) -> list[Line]:
    """The values that came of a step, each with the limits that belong to it."""
    fields = step.get("fields")
    if isinstance(reply, Mapping) and reply and not is_quantity(reply) and step.get("step") != "First":
        limits = _limits(step, state, fields if isinstance(fields, Mapping) else {})
        return [Line(plainly(name), shown(value), limits(name)) for name, value in reply.items()]
    return [Line("", reply_text(step, reply), _condition(step))]


def _condition(step: PlainDict) -> str:
    if step.get("step") == "Until":
        return bounds(step.get("at_least"), step.get("at_most"))
    return ""


def _limits(step: PlainDict, state: BatchState, fields: PlainDict) -> Callable[[str], str]:
    def of(name: str) -> str:
        if step.get("step") == "Result":
            return "; ".join(
                criterion_text(c) for c in _criteria(state.known_recipe(), step.get("sample"), name)
            )
        asked = fields.get(name)
        if not isinstance(asked, Mapping) or (asked.get("low"), asked.get("high")) == (None, None):
            return ""
        return f"plausible {bounds(asked.get('low'), asked.get('high'))}"

    return of


def _criteria(recipe: Recipe, sample: Plain, attribute: str) -> list[Criterion]:
    return [c for c in recipe.specification.values() if (c.sample, c.attribute) == (sample, attribute)]


def criterion_text(criterion: Criterion) -> str:
    """The limits of a specification attribute."""
    if criterion.equals:
        return criterion.equals
    low, high = (plain(bound) for bound in (criterion.at_least, criterion.at_most))
    return bounds(low, high)


Teller = Callable[[Story, Entry, PlainDict, BatchState], None]
_TELLERS: dict[str, Teller] = {
    "unit_procedure_started": Story.unit_started,
    "unit_procedure_finished": Story.unit_finished,
    "calculated": Story.decided,
    "chosen": Story.decided,
    "iterated": Story.decided,
    "repeat_finished": Story.decided,
    "phase_started": Story.phase_started,
    "phase_finished": Story.phase_finished,
    "step_asked": Story.asked,
    "task_answered": Story.answered,
    "step_done": Story.done,
    "step_failed": Story.trouble,
    "step_in_doubt": Story.trouble,
    "step_repeated": Story.trouble,
    "corrected": Story.corrected,
}
