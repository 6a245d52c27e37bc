"""What entries on the steps of phases, and on work done by hand in their place, do to the state."""

from collections.abc import Callable, Mapping
from typing import cast

from batches.entries import Entry, moment
from batches.errors import RecordError
from batches.handlers.tasks import close_tasks, open_task
from batches.plain import Plain, PlainDict, dict_in, dicts_in, list_in, text_in, whole_in
from batches.quantities import Quantity
from batches.record_state import OpenPhase, OpenStep, RecordState, Use
from batches.steps import Value, decode


def step_asked(state: RecordState, entry: Entry, body: PlainDict) -> None:
    phase = state.phase(text_in(body, "path"))
    number, attempt = whole_in(body, "number"), whole_in(body, "attempt")
    _check_order(phase, number, attempt)
    dues = tuple(None if due is None else moment(cast("str", due)) for due in list_in(body, "dues"))
    phase.open = OpenStep(
        number, attempt, dict_in(body, "step"), "asked", text_in(body, "command"), text_in(body, "unit"), dues,
        entry.number, entry.recorded_at,
    )  # fmt: skip
    for task in dicts_in(body, "tasks"):
        open_task(state, entry, task, phase.path, number)


def _check_order(phase: OpenPhase, number: int, attempt: int) -> None:
    if phase.open is None and (number, attempt) == (len(phase.history) + 1, 1):
        return
    last = phase.open
    retry = last is not None and last.status == "retry" and number == last.number
    if not retry or last is None or attempt != last.attempt + 1:
        raise RecordError(f"step {number} attempt {attempt} is out of order in '{phase.path}'")


def step_latched(state: RecordState, entry: Entry, body: PlainDict) -> None:
    step = state.step(text_in(body, "path"))
    if step.latched is not None or (step.number, step.attempt) != (
        whole_in(body, "number"),
        whole_in(body, "attempt"),
    ):
        raise RecordError(f"step {step.number} of '{body['path']}' cannot latch now")
    step.latched = body
    close_tasks(
        state,
        entry,
        [task for task in state.tasks.values() if task.path == body["path"] and task.step == step.number],
    )


def step_done(state: RecordState, entry: Entry, body: PlainDict) -> None:
    phase = state.phase(text_in(body, "path"))
    step = state.step(phase.path)
    if (step.number, step.attempt) != (whole_in(body, "number"), whole_in(body, "attempt")):
        raise RecordError(f"'{phase.path}' waits for step {step.number} attempt {step.attempt}")
    reply = body.get("reply")
    phase.history.append((step.step, reply))
    phase.open = None
    close_tasks(state, entry, [task for task in state.tasks.values() if task.path == phase.path])
    if "by_hand" in body:
        _credited(state, body, "by_hand")
    _note_reply(state, entry, phase.path, step, reply)


def _note_reply(state: RecordState, entry: Entry, path: str, step: OpenStep, reply: Plain) -> None:
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


def step_status(status: str) -> Callable[[RecordState, Entry, PlainDict], None]:
    def handler(state: RecordState, entry: Entry, body: PlainDict) -> None:
        step = state.step(text_in(body, "path"))
        if step.status != "asked":
            raise RecordError(f"step {step.number} is {step.status}, not asked")
        step.status = status

    return handler


def step_repeated(state: RecordState, entry: Entry, body: PlainDict) -> None:
    step = state.step(text_in(body, "path"))
    if step.status == "done":
        raise RecordError("a step that is done is never repeated")


def by_hand(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.by_hand[entry.number] = body


def by_hand_voided(state: RecordState, entry: Entry, body: PlainDict) -> None:
    _credited(state, body, "entry")


def _credited(state: RecordState, body: PlainDict, member: str) -> None:
    """Work by hand counts once, or not at all."""
    if state.by_hand.pop(whole_in(body, member), None) is None:
        raise RecordError(f"entry {body[member]} is no work by hand that still counts")
