"""Cells in a vessel: growth, death, glucose, lactate. The one model of biology that the twins share.

Amounts, not concentrations, so that every addition and removal is plain bookkeeping: cells in 1e6,
glucose and lactate in umol (which is mmol/L times mL), volume in mL, time in hours. The equations are
those of devices/twins/kinetics.py's source: Monod growth on glucose, lactate inhibition, death by
lactate, starvation, heat and lack of oxygen. Classical Runge-Kutta of fourth order; the step is
shortened where glucose runs out faster than the step can follow.
"""

from dataclasses import dataclass, replace
from math import ceil, exp, pi
from typing import NamedTuple

from devices.twins.kinetics import KINETICS, Kinetics

GLUCOSE_MOLAR_MASS = 0.180156
"""g/mmol."""
SCARCE = 0.2
"""mmol/L of glucose below which uptake falls off (prototype)."""
LACK_OF_OXYGEN = 5.0
"""% air saturation at which growth is halved (prototype)."""


@dataclass(frozen=True, slots=True)
class Culture:
    """What is in the vessel. `adapted`: 0 just after seeding, 1 when growth is at its full rate."""

    viable: float = 0.0
    dead: float = 0.0
    glucose: float = 0.0
    lactate: float = 0.0
    volume: float = 0.0
    adapted: float = 0.0
    aggregates: float = 0.0
    kind: str = "t_cell"

    @property
    def density(self) -> float:
        """Viable cells, 1e6/mL."""
        return self.viable / self.volume if self.volume else 0.0

    @property
    def viability(self) -> float:
        """Viable of all cells, %; 0 when there are none."""
        total = self.viable + self.dead
        return 100.0 * self.viable / total if total else 0.0

    @property
    def diameter(self) -> float:
        """Mean diameter of an aggregate, um; 0 without aggregates."""
        if not self.aggregates:
            return 0.0
        cells = self.viable * 1e6 / self.aggregates
        return (6.0 / pi * cells * KINETICS[self.kind].cell_volume) ** (1.0 / 3.0)

    def per_volume(self, amount: float) -> float:
        """An amount per mL; 0 in an empty vessel."""
        return amount / self.volume if self.volume else 0.0


class Surroundings(NamedTuple):
    """What the cells feel: °C, pH, % air saturation."""

    temperature: float
    ph: float
    oxygen: float


class Flow(NamedTuple):
    """Perfusion that keeps the volume and the cells: mL/h of medium with mmol/L of glucose."""

    rate: float
    glucose: float


STILL = Flow(0.0, 0.0)


def factors(around: Surroundings, kinetics: Kinetics) -> tuple[float, float]:
    """How much of full growth the surroundings allow (0 to 1), and the extra death they cause (1/h)."""
    warmth = (around.temperature - 37.0) / 3.0
    acidity = (around.ph - kinetics.best_ph) / 0.35
    allowed = exp(-warmth * warmth - acidity * acidity) * around.oxygen / (around.oxygen + LACK_OF_OXYGEN)
    heat = 0.05 * max(around.temperature - 39.0, 0.0)
    return allowed, heat + 0.02 * max(1.0 - around.oxygen / LACK_OF_OXYGEN, 0.0)


def advance(
    culture: Culture,
    hours: float,
    start: Surroundings,
    middle: Surroundings,
    end: Surroundings,
    flow: Flow = STILL,
) -> Culture:
    """The culture after `hours` in surroundings that go from `start` over `middle` to `end`."""
    kinetics = KINETICS[culture.kind]
    left = exp(-hours / kinetics.lag)
    adapted = 1.0 - (1.0 - culture.adapted) * left
    if not culture.volume or (not culture.viable and not culture.dead and not flow.rate):
        return replace(culture, adapted=adapted)
    midway = 1.0 - (1.0 - culture.adapted) * exp(-hours / 2.0 / kinetics.lag)
    growth = [
        (allowed * grown * kinetics.growth, kinetics.death, extra)
        for (allowed, extra), grown in zip(
            (factors(around, kinetics) for around in (start, middle, end)),
            (culture.adapted, midway, adapted),
            strict=True,
        )
    ]
    eaten = kinetics.uptake * culture.density / (culture.per_volume(culture.glucose) + SCARCE)
    parts = max(1, ceil(2.0 * eaten * hours))
    amounts = (culture.viable, culture.dead, culture.glucose, culture.lactate)
    for part in range(parts):
        rates = [_between(growth, (part + at) / parts) for at in (0.0, 0.5, 1.0)]
        amounts = _runge_kutta(amounts, hours / parts, culture.volume, kinetics, rates, flow)
    viable, dead, glucose, lactate = amounts
    return replace(culture, viable=viable, dead=dead, glucose=glucose, lactate=lactate, adapted=adapted)


Rates = tuple[float, float, float]
Amounts = tuple[float, float, float, float]


def _between(rates: list[Rates], at: float) -> Rates:
    """The rates at a part of the step (0 to 1), between start, middle and end."""
    first, second, share = (
        (rates[0], rates[1], 2.0 * at) if at <= 0.5 else (rates[1], rates[2], 2.0 * at - 1.0)
    )
    return (
        first[0] + share * (second[0] - first[0]),
        first[1] + share * (second[1] - first[1]),
        first[2] + share * (second[2] - first[2]),
    )


def _runge_kutta(y: Amounts, h: float, volume: float, k: Kinetics, rates: list[Rates], flow: Flow) -> Amounts:
    a = _slopes(y, volume, k, rates[0], flow)
    b = _slopes(_moved(y, a, h / 2.0), volume, k, rates[1], flow)
    c = _slopes(_moved(y, b, h / 2.0), volume, k, rates[1], flow)
    d = _slopes(_moved(y, c, h), volume, k, rates[2], flow)
    sixth = h / 6.0
    return (
        max(y[0] + sixth * (a[0] + 2.0 * b[0] + 2.0 * c[0] + d[0]), 0.0),
        max(y[1] + sixth * (a[1] + 2.0 * b[1] + 2.0 * c[1] + d[1]), 0.0),
        max(y[2] + sixth * (a[2] + 2.0 * b[2] + 2.0 * c[2] + d[2]), 0.0),
        max(y[3] + sixth * (a[3] + 2.0 * b[3] + 2.0 * c[3] + d[3]), 0.0),
    )


def _moved(y: Amounts, slope: Amounts, h: float) -> Amounts:
    return (y[0] + h * slope[0], y[1] + h * slope[1], y[2] + h * slope[2], y[3] + h * slope[3])


def _slopes(y: Amounts, volume: float, k: Kinetics, rates: Rates, flow: Flow) -> Amounts:
    """Time derivatives, per hour, of viable and dead cells, glucose and lactate."""
    viable, dead, glucose, lactate = y
    allowed, death, extra = rates
    g = max(glucose / volume, 0.0)
    lactate_level = max(lactate / volume, 0.0)
    room = max(1.0 - viable / volume / k.crowding, 0.0)
    mu = allowed * room * g / (k.half_glucose + g) * k.half_lactate / (k.half_lactate + lactate_level)
    poison = lactate_level / k.toxic_lactate
    starving = 20.0 * SCARCE / (g + SCARCE)
    kd = death * (1.0 + poison * poison + starving) + extra
    uptake = k.uptake * viable * g / (g + SCARCE)
    return (
        (mu - kd) * viable,
        kd * viable - k.lysis * dead,
        flow.rate * (flow.glucose - g) - uptake,
        k.lactate_yield * uptake - flow.rate * lactate_level,
    )


# -- bookkeeping: additions and removals ---------------------------------------------------------


def added(culture: Culture, volume: float, glucose: float = 0.0) -> Culture:
    """With `volume` mL of a liquid that holds `glucose` mmol/L."""
    return replace(culture, volume=culture.volume + volume, glucose=culture.glucose + volume * glucose)


def removed(culture: Culture, fraction: float, kept: float = 0.0) -> Culture:
    """Without a fraction of the well-mixed content; `kept` (0 to 1) of the cells in it stay behind."""
    liquid, cells = 1.0 - fraction, 1.0 - fraction * (1.0 - kept)
    return replace(
        culture,
        viable=culture.viable * cells,
        dead=culture.dead * cells,
        aggregates=culture.aggregates * cells,
        glucose=culture.glucose * liquid,
        lactate=culture.lactate * liquid,
        volume=culture.volume * liquid,
    )


def seeded(culture: Culture, cells: float, viability: float, kind: str, aggregates: float = 0.0) -> Culture:
    """With `cells` (1e6, viable) of a kind added. Cells that must found aggregates do so here."""
    per_aggregate = KINETICS[kind].cells_per_aggregate
    if not aggregates and per_aggregate:
        aggregates = cells * 1e6 / per_aggregate
    share = culture.viable / (culture.viable + cells) if culture.viable + cells else 0.0
    return replace(
        culture,
        viable=culture.viable + cells,
        dead=culture.dead + cells * (100.0 / viability - 1.0),
        aggregates=culture.aggregates + aggregates,
        adapted=culture.adapted * share,
        kind=kind,
    )


def composition(culture: Culture) -> dict[str, float]:
    """What a laboratory could find in a sample: per mL, g/L and mmol/L; empty if there are no cells."""
    if not culture.volume or not culture.viable + culture.dead:
        return {}
    return {
        "volume": culture.volume,
        "viable": culture.density * 1e6,
        "total": (culture.viable + culture.dead) / culture.volume * 1e6,
        "viability": culture.viability,
        "glucose": culture.per_volume(culture.glucose) * GLUCOSE_MOLAR_MASS,
        "lactate": culture.per_volume(culture.lactate),
        "aggregates": culture.per_volume(culture.aggregates),
        "diameter": culture.diameter,
    }
