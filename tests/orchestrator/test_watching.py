"""Alarm limits while a unit procedure runs: a short swing is not an excursion, a long one is."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from batches.alarms import folded
from batches.conformance import conform
from batches.entries import Entry, read
from batches.quantities import parse
from devices.base import Reading
from tests.crash import small
from tests.crash.small import small_world
from tests.crash.world import START, FakePlant, World

LEAVES = START + timedelta(hours=3, minutes=49)
"""Just before one of the looks of this world, so that it is seen."""


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
    world = swinging(outside)
    world.run()
    return [entry for entry in record(world) if entry.kind.startswith(("excursion", "deviation"))]


def swinging(outside: timedelta) -> World:
    world = small_world()
    world.equipment.__class__ = Swinging
    assert isinstance(world.equipment, Swinging)
    world.equipment.outside = outside
    return world


def record(world: World) -> list[Entry]:
    return [read(part.leaf, part.entry.salt, part.body) for part in world.disk.streams["batch/B-26-0001"]]


@pytest.mark.parametrize("minutes", [3, 8])
def test_a_swing_shorter_than_the_delay_is_no_excursion(minutes: int) -> None:
    assert kinds_after(timedelta(minutes=minutes)) == []


def test_a_swing_longer_than_the_delay_is_one_with_its_deviation() -> None:
    found = kinds_after(timedelta(minutes=30))
    assert [entry.kind for entry in found] == ["excursion_started", "deviation_opened", "excursion_ended"]
    assert found[0].recorded_at - LEAVES < timedelta(minutes=15)
    assert "temperature of BR-01 is 35 degC, beyond its low limit" in str(found[1].content()["text"])


def test_an_excursion_holds_where_the_recipe_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = small.SMALL.read_text(encoding="utf-8").replace("delay: 10 min, critical: true", "delay: 10 min, holds: true, priority: high, latching: true")  # fmt: skip
    (tmp_path / "small.yaml").write_text(changed, encoding="utf-8")
    monkeypatch.setattr(small, "SMALL", tmp_path / "small.yaml")
    world = swinging(timedelta(minutes=30))
    with pytest.raises(AssertionError, match="'Grow': 'Held'"):
        world.run()  # it stands held, and nobody restarts it
    found = record(world)
    started = next(entry for entry in found if entry.kind == "excursion_started")
    assert (started.content()["priority"], started.content()["latching"]) == ("high", True)
    moved = [(e.body["path"], e.body["to"], e.body.get("reason", "")) for e in found[started.number :] if e.kind == "state_changed" and e.body]  # fmt: skip
    assert moved[0][1] == "Holding"
    assert "temperature of BR-01 is 35 degC, beyond its low limit" in str(moved[0][2])
    deviations = [str(entry.content()["text"]) for entry in found if entry.kind == "deviation_opened"]
    assert [text[:24] for text in deviations] == ["The hold of 'Grow' lasts"], (
        "none of the limit: not critical"
    )
    assert conform(found).findings == []
    alarms = folded(found).alarms.values()
    assert [alarm.state(found[-1].recorded_at) for alarm in alarms] == ["latched_unacknowledged"]
