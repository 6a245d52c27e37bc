"""Experiments over a model: replicate to a wanted precision, compare, sweep.

The result depends on the model, the seed and the rule alone: however many workers run, and in whatever
order they end, the rule to stop looks at replications 0, 1, 2, … as if they had run in that order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batches.errors import BadInput, Refused
from simulations.model import COUNTS, Model, Replication
from simulations.results import Results
from simulations.statistics import Interval, Paired, Precision, WarmUp, mean_interval, mser5, paired
from simulations.workers import Here, Progress, Workers

DEFAULT_REPLICATIONS = 30


class Cancelled(Refused):
    """The planner stopped the experiment; what was finished is kept."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """How to run a model. `count` replications, or as many as `precision` asks for.

    `folder` keeps each replication, so that the same experiment goes on where it was (None: nothing is
    kept). `cancelled` is asked after every replication.
    """

    seed: int = 1
    count: int = DEFAULT_REPLICATIONS
    precision: Precision | None = None
    workers: Workers = Here()
    folder: Path | None = None
    progress: Progress = lambda done, wanted: None
    cancelled: Callable[[], bool] = lambda: False

    def kept(self, model: Model) -> Results:
        """What was run of a model before."""
        return Results(self.folder, model.key, self.seed)

    def run(self, model: Model, kept: Results | None = None) -> "Result":
        """Run what is not there yet. Raises Cancelled, BadInput, and StoreError where nothing can be kept."""
        if self.count < 1:
            raise BadInput(f"{self.count} replications are none; ask for one or more.")
        kept = self.kept(model) if kept is None else kept
        if self.precision is None:
            self._fill(model, kept, self.count, self.count)
            return Result(model.key, self.seed, kept.in_order(self.count), None)
        return self._to_precision(model, kept, self.precision)

    def _to_precision(self, model: Model, kept: Results, precision: Precision) -> "Result":
        count = precision.least
        while True:
            self._fill(model, kept, count, precision.most)
            found = Result(model.key, self.seed, kept.in_order(count), precision)
            if found.precise or count == precision.most:
                return found
            count += 1

    def _fill(self, model: Model, kept: Results, count: int, most: int) -> None:
        """Have the first `count` replications; where one is missing, a whole round of them is run, so that
        no worker stands idle. What is run beyond `count` is kept, and used only if it is asked for."""
        if all(number in kept for number in range(count)):
            return
        ahead = max(self.workers.jobs, len(kept) // 4)
        wanted = max(count, min(most, len(kept) + ahead))
        for found in self.workers.run(model, self.seed, [n for n in range(wanted) if n not in kept]):
            kept.add(found)
            self.progress(len(kept), wanted)
            if self.cancelled():
                raise Cancelled(
                    f"Cancelled after {len(kept)} replications; the same command goes on from there."
                )


@dataclass(frozen=True, slots=True)
class Result:
    """What the replications of one model gave, in their order."""

    key: str
    seed: int
    replications: tuple[Replication, ...]
    precision: Precision | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every measure that any replication gave."""
        return tuple(sorted({name for each in self.replications for name in each.measures}))

    def by_replication(self, name: str) -> dict[int, float]:
        """The values of a measure; what is counted is 0 where a replication had none of it, so that rare
        losses are not overstated. Raises BadInput for a measure that no replication gave."""
        found = {each.replication: each.measures[name] for each in self.replications if name in each.measures}
        if not found:
            raise BadInput(f"No replication gave '{name}'; there are: {', '.join(self.names)}.")
        if name.startswith(COUNTS):
            return {each.replication: found.get(each.replication, 0.0) for each in self.replications}
        return found

    def interval(self, name: str, confidence: float = 0.95) -> Interval:
        """The mean of a measure over the replications that have it, with its interval."""
        return mean_interval(list(self.by_replication(name).values()), confidence)

    def intervals(self, confidence: float = 0.95) -> dict[str, Interval]:
        """Every measure with its interval."""
        return {name: self.interval(name, confidence) for name in self.names}

    @property
    def precise(self) -> bool:
        """Whether the precision asked for was reached (True where none was asked for)."""
        if self.precision is None:
            return True
        asked = self.precision.measures
        return self.precision.met({name: self._values(name) for name in asked})

    def _values(self, name: str) -> list[float]:
        return list(self.by_replication(name).values()) if name in self.names else []

    @property
    def stopped(self) -> tuple[str, ...]:
        """Why replications ended before their horizon; each reason once."""
        return tuple(dict.fromkeys(each.stopped for each in self.replications if each.stopped))

    def warm_up(self, series: str) -> WarmUp:
        """Where the start-up of a series ends, by MSER-5 over all replications."""
        return mser5([each.series[series] for each in self.replications if each.series.get(series)])

    def rows(self, table: str) -> Iterator[Mapping[str, "float | str"]]:
        """The rows of a table of every replication, each with the replication's number."""
        for each in self.replications:
            for row in each.tables.get(table, ()):
                yield {"replication": each.replication, **row}


@dataclass(frozen=True, slots=True)
class Comparison:
    """How systems differ from the first, measure by measure; `confidence` holds for all of one measure's
    differences together (Bonferroni)."""

    base: str
    differences: Mapping[str, Mapping[str, Paired]]


def compare(
    results: Mapping[str, Result], measures: Sequence[str] = (), confidence: float = 0.95
) -> Comparison:
    """Every other system against the first, in pairs of replications with the same random numbers.

    Raises BadInput for fewer than two systems, other seeds, or a measure that they do not share.
    """
    base, *others = results
    if not others:
        raise BadInput("A comparison needs two scenarios.")
    if len({result.seed for result in results.values()}) > 1:
        raise BadInput(
            "These runs have different seeds, so they share no random numbers; run them with one seed."
        )
    shared = [name for name in results[base].names if all(name in results[o].names for o in others)]
    return Comparison(
        base,
        {
            other: {
                name: paired(
                    results[base].by_replication(name),
                    results[other].by_replication(name),
                    confidence,
                    len(others),
                )
                for name in (measures or shared)
            }
            for other in others
        },
    )


def sweep(
    models: Mapping[str, Callable[[], Model]],
    experiment: Experiment,
    told: Callable[[str], None] = lambda name: None,
) -> dict[str, Result]:
    """Run every point of a sweep with the same random numbers; `told` hears which one begins."""
    found: dict[str, Result] = {}
    for name, make in models.items():
        told(name)
        found[name] = experiment.run(make())
    return found
