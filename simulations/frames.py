"""Results as frames, for notebooks and files. polars is imported when a frame is asked for."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from simulations.experiment import Comparison, Result

if TYPE_CHECKING:
    from polars import DataFrame


def measures(result: Result) -> "DataFrame":
    """One row a measure: mean over the replications, the ends of its 95 % interval, how many had it."""
    return _frame(
        {"measure": name, "mean": found.estimate, "low": found.low, "high": found.high, "n": found.n}
        for name, found in result.intervals().items()
    )


def replications(result: Result) -> "DataFrame":
    """One row a replication, one column a measure (null where a replication has none)."""
    values = {name: result.by_replication(name) for name in result.names}
    return _frame(
        {
            "replication": each.replication,
            **{name: found.get(each.replication) for name, found in values.items()},
        }
        for each in result.replications
    )


def table(result: Result, name: str) -> "DataFrame":
    """The rows of a table of every replication, such as 'batches' or 'queues_by_step'; times in seconds."""
    return _frame(result.rows(name))


def sweep(results: Mapping[str, Result], names: Iterable[str]) -> "DataFrame":
    """One row a point and measure."""
    return _frame(
        {"point": point, "measure": name, "mean": found.estimate, "low": found.low, "high": found.high, "n": found.n}
        for point, result in results.items()
        for name in names
        if name in result.names
        for found in [result.interval(name)]
    )  # fmt: skip


def differences(comparison: Comparison) -> "DataFrame":
    """One row a scenario and measure: how much it differs from the base, in pairs."""
    return _frame(
        {
            "scenario": other, "base": comparison.base, "measure": name,
            "difference": found.difference.estimate, "low": found.difference.low, "high": found.difference.high,
            "n": found.difference.n, "correlation": found.correlation, "variance_ratio": found.gain,
        }
        for other, measured in comparison.differences.items()
        for name, found in measured.items()
    )  # fmt: skip


def _frame(rows: Iterable[Mapping[str, object]]) -> "DataFrame":
    from polars import from_dicts

    found = list(rows)
    # a frame of no rows has no columns, rather than an error
    return from_dicts(found, infer_schema_length=None) if found else from_dicts([{}])
