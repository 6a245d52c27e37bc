"""What people say: answers to tasks, commands, departures, corrections, notes, work by hand.

Every refusal that a person caused is itself kept in the record (21 CFR 11.10(f)). Of two people who
answer one task at the same moment exactly one is taken: the decision is made on the pending state,
and the other gets a Conflict that names the first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, cast

from batches import by_hand, commands, corrections, departures, materials
from batches.commands import Decision
from batches.entries import Actor, Draft, Entry, stamp
from batches.errors import BadInput, Conflict, KweekError, NotFound, NotPermitted, Refused
from batches.outcomes import outcome
from batches.plain import Plain, PlainDict, text_in
from batches.quantities import from_plain
from batches.record import BatchState
from batches.record_state import OpenStep, Task
from batches.states import COMMANDS, Command
from batches.steps import Field, Fired, Value
from batches.tasks import ANSWERS_FOR, SIGNED, reply_of
from orchestrator.cursor import Cursor
from orchestrator.engine import Engine, Part
from orchestrator.executor import BatchRunner
from orchestrator.replying import Replying
from orchestrator.store.port import Submission

Qualified: TypeAlias = Callable[[Actor, BatchState, Task], list[str]]
"""The ids of the qualifications on which an answer relies; raises NotPermitted. See `People.qualified`."""


def _not_judged(actor: Actor, state: BatchState, task: Task) -> list[str]:
    """Without people (a bench, a crash simulation) nobody's qualification is judged."""
    return []


@dataclass(frozen=True, slots=True)
class Signature:
    """That a person authenticated again for this answer, and what the print shows (21 CFR 11.50)."""

    name: str
    user_name: str
    role: str
    meaning: str
    zone: str

    def plain(self) -> dict[str, Plain]:
        return {
            "name": self.name,
            "user_name": self.user_name,
            "role": self.role,
            "meaning": self.meaning,
            "zone": self.zone,
        }


@dataclass(frozen=True, slots=True)
class Late:
    """Work done on paper while the system was down, typed in afterwards."""

    happened_at: datetime
    performer: str
    checker: str
    reason: str

    def plain(self, transcriber: str) -> dict[str, Plain]:
        return {
            "happened_at": stamp(self.happened_at), "performer": self.performer, "checker": self.checker,
            "transcriber": transcriber, "reason": self.reason,
        }  # fmt: skip


class Answers:
    """The people's side of the engine. `runners`: one for each open batch."""

    def __init__(self, engine: Engine, runners: Mapping[str, BatchRunner]) -> None:
        self._engine, self._runners = engine, runners
        self.qualified: Qualified = _not_judged

    # --- tasks ------------------------------------------------------------------------------------------

    async def answer(
        self, number: str, task_id: str, actor: Actor, answer: Plain, signature: Signature | None = None,
        late: Late | None = None, reply: Replying | None = None,
    ) -> dict[str, Plain]:  # fmt: skip
        """Take an answer. Returns {'task', 'status': done | awaiting_verification |
        awaiting_second | rejected}.

        Raises NotFound, Conflict, NotPermitted, BadInput, IdentityMismatch, Refused; all but the first
        two are kept in the record.
        """
        state = self._engine.live(number)
        task = self._task(state, task_id)
        try:
            self._may_answer(state, task, actor, signature, late)
            relied = self.qualified(actor, state, task)
            submission, status = self._take(state, task, actor, answer, signature, late, reply, relied)
        except (BadInput, NotPermitted, Refused) as error:
            await self._keep_refusal(state, f"answer to {task_id}", task.path, actor, error)
            raise
        await submission.wait()
        return {"task": task_id, "status": status}

    def _task(self, state: BatchState, task_id: str) -> Task:
        if task_id in state.tasks:
            return state.tasks[task_id]
        if task_id in state.closed:
            person, at = state.closed[task_id]
            raise Conflict(
                f"Task {task_id} was answered by {person} at {stamp(at)}; look at the list of open tasks."
            )
        raise NotFound(f"Batch {state.number} has no task {task_id}; look at the list of open tasks.")

    def _may_answer(
        self, state: BatchState, task: Task, actor: Actor, signature: Signature | None, late: Late | None
    ) -> None:
        if actor.role not in ANSWERS_FOR.get(task.role, ()):
            allowed = " or ".join(ANSWERS_FOR.get(task.role, (task.role,)))
            raise NotPermitted(
                f"Task {task.id} is for the role {allowed}; your role is {actor.role or 'none'}."
            )
        if any(person == actor.id for person, _ in task.answers):
            raise NotPermitted(f"Task {task.id} needs a second person; you have answered it already.")
        if task.kind in SIGNED and signature is None:
            raise NotPermitted(f"Task {task.id} is signed: send your password with the answer.")
        if late is not None:
            self._check_late(state, late)

    def _check_late(self, state: BatchState, late: Late) -> None:
        if not late.reason.strip() or not late.performer.strip() or not late.checker.strip():
            raise BadInput("A late entry names its performer and its checker and says why it is late.")
        if late.performer == late.checker:
            raise NotPermitted("The checker of a late entry is another person than its performer.")
        if late.happened_at > self._engine.clock.now():
            raise BadInput(f"{stamp(late.happened_at)} lies in the future; enter when the work was done.")
        if state.created_at is not None and late.happened_at < state.created_at:
            raise BadInput(
                f"{stamp(late.happened_at)} lies before batch {state.number} was made; enter when the work was done."
            )

    def _take(
        self, state: BatchState, task: Task, actor: Actor, answer: Plain, signature: Signature | None,
        late: Late | None, reply: Replying | None, relied: Sequence[str] = (),
    ) -> tuple[Submission, str]:  # fmt: skip
        more: dict[str, Plain] = {"task": task.id}
        if relied:
            more["qualifications"] = [*relied]
        if signature is not None:
            more["signature"] = signature.plain()
        if late is not None:
            more["late"] = late.plain(actor.id)
        if task.people > 1 and len(task.answers) + 1 < task.people:
            reply_of(state, task, answer)
            body: PlainDict = {**more, "answer": answer, "closes": False}
            decision = iter(
                (Draft("task_answered", body, actor, happened_at=late.happened_at if late else None),)
            )
            status = "awaiting_verification" if task.step else "awaiting_second"
            return self._engine.commit(self._engine.batch_part(state.number, decision), reply=reply), status
        if task.step and task.answers and isinstance(answer, Mapping) and answer.get("verified") is False:
            return self._reject(state, task, actor, answer, more, reply), "rejected"
        if task.step:
            return self._step(state, task, actor, answer, more, late, reply), "done"
        return self._other(state, task, actor, answer, more, reply), "done"

    def _reject(
        self, state: BatchState, task: Task, actor: Actor, answer: PlainDict, more: dict[str, Plain], reply: Replying | None
    ) -> Submission:  # fmt: skip
        """The second person does not find what the first answered: both stay in the record, and the task
        waits for a first answer again, from anybody."""
        reason = answer.get("reason")
        if not isinstance(reason, str) or not reason.strip():
            raise BadInput(
                f"To reject the answer to task {task.id}, say why: {{'verified': false, 'reason': …}}."
            )
        body: dict[str, Plain] = {**more, "answer": answer, "closes": False, "rejects": True}
        draft = Draft("task_answered", body, actor)
        return self._engine.commit(self._engine.batch_part(state.number, iter((draft,))), reply=reply)

    def _step(
        self, state: BatchState, task: Task, actor: Actor, answer: Plain, more: dict[str, Plain], late: Late | None,
        reply: Replying | None,
    ) -> Submission:  # fmt: skip
        runner, given = self._runner(state), answer
        if task.answers:
            if not isinstance(answer, Mapping) or answer.get("verified") is not True:
                raise BadInput(
                    f"Task {task.id} waits for its check: answer {{'verified': true}}, "
                    "or {'verified': false, 'reason': …} for it to be answered anew."
                )
            more["performer"], given = task.answers[0][0], task.answers[0][1]
        value = reply_of(state, task, given)
        parts = self._parts(state, task, value, actor)
        if task.option is not None:
            value = Fired(task.option, value)
        cursor = runner.cursors.get(task.path)
        if cursor is None:
            raise Refused(f"'{task.path}' is being taken up again after a restart; answer in a moment.")
        happened = None if late is None else late.happened_at
        return runner.complete(cursor, value, actor, *parts, kept=reply, happened_at=happened, more=more)

    def _parts(self, state: BatchState, task: Task, value: Value, actor: Actor) -> list[Part]:
        if task.kind != "consume":
            return []
        number, material = (
            cast("str", value),
            state.known_recipe().materials[text_in(task.content, "material")],
        )
        lot = self._engine.lots.get(number)
        if lot is None:
            raise BadInput(f"There is no lot {number}; scan the lot label of {material.name}.")
        quantity, now = from_plain(task.content["quantity"]), self._engine.clock.now()
        drafts = materials.consume(
            lot, material, quantity, state.number, task.path, state.identity, now, actor
        )
        opened = (
            ()
            if lot.opened_at or not material.use_within
            else materials.open_lot(lot, material, "opened", now, actor)
        )
        return [(f"lot/{number}", (*opened, *drafts))]

    def _runner(self, state: BatchState) -> BatchRunner:
        runner = self._runners.get(state.number)
        if runner is None:
            raise Refused(f"Batch {state.number} is not being executed ({state.state}).")
        return runner

    # --- tasks that are not a step's ----------------------------------------------------------------------

    def _other(
        self, state: BatchState, task: Task, actor: Actor, answer: Plain, more: dict[str, Plain], reply: Replying | None
    ) -> Submission:  # fmt: skip
        value = reply_of(state, task, answer)
        body: dict[str, Plain] = {**more, "answer": answer, "closes": True}
        match task.kind:
            case "failed" | "in_doubt":
                return self._trouble(
                    state, task, actor, cast("PlainDict", answer), cast("str", value), body, reply
                )
            case "restart" | "reconcile":
                if task.kind == "reconcile":
                    goes_on = {} if task.content.get("stays_held") is True else {"goes_on": task.path}
                    return self._close(state, body | goes_on, actor, reply=reply)
                self._runner(state).confirmed.add(task.path)
                return self._close(state, body, actor, reply=reply)
            case "make_safe":
                submission = self._close(state, body, actor, reply=reply)
                self._runner(state).safety.by_hand(task)
                return submission
            case "dispose":
                return self._dispose(state, body, actor, reply)
            case "prompt":
                submission = self._close(state, body, actor, reply=reply)
                answering = self._runner(state).performer.answer_prompt(
                    task, cast("str", value), submission.durable
                )
                self._engine.spawn(answering, f"{state.number} {task.id}")
                return submission
            case _:
                return self._close(state, body, actor, reply=reply)

    def _close(
        self, state: BatchState, body: PlainDict, actor: Actor, *parts: Part, then: Decision | None = None,
        reply: Replying | None = None,
    ) -> Submission:  # fmt: skip
        def decision() -> Decision:
            yield Draft("task_answered", body, actor)
            yield from then or ()

        return self._engine.commit(self._engine.batch_part(state.number, decision()), *parts, reply=reply)

    def _trouble(
        self, state: BatchState, task: Task, actor: Actor, answer: PlainDict, choice: str, body: dict[str, Plain],
        reply: Replying | None,
    ) -> Submission:  # fmt: skip
        """A failed or doubtful step: tried again, or given an outcome by a person, with the reason."""
        reason = answer.get("reason")
        if not isinstance(reason, str) or not reason.strip():
            raise BadInput(f"Task {task.id} needs 'reason': what was seen at the unit.")
        runner = self._runner(state)
        cursor = runner.cursors.get(task.path)
        if cursor is None:
            raise Refused(f"'{task.path}' is being taken up again after a restart; answer in a moment.")
        body |= {"goes_on": cursor.up}
        if choice in ("retry", "it did not happen"):
            submission = self._close(state, body | {"retry": True}, actor, reply=reply)
            cursor.wake()
            return submission
        value = self._outcome(state, task, cursor, None if choice == "skip" else answer.get("values"), choice)
        before = iter((Draft("task_answered", body, actor),))
        return runner.complete(
            cursor, value, actor, kept=reply, before=before,
            more={"decision": choice, "reason": reason, "task": task.id},
        )  # fmt: skip

    def _outcome(self, state: BatchState, task: Task, cursor: Cursor, values: Plain, choice: str) -> Value:
        """What a person gives as the outcome, once the phase is known to go on with it. Raises BadInput."""
        phase, step = state.phase(task.path), state.step(task.path)
        value = None if choice == "skip" else outcome(step.step, values, self._measured(step))
        cursor.check_outcome(phase, value)
        return value

    def _measured(self, step: OpenStep) -> Field | None:
        """How the unit measures the tag that a step reads, if it does."""
        unit = next((unit for unit in self._engine.plant.units if unit.id == step.unit), None)
        tag = None if unit is None else unit.tags.get(str(step.step.get("tag", "")))
        return None if tag is None else Field("quantity", tag.unit, tag.low, tag.high)

    def _dispose(
        self, state: BatchState, body: PlainDict, actor: Actor, reply: Replying | None
    ) -> Submission:
        given_back = [*state.units.values()]

        def then() -> Decision:
            yield Draft("disposed", {"units": sorted(set(given_back))}, actor)
            for role in [*state.units]:
                yield Draft("unit_unbound", {"role": role, "unit": state.units[role]})

        parts = self._engine.release_parts(state.number, given_back)
        submission = self._close(state, body, actor, *parts, then=then(), reply=reply)
        self._engine.allocate()
        return submission

    async def _keep_refusal(
        self, state: BatchState, what: str, path: str, actor: Actor, error: KweekError
    ) -> None:
        draft = commands.refused(what, path, str(error), actor)
        await self._engine.commit(self._engine.batch_part(state.number, iter((draft,)))).wait()

    # --- commands and the rest ------------------------------------------------------------------------------

    async def command(
        self, number: str, path: str, given: str, actor: Actor, reason: str, reply: Replying | None = None
    ) -> None:
        """Start, pause, resume, hold, restart, stop, abort, reset. Refusals are kept in the record."""
        if given not in COMMANDS:
            raise BadInput(f"'{given}' is no command; the commands are {', '.join(COMMANDS)}.")
        state = await self._engine.taken_up(number)
        try:
            decision = commands.command(state, path, cast("Command", given), actor, reason)
            submission = self._engine.commit(self._engine.batch_part(number, decision), reply=reply)
        except (BadInput, Refused) as error:
            await self._keep_refusal(state, given, path, actor, error)
            raise
        await submission.wait()

    async def note(self, number: str, text: str, actor: Actor, reply: Replying | None = None) -> None:
        """A remark in the record."""
        if not text.strip() or len(text) > 4000:
            raise BadInput("A note needs a text of 1 to 4000 characters.")
        await self._commit(number, "note", iter((Draft("note_added", {"text": text}, actor),)), actor, reply)

    async def correct(
        self, number: str, entry: int, new: Plain, reason: str, actor: Actor, reply: Replying | None = None
    ) -> None:  # fmt: skip
        """Correct what an entry says, by a new entry; what was replayed is never altered."""
        state = await self._engine.taken_up(number)
        entries = await self._whole(state)
        if not 0 < entry <= len(entries):
            raise NotFound(f"Batch {number} has no entry {entry}.")
        decision = corrections.correct(state, entries[entry - 1], entries, new, reason, actor)
        await self._commit(number, f"correction of entry {entry}", decision, actor, reply)

    async def _whole(self, state: BatchState) -> list[Entry]:
        """Every entry of a batch up to now, the last of them on disk since a moment."""
        entries: list[Entry] = []
        while len(entries) < state.entries and not self._engine.broken:
            entries += await self._engine.entries(f"batch/{state.number}", len(entries))
        return entries

    async def depart(
        self, number: str, change: PlainDict, reason: str, urgent: bool, actor: Actor, reply: Replying | None = None
    ) -> str:  # fmt: skip
        """Ask for a lawful change to the running batch. Returns the departure's id."""
        state = self._engine.live(number)
        identity = departures.next_id(state)
        decision = departures.request(state, change, reason, urgent, actor, self._engine.clock.now())
        await self._commit(number, "departure", decision, actor, reply)
        return identity

    async def decide_departure(
        self, number: str, identity: str, approve: bool, actor: Actor, reason: str, reply: Replying | None = None
    ) -> None:  # fmt: skip
        """QA approves or rejects; for an urgent one the second person applies it and QA confirms later."""
        state = await self._engine.taken_up(number)
        decision = departures.decide(state, identity, approve, reason, actor, self._engine.clock.now())
        await self._commit(number, f"decision on {identity}", decision, actor, reply)

    async def close_deviation(
        self, number: str, identity: str, conclusion: str, actor: Actor, reply: Replying | None = None
    ) -> None:
        """QA closes a deviation with its conclusion."""
        state = await self._engine.taken_up(number)
        decision = departures.close_deviation(state, identity, conclusion, actor)
        await self._commit(number, f"closing of {identity}", decision, actor, reply)

    async def record_by_hand(
        self, number: str, path: str, unit: str, action: str, parameters: PlainDict, results: PlainDict, late: Late,
        actor: Actor, reply: Replying | None = None,
    ) -> None:  # fmt: skip
        """Work that was done by hand while the system was down: it will not be done again."""
        state = self._engine.live(number)
        if path not in state.elements:
            raise BadInput(
                f"'{path}' has not begun in batch {number}; name the unit procedure the work was for."
            )
        if unit not in state.units.values():
            raise BadInput(
                f"{unit} is not a unit of batch {number}; name one of {', '.join(sorted(set(state.units.values())))}."
            )
        if late.happened_at > self._engine.clock.now() or late.performer == late.checker:
            raise BadInput(
                "Work by hand lies in the past and is checked by another person than its performer."
            )
        body: PlainDict = {
            "path": path, "unit": unit, "action": action, "parameters": by_hand.as_typed(parameters),
            "results": by_hand.as_typed(results), "late": late.plain(actor.id),
        }  # fmt: skip
        decision = by_hand.enter(state, body, actor, late.happened_at)
        await self._commit(number, "work by hand", decision, actor, reply)

    async def _commit(
        self, number: str, what: str, decision: Decision, actor: Actor, reply: Replying | None
    ) -> None:
        """Commit a person's decision; what is refused is kept in the record."""
        state = await self._engine.taken_up(number)
        try:
            submission = self._engine.commit(self._engine.batch_part(number, decision), reply=reply)
        except (BadInput, Refused) as error:
            await self._keep_refusal(state, what, "", actor, error)
            raise
        await submission.wait()
