"""A world in which the engine can be stopped at any commit and any device call, and started again.

One event loop, virtual time, the record in memory, equipment with a log of its own that outlives the
engine. `Disk` and `FakePlant.log` are what a crash cannot take; everything else is thrown away.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from batches.entries import Actor, Entry, read
from batches.errors import StoreError
from batches.ledger import verify_chain
from batches.plain import Plain, PlainDict, text_in
from batches.quantities import Quantity, parse
from batches.record import BatchState, fold
from batches.record_state import Task
from batches.steps import Field, Step, plain
from devices.base import Outcome, OutcomeUnknown, Reading, Repeatability
from devices.plant import Plant
from orchestrator.answers import Signature
from orchestrator.clock import InlineClock
from orchestrator.engine import Engine, Settings
from orchestrator.equipment import Act, action_of
from orchestrator.site import Site
from orchestrator.store.memory import Disk, MemoryStore
from tests.crash.kept import KeptStore, broken, entry_of
from tests.crash.late import KeptLateStore, LateStore

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
DURATION = timedelta(minutes=10)
SELDOM = Settings(sample_every=timedelta(hours=3, minutes=50))
"""Values with limits are read seldom, but often enough to be no silence: the runs are many."""


LONGEST = timedelta(days=120)
"""No batch of these tests takes half as long. One that stands held, with nobody who is to restart it, would go on
for ever: values with limits are read on, so that there is always something to wake up for."""


class Crash(BaseException):
    """The engine is gone: as SIGKILL, not an error anybody may handle."""


@dataclass
class Points:
    """Counts the moments at which a crash can strike, and strikes at the chosen ones."""

    strike: frozenset[int] = frozenset()
    passed: int = 0
    down: bool = False
    names: list[str] = field(default_factory=list[str])
    watch: Callable[[], None] | None = None
    """Called at each moment, before it strikes."""

    def pass_by(self, name: str) -> None:
        if self.down:
            raise Crash
        self.passed += 1
        self.names.append(name)
        if self.watch is not None:
            self.watch()
        if self.passed in self.strike:
            self.down = True
            raise Crash


@dataclass(frozen=True)
class Acted:
    """One line of the equipment's own log: it really did this."""

    unit: str
    action: str
    command: str
    at: datetime


class FakePlant:
    """Equipment that keeps a log of what it did, and can lose a reply by the engine's death.

    `kinds`: repeatability by action; 'set' and 'safe' are idempotent, the rest non-repeatable unless said.
    """

    def __init__(self, plant: Plant, points: Points, kinds: Mapping[str, Repeatability]) -> None:
        self.plant, self.points, self.kinds = plant, points, kinds
        self.log: list[Acted] = []
        self.results: dict[str, dict[str, Quantity]] = {}
        self.readings: dict[str, Quantity] = {}
        self.clock: InlineClock | None = None
        self.halts: dict[str, asyncio.Future[None]] = {}

    def manual(self, unit: str) -> bool:
        return self.plant.unit(unit).driver == "manual"

    def by_hand(self, unit: str, step: Step) -> PlainDict:
        return {"text": f"{plain(step)}", "fields": {"done": plain(Field("yes_no"))}, "unit": unit}

    def repeatability(self, unit: str, step: Act) -> Repeatability:
        action = action_of(step)[0]
        return "idempotent" if action == "set" else self.kinds.get(action, "non_repeatable")

    async def act(self, unit: str, step: Act, command: str, batch: str) -> Outcome:
        action = action_of(step)[0]
        self.points.pass_by(f"before {unit} {action}")
        if self.acts_anew(unit, step, command):
            self.log.append(Acted(unit, action, command, self.now()))
        self.points.pass_by(f"during {unit} {action}")
        stopped = await self.works(unit, DURATION)
        self.points.pass_by(f"after {unit} {action}")
        if stopped:
            return Outcome("failed", text="It was stopped")
        return Outcome("done", {"volume": parse("100 mL")}, evidence=b"t,event\n0,start\n")

    async def works(self, unit: str, lasts: timedelta) -> bool:
        """Take the time an action takes; whether it was stopped before."""
        halt = self.halts[unit] = asyncio.get_running_loop().create_future()
        return await self._clock.wait(halt, self.now() + lasts)

    def acts_anew(self, unit: str, step: Act, command: str) -> bool:
        """Equipment that keeps command ids acts once for each; other equipment acts whenever it is told."""
        queryable = self.kinds.get(action_of(step)[0]) == "queryable"
        return not (queryable and any(done.command == command for done in self.log))

    @property
    def _clock(self) -> InlineClock:
        assert self.clock is not None
        return self.clock

    def now(self) -> datetime:
        return self._clock.now()

    async def status(self, unit: str, command: str) -> Outcome:
        self.points.pass_by(f"status {unit}")
        seen = any(done.command == command for done in self.log)
        return Outcome("done", {"volume": parse("100 mL")}) if seen else Outcome("not_seen")

    async def read(self, unit: str, tag: str) -> Reading:
        if tag not in self.readings:
            raise OutcomeUnknown(f"{unit} has no value of {tag}")
        return Reading(self.readings[tag], self._clock.now())

    async def safe(self, unit: str, state: str, command: str) -> None:
        self.points.pass_by(f"safe {unit}")

    async def stop(self, unit: str, command: str) -> None:
        self.points.pass_by(f"stop {unit}")
        halt = self.halts.get(unit)
        if halt is not None and not halt.done():
            halt.set_result(None)

    async def set(self, unit: str, tag: str, value: Quantity, command: str) -> None:
        self.points.pass_by(f"restore {unit}")

    async def prompt(self, unit: str, command: str) -> str | None:
        return None

    async def answer_prompt(self, unit: str, command: str, text: str) -> None:
        raise AssertionError("nothing was asked")


Answerer = Callable[[BatchState, Task], Plain]


@dataclass
class World:
    """What outlives a crash, and how often one has struck."""

    plant: Plant
    equipment: FakePlant
    points: Points
    answer: Answerer
    recipe: str
    identity: str
    lots: Callable[[Site], "asyncio.Future[None] | object"]
    disk: Disk = field(default_factory=Disk)
    now: datetime = START
    crashes: int = 0
    acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    late: bool = False
    """Whether commits come a moment after they were submitted (tests/crash/late.py)."""
    kept: bool = False
    """Whether bytes that runs share are read and checked once for all of them (tests/crash/kept.py)."""
    site: Site | None = None
    ended: BatchState | None = None
    failure: BaseException | None = None
    """What stopped the engine that was no crash: a fault of Kweek's own."""

    def run(self, number: str = "B-26-0001", limit: int = 40) -> BatchState:
        """Run the batch to its end through every crash."""
        for _ in range(limit):
            asyncio.run(self._life(number))
            if self.failure is not None:
                raise AssertionError(f"The engine failed: {self.failure!r}") from self.failure
            if self.ended is not None:
                return self.ended
            self.crashes += 1
            self.points.down = False
        raise AssertionError(f"The batch did not end within {limit} lives.")

    async def _life(self, number: str) -> None:
        """One life of the engine: until the batch ends, or a crash. Returns nothing: `asyncio.run` writes
        out what its task returned, and a whole batch is much to write."""
        clock = InlineClock(self.now)
        self.equipment.clock = clock
        died = asyncio.Event()
        try:
            store = self._store(died)
            clock.activity.commits = store.pending
            engine = Engine(store, clock, self.equipment, self.plant, SELDOM)
            engine.on_crash = lambda error: self._died(error, died)
            site = self.site = Site(engine)
            site.open()
            await self._prepare(site, number)
            self.ended = await self._until_ended(site, clock, number, died)
        except (Crash, StoreError):
            if not self.points.down:
                raise
        finally:
            self.now = clock.now()
            await _stop_everything()

    def _store(self, died: asyncio.Event) -> MemoryStore:
        if self.late:
            late = KeptLateStore if self.kept else LateStore
            return late(self.disk, self._on_commit, lambda error: self._died(error, died))
        return (KeptStore if self.kept else MemoryStore)(self.disk, on_commit=self._on_commit)

    def _on_commit(self, moment: str, entries: "tuple[Entry, ...] | object") -> None:
        self.points.pass_by(f"{moment} commit")
        if moment == "after":
            for entry in cast("tuple[Entry, ...]", entries):
                self.acknowledged[entry.stream] = entry.number

    def _died(self, error: BaseException, died: asyncio.Event) -> None:
        died.set()
        if not isinstance(error, Crash) and not self.points.down:
            self.failure = error

    async def _prepare(self, site: Site, number: str) -> None:
        found = self.lots(site)
        if asyncio.iscoroutine(found):
            await found
        if number not in site.engine.numbers:
            await site.create_batch(self.recipe, None, self.identity, Actor("person", "p-sup", "supervisor"))
        if number in site.batches and site.batches[number].state == "Idle":
            await site.answers.command(number, "", "start", Actor("person", "p-sup", "supervisor"), "")

    async def _until_ended(
        self, site: Site, clock: InlineClock, number: str, died: asyncio.Event
    ) -> BatchState | None:
        while not died.is_set():
            await clock.settle()
            if died.is_set():
                return None
            state = site.batches.get(number) or fold(site.engine.store.read(f"batch/{number}"))
            if state.ended:
                return state
            moves = await self._people(site, state) or clock.advance()
            if not moves or clock.now() > START + LONGEST:
                raise AssertionError(
                    f"stuck at {clock.now()}: {state.elements} {list(state.phases)} {state.tasks}"
                )
        return None

    async def _people(self, site: Site, state: BatchState) -> bool:
        """Answer every open task once; whether any was."""
        tasks = [*state.tasks.values()]
        for task in tasks:
            if task.id in state.tasks:
                await self._answer(site, state, task)
        return bool(tasks)

    async def _answer(self, site: Site, state: BatchState, task: Task) -> None:
        signature = Signature("P. Person", "pperson", task.role, "performed", "UTC")
        for person in [f"p-{n}" for n in range(1, task.people + 1)][len(task.answers) :]:
            second = task.step and person != "p-1"
            given = {"verified": True} if second else self.given(state, task)
            await site.answers.answer(
                state.number, task.id, Actor("person", person, task.role), given, signature
            )

    def given(self, state: BatchState, task: Task) -> Plain:
        """The answer of somebody who looks before speaking: in doubt, the equipment's log is read."""
        match task.kind:
            case "in_doubt":
                command = self._command(state, task)
                happened = any(done.command == command for done in self.equipment.log)
                reason = {"reason": "the log of the unit"}
                if happened:
                    return {"choice": "it happened", "values": {"volume": parse("100 mL").plain()}, **reason}
                return {"choice": "it did not happen", **reason}
            case "failed":
                return {"choice": "retry", "reason": "looked at it"}
            case _:
                return self.answer(state, task)

    def _command(self, state: BatchState, task: Task) -> str:
        return state.step(task.path).command


async def _stop_everything() -> None:
    """As a kill: nothing runs any more, and nobody is told."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@dataclass(frozen=True)
class Judgement:
    """What a run through crashes came to: all three lists are empty when nothing was lost or done twice."""

    lost: list[str]
    repeated: list[str]
    wrong: list[str]
    in_doubt: int
    points: int

    @property
    def good(self) -> bool:
        return not (self.lost or self.repeated or self.wrong)


def judge(world: World, state: BatchState) -> Judgement:
    """Compare the record with what was acknowledged and with the equipment's own log."""
    record, damage = _record(world, state.number)
    lost = [
        f"{stream}: {number} acknowledged, {len(world.disk.streams.get(stream, ()))} kept"
        for stream, number in world.acknowledged.items()
        if len(world.disk.streams.get(stream, ())) < number
    ]
    wrong = [] if state.state == "Complete" else [f"the batch ended {state.state}"]
    wrong += [damage] if damage else []
    done = {text_in(e.content(), "command") for e in record if e.kind == "step_asked"}
    wrong += [
        f"{acted} has no intent in the record" for acted in world.equipment.log if acted.command not in done
    ]
    wrong += missing(world, record)
    in_doubt = sum(1 for entry in record if entry.kind == "step_in_doubt")
    return Judgement(lost, repeated(world.equipment.log, record), wrong, in_doubt, world.points.passed)


def _record(world: World, number: str) -> tuple[list[Entry], str]:
    """The record on the disk, and what is wrong with its chain."""
    parts = world.disk.streams[f"batch/{number}"]
    if world.kept:
        return [entry_of(part) for part in parts], broken(parts)
    record = [read(part.leaf, part.entry.salt, part.body) for part in parts]
    problem = verify_chain(record)
    return record, "" if problem is None else f"{problem}"


def missing(world: World, record: list[Entry]) -> list[str]:
    """Device actions that the record calls done and the equipment never did."""
    asked = {
        (b["path"], b["number"], b["attempt"]): b
        for e in record
        if e.kind == "step_asked"
        for b in [e.content()]
    }
    acted = {done.command for done in world.equipment.log}
    found = list[str]()
    for body in (entry.content() for entry in record if entry.kind == "step_done"):
        step = asked[body["path"], body["number"], body["attempt"]]
        kind, unit = text_in(cast("PlainDict", step["step"]), "step"), text_in(step, "unit")
        by_device = kind in ("Set", "Do", "Program", "Transfer") and not world.equipment.manual(unit)
        if by_device and text_in(step, "command") not in acted:
            found.append(f"{body['path']} step {body['number']} is recorded as done; {unit} never did it")
    return found


def repeated(log: list[Acted], record: list[Entry]) -> list[str]:
    """Device actions that took place more than once for one step of the record without a person's word."""
    of_step: dict[str, str] = {}
    for entry in record:
        if entry.kind == "step_asked" and text_in(entry.content(), "command"):
            body = entry.content()
            of_step[text_in(body, "command")] = f"{body['path']} step {body['number']}"
    counts: dict[str, int] = {}
    for done in log:
        if done.action != "set":
            key = of_step.get(done.command, done.command)
            counts[key] = counts.get(key, 0) + 1
    return [key for key, count in counts.items() if count > 1]
