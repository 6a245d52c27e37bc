"""What is read once for many runs must be what `MemoryStore` reads each time, and damage must show."""

from collections.abc import Callable

import pytest

from batches.entries import read
from orchestrator.store.memory import Disk, MemoryStore
from orchestrator.store.sealing import Sealed
from tests.crash.kept import KeptStore, broken, entry_of
from tests.crash.small import small_world

WORLD = small_world()
WORLD.run()
PARTS = WORLD.disk.streams["batch/B-26-0001"]


def test_the_same_entries_are_read() -> None:
    kept, plain = KeptStore(WORLD.disk), MemoryStore(WORLD.disk)
    for stream in plain.streams(""):
        assert [*kept.read(stream)] == [*plain.read(stream)]
        assert [*kept.read(stream, after=1, limit=2)] == [*plain.read(stream, after=1, limit=2)]
    assert [*KeptStore(Disk()).read("batch/none")] == []
    assert [entry_of(part) for part in PARTS] == [
        read(part.leaf, part.entry.salt, part.body) for part in PARTS
    ]


def changed_body(parts: list[Sealed]) -> list[Sealed]:
    return [*parts[:5], parts[5]._replace(body=b'{"text":"other"}'), *parts[6:]]


def missing(parts: list[Sealed]) -> list[Sealed]:
    return [*parts[:5], *parts[6:]]


def swapped(parts: list[Sealed]) -> list[Sealed]:
    return [*parts[:5], parts[6], parts[5], *parts[7:]]


def twice(parts: list[Sealed]) -> list[Sealed]:
    return [*parts[:6], *parts[5:]]


def of_another_run(parts: list[Sealed]) -> list[Sealed]:
    other = small_world()
    other.run()
    return [*parts[:6], *other.disk.streams["batch/B-26-0001"][6:]]


@pytest.mark.parametrize("damage", [changed_body, missing, swapped, twice, of_another_run])
def test_damage_shows(damage: Callable[[list[Sealed]], list[Sealed]]) -> None:
    assert broken(PARTS) == ""
    assert broken(damage(PARTS)).startswith(("Entry 6 ", "Entry 7 "))
