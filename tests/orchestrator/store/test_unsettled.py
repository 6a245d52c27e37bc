"""What a start reads: every batch that may still go on by itself, and not those that are complete."""

from collections.abc import Callable, Iterator

import pytest

from batches.entries import Draft, Entry
from batches.record import BatchState
from orchestrator.engine import Engine
from orchestrator.site import Site
from orchestrator.store.memory import Disk, MemoryStore
from orchestrator.store.port import Item
from tests.batches.eventful import eventful, small, stopped
from tests.batches.running import Run
from tests.orchestrator.store.conftest import Open
from tests.orchestrator.store.records import AT, write
from tests.orchestrator.stories import Shop, Town, World, person, scripted, unit_procedure
from tests.orchestrator.test_after_the_end import feed


def as_draft(entry: Entry) -> Draft:
    return Draft(entry.kind, entry.content(), entry.actor, entry.version)


@pytest.mark.parametrize("made", [eventful, stopped, small])
def test_whatever_may_go_on_is_read_at_a_start(opened: Open, made: Callable[[], Run]) -> None:
    store, memory, run, state = opened(), MemoryStore(Disk()), made(), BatchState()
    for entry in run.entries:
        state.apply(entry)
        item = Item([(f"batch/{run.state.number}", as_draft(entry))], AT)
        for one in (store, memory):
            write(one, item)
        if entry.kind in ("state_changed", "departure_decided"):
            assert store.unsettled() == memory.unsettled()
            assert state.settled or store.unsettled() == [run.state.number]
    complete = state.state == "Complete" and not state.departures
    assert store.unsettled() == ([] if complete else [run.state.number])
    assert complete == (made is small)


class Counting(MemoryStore):
    """Says which streams were read."""

    asked: list[str]

    def read(self, stream: str, after: int = 0, limit: int | None = None) -> Iterator[Entry]:
        self.asked.append(stream)
        return super().read(stream, after, limit)


def test_a_batch_that_is_complete_is_read_only_when_somebody_asks() -> None:
    found = World(scripted(unit_procedure("Grow", "feed")), {"feed": feed}, Shop())

    async def before(town: Town) -> None:
        await town.begin()
        await town.to_the_end()

    async def after(town: Town) -> None:
        old = town.site.engine
        store = Counting(old.store.disk)  # pyright: ignore[reportAttributeAccessIssue]  # stories run in memory
        store.asked = []
        site = Site(Engine(store, old.clock, Shop(), old.plant))
        site.open()
        assert [stream for stream in store.asked if stream.startswith("batch/")] == []
        assert (await site.batch(town.number)).state == "Complete"
        await site.answers.note(town.number, "Kept for ten years.", person("operator"))
        assert store.asked.count(f"batch/{town.number}") == 1
        assert [*store.read(f"batch/{town.number}")][-1].kind == "note_added"
        await site.close()

    found.run(before, after)
