"""Since when no engine ran: told by a file that a power cut does not halve, and by the record."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batches.entries import Draft, stamp
from orchestrator.alive import NAME, away, keep, keep_alive
from orchestrator.app import latest
from orchestrator.store.memory import Disk, MemoryStore
from tests.orchestrator.stories import HOUR, Town, World, person, scripted, unit_procedure
from tests.orchestrator.test_by_hand import looks

OLD = datetime(2026, 3, 2, 8, tzinfo=UTC)
CUT = [b"", b"2026-03-0", b"\x00" * 27, b"\xff\xfe", b"tomorrow"]
"""What a power cut, or a hand, leaves of the file."""


def test_what_is_kept_is_read_and_is_put_in_place_whole(tmp_path: Path) -> None:
    keep(tmp_path, OLD)
    keep(tmp_path, OLD + HOUR)
    found = away(tmp_path, None)
    assert found is not None
    assert found[0] == OLD + HOUR
    assert [file.name for file in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("left", CUT)
def test_a_file_that_cannot_be_read_is_an_absence_since_the_last_entry(tmp_path: Path, left: bytes) -> None:
    (tmp_path / NAME).write_bytes(left)
    found = away(tmp_path, OLD)
    assert found is not None
    assert found[0] == OLD < found[1]
    assert away(tmp_path, None) is None, "no file and no batch: no engine ever ran here"


def test_a_power_cut_while_it_is_written_leaves_the_old_time(tmp_path: Path) -> None:
    keep(tmp_path, OLD)
    (tmp_path / f"{NAME}.new").write_text("2026-0", "ascii")
    found = away(tmp_path, None)
    assert found is not None
    assert found[0] == OLD
    keep(tmp_path, OLD + HOUR)
    assert (tmp_path / NAME).read_text("ascii") == stamp(OLD + HOUR)


@pytest.mark.parametrize("file", [OLD - HOUR, OLD + HOUR])
def test_the_later_of_file_and_record_counts(tmp_path: Path, file: datetime) -> None:
    keep(tmp_path, file)
    found = away(tmp_path, OLD)
    assert found is not None
    assert found[0] == max(file, OLD)


def test_a_disk_that_takes_nothing_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        task = asyncio.create_task(keep_alive(tmp_path / "gone"))
        await asyncio.sleep(0.3)
        assert not task.done()
        task.cancel()

    asyncio.run(story())
    assert "cannot keep since when the engine runs" in capsys.readouterr().out


def test_only_entries_of_batches_tell_that_an_engine_ran() -> None:
    found = World(scripted(unit_procedure("Grow", "looks")), {"looks": looks})

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        await town.site.answers.note(town.number, "a look", person("operator"))
        last = town.clock.now()
        await town.later(24 * HOUR)
        store = town.site.engine.store
        town.site.engine.commit(("people/p-9", (Draft("note_added", {"text": "added"}, person("qa")),)))
        await town.settle()
        assert latest(store, "batch/") == last
        assert latest(store) == town.clock.now() == last + timedelta(days=1)

    found.run(story)
    assert latest(MemoryStore(Disk()), "batch/") == datetime.min.replace(tzinfo=UTC)
