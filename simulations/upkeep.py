"""What keeps units from batches: cleaning, clearance, changeover, maintenance, media fills, breakdown.

The rules of the time between two batches are pure (`before`, `after`); `Upkeep` runs the clocks of one
site in SimPy time and asks for units through a port, whose owner knows who holds them.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, Protocol

import simpy

from simulations.crew import Crew
from simulations.scenario import Breakdown, Maintenance, Site, UnitGroup, Work
from simulations.streams import Streams


@dataclass(slots=True)
class UnitState:
    """What the next batch in a unit must know: the last product, when it was cleaned, how many batches of
    that product came one after the other."""

    product: str = ""
    cleaned_at: float = 0.0
    in_a_row: int = 0


def before(group: UnitGroup, state: UnitState, product: str, now: float) -> list[Work]:
    """What is done before a batch of a product may begin; updates the state to that batch."""
    works = list(_change(group, state, product))
    cleaning = group.cleaning
    if cleaning and cleaning.expires is not None and now - state.cleaned_at > cleaning.expires:
        works.append(cleaning.work)
        state.cleaned_at = now
    same = state.product == product and not _campaign_over(group, state)
    state.in_a_row = state.in_a_row + 1 if same else 1
    state.product = product
    return works


def after(group: UnitGroup, state: UnitState, now: float) -> list[Work]:
    """What is done after a batch; whoever does it sets `cleaned_at` when it is over."""
    state.cleaned_at = now
    return [group.cleaning.work] if group.cleaning else []


def _change(group: UnitGroup, state: UnitState, product: str) -> Iterator[Work]:
    if not state.product:
        return
    change = group.changeover
    if state.product != product or _campaign_over(group, state):
        first = change.product or change.batch
        if first:
            yield first
    elif change.batch:
        yield change.batch


def _campaign_over(group: UnitGroup, state: UnitState) -> bool:
    return 0 < group.changeover.campaign <= state.in_a_row


class Port(Protocol):
    """Who gives units to upkeep, and hears what befalls them."""

    def wanted(self, unit: str, why: str) -> simpy.Event:
        """An event that comes when the unit is free of batches and given to upkeep."""
        ...

    def back(self, unit: str) -> None:
        """Upkeep is done with the unit."""
        ...

    def down(self, unit: str, lost: bool) -> None:
        """The unit broke down; `lost`: the batch in it, if any, is lost."""
        ...

    def up(self, unit: str) -> None:
        """The unit is repaired."""
        ...


@dataclass(slots=True, eq=False)
class _Clock:
    """The time to the next failure of one unit."""

    breakdown: Breakdown
    left: float
    number: int = 0
    since: float = inf
    """When the present use began; inf: not in use."""
    armed: int = 0
    repaired: simpy.Event | None = None


def unit_ids(site: Site, group: UnitGroup) -> list[str]:
    """The names of the units of a group: 'hospital/processor-1'."""
    return [f"{site.name}/{group.name}-{number}" for number in range(1, group.count + 1)]


class Upkeep:
    """Maintenance and breakdowns of one site until `end` (seconds)."""

    def __init__(
        self, env: simpy.Environment, site: Site, crew: Crew, streams: Streams, port: Port, end: float
    ) -> None:
        self.env, self.site, self.crew, self.streams, self.port, self.end = (
            env,
            site,
            crew,
            streams,
            port,
            end,
        )
        self._clocks: dict[str, _Clock] = {}
        for group in site.units.values():
            for unit in unit_ids(site, group) if group.breakdown else ():
                self._begin_clock(unit, group.breakdown)
        for each in site.upkeep.values():
            self._plan(each)

    # -- maintenance ---------------------------------------------------------------------------

    def _plan(self, each: Maintenance) -> None:
        units = [unit for name in each.units for unit in unit_ids(self.site, self.site.units[name])]
        for number, unit in enumerate(units):  # spread over the interval, so that the plant never stops whole
            self.env.process(self._maintain(each, unit, each.first + number * each.every / len(units)))

    def _maintain(self, each: Maintenance, unit: str, due: float) -> Generator[Any, Any, None]:
        count = 0
        while due < self.end:
            yield self.env.timeout(max(0.0, due - self.env.now))
            yield self.port.wanted(unit, each.name)
            count += 1
            yield from self.perform([each.work], f"{each.name}/{unit}/{count}")
            self.port.back(unit)
            due = max(due + each.every, self.env.now)

    def perform(self, works: Sequence[Work], occasion: str) -> Generator[Any, Any, None]:
        """Do pieces of work one after the other; `occasion` names them for the random streams."""
        for number, work in enumerate(works):
            takes = work.takes.sample(self.streams.uniform("upkeep", f"{occasion}/{number}"))
            yield self.crew.work(work.need, takes, work.at_shift_end)

    def contaminated(self, group: UnitGroup, batch: str) -> float:
        """How long the unit is out of service after this batch was contaminated; 0 if it was not."""
        found = group.contamination
        key = f"{self.site.name}/{group.name}/{batch}"
        if found is None or self.streams.uniform("contamination", key) >= found.probability:
            return 0.0
        return found.out_of_service.sample(self.streams.uniform("decontamination", key))

    # -- breakdown -----------------------------------------------------------------------------

    def in_use(self, unit: str) -> None:
        """A batch begins to use the unit."""
        clock = self._clocks.get(unit)
        if clock is None:
            return
        clock.since = self.env.now
        if clock.breakdown.basis == "in_use":
            self._arm(unit, clock)

    def free(self, unit: str) -> None:
        """The batch has left the unit."""
        clock = self._clocks.get(unit)
        if clock is None:
            return
        if clock.breakdown.basis == "in_use" and clock.repaired is None:
            clock.left -= self.env.now - clock.since
            clock.armed += 1
        clock.since = inf

    def repaired(self, unit: str) -> simpy.Event | None:
        """An event that comes when the unit is repaired; None while it is not down."""
        clock = self._clocks.get(unit)
        return None if clock is None else clock.repaired

    def _begin_clock(self, unit: str, breakdown: Breakdown | None) -> None:
        if breakdown is None:
            return
        clock = self._clocks[unit] = _Clock(breakdown, 0.0)
        clock.left = self._next(unit, clock)
        if breakdown.basis == "calendar":
            self._arm(unit, clock)

    def _next(self, unit: str, clock: _Clock) -> float:
        return clock.breakdown.after.sample(self.streams.uniform("breakdown", f"{unit}/{clock.number}"))

    def _arm(self, unit: str, clock: _Clock) -> None:
        """Let the failure come, unless the run ends before it or the use does."""
        clock.armed += 1
        if clock.repaired is None and self.env.now + clock.left <= self.end:
            timer = self.env.timeout(clock.left)
            assert timer.callbacks is not None  # a new event has its list of callbacks
            timer.callbacks.append(partial(self._fail, unit, clock, clock.armed))

    def _fail(self, unit: str, clock: _Clock, armed: int, _: simpy.Event) -> None:
        if armed == clock.armed:
            self.env.process(self._repair(unit, clock))

    def _repair(self, unit: str, clock: _Clock) -> Generator[Any, Any, None]:
        key = f"{unit}/{clock.number}"
        lost = clock.since < inf and self.streams.uniform("lost in breakdown", key) < clock.breakdown.lost
        clock.repaired = self.env.event()
        self.port.down(unit, lost)
        takes = clock.breakdown.repair.sample(self.streams.uniform("repair", key))
        if clock.breakdown.need is None:
            yield self.env.timeout(takes)
        else:
            yield self.crew.work(clock.breakdown.need, takes)
        self._up(unit, clock)

    def _up(self, unit: str, clock: _Clock) -> None:
        clock.number += 1
        clock.left = self._next(unit, clock)
        repaired, clock.repaired = clock.repaired, None
        if clock.since < inf:
            clock.since = self.env.now
        if clock.breakdown.basis == "calendar" or clock.since < inf:
            self._arm(unit, clock)
        self.port.up(unit)
        if repaired is not None:
            repaired.succeed()
