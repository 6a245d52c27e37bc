"""The executor: gives the steps of recipes their meaning against devices and people.

One `BatchRunner` for each open batch, one task for each unit procedure, one for each phase that runs.
Every decision is pure (`batches/commands.py`); here it is committed, awaited, and acted on. An intent
is durable before a device is asked. What a step means is in `orchestrator/performing.py`.
"""

import asyncio
from datetime import datetime
from typing import cast

from batches import by_hand, commands, procedure_actions
from batches.allocation import Grant
from batches.commands import NOTHING_MORE, Decision
from batches.entries import SYSTEM, Actor, Draft
from batches.errors import KweekError, Refused
from batches.plain import PlainDict
from batches.procedure import (
    Action,
    FinishUnitProcedure,
    StartPhase,
    StartUnitProcedure,
    find,
    owner,
)
from batches.recipe import Hold, PhaseCall, UnitProcedure
from batches.record import BatchState
from batches.states import ENDED
from batches.steps import DEVICE_STEPS, Do, Program, Read, Set, Step, Transfer, Value, plain
from orchestrator.asking_units import ask_for_units
from orchestrator.cursor import Cursor
from orchestrator.engine import Engine, Part
from orchestrator.performing import Performer
from orchestrator.replying import Replying
from orchestrator.restarting import Restarts
from orchestrator.safety import Safety
from orchestrator.store.port import Submission
from orchestrator.watching import watch_confirmations, watch_hold, watch_limits, watch_time_limits

OnUnit = Set | Read | Do | Program | Transfer
"""Steps that address a unit."""


class BatchRunner:
    """Executes one batch until it has ended."""

    def __init__(self, engine: Engine, state: BatchState) -> None:
        self.engine, self.state = engine, state
        self.cursors: dict[str, Cursor] = {}
        self.confirmed: set[str] = set()
        """Unit procedures whose restart a person has confirmed."""
        self._running: dict[str, asyncio.Task[None]] = {}
        self.signal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last: asyncio.Future[None] | None = None
        self.performer, self.safety, self.restarts = Performer(self), Safety(self), Restarts(self)

    # --- plumbing -----------------------------------------------------------------------------------

    def part(self, decision: Decision) -> Part:
        return self.engine.batch_part(self.state.number, decision)

    def commit(self, decision: Decision, *parts: Part, reply: Replying | None = None) -> Submission:
        submission = self.engine.commit(self.part(decision), *parts, reply=reply)
        self._last = submission.durable
        return submission

    def changed(self) -> None:
        """Wake everything of this batch that waits for its state."""
        old, self.signal = self.signal, asyncio.get_running_loop().create_future()
        if not old.done():
            old.set_result(None)

    async def durable(self) -> None:
        """Wait until everything submitted so far is on disk."""
        if self._last is not None:
            await asyncio.shield(self._last)

    async def change(self, signal: "asyncio.Future[None]") -> None:
        await asyncio.shield(signal)

    def runs(self, cursor: Cursor) -> bool:
        """Whether the phase may ask for its next step now. A phase that cannot be held is finished first."""
        at = self.state.elements.get(cursor.up)
        finishing = at == "Holding" and cursor.call.hold.otherwise == "finish" and not cursor.call.hold.safe
        return (at == "Running" or finishing) and self.state.state in (
            "Running",
            "Holding",
            "Restarting",
            "Pausing",
        )

    # --- the procedure --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Resume what the record says is under way, then go on to the end."""
        for path, at in [*self.state.elements.items()]:
            if path and at not in ENDED:
                self._begin(path)
        for watch in (watch_time_limits, watch_confirmations):
            self.engine.spawn(watch(self), f"{self.state.number} {watch.__name__}")
        while True:
            signal = self.signal
            if commands.settled(self.state):
                self._settle()
            elif self.state.state == "Running":
                self._begin_ready()
            else:
                self.engine.withdraw(self.state.number)
            if self.state.ended and not self._running:
                await self._end()
                return
            if signal is self.signal:
                await self.change(signal)

    def _settle(self) -> None:
        number = self.state.number
        given_back = [*self.state.units.values()] if self.state.state == "Running" else []

        def decision() -> Decision:
            yield from commands.settle(self.state, "")
            for role in [*self.state.units] if given_back else ():
                yield Draft("unit_unbound", {"role": role, "unit": self.state.units[role]})

        self.commit(decision(), *self.engine.release_parts(number, given_back))
        self.engine.allocate()

    async def _end(self) -> None:
        """After a stop or abort, cells are cared for until two people sign their disposal."""
        self.engine.withdraw(self.state.number)
        if self.state.units and not any(task.kind == "dispose" for task in self.state.tasks.values()):
            text = (
                f"Batch {self.state.number} is {self.state.state}. Its material stays in care in "
                f"{', '.join(sorted(set(self.state.units.values())))}: dispose of it, and sign, two people."
            )
            content: PlainDict = {"text": text, "units": sorted(set(self.state.units.values()))}
            self.commit(
                iter((commands.open_task(self.state, "", "dispose", "supervisor", content, people=2),))
            )

    def _begin_ready(self) -> None:
        for action in procedure_actions.actions(self.state).get("", ()):
            if isinstance(action, StartUnitProcedure):
                ask_for_units(self, action)
            else:
                decision = procedure_actions.take(self.state, action, self.engine.clock.now())
                self.commit(self._judged("", action, decision))

    def granted(self, grant: Grant) -> None:
        """Units were given: bind them and begin the unit procedure, in one commit."""
        node = find(self.state.known_recipe().procedure, grant.path, self.state.progress)
        action = StartUnitProcedure(grant.path, cast("UnitProcedure", node))

        def decision() -> Decision:
            for role, unit in sorted(grant.units.items()):
                yield Draft("unit_bound", {"role": role, "unit": unit, "path": grant.path})
            yield from procedure_actions.take(self.state, action, self.engine.clock.now())

        self.commit(decision(), *self.engine.allocation_parts(self.state.number, grant.path, grant))
        self._begin(grant.path)

    def _begin(self, path: str) -> None:
        if path not in self._running:
            task = self.engine.spawn(self._unit_procedure(path), f"{self.state.number} {path}")
            self._running[path] = task
            task.add_done_callback(lambda _: self._gone(path))

    def _gone(self, path: str) -> None:
        self._running.pop(path, None)
        self.changed()

    # --- a unit procedure -----------------------------------------------------------------------------

    async def _unit_procedure(self, path: str) -> None:
        self.safety.begin(path)
        node = cast("UnitProcedure", find(self.state.known_recipe().procedure, path, self.state.progress))
        for phase_path in self._open_phases(path):
            self._recover(phase_path, path, node)
        watches = [
            self.engine.spawn(watch(self, path, node), f"{self.state.number} {path} {watch.__name__}")
            for watch in (watch_limits, watch_hold)
        ]
        phases: dict[str, asyncio.Task[None]] = {}
        try:
            while self.state.elements[path] not in ENDED:
                signal = self.signal
                await self._act_on_state(path, node, phases)
                if signal is self.signal and self.state.elements[path] not in ENDED:
                    await self.change(signal)
        finally:
            for task in (*watches, *phases.values()):
                task.cancel()
            for cursor in [c for c in self.cursors.values() if c.up == path]:
                cursor.run.close()
                del self.cursors[cursor.path]

    async def _act_on_state(
        self, path: str, node: UnitProcedure, phases: "dict[str, asyncio.Task[None]]"
    ) -> None:
        self._resume_phases(path, node, phases)
        match self.state.elements[path]:
            case "Running":
                self._take_actions(path)
            case "Holding" if not self._finishing(path):
                self.confirmed.discard(path)
                safe = self.safety.declared(path)
                self._discard(path)
                await self.safety.hold(path, node, safe)
                self.settle_element(path, "Holding")
            case "Stopping" | "Aborting" as at:
                if await self.safety.end(path, node) and not self._acting(path):
                    self.settle_element(path, at)
            case "Held":
                self.restarts.held(path)
            case "Pausing":
                self.settle_element(path, "Pausing")
            case "Restarting":
                await self.restarts.restart(path, node)
            case _:
                return

    def settle_element(self, path: str, expected: str) -> None:
        if self.state.elements[path] == expected:
            self.commit(commands.settle(self.state, path))

    def _resume_phases(self, path: str, node: UnitProcedure, phases: "dict[str, asyncio.Task[None]]") -> None:
        for phase_path in self._open_phases(path):
            running = phases.get(phase_path)
            if running is not None and running.done():
                running.result()  # what ended it early stops the engine; it is never silently begun anew
            if running is None or running.done():
                if phase_path not in self.cursors:
                    self._recover(phase_path, path, node)
                if (cursor := self.cursors.get(phase_path)) is not None:
                    phases[phase_path] = self.engine.spawn(
                        self._phase(cursor), f"{self.state.number} {phase_path}"
                    )

    def _open_phases(self, path: str) -> list[str]:
        return [phase for phase in self.state.phases if owner(phase, self.state.elements) == path]

    def _recover(self, phase_path: str, path: str, node: UnitProcedure) -> None:
        """Take a phase up again where the record says it is. Also while its unit procedure is held: the
        tasks of a phase are answered, and its hold is watched, whether it runs or not."""
        try:
            self._cursor(phase_path, path, node).replay(self.state.phase(phase_path))
        except KweekError as error:
            if self.state.elements[path] == "Running":
                self.commit(self._stuck(phase_path, path, error))
            else:
                self.cursors.pop(phase_path, None)  # it says so once it is to run

    def _cursor(self, phase_path: str, path: str, node: UnitProcedure) -> Cursor:
        call = cast("PhaseCall", find(self.state.known_recipe().procedure, phase_path, self.state.progress))
        open_ = self.state.phase(phase_path)
        cursor = Cursor(phase_path, call, node, path, self.engine.phases(open_.phase, open_.version), open_)
        self.cursors[phase_path] = cursor
        return cursor

    def _stuck(self, phase_path: str, path: str, error: KweekError) -> Decision:
        """The phase cannot go on: its own rules refuse. Each restart tries again, from the record."""
        cursor = self.cursors.pop(phase_path, None)
        if cursor is not None:
            cursor.run.close()
        yield from self._hold_for(path, phase_path, f"'{phase_path}' cannot go on: {error}")

    def _hold_for(self, path: str, where: str, sentence: str) -> Decision:
        yield commands.deviation(self.state, "critical", sentence, where)
        yield from commands.hold_by_system(self.state, path, sentence)

    def _take_actions(self, path: str) -> None:
        for action in procedure_actions.actions(self.state).get(path, ()):
            self._take(path, action)

    def _take(self, path: str, action: Action) -> None:
        now = self.engine.clock.now()
        match action:
            case StartPhase():
                self.commit(self._start_phase(path, action))
            case FinishUnitProcedure():
                self._finish(action)
            case _:
                self.commit(self._judged(path, action, procedure_actions.take(self.state, action, now)))

    def _judged(self, path: str, action: Action, decision: Decision) -> Decision:
        """An action of the procedure; where a value or expression does not allow it, a hold that says so."""
        try:
            yield from decision
        except KweekError as error:
            yield from self._hold_for(path, action.path, f"'{action.path}' cannot be carried out: {error}")

    def _start_phase(self, path: str, action: StartPhase) -> Decision:
        """A phase starts and asks for its first step, in one commit."""
        started = procedure_actions.take(self.state, action, self.engine.clock.now())
        yield from self._judged(path, action, started)
        if action.path not in self.state.phases:
            return
        node = cast("UnitProcedure", find(self.state.known_recipe().procedure, path, self.state.progress))
        try:
            cursor = self._cursor(action.path, path, node)
            cursor.send(None, first=True)
            yield from self._next(cursor)
        except KweekError as error:
            yield from self._stuck(action.path, path, error)

    def _finish(self, action: FinishUnitProcedure) -> None:
        roles = commands.roles_free(self.state, action.path)
        given_back = [self.state.units[role] for role in roles]

        def decision() -> Decision:
            yield from by_hand.void_all(self.state, action.path)
            yield from procedure_actions.take(self.state, action, self.engine.clock.now())
            for role in roles:
                yield Draft("unit_unbound", {"role": role, "unit": self.state.units[role]})

        self.commit(decision(), *self.engine.release_parts(self.state.number, given_back))
        self.engine.allocate()

    # --- hold, restart --------------------------------------------------------------------------------

    def _finishing(self, path: str) -> bool:
        """Whether a phase that cannot be held is still being finished, or a device still acts."""
        mine = [cursor for cursor in self.cursors.values() if cursor.up == path]
        return any(cursor.acting or (self.runs(cursor) and not self._awaits_word(cursor)) for cursor in mine)

    def _awaits_word(self, cursor: Cursor) -> bool:
        """Whether the phase waits for a person's word on a step that failed or is in doubt."""
        phase = self.state.phases.get(cursor.path)
        return phase is not None and phase.open is not None and phase.open.status in ("failed", "in_doubt")

    def _acting(self, path: str) -> bool:
        """Whether a device still acts, or what it did before a crash is still to be said."""
        mine = [cursor for cursor in self.cursors.values() if cursor.up == path]
        return any(cursor.acting or self._owes_word(cursor) for cursor in mine)

    def holds(self, path: str) -> list[Hold]:
        """What a hold does to each phase that has begun, whether it can go on or not."""
        procedure, progress = self.state.known_recipe().procedure, self.state.progress
        found = [find(procedure, phase, progress) for phase in self._open_phases(path)]
        return [call.hold for call in found if isinstance(call, PhaseCall)]

    def at_work(self, path: str, unit: str) -> bool:
        """Whether a unit may be acting for a unit procedure: it was asked to, and how it ended is not known."""
        found = [self.state.phase(phase).open for phase in self._open_phases(path)]
        asked = [step for step in found if step is not None and step.command and step.unit == unit]
        return any(step.status in ("asked", "in_doubt") for step in asked)

    def _owes_word(self, cursor: Cursor) -> bool:
        if not cursor.recovered or not isinstance(cursor.step, DEVICE_STEPS):
            return False
        asked = self.state.step(cursor.path)
        by_hand = not asked.unit or self.engine.equipment.manual(asked.unit)
        return asked.status == "asked" and not by_hand

    def _discard(self, path: str) -> None:
        """What can neither be held nor finished is lost: it says so, and the procedure goes on without it."""
        for cursor in [
            c for c in self.cursors.values() if c.up == path and c.call.hold.otherwise == "discard"
        ]:
            del self.cursors[cursor.path]
            cursor.run.close()
            self.commit(commands.discard_phase(self.state, cursor.path))
            cursor.wake()

    # --- a phase --------------------------------------------------------------------------------------

    async def _phase(self, cursor: Cursor) -> None:
        while self.cursors.get(cursor.path) is cursor:
            signal = self.signal
            if cursor.held_back is not None:
                if self.runs(cursor):
                    self.commit(self._go_on(cursor, cursor.held_back[0]))
                else:
                    await self.change(signal)
            else:
                await self.performer.perform(cursor)

    def complete(
        self, cursor: Cursor, reply: Value, actor: Actor = SYSTEM, *parts: Part, kept: Replying | None = None,
        before: Decision | None = None, happened_at: datetime | None = None, more: PlainDict = NOTHING_MORE,
    ) -> Submission:  # fmt: skip
        """The step has its outcome: record it and, in the same commit, ask for the next. `before`: what
        is said of it first; `parts`: entries of other streams; `more`: see commands.done."""

        def outcome() -> Decision:
            yield from before or ()
            yield from commands.done(self.state, cursor.path, reply, actor, happened_at, more)
            if self.runs(cursor):
                yield from self._go_on(cursor, reply)
            else:
                cursor.held_back = (reply,)

        submission = self.commit(outcome(), *parts, reply=kept)
        cursor.wake()
        return submission

    def _go_on(self, cursor: Cursor, reply: Value) -> Decision:
        cursor.held_back = None
        try:
            cursor.send(reply)
            yield from self._next(cursor)
        except KweekError as error:
            yield from self._stuck(cursor.path, cursor.up, error)

    def _next(self, cursor: Cursor) -> Decision:
        """Ask for the cursor's step, or finish its phase. Work done by hand meanwhile is its outcome."""
        while cursor.step is not None:
            yield from by_hand.void_late(self.state, cursor.up, self.engine.clock.now())
            yield from self.ask(cursor, cursor.step)
            credit = self.credit(cursor)
            if credit is None:
                return
            reply = by_hand.outcome(self.state, credit)
            yield from commands.done(self.state, cursor.path, reply, more={"by_hand": credit})
            cursor.send(reply)
        cursor.run.close()
        self.cursors.pop(cursor.path, None)
        now = self.engine.clock.now()
        yield from commands.finish_phase(self.state, cursor.call, cursor.path, cursor.results, now)

    def ask(self, cursor: Cursor, step: Step) -> Decision:
        """Record what is asked; a unit that cannot be asked for it at all makes the step fail."""
        unit, now = self.unit_of(cursor, step), self.engine.clock.now()
        if not isinstance(step, OnUnit):
            yield from commands.ask(self.state, cursor.path, step, "", now)
            return
        try:
            by_hand = self._by_hand(unit, step)
        except KweekError as error:
            yield from commands.ask(self.state, cursor.path, step, unit, now)
            yield from commands.failed(self.state, cursor.path, str(error))
        else:
            yield from commands.ask(self.state, cursor.path, step, unit, now, by_hand)

    def unit_of(self, cursor: Cursor, step: Step) -> str:
        """The unit a step addresses; '' for steps that address none."""
        return self.state.units.get(step.unit or cursor.node.unit, "") if isinstance(step, OnUnit) else ""

    def _by_hand(self, unit: str, step: Step) -> PlainDict | None:
        if not unit:
            raise Refused(
                f"'{commands.text_of(cast('PlainDict', plain(step)))}' names a role that has no unit here."
            )
        return self.engine.equipment.by_hand(unit, step) if self.engine.equipment.manual(unit) else None

    def credit(self, cursor: Cursor) -> int | None:
        """The entry of the work by hand that the open step of a phase asks for, if people entered it."""
        open_ = self.state.step(cursor.path)
        if open_.status != "asked":
            return None
        return by_hand.credit(self.state, cursor.up, open_.unit, open_.step, self.engine.clock.now())
