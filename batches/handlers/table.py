"""Every kind of entry, with what it does to the state."""

from collections.abc import Callable

from batches.entries import Entry
from batches.handlers import phases, quality, states, steps, tasks
from batches.plain import PlainDict
from batches.record_state import RecordState


def kept(state: RecordState, entry: Entry, body: PlainDict) -> None:
    """An entry that is evidence and changes nothing: notes, refusals, readings, files."""


Handler = Callable[[RecordState, Entry, PlainDict], None]
HANDLERS: dict[str, Handler] = {
    "batch_created": states.batch_created,
    "state_changed": states.state_changed,
    "unit_bound": states.unit_bound,
    "unit_unbound": states.unit_unbound,
    "unit_procedure_started": states.unit_procedure_started,
    "unit_procedure_finished": states.unit_procedure_finished,
    "phase_started": phases.phase_started,
    "phase_finished": phases.phase_finished,
    "phase_discarded": phases.phase_discarded,
    "step_asked": steps.step_asked,
    "step_latched": steps.step_latched,
    "step_done": steps.step_done,
    "step_failed": steps.step_status("failed"),
    "step_in_doubt": steps.step_status("in_doubt"),
    "step_repeated": steps.step_repeated,
    "calculated": phases.calculated,
    "chosen": phases.chosen,
    "iterated": phases.iterated,
    "repeat_finished": phases.repeat_finished,
    "task_opened": tasks.task_opened,
    "task_answered": tasks.task_answered,
    "deviation_opened": quality.deviation_opened,
    "deviation_closed": quality.deviation_closed,
    "departure_requested": quality.departure_requested,
    "departure_decided": quality.departure_decided,
    "departure_overdue": quality.departure_overdue,
    "corrected": quality.corrected,
    "excursion_started": quality.excursion_started,
    "excursion_ended": quality.excursion_ended,
    "by_hand": steps.by_hand,
    "by_hand_voided": steps.by_hand_voided,
    "expiry_set": quality.expiry_set,
    "signed": quality.signed,
    "refused": kept,
    "time_limit_exceeded": phases.time_limit_exceeded,
    "time_limit_undercut": kept,
    "evidence_kept": kept,
    "safe_asked": kept,
    "safe_reached": kept,
    "safe_failed": kept,
    "set_restored": kept,
    "engine_recovered": kept,
    "hold_overrun": states.hold_overrun,
    "alarm_acknowledged": kept,
    "alarm_reset": kept,
    "alarm_shelved": kept,
    "alarm_unshelved": kept,
    "tag_silent": kept,
    "tag_heard": kept,
    "disposed": kept,
    "note_added": kept,
}  # fmt: skip
"""Every kind of entry of a batch's stream (version 1), with what it does to the state."""
