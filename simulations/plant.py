"""One site in SimPy time: its units with what keeps them from batches, people, laboratory, stock, stores."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Protocol

import simpy

from batches.errors import BadInput
from batches.quantities import Quantity
from simulations.calendars import WorkTime
from simulations.crew import Crew
from simulations.laboratory import Bench
from simulations.measures import Notes
from simulations.scenario import Site, StockItem, Work
from simulations.stock import Positions, Shelves
from simulations.streams import Streams
from simulations.unit_pool import Claim, PlantUnit, UnitPool
from simulations.upkeep import UnitState, Upkeep, after, before, unit_ids


class Doomed(Protocol):
    """A batch that can be lost from outside."""

    def doom(self, cause: str) -> None: ...


class Plant:
    """A site. `order` starts a batch of a product that brings a material of the stock. `supplies`: how much of
    a material that is a product itself one batch of a product uses up."""

    def __init__(
        self,
        env: simpy.Environment,
        site: Site,
        calendars: Mapping[str, WorkTime],
        streams: Streams,
        notes: Notes,
        stock: Mapping[str, StockItem],
        order: Callable[[StockItem], None],
        supplies: Mapping[tuple[str, str], float],
    ) -> None:
        self.env, self.site, self.notes, self.streams = env, site, notes, streams
        self.crew = Crew(env, site, calendars, streams, notes.people)
        self.pool = UnitPool(env, _units(site))
        self.shelves = Shelves(env, stock, streams, site.name, order)
        self.stock = stock
        self._supplies = supplies
        self.stores = {name: Positions(env, store) for name, store in site.stores.items()}
        self.bench = Bench(env, site.laboratory, self.crew, streams) if site.laboratory else None
        self.upkeep = Upkeep(env, site, self.crew, streams, self, notes.end)
        self.breaks = any(group.breakdown for group in site.units.values())
        self.runs: dict[str, Doomed] = {}
        self._amounts: dict[tuple[str, Quantity], float] = {}
        self._busy_with: set[str] = set()
        """Units that are being cleaned or are given to upkeep."""

    # --- units of batches -----------------------------------------------------------------------------

    def enter(self, claim: Claim, units: Iterable[str], product: str) -> list[Work]:
        """A batch has been given units: the work that comes before it may begin."""
        now, works = self.env.now, list[Work]()
        for name in units:
            unit = self.pool.units[name]
            unit.since[claim.id] = now
            if len(unit.holders) == 1:
                self.upkeep.in_use(name)
            if not unit.positions:
                works += before(unit.group, unit.state, product, now)
        return works

    def leave(self, claim: Claim, roles: Sequence[str], batch: str) -> bool:
        """A batch gives units back; they are cleaned. True if it was found contaminated in one of them."""
        now, found = self.env.now, False
        for unit in self.pool.give_back(claim, roles):
            group = unit.group
            since = unit.since.pop(claim.id)
            self.notes.span("busy", self.site.name, group.name, 1, since, now)
            self.notes.bar(batch, group.name, unit.id, since, now)
            if not unit.holders:
                self.upkeep.free(unit.id)
            closed = self.upkeep.contaminated(group, batch) if group.contamination else 0.0
            found = found or closed > 0
            self._turn_over(unit, claim.id, closed)
        self.pool.serve()
        return found

    def _turn_over(self, unit: PlantUnit, batch: str, closed: float) -> None:
        works = after(unit.group, unit.state, self.env.now) if not unit.positions else []
        if not works and not closed:
            self._to_upkeep(unit)
            return
        self.pool.block(unit)
        self._busy_with.add(unit.id)
        self.env.process(self._clean(unit, works, batch, closed))

    def _clean(
        self, unit: PlantUnit, works: Sequence[Work], batch: str, closed: float
    ) -> Generator[Any, Any, None]:
        start = self.env.now
        if closed:
            yield self.env.timeout(closed)
        yield from self.upkeep.perform(works, f"{unit.id}/{batch}")
        unit.state.cleaned_at = self.env.now
        self.notes.span("cleaning", self.site.name, unit.group.name, 1, start, self.env.now)
        self._busy_with.discard(unit.id)
        self._to_upkeep(unit)
        self.pool.unblock(unit)

    # --- the port of upkeep -----------------------------------------------------------------------------

    def wanted(self, unit: str, why: str) -> simpy.Event:
        """Upkeep wants a unit: no batch gets it any more."""
        found, event = self.pool.units[unit], self.env.event()
        self.pool.block(found)
        found.upkeep.append(event)
        self._to_upkeep(found)
        return event

    def _to_upkeep(self, unit: PlantUnit) -> None:
        if unit.upkeep and not unit.holders and unit.id not in self._busy_with:
            self._busy_with.add(unit.id)
            unit.since["upkeep"] = self.env.now
            unit.upkeep.pop(0).succeed()

    def back(self, unit: str) -> None:
        """Upkeep is done with a unit."""
        found = self.pool.units[unit]
        since = found.since.pop("upkeep")
        self.notes.span("upkeep", self.site.name, found.group.name, 1, since, self.env.now)
        self._busy_with.discard(unit)
        self._to_upkeep(found)
        self.pool.unblock(found)

    def down(self, unit: str, lost: bool) -> None:
        """A unit broke down; the batches in it wait, or are lost."""
        found = self.pool.units[unit]
        found.down_since = self.env.now
        self.pool.block(found)
        self.notes.count(f"breakdowns.{self.site.name}/{found.group.name}", self.env.now)
        for batch in list(found.holders.values()) if lost else ():
            self.runs[batch].doom(f"breakdown of {found.group.name}")

    def up(self, unit: str) -> None:
        """A unit is repaired."""
        found = self.pool.units[unit]
        self.notes.span("down", self.site.name, found.group.name, 1, found.down_since, self.env.now)
        found.down_for += self.env.now - found.down_since
        found.down_since = -1.0
        self.pool.unblock(found)

    # --- stock ------------------------------------------------------------------------------------------

    def take(self, product: str, material: str, amount: Quantity | None) -> simpy.Event | None:
        """Take for a batch from stock, in its unit of measure; None if it is there at once, or not kept here."""
        item = self.stock.get(material)
        if item is None or amount is None:
            return None
        count = self._supplies.get((product, material))
        if count is not None:
            return self.shelves.take(material, count)
        key = material, amount
        found = self._amounts.get(key)
        if found is None:
            try:
                found = float(amount.to(item.unit).value) if item.unit else float(amount.value)
            except BadInput as error:
                raise BadInput(f"The stock of {material} at {self.site.name}: {error}") from error
            self._amounts[key] = found
        self.notes.count(f"used.material/{material}", self.env.now, found)
        return self.shelves.take(material, found)


def _units(site: Site) -> Iterable[PlantUnit]:
    return [
        PlantUnit(name, group.unit_class, group.positions, group, UnitState())
        for group in site.units.values()
        for name in unit_ids(site, group)
    ]
