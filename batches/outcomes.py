"""Outcomes that a person gives a step which failed or is in doubt: what each kind of step can have.

A step has no outcome, results by name, one quantity, or one of its options (`batches/steps.py`, Reply).
Whether the phase can go on with it, only the phase can say (`taken_by`).
"""

from collections.abc import Iterable, Mapping

from batches.errors import BadInput, KweekError, RecordError
from batches.interpret import advance, as_recorded, replay
from batches.plain import Plain, PlainDict, list_in, text_in
from batches.quantities import Quantity
from batches.steps import Field, Fired, PhaseRun, Value, decode


def outcome(step: PlainDict, values: Plain, field: Field | None = None) -> Value:
    """The reply that `values` stand for. `field`: how the unit measures the tag of a Read or Until, with
    what is plausible. Raises BadInput."""
    match text_in(step, "step"):
        case "Set" | "Wait":
            return _nothing(step, values)
        case "Do" | "Program" | "Transfer":
            return _results(step, values)
        case "Read" | "Until":
            return _reading(step, values, field)
        case "First":
            return _option(step, values)
        case _:
            return _decoded(values)


def taken_by(run: PhaseRun, history: Iterable[tuple[Plain, Plain]], reply: Value) -> None:
    """Try a reply on a phase run anew (`run`, `history`: its steps and replies so far), before it is
    recorded. Raises BadInput if the phase cannot go on with it."""
    replay(run, history)
    try:
        advance(run, as_recorded(reply))
    except KweekError as error:
        raise BadInput(f"{_refusal(reply)}: {error} Try the step again, or give another outcome.") from error
    finally:
        run.close()


def _refusal(reply: Value) -> str:
    if reply is None:
        return "It cannot be skipped, the phase needs the outcome of this step"
    return "That cannot be its outcome, the phase cannot go on with it"


def _nothing(step: PlainDict, values: Plain) -> None:
    if values not in (None, {}):
        raise BadInput(f"A {step['step']} has no outcome to give; leave 'values' out.")


def _results(step: PlainDict, values: Plain) -> Value:
    found = _decoded({} if values is None else values)
    if not isinstance(found, Mapping) or any(
        not isinstance(part, Quantity | str | int) for part in found.values()
    ):
        raise BadInput(
            f"The outcome of a {step['step']} is results by name, each a quantity, a text, a whole number or "
            "yes or no: {'values': {'volume': {'value': '5', 'unit': 'mL'}}}."
        )  # fmt: skip
    return found


def _reading(step: PlainDict, values: Plain, field: Field | None) -> Value:
    found = _decoded(values)
    if not isinstance(found, Quantity):
        raise BadInput(
            f"The outcome of a {step['step']} of {step['tag']} is one quantity, with its unit of measure, in 'values'."
        )
    if field is not None:
        _check_plausible(str(step["tag"]), found, field)
    return found


def _check_plausible(tag: str, found: Quantity, field: Field) -> None:
    try:
        below = field.low is not None and found < field.low
        beyond = field.high is not None and found > field.high
    except BadInput as error:
        raise BadInput(f"{found} is no value of {tag}, which is measured in {field.unit}: {error}") from error
    if below or beyond:
        raise BadInput(
            f"{found} is no plausible value of {tag}: it lies between {field.low} and {field.high}."
        )


def _option(step: PlainDict, values: Plain) -> Value:
    found, options = _decoded(values), list_in(step, "options")
    if not isinstance(found, Fired) or not 0 <= found.index <= len(options):
        raise BadInput(
            "The outcome of a First is the option that came first: {'fired': its place from 0, 'reply': …}."
        )
    return found


def _decoded(values: Plain) -> Value:
    try:
        return decode(values)
    except RecordError as error:
        raise BadInput(f"The outcome cannot be read: {error}") from error
