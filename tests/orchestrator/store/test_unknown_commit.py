"""A COMMIT whose answer never came: nobody knows, the store says so, and reopening finds out."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from batches.entries import Entry
from orchestrator.store.store import DatabaseStore
from tests.orchestrator.store.proxy import Proxy
from tests.orchestrator.store.records import item, outcome, run, write
from tests.postgres import PostgresServer


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[tuple[Proxy, Path]]:
    with tempfile.TemporaryDirectory(prefix="kweek-proxy-") as folder:
        made = Proxy(postgres_server.folder, Path(folder))
        yield made, Path(folder)
        made.close()


async def submit_into_silence(
    store: DatabaseStore, proxy: Proxy, lose: Literal["requests", "replies"]
) -> tuple[list[Entry], str]:
    proxy.lose = lose
    submission = store.submit(item("batch/B-1", "lot/L-1"))
    await asyncio.sleep(0.3)  # time enough for the server to commit what it got
    proxy.cut()
    return list(submission.entries), await outcome(submission)


@pytest.mark.parametrize(("lose", "recorded"), [("replies", True), ("requests", False)])
def test_the_answer_to_commit_is_lost(
    proxy: tuple[Proxy, Path], record_url: str, lose: Literal["requests", "replies"], recorded: bool
) -> None:
    between, folder = proxy
    store = DatabaseStore(f"{record_url.split('?')[0]}?host={folder}", "test", lease_seconds=1.0)
    known = write(store, item("batch/B-1"))
    doubtful, sentence = run(submit_into_silence(store, between, lose))
    assert "broke (" in sentence
    assert "nobody knows yet whether the last entries are recorded" in sentence
    store.close()

    again = DatabaseStore(record_url, "test", lease_seconds=1.0)
    assert again.holds(known) is True
    assert again.holds(doubtful) is recorded
    assert list(again.read("batch/B-1")) == known + ([doubtful[0]] if recorded else [])
    (after,) = write(again, item("batch/B-1"))
    assert after.number == (3 if recorded else 2)
    again.close()


def test_an_entry_in_the_same_place_is_not_the_same_entry(sqlite_url: str) -> None:
    store = DatabaseStore(sqlite_url)
    mine = write(store, item("batch/B-1"))
    store.close()
    other = DatabaseStore(sqlite_url + "-other")
    theirs = write(other, item("batch/B-1"))  # the same draft, another salt
    assert (other.holds(theirs), other.holds(mine), other.holds([])) == (True, False, True)
    other.close()
