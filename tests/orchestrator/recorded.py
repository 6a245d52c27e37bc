"""A batch that was run in memory, written into a real store, and readings of its equipment."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from batches.entries import Draft
from batches.quantities import Quantity
from batches.report.bundle import Person
from devices.base import Reading
from orchestrator.historian import Kept
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import Item, Store
from tests.batches.running import NAMES, PEOPLE, Run

KNOWN = [Person(one, name, name.split()[0].casefold()) for one, name in NAMES.items()]
QA = next(person for person in KNOWN if person.id == PEOPLE["qa"])


async def write(run: Run, store: Store) -> None:
    """Every entry of the run, in the order of time, through the port."""
    entries = sorted((e for stream in run.streams.values() for e in stream), key=lambda e: e.recorded_at)
    for entry in entries:
        draft = Draft(entry.kind, entry.content(), entry.actor, entry.version, entry.happened_at)
        await store.submit(Item([(entry.stream, draft)], entry.recorded_at)).durable


def in_memory(*runs: Run) -> MemoryStore:
    store = MemoryStore()

    async def fill() -> None:
        for run in runs:
            await write(run, store)

    asyncio.run(fill())
    return store


class SawTooth:
    """A historian of one reactor: temperature and glucose every hour, one reading in fifty bad."""

    def tags(self, unit: str) -> Sequence[str]:
        return ("glucose", "temperature") if unit == "REACTOR-01" else ()

    def range(self, unit: str, tag: str, start: datetime, end: datetime) -> Sequence[Kept]:
        hours = int((end - start) / timedelta(hours=1))
        return [_reading(unit, tag, start + timedelta(hours=hour), hour) for hour in range(hours)]


def _reading(unit: str, tag: str, at: datetime, hour: int) -> Kept:
    share = Decimal(hour % 24) / 24
    value = (
        Quantity(Decimal("36.9") + share / 5, "degC") if tag == "temperature" else Quantity(3 - share, "g/L")
    )
    return Kept(unit, tag, Reading(value, at, "bad" if hour % 50 == 7 else "good", "test"), at)
