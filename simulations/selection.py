"""The best of several plants, with a say in how sure: ranking and selection, and the cheapest that meets
a service level.

`best` is the fully sequential procedure of Kim and Nelson 2001 (KN): with common random numbers it finds
a system whose mean is best, or within `indifference` of the best, with the confidence asked for.
`cheapest` decides for each candidate, from the cheapest up, whether its mean meets the level.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from batches.errors import BadInput
from simulations.experiment import Experiment
from simulations.model import Model
from simulations.statistics import Interval, deviation, mean_interval


@dataclass(frozen=True, slots=True)
class Chosen:
    """The system chosen, how many replications each one got, and why the others are out.

    `sure` is False where the limit of replications came before the decision: then `name` is only the
    best so far ('' where none meets the level).
    """

    name: str
    sure: bool
    confidence: float
    replications: Mapping[str, int]
    estimates: Mapping[str, Interval]
    out: Mapping[str, str]


def best(
    models: Mapping[str, Model], measure: str, indifference: float, experiment: Experiment,
    *, largest: bool = True, confidence: float = 0.95, first: int = 10, most: int = 500,
) -> Chosen:  # fmt: skip
    """The system with the largest (or smallest) mean of `measure`.

    Raises BadInput for fewer than two systems or an indifference that is not above zero.
    """
    if len(models) < 2 or indifference <= 0:
        raise BadInput("To choose, give two scenarios or more and a difference worth having, above zero.")
    sign = 1.0 if largest else -1.0
    search = _Search(models, measure, experiment, sign)
    values = {name: search.values(name, first) for name in models}
    factor = 2 * _eta(len(models), confidence, first) * (first - 1)
    spread = {
        (one, two): deviation([a - b for a, b in zip(values[one], values[two], strict=True)]) ** 2
        for one in models
        for two in models
        if one != two
    }
    left, out, at = list(models), dict[str, str](), first
    while len(left) > 1 and at < most:
        sums = {name: math.fsum(search.values(name, at)) for name in left}
        beaten = {
            one: two
            for one in left
            for two in sorted(left, key=sums.__getitem__)
            if one != two and sums[one] < sums[two] - _slack(factor * spread[one, two], indifference, at)
        }
        # someone always survives: the system with the largest sum is beaten by none
        left = [name for name in left if name not in beaten]
        out |= {one: f"worse than {two} after {at} replications" for one, two in beaten.items()}
        at += 1
    name = max(left, key=lambda each: math.fsum(search.values(each, min(at, most))))
    return Chosen(name, len(left) == 1, confidence, *search.told(), out)


def _eta(systems: int, confidence: float, first: int) -> float:
    """KN's constant for c = 1."""
    return 0.5 * ((2 * (1 - confidence) / (systems - 1)) ** (-2 / (first - 1)) - 1)


def _slack(scaled: float, indifference: float, at: int) -> float:
    """How far a sum may lie behind before its system is out: KN's W times r."""
    return max(0.0, scaled / (2 * indifference) - indifference * at / 2)


@dataclass(frozen=True, slots=True)
class Level:
    """A service level: the mean of `measure` at least or at most `bound`; means closer to it than
    `tolerance` may be decided either way."""

    measure: str
    bound: float
    at_least: bool
    tolerance: float

    def __post_init__(self) -> None:
        if self.tolerance <= 0:
            raise BadInput(
                f"The tolerance of '{self.measure}' must be above zero, or no run can be long enough."
            )

    def margin(self, value: float) -> float:
        """By how much a value is on the good side."""
        return value - self.bound if self.at_least else self.bound - value


def cheapest(
    models: Mapping[str, Model], cost: Mapping[str, float], level: Level, experiment: Experiment,
    *, confidence: float = 0.95, first: int = 10, most: int = 500,
) -> Chosen:  # fmt: skip
    """The cheapest system that meets the level, looked at from the cheapest up (ties by name); those
    dearer than the one chosen are not run. `confidence` holds for all decisions together (Bonferroni
    over systems and looks)."""
    search = _Search(models, level.measure, experiment, 1.0)
    out: dict[str, str] = {}
    sure = True
    for name in sorted(models, key=lambda each: (cost[each], each)):
        meets, decided = _meets(
            lambda n, name=name: search.values(name, n), level, confidence, len(models), first, most
        )
        sure = sure and decided
        if meets:
            return Chosen(name, sure, confidence, *search.told(), out)
        out[name] = f"does not meet {level.measure} {'≥' if level.at_least else '≤'} {level.bound:g}"
    return Chosen("", sure, confidence, *search.told(), out)


def _meets(
    values: Callable[[int], Sequence[float]],
    level: Level,
    confidence: float,
    systems: int,
    first: int,
    most: int,
) -> tuple[bool, bool]:
    """Whether the mean meets the level, and whether that is sure. Looks at n, 2n, 4n, … replications, so
    that the error is shared over few looks."""
    looks = max(1, math.ceil(math.log2(most / first)) + 1)
    sure, at = 1 - (1 - confidence) / (systems * looks), first
    while True:
        found = mean_interval([level.margin(value) for value in values(at)], sure)
        if found.low >= -level.tolerance or found.high <= level.tolerance:
            return found.estimate >= 0, True
        if at >= most:
            return found.estimate >= 0, False
        at = min(most, 2 * at)


class _Search:
    """Runs systems as far as they are looked at, and remembers."""

    def __init__(
        self, models: Mapping[str, Model], measure: str, experiment: Experiment, sign: float
    ) -> None:
        self.models, self.measure, self.experiment, self.sign = models, measure, experiment, sign
        self.kept = {name: experiment.kept(model) for name, model in models.items()}
        self.found: dict[str, list[float]] = {name: [] for name in models}
        self.raw: dict[str, tuple[int, Interval]] = {}

    def values(self, name: str, count: int) -> list[float]:
        """The first `count` values, the larger the better."""
        if len(self.found[name]) < count:
            # run ahead, so that workers are not started for one replication each time
            ahead = max(count, len(self.found[name]) + self.experiment.workers.jobs)
            result = replace(self.experiment, count=ahead, precision=None).run(
                self.models[name], self.kept[name]
            )
            by_replication = result.by_replication(self.measure)
            if len(by_replication) < ahead:
                raise BadInput(
                    f"Some replications of '{name}' give no '{self.measure}'; choose a measure that every run has,"
                    " or watch longer."
                )
            self.found[name] = [self.sign * by_replication[number] for number in range(ahead)]
            self.raw[name] = (ahead, mean_interval(list(by_replication.values())))
        return self.found[name][:count]

    def told(self) -> tuple[dict[str, int], dict[str, Interval]]:
        return (
            {name: count for name, (count, _) in self.raw.items()},
            {name: interval for name, (_, interval) in self.raw.items()},
        )
