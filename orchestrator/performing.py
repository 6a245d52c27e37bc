"""What each kind of step means when it is executed against devices and people.

The crash rules are here (docs/explanation: what a crash can do): a device is asked only after its
intent is durable; after a crash an idempotent action is repeated and the repetition recorded, a
queryable one is asked for by its command id, any other is IN DOUBT and a person decides.
"""

import asyncio
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from batches import by_hand, commands, materials
from batches.commands import Decision
from batches.entries import SYSTEM, Actor, Draft, stamp
from batches.errors import BadInput, DeviceError, NotFound, Refused
from batches.plain import Plain, PlainDict, text_in
from batches.record_state import OpenStep, Task
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    First,
    Label,
    Produce,
    Program,
    Read,
    Result,
    Sample,
    Scan,
    Set,
    Sign,
    Step,
    Transfer,
    Until,
    Value,
    Wait,
)
from devices.base import DeviceUnreachable, Outcome, OutcomeUnknown
from orchestrator.clean import file_body
from orchestrator.cursor import Cursor
from orchestrator.equipment import Act
from orchestrator.waiting import Waits, good_reading

if TYPE_CHECKING:
    from orchestrator.executor import BatchRunner

STOPPED = "the system stopped while it was under way"
QUERIES = 5
"""How often a device is asked for the outcome of a command before a person is."""


class Performer:
    """Carries out the step a cursor stands at, once; returns when the cursor has moved."""

    def __init__(self, runner: "BatchRunner") -> None:
        self._runner, self._engine = runner, runner.engine
        self._state, self._waits = runner.state, Waits(runner)

    async def perform(self, cursor: Cursor) -> None:
        """One step. Whoever completes it (this task, or a person's answer) moves the cursor."""
        step, moved = cursor.step, cursor.moved
        if step is None:
            return
        try:
            await self._perform(cursor, step, moved)
        except (BadInput, Refused, NotFound, DeviceError) as error:
            if self._state.step(cursor.path).status != "asked":
                raise
            self._fail(
                cursor,
                f"{commands.text_of(self._state.step(cursor.path).step)} cannot be carried out: {error}",
            )

    async def _perform(self, cursor: Cursor, step: Step, moved: "asyncio.Future[None]") -> None:
        open_ = self._state.step(cursor.path)
        recovered, cursor.recovered = cursor.recovered, False
        if open_.status == "retry":
            await self._again(cursor, step)
            return
        if open_.status != "asked":
            await asyncio.shield(moved)
            return
        match step:
            case Set() | Do() | Program() | Transfer():
                await self._act(cursor, step, open_, recovered)
            case Read():
                await self._read(cursor, step, open_)
            case Until():
                await self._waits.until(cursor, step, open_)
            case Wait():
                await self._waits.wait(cursor, open_)
            case First():
                await self._waits.first(cursor, step, open_)
            case Produce():
                self._produce(cursor, step)
            case Consume() | Label() | Sample() | Result() | Ask() | Decide() | Scan() | Sign():
                await asyncio.shield(moved)
            case _:
                assert_never(step)

    async def _again(self, cursor: Cursor, step: Step) -> None:
        """A person decided that the step is tried again: a new attempt, once the unit procedure runs."""
        signal = self._runner.signal
        if not self._runner.runs(cursor):
            await self._runner.change(signal)
            return
        self._runner.commit(self._runner.ask(cursor, step))

    # --- devices --------------------------------------------------------------------------------------

    async def _act(self, cursor: Cursor, step: Act, open_: OpenStep, recovered: bool) -> None:
        if self._by_hand(open_):
            await asyncio.shield(cursor.moved)
            return
        if self._stands_still(cursor, step, open_, recovered):
            cursor.recovered = recovered
            await self._runner.change(self._runner.signal)  # nothing moves while it is held
            return
        cursor.acting, cursor.unclear = True, cursor.unclear if recovered else ""
        try:
            await self._runner.durable()
            if self._stands_still(cursor, step, open_, recovered):  # a hold or abort came meanwhile
                cursor.recovered = recovered
                return
            if recovered and not await self._may_act_again(cursor, step, open_):
                return
            await self._ask_device(cursor, step, open_)
        finally:
            cursor.acting = False
            if self._state.elements.get(cursor.up) != "Running":
                self._runner.changed()  # a hold, stop or abort waits for the device

    def _by_hand(self, open_: OpenStep) -> bool:
        return not open_.unit or self._engine.equipment.manual(open_.unit)

    def _stands_still(self, cursor: Cursor, step: Act, open_: OpenStep, recovered: bool) -> bool:
        return not self._runner.runs(cursor) and not self._due_to_say(cursor, step, open_, recovered)

    def _due_to_say(self, cursor: Cursor, step: Act, open_: OpenStep, recovered: bool) -> bool:
        """Whether what became of an intent is said although nothing may move: that it is in doubt, and
        everything that will never run again."""
        doubtful = self._engine.equipment.repeatability(open_.unit, step) == "non_repeatable"
        return recovered and (doubtful or self._ending(cursor))

    def _ending(self, cursor: Cursor) -> bool:
        return self._state.elements[cursor.up] in ("Stopping", "Aborting")

    async def _may_act_again(self, cursor: Cursor, step: Act, open_: OpenStep) -> bool:
        """After a crash: what became of the intent? True if the device may be asked (again)."""
        if (credit := self._runner.credit(cursor)) is not None:
            self._runner.complete(cursor, by_hand.outcome(self._state, credit), more={"by_hand": credit})
            return False
        if self._ending(cursor):
            await self._last_word(cursor, step, open_)
            return False
        if self._engine.equipment.repeatability(open_.unit, step) == "non_repeatable":
            self._doubt(cursor, open_, cursor.unclear or STOPPED)
            return False
        if self._engine.equipment.repeatability(open_.unit, step) == "queryable":
            return await self._inquire(cursor, step, open_, cursor.unclear or STOPPED)
        why = cursor.unclear or "the system stopped before its outcome was recorded"
        await self._repeat(cursor, open_, f"idempotent; {why}")
        return True

    async def _last_word(self, cursor: Cursor, step: Act, open_: OpenStep) -> None:
        """What became of an intent whose unit procedure is being ended: it is never acted on again."""
        queryable = self._engine.equipment.repeatability(open_.unit, step) == "queryable"
        outcome = await self._status(open_) if queryable else Outcome("unknown")
        if outcome.status in ("done", "failed"):
            self._conclude(cursor, step, open_, outcome, {"reconciled": cursor.unclear or STOPPED})
        else:
            self._doubt(cursor, open_, f"{cursor.unclear or STOPPED}; and the batch is being ended")

    async def _repeat(self, cursor: Cursor, open_: OpenStep, why: str) -> None:
        body: dict[str, Plain] = {
            "path": cursor.path, "number": open_.number, "attempt": open_.attempt, "command": open_.command, "why": why,
        }  # fmt: skip
        await self._runner.commit(iter((Draft("step_repeated", body),))).wait()

    async def _inquire(self, cursor: Cursor, step: Act, open_: OpenStep, why: str) -> bool:
        """Ask the device what became of a command. True if it was never received or still runs: then
        the same command id may be sent, and the device acts once."""
        outcome = await self._status(open_)
        match outcome.status:
            case "done" | "failed":
                self._conclude(cursor, step, open_, outcome, {"reconciled": why})
                return False
            case "not_seen":
                await self._repeat(cursor, open_, f"the device never received it; {why}")
                return True
            case "running":
                await self._repeat(
                    cursor, open_, f"still running at the device under the same command id; {why}"
                )
                return True
            case "unknown":
                self._doubt(cursor, open_, why)
                return False

    async def _status(self, open_: OpenStep) -> Outcome:
        pause = self._engine.settings.retry_first
        for _ in range(QUERIES):
            try:
                return await self._engine.equipment.status(open_.unit, open_.command)
            except DeviceError:
                await self._engine.clock.sleep_until(self._engine.clock.now() + pause)
                pause *= 2
        return Outcome("unknown")

    async def _ask_device(self, cursor: Cursor, step: Act, open_: OpenStep) -> None:
        """Ask until there is an outcome, for no longer than `reach_for` after the first trouble. Nothing is
        sent once a hold, stop or abort was accepted; what may have been done by then is still to be said."""
        clock, settings = self._engine.clock, self._engine.settings
        until, pause = None, settings.retry_first
        while self._runner.runs(cursor):
            began = clock.now()
            try:
                outcome = await self._with_prompts(cursor, step, open_)
            except DeviceUnreachable as error:
                problem = f"{open_.unit} could not be reached: {error}"
            except OutcomeUnknown as error:
                problem, cursor.unclear = f"{open_.unit} gives no clear outcome: {error}", str(error)
                if not await self._unknown(cursor, step, open_):
                    return
            except DeviceError as error:
                self._fail(cursor, said_by(open_.unit, error))
                return
            else:
                self._conclude(cursor, step, open_, outcome)
                return
            if until is None or self._worked_long(step, open_, began):
                until = clock.now() + settings.reach_for
            if clock.now() >= until and self._runner.runs(cursor):
                self._fail(cursor, problem)
                return
            await clock.sleep_until(clock.now() + pause)
            pause = min(pause * 2, settings.reach_for)
        cursor.recovered = bool(cursor.unclear)

    def _worked_long(self, step: Act, open_: OpenStep, began: datetime) -> bool:
        """Whether a device that can be asked worked for a good while before the link broke again."""
        lasted = self._engine.clock.now() - began
        queryable = self._engine.equipment.repeatability(open_.unit, step) == "queryable"
        return queryable and lasted > self._engine.settings.reach_for

    async def _unknown(self, cursor: Cursor, step: Act, open_: OpenStep) -> bool:
        """The device gave no definite answer. True if it may be asked again, under the same command id."""
        kind = self._engine.equipment.repeatability(open_.unit, step)
        if kind == "non_repeatable":
            self._doubt(cursor, open_, cursor.unclear)
            return False
        if not self._runner.runs(cursor):
            return True  # what became of it is said when it goes on, or ends
        if kind == "queryable":
            return await self._inquire(cursor, step, open_, cursor.unclear)
        await self._repeat(cursor, open_, f"idempotent; {cursor.unclear}")
        return True

    async def _with_prompts(self, cursor: Cursor, step: Act, open_: OpenStep) -> Outcome:
        """The device acts; where its own programme asks something, a person gets a task."""
        if not isinstance(step, Program):
            return await self._engine.equipment.act(open_.unit, step, open_.command, self._state.number)
        acting = asyncio.ensure_future(
            self._engine.equipment.act(open_.unit, step, open_.command, self._state.number)
        )
        try:
            while not await self._engine.clock.wait(
                acting, self._engine.clock.now() + self._engine.settings.prompt_every
            ):
                await self._prompt(cursor, open_)
            return await acting
        finally:
            acting.cancel()

    async def _prompt(self, cursor: Cursor, open_: OpenStep) -> None:
        try:
            text = await self._engine.equipment.prompt(open_.unit, open_.command)
        except DeviceError:
            return  # the action itself reports what is wrong with the link
        asked = [t for t in self._state.tasks.values() if t.kind == "prompt" and t.path == cursor.path]
        if text and not any(t.content["text"] == text for t in asked):
            content = {"text": text, "unit": open_.unit, "command": open_.command}
            self._runner.commit(
                iter((commands.open_task(self._state, cursor.path, "prompt", "operator", content),))
            )

    async def answer_prompt(self, task: Task, text: str, durable: "asyncio.Future[None]") -> None:
        """Give a person's answer to the programme that asked, once it is on disk. If it does not get
        there the programme still asks, and the person is asked again."""
        await asyncio.shield(durable)
        unit, command = text_in(task.content, "unit"), text_in(task.content, "command")
        try:
            await self._engine.equipment.answer_prompt(unit, command, text)
        except DeviceError as error:
            sentence = f"{unit} did not take the answer to '{task.content['text']}': {error}"
            self._runner.commit(iter((Draft("note_added", {"text": sentence}),)))

    def _conclude(
        self,
        cursor: Cursor,
        step: Act,
        open_: OpenStep,
        outcome: Outcome,
        more: PlainDict = commands.NOTHING_MORE,
    ) -> None:
        if outcome.status != "done":
            what = commands.text_of(open_.step)
            self._fail(cursor, f"{open_.unit} reports that {what} failed: {outcome.text}")
            return
        results: dict[str, Value] = dict(outcome.results)
        if outcome.evidence:
            results["evidence"] = hashlib.sha256(outcome.evidence).hexdigest()
        actor = Actor("device", open_.unit)
        reply: Value = None if isinstance(step, Set) else results
        self._runner.complete(cursor, reply, actor, before=self._evidence(cursor, open_, outcome), more=more)

    def _evidence(self, cursor: Cursor, open_: OpenStep, outcome: Outcome) -> Decision:
        """The device's own event file, kept whole in the record."""
        if outcome.evidence:
            yield Draft("evidence_kept", {
                "path": cursor.path, "unit": open_.unit, "command": open_.command,
                "digest": hashlib.sha256(outcome.evidence).hexdigest(),
                **file_body(outcome.evidence),
            }, Actor("device", open_.unit))  # fmt: skip

    def _fail(self, cursor: Cursor, sentence: str) -> None:
        self._runner.commit(commands.failed(self._state, cursor.path, sentence))

    def _doubt(self, cursor: Cursor, open_: OpenStep, why: str) -> None:
        sentence = (
            f"Nobody knows whether {open_.unit} carried out {commands.text_of(open_.step)} ({cursor.path}): {why}. "
            "Look at the unit and say what happened."
        )
        self._runner.commit(commands.in_doubt(self._state, cursor.path, sentence))

    # --- reading ----------------------------------------------------------------------------------------

    async def _read(self, cursor: Cursor, step: Read, open_: OpenStep) -> None:
        if self._by_hand(open_):
            await asyncio.shield(cursor.moved)
            return
        until = self._engine.clock.now() + self._engine.settings.reach_for
        while (reading := await good_reading(self._engine.equipment, open_.unit, step.tag)) is None:
            if self._engine.clock.now() >= until:
                self._fail(
                    cursor, f"{open_.unit} gives no good value of {step.tag}; check its sensor and link."
                )
                return
            await self._engine.clock.sleep_until(self._engine.clock.now() + self._engine.settings.retry_first)
        self._runner.complete(
            cursor, reading.value, Actor("device", open_.unit), more={"measured": stamp(reading.at)}
        )

    # --- material ---------------------------------------------------------------------------------------

    def _produce(self, cursor: Cursor, step: Produce) -> None:
        recipe, number = self._state.known_recipe(), self._engine.new_lot()
        material = recipe.materials.get(step.material)
        if material is None:
            raise BadInput(f"The recipe has no material '{step.material}' to produce in '{cursor.path}'.")
        parents = sorted({use.lot for use in self._state.used})
        drafts = materials.produce(
            number, material, step.quantity, step.containers, self._state.number, cursor.path, parents,
            self._state.identity if material.identity else "",
        )  # fmt: skip
        self._runner.complete(cursor, number, SYSTEM, (f"lot/{number}", drafts))


def said_by(unit: str, error: DeviceError) -> str:
    """What a unit said, with its id in front, once: most drivers name their unit themselves."""
    return f"{error}" if unit in f"{error}" else f"{unit}: {error}"
