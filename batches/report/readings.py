"""Readings of a batch: the lines of readings.csv, and what a trend of one tag needs.

Readings come from the historian, not from the record: readings.csv is covered by the manifest of the
export and its signature, not by the chain of entries.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from batches.entries import moment, stamp
from batches.errors import BadInput, RecordError
from batches.quantities import Quantity, quantity

COLUMNS = ("unit", "tag", "measured_at", "value", "unit_of_measure", "quality", "received_at")
Point = TypeVar("Point")


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a tag as it was read. `quality`: good, uncertain, stale or bad."""

    unit: str
    tag: str
    measured_at: datetime
    value: Quantity
    quality: str
    received_at: datetime


def readings_csv(readings: Iterable[Reading]) -> bytes:
    """readings.csv: in the order of unit, tag and time of measurement, UTF-8, RFC 4180."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for one in sorted(readings, key=lambda one: (one.unit, one.tag, one.measured_at, one.received_at)):
        number, measure = f"{one.value.value:f}", one.value.unit
        times = stamp(one.measured_at), stamp(one.received_at)
        writer.writerow((one.unit, one.tag, times[0], number, measure, one.quality, times[1]))
    return text.getvalue().encode("utf-8")


def read_readings(data: bytes) -> list[Reading]:
    """The readings in readings.csv. Raises RecordError."""
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
        if not rows or tuple(rows[0]) != COLUMNS:
            raise RecordError(f"readings.csv does not begin with the columns {', '.join(COLUMNS)}.")
        return [_reading(row) for row in rows[1:]]
    except (UnicodeDecodeError, csv.Error, ValueError, BadInput) as error:
        raise RecordError(f"readings.csv cannot be read: {error}") from error


def _reading(row: Sequence[str]) -> Reading:
    unit, tag, measured, number, measure, quality, received = row
    return Reading(unit, tag, moment(measured), quantity(number, measure), quality, moment(received))


def thinned(points: Sequence[Point], most: int, key: "Sequence[float]") -> list[Point]:
    """At most about `most` points that keep every extreme: lowest and highest of each slice, in order.

    `key`: the value of each point. The first and the last point are always kept.
    """
    if len(points) <= most:
        return list(points)
    width = max(1, -(-2 * len(points) // most))
    kept = {0, len(points) - 1}
    for start in range(0, len(points), width):
        part = range(start, min(start + width, len(points)))
        kept |= {min(part, key=lambda i: key[i]), max(part, key=lambda i: key[i])}
    return [points[i] for i in sorted(kept)]
