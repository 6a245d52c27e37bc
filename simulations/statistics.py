"""What a set of replications says, and how sure: intervals, paired differences, warm-up, precision.

Replications are independent, so means over them have Student intervals; observations inside one
replication are not, and are never treated so. Sources: Law, Simulation Modeling and Analysis, chapters 9
and 10; Robinson, Simulation, 9.3; White 1997 and Franklin and White 2008 for MSER-5.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import beta, binom, t

from batches.errors import BadInput


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the range that holds the true value with `confidence` (0 to 1), from `n` numbers.

    `half` is None where the range is not symmetric, and infinite where one number says nothing of spread.
    """

    estimate: float
    low: float
    high: float
    n: int
    confidence: float = 0.95

    @property
    def half(self) -> float:
        """The larger distance from the estimate to an end."""
        return max(self.high - self.estimate, self.estimate - self.low)

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the range."""
        return self.low <= value <= self.high


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The Student interval of the mean of independent values. Raises BadInput for none."""
    n, mean = len(values), mean_of(values)
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1, confidence)
    half = float(t.ppf((1 + confidence) / 2, n - 1)) * deviation(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n, confidence)


def mean_of(values: Sequence[float]) -> float:
    """The mean, summed exactly so that no order matters. Raises BadInput for none."""
    if not values:
        raise BadInput("No replication gave this measure, so it has no mean; look at why they stopped.")
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a sample of two or more."""
    mean = mean_of(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def quantile_interval(values: Sequence[float], p: float, confidence: float = 0.95) -> Interval:
    """The p-quantile of independent values with its interval from order statistics, free of any
    distribution (Conover, Practical Nonparametric Statistics, 3.2). An end that the sample is too small
    for is infinite. Raises BadInput for none, or p outside 0 to 1."""
    if not values or not 0 < p < 1:
        raise BadInput(f"A quantile needs values and a share between 0 and 1, not {len(values)} and {p}.")
    ordered, n, alpha = sorted(values), len(values), 1 - confidence
    low = int(binom.ppf(alpha / 2, n, p))
    high = int(binom.ppf(1 - alpha / 2, n, p)) + 1
    return Interval(
        ordered[min(n - 1, math.ceil(n * p) - 1)],
        ordered[low - 1] if low >= 1 else -math.inf,
        ordered[high - 1] if high <= n else math.inf,
        n,
        confidence,
    )


def share_interval(hits: int, n: int, confidence: float = 0.95) -> Interval:
    """The exact interval of a proportion (Clopper and Pearson 1934). Raises BadInput for impossible counts."""
    if not 0 <= hits <= n or n == 0:
        raise BadInput(f"{hits} of {n} is no proportion.")
    alpha = 1 - confidence
    low = 0.0 if hits == 0 else float(beta.ppf(alpha / 2, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(1 - alpha / 2, hits + 1, n - hits))
    return Interval(hits / n, low, high, n, confidence)


@dataclass(frozen=True, slots=True)
class Paired:
    """How much one system differs from another, over the replications both have.

    `correlation` says whether common random numbers did their work: above 0 they narrow the interval,
    `gain` is the variance of independent runs over that of paired ones (None where either is constant).
    """

    difference: Interval
    correlation: float | None
    gain: float | None

    @property
    def synchronised(self) -> bool:
        """Whether pairing helped; else it is reported as lost."""
        return self.correlation is None or self.correlation > 0


def paired(
    base: Mapping[int, float], other: Mapping[int, float], confidence: float = 0.95, comparisons: int = 1
) -> Paired:
    """The differences other - base by replication, with a Student interval at a level divided over
    `comparisons` (Bonferroni). Raises BadInput if they share fewer than two replications."""
    both = sorted(base.keys() & other.keys())
    if len(both) < 2:
        raise BadInput("A paired comparison needs two replications that both gave the measure; run more.")
    first, second = [base[each] for each in both], [other[each] for each in both]
    differences = [b - a for a, b in zip(first, second, strict=True)]
    level = 1 - (1 - confidence) / comparisons
    return Paired(mean_interval(differences, level), *_synchrony(first, second, differences))


def _synchrony(
    first: Sequence[float], second: Sequence[float], differences: Sequence[float]
) -> tuple[float | None, float | None]:
    one, two, apart = deviation(first), deviation(second), deviation(differences)
    if not one or not two:
        return None, None
    correlation = (one**2 + two**2 - apart**2) / (2 * one * two)
    return correlation, (one**2 + two**2) / apart**2 if apart else math.inf


# --- warm-up ------------------------------------------------------------------------------------------


def welch(series: Sequence[Sequence[float]], window: int = 5) -> tuple[float, ...]:
    """The outputs averaged over replications at each index and smoothed by a moving window (Welch 1983):
    the curve a person looks at. As long as the shortest series."""
    length = min((len(each) for each in series), default=0)
    averaged = [mean_of([each[index] for each in series]) for index in range(length)]
    return tuple(
        mean_of(averaged[index - reach : index + reach + 1])
        for index in range(length)
        for reach in (min(window, index, length - 1 - index),)
    )


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Where to cut: `cut` outputs are left out of the `length` seen; `found` is False where the run is
    too short to say (the cut lies beyond its half)."""

    cut: int
    length: int
    found: bool


def mser5(series: Sequence[Sequence[float]]) -> WarmUp:
    """The one cut for all replications: MSER-5 over the outputs averaged across them. It leaves out the
    d means of five that minimise the squared standard error of what is left; found only if d lies in the
    first half. Raises BadInput for runs of fewer than ten outputs."""
    length = min((len(each) for each in series), default=0)
    if length < 10:
        raise BadInput(f"A warm-up cannot be found in {length} outputs; run longer.")
    averaged = [mean_of([each[index] for each in series]) for index in range(length)]
    fives = [mean_of(averaged[at : at + 5]) for at in range(0, length - 4, 5)]
    cut = min(range(len(fives) - 1), key=lambda d: (_mser(fives[d:]), d))
    return WarmUp(cut * 5, length, cut <= len(fives) // 2)


def _mser(rest: Sequence[float]) -> float:
    mean = mean_of(rest)
    return math.fsum((value - mean) ** 2 for value in rest) / len(rest) ** 2


# --- precision ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Precision:
    """How sure is sure enough: every named measure's half-width at most `relative` of its mean (or
    `absolute`, whichever is wider), and so for `steady` replications on end; from `least` to `most`."""

    measures: tuple[str, ...]
    relative: float = 0.05
    absolute: float = 0.0
    least: int = 10
    most: int = 200
    steady: int = 3
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 2 <= self.least <= self.most or self.relative < 0 or self.absolute < 0:
            raise BadInput(
                f"From {self.least} to {self.most} replications at {self.relative} is no precision;"
                " ask for at least two, and for a width of zero or more."
            )

    def met(self, values: Mapping[str, Sequence[float]]) -> bool:
        """Whether the values of every measure, in the order of the replications, are precise enough."""
        return all(self._steady(values.get(name, ())) for name in self.measures)

    def _steady(self, values: Sequence[float]) -> bool:
        n = len(values)
        return n >= self.least and all(
            self._narrow(values[:at]) for at in range(n - min(self.steady, n - self.least + 1) + 1, n + 1)
        )

    def _narrow(self, values: Sequence[float]) -> bool:
        found = mean_interval(values, self.confidence)
        return found.half <= max(self.absolute, self.relative * abs(found.estimate))
