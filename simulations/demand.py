"""Orders: arrivals with seasons, slots, classes of patients, drop-out, death and cancellation. Pure.

The fate of an order (its class, its patience, whether it is cancelled) is drawn at its birth from streams
of its own, so that it is the same in every scenario that is compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import ceil, inf

from simulations.calendars import midnight
from simulations.scenario import Demand, Horizon, PatientClass, Slots
from simulations.streams import Streams

DAY = 86400.0
_ANYBODY = PatientClass("", 1.0)


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `at`: when it comes; `starts`: the slot it was given (or `at`); `gives_up`: when the
    patient drops out, or dies, if nothing has begun by then; `cancelled_at`: when it is taken back, if
    nothing has begun by then; inf for never."""

    id: str
    product: str
    at: float
    starts: float
    clinic: str
    kind: str
    priority: int
    gives_up: float
    dies: bool
    cancelled_at: float


def orders(demand: Demand, horizon: Horizon, streams: Streams, end: float) -> Iterator[Order]:
    """The orders for a product before `end` (seconds), in the order in which they come."""
    book = _Book(demand.slots, horizon) if demand.slots else None
    for number, at in enumerate(_arrivals(demand, horizon, streams, end), 1):
        name = f"{demand.product}-{number}"
        kind = _class(demand, streams, name)
        starts = book.take(at) if book else at
        waits = inf if kind.patience is None else kind.patience.sample(streams.uniform("patience", name))
        yield Order(
            id=name,
            product=demand.product,
            at=at,
            starts=starts,
            clinic=_clinic(demand, streams, name),
            kind=kind.name,
            priority=kind.priority,
            gives_up=at + waits,
            dies=streams.uniform("dies", name) < kind.dies,
            cancelled_at=_cancelled(demand, streams, name, at, starts),
        )


def _arrivals(demand: Demand, horizon: Horizon, streams: Streams, end: float) -> Iterator[float]:
    if demand.dates:
        yield from sorted(
            at for day in demand.dates if 0 <= (at := midnight(date.fromisoformat(day), horizon)) < end
        )
        return
    draw = streams.draws("arrivals", demand.product)
    thin = streams.draws("season", demand.product)
    most = max(demand.season, default=1.0)
    at = 0.0
    interval = demand.interval
    while interval is not None:
        # a season thins a stream that is as dense as its densest month (Lewis and Shedler 1979)
        at += interval.sample(draw()) / most
        if at >= end:
            return
        if not demand.season or thin() * most < factor(demand, horizon, at):
            yield at


def factor(demand: Demand, horizon: Horizon, at: float) -> float:
    """The factor of the month that a moment lies in."""
    day = datetime.combine(date.fromisoformat(horizon.start), datetime.min.time()) + timedelta(seconds=at)
    return demand.season[day.month - 1]


def _class(demand: Demand, streams: Streams, name: str) -> PatientClass:
    u, below = streams.uniform("class", name), 0.0
    for each in demand.classes:
        below += each.share
        if u < below:
            return each
    return demand.classes[-1] if demand.classes else _ANYBODY


def _clinic(demand: Demand, streams: Streams, name: str) -> str:
    u, below = streams.uniform("clinic", name), 0.0
    for clinic, share in demand.clinics.items():
        below += share
        if u < below:
            return clinic
    return list(demand.clinics)[-1] if demand.clinics else ""


def _cancelled(demand: Demand, streams: Streams, name: str, at: float, starts: float) -> float:
    if streams.uniform("cancelled", name) >= demand.cancelled:
        return inf
    return at + streams.uniform("cancelled when", name) * (starts - at)


@dataclass(slots=True)
class _Book:
    """Slots by weekday, given first come first served."""

    slots: Slots
    horizon: Horizon
    taken: dict[int, int] = field(default_factory=dict[int, int])
    first_free: int = 0
    """No slot before this day will be given any more."""

    def take(self, at: float) -> float:
        # orders come in the order of time: no day before the first that this one may have is asked for again
        day = max(ceil((at + self.slots.notice) / DAY), self.first_free)
        while self._full(day):
            day += 1
        self.first_free = day
        self.taken[day] = self.taken.get(day, 0) + 1
        return max(midnight(self._date(day), self.horizon), at)

    def _full(self, day: int) -> bool:
        return self._date(day).weekday() not in self.slots.days or self.taken.get(day, 0) >= self.slots.count

    def _date(self, day: int) -> date:
        return date.fromisoformat(self.horizon.start) + timedelta(days=day)


def rate(demand: Demand) -> float:
    """Orders per second on average over a year; 0 for orders by date."""
    if demand.interval is None or demand.dates:
        return 0.0
    season = sum(demand.season) / len(demand.season) if demand.season else 1.0
    return season / demand.interval.mean
