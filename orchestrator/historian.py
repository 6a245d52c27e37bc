"""The historian: readings of tags, beside the record and never in it.

Another database file than the record's (on PostgreSQL another schema), written by a thread of its own,
many readings to a commit. A crash may lose the last second of readings, a power cut a little more; the
record never rests on them: what decided something stands in the record itself. Trouble with the database
stops no batch: readings wait in memory and are tried again, `trouble` says so, and only beyond `WAITING`
are the oldest dropped and counted in `lost`.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias, cast

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Engine,
    Executable,
    MetaData,
    Table,
    and_,
    delete,
    func,
    not_,
    select,
)
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT DO NOTHING is SQLite's too
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from batches.entries import moment, stamp
from batches.errors import StoreError
from batches.quantities import quantity
from batches.series import Point, Series, thinned
from devices.base import Quality, Reading
from orchestrator.store.database import historian_engine, read_address
from orchestrator.store.tables import STRICT, field, key

BATCH_SECONDS = 1.0
"""How long readings are gathered before they are written."""
RETRY_SECONDS = 5.0
STREAMED = 5_000
"""Rows of a long range that are fetched at once."""
Span: TypeAlias = tuple[str, datetime, datetime]
"""A unit, from a time up to but not at another."""
WAITING = 200_000
"""Readings that may wait for the database (assumed: half an hour of 100 tags a second)."""

metadata = MetaData()
reading = Table(
    "reading", metadata,
    key("unit"), key("tag"), key("measured_at"), key("source"),
    field("value"), field("measure"), field("quality"), field("received_at"),
    CheckConstraint("quality IN ('good', 'uncertain', 'stale', 'bad')"),
    **STRICT,
)  # fmt: skip
INSERT = insert(reading).on_conflict_do_nothing()


@dataclass(frozen=True, slots=True)
class Kept:
    """A reading as it was kept; `received_at` is when it came in (process time, UTC)."""

    unit: str
    tag: str
    reading: Reading
    received_at: datetime


def historian_url(record_url: str) -> str:
    """Where the historian of a record lies if nothing else is said: beside its file, or in its database."""
    address = read_address(record_url)
    if address.get_backend_name() != "sqlite" or not address.database:
        return record_url
    name = address.database.removesuffix(".db") + "-historian.db"
    return address.set(database=name).render_as_string(hide_password=False)


class Historian:
    """Readings at `sqlite:///path` or `postgresql://…`. `keep` never waits; `range` is for worker threads.

    Raises BadInput for the address, StoreError if the database cannot be opened.
    """

    def __init__(
        self, url: str, *, batch_seconds: float = BATCH_SECONDS, retry_seconds: float = RETRY_SECONDS
    ):
        self.trouble = ""
        """Why readings are not being written just now; empty when they are."""
        self.lost = 0
        self._engine: Engine = historian_engine(url)
        self._batch_seconds, self._retry_seconds = batch_seconds, retry_seconds
        self._waiting: deque[Kept] = deque()
        self._taken, self._settled = 0, 0  # readings taken in, and of these written or lost
        self._begun, self._ended = 0, 0  # attempts to write
        self._changed = threading.Condition()
        self._closing, self._hurry = False, False
        self._thread = threading.Thread(target=self._run, name="historian", daemon=True)
        self._thread.start()

    def keep(self, unit: str, tag: str, reading: Reading, received_at: datetime) -> None:
        """Take a reading to be written within a second. The same reading twice is kept once."""
        with self._changed:
            if self._closing:
                raise StoreError("The historian is closed; open it again to keep readings.")
            if len(self._waiting) >= WAITING:
                self._waiting.popleft()
                self._lose(1)
            self._waiting.append(Kept(unit, tag, reading, received_at))
            self._taken += 1
            if len(self._waiting) == 1:
                self._changed.notify_all()

    def range(self, unit: str, tag: str, start: datetime, end: datetime) -> Sequence[Kept]:
        """Readings measured from `start` up to but not at `end`, in order; those just kept included."""
        self.flush()
        query = (
            select(reading)
            .where(*_within(unit, tag, start, end))
            .order_by(reading.c.measured_at, reading.c.source)
        )
        return [_kept(*row) for row in self._rows(query)]

    def series(
        self, unit: str, tag: str, start: datetime, end: datetime, most: int, gap_after: timedelta
    ) -> Series[Kept]:
        """About `most` of the readings measured in [start, end): the extremes of each slice, the worst of
        its qualities, and every pause longer than `gap_after`. Reads the range once, with little memory."""
        self.flush()
        within = _within(unit, tag, start, end)
        counted = self._rows(select(func.count()).select_from(reading).where(*within))
        query = select(reading).where(*within).order_by(reading.c.measured_at, reading.c.source)
        try:
            with self._engine.connect().execution_options(yield_per=STREAMED) as connection:
                found = thinned(
                    (_point(row) for row in connection.execute(query)), counted[0][0], most, gap_after
                )
        except SQLAlchemyError as error:
            raise _unread(error) from error
        return Series([_kept(*row) for row in found.points], found.gaps, found.total)

    def latest(self, unit: str, tag: str) -> Kept | None:
        """The reading of a tag that was measured last, if there is one. A clock that runs ahead does not
        make a reading later than what came in after it."""
        self.flush()
        query = (
            select(reading)
            .where(reading.c.unit == unit, reading.c.tag == tag)
            .order_by(reading.c.measured_at.desc(), reading.c.received_at.desc())
            .limit(1)
        )
        return next((_kept(*row) for row in self._rows(query)), None)

    def forget(self, before: datetime, keep: Sequence[Span] = ()) -> int:
        """Delete the readings measured before a time, but none that lies in a span to `keep`; how many.

        What a batch had is kept as long as its record: name its spans. Raises StoreError.
        """
        self.flush()
        kept = [
            and_(reading.c.unit == unit, reading.c.measured_at >= stamp(start), reading.c.measured_at < stamp(end))
            for unit, start, end in keep
        ]  # fmt: skip
        try:
            with self._engine.begin() as connection:
                statement = delete(reading).where(
                    reading.c.measured_at < stamp(before), *(not_(one) for one in kept)
                )
                return connection.execute(statement).rowcount
        except SQLAlchemyError as error:
            raise _unread(error) from error

    def tags(self, unit: str) -> Sequence[str]:
        """The tags of a unit that have readings."""
        self.flush()
        query = select(reading.c.tag).where(reading.c.unit == unit).distinct().order_by(reading.c.tag)
        return [tag for (tag,) in self._rows(query)]

    def flush(self) -> None:
        """Return when every reading kept so far is written, or when it was tried and there is trouble."""
        with self._changed:
            goal, begun, self._hurry = self._taken, self._begun, True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._settled >= goal or self._ended > begun or not self._thread.is_alive()
            )
            self._hurry = False

    def close(self) -> None:
        """Write what waits, once more if there is trouble, and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._engine.dispose()

    def _rows(self, query: Executable) -> Sequence[Any]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except SQLAlchemyError as error:
            raise _unread(error) from error

    def _run(self) -> None:
        while batch := self._gather():
            written = self._write(batch)
            with self._changed:
                self._ended = self._begun
                if written:
                    self._settled += len(batch)
                elif self._closing:
                    self._lose(len(batch))
                else:
                    self._waiting.extendleft(reversed(batch))
                self._changed.notify_all()
                if not written:
                    self._changed.wait_for(lambda: self._hurry or self._closing, self._retry_seconds)

    def _gather(self) -> list[Kept]:
        """The next readings to write; none when all is done and the historian closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._changed.wait_for(lambda: self._hurry or self._closing, self._batch_seconds)
            self._begun += 1
            batch = list(self._waiting)
            self._waiting.clear()
            return batch

    def _write(self, batch: Sequence[Kept]) -> bool:
        try:
            with self._engine.begin() as connection:
                connection.execute(INSERT, [_row(kept) for kept in batch])
        except SQLAlchemyError as error:
            self.trouble = (
                f"Readings are not being written ({_reason(error)}); check the historian's database."
            )
            return False
        self.trouble = ""
        return True

    def _lose(self, count: int) -> None:
        self.lost += count
        self._settled += count


def _row(kept: Kept) -> dict[str, str]:
    found = kept.reading
    return {
        "unit": kept.unit, "tag": kept.tag, "measured_at": stamp(found.at), "source": found.source,
        "value": str(found.value.value), "measure": found.value.unit, "quality": found.quality,
        "received_at": stamp(kept.received_at),
    }  # fmt: skip


def _kept(
    unit: str, tag: str, measured_at: str, source: str, value: str, measure: str, quality: str, received_at: str
) -> Kept:  # fmt: skip
    found = Reading(quantity(value, measure), moment(measured_at), cast("Quality", quality), source)
    return Kept(unit, tag, found, moment(received_at))


def _within(unit: str, tag: str, start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    times = reading.c.measured_at >= stamp(start), reading.c.measured_at < stamp(end)
    return reading.c.unit == unit, reading.c.tag == tag, *times


def _point(row: Any) -> Point[Any]:
    """A row as the thinning needs it; what it means in full is read only where it stays."""
    at = datetime.fromisoformat(row.measured_at)
    return Point(at, float(row.value), cast("Quality", row.quality), tuple(row))


def _unread(error: SQLAlchemyError) -> StoreError:
    return StoreError(f"The historian cannot be read: {_reason(error)}; check its database.")


def _reason(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).splitlines() or ["no reason given"])[0]
