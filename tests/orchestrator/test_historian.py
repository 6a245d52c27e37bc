"""Readings beside the record: kept soon, once, as they were; trouble is said and loses nothing early."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from batches.errors import BadInput, StoreError
from batches.quantities import parse
from devices.base import Quality, Reading
from orchestrator import historian as module
from orchestrator.historian import Historian, Kept, historian_url
from orchestrator.store.store import DatabaseStore
from tests.postgres import PostgresServer

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
END = AT + timedelta(days=1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        f"sqlite:///{tmp_path / 'readings.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )


@pytest.fixture
def historian(url: str) -> Iterator[Historian]:
    opened = Historian(url, batch_seconds=0.05, retry_seconds=0.05)
    yield opened
    opened.close()


def reading(text: str, seconds: float = 0.0, quality: Quality = "good", source: str = "BR-01") -> Reading:
    return Reading(parse(text), AT + timedelta(seconds=seconds), quality, source)


def test_readings_come_back_as_they_were_in_order(historian: Historian) -> None:
    kept = [
        reading("37.00 degC", 2), reading("36.5 degC", 0, "uncertain"), reading("1.0e8 cell/mL", 1, "bad", "counter 2"),
    ]  # fmt: skip
    for one in kept:
        historian.keep("BR-01", "temperature", one, one.at + timedelta(milliseconds=5))
    found = historian.range("BR-01", "temperature", AT, END)
    in_order = sorted(kept, key=lambda one: one.at)
    assert found == [
        Kept("BR-01", "temperature", one, one.at + timedelta(milliseconds=5)) for one in in_order
    ]
    assert [str(one.reading.value.value) for one in found] == ["36.5", str(Decimal("1.0e8")), "37.00"]


def test_a_range_has_its_start_and_not_its_end(historian: Historian) -> None:
    for second in range(5):
        historian.keep("BR-01", "pH", reading(f"7.{second} dimensionless", second), AT)
    found = historian.range("BR-01", "pH", AT + timedelta(seconds=1), AT + timedelta(seconds=3))
    assert [one.reading.at.second for one in found] == [1, 2]
    assert historian.range("BR-01", "temperature", AT, END) == []
    assert historian.range("BR-02", "pH", AT, END) == []


def test_a_reading_given_twice_is_kept_once(historian: Historian) -> None:
    for source in ("BR-01", "BR-01", "hand-held"):
        historian.keep("BR-01", "temperature", reading("37 degC", source=source), AT)
    historian.flush()
    historian.keep("BR-01", "temperature", reading("38 degC"), AT)
    found = historian.range("BR-01", "temperature", AT, END)
    assert [(one.reading.source, str(one.reading.value.value)) for one in found] == [
        ("BR-01", "37"),
        ("hand-held", "37"),
    ]


def test_readings_outlive_the_historian(historian: Historian, url: str) -> None:
    for second in range(1000):
        historian.keep("BR-01", "temperature", reading("37 degC", second), AT)
    historian.keep("BR-01", "pH", reading("7 dimensionless"), AT)
    historian.close()
    with pytest.raises(StoreError, match="closed"):
        historian.keep("BR-01", "temperature", reading("37 degC"), AT)
    again = Historian(url)
    assert len(again.range("BR-01", "temperature", AT, END)) == 1000
    assert again.tags("BR-01") == ["pH", "temperature"]
    assert (again.lost, again.trouble) == (0, "")
    again.close()


def test_it_lies_beside_the_record(tmp_path: Path) -> None:
    assert historian_url(f"sqlite:///{tmp_path}/kweek.db") == f"sqlite:///{tmp_path}/kweek-historian.db"
    address = "postgresql://kweek:secret@127.0.0.1/kweek"
    assert historian_url(address) == address
    with pytest.raises(BadInput):
        historian_url("nonsense")


def test_record_and_historian_share_a_postgresql_database(postgres_url: str) -> None:
    store = DatabaseStore(postgres_url, lease_seconds=1.0)
    historian = Historian(postgres_url)
    historian.keep("BR-01", "temperature", reading("37 degC"), AT)
    assert len(historian.range("BR-01", "temperature", AT, END)) == 1
    historian.close()
    store.close()


def test_a_broken_file_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "readings.db"
    historian = Historian(f"sqlite:///{path}", batch_seconds=0.01, retry_seconds=60.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("ALTER TABLE reading RENAME TO away")
    historian.keep("BR-01", "temperature", reading("37 degC"), AT)
    historian.flush()
    assert (
        historian.trouble
        == "Readings are not being written (no such table: reading); check the historian's database."
    )
    other.execute("ALTER TABLE away RENAME TO reading")
    other.close()
    assert len(historian.range("BR-01", "temperature", AT, END)) == 1
    assert historian.lost == 0
    historian.close()


def test_beyond_what_may_wait_the_oldest_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 10)
    path = tmp_path / "readings.db"
    historian = Historian(f"sqlite:///{path}", batch_seconds=60.0)
    for second in range(15):
        historian.keep("BR-01", "temperature", reading("37 degC", second), AT)
    found = historian.range("BR-01", "temperature", AT, END)
    assert [one.reading.at.second for one in found] == list(range(5, 15))
    assert historian.lost == 5
    historian.close()


def test_a_server_that_comes_back_gets_what_waited(postgres_server: PostgresServer) -> None:
    url = postgres_server.url(postgres_server.new_database())
    historian = Historian(url, batch_seconds=0.01, retry_seconds=60.0)
    historian.keep("BR-01", "temperature", reading("37 degC", 0), AT)
    historian.flush()
    postgres_server.stop()
    historian.keep("BR-01", "temperature", reading("37 degC", 1), AT)
    historian.flush()
    assert historian.trouble.startswith("Readings are not being written (")
    with pytest.raises(StoreError, match="The historian cannot be read"):
        historian.range("BR-01", "temperature", AT, END)
    postgres_server.start()
    assert len(historian.range("BR-01", "temperature", AT, END)) == 2
    historian.close()


def test_late_and_out_of_order_points_stand_where_they_were_measured(historian: Historian) -> None:
    for second in (5, 3, 4, 0):
        historian.keep("BR-01", "temperature", reading("37 degC", second), AT + timedelta(seconds=60))
    historian.flush()
    historian.keep("BR-01", "temperature", reading("36 degC", 1), AT + timedelta(hours=2))
    found = historian.series("BR-01", "temperature", AT, END, 100, timedelta(seconds=1))
    assert [one.reading.at.second for one in found.points] == [0, 1, 3, 4, 5]
    assert [(gap.start.second, gap.end.second) for gap in found.gaps] == [(1, 3)]
    newest = historian.latest("BR-01", "temperature")
    assert newest is not None
    assert newest.reading.at.second == 5
    assert historian.latest("BR-01", "pH") is None


def test_a_thinned_range_keeps_the_one_spike(historian: Historian) -> None:
    for second in range(2000):
        historian.keep(
            "BR-01", "temperature", reading("41.5 degC" if second == 777 else "37 degC", second), AT
        )
    found = historian.series("BR-01", "temperature", AT, END, 50, timedelta(seconds=5))
    assert (found.total, found.gaps) == (2000, [])
    assert len(found.points) < 60
    assert [one.reading.at for one in found.points if str(one.reading.value) == "41.5 degC"] == [
        AT + timedelta(seconds=777)
    ]


def test_retention_keeps_what_batches_had(historian: Historian) -> None:
    for unit in ("BR-01", "BR-02"):
        for minute in range(10):
            historian.keep(unit, "temperature", reading("37 degC", 60 * minute), AT)
    span = "BR-01", AT + timedelta(minutes=2), AT + timedelta(minutes=4)
    assert historian.forget(AT + timedelta(minutes=5), [span]) == 8
    left = {
        unit: [one.reading.at.minute for one in historian.range(unit, "temperature", AT, END)]
        for unit in ("BR-01", "BR-02")
    }
    assert left == {"BR-01": [2, 3, 5, 6, 7, 8, 9], "BR-02": [5, 6, 7, 8, 9]}
