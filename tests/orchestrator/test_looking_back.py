"""A batch that ended in an earlier life is folded beside the event loop, once for many looks."""

import threading
from collections.abc import Iterator

import pytest

from batches.entries import Entry
from batches.errors import NotFound
from batches.quantities import parse
from batches.steps import PhaseRun, Wait
from orchestrator.store.memory import MemoryStore
from tests.orchestrator.stories import Town, World, person, scripted, unit_procedure

LOOKED: list[str] = []


class Watched(MemoryStore):
    """Notes in which thread the record of a batch is read."""

    def read(self, stream: str, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        for entry in super().read(stream, after, limit):
            if stream.startswith("batch/"):
                LOOKED.append(threading.current_thread().name)
            yield entry


def waits() -> PhaseRun:
    yield Wait(parse("1 h"))
    return {}


def test_an_ended_batch_is_folded_once_and_never_on_the_loop() -> None:
    async def ends(town: Town) -> None:
        await town.begin()
        await town.to_the_end()

    async def looks(town: Town) -> None:
        LOOKED.clear()
        state = await town.site.batch(town.number)
        read = len(LOOKED)
        assert state.state == "Complete"
        assert (read, threading.current_thread().name in LOOKED) == (state.entries, False)
        assert await town.site.batch(town.number) is state
        assert len(LOOKED) == read
        with pytest.raises(NotFound):
            await town.site.batch("B-26-0999")

    World(scripted(unit_procedure("Grow", "first")), {"first": waits}, store=Watched).run(ends, looks)


def test_what_is_added_to_it_later_is_seen() -> None:
    async def ends(town: Town) -> None:
        await town.begin()
        await town.to_the_end()

    async def looks(town: Town) -> None:
        before = (await town.site.batch(town.number)).entries
        await town.site.engine.taken_up(town.number)
        await town.site.answers.note(town.number, "Seen again.", person("qa"))
        assert (await town.site.batch(town.number)).entries == before + 1

    World(scripted(unit_procedure("Grow", "first")), {"first": waits}).run(ends, looks)
