"""CPU time of a scenario against the same system written by hand in plain SimPy; growth with load; memory.

    python -m tests.benchmarks.simulation [--rounds 5] [--years 2]

The system: vessels, benches and operators in shifts; a batch keeps a vessel for ten rounds of culture with
a signed look at each, then a bench on which it is scanned, put away and certified. Same arrivals, same
distributions, same random streams, and both note waits and the use of units and people by week. Before
anything is timed the two must give the same completion times to the microsecond. The recipe is compiled
once; its first replication, which grows the trees of steps, is shown apart. The goal is a ratio of 1.4.
"""

import argparse
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

import simpy

from simulations.calendars import compile_calendar
from simulations.demand import orders
from simulations.distributions import Distribution, Triangular
from simulations.factory import ScenarioModel
from simulations.measures import Notes
from simulations.model import Replication
from simulations.scenario import Scenario
from simulations.streams import Streams
from tests.simulations.small import model, recipe, scenario

GOAL = 1.4
ROUNDS, CULTURE = 10, 20 * 3600.0
VESSELS, BENCHES, OPERATORS, EVERY = 10, 2, 4, 24.0
PROCEDURE = f"""
  - unit_procedure: Grow
    unit: vessel
    operations:
      - repeat: Rounds
        at_most: {ROUNDS}
        until: 1 == 2
        body:
          - operation: Round
            phases:
              - hold_culture@1: {{duration: 20 h, temperature: 37 degC}}
              - decide@1: {{question: Seen?, options: it is well | it is not, role: operator}}
  - unit_procedure: Finish
    unit: bench
    operations:
      - operation: Put away
        phases:
          - store@1: {{product: tiny, containers: 2, at_most: -150 degC}}
          - decide@1: {{question: Done?, options: it is | it is not, role: operator}}
"""
LOOK, SCAN, PUT = (20.0, 40.0, 60.0), (1.0, 2.0, 4.0), (10.0, 15.0, 30.0)
"""Triangular: minutes of a decision, a scan and putting away."""


def rule(step: str, minutes: tuple[float, float, float]) -> str:
    low, mode, high = minutes
    return f"\n      - {{step: {step}, takes: {{value: {{triangular: [{low} min, {mode} min, {high} min]}}, source: bench}}, at_shift_end: finish}}"


def plant(years: float, load: int = 1, sites: int = 1) -> Scenario:
    """The scenario. `load`: times the demand, on as many times the units and people."""
    return scenario(
        vessels=VESSELS * load,
        benches=BENCHES * load,
        operators=OPERATORS * load,
        demand=f"interval: {{value: {{exponential: {EVERY / load} h}}, source: bench}}",
        outcomes='[{of: read, name: temperature, classes: [{amount: {value: "-160 degC", source: bench}}]}]',
        work=rule("Decide", LOOK) + rule("Scan", SCAN) + rule("Ask", PUT),
        shift='from: "07:00", to: "22:00"',
        length=f"{round(years * 365)} day",
    )


def built(found: Scenario) -> ScenarioModel:
    return model(recipe(PROCEDURE), found)


# --- the same by hand -------------------------------------------------------------------------------------


class ByHand:
    """What somebody would write who knows SimPy and this plant."""

    def __init__(self, found: Scenario, seed: int, replication: int) -> None:
        self.env = simpy.Environment()
        self.found, self.streams = found, Streams(seed, replication)
        site = found.sites["plant"]
        self.vessels = simpy.Resource(self.env, site.units["vessel"].count)
        self.benches = simpy.Resource(self.env, site.units["bench"].count)
        self.operators = simpy.Resource(self.env, site.people["operators"].count)
        self.open = compile_calendar(found.calendars["hours"], found.horizon)
        self.ended: dict[str, float] = {}
        self.end = found.horizon.warm_up + found.horizon.length
        self.notes = Notes(found.horizon.warm_up, self.end)
        minutes = {"Decide": LOOK, "Scan": SCAN, "Ask": PUT}
        self.takes = {step: Triangular(*(60 * each for each in times)) for step, times in minutes.items()}

    def run(self) -> dict[str, float]:
        self.env.process(self.arrivals())
        self.env.run(until=self.end)
        return self.ended

    def arrivals(self) -> Generator[Any, Any, None]:
        for order in orders(self.found.demand["tiny"], self.found.horizon, self.streams, self.end):
            yield self.env.timeout(order.at - self.env.now)
            self.env.process(self.batch(order.id))

    def batch(self, name: str) -> Generator[Any, Any, None]:
        env = self.env
        asked = env.now
        with self.vessels.request() as vessel:
            yield vessel
            began = env.now
            self.notes.waited("tiny", "Grow", "units", began, began - asked)
            for number in range(1, ROUNDS + 1):
                path = f"{name}/Grow/Rounds[{number}]/Round"
                yield env.timeout(CULTURE)
                yield from self.work("look", self.draw("Decide", f"{path}/decide#0"))
        self.notes.span("busy", "plant", "vessel", 1, began, env.now)
        asked = env.now
        with self.benches.request() as bench:
            yield bench
            began = env.now
            self.notes.waited("tiny", "Finish", "units", began, began - asked)
            path = f"{name}/Finish/Put away"
            scans = self.draw("Scan", f"{path}/store#0") + self.draw("Scan", f"{path}/store#1")
            yield from self.work("store", scans + self.draw("Ask", f"{path}/store#2"))
            yield from self.work("done", self.draw("Decide", f"{path}/decide#0"))
        self.notes.span("busy", "plant", "bench", 1, began, env.now)
        self.ended[name] = env.now

    def work(self, what: str, seconds: float) -> Generator[Any, Any, None]:
        env, asked = self.env, self.env.now
        with self.operators.request() as operator:
            yield operator
            wait = self.open.next_open(env.now) - env.now
            if wait > 0:
                yield env.timeout(wait)
            began = env.now
            self.notes.waited("tiny", what, "people", began, began - asked)
            yield env.timeout(seconds)
        self.notes.people("plant", "operators", 1, began, env.now)

    def draw(self, step: str, entity: str) -> float:
        takes: Distribution = self.takes[step]
        return takes.sample(self.streams.uniform("time", entity))


# --- figures ----------------------------------------------------------------------------------------------


def same(found: Scenario, ours: Replication) -> int:
    """How many batches ended, at the same times in both. Exits where they differ."""
    by_hand = ByHand(found, ours.seed, ours.replication).run()
    ended = {str(row["batch"]): float(row["ended"]) for row in ours.tables["batches"]}
    apart = [
        name
        for name in ended.keys() | by_hand.keys()
        if abs(ended.get(name, -1) - by_hand.get(name, -1)) > 1e-6
    ]
    if apart:
        sys.exit(f"{len(apart)} of {len(by_hand)} batches end at other times, the first {min(apart)}.")
    return len(ended)


def timed(work: Callable[[int, int], object], seed: int, number: int) -> float:
    gc.collect()
    start = time.process_time()
    work(seed, number)
    return time.process_time() - start


def ratio(years: float, rounds: int) -> None:
    found = plant(years)
    ours = built(found)
    first = timed(ours.replicate, 1, 1)
    many = same(found, ours.replicate(1, 1))
    print(
        f"{many} batches end at the same times in both; the first replication, which compiles: {first:.2f} s"
    )

    def by_hand(seed: int, number: int) -> dict[str, float]:
        return ByHand(found, seed, number).run()

    pairs = [(timed(ours.replicate, 1, number), timed(by_hand, 1, number)) for number in range(1, rounds + 1)]
    kweek, hand = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    found_ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
    print(f"CPU of a replication: Kweek {kweek:.3f} s, plain SimPy by hand {hand:.3f} s")
    spread = ", ".join(f"{pair[0] / pair[1]:.2f}" for pair in pairs)
    verdict = "met" if found_ratio <= GOAL else "missed"
    print(f"ratio {found_ratio:.2f} (each: {spread}); goal at most {GOAL}: {verdict}")


def growth(years: float) -> None:
    base = 0.0
    for load in (1, 10, 100):
        ours = built(plant(years, load))
        ours.replicate(1, 1)
        many = len(ours.replicate(1, 2).tables["batches"])
        takes = timed(ours.replicate, 1, 2) / many * 1000
        base = base or takes
        print(f"load x{load}: {many} batches, {takes:.3f} ms CPU a batch, {takes / base:.2f} of x1")


def memory(years: float) -> None:
    ours = built(replace(plant(years)))
    for number in range(1, 4):
        ours.replicate(2, number)
    tracemalloc.start()
    sizes: list[float] = []
    for number in range(4, 14):
        ours.replicate(2, number)
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0] / 1024)
    print(
        f"kept after replications 4 to 13, kB above the third: {', '.join(f'{size:.0f}' for size in sizes)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--years", type=float, default=2)
    given = parser.parse_args()
    ratio(given.years, given.rounds)
    growth(given.years / 8)
    memory(given.years / 4)


if __name__ == "__main__":
    main()
