"""What entries on phases, time limits and the actions of the procedure do to the state."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from batches.entries import Entry
from batches.errors import RecordError
from batches.handlers.tasks import close_tasks
from batches.plain import PlainDict, dict_in, list_in, text_in, whole_in
from batches.record_state import OpenPhase, RecordState
from batches.steps import Value, decode
from batches.time_limits import counting, ends, lost, read_counted


def phase_started(state: RecordState, entry: Entry, body: PlainDict) -> None:
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


def phase_finished(state: RecordState, entry: Entry, body: PlainDict) -> None:
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


def time_limit_exceeded(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.time_limits = [replace(one, said=True) if one.is_named(body) else one for one in state.time_limits]


def phase_discarded(state: RecordState, entry: Entry, body: PlainDict) -> None:
    path = state.phase(text_in(body, "path")).path
    del state.phases[path]
    state.progress.skipped.add(path)
    left_out(state, path)
    close_tasks(state, entry, [task for task in state.tasks.values() if task.path == path])


def left_out(state: RecordState, path: str) -> None:
    """What is left out is no longer waited for."""
    state.time_limits = [one for one in state.time_limits if not lost(one, path)]


def calculated(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.progress.finished.add(text_in(body, "path"))
    state.progress.values[text_in(body, "name")] = decode(body.get("value"))


def chosen(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.progress.chosen[text_in(body, "path")] = whole_in(body, "option")


def iterated(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.progress.iteration[text_in(body, "path")] = whole_in(body, "iteration")


def repeat_finished(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.progress.finished.add(text_in(body, "path"))
