"""Whole stories of batches told through the site, in one event loop and virtual time.

A `Town` is one life of the engine over a disk and equipment that outlive it. The phases of most stories
are scripts: short generators that a test writes itself, so that a story holds just the steps it is about.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from batches.conformance import Conformance, conform
from batches.entries import Actor, Draft, Entry
from batches.phases import lookup
from batches.phases.base import Declared, Phase
from batches.plain import Plain, PlainDict
from batches.quantities import Quantity, parse
from batches.recipe import Recipe
from batches.recipe_reader import read
from batches.record import BatchState
from batches.record_state import Task
from batches.steps import PhaseRun
from batches.tasks import SIGNED
from devices.base import Outcome, Reading, Repeatability
from devices.plant import DEMO, Plant, load
from orchestrator.answers import Signature
from orchestrator.clock import InlineClock
from orchestrator.demo.right_answers import Sight, right_answer
from orchestrator.engine import Engine
from orchestrator.equipment import Act, action_of
from orchestrator.site import Site
from orchestrator.store.memory import Disk, MemoryStore
from orchestrator.store.port import Store
from tests.crash.world import Acted, FakePlant, Points

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
NUMBER, IDENTITY = "B-26-0001", "KWDEMO1260000014"
PEOPLE = {
    "operator": "p-op", "supervisor": "p-sup", "qa": "p-qa", "qp": "p-qp", "qc": "p-qc", "engineer": "p-eng",
    "logistics": "p-log",
}  # fmt: skip
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
Script = Callable[[], PhaseRun]
SIGNED_BY = Signature("P. Person", "pperson", "supervisor", "performed", "UTC")


def person(role: str, name: str = "") -> Actor:
    return Actor("person", name or PEOPLE[role], role)


# --- recipes of scripts -------------------------------------------------------------------------------

HEAD = """
recipe: story
language: 1
version: 1
title: A story
product: {name: Thing, kind: allogeneic, store: {at_most: -150 degC}, expires: {after: done, within: 365 day}}
formula:
  warmth: {value: 37 degC, low: 36.5 degC, high: 37.5 degC, critical: true, source: test}
materials:
  medium: {class: raw, unit: mL, source: test}
  seed: {class: starting, unit: vial, identity: donor, conditional: true, use_within: 2 h, source: test}
  product: {class: product, unit: mL, identity: donor, source: test}
units: {reactor: bioreactor/vertical_wheel, cabinet: room/grade_a}
procedure:
"""
SAFE = "{safe: keep_environment, longest: 12 h}"


def unit_procedure(
    name: str, *scripts: str, unit: str = "reactor", hold: str = SAFE, limits: str = "", extra: str = ""
) -> str:
    """The YAML of a unit procedure that runs scripts one after the other."""
    calls = [
        f"          - script@1: {{name: {s}}}\n            as: {s}\n            hold: {hold}\n{extra}"
        for s in scripts
    ]
    head = f"  - unit_procedure: {name}\n    unit: {unit}\n" + (f"    limits: {limits}\n" if limits else "")
    return head + "    operations:\n      - operation: Op\n        phases:\n" + "".join(calls)


def scripted(*procedures: str, head: str = HEAD) -> Recipe:
    return read(head + "".join(procedures), "story.yaml")


def phases_of(scripts: Mapping[str, Script]) -> Callable[[str, int], Phase]:
    """The phases of the house, and `script@1`, which runs the script it is given by name."""

    def run(*, name: str) -> PhaseRun:
        return scripts[name]()

    phase = Phase("script", 1, run, "A script of a test.", {"name": Declared("text")})
    return lambda name, version: phase if name == "script" else lookup(name, version)


# --- equipment ----------------------------------------------------------------------------------------

Fate = Outcome | Exception
"""What becomes of one call: an outcome, or what it raises."""


class Shop(FakePlant):
    """Equipment that does as it is told, unless a story gives it another fate.

    `fates`: what becomes of the next calls of an action, in order; `loses`: calls that act although an
    exception is raised. `safes`, `restored`, `stopped`: what was asked beside the steps. `away`: units that are not there.
    """

    def __init__(self, kinds: Mapping[str, Repeatability] | None = None) -> None:
        super().__init__(load(DEMO), Points(), kinds or {})
        self.fates: dict[str, list[Fate]] = {}
        self.safes: list[tuple[str, str]] = []
        self.restored: list[tuple[str, str, str]] = []
        self.asked: list[str] = []
        self.quality: dict[str, str] = {}
        self.away: dict[str, Exception] = {}
        self.statuses: list[Fate] = []
        self.reads = 0
        self.lasts = timedelta(minutes=10)
        self.acts_before_failing = False
        self.unsafe: Exception | None = None
        self.stopped: list[str] = []
        self.unstoppable: Exception | None = None

    async def act(self, unit: str, step: Act, command: str, batch: str) -> Outcome:
        action = action_of(step)[0]
        self.asked.append(action)
        if unit in self.away:
            raise self.away[unit]
        fates = self.fates.get(action, [])
        fate = fates.pop(0) if fates else Outcome("done", {"volume": parse("100 mL")})
        if not isinstance(fate, Exception) or self.acts_before_failing:
            self.log.append(Acted(unit, action, command, self._clock.now()))
        if await self.works(unit, self.lasts):
            return Outcome("failed", text="It was stopped")
        if isinstance(fate, Exception):
            raise fate
        return fate

    async def status(self, unit: str, command: str) -> Outcome:
        if self.statuses:
            fate = self.statuses.pop(0)
            if isinstance(fate, Exception):
                raise fate
            return fate
        return await super().status(unit, command)

    async def read(self, unit: str, tag: str) -> Reading:
        self.reads += 1
        if unit in self.away:
            raise self.away[unit]
        reading = await super().read(unit, tag)
        return Reading(reading.value, reading.at, cast("Any", self.quality.get(tag, "good")))

    async def safe(self, unit: str, state: str, command: str) -> None:
        if self.unsafe is not None:
            raise self.unsafe
        self.safes.append((unit, state))

    async def stop(self, unit: str, command: str) -> None:
        self.stopped.append(unit)
        if self.unstoppable is not None:
            raise self.unstoppable
        await super().stop(unit, command)

    async def set(self, unit: str, tag: str, value: Quantity, command: str) -> None:
        self.restored.append((unit, tag, str(value)))

    def did(self, action: str) -> int:
        """How often the equipment really did something."""
        return sum(1 for done in self.log if done.action == action)


# --- one life of the engine ---------------------------------------------------------------------------


@dataclass
class World:
    """What outlives the engine: disk, equipment, time."""

    recipe: Recipe
    scripts: Mapping[str, Script] = field(default_factory=dict[str, Script])
    shop: Shop = field(default_factory=Shop)
    disk: Disk = field(default_factory=Disk)
    now: datetime = START
    store: Callable[[Disk], Store] = MemoryStore
    plant: Plant | None = None

    def run(
        self, *stories: "Callable[[Town], Coroutine[Any, Any, None]]", away: timedelta | None = None
    ) -> None:
        """Tell stories, the engine killed between them. `away`: how long it was, before each but the first."""
        for index, story in enumerate(stories):
            asyncio.run(self._tell(story, away if index else None))

    async def _tell(
        self, story: "Callable[[Town], Coroutine[Any, Any, None]]", away: timedelta | None
    ) -> None:
        async with self.life(away) as town:
            await story(town)

    @asynccontextmanager
    async def life(self, away: timedelta | None = None) -> "AsyncIterator[Town]":
        since, self.now = self.now, self.now + (away or timedelta(0))
        clock = InlineClock(self.now)
        self.shop.clock = clock
        engine = Engine(
            self.store(self.disk),
            clock,
            self.shop,
            self.plant or self.shop.plant,
            phases=phases_of(self.scripts),
        )
        town = Town(self, clock, Site(engine))
        town.site.open((since, self.now) if away else None)
        await town.settle()
        try:
            yield town
        finally:
            self.now = clock.now()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)


@dataclass
class Town:
    """A site that runs, and its people."""

    world: World
    clock: InlineClock
    site: Site
    number: str = NUMBER

    # --- before the batch -------------------------------------------------------------------------------

    async def approve(self, recipe: Recipe | None = None) -> None:
        """The recipe is approved, whatever its checks say (they have tests of their own)."""
        found = recipe or self.world.recipe
        body: PlainDict = {
            "recipe": found.name, "recipe_version": found.version, "digest": found.digest, "content": found.content
        }  # fmt: skip
        self.site.engine.commit(
            (f"recipe/{found.name}", (Draft("recipe_submitted", body, person("engineer")),))
        )
        await self.site.approve_recipe(found.name, found.version, person("qa"))

    async def stock(
        self, material: str, quantity: str, *, release: bool = True, expires: datetime | None = None
    ) -> str:
        """A lot is received, and released if asked to. Its number."""
        known = self.world.recipe.materials[material]
        identity = IDENTITY if known.identity else ""
        lot = await self.site.receive_lot(
            material, parse(quantity), expires, identity, f"S-{material}", person("qa")
        )
        if release:
            await self.site.decide_lot(lot, "release", "sig", "certificate reviewed", person("qa"))
        return lot

    async def create(self, priority: int = 0) -> str:
        return await self.site.create_batch(
            self.world.recipe.name, None, IDENTITY, person("supervisor"), priority=priority
        )

    async def begin(self) -> None:
        """Approve, create and start the batch of the story."""
        await self.approve()
        self.number = await self.create()
        await self.command("start")

    # --- time -------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        await self.clock.settle()

    async def later(self, by: timedelta) -> None:
        """Time passes, with everything that is due in it."""
        until = self.clock.now() + by
        await self.clock.run_until_idle(until)
        self.clock.move(until)
        await self.settle()

    async def until(self, reached: Callable[[], bool], limit: int = 2000) -> None:
        """Let time pass until something is so; nobody answers anything."""
        for _ in range(limit):
            await self.settle()
            if reached():
                return
            assert self.clock.advance(), (
                f"nothing more happens: {self.site.engine.broken} {self.elements} {[*self.tasks.values()]}"
            )
        raise AssertionError("it did not come to that")

    # --- looking ----------------------------------------------------------------------------------------

    @property
    def state(self) -> BatchState:
        return self.site.batches[self.number]

    @property
    def elements(self) -> dict[str, str]:
        return {path: str(at) for path, at in self.state.elements.items()}

    @property
    def tasks(self) -> dict[str, Task]:
        return self.state.tasks

    def task(self, kind: str, path: str = "") -> Task:
        """The one open task of a kind (and path)."""
        found = [task for task in self.tasks.values() if task.kind == kind and task.path.startswith(path)]
        assert len(found) == 1, f"{len(found)} tasks {kind}: {[*self.tasks.values()]}"
        return found[0]

    def has(self, kind: str) -> bool:
        return any(task.kind == kind for task in self.tasks.values())

    @property
    def entries(self) -> list[Entry]:
        return [*self.site.engine.store.read(f"batch/{self.number}")]

    def bodies(self, kind: str) -> list[PlainDict]:
        return [entry.content() for entry in self.entries if entry.kind == kind]

    @property
    def deviations(self) -> list[tuple[str, str]]:
        return [(found.severity, found.text) for found in self.state.deviations.values()]

    def verified(self) -> Conformance:
        """The record of the batch, re-executed."""
        return conform(self.entries, phases_of(self.world.scripts))

    # --- people -----------------------------------------------------------------------------------------

    async def command(
        self, given: str, path: str = "", role: str = "supervisor", reason: str = "a test"
    ) -> None:
        await self.site.answers.command(self.number, path, given, person(role), reason)
        await self.settle()

    async def say(
        self, task: Task, answer: Plain, name: str = "", role: str = "", **more: Any
    ) -> dict[str, Plain]:
        """One person answers a task."""
        actor = person(role or task.role, name)
        signature = SIGNED_BY if task.kind in SIGNED else None
        said = await self.site.answers.answer(self.number, task.id, actor, answer, signature, **more)
        await self.settle()
        return said

    async def answer(self, task: Task, answer: Plain = None) -> None:
        """Whoever a task needs answers it, rightly unless `answer` says otherwise."""
        for n in range(len(task.answers), task.people):
            second = bool(task.step) and n > 0
            given = self.right(task) if answer is None else answer
            await self.say(task, {"verified": True} if second else given, f"p-{task.role}-{n + 1}")

    def right(self, task: Task) -> Plain:
        containers = {use.material: use.lot for use in self.state.made}
        shelf = {lot.material: lot.number for lot in self.site.lots.values() if lot.status == "released"}
        sight = Sight(self.number, self.state.identity, self.state.units, containers, shelf)
        return right_answer(task.kind, task.content, sight)

    async def everyone(self, but: Iterable[str] = ()) -> bool:
        """Answer every open task of this batch; whether any was."""
        found = [task for task in self.tasks.values() if task.kind not in but]
        for task in found:
            if task.id in self.tasks:
                await self.answer(task)
        return bool(found)

    async def to_the_end(self, limit: int = 3000) -> None:
        """People answer and time passes until the batch has ended."""
        for _ in range(limit):
            await self.settle()
            if self.state.ended:
                return
            if not await self.everyone():
                assert self.clock.advance(), (
                    f"stuck: {self.site.engine.broken} {self.elements} {[*self.state.phases.values()]}"
                )
        raise AssertionError(f"no end: {self.elements}")

    async def confirm_restart(self, path: str = "Grow") -> None:
        """A person gives the restart command and confirms that the equipment is fit."""
        await self.command("restart", path, "operator")
        await self.answer(self.task("restart", path))
        await self.settle()
