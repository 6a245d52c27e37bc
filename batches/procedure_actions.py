"""The actions of the procedure: what may be done now, and the entries that say it was done.

Decisions as in `batches/commands.py`; which actions there are is `batches/procedure.py`.
"""

from collections.abc import Mapping
from datetime import datetime

from batches import time_limits
from batches.commands import Decision, deviation
from batches.entries import Draft, stamp
from batches.errors import RecordError, Refused
from batches.expressions import evaluate, names
from batches.plain import Plain, PlainDict
from batches.procedure import (
    Action,
    Choose,
    FinishUnitProcedure,
    Iterate,
    StartPhase,
    StartUnitProcedure,
    TakeValue,
    owner,
    ready,
)
from batches.quantities import Quantity
from batches.recipe import Hold, PhaseCall
from batches.record import BatchState
from batches.steps import Value, plain
from batches.time_limits import RunningLimit


def actions(state: BatchState) -> dict[str, list[Action]]:
    """What may be done now, by the unit procedure that does it ('' for the procedure)."""
    found: dict[str, list[Action]] = {}
    for action in ready(state.known_recipe().procedure, state.progress).actions:
        found.setdefault(owner(action.path, state.elements), []).append(action)
    return found


def take(state: BatchState, action: Action, now: datetime) -> Decision:
    """Carry out one action of the procedure machine: the entries that say so."""
    match action:
        case StartUnitProcedure():
            yield Draft("unit_procedure_started", {"path": action.path, "units": _units_of(state, action)})
        case FinishUnitProcedure():
            yield Draft("unit_procedure_finished", {"path": action.path})
        case StartPhase():
            yield from _start_phase(state, action, now)
        case TakeValue():
            yield _calculate(state, action)
        case Choose():
            yield _choose(state, action)
        case Iterate():
            yield from _iterate(state, action)


def _units_of(state: BatchState, action: StartUnitProcedure) -> PlainDict:
    roles = (action.node.unit, *action.node.also)
    missing = [role for role in roles if role not in state.units]
    if missing:
        raise Refused(f"'{action.path}' cannot begin: no unit is allocated for {', '.join(missing)}.")
    return {role: state.units[role] for role in roles}


def resolve(call: PhaseCall, path: str, state: BatchState) -> dict[str, Value]:
    """The parameters a phase starts with: literals, evaluated expressions, authorised changes."""
    values = state.progress.values
    found: dict[str, Value] = {
        name: evaluate(value, values) if isinstance(value, str) and "$" in value else value
        for name, value in call.parameters.items()
    }
    return found | state.progress.changed.get(path, {})


def _start_phase(state: BatchState, action: StartPhase, now: datetime) -> Decision:
    up = owner(action.path, state.elements)
    parameters = resolve(action.node, action.path, state)
    yield from _judge_limits(state, action.path, now)
    body: dict[str, Plain] = {
        "path": action.path, "unit_procedure": up, "phase": action.node.phase, "version": action.node.version,
        "parameters": plain(parameters), "hold": hold_plain(action.node.hold),
    }  # fmt: skip
    if limits := time_limits.counted(state.known_recipe().procedure, action.node, "start", now):
        body["limits"] = limits
    if late := [
        one.named() | {"due": stamp(one.due)} for one in _ended_by(state, action.path) if one.said and one.due
    ]:
        body["late"] = late
    yield Draft("phase_started", body)


def _ended_by(state: BatchState, path: str) -> list[RunningLimit]:
    procedure = state.known_recipe().procedure
    return [one for one in state.time_limits if time_limits.ends(one, path, procedure, state.progress)]


def _judge_limits(state: BatchState, path: str, now: datetime) -> Decision:
    """What a phase that starts now misses of the time limits that its start ends."""
    for limit in _ended_by(state, path):
        if limit.due is not None and now > limit.due and not limit.said:
            yield Draft("time_limit_exceeded", time_limits.exceeded(limit, path, begun=True))
            yield deviation(state, "major", time_limits.late(limit, path, now), path)
        if limit.opens is not None and now < limit.opens:
            yield Draft("time_limit_undercut", time_limits.undercut(limit, path))
            yield deviation(state, "major", time_limits.early(limit, path, now), path)


def pass_limits(state: BatchState, now: datetime) -> Decision:
    """Say of each time limit that it has passed with nothing begun; of each once."""
    for limit in [one for one in state.time_limits if one.wakes is not None and now >= one.wakes]:
        yield from pass_limit(state, limit, now)


def pass_limit(state: BatchState, limit: RunningLimit, now: datetime) -> Decision:
    """Say that a limit has passed with nothing begun. Raises Refused if it has not, or was said before."""
    if limit.wakes is None or now < limit.wakes:
        raise Refused(f"The time limit after {limit.origin} has not passed, or it was said before.")
    yield Draft("time_limit_exceeded", time_limits.exceeded(limit, limit.since, begun=False))
    yield deviation(state, "major", time_limits.passed(limit, now), limit.since)


def hold_plain(hold: Hold) -> PlainDict:
    """A phase's hold as its start entry keeps it."""
    longest = None if hold.longest is None else hold.longest.plain()
    return {"safe": hold.safe, "longest": longest, "otherwise": hold.otherwise}


def _calculate(state: BatchState, action: TakeValue) -> Draft:
    values, node = state.progress.values, action.node
    found = evaluate(node.expression, values)
    if isinstance(found, Quantity) and node.unit:
        found = found.to(node.unit)
    return Draft("calculated", {
        "path": action.path, "name": node.name, "expression": node.expression, "value": plain(found),
        "inputs": _inputs(node.expression, values),
    })  # fmt: skip


def _inputs(expression: str, values: Mapping[str, Value]) -> PlainDict:
    read = names(expression) if expression else ()  # an empty condition always holds
    return {name: plain(values[name]) for name in sorted(read) if name in values}


def _choose(state: BatchState, action: Choose) -> Draft:
    values = state.progress.values
    for index, (condition, _) in enumerate(action.node.options):
        if not condition or evaluate(condition, values) is True:
            body: PlainDict = {
                "path": action.path, "option": index, "condition": condition, "inputs": _inputs(condition, values)
            }  # fmt: skip
            return Draft("chosen", body)
    raise RecordError(f"No option of the choice '{action.path}' applies; the recipe lacks an 'otherwise'.")


def _iterate(state: BatchState, action: Iterate) -> Decision:
    node, values = action.node, state.progress.values
    satisfied = action.may_end and evaluate(node.until, values) is True
    if not satisfied and action.iteration <= node.at_most:
        yield Draft("iterated", {"path": action.path, "iteration": action.iteration})
        return
    if not satisfied:
        sentence = (
            f"The repeat '{action.path}' ended after {node.at_most} rounds without reaching {node.until}."
        )
        yield deviation(state, "major", sentence, action.path)
    yield Draft("repeat_finished", {
        "path": action.path, "iterations": action.iteration - 1, "satisfied": satisfied,
        "inputs": _inputs(node.until, values),
    })  # fmt: skip
