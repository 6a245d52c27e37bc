"""Readings as a file: CSV as in an export of a batch, or Parquet for those who calculate.

Blocking: call it from a worker thread. polars is imported here only, when somebody asks for Parquet.
"""

import io
from collections.abc import Iterable, Sequence

from batches.report.readings import COLUMNS, Reading, readings_csv
from orchestrator.historian import Kept


def as_csv(kept: Iterable[Kept]) -> bytes:
    """UTF-8, RFC 4180; the columns of readings.csv."""
    return readings_csv(_plain(one) for one in kept)


def as_parquet(kept: Sequence[Kept]) -> bytes:
    """The same columns and `source`; `value` as a 64-bit float and, digit for digit, as `value_text`."""
    import polars as pl

    rows = [_plain(one) for one in kept]
    frame = pl.DataFrame(
        {
            "unit": [one.unit for one in rows], "tag": [one.tag for one in rows],
            "measured_at": [one.measured_at for one in rows], "value": [float(one.value.value) for one in rows],
            "value_text": [f"{one.value.value:f}" for one in rows], "unit_of_measure": [one.value.unit for one in rows],
            "quality": [one.quality for one in rows], "received_at": [one.received_at for one in rows],
            "source": [one.reading.source for one in kept],
        },
        schema={
            "unit": pl.String, "tag": pl.String, "measured_at": pl.Datetime("us", "UTC"), "value": pl.Float64,
            "value_text": pl.String, "unit_of_measure": pl.String, "quality": pl.String,
            "received_at": pl.Datetime("us", "UTC"), "source": pl.String,
        },
    )  # fmt: skip
    assert set(COLUMNS) <= set(frame.columns)
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def _plain(kept: Kept) -> Reading:
    found = kept.reading
    return Reading(kept.unit, kept.tag, found.at, found.value, found.quality, kept.received_at)
