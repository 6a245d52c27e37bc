"""The engine: the one writer of a site, its live state, and who is told of what.

Everything that changes goes through `commit`: decide on the pending state, submit one item, and only
when it is durable act, reply and publish. The engine holds batches that have not ended, lots, units
and recipes as folds of their streams; executing batches is `orchestrator/executor.py`, answering
people is `orchestrator/answers.py`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from batches import equipment as units
from batches import materials
from batches.allocation import Grant, Request, Unit, arbitrate, why_not
from batches.commands import Decision, decide, roles_open
from batches.entries import SYSTEM, Draft, Entry
from batches.equipment import UnitState
from batches.errors import Busy, KweekError, NotFound, Refused, StoreError
from batches.materials import LotState
from batches.numbers import LOT_PATTERN, next_number
from batches.phases import lookup
from batches.phases.base import Phase
from batches.record import BatchState, fold
from devices.base import Reading
from devices.plant import Plant
from orchestrator.clean import CleanEquipment
from orchestrator.clock import ProcessClock
from orchestrator.equipment import Equipment
from orchestrator.leased import LeasedEquipment
from orchestrator.plant_classes import unit_classes
from orchestrator.recipes import RecipeBook
from orchestrator.replying import Replying
from orchestrator.store.port import Item, Store, Submission

Part = tuple[str, Iterable[Draft]]
"""A stream and what is decided for it."""


class Historian(Protocol):
    """Where readings of tags go: beside the record, never in it."""

    def keep(self, unit: str, tag: str, reading: Reading, received_at: datetime) -> None: ...


OUTAGE = timedelta(minutes=15)
"""Time without the engine after which people reconcile the equipment before it moves again (assumed)."""
BEHIND = 5_000
"""Commits that may wait for the disk before requests are refused for a moment (assumed). What the engine
itself has begun goes on: each phase waits for its own commits."""
ENDED_KEPT = 8
"""Batches of an earlier life whose fold is kept once somebody looked at them."""
LISTENER_LIMIT = 10_000
"""Events a listener may be behind before it is dropped and must join anew."""


@dataclass(frozen=True, slots=True)
class Event:
    """One durable entry, told to listeners. `mark` is the event's id on the wire."""

    mark: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Settings:
    """How the executor behaves; process time throughout. All values are assumed defaults."""

    look_every: timedelta = timedelta(minutes=15)
    """How often an Until is looked at when the recipe does not say."""
    sample_every: timedelta = timedelta(hours=1)
    """How often tags with limits are read."""
    prompt_every: timedelta = timedelta(minutes=2)
    reach_for: timedelta = timedelta(minutes=10)
    """How long a device that cannot be reached is tried again before the step fails."""
    retry_first: timedelta = timedelta(seconds=5)


class Engine:
    """The site's engine. `open` first; `close` last. Not for use from other threads."""

    def __init__(
        self, store: Store, clock: ProcessClock, equipment: Equipment, plant: Plant, settings: Settings | None = None,
        phases: Callable[[str, int], Phase] = lookup,
    ) -> None:  # fmt: skip
        self.store, self.clock, self.plant = store, clock, plant
        self.equipment: Equipment = LeasedEquipment(CleanEquipment(equipment), store.lease_left)
        self.settings, self.phases = settings or Settings(), phases
        self.batches: dict[str, BatchState] = {}
        self.lots: dict[str, LotState] = {}
        self.units: dict[str, UnitState] = {}
        self.recipes = RecipeBook(offers=unit_classes(plant))
        self._ended_before: dict[str, BatchState] = {}
        """A few batches that ended in an earlier life and were looked at."""
        self.numbers: set[str] = set()
        """Every batch number ever given."""
        self.requests: dict[tuple[str, str], Request] = {}
        self.granted: Callable[[Grant], None] = _nobody
        self.changed: Callable[[str], None] = _nobody
        """Called with the number of a batch after its state changed by more than the steps of a phase."""
        self.historian: Historian | None = None
        self.broken = ""
        self._listeners: dict[asyncio.Queue[Event | None], None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_crash: Callable[[BaseException], None] = self._stop

    # --- commit -----------------------------------------------------------------------------------

    def check_takes(self) -> None:
        """Raises StoreError once the engine has stopped, Busy while the disk is far behind. Ask before a
        request is begun: what was decided is never refused for want of room."""
        if self.broken:
            raise StoreError(self.broken)
        if (waiting := self.store.pending()) >= BEHIND:
            raise Busy(
                f"{waiting} commits wait for the disk; nothing of this request was begun, send it again in a moment."
            )

    def commit(self, *parts: Part, reply: Replying | None = None) -> Submission:
        """Decide, fold, and submit one atomic item. Raises the refusals of the decisions, and
        StoreError once the engine has stopped. Synchronous: the pending state is always consistent."""
        if self.broken:
            raise StoreError(self.broken)
        at = self.clock.now()
        drafts = self._decide_all(parts, at)
        try:
            kept = reply(drafts) if callable(reply) else reply
            submission = self.store.submit(Item(drafts, at, reply=kept))
        except Exception as error:
            self._stop(error, "the record could not be written: ")
            raise
        for entry in submission.entries:
            self._fold(entry)
        submission.durable.add_done_callback(lambda done: self._publish(done, submission.entries))
        for number in {e.stream.removeprefix("batch/") for e in submission.entries if e.kind not in STEPS}:
            self.changed(number)
        return submission

    def batch_part(self, number: str, decision: Decision) -> Part:
        """A decision for a batch's stream, folded into its live state draft by draft."""
        return f"batch/{number}", decision

    def _decide_all(self, parts: Sequence[Part], at: datetime) -> list[tuple[str, Draft]]:
        """Decide every part. A refusal comes before anything is folded; what fails later has left the
        live state ahead of the record, and stops the engine."""
        parts = [
            (stream, decision if stream.startswith("batch/") else list(decision))
            for stream, decision in parts
        ]
        before = self._folded(parts)
        try:
            return [
                (stream, draft) for stream, decision in parts for draft in self._decide(stream, decision, at)
            ]
        except Exception as error:
            if self._folded(parts) != before:
                self._stop(error)
            raise

    def _folded(self, parts: Iterable[Part]) -> list[int]:
        numbers = [stream.removeprefix("batch/") for stream, _ in parts]
        return [self.batches[number].entries if number in self.batches else 0 for number in numbers]

    def _decide(self, stream: str, decision: Iterable[Draft], at: datetime) -> Sequence[Draft]:
        number = stream.removeprefix("batch/")
        if number == stream:
            return list(decision)
        known = self.batches.get(number)
        if known is not None:
            return decide(known, iter(decision), at)
        state = self.batches[number] = BatchState(number=number)
        try:
            return decide(state, iter(decision), at)
        except Exception:
            del self.batches[number]  # only a first entry makes a batch; nothing may stand before its record
            raise

    def _fold(self, entry: Entry) -> None:
        kind, _, name = entry.stream.partition("/")
        match kind:
            case "lot":
                self.lots[name] = materials.apply(self.lots.get(name, materials.NO_LOT), entry)
            case "equipment":
                self.units[name] = units.apply(self.units.get(name, units.NOT_COMMISSIONED), entry)
            case "recipe":
                self.recipes.apply(entry)
            case _:
                return

    def _publish(self, durable: "asyncio.Future[None]", entries: Sequence[Entry]) -> None:
        if durable.cancelled():
            return
        if (error := durable.exception()) is not None:
            self._stop(error, "the record could not be written: ")
            return
        for entry in entries:
            event = Event(self.clock.publish(), entry)
            for queue in [*self._listeners]:
                self._tell(queue, event)

    def _tell(self, queue: "asyncio.Queue[Event | None]", event: Event) -> None:
        if queue.qsize() >= LISTENER_LIMIT:
            self._listeners.pop(queue, None)
            queue.put_nowait(None)
        else:
            queue.put_nowait(event)

    def subscribe(self) -> AsyncGenerator[Event]:
        """Durable entries from this call on. Ends when the listener is too far behind; it joins anew."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._listeners[queue] = None
        return self._events(queue)

    async def _events(self, queue: "asyncio.Queue[Event | None]") -> AsyncGenerator[Event]:
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._listeners.pop(queue, None)

    # --- life ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Read the streams: lots, units, recipes, and of the batches only those that may still go on.
        Blocking; call it before serving."""
        for kind in ("recipe/", "lot/", "equipment/"):
            for stream in self.store.streams(kind):
                for entry in self.store.read(stream):
                    self._fold(entry)
        self.numbers.update(stream.removeprefix("batch/") for stream in self.store.streams("batch/"))
        holding = {held.batch for unit in self.units.values() for held in unit.holders.values()}
        for number in sorted({*self.store.unsettled(), *holding} & self.numbers):
            state = fold(self.store.read(f"batch/{number}"))
            if not state.settled:
                self.batches[number] = state
        self._commission()

    def _commission(self) -> None:
        """Units of the plant file that the record does not know yet enter it."""
        parts = [
            (f"equipment/{u.id}", units.commission(units.NOT_COMMISSIONED, u.id, u.unit_class, len(u.positions), SYSTEM))
            for u in self.plant.units if u.id not in self.units
        ]  # fmt: skip
        if parts:
            self.commit(*parts)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Run work of the engine; what it raises beyond cancellation stops the engine."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.on_crash(error)

    def _stop(self, error: BaseException, why: str = "") -> None:
        """Nothing is decided or acted on any more; starting again takes everything up from the record."""
        said = str(error) if isinstance(error, KweekError) else f"{type(error).__name__}: {error}"
        self.broken = self.broken or f"The engine stopped: {why}{said}"
        for task in [*self._tasks]:
            task.cancel()

    async def close(self) -> None:
        """Stop all work, leaving the record as a kill would: everything resumes from it."""
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- reading ------------------------------------------------------------------------------------

    def live(self, number: str) -> BatchState:
        """The state of a batch that has not ended. Raises NotFound or Refused."""
        if number in self.batches:
            return self.batches[number]
        if number in self.numbers:
            raise Refused(f"Batch {number} has ended; its record can be read but no longer changed.")
        raise NotFound(f"There is no batch {number}; look at the list of batches.")

    async def taken_up(self, number: str) -> BatchState:
        """The live state of any batch: one that ended in an earlier life is read again, as people may
        still add to its record. Raises NotFound."""
        state = await self.batch(number)
        return self.batches.setdefault(number, state)

    async def batch(self, number: str) -> BatchState:
        """The state of any batch."""
        if number in self.batches:
            return self.batches[number]
        self.known(number)
        if number not in self._ended_before:
            state = await self._folded_anew(number)
            while len(self._ended_before) >= ENDED_KEPT:
                del self._ended_before[next(iter(self._ended_before))]
            self._ended_before[number] = state
        return self._ended_before[number]

    def known(self, number: str) -> None:
        """Raises NotFound for a number that was never given."""
        if number not in self.numbers and number not in self.batches:
            raise NotFound(f"There is no batch {number}; look at the list of batches.")

    async def _folded_anew(self, number: str) -> BatchState:
        """The fold of a batch that is not live, made beside the event loop."""
        with self.clock.activity.call():
            return await asyncio.to_thread(lambda: fold(self.store.read(f"batch/{number}")))

    def keep_reading(self, unit: str, tag: str, reading: Reading) -> None:
        """Hand a reading to the historian, if there is one."""
        if self.historian is not None:
            self.historian.keep(unit, tag, reading, self.clock.now())

    async def entries(self, stream: str, after: int = 0, limit: int | None = None) -> list[Entry]:
        """Durable entries of a stream."""
        with self.clock.activity.call():
            return await asyncio.to_thread(lambda: [*self.store.read(stream, after, limit)])

    # --- units --------------------------------------------------------------------------------------

    def request(self, request: Request) -> None:
        """Ask for units; `granted` is called when they are given, at once or later."""
        self.requests[request.claim, request.path] = request
        self.allocate()

    def withdraw(self, number: str) -> None:
        """A batch that does not run waits for no units; it asks again when it runs."""
        for key in [key for key in self.requests if key[0] == number]:
            del self.requests[key]

    def allocate(self) -> None:
        """Let the arbiter give what can be given now."""
        for grant in arbitrate(self._asked(), self._plant_units()):
            if self.requests.pop((grant.claim, grant.path), None) is not None:
                self.granted(grant)

    def _asked(self) -> list[Request]:
        """Who waits, and who holds units and may ask for more: the arbiter must know both, or two
        batches could come to wait for each other."""
        asked = [each for each in self.requests.values() if self.batches[each.claim].state == "Running"]
        waiting = {each.claim for each in asked}
        holding = [
            self._holds(state)
            for number, state in self.batches.items()
            if state.units and number not in waiting
        ]
        return [*asked, *holding]

    def _holds(self, state: BatchState) -> Request:
        """A batch that holds units and asks for none now; one that has ended will ask for none again."""
        later = {} if state.ended else roles_open(state)
        since = state.created_at or self.clock.now()
        return Request(state.number, state.priority, since, {}, dict(state.units), later)

    def _plant_units(self) -> list[Unit]:
        known = {unit.id for unit in self.plant.units}
        return [state.unit() for unit, state in self.units.items() if unit in known]

    def waits_for(self, request: Request) -> str:
        """Why a request is not granted, in one sentence."""
        return why_not(request, self._asked(), self._plant_units())

    def allocation_parts(self, batch: str, path: str, given: Grant) -> list[Part]:
        """The entries in the units' own streams for a grant."""
        return [
            (f"equipment/{unit}", units.allocate(self.units[unit], batch, path, role, given.positions.get(role, "")))
            for role, unit in sorted(given.units.items())
        ]  # fmt: skip

    def release_parts(self, batch: str, given_back: Iterable[str]) -> list[Part]:
        """The entries in the units' own streams when a batch gives units back."""
        return [
            (f"equipment/{unit}", units.release(self.units[unit], batch, self._to_be_cleaned(unit), position))
            for unit in sorted(set(given_back))
            for position, holder in self.units[unit].holders.items()
            if holder.batch == batch
        ]

    def _to_be_cleaned(self, unit: str) -> bool:
        return not self.units[unit].positions and self.units[unit].unit_class.split("/")[0] in CLEANED

    def new_lot(self) -> str:
        return next_number(LOT_PATTERN, self.clock.now().year, self.lots)


STEPS = frozenset({"step_asked", "step_done"})
"""A phase goes on by itself from step to step: nothing else of the batch may do more, or less, after these."""
CLEANED = frozenset({"bioreactor", "closed_cell_processor", "liquid_handler", "room"})
"""Unit classes that touch product or hold open material: cleaned before the next batch."""


def _nobody(_: object) -> None:
    """Nobody listens yet."""
