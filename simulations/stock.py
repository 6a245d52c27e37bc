"""Consumables with lead times and shortages, and positions for finished containers."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

import simpy

from simulations.scenario import StockItem, Store
from simulations.streams import Streams

_TINY = 1e-9


@dataclass(slots=True, eq=False)
class _Shelf:
    """One material: lots in order of their expiry, what is on its way, who waits."""

    item: StockItem
    lots: deque[list[float]]  # [amount, expires]
    on_its_way: float = 0.0
    ordered: int = 0
    waiting: deque[tuple[float, simpy.Event]] = field(default_factory=deque[tuple[float, simpy.Event]])
    expired: float = 0.0
    short: int = 0


class Shelves:
    """The stock of one site. `order` asks for a batch where a material is made by a product of the scenario:
    whoever makes it calls `deliver`."""

    def __init__(
        self,
        env: simpy.Environment,
        stock: Mapping[str, StockItem],
        streams: Streams,
        site: str,
        order: Callable[[StockItem], None] | None = None,
    ) -> None:
        self.env = env
        self.streams = streams
        self.site = site
        self._order = order
        self._shelves = {
            name: _Shelf(item, deque([[item.start, _expiry(item, env.now)]])) for name, item in stock.items()
        }

    def take(self, material: str, amount: float) -> simpy.Event | None:
        """None if there is enough (or the material is not kept here); else an event that comes when there
        is. First come, first served; what expires first is used first."""
        shelf = self._shelves.get(material)
        if shelf is None or amount <= 0:
            return None
        self._throw_away(shelf)
        if not shelf.waiting and self.level(material) >= amount - _TINY:
            _use(shelf, amount)
            self._reorder(shelf)
            return None
        shelf.short += 1
        event = self.env.event()
        shelf.waiting.append((amount, event))
        self._reorder(shelf)
        return event

    def deliver(self, material: str, amount: float = 0.0) -> None:
        """An order has come: `amount`, or what one order brings."""
        shelf = self._shelves[material]
        amount = amount or shelf.item.order
        shelf.on_its_way = max(0.0, shelf.on_its_way - amount)
        shelf.lots.append([amount, _expiry(shelf.item, self.env.now)])
        self._serve(shelf)

    def lost(self, material: str) -> None:
        """An order will not come: the batch that should have brought it failed."""
        shelf = self._shelves[material]
        shelf.on_its_way = max(0.0, shelf.on_its_way - shelf.item.order)
        self._reorder(shelf)

    def level(self, material: str) -> float:
        """How much is there and in date."""
        return sum(amount for amount, expires in self._shelves[material].lots if expires > self.env.now)

    def shortages(self) -> dict[str, int]:
        """How often something had to be waited for, by material."""
        return {name: shelf.short for name, shelf in self._shelves.items() if shelf.short}

    def expired(self) -> dict[str, float]:
        """How much was thrown away, by material."""
        return {name: shelf.expired for name, shelf in self._shelves.items() if shelf.expired}

    def _serve(self, shelf: _Shelf) -> None:
        self._throw_away(shelf)
        while shelf.waiting and self.level(shelf.item.material) >= shelf.waiting[0][0] - _TINY:
            amount, event = shelf.waiting.popleft()
            _use(shelf, amount)
            event.succeed()
        self._reorder(shelf)

    def _throw_away(self, shelf: _Shelf) -> None:
        while shelf.lots and shelf.lots[0][1] <= self.env.now:
            shelf.expired += shelf.lots.popleft()[0]

    def _reorder(self, shelf: _Shelf) -> None:
        item = shelf.item
        asked = sum(amount for amount, _ in shelf.waiting)
        while self.level(item.material) + shelf.on_its_way - asked <= item.reorder_at:
            shelf.on_its_way += item.order
            shelf.ordered += 1
            if item.made_by and self._order is not None:
                self._order(item)
            elif item.lead_time is not None:
                u = self.streams.uniform("lead time", f"{self.site}/{item.material}/{shelf.ordered}")
                self.env.process(self._bring(item, item.lead_time.sample(u)))

    def _bring(self, item: StockItem, after: float) -> Any:
        yield self.env.timeout(after)
        self.deliver(item.material)


def _use(shelf: _Shelf, amount: float) -> None:
    while amount > _TINY:
        lot = shelf.lots[0]
        used = min(amount, lot[0])
        lot[0] -= used
        amount -= used
        if lot[0] <= _TINY:
            shelf.lots.popleft()


def _expiry(item: StockItem, now: float) -> float:
    return inf if item.keeps is None else now + item.keeps


class Positions:
    """Positions of a store (a freezer), taken whole and in the order of asking."""

    def __init__(self, env: simpy.Environment, store: Store) -> None:
        self.env = env
        self.store = store
        self.free = store.positions
        self._waiting: deque[tuple[int, simpy.Event]] = deque()

    def take(self, count: int) -> simpy.Event | None:
        """None if they are free; else an event that comes when they are."""
        if not self._waiting and count <= self.free:
            self.free -= count
            return None
        event = self.env.event()
        self._waiting.append((count, event))
        return event

    def give(self, count: int) -> None:
        """Positions that are empty again."""
        self.free += count
        while self._waiting and self._waiting[0][0] <= self.free:
            wanted, event = self._waiting.popleft()
            self.free -= wanted
            event.succeed()
