"""A plain queueing network in SimPy: arrivals, stations with c servers, routing, finite waiting rooms,
impatience, breakdown, priorities, closed populations.

It serves small questions, and shows against theory that clocks, queues, random numbers and statistics
are right (`simulations/validation.py`). It is a `Model`, so every kind of experiment runs on it.
"""

import hashlib
import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

import simpy

from simulations.distributions import Distribution
from simulations.model import MODEL_VERSION, Replication
from simulations.streams import Streams

OUT = "out"
"""Where a customer goes who leaves the network."""


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A server fails after so much time in service, not while idle, and goes on with the same customer
    once repaired. Times in seconds."""

    after: Distribution
    repair: Distribution


@dataclass(frozen=True, slots=True)
class Station:
    """`servers` alike, one queue. `room`: how many may wait (None: no bound; who finds it full is lost).
    `patience`: how long one waits before one leaves the network unserved. `to`: where one goes next, with
    what probability; the rest leaves."""

    servers: int
    service: Distribution
    to: Mapping[str, float] = field(default_factory=dict[str, float])
    room: int | None = None
    patience: Distribution | None = None
    breakdown: Breakdown | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Customers from outside to `to`, `every` so many seconds. A lower `priority` number goes first."""

    to: str
    every: Distribution
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Population:
    """`size` customers who never leave: each stays outside for `outside`, then goes to `to`, and comes
    back outside when the network lets it out (machines that run, then wait for repair)."""

    size: int
    to: str
    outside: Distribution


@dataclass(frozen=True, slots=True)
class Network:
    """A queueing network and how long to watch it, in seconds, after `warm_up`."""

    name: str
    stations: Mapping[str, Station]
    sources: Mapping[str, Source] = field(default_factory=dict[str, Source])
    populations: Mapping[str, Population] = field(default_factory=dict[str, Population])
    warm_up: float = 0.0
    length: float = 1.0


@dataclass(frozen=True)
class QueueingModel:
    """A network as a model: one replication gives the measures of every station and class.

    `wait.STATION` (mean time in queue of those who were served), `wait.STATION.CLASS`, `waited.STATION`
    (share that waited), `queue.STATION` (mean length), `busy.STATION` (mean share of servers taken),
    `present.STATION`, `lost.STATION` and `reneged.STATION` (shares of arrivals), `served.STATION` (per
    second), `time_in_system.CLASS` (of those who left).
    """

    network: Network

    @property
    def key(self) -> str:
        # a dataclass of plain values has one repr: names, numbers and distributions in order
        return hashlib.sha256(f"{MODEL_VERSION} {self.network!r}".encode()).hexdigest()

    def replicate(self, seed: int, replication: int) -> Replication:
        run = _Run(self.network, Streams(seed, replication))
        return Replication(seed, replication, run.measures(), {"time_in_system": tuple(run.times)})


Moves = Generator[simpy.Event, Any, None]


class _Place:
    """A station while it runs."""

    def __init__(self, run: "_Run", name: str, station: Station) -> None:
        self.run, self.name, self.station = run, name, station
        self.idle = list(range(station.servers))
        self.queue: list[tuple[int, int, simpy.Event]] = []
        self.waiting = 0
        self.service = run.streams.draws("service", name)
        self.route = run.streams.draws("route", name)
        self.patience = run.streams.draws("patience", name)
        self.failures = [run.streams.draws("failure", f"{name}/{n}") for n in range(station.servers)]
        self.good_for = [self.next_failure(n) for n in range(station.servers)]
        self.waits: dict[str, list[float]] = {}
        self.arrived = self.lost = self.reneged = self.served = self.waited = 0
        self.areas = {"queue": 0.0, "busy": 0.0}
        self.since = 0.0

    def next_failure(self, server: int) -> float:
        broken = self.station.breakdown
        return math.inf if broken is None else broken.after.sample(self.failures[server]())

    def tally(self) -> None:
        """Add what was so since the last change, the part after the warm-up."""
        now = self.run.env.now
        lasted = now - max(self.since, self.run.network.warm_up)
        if lasted > 0:
            self.areas["queue"] += lasted * self.waiting
            self.areas["busy"] += lasted * (self.station.servers - len(self.idle))
        self.since = now

    def visit(self, kind: str, priority: int) -> Generator[simpy.Event, Any, bool]:
        """One customer's stay; False if it was lost or left unserved."""
        came, counts = self.run.env.now, self.run.counts
        self.arrived += counts
        if not self.idle and self.station.room is not None and self.waiting >= self.station.room:
            self.lost += counts
            return False
        server = self.take() if self.idle else (yield from self.wait(priority))
        if server is None:
            self.reneged += counts
            return False
        if counts:
            self.waits.setdefault(kind, []).append(self.run.env.now - came)
            self.waited += self.run.env.now > came
        yield from self.serve(server)
        self.served += self.run.counts
        self.give_back(server)
        return True

    def take(self) -> int:
        self.tally()
        return self.idle.pop()

    def wait(self, priority: int) -> Generator[simpy.Event, Any, int | None]:
        turn = self.run.env.event()
        self.tally()
        self.waiting += 1
        heappush(self.queue, (priority, next(self.run.order), turn))
        if self.station.patience is None:
            return (yield turn)
        gone = self.run.env.timeout(self.station.patience.sample(self.patience()))
        yield turn | gone
        if turn.triggered:
            return turn.value
        turn.succeed(None)  # whoever frees a server passes over this one
        self.tally()
        self.waiting -= 1
        return None

    def serve(self, server: int) -> Moves:
        left, env = self.station.service.sample(self.service()), self.run.env
        while self.station.breakdown is not None and self.good_for[server] < left:
            left -= self.good_for[server]
            yield env.timeout(self.good_for[server])
            yield env.timeout(self.station.breakdown.repair.sample(self.failures[server]()))
            self.good_for[server] = self.next_failure(server)
        self.good_for[server] -= left
        yield env.timeout(left)

    def give_back(self, server: int) -> None:
        self.tally()
        while self.queue:
            _, _, turn = heappop(self.queue)
            if not turn.triggered:
                self.waiting -= 1
                turn.succeed(server)
                return
        self.idle.append(server)

    def next_place(self) -> str:
        left = self.route() if self.station.to else 1.0
        for name, share in self.station.to.items():
            left -= share
            if left < 0:
                return name
        return OUT

    def measures(self, length: float) -> dict[str, float]:
        self.tally()
        found = {
            "queue": self.areas["queue"] / length,
            "busy": self.areas["busy"] / length / self.station.servers,
            "present": (self.areas["queue"] + self.areas["busy"]) / length,
            "served": self.served / length,
        }
        if self.arrived:
            found |= {"lost": self.lost / self.arrived, "reneged": self.reneged / self.arrived}
        everyone = [wait for kind in sorted(self.waits) for wait in self.waits[kind]]
        if everyone:
            found |= {"wait": math.fsum(everyone) / len(everyone), "waited": self.waited / len(everyone)}
        named = {f"{what}.{self.name}": value for what, value in found.items()}
        classes = {
            f"wait.{self.name}.{kind}": math.fsum(waits) / len(waits) for kind, waits in self.waits.items()
        }
        return named | classes


class _Run:
    """One replication."""

    def __init__(self, network: Network, streams: Streams) -> None:
        self.network, self.streams = network, streams
        self.env, self.order = simpy.Environment(), count()
        self.times: list[float] = []
        self.by_class: dict[str, list[float]] = {}
        self.places = {name: _Place(self, name, station) for name, station in network.stations.items()}
        for name, source in network.sources.items():
            self.env.process(self.arrive(name, source))
        for name, population in network.populations.items():
            for member in range(population.size):
                self.env.process(self.belong(name, population, member))
        self.env.run(until=network.warm_up + network.length)

    @property
    def counts(self) -> bool:
        """Whether what happens now counts: after the warm-up."""
        return self.env.now >= self.network.warm_up

    def arrive(self, name: str, source: Source) -> Moves:
        draw = self.streams.draws("arrival", name)
        while True:
            yield self.env.timeout(source.every.sample(draw()))
            self.env.process(self.pass_through(name, source.to, source.priority))

    def belong(self, name: str, population: Population, member: int) -> Moves:
        draw = self.streams.draws("outside", f"{name}/{member}")
        while True:
            yield self.env.timeout(population.outside.sample(draw()))
            yield from self.pass_through(name, population.to, 0)

    def pass_through(self, kind: str, place: str, priority: int) -> Moves:
        came, served = self.env.now, True
        while place != OUT and served:
            served = yield from self.places[place].visit(kind, priority)
            place = self.places[place].next_place()
        if served:
            self.times.append(self.env.now - came)
            if came >= self.network.warm_up:
                self.by_class.setdefault(kind, []).append(self.env.now - came)

    def measures(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for place in self.places.values():
            found |= place.measures(self.network.length)
        for kind, times in self.by_class.items():
            found[f"time_in_system.{kind}"] = math.fsum(times) / len(times)
        return found
