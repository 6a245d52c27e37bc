"""What entries on the batch itself, its states and its units do to the state."""

from batches.entries import Entry
from batches.errors import RecordError
from batches.handlers.tasks import close_tasks
from batches.plain import PlainDict, dict_in, text_in, whole_in
from batches.recipe_reader import from_content
from batches.record_state import RecordState
from batches.states import ENDED, STATES


def batch_created(state: RecordState, entry: Entry, body: PlainDict) -> None:
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


def state_changed(state: RecordState, entry: Entry, body: PlainDict) -> None:
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
        close_tasks(state, entry, [task for task in below if task.kind != "dispose"])
    if path == "":
        state.ended_at = entry.recorded_at if after in ENDED else None
        state.in_care = after in ("Stopped", "Aborted") and bool(state.units)


def _forget_hold(state: RecordState, entry: Entry, path: str, before: str, after: str) -> None:
    """What is known of a hold lasts as long as the hold; a question about a restart as long as that."""
    if before == "Restarting":
        close_tasks(state, entry, [t for t in state.tasks.values() if t.kind == "restart" and t.path == path])
    if after == "Holding" and entry.actor.kind == "person":
        state.held_by_people.add(path)
    if after not in ("Holding", "Held"):
        for hold in (state.goes_on, state.held_by_people, state.overrun):
            hold.discard(path)


def hold_overrun(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.overrun.add(text_in(body, "path"))


def unit_bound(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.units[text_in(body, "role")] = text_in(body, "unit")


def unit_unbound(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.units.pop(text_in(body, "role"), None)
    if not state.units:
        state.in_care = False


def unit_procedure_started(state: RecordState, entry: Entry, body: PlainDict) -> None:
    path = text_in(body, "path")
    state.progress.started[path] = entry.number
    state.elements[path] = "Running"


def unit_procedure_finished(state: RecordState, entry: Entry, body: PlainDict) -> None:
    path = text_in(body, "path")
    state.progress.finished.add(path)
    state.elements[path] = "Complete"
