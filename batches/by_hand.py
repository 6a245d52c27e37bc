"""Work done by hand while the system was away, and the steps it counts for.

People enter such work while they reconcile a unit procedure. It counts for the step that asks for the
same: the same unit, action and parameters, in the same unit procedure. It counts until the unit
procedure has run again for CATCH_UP; what is left then is void, which is recorded as a deviation, so
that it never stands in for a later step that happens to ask for the same.
"""

from datetime import datetime, timedelta

from batches.commands import Decision, deviation
from batches.entries import Actor, Draft
from batches.errors import BadInput, Refused
from batches.plain import PlainDict, dict_in, text_in
from batches.procedure import owner
from batches.quantities import literal
from batches.record import BatchState
from batches.steps import Value, decode, plain

CATCH_UP = timedelta(hours=4)
"""How long after it runs again a unit procedure may still ask for what was done by hand (assumed)."""


def work_of(step: PlainDict) -> tuple[str, PlainDict] | None:
    """What a step in its JSON form asks of a unit, as action and parameters; None if it asks no work."""
    match step.get("step"):
        case "Set":
            return "set", {"tag": step["tag"], "value": step["value"]}
        case "Do":
            return text_in(step, "action"), dict_in(step, "parameters")
        case "Program":
            return f"program:{text_in(step, 'name')}", dict_in(step, "parameters")
        case "Transfer":
            wells: PlainDict = {"wells": step["wells"]} if step.get("wells") else {}
            return "transfer", {name: step[name] for name in ("source", "target", "volume")} | dict(wells)
        case _:
            return None


def as_typed(values: PlainDict) -> PlainDict:
    """Parameters or results as people type them: a text that spells a quantity is one."""
    return {name: plain(_value(decode(value))) for name, value in values.items()}


def _value(value: Value) -> Value:
    return literal(value) if isinstance(value, str) else value


def enter(state: BatchState, body: PlainDict, actor: Actor, happened: datetime) -> Decision:
    """Record work done by hand. Raises Refused outside a reconciliation, BadInput for what cannot count."""
    path = text_in(body, "path")
    if not reconciling(state, path):
        raise Refused(
            f"Work by hand is entered while '{path}' is reconciled after an outage, before two people confirm; "
            "write a note about other work."
        )
    if body["action"] == "set" and body["results"]:
        raise BadInput("A set-point has no results; name 'tag' and 'value' in the parameters.")
    yield Draft("by_hand", body, actor, happened_at=happened)


def reconciling(state: BatchState, path: str) -> bool:
    """Whether people still compare the equipment of a unit procedure with the record."""
    return any(task.kind == "reconcile" and task.path == path for task in state.tasks.values())


def counts(state: BatchState, path: str, now: datetime) -> bool:
    """Whether work by hand entered for a unit procedure counts for what it asks now."""
    since = state.caught_up_from.get(path)
    return reconciling(state, path) or since is None or now - since <= CATCH_UP


def credit(state: BatchState, path: str, unit: str, step: PlainDict, now: datetime) -> int | None:
    """The entry of the work by hand that a step of the unit procedure `path` on `unit` asks for."""
    if not counts(state, path, now):
        return None
    return next((entry for entry in state.by_hand if is_for(state, entry, path, unit, step)), None)


def is_for(state: BatchState, entry: int, path: str, unit: str, step: PlainDict) -> bool:
    """Whether the work of an entry is what a step asks for."""
    body, work = state.by_hand[entry], work_of(step)
    if work is None or (body["path"], body["unit"], body["action"]) != (path, unit, work[0]):
        return False
    return _values(dict_in(body, "parameters")) == _values(work[1])


def _values(parameters: PlainDict) -> dict[str, Value]:
    return {name: _value(decode(value)) for name, value in parameters.items()}


def outcome(state: BatchState, entry: int) -> Value:
    """The reply that the work of an entry gives to its step."""
    body = state.by_hand[entry]
    return None if body["action"] == "set" else decode(dict_in(body, "results"))


def void_late(state: BatchState, path: str, now: datetime) -> Decision:
    """Void what no longer counts for a unit procedure, before it asks for more."""
    if not counts(state, path, now):
        yield from void_all(state, path)


def void_all(state: BatchState, path: str) -> Decision:
    """Void everything entered for a unit procedure that no step has asked for."""
    for entry in [entry for entry, body in state.by_hand.items() if body["path"] == path]:
        yield from void(state, entry)


def void(state: BatchState, entry: int) -> Decision:
    """Work by hand that no step asked for: it counts no more, and quality assurance judges it."""
    body = state.by_hand[entry]
    path = text_in(body, "path")
    yield Draft("by_hand_voided", {"path": path, "entry": entry})
    text = (
        f"What was done by hand ({body['action']} on {body['unit']}, entry {entry}) is not what {path} asked for "
        "when it ran again; it counts for no step."
    )
    yield deviation(state, "major", text, path, entry)


def may_void(state: BatchState, entry: int, now: datetime) -> bool:
    """Whether the work of an entry may be voided: its time is over, or its unit procedure is done."""
    path = text_in(state.by_hand[entry], "path")
    done = not any(owner(phase, state.elements) == path for phase in state.phases)
    return done or not counts(state, path, now)
