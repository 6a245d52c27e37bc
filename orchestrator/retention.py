"""Retention: readings that belong to no batch are deleted when their time is over; those of a batch never.

The record is kept for ever here, and a reading that a batch had is kept as long as its record.
"""

import asyncio
from datetime import datetime, timedelta

from orchestrator.engine import Engine
from orchestrator.export import bound
from orchestrator.historian import Historian, Span

LOOK_EVERY = timedelta(days=1)
MARGIN = timedelta(hours=1)
"""Readings from just before and after a batch had a unit are kept with it (assumed)."""


async def retain(engine: Engine, historian: Historian, keep_for: timedelta) -> None:
    """Once a day delete what is older than `keep_for` and no batch had, until cancelled."""
    while True:
        now = engine.clock.now()
        spans = await spans_of_batches(engine, now)
        with engine.clock.activity.call():
            await asyncio.to_thread(historian.forget, now - keep_for, spans)
        await engine.clock.sleep_until(now + LOOK_EVERY)


async def spans_of_batches(engine: Engine, now: datetime) -> list[Span]:
    """When a batch had a unit, for every batch ever made."""
    spans: list[Span] = []
    for number in sorted({*engine.numbers, *engine.batches}):
        entries = await engine.entries(f"batch/{number}")
        spans += [(unit, start - MARGIN, end + MARGIN) for unit, start, end in bound(entries, now)]
    return spans
