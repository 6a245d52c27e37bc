"""The batch record: what the entries of a batch's stream add up to.

The state of a batch is the fold of its entries and nothing else. `BatchState.apply` takes one entry
at a time in constant time; an entry that cannot follow the ones before it raises RecordError naming
it, so that the same code serves the engine, the console and the verifier. What may be added to a
record is decided in `batches/commands.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from batches.entries import Entry, moment
from batches.errors import MALFORMED, KweekError, RecordError
from batches.plain import Plain, PlainDict, dict_in, dicts_in, list_in, text_in, whole_in
from batches.procedure import Progress, find
from batches.quantities import Quantity
from batches.recipe import PhaseCall, Recipe
from batches.recipe_reader import from_content, phase_call
from batches.states import ENDED, STATES, State
from batches.steps import Value, decode
from batches.time_limits import RunningLimit, counting, ends, lost, read_counted


@dataclass(slots=True)
class OpenStep:
    """The step a phase waits for. `status`: asked, failed, in_doubt, retry (a person decided so). `dues` are absolute: one for a
    Wait; for a First one per option (None for others) and its `within` last."""

    number: int
    attempt: int
    step: PlainDict
    status: str
    command: str
    unit: str
    dues: tuple[datetime | None, ...]
    entry: int
    asked_at: datetime
    latched: PlainDict | None = None

    @property
    def kind(self) -> str:
        return text_in(self.step, "step")


@dataclass(slots=True)
class OpenPhase:
    """A phase that has started and not finished, with the replies it was given so far."""

    path: str
    phase: str
    version: int
    parameters: PlainDict
    started_at: datetime
    entry: int
    history: list[tuple[PlainDict, Plain]] = field(default_factory=list[tuple[PlainDict, Plain]])
    open: OpenStep | None = None


@dataclass(slots=True)
class Task:
    """Something a person is asked. `kind`: ask, decide, scan, sign, consume, label, sample, result,
    work (by hand), prompt (of a device), in_doubt, failed, restart, make_safe, dispose, reconcile.
    `content` is the plain form shown: text, role, fields, options, given, expects.
    `answers`: who has answered so far and what (two for a verified or two-person task); none again
    once the second person has rejected what the first answered."""

    id: str
    kind: str
    path: str
    role: str
    content: PlainDict
    opened_at: datetime
    entry: int
    step: int = 0
    option: int | None = None
    people: int = 1
    answers: list[tuple[str, Plain]] = field(default_factory=list[tuple[str, Plain]])


@dataclass(slots=True)
class Deviation:
    """A quality record: something departed from what the recipe or a rule demands."""

    id: str
    severity: str
    text: str
    path: str
    entry: int
    status: str = "open"


@dataclass(slots=True)
class Departure:
    """An authorised change to this batch. `status`: requested, applied, applied_unconfirmed,
    confirmed, rejected."""

    id: str
    change: PlainDict
    reason: str
    requested_by: str
    entry: int
    urgent: bool = False
    """Cells cannot wait: a second person applies it, and quality assurance confirms later."""
    status: str = "requested"
    people: list[str] = field(default_factory=list[str])
    confirm_by: datetime | None = None
    overdue: bool = False
    """It was not confirmed in time, and the record says so."""

    @property
    def wakes(self) -> datetime | None:
        """When somebody must be told that it is not confirmed; None if nobody must."""
        return None if self.overdue else self.confirm_by


@dataclass(frozen=True, slots=True)
class Use:
    """Material used or made: entry, lot, quantity."""

    material: str
    lot: str
    quantity: Quantity
    path: str
    entry: int


@dataclass(slots=True)
class BatchState:
    """The fold of one batch's stream."""

    number: str = ""
    recipe: Recipe | None = None
    identity: str = ""
    simulated: bool = False
    priority: int = 0
    """Who gets units first: the higher, then the older."""
    created_at: datetime | None = None
    ended_at: datetime | None = None
    entries: int = 0
    elements: dict[str, State] = field(default_factory=lambda: cast("dict[str, State]", {"": "Idle"}))
    """State of the procedure ('') and of each unit procedure begun."""
    since: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When each element got into its state."""
    progress: Progress = field(default_factory=Progress)
    phases: dict[str, OpenPhase] = field(default_factory=dict[str, OpenPhase])
    tasks: dict[str, Task] = field(default_factory=dict[str, Task])
    closed: dict[str, tuple[str, datetime]] = field(default_factory=dict[str, tuple[str, datetime]])
    units: dict[str, str] = field(default_factory=dict[str, str])
    """Unit bound to each role."""
    used: list[Use] = field(default_factory=list[Use])
    made: list[Use] = field(default_factory=list[Use])
    samples: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    results: dict[str, dict[str, Value]] = field(default_factory=dict[str, dict[str, Value]])
    labels: dict[str, PlainDict] = field(default_factory=dict[str, PlainDict])
    deviations: dict[str, Deviation] = field(default_factory=dict[str, Deviation])
    departures: dict[str, Departure] = field(default_factory=dict[str, Departure])
    corrections: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    excursions: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """Excursions that are open, by unit procedure and tag: the entry that says so."""
    outside_since: dict[tuple[str, str], datetime] = field(default_factory=dict[tuple[str, str], datetime])
    """Since when the tag of an open excursion is outside."""
    by_hand: dict[int, PlainDict] = field(default_factory=dict[int, PlainDict])
    """Work done by hand during an outage and not yet matched to a step, by entry."""
    caught_up_from: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When each unit procedure ran again after it was last reconciled: what was done by hand counts then."""
    set_points: dict[str, dict[str, Value]] = field(default_factory=dict[str, dict[str, Value]])
    """Last set-point per unit and tag."""
    time_limits: list[RunningLimit] = field(default_factory=list[RunningLimit])
    """Time limits that count, in the order in which they began."""
    expiry: datetime | None = None
    tasks_opened: int = 0
    samples_taken: int = 0
    signatures: list[int] = field(default_factory=list[int])
    goes_on: set[str] = field(default_factory=set[str])
    """Unit procedures that a person's decision lets go on once they are held."""
    held_by_people: set[str] = field(default_factory=set[str])
    """Elements that a person holds: only a person's command restarts them."""
    overrun: set[str] = field(default_factory=set[str])
    """Unit procedures whose hold has lasted longer than allowed, as is recorded."""
    in_care: bool = False
    """Stopped or aborted with material that two people have not yet disposed of."""

    @property
    def state(self) -> State:
        return self.elements[""]

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to the batch by itself: it has ended, no material of it is in care,
        and no departure waits to be confirmed in time."""
        return self.ended and not self.units and all(d.wakes is None for d in self.departures.values())

    def known_recipe(self) -> Recipe:
        if self.recipe is None:
            raise RecordError(f"The stream of batch {self.number or '?'} does not begin with batch_created.")
        return self.recipe

    def phase(self, path: str) -> OpenPhase:
        if path not in self.phases:
            raise RecordError(f"No phase is open at '{path}'.")
        return self.phases[path]

    def step(self, path: str) -> OpenStep:
        found = self.phase(path).open
        if found is None:
            raise RecordError(f"The phase '{path}' waits for no step.")
        return found

    def apply(self, entry: Entry) -> None:
        """Fold one entry. Raises RecordError naming the entry if it cannot stand here."""
        if entry.number != self.entries + 1:
            raise RecordError(
                f"Entry {self.entries + 1} is missing: {entry.number} ({entry.kind}) stands there."
            )
        handler = HANDLERS.get(entry.kind)
        if handler is None:
            raise RecordError(f"Entry {entry.number} is of the unknown kind '{entry.kind}'.")
        if (self.entries == 0) != (entry.kind == "batch_created"):
            raise RecordError(
                f"Entry {entry.number} is {entry.kind}: batch_created stands first and only there."
            )
        try:
            handler(self, entry, entry.content())
        except KweekError as error:
            raise RecordError(f"Entry {entry.number} ({entry.kind}) cannot stand here: {error}") from error
        except MALFORMED as error:
            raise RecordError(
                f"Entry {entry.number} ({entry.kind}) holds a member of another shape than its kind has: "
                f"{type(error).__name__}: {error}"
            ) from error
        self.entries = entry.number


def fold(entries: Iterable[Entry]) -> BatchState:
    """The state after the entries. Raises RecordError at the first that cannot stand."""
    state = BatchState()
    for entry in entries:
        state.apply(entry)
    return state


def _batch_created(state: BatchState, entry: Entry, body: PlainDict) -> None:
    recipe = from_content(dict_in(body, "content"))
    if recipe.digest != text_in(body, "digest"):
        raise RecordError("the recipe kept in it has another digest than the one named")
    state.number = text_in(body, "number")
    state.recipe = recipe
    state.identity = text_in(body, "identity")
    state.simulated = body.get("simulated") is True
    state.priority = whole_in(body, "priority") if "priority" in body else 0
    state.created_at = entry.recorded_at
    state.progress.values = {name: parameter.value for name, parameter in recipe.formula.items()}


def _state_changed(state: BatchState, entry: Entry, body: PlainDict) -> None:
    path, before, after = text_in(body, "path"), text_in(body, "from"), text_in(body, "to")
    if state.elements.get(path) != before or after not in STATES:
        raise RecordError(f"'{path or 'batch'}' is {state.elements.get(path)}, not {before}")
    state.elements[path] = after
    state.since[path] = entry.recorded_at
    _forget_hold(state, entry, path, before, after)
    if after == "Running":
        state.caught_up_from.setdefault(path, entry.recorded_at)
    if after in ("Stopped", "Aborted"):
        below = [
            task for task in state.tasks.values() if path == "" or f"{task.path}/".startswith(f"{path}/")
        ]
        _close_tasks(state, entry, [task for task in below if task.kind != "dispose"])
    if path == "":
        state.ended_at = entry.recorded_at if after in ENDED else None
        state.in_care = after in ("Stopped", "Aborted") and bool(state.units)


def _forget_hold(state: BatchState, entry: Entry, path: str, before: str, after: str) -> None:
    """What is known of a hold lasts as long as the hold; a question about a restart as long as that."""
    if before == "Restarting":
        _close_tasks(
            state, entry, [t for t in state.tasks.values() if t.kind == "restart" and t.path == path]
        )
    if after == "Holding" and entry.actor.kind == "person":
        state.held_by_people.add(path)
    if after not in ("Holding", "Held"):
        for hold in (state.goes_on, state.held_by_people, state.overrun):
            hold.discard(path)


def _hold_overrun(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.overrun.add(text_in(body, "path"))


def _unit_bound(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.units[text_in(body, "role")] = text_in(body, "unit")


def _unit_unbound(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.units.pop(text_in(body, "role"), None)
    if not state.units:
        state.in_care = False


def _unit_procedure_started(state: BatchState, entry: Entry, body: PlainDict) -> None:
    path = text_in(body, "path")
    state.progress.started[path] = entry.number
    state.elements[path] = "Running"


def _unit_procedure_finished(state: BatchState, entry: Entry, body: PlainDict) -> None:
    path = text_in(body, "path")
    state.progress.finished.add(path)
    state.elements[path] = "Complete"


def _phase_started(state: BatchState, entry: Entry, body: PlainDict) -> None:
    path = text_in(body, "path")
    if path in state.progress.started:
        raise RecordError(f"the phase '{path}' was started before")
    state.progress.started[path] = entry.number
    state.phases[path] = OpenPhase(
        path, text_in(body, "phase"), whole_in(body, "version"), dict_in(body, "parameters"),
        entry.recorded_at, entry.number,
    )  # fmt: skip
    procedure = state.known_recipe().procedure
    state.time_limits = [one for one in state.time_limits if not ends(one, path, procedure, state.progress)]
    state.time_limits = counting(state.time_limits, read_counted(path, "start", body))


def _phase_finished(state: BatchState, entry: Entry, body: PlainDict) -> None:
    path = text_in(body, "path")
    phase = state.phase(path)
    if phase.open is not None:
        raise RecordError(f"the phase '{path}' still waits for step {phase.open.number}")
    del state.phases[path]
    state.progress.finished.add(path)
    results = cast("Mapping[str, Value]", decode(dict_in(body, "results")))
    for name in list_in(body, "names"):
        state.progress.values[cast("str", name)] = results
    state.time_limits = counting(state.time_limits, read_counted(path, "end", body))


def _time_limit_exceeded(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.time_limits = [replace(one, said=True) if one.is_named(body) else one for one in state.time_limits]


def _phase_discarded(state: BatchState, entry: Entry, body: PlainDict) -> None:
    path = state.phase(text_in(body, "path")).path
    del state.phases[path]
    state.progress.skipped.add(path)
    _left_out(state, path)
    _close_tasks(state, entry, [task for task in state.tasks.values() if task.path == path])


def _step_asked(state: BatchState, entry: Entry, body: PlainDict) -> None:
    phase = state.phase(text_in(body, "path"))
    number, attempt = whole_in(body, "number"), whole_in(body, "attempt")
    _check_order(phase, number, attempt)
    dues = tuple(None if due is None else moment(cast("str", due)) for due in list_in(body, "dues"))
    phase.open = OpenStep(
        number, attempt, dict_in(body, "step"), "asked", text_in(body, "command"), text_in(body, "unit"), dues,
        entry.number, entry.recorded_at,
    )  # fmt: skip
    for task in dicts_in(body, "tasks"):
        _open_task(state, entry, task, phase.path, number)


def _check_order(phase: OpenPhase, number: int, attempt: int) -> None:
    if phase.open is None and (number, attempt) == (len(phase.history) + 1, 1):
        return
    last = phase.open
    retry = last is not None and last.status == "retry" and number == last.number
    if not retry or last is None or attempt != last.attempt + 1:
        raise RecordError(f"step {number} attempt {attempt} is out of order in '{phase.path}'")


def _step_latched(state: BatchState, entry: Entry, body: PlainDict) -> None:
    step = state.step(text_in(body, "path"))
    if step.latched is not None or (step.number, step.attempt) != (
        whole_in(body, "number"),
        whole_in(body, "attempt"),
    ):
        raise RecordError(f"step {step.number} of '{body['path']}' cannot latch now")
    step.latched = body
    _close_tasks(
        state,
        entry,
        [task for task in state.tasks.values() if task.path == body["path"] and task.step == step.number],
    )


def _step_done(state: BatchState, entry: Entry, body: PlainDict) -> None:
    phase = state.phase(text_in(body, "path"))
    step = state.step(phase.path)
    if (step.number, step.attempt) != (whole_in(body, "number"), whole_in(body, "attempt")):
        raise RecordError(f"'{phase.path}' waits for step {step.number} attempt {step.attempt}")
    reply = body.get("reply")
    phase.history.append((step.step, reply))
    phase.open = None
    _close_tasks(state, entry, [task for task in state.tasks.values() if task.path == phase.path])
    if "by_hand" in body:
        _credited(state, body, "by_hand")
    _note_reply(state, entry, phase.path, step, reply)


def _note_reply(state: BatchState, entry: Entry, path: str, step: OpenStep, reply: Plain) -> None:
    match step.kind:
        case "Set":
            value = decode(step.step["value"])
            state.set_points.setdefault(step.unit, {})[text_in(step.step, "tag")] = value
        case "Consume" | "Produce" if isinstance(reply, str):
            amount = cast("Quantity", decode(step.step["quantity"]))
            use = Use(text_in(step.step, "material"), reply, amount, path, entry.number)
            (state.used if step.kind == "Consume" else state.made).append(use)
        case "Sample" if isinstance(reply, str):
            state.samples.setdefault(text_in(step.step, "name"), []).append(reply)
            state.samples_taken += 1
        case "Result" if isinstance(reply, Mapping):
            found = cast("Mapping[str, Value]", decode(reply))
            state.results.setdefault(text_in(step.step, "sample"), {}).update(found)
        case "Label" if isinstance(reply, Mapping):
            state.labels[text_in(step.step, "material")] = reply
        case _:
            return


def _step_status(status: str) -> "Callable[[BatchState, Entry, PlainDict], None]":
    def handler(state: BatchState, entry: Entry, body: PlainDict) -> None:
        step = state.step(text_in(body, "path"))
        if step.status != "asked":
            raise RecordError(f"step {step.number} is {step.status}, not asked")
        step.status = status

    return handler


def _step_repeated(state: BatchState, entry: Entry, body: PlainDict) -> None:
    step = state.step(text_in(body, "path"))
    if step.status == "done":
        raise RecordError("a step that is done is never repeated")


def _calculated(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.progress.finished.add(text_in(body, "path"))
    state.progress.values[text_in(body, "name")] = decode(body.get("value"))


def _chosen(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.progress.chosen[text_in(body, "path")] = whole_in(body, "option")


def _iterated(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.progress.iteration[text_in(body, "path")] = whole_in(body, "iteration")


def _repeat_finished(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.progress.finished.add(text_in(body, "path"))


def _task_opened(state: BatchState, entry: Entry, body: PlainDict) -> None:
    _open_task(state, entry, dict_in(body, "task"), text_in(body, "path"), 0)


def _open_task(state: BatchState, entry: Entry, task: PlainDict, path: str, step: int) -> None:
    option = task.get("option")
    opened = Task(
        text_in(task, "id"), text_in(task, "kind"), path, text_in(task, "role"), dict_in(task, "content"),
        entry.recorded_at, entry.number, step, option if isinstance(option, int) else None, whole_in(task, "people"),
    )  # fmt: skip
    if opened.id in state.tasks or opened.id in state.closed:
        raise RecordError(f"the task {opened.id} was opened before")
    state.tasks[opened.id] = opened
    state.tasks_opened += 1


def _task_answered(state: BatchState, entry: Entry, body: PlainDict) -> None:
    task = state.tasks.get(text_in(body, "task"))
    if task is None:
        raise RecordError(f"no task {body.get('task')} is open")
    if body.get("rejects") is True:
        task.answers.clear()
        return
    task.answers.append((entry.actor.id, body.get("answer")))
    if isinstance(goes_on := body.get("goes_on"), str):
        _let_go_on(state, goes_on)
    if body.get("retry") is True:
        state.step(task.path).status = "retry"
    if body.get("closes") is True:
        if task.kind == "reconcile":
            state.caught_up_from.pop(task.path, None)
        _close_task(state, task, entry)


def _let_go_on(state: BatchState, path: str) -> None:
    """A decision lets go on what is held for want of it, and nothing else."""
    if state.elements.get(path) in ("Holding", "Held"):
        state.goes_on.add(path)


def _close_tasks(state: BatchState, entry: Entry, tasks: Iterable[Task]) -> None:
    for task in tasks:
        _close_task(state, task, entry)


def _close_task(state: BatchState, task: Task, entry: Entry) -> None:
    del state.tasks[task.id]
    state.closed[task.id] = (entry.actor.id, entry.recorded_at)


def _deviation_opened(state: BatchState, entry: Entry, body: PlainDict) -> None:
    found = Deviation(
        text_in(body, "id"),
        text_in(body, "severity"),
        text_in(body, "text"),
        text_in(body, "path"),
        entry.number,
    )
    state.deviations[found.id] = found


def _deviation_closed(state: BatchState, entry: Entry, body: PlainDict) -> None:
    found = state.deviations.get(text_in(body, "id"))
    if found is None or found.status != "open":
        raise RecordError(f"no deviation {body.get('id')} is open")
    found.status = "closed"


def _departure_requested(state: BatchState, entry: Entry, body: PlainDict) -> None:
    found = Departure(
        text_in(body, "id"), dict_in(body, "change"), text_in(body, "reason"), entry.actor.id, entry.number,
        body.get("urgent") is True,
    )  # fmt: skip
    found.people.append(entry.actor.id)
    state.departures[found.id] = found


def _departure_decided(state: BatchState, entry: Entry, body: PlainDict) -> None:
    found = state.departures.get(text_in(body, "id"))
    if found is None:
        raise RecordError(f"no departure {body.get('id')} was requested")
    found.status = text_in(body, "status")
    found.people.append(entry.actor.id)
    due = body.get("confirm_by")
    found.confirm_by = moment(due) if isinstance(due, str) else None
    if found.status in ("applied", "applied_unconfirmed"):
        _amend(state, found.change)


def _departure_overdue(state: BatchState, entry: Entry, body: PlainDict) -> None:
    found = state.departures.get(text_in(body, "id"))
    if found is None or found.status != "applied_unconfirmed":
        raise RecordError(f"no departure {body.get('id')} waits for its confirmation")
    found.overdue = True


def _left_out(state: BatchState, path: str) -> None:
    """What is left out is no longer waited for."""
    state.time_limits = [one for one in state.time_limits if not lost(one, path)]


def _amend(state: BatchState, change: PlainDict) -> None:
    progress = state.progress
    match change.get("kind"):
        case "skip":
            progress.skipped.add(text_in(change, "path"))
            _left_out(state, text_in(change, "path"))
            for name, value in dict_in(change, "values").items():
                progress.values[name] = decode(value)
        case "add":
            call = phase_call(dict_in(change, "phase"))
            progress.added.setdefault(text_in(change, "after"), []).append(call)
        case "repeat":
            node = find(state.known_recipe().procedure, text_in(change, "path"), progress)
            if not isinstance(node, PhaseCall):
                raise RecordError(f"'{change.get('path')}' is not a phase")
            progress.added.setdefault(text_in(change, "after"), []).append(
                replace(node, name=text_in(change, "name"))
            )
        case "parameter":
            target = progress.changed.setdefault(text_in(change, "path"), {})
            target[text_in(change, "name")] = decode(change["value"])
        case "formula":
            progress.values[text_in(change, "name")] = decode(change["value"])
        case "unit":
            state.units[text_in(change, "role")] = text_in(change, "unit")
        case other:
            raise RecordError(f"a departure of the kind '{other}' is unknown")


def _corrected(state: BatchState, entry: Entry, body: PlainDict) -> None:
    old = whole_in(body, "entry")
    if not 0 < old < entry.number:
        raise RecordError(f"it corrects entry {old}, which does not stand before it")
    state.corrections.setdefault(old, []).append(entry.number)
    if "sample" in body:
        found = cast("Mapping[str, Value]", decode(dict_in(body, "new")))
        state.results.setdefault(text_in(body, "sample"), {}).update(found)


def _excursion_started(state: BatchState, entry: Entry, body: PlainDict) -> None:
    key = (text_in(body, "path"), text_in(body, "tag"))
    state.excursions[key] = entry.number
    state.outside_since[key] = moment(text_in(body, "since"))


def _excursion_ended(state: BatchState, entry: Entry, body: PlainDict) -> None:
    key = (text_in(body, "path"), text_in(body, "tag"))
    state.excursions.pop(key, None)
    state.outside_since.pop(key, None)


def _by_hand(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.by_hand[entry.number] = body


def _by_hand_voided(state: BatchState, entry: Entry, body: PlainDict) -> None:
    _credited(state, body, "entry")


def _credited(state: BatchState, body: PlainDict, member: str) -> None:
    """Work by hand counts once, or not at all."""
    if state.by_hand.pop(whole_in(body, member), None) is None:
        raise RecordError(f"entry {body[member]} is no work by hand that still counts")


def _expiry_set(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.expiry = moment(text_in(body, "expires"))


def _signed(state: BatchState, entry: Entry, body: PlainDict) -> None:
    state.signatures.append(entry.number)


def _kept(state: BatchState, entry: Entry, body: PlainDict) -> None:
    """An entry that is evidence and changes nothing: notes, refusals, readings, files."""


Handler = Callable[[BatchState, Entry, PlainDict], None]
HANDLERS: dict[str, Handler] = {
    "batch_created": _batch_created,
    "state_changed": _state_changed,
    "unit_bound": _unit_bound,
    "unit_unbound": _unit_unbound,
    "unit_procedure_started": _unit_procedure_started,
    "unit_procedure_finished": _unit_procedure_finished,
    "phase_started": _phase_started,
    "phase_finished": _phase_finished,
    "phase_discarded": _phase_discarded,
    "step_asked": _step_asked,
    "step_latched": _step_latched,
    "step_done": _step_done,
    "step_failed": _step_status("failed"),
    "step_in_doubt": _step_status("in_doubt"),
    "step_repeated": _step_repeated,
    "calculated": _calculated,
    "chosen": _chosen,
    "iterated": _iterated,
    "repeat_finished": _repeat_finished,
    "task_opened": _task_opened,
    "task_answered": _task_answered,
    "deviation_opened": _deviation_opened,
    "deviation_closed": _deviation_closed,
    "departure_requested": _departure_requested,
    "departure_decided": _departure_decided,
    "departure_overdue": _departure_overdue,
    "corrected": _corrected,
    "excursion_started": _excursion_started,
    "excursion_ended": _excursion_ended,
    "by_hand": _by_hand,
    "by_hand_voided": _by_hand_voided,
    "expiry_set": _expiry_set,
    "signed": _signed,
    "refused": _kept,
    "time_limit_exceeded": _time_limit_exceeded,
    "time_limit_undercut": _kept,
    "evidence_kept": _kept,
    "safe_asked": _kept,
    "safe_reached": _kept,
    "safe_failed": _kept,
    "set_restored": _kept,
    "engine_recovered": _kept,
    "hold_overrun": _hold_overrun,
    "tag_silent": _kept,
    "tag_heard": _kept,
    "disposed": _kept,
    "note_added": _kept,
}  # fmt: skip
"""Every kind of entry of a batch's stream (version 1), with what it does to the state."""
