"""Lawful changes to a running batch, and the end of deviations.

An irreplaceable batch must not be driven back to paper: a person asks, quality assurance approves;
where cells cannot wait, a second person approves at once and QA confirms within a day (assumed).
The verifier follows the amended tree and lists every departure. Identity can never be departed from.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from batches.commands import Decision, deviation
from batches.entries import Actor, Draft, stamp
from batches.errors import BadInput, NotFound, NotPermitted, RecordError, Refused
from batches.new_values import check_added, formula_value, parameter_value
from batches.phases import lookup
from batches.plain import Plain, PlainDict, text_in
from batches.procedure import find, walk_nodes
from batches.recipe import Choice, PhaseCall
from batches.recipe_reader import phase_call
from batches.record import BatchState
from batches.record_state import Departure
from batches.steps import plain

CONFIRM_WITHIN = timedelta(hours=24)
"""How soon QA confirms an urgent departure (assumed; a site sets its own)."""
MAY_REQUEST = ("operator", "supervisor", "qa")
MAY_COUNTERSIGN = ("operator", "supervisor", "qa", "qp")


def next_id(state: BatchState) -> str:
    """The id the next departure of this batch gets."""
    return f"C-{state.number}-{len(state.departures) + 1}"


def request(
    state: BatchState, change: PlainDict, reason: str, urgent: bool, actor: Actor, now: datetime
) -> Decision:
    """Ask for a departure. `change`, by kind: skip {path, values}; repeat {path, after}; add {after,
    phase}; parameter {path, name, value}; formula {name, value}. Raises BadInput, Refused, NotPermitted."""
    if actor.role not in MAY_REQUEST:
        raise NotPermitted(
            f"A departure is requested by an {', '.join(MAY_REQUEST)}; your role is {actor.role}."
        )
    if not reason.strip():
        raise BadInput("A departure needs a reason; say why the recipe cannot be followed.")
    if state.ended:
        raise Refused(f"Batch {state.number} has ended ({state.state}); nothing is left to depart from.")
    complete = _complete(state, change)
    _check(state, complete)
    body: PlainDict = {"id": next_id(state), "change": complete, "reason": reason, "urgent": urgent}
    yield Draft("departure_requested", body, actor)


def decide(
    state: BatchState, identity: str, approve: bool, reason: str, actor: Actor, now: datetime
) -> Decision:
    """Approve, countersign, confirm or reject. Raises NotFound, NotPermitted, Refused."""
    found = state.departures.get(identity)
    if found is None:
        raise NotFound(f"Batch {state.number} has no departure {identity}.")
    status = _status(found, approve, actor)
    if status in ("applied", "applied_unconfirmed"):
        _check(state, found.change)
    body: dict[str, Plain] = {"id": identity, "status": status, "reason": reason}
    if status == "applied_unconfirmed":
        body["confirm_by"] = stamp(now + CONFIRM_WITHIN)
    yield Draft("departure_decided", body, actor)
    if status in ("applied", "applied_unconfirmed"):
        yield deviation(
            state, "major", f"Departure {identity}: {found.reason}", _path(found.change), found.entry
        )


def _status(found: Departure, approve: bool, actor: Actor) -> str:
    if actor.id in found.people and found.status in ("requested", "applied_unconfirmed"):
        raise NotPermitted(f"{found.id} needs another person than those who asked for it and applied it.")
    quality = actor.role in ("qa", "qp")
    match found.status:
        case "requested" if not approve and actor.role in MAY_COUNTERSIGN:
            return "rejected"
        case "requested" if quality:
            return "applied"
        case "requested" if found.urgent and actor.role in MAY_COUNTERSIGN:
            return "applied_unconfirmed"
        case "applied_unconfirmed" if quality:
            return "confirmed" if approve else "not_confirmed"
        case "requested" | "applied_unconfirmed":
            raise NotPermitted(f"{found.id} is decided by quality assurance; your role is {actor.role}.")
        case status:
            raise Refused(f"{found.id} is {status}; it cannot be decided again.")


def overdue(state: BatchState, now: datetime) -> Decision:
    """Say of each urgent departure that quality assurance did not confirm it in time; of each once."""
    for found in [each for each in state.departures.values() if _is_overdue(each, now)]:
        yield from miss(state, found.id, now)


def miss(state: BatchState, identity: str, now: datetime) -> Decision:
    """Say that a departure was not confirmed in time. Raises Refused if it was, or if this was said before."""
    found = state.departures.get(identity)
    if found is None or found.confirm_by is None or not _is_overdue(found, now):
        raise Refused(f"{identity} waits for no confirmation that is overdue, or it was said before.")
    due = stamp(found.confirm_by)
    yield Draft("departure_overdue", {"id": identity, "due": due})
    sentence = (
        f"Departure {identity} was applied as urgent and not confirmed by quality assurance until {due}."
    )
    yield deviation(state, "major", sentence, _path(found.change))


def _is_overdue(found: Departure, now: datetime) -> bool:
    return (wakes := found.wakes) is not None and now >= wakes


def _path(change: PlainDict) -> str:
    path = change.get("path", change.get("after", ""))
    return path if isinstance(path, str) else ""


def _complete(state: BatchState, change: PlainDict) -> PlainDict:
    """A repeat with the name its phase gets; a new value as it will be recorded, for a new value of a
    parameter or of the formula."""
    match change.get("kind"):
        case "parameter":
            path, name = _text(change, "path"), _text(change, "name")
            value = parameter_value(state, _find(state, path), name, change.get("value"))
            return {"kind": "parameter", "path": path, "name": name, "value": plain(value)}
        case "formula":
            name = _text(change, "name")
            if name not in state.known_recipe().formula:
                raise BadInput(f"The recipe's formula has no value '{name}'.")
            value = formula_value(state, name, change.get("value"))
            return {"kind": "formula", "name": name, "value": plain(value)}
        case "repeat":
            return _repeat(state, change)
        case _:
            return change


def _repeat(state: BatchState, change: PlainDict) -> PlainDict:
    path, after = _text(change, "path"), change.get("after", change["path"])
    call = _find(state, path)
    others = [other for other, _ in walk_nodes(state.known_recipe().procedure, "", state.progress)]
    taken = sum(1 for other in others if other == path or other.startswith(f"{path}+"))
    return {"kind": "repeat", "path": path, "after": after, "name": f"{call.name}+{taken}"}


def _check(state: BatchState, change: PlainDict) -> None:
    match change.get("kind"):
        case "skip":
            _not_started(state, _text(change, "path"))
            if not isinstance(change.get("values"), Mapping):
                raise BadInput("A skip needs 'values': the results later phases read, by name ({} if none).")
        case "repeat":
            _find(state, _text(change, "path"))
            _may_insert(state, _text(change, "after"))
        case "add":
            _check_phase(state, change)
            _may_insert(state, _text(change, "after"))
        case "parameter":
            call = _not_started(state, _text(change, "path"))
            parameter_value(state, call, _text(change, "name"), change.get("value"))
        case "formula":
            formula_value(state, _text(change, "name"), change.get("value"))
        case kind:
            raise BadInput(
                f"'{kind}' is no departure; the kinds are skip, repeat, add, parameter and formula."
            )


def _text(change: PlainDict, key: str) -> str:
    try:
        return text_in(change, key)
    except RecordError as error:
        raise BadInput(f"This departure needs '{key}' as text.") from error


def _find(state: BatchState, path: str) -> PhaseCall:
    try:
        node = find(state.known_recipe().procedure, path, state.progress)
    except RecordError as error:
        raise BadInput(f"{error} Name a phase as it stands in the batch's procedure.") from error
    if not isinstance(node, PhaseCall):
        raise BadInput(f"'{path}' is not a phase; departures concern single phases.")
    return node


def _not_started(state: BatchState, path: str) -> PhaseCall:
    call = _find(state, path)
    if path in state.progress.started:
        raise Refused(f"'{path}' has started; only a phase not yet started can be skipped or changed.")
    _still_to_come(state, path)
    if lookup(call.phase, call.version).verifies_identity:
        raise Refused(f"'{path}' verifies identity; it can be neither skipped nor changed.")
    return call


def _check_phase(state: BatchState, change: PlainDict) -> None:
    found = change.get("phase")
    if not isinstance(found, Mapping):
        raise BadInput(
            "The phase to add is given as 'phase', as in a recipe: {'wash@1': {…}, 'as': 'extra_wash'}."
        )
    call = phase_call(found)
    if not call.alias:
        raise BadInput("The phase to add needs a name of its own: 'as'.")
    path = f"{_text(change, 'after').rpartition('/')[0]}/{call.name}"
    if path in [other for other, _ in walk_nodes(state.known_recipe().procedure, "", state.progress)]:
        raise BadInput(f"'{path}' stands in the procedure already; choose another name after 'as'.")
    check_added(state, call, path)


def _still_to_come(state: BatchState, path: str) -> None:
    """Refuse what nobody will come by again: an element that has ended, an earlier round, another option."""
    parts, progress = path.split("/"), state.progress
    for count in range(1, len(parts)):
        above, below = "/".join(parts[:count]), parts[count]
        name, _, round_ = above[:-1].rpartition("[") if above.endswith("]") else (above, "", "")
        gone = above in progress.finished or name in progress.finished or name in progress.skipped
        if gone or (round_ and int(round_) != progress.iteration.get(name, int(round_))):
            raise Refused(f"'{above}' has ended; nothing in it can be changed any more.")
        if above in progress.chosen and not _is_chosen(state, above, below):
            raise Refused(f"'{above}' took another option; '{path}' will not be run.")


def _is_chosen(state: BatchState, choice: str, name: str) -> bool:
    node = find(state.known_recipe().procedure, choice, state.progress)
    if not isinstance(node, Choice):
        return True
    taken = node.options[state.progress.chosen[choice]][1]
    inside = (path.removeprefix(f"{choice}/") for path, _ in walk_nodes(taken, choice, state.progress))
    return name in {path.split("/")[0] for path in inside}


def _may_insert(state: BatchState, after: str) -> None:
    _find(state, after)
    _still_to_come(state, after)
    up = after.split("/")[0]
    order = [
        path
        for path, node in walk_nodes(state.known_recipe().procedure, "", state.progress)
        if isinstance(node, PhaseCall)
    ]
    later = [
        path
        for path in order[order.index(after) + 1 :]
        if path.startswith(f"{up}/") and path in state.progress.started
    ]
    if later:
        raise Refused(f"'{later[-1]}' has started after '{after}'; add the phase after it.")


def close_deviation(state: BatchState, identity: str, conclusion: str, actor: Actor) -> Decision:
    """QA closes a deviation. Raises NotFound, NotPermitted, BadInput."""
    if actor.role not in ("qa", "qp"):
        raise NotPermitted("A deviation is closed by quality assurance; ask a person with the role qa.")
    found = state.deviations.get(identity)
    if found is None or found.status != "open":
        raise NotFound(f"Batch {state.number} has no open deviation {identity}.")
    if not conclusion.strip():
        raise BadInput(
            "A deviation is closed with a conclusion: what was found, and what it means for the batch."
        )
    yield Draft("deviation_closed", {"id": identity, "conclusion": conclusion}, actor)
