"""From an order to the patient: collection, transport, making, tests, release, storage, infusion; and anew
where a batch is lost.

One journey is one order; each attempt is a batch of its own. A batch for the stock of a site has no
patient: it is made, released and sent.
"""

from collections.abc import Generator
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import simpy

from simulations.demand import Order
from simulations.distributions import Distribution
from simulations.lanes import Network
from simulations.measures import Ended, Notes
from simulations.plant import Plant
from simulations.run import BatchRun
from simulations.scenario import ProductPlan, Scenario, StockItem, Work
from simulations.streams import Streams

Going = Generator[Any, Any, Any]


class World(Protocol):
    """What a journey needs of the factory."""

    env: simpy.Environment
    scenario: Scenario
    streams: Streams
    notes: Notes
    network: Network
    plants: dict[str, Plant]
    open_orders: int

    def batch(self, product: str, site: str, name: str, priority: int, gives_up: float = inf) -> BatchRun: ...
    def site_for(self, plan: ProductPlan, clinic: str) -> str: ...


@dataclass
class Journey:
    """One order, from the place where its material comes from and goes to."""

    world: World
    product: str
    name: str
    place: str

    def __post_init__(self) -> None:
        self.env, self.notes = self.world.env, self.world.notes
        self.plan = self.world.scenario.products[self.product]

    # --- orders -----------------------------------------------------------------------------------------

    def of_order(self, order: Order) -> Going:
        """An order of a patient or customer, to its end."""
        self.world.open_orders += 1
        self.notes.count(f"orders.{self.product}", self.env.now)
        fate = yield from self._wait(order)
        if not fate:
            fate = yield from self._attempts(order)
        self.world.open_orders -= 1
        self.notes.count(f"orders.{fate}.{self.product}", self.env.now)

    def _wait(self, order: Order) -> Going:
        """Until the slot; why there is none any more, or ''."""
        until = min(order.starts, order.gives_up, order.cancelled_at)
        if until > self.env.now:
            yield self.env.timeout(until - self.env.now)
        if order.cancelled_at < order.starts and order.cancelled_at <= order.gives_up:
            return "cancelled"
        return self._left(order) if order.gives_up < order.starts else ""

    def _left(self, order: Order) -> str:
        return "died" if order.dies else "dropped_out"

    def _attempts(self, order: Order) -> Going:
        remake = self.plan.remake
        for attempt in range(1, (remake.attempts if remake else 0) + 2):
            name = self.name if attempt == 1 else f"{self.name}.{attempt}"
            fate = yield from self._attempt(order, name)
            if fate == "gave up":
                return self._left(order)
            if not fate.startswith("lost") or remake is None or attempt > remake.attempts:
                return fate
            if self._uniform("remade", name) >= remake.probability:
                return fate
            self.notes.count(f"remade.{self.product}", self.env.now)
            delay = self._draw(remake.delay, "remake delay", name)
            if delay > 0:
                yield self.env.timeout(delay)
        raise AssertionError("the last attempt returns")  # pragma: no cover

    def _attempt(self, order: Order, name: str) -> Going:
        asked = self.env.now
        demand = self.world.scenario.demand[self.product]
        collection = self._draw(demand.collection, "collection", name)
        if collection > 0:
            yield self.env.timeout(collection)
        collected = self.env.now
        site = self.world.site_for(self.plan, self.place)
        if self.place and site != self.place and not (yield self.world.network.send(self.place, site, name)):
            self._ended(name, site, asked, -1.0, "lost in transport", 0)
            return "lost in transport"
        first = name == self.name
        run = self.world.batch(self.product, site, name, order.priority, order.gives_up if first else inf)
        fate = yield from self.make(run, asked)
        if fate not in ("released", "treated"):
            return fate
        if self.place and site != self.place and not (yield self.world.network.send(site, self.place, name)):
            return "lost in transport back"
        infusion = self._draw(demand.infusion, "infusion", name)
        if infusion > 0:
            yield self.env.timeout(infusion)
        self._given(collected, asked)
        return fate

    def _given(self, collected: float, asked: float) -> None:
        now = self.env.now
        self.notes.output(f"vein_to_vein.{self.product}", now - collected)
        if now >= self.notes.start:
            self.notes.output(f"after/vein_to_vein.{self.product}", now - collected)
            self.notes.output(f"after/order_to_end.{self.product}", now - asked)

    # --- a batch ----------------------------------------------------------------------------------------

    def make(self, run: BatchRun, asked: float) -> Going:
        """Make, test and release: 'released', 'treated' (out of specification, given all the same),
        'out_of_specification', 'gave up' or 'lost: …'."""
        yield self.env.process(run.live())
        plant, now = run.plant, self.env.now
        if run.fate:
            fate = "gave up" if run.fate == "gave up" else f"lost: {run.fate}"
            self._ended(run.id, plant.site.name, asked, run.began, fate, run.deviations)
            return fate
        self.notes.output(f"making.{self.product}", now - run.began)
        store = plant.stores.get(self.plan.store)
        if store is not None and self.plan.positions:
            there = store.take(self.plan.positions)
            if there is not None:
                yield there
                self.notes.waited(self.product, "storage", "store", self.env.now, self.env.now - now)
        fate = yield from self._release(run)
        self._ended(run.id, plant.site.name, asked, run.began, fate, run.deviations)
        self.env.process(self._empty(plant, run.id, fate))
        if fate.startswith("out_of_specification"):
            treated = self.plan.remake.treated if self.plan.remake else 0.0
            return "treated" if self._uniform("treated", run.id) < treated else "lost: out of specification"
        stored = self._draw(self.plan.stored_for, "stored for", run.id)
        if stored > 0:
            yield self.env.timeout(stored)
        return fate

    def _empty(self, plant: Plant, name: str, fate: str) -> Going:
        """The positions in the store are given back when the product leaves it."""
        stored = self._draw(self.plan.stored_for, "stored for", name) if fate == "released" else 0.0
        yield self.env.timeout(stored)
        store = plant.stores.get(self.plan.store)
        if store is not None and self.plan.positions:
            store.give(self.plan.positions)

    def _release(self, run: BatchRun) -> Going:
        """Wait for the results that block, then review and certify."""
        made, release = run.made, self.plan.release
        for sample in sorted(run.tests):
            blocks = sample in made.blocking or not release.conditional
            event = run.tests[sample]
            if blocks and sample in made.judged and not event.processed:
                asked = self.env.now
                yield event
                self.notes.waited(
                    self.product, f"release/{sample}", "laboratory", self.env.now, self.env.now - asked
                )
        failed = [found for sample in sorted(run.tests) for found in self._verdicts(run, sample)]
        for number, work in enumerate(each for each in (release.review, release.certify) if each):
            yield from self._work(run, work, f"{run.id}/release/{number}")
        return self._judged(run, failed)

    def _judged(self, run: BatchRun, failed: list[tuple[str, bool]]) -> str:
        late = [name for name, blocking in failed if not blocking]
        why = run.out_of_specification + [name for name, blocking in failed if blocking]
        for name in [] if why else late:
            self.notes.count(f"late_failure.{self.product}.{name}", self.env.now)
        return f"out_of_specification: {why[0]}" if why else "released"

    def _verdicts(self, run: BatchRun, sample: str) -> tuple[tuple[str, bool], ...]:
        """What the results of a sample fail; those nobody waited for are drawn now, though some come later."""
        if sample not in run.made.judged:
            return ()
        if sample in run.awaited:
            return run.awaited[sample]
        answer = run.made.answer(sample)
        index = answer.draw(lambda part: self._uniform("outcome", f"{run.id}/{sample}/{part}"))
        return run.made.failed(sample, answer, index)

    def _work(self, run: BatchRun, work: Work, entity: str) -> Going:
        takes = self._draw(work.takes, "work", entity)
        asked = self.env.now
        start = yield run.plant.crew.work(work.need, takes, work.at_shift_end, run.priority)
        self.notes.waited(self.product, "release", "people", self.env.now, start - asked)

    def _ended(self, name: str, site: str, asked: float, began: float, fate: str, deviations: int) -> None:
        self.notes.batches.append(
            Ended(name, self.product, site, asked, began, self.env.now, fate, deviations)
        )
        if began >= 0:
            self.notes.output(f"time_in_system.{self.product}", self.env.now - asked)

    # --- for stock --------------------------------------------------------------------------------------

    def for_stock(self, item: StockItem) -> Going:
        """A batch that brings a material to a site's stock; where it is lost, the stock orders anew."""
        self.world.open_orders += 1
        asked = self.env.now
        site = self.world.site_for(self.plan, self.place)
        run = self.world.batch(self.product, site, self.name, 0)
        fate = yield from self.make(run, asked)
        arrived = fate in ("released", "treated")
        if arrived and site != self.place:
            arrived = yield self.world.network.send(site, self.place, self.name)
        self.world.open_orders -= 1
        shelves = self.world.plants[self.place].shelves
        if arrived:
            shelves.deliver(item.material)
        else:
            shelves.lost(item.material)

    def _uniform(self, purpose: str, entity: str) -> float:
        return self.world.streams.uniform(purpose, entity)

    def _draw(self, takes: Distribution | None, purpose: str, entity: str) -> float:
        return 0.0 if takes is None else takes.sample(self._uniform(purpose, entity))
