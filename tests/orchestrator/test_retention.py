"""Readings of a batch are kept as long as its record, whatever else is deleted."""

import asyncio
from datetime import timedelta
from pathlib import Path

from batches.quantities import parse
from devices.base import Reading
from orchestrator.clock import InlineClock
from orchestrator.engine import Engine
from orchestrator.historian import Historian, Span
from orchestrator.retention import spans_of_batches
from orchestrator.store.memory import MemoryStore
from tests.crash.small import small_world
from tests.crash.world import START


def test_what_a_batch_had_is_kept(tmp_path: Path) -> None:
    world = small_world()
    state = world.run()
    assert state is not None
    assert state.ended_at is not None
    historian = Historian(f"sqlite:///{tmp_path / 'readings.db'}")
    for day in range(-2, 3):
        at = START + timedelta(days=day, hours=2)
        for unit in ("BR-01", "BR-02"):  # the batch had BR-01 from START on, for a day
            historian.keep(unit, "temperature", Reading(parse("37 degC"), at), at)
    now = state.ended_at + timedelta(days=400)

    async def spans() -> list[Span]:
        engine = Engine(MemoryStore(world.disk), InlineClock(now), world.equipment, world.plant)
        engine.open()
        return [*await spans_of_batches(engine, now)]

    historian.forget(now - timedelta(days=90), asyncio.run(spans()))
    left = {
        unit: [one.reading.at for one in historian.range(unit, "temperature", START - timedelta(days=9), now)]
        for unit in ("BR-01", "BR-02")
    }
    historian.close()
    assert left == {"BR-01": [START + timedelta(hours=2)], "BR-02": []}
