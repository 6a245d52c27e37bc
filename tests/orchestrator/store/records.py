"""Drafts and submissions for the tests of the store."""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from batches.entries import Actor, Draft, Entry
from batches.plain import PlainDict
from orchestrator.store.port import Item, Reply, Store, Submission

AT = datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC)
PERSON = Actor("person", "p-0007", "operator")
T = TypeVar("T")


def note(text: str = "a note", kind: str = "note_added") -> Draft:
    return Draft(kind, {"text": text}, PERSON)


def draft(kind: str, **body: Any) -> Draft:
    return Draft(kind, body, PERSON)


def item(*streams: str, reply: Reply | None = None, **expected: int) -> Item:
    return Item([(stream, note()) for stream in streams], AT, expected or None, reply)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def write(store: Store, *items: Item) -> list[Entry]:
    """Submit items at once and wait until all are durable; give their entries."""

    async def submit_all() -> list[Entry]:
        submissions = [store.submit(one) for one in items]
        await asyncio.gather(*(one.durable for one in submissions))
        return [entry for one in submissions for entry in one.entries]

    return run(submit_all())


def write_drafts(store: Store, stream: str, *drafts: Draft) -> list[Entry]:
    return write(store, Item([(stream, one) for one in drafts], AT))


async def outcome(submission: Submission) -> str:
    """'durable', or the sentence of the failure."""
    try:
        await submission.durable
    except Exception as error:
        return str(error)
    return "durable"


def bodies(entries: Sequence[Entry]) -> list[PlainDict | None]:
    return [entry.body for entry in entries]
