"""What may be added to a batch's record: decisions, as generators of drafts.

A decision reads the state and yields drafts; each draft is folded before the next is decided, so a
decision sees what it has said so far. Every refusal is raised before the first draft: a refused
decision changes nothing. `decide` runs one; nothing here acts, waits or tells the time.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from batches import time_limits
from batches.entries import NO_LEAF, SYSTEM, Actor, Draft, Entry, stamp
from batches.errors import BadInput, NotPermitted, RecordError, Refused
from batches.numbers import command_id, deviation_id
from batches.plain import Plain, PlainDict, text_in
from batches.procedure import (
    owner,
    ready,
    unit_procedures,
)
from batches.quantities import duration
from batches.recipe import PhaseCall, Recipe
from batches.record import BatchState
from batches.record_state import OpenPhase
from batches.states import ACCEPTED, AUTOMATIC, ENDED, Command, State, after, end_of
from batches.steps import First, Step, Value, Wait, plain
from batches.tasks import tasks_of

Decision = Iterator[Draft]

AUTHORITY: dict[Command, tuple[str, ...]] = {
    "start": ("operator", "supervisor"),
    "pause": ("operator", "supervisor"),
    "resume": ("operator", "supervisor"),
    "hold": ("operator", "supervisor", "qa", "engineer"),
    "restart": ("operator", "supervisor"),
    "stop": ("supervisor",),
    "abort": ("supervisor",),
    "reset": ("supervisor",),
}
"""Who may give which command. Hold is never refused to anybody who works in the room."""
WITH_REASON: frozenset[Command] = frozenset({"hold", "stop", "abort"})


def provisional(state: BatchState, draft: Draft, at: datetime) -> Entry:
    """The entry a draft will become, without its hashes: enough to fold it while it is pending."""
    return Entry(
        f"batch/{state.number}", state.entries + 1, draft.kind, draft.version, at, draft.happened_at, draft.actor,
        NO_LEAF, "", None, draft.body,
    )  # fmt: skip


def decide(state: BatchState, decision: Decision, at: datetime) -> list[Draft]:
    """Run a decision against the (pending) state, folding each draft, and return the drafts."""
    drafts: list[Draft] = []
    for draft in decision:
        state.apply(provisional(state, draft, at))
        drafts.append(draft)
    return drafts


def create(
    number: str,
    recipe: Recipe,
    identity: str,
    simulated: bool,
    software: str,
    actor: Actor,
    priority: int = 0,
) -> Decision:
    """A batch from an approved recipe. The recipe's content is kept in its first entry (P4-instr)."""
    needs = any(material.identity for material in recipe.materials.values())
    if needs and not identity:
        raise BadInput(
            f"The recipe '{recipe.name}' needs the chain-of-identity number of the material; give it."
        )
    body: dict[str, Plain] = {
        "number": number, "recipe": recipe.name, "recipe_version": recipe.version, "digest": recipe.digest,
        "content": recipe.content, "product": recipe.product.name, "identity": identity, "simulated": simulated,
        "software": software,
    }  # fmt: skip
    if priority:
        body["priority"] = priority
    yield Draft("batch_created", body, actor)


def name_of(state: BatchState, path: str) -> str:
    """How a sentence calls an element: 'Batch B-26-0001' or "Unit procedure 'Expansion'"."""
    return f"Unit procedure '{path}'" if path else f"Batch {state.number}"


def command(state: BatchState, path: str, given: Command, actor: Actor, reason: str) -> Decision:
    """A command by a person, travelling down the procedure's tree.

    A batch departs from the states of ISA-88 (`states.py`) in two things: it is never reset, as it is one
    execution, and it can be aborted while it is Idle, as there is no other way to be rid of it.
    """
    if actor.kind == "person" and actor.role not in AUTHORITY[given]:
        raise NotPermitted(f"'{given}' needs the role {' or '.join(AUTHORITY[given])}; ask such a person.")
    if given in WITH_REASON and not reason.strip():
        raise BadInput(f"'{given}' needs a reason; say why in a few words.")
    if path not in state.elements:
        raise Refused(f"'{path}' has not begun in batch {state.number}; name a unit procedure that runs.")
    if state.ended:
        raise Refused(
            f"Batch {state.number} is {state.state}: a batch is one execution and takes no more commands. "
            "Create a new batch."
        )
    if given == "start" and state.progress.started:
        raise Refused(f"Batch {state.number} was run before: a batch is one execution. Create a new batch.")
    if state.state == "Idle" and given == "abort":  # made by mistake: it ends without having begun
        yield _change(path, "Idle", "Aborting", given, actor, reason)
        return
    after(state.elements[path], given, name_of(state, path))
    yield from _travel(state, path, given, actor, reason)


def _travel(state: BatchState, path: str, given: Command, actor: Actor, reason: str) -> Decision:
    below = [other for other in state.elements if other and other != path] if path == "" else []
    for element in (path, *below):
        before = state.elements[element]
        target = ACCEPTED.get((before, given))
        if target is not None and (element == path or before not in ("Complete",)):
            yield _change(element, before, target, given, actor, reason)


def _change(path: str, before: State, target: State, cause: str, actor: Actor, reason: str) -> Draft:
    body: PlainDict = {"path": path, "from": before, "to": target, "cause": cause, "reason": reason}
    return Draft("state_changed", body, actor)


def settle(state: BatchState, path: str) -> Decision:
    """The logic of an acting state has ended: the element moves on by itself."""
    before = state.elements[path]
    yield _change(path, before, end_of(before, name_of(state, path)), "logic ended", SYSTEM, "")


def hold_by_system(state: BatchState, path: str, reason: str) -> Decision:
    """Hold a unit procedure because something failed or is in doubt; nothing if it cannot be held now."""
    if (state.elements[path], "hold") in ACCEPTED:
        yield from _travel(state, path, "hold", SYSTEM, reason)


def settled(state: BatchState) -> bool:
    """Whether the procedure's own acting state can end: every unit procedure has got there."""
    wanted = AUTOMATIC.get(state.state)
    if wanted is None:
        return False
    if state.state == "Running":
        return ready(state.known_recipe().procedure, state.progress).done
    arrived = {wanted, "Idle", *ENDED} | ({"Held"} if wanted == "Paused" else set[State]())
    return all(at in arrived for path, at in state.elements.items() if path)


def latch(state: BatchState, path: str, reply: Value, actor: Actor, measured: datetime) -> Decision:
    """The condition of a step came about while its unit procedure is held: the step completes with this
    reply after the restart, whatever the tag shows by then."""
    step = state.step(path)
    yield Draft("step_latched", {
        "path": path, "number": step.number, "attempt": step.attempt, "reply": plain(reply), "measured": stamp(measured),
    }, actor)  # fmt: skip


def deviation(state: BatchState, severity: str, text: str, path: str, cause: int = 0) -> Draft:
    """Open a quality record. `severity`: minor, major or critical; `cause`: the entry it follows from."""
    number = deviation_id(state.number, len(state.deviations) + 1)
    body: PlainDict = {"id": number, "severity": severity, "text": text, "path": path, "cause": cause}
    return Draft("deviation_opened", body)


# --- steps --------------------------------------------------------------------------------------


def dues(step: Step, now: datetime, phase: OpenPhase) -> tuple[datetime | None, ...]:
    """Absolute due times of an armed step (see OpenStep.dues)."""
    match step:
        case Wait():
            return (now + duration(step.duration),)
        case First():
            ends = None if step.within is None else phase.started_at + duration(step.within)
            return (
                *(now + duration(o.duration) if isinstance(o, Wait) else None for o in step.options),
                ends,
            )
        case _:
            return ()


def ask(
    state: BatchState, path: str, step: Step, unit: str, now: datetime, by_hand: PlainDict | None = None
) -> Decision:
    """Record what a phase asks for, before anything is done about it. `by_hand`: the content of the
    task where `unit` is manual."""
    phase = state.phase(path)
    number, attempt = len(phase.history) + 1, 1 if phase.open is None else phase.open.attempt + 1
    key = command_id(state.number, path, number, attempt)
    ends = [None if due is None else stamp(due) for due in dues(step, now, phase)]
    yield Draft("step_asked", {
        "path": path, "number": number, "attempt": attempt, "step": plain(step), "command": key, "unit": unit,
        "dues": ends, "tasks": tasks_of(state, step, by_hand),
    })  # fmt: skip


NOTHING_MORE: PlainDict = {}


def done(
    state: BatchState, path: str, reply: Value, actor: Actor = SYSTEM, happened_at: datetime | None = None,
    more: PlainDict = NOTHING_MORE,
) -> Decision:  # fmt: skip
    """The outcome of the step a phase waits for. `more`: task, signature, late, performer, by_hand,
    due and fired (of a late timer), measured, reconciled, decision."""
    step = state.step(path)
    body: PlainDict = {
        "path": path,
        "number": step.number,
        "attempt": step.attempt,
        "reply": plain(reply),
        **more,
    }
    yield Draft("step_done", body, actor, happened_at=happened_at)


def failed(state: BatchState, path: str, sentence: str) -> Decision:
    """The step failed for certain: its unit procedure is held and a person decides."""
    yield from _trouble(state, path, "step_failed", sentence)


def in_doubt(state: BatchState, path: str, sentence: str) -> Decision:
    """Nobody knows whether the action happened: held, and only a person can say."""
    yield from _trouble(state, path, "step_in_doubt", sentence)


def _trouble(state: BatchState, path: str, kind: str, sentence: str) -> Decision:
    step = state.step(path)
    up = owner(path, state.elements)
    yield Draft(kind, {
        "path": path, "number": step.number, "attempt": step.attempt, "command": step.command, "sentence": sentence,
    })  # fmt: skip
    yield from hold_by_system(state, up, sentence)
    content: PlainDict = {
        "text": sentence,
        "step": step.step,
        "unit": step.unit,
        "options": TROUBLE_OPTIONS[kind],
    }
    task_kind = "failed" if kind == "step_failed" else "in_doubt"
    yield open_task(state, path, task_kind, "supervisor", content)


TROUBLE_OPTIONS: dict[str, Sequence[Plain]] = {
    "step_failed": ["retry", "substitute", "skip"],
    "step_in_doubt": ["it happened", "it did not happen", "substitute"],
}


def open_task(
    state: BatchState, path: str, kind: str, role: str, content: PlainDict, people: int = 1
) -> Draft:
    """A task that is not a step's."""
    task: PlainDict = {
        "id": f"{state.number}-T{state.tasks_opened + 1:04}", "kind": kind, "role": role, "content": content,
        "people": people,
    }  # fmt: skip
    return Draft("task_opened", {"path": path, "task": task})


def finish_phase(
    state: BatchState, call: PhaseCall, path: str, results: Mapping[str, Value], now: datetime
) -> Decision:
    """A phase has returned its results."""
    recipe = state.known_recipe()
    body: dict[str, Plain] = {
        "path": path, "unit_procedure": owner(path, state.elements), "results": plain(results),
        "names": [call.alias] if call.alias else [],
    }  # fmt: skip
    if limits := time_limits.counted(recipe.procedure, call, "end", now):
        body["limits"] = limits
    yield Draft("phase_finished", body)
    product = recipe.product
    if product.expires_within is not None and product.expires_after in (call.alias, call.name, call.phase):
        yield Draft("expiry_set", {"after": path, "expires": stamp(now + duration(product.expires_within))})


def discard_phase(state: BatchState, path: str) -> Decision:
    """A phase that its recipe would rather discard than hold: what it had under way is lost."""
    yield Draft("phase_discarded", {"path": path, "unit_procedure": owner(path, state.elements)})
    sentence = (
        f"'{path}' was discarded by a hold: repeat it by a departure before the restart, or go on without it."
    )
    yield deviation(state, "major", sentence, path)


def refused(what: str, path: str, sentence: str, actor: Actor) -> Draft:
    """Something was asked and refused: kept as evidence (21 CFR 11.10(f))."""
    return Draft("refused", {"what": what, "path": path, "sentence": sentence}, actor)


def roles_needed(state: BatchState, path: str) -> dict[str, str]:
    """Roles a unit procedure needs and the batch has no unit for yet, with their unit class."""
    recipe = state.known_recipe()
    for at, node in unit_procedures(recipe.procedure):
        if at == _first_round(path):
            return {role: recipe.units[role] for role in (node.unit, *node.also) if role not in state.units}
    raise RecordError(f"The recipe has no unit procedure '{path}'.")


def _first_round(path: str) -> str:
    parts = [part.split("[")[0] + "[1]" if part.endswith("]") else part for part in path.split("/")]
    return "/".join(parts)


def roles_later(state: BatchState, beyond: str = "") -> dict[str, str]:
    """Roles that unit procedures not yet finished will need, with their unit class."""
    recipe = state.known_recipe()
    found: dict[str, str] = {}
    for path, node in unit_procedures(recipe.procedure):
        if path not in state.progress.finished and path not in state.progress.skipped and path != beyond:
            found |= {role: recipe.units[role] for role in (node.unit, *node.also)}
    return found


def roles_open(state: BatchState) -> dict[str, str]:
    """Roles the batch has no unit for yet and may still ask for."""
    return {role: unit_class for role, unit_class in roles_later(state).items() if role not in state.units}


def roles_free(state: BatchState, finished: str) -> list[str]:
    """Roles whose unit nothing needs any more once the unit procedure `finished` is done."""
    needed = roles_later(state, finished)
    return [role for role in state.units if role not in needed]


def text_of(step: PlainDict) -> str:
    """A step in a few words, for sentences and lists."""
    return (
        f"{text_in(step, 'step')} {step.get('tag') or step.get('action') or step.get('name') or ''}".strip()
    )
