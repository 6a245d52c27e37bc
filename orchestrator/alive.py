"""Since when no engine ran: a time on disk, kept while one does, and the record itself.

The time is written aside and put in place whole, so that a power cut leaves the old one or the new one.
"""

import asyncio
import os
from datetime import datetime
from pathlib import Path

import structlog

from batches.entries import moment, stamp
from batches.errors import RecordError
from orchestrator.clock import RealClock

NAME = "alive"
EVERY = 60.0  # s, real time: how exactly it is known since when no engine ran


def away(folder: Path, recorded: datetime | None) -> tuple[datetime, datetime] | None:
    """Since when and until when no engine ran here; None if none ever did. Blocking.

    `recorded`: when the last entry of any batch was made. Where the file says nothing that can be
    read, that is since when the engine counts as away: people look once too often, never too seldom.
    """
    known = [time for time in (_kept(folder), recorded) if time is not None]
    if not known:
        return None
    since = max(known)
    return since, max(since, RealClock().now())


def _kept(folder: Path) -> datetime | None:
    try:
        return moment((folder / NAME).read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError, RecordError):
        return None


def keep(folder: Path, now: datetime) -> None:
    """Keep on disk that an engine runs here now. Blocking. Raises OSError where the disk takes nothing."""
    aside = folder / f"{NAME}.new"
    with aside.open("w", encoding="ascii") as file:
        file.write(stamp(now))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(folder / NAME)
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


async def keep_alive(folder: Path) -> None:
    """Keep it up to date. A disk that takes nothing is said, and stops nothing: what is known grows older."""
    while True:
        try:
            await asyncio.to_thread(keep, folder, RealClock().now())
        except OSError as error:
            structlog.get_logger().error("cannot keep since when the engine runs", error=str(error))
        await asyncio.sleep(EVERY)
