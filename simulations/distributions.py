"""Distributions of plain floats, sampled by inversion of one uniform number.

Inversion keeps common random numbers in step: the same u gives the same rank in every scenario, and one
draw costs one number whatever the distribution is. Times are in seconds; the reader of scenarios
(`simulations/figures.py`) converts once, so that no unit of measure is left here.

Sources: Law, Simulation Modeling and Analysis, chapter 8; PERT: Malcolm et al. 1959 (beta with weight 4).
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from scipy.special import betaincinv, gammaincinv, ndtr, ndtri

from batches.errors import BadInput

_NORMAL_P90 = float(ndtri(0.9))


@dataclass(frozen=True, slots=True)
class Distribution:
    """What may be drawn. Each kind is a subclass."""

    def sample(self, u: float) -> float:
        """The value below which a share `u` lies: from 0, below 1, as `simulations/streams.py` gives it."""
        raise NotImplementedError

    @property
    def mean(self) -> float:
        """The expected value."""
        raise NotImplementedError

    def quantile(self, p: float) -> float:
        """The p-quantile: what `sample` gives."""
        return self.sample(p)

    def levels(self, n: int) -> tuple[float, ...]:
        """The middles of n slices of equal probability."""
        return tuple(self.sample((index + 0.5) / n) for index in range(n))


@dataclass(frozen=True, slots=True)
class Constant(Distribution):
    """Always the same value."""

    value: float

    def __post_init__(self) -> None:
        _finite("A constant", self.value)

    def sample(self, u: float) -> float:
        return self.value

    @property
    def mean(self) -> float:
        return self.value


@dataclass(frozen=True, slots=True)
class Uniform(Distribution):
    """Any value from low to high alike."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _in_order("A uniform distribution", self.low, self.high)

    def sample(self, u: float) -> float:
        return self.low + u * (self.high - self.low)

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Triangular(Distribution):
    """From low to high, mode the most likely."""

    low: float
    mode: float
    high: float

    def __post_init__(self) -> None:
        _in_order("A triangular distribution", self.low, self.mode, self.high)

    def sample(self, u: float) -> float:
        low, mode, high = self.low, self.mode, self.high
        width = high - low
        if width == 0:
            return low
        if u * width < mode - low:
            return low + math.sqrt(u * width * (mode - low))
        return high - math.sqrt((1 - u) * width * (high - mode))

    @property
    def mean(self) -> float:
        return (self.low + self.mode + self.high) / 3


@dataclass(frozen=True, slots=True)
class Exponential(Distribution):
    """Without memory."""

    average: float

    def __post_init__(self) -> None:
        _above_zero("An exponential distribution", mean=self.average)

    def sample(self, u: float) -> float:
        return -self.average * math.log1p(-u)

    @property
    def mean(self) -> float:
        return self.average


@dataclass(frozen=True, slots=True)
class Gamma(Distribution):
    """Shape and scale; Erlang where the shape is whole."""

    shape: float
    scale: float

    def __post_init__(self) -> None:
        _above_zero("A gamma distribution", shape=self.shape, scale=self.scale)

    def sample(self, u: float) -> float:
        return self.scale * float(gammaincinv(self.shape, u))

    @property
    def mean(self) -> float:
        return self.shape * self.scale


@dataclass(frozen=True, slots=True)
class LogNormal(Distribution):
    """The logarithm is normal with mean `mu` and standard deviation `sigma`."""

    mu: float
    sigma: float

    def __post_init__(self) -> None:
        _above_zero("A log-normal distribution", sigma=self.sigma)

    def sample(self, u: float) -> float:
        return math.exp(self.mu + self.sigma * float(ndtri(u)))

    @property
    def mean(self) -> float:
        return math.exp(self.mu + self.sigma**2 / 2)


@dataclass(frozen=True, slots=True)
class Normal(Distribution):
    """Normal, cut off below zero: `centre` and `deviation` are those before the cut."""

    centre: float
    deviation: float
    _below: float = field(init=False, repr=False, compare=False, default=0.0)

    def __post_init__(self) -> None:
        _above_zero("A normal distribution", mean=self.centre, deviation=self.deviation)
        object.__setattr__(self, "_below", float(ndtr(-self.centre / self.deviation)))

    def sample(self, u: float) -> float:
        share = 1 - self._below
        if u < 0.5:
            return max(0.0, self.centre + self.deviation * float(ndtri(self._below + u * share)))
        return self.centre - self.deviation * float(ndtri((1 - u) * share))  # the upper tail, exactly

    @property
    def mean(self) -> float:
        cut = self.centre / self.deviation
        density = math.exp(-cut * cut / 2) / math.sqrt(2 * math.pi)
        return self.centre + self.deviation * density / (1 - self._below)


@dataclass(frozen=True, slots=True)
class Weibull(Distribution):
    """Time to failure; shape 1 is exponential, above 1 wears out."""

    shape: float
    scale: float

    def __post_init__(self) -> None:
        _above_zero("A Weibull distribution", shape=self.shape, scale=self.scale)

    def sample(self, u: float) -> float:
        return self.scale * (-math.log1p(-u)) ** (1 / self.shape)

    @property
    def mean(self) -> float:
        return self.scale * math.gamma(1 + 1 / self.shape)


@dataclass(frozen=True, slots=True)
class Pert(Distribution):
    """Beta from low to high around a mode that weighs four times."""

    low: float
    mode: float
    high: float

    def __post_init__(self) -> None:
        _in_order("A PERT distribution", self.low, self.mode, self.high)

    def sample(self, u: float) -> float:
        width = self.high - self.low
        if width == 0:
            return self.low
        left = 1 + 4 * (self.mode - self.low) / width
        right = 1 + 4 * (self.high - self.mode) / width
        return self.low + width * float(betaincinv(left, right, u))

    @property
    def mean(self) -> float:
        return (self.low + 4 * self.mode + self.high) / 6


@dataclass(frozen=True, slots=True)
class Empirical(Distribution):
    """One of the values that were observed, each as likely; kept in order."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        _some("An empirical distribution", self.values)
        object.__setattr__(self, "values", tuple(sorted(self.values)))
        _finite("An empirical distribution", *self.values)

    def sample(self, u: float) -> float:
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)


@dataclass(frozen=True, slots=True)
class Discrete(Distribution):
    """One of several values with its probability; kept in order of the values."""

    values: tuple[float, ...]
    probabilities: tuple[float, ...]
    _edges: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        _some("A discrete distribution", self.values)
        pairs = sorted(zip(self.values, self.probabilities, strict=True))
        _finite("A discrete distribution", *self.values)
        if min(self.probabilities) < 0 or abs(math.fsum(self.probabilities) - 1) > 1e-6:
            raise BadInput(
                f"The probabilities of a discrete distribution add up to {math.fsum(self.probabilities):g}; they must be at least 0 and add up to 1."
            )
        object.__setattr__(self, "values", tuple(value for value, _ in pairs))
        object.__setattr__(self, "probabilities", tuple(share for _, share in pairs))
        object.__setattr__(self, "_edges", tuple(accumulate(self.probabilities))[:-1])

    def sample(self, u: float) -> float:
        return self.values[bisect_right(self._edges, u)]

    @property
    def mean(self) -> float:
        return math.fsum(value * share for value, share in zip(self.values, self.probabilities, strict=True))


def erlang(stages: int, mean: float) -> Distribution:
    """The sum of `stages` exponential times, with this mean together. Raises BadInput."""
    _above_zero("An Erlang distribution", stages=stages, mean=mean)
    return Gamma(float(stages), mean / stages)


def gamma_by_mean(mean: float, cv: float) -> Distribution:
    """Gamma with this mean and coefficient of variation. Raises BadInput."""
    _above_zero("A gamma distribution", mean=mean, cv=cv)
    return Gamma(1 / cv**2, mean * cv**2)


def lognormal_by_mean(mean: float, cv: float) -> Distribution:
    """Log-normal with this mean and coefficient of variation. Raises BadInput."""
    _above_zero("A log-normal distribution", mean=mean, cv=cv)
    variance = math.log1p(cv**2)
    return LogNormal(math.log(mean) - variance / 2, math.sqrt(variance))


def lognormal_by_p90(median: float, p90: float) -> Distribution:
    """Log-normal with this median and 90th percentile. Raises BadInput."""
    _above_zero("A log-normal distribution", median=median)
    if p90 <= median:
        raise BadInput(f"The 90th percentile {p90:g} must be above the median {median:g}.")
    return LogNormal(math.log(median), math.log(p90 / median) / _NORMAL_P90)


def _finite(what: str, *values: float) -> None:
    for value in values:
        if not math.isfinite(value):
            raise BadInput(f"{what} has the value {value:g}; write a finite number.")


def _above_zero(what: str, **values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{what} has {name} {value:g}; it must be above zero.")


def _in_order(what: str, *values: float) -> None:
    _finite(what, *values)
    if list(values) != sorted(values):
        raise BadInput(
            f"{what} has {', '.join(f'{value:g}' for value in values)}; write them in rising order."
        )


def _some(what: str, values: Sequence[float]) -> None:
    if not values:
        raise BadInput(f"{what} has no value; give at least one.")
