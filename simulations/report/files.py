"""The files of a run: results.json, one CSV a table, report.html."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from math import isinf
from pathlib import Path

from batches.errors import StoreError
from simulations import frames
from simulations.experiment import Comparison, Result
from simulations.model import MODEL_VERSION
from simulations.planned import Planned
from simulations.report import page
from simulations.statistics import Interval

TABLES = ("batches", "utilisation_by_week", "queues_by_step", "fates", "gantt")


def write_run(planned: Planned, result: Result, out: Path) -> tuple[Path, ...]:
    """The files of one scenario, in the folder `out`. Raises StoreError where they cannot be written."""
    written = {
        "results.json": _json(summary(planned, result)),
        "measures.csv": frames.measures(result).write_csv(),
        "replications.csv": frames.replications(result).write_csv(),
        **{
            f"{name}.csv": frames.table(result, name).write_csv() for name in TABLES if any(result.rows(name))
        },
        "report.html": page.of_run(planned, result),
    }
    return _write(written, out)


def write_comparison(
    planned: Mapping[str, Planned], results: Mapping[str, Result], comparison: Comparison, out: Path
) -> tuple[Path, ...]:
    """The files of a comparison. Raises StoreError."""
    content = {
        "base": comparison.base,
        "scenarios": {name: summary(planned[name], result) for name, result in results.items()},
        "differences": {
            other: {name: {"difference": _interval(p.difference), "correlation": p.correlation} for name, p in measured.items()}
            for other, measured in comparison.differences.items()
        },
    }  # fmt: skip
    written = {
        "results.json": _json(content),
        "differences.csv": frames.differences(comparison).write_csv(),
        "report.html": page.of_comparison(planned, results, comparison),
    }
    return _write(written, out)


def write_sweep(
    planned: Planned, results: Mapping[str, Result], measures: list[str], refused: Mapping[str, str], out: Path, said: str = ""
) -> tuple[Path, ...]:  # fmt: skip
    """The files of a sweep or a search. Raises StoreError."""
    content = {
        "scenario": planned.name,
        "points": {
            point: {name: _interval(result.interval(name)) for name in result.names} for point, result in results.items()
        },
        "refused": dict(refused),
        "said": said,
    }  # fmt: skip
    written = {
        "results.json": _json(content),
        "sweep.csv": frames.sweep(results, measures).write_csv(),
        "report.html": page.of_sweep(planned, results, measures, refused, said),
    }
    return _write(written, out)


def summary(planned: Planned, result: Result) -> dict[str, object]:
    """What a machine reads of a run: every measure with its interval, and what made it."""
    return {
        "scenario": planned.name,
        "title": planned.title,
        "key": result.key,
        "seed": result.seed,
        "replications": len(result.replications),
        "precise": result.precise,
        "stopped": list(result.stopped),
        "made_by": {"kweek": version("kweek"), "simpy": version("simpy"), "model": MODEL_VERSION},
        "measures": {name: _interval(found) for name, found in result.intervals().items()},
        "figures": [_plain(each) for each in map(asdict, planned.figures)],
    }


def _plain(figure: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in figure.items() if name != "place"}


def _interval(found: Interval) -> dict[str, float | int | None]:
    """An end that is not known is null."""
    low, high = (None if isinf(end) else end for end in (found.low, found.high))
    return {"mean": found.estimate, "low": low, "high": high, "n": found.n, "confidence": found.confidence}


def _json(content: object) -> str:
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


def _write(written: Mapping[str, str], out: Path) -> tuple[Path, ...]:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (out / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"The results cannot be written to {out} ({error.strerror}); make room, or name another folder with --out.") from error  # fmt: skip
    return tuple(out / name for name in written)
