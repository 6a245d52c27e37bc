"""Alarm limits while a unit procedure runs: a short swing is not an excursion, a long one is."""

from datetime import datetime, timedelta

import pytest

from batches.entries import Entry, read
from batches.quantities import parse
from devices.base import Reading
from tests.crash.small import small_world
from tests.crash.world import START, FakePlant

LEAVES = START + timedelta(hours=2) - timedelta(minutes=1)
"""Just before one of the hourly looks, so that it is seen."""


class Swinging(FakePlant):
    """Its temperature leaves the limit (36 to 38 degC for 10 min) once, for `outside`."""

    outside = timedelta(0)

    async def read(self, unit: str, tag: str) -> Reading:
        now = self._now()
        away = LEAVES <= now < LEAVES + self.outside
        return Reading(parse("35 degC" if away else "37 degC"), now)

    def _now(self) -> datetime:
        assert self.clock is not None
        return self.clock.now()


def kinds_after(outside: timedelta) -> list[Entry]:
    world = small_world()
    world.equipment.__class__ = Swinging
    assert isinstance(world.equipment, Swinging)
    world.equipment.outside = outside
    world.run()
    stream = world.disk.streams["batch/B-26-0001"]
    record = [read(part.leaf, part.entry.salt, part.body) for part in stream]
    return [entry for entry in record if entry.kind.startswith(("excursion", "deviation"))]


@pytest.mark.parametrize("minutes", [3, 8])
def test_a_swing_shorter_than_the_delay_is_no_excursion(minutes: int) -> None:
    assert kinds_after(timedelta(minutes=minutes)) == []


def test_a_swing_longer_than_the_delay_is_one_with_its_deviation() -> None:
    found = kinds_after(timedelta(minutes=30))
    assert [entry.kind for entry in found] == ["excursion_started", "deviation_opened", "excursion_ended"]
    assert found[0].recorded_at - LEAVES < timedelta(minutes=15)
    assert "temperature of BR-01 is 35 degC, beyond its low limit" in str(found[1].content()["text"])
