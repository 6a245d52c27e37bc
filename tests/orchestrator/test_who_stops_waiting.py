"""A person's connection that breaks while a commit is on its way breaks nothing of the commit."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from batches.steps import Ask, Field, PhaseRun
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import Item, Submission
from tests.orchestrator.stories import Shop, Town, World, person, scripted, unit_procedure


def look() -> PhaseRun:
    yield Ask("Look.", {"seen": Field("yes_no")})
    yield Ask("Look again.", {"seen": Field("yes_no")})


class SlowStore(MemoryStore):
    """A disk that takes its time once `slow`: what was submitted is on it when `land` says so."""

    slow = False

    def submit(self, item: Item) -> Submission:
        found = super().submit(item)
        if not self.slow:
            return found
        self.waiting = asyncio.get_running_loop().create_future()
        return Submission(found.entries, self.waiting)

    def land(self) -> None:
        self.slow = False
        if not self.waiting.done():
            self.waiting.set_result(None)


def world() -> World:
    return World(scripted(unit_procedure("Grow", "look")), {"look": look}, Shop(), store=SlowStore)


WORK: list[tuple[str, Callable[[Town], Awaitable[object]]]] = [
    ("step_done", lambda t: t.site.answers.answer(t.number, t.task("ask").id, person("operator"), {"values": {"seen": True}})),
    ("refused", lambda t: t.site.answers.answer(t.number, t.task("ask").id, person("qc"), {"values": {"seen": True}})),
    ("state_changed", lambda t: t.site.answers.command(t.number, "", "pause", person("operator"), "")),
    ("note_added", lambda t: t.site.answers.note(t.number, "seen", person("operator"))),
    ("recipe_withdrawn", lambda t: t.site.withdraw_recipe("story", 1, "replaced", person("qa"))),
    ("batch_created", lambda t: t.create()),
    ("lot_received", lambda t: t.stock("medium", "5 mL", release=False)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "work"), WORK)
def test_what_is_committed_is_published_though_nobody_waits_for_it(
    kind: str, work: Callable[[Town], Awaitable[object]]
) -> None:
    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("ask"))
        store = town.site.engine.store
        assert isinstance(store, SlowStore)
        events, told = town.site.subscribe(), list[str]()

        async def listen() -> None:
            async for event in events:
                told.append(event.entry.kind)

        listening = asyncio.ensure_future(listen())
        store.slow = True
        waiting = asyncio.ensure_future(work(town))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert waiting.cancelled()
        assert not store.waiting.cancelled()
        store.land()
        await asyncio.sleep(0.05)
        listening.cancel()
        assert kind in told
        assert town.site.health()["ok"] is True

    world().run(story)
