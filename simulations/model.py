"""The model as experiments see it: one pure function from a seed and a replication to measures.

An experiment (replications, comparison, sweeps, a cluster) needs nothing else of a model than this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

MODEL_VERSION = 1
"""Part of every model's key: raised when the same scenario would give other results."""

COUNTS = ("fate.", "orders.", "breakdowns.", "remade.", "used.", "lost.", "reneged.", "late.")
"""Measures that count something begin so: where a replication has none of it, it is zero, not unknown."""

Row: TypeAlias = Mapping[str, "float | str"]


@dataclass(frozen=True, slots=True)
class Replication:
    """What one replication gave. Times in seconds, shares from 0 to 1.

    `measures`: one number by name, such as 'throughput.cart', 'vein_to_vein.median.cart' or
    'utilisation.unit.site/group'; never NaN: a measure without data is left out. `series`: outputs in
    their order, to find the warm-up by. `tables`: rows by table (batches, utilisation_by_week,
    queues_by_step, gantt, fates). `stopped`: why the run ended before its horizon, one sentence.
    """

    seed: int
    replication: int
    measures: Mapping[str, float]
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])
    tables: Mapping[str, tuple[Row, ...]] = field(default_factory=dict[str, tuple[Row, ...]])
    stopped: str = ""


class Model(Protocol):
    """A model that can be replicated anywhere: picklable, and compiled where it runs, at first use."""

    @property
    def key(self) -> str:
        """SHA-256 over the canonical scenario with its recipes and the version of the model."""
        ...

    def replicate(self, seed: int, replication: int) -> Replication:
        """One replication: bit for bit the same for the same key, seed and replication, in any process
        and in any order. Raises BadInput for a seed or replication that is no whole number from 0."""
        ...
