"""What entries on tasks of people do to the state."""

from collections.abc import Iterable

from batches.entries import Entry
from batches.errors import RecordError
from batches.plain import PlainDict, dict_in, text_in, whole_in
from batches.record_state import RecordState, Task


def task_opened(state: RecordState, entry: Entry, body: PlainDict) -> None:
    open_task(state, entry, dict_in(body, "task"), text_in(body, "path"), 0)


def open_task(state: RecordState, entry: Entry, task: PlainDict, path: str, step: int) -> None:
    option = task.get("option")
    opened = Task(
        text_in(task, "id"), text_in(task, "kind"), path, text_in(task, "role"), dict_in(task, "content"),
        entry.recorded_at, entry.number, step, option if isinstance(option, int) else None, whole_in(task, "people"),
    )  # fmt: skip
    if opened.id in state.tasks or opened.id in state.closed:
        raise RecordError(f"the task {opened.id} was opened before")
    state.tasks[opened.id] = opened
    state.tasks_opened += 1


def task_answered(state: RecordState, entry: Entry, body: PlainDict) -> None:
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


def _let_go_on(state: RecordState, path: str) -> None:
    """A decision lets go on what is held for want of it, and nothing else."""
    if state.elements.get(path) in ("Holding", "Held"):
        state.goes_on.add(path)


def close_tasks(state: RecordState, entry: Entry, tasks: Iterable[Task]) -> None:
    for task in tasks:
        _close_task(state, task, entry)


def _close_task(state: RecordState, task: Task, entry: Entry) -> None:
    del state.tasks[task.id]
    state.closed[task.id] = (entry.actor.id, entry.recorded_at)
