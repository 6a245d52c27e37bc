"""An engine whose lease on the record has run out acts on nothing, and stops."""

import math
from collections.abc import Callable

import pytest

from batches.quantities import parse
from batches.steps import PhaseRun, Program, Set, Wait
from orchestrator.store.memory import MemoryStore
from tests.orchestrator.stories import HOUR, MINUTE, Town, World, scripted, unit_procedure


class LapsingStore(MemoryStore):
    """A record whose lease is lost when a story says so."""

    left = math.inf

    def lease_left(self) -> float:
        return self.left


def lose(town: Town) -> None:
    store = town.site.engine.store
    assert isinstance(store, LapsingStore)
    store.left = -0.5


def warm() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    yield Wait(parse("1 h"))
    yield Set("agitation", parse("40 1/min"))
    yield Wait(parse("5 h"))
    return {}


def programme() -> PhaseRun:
    yield Program("wash", {})
    return {}


def world(script: Callable[[], PhaseRun]) -> World:
    found = World(scripted(unit_procedure("Grow", "script")), {"script": script})
    found.store = LapsingStore
    return found


def test_no_step_is_sent() -> None:
    found = world(warm)

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(30 * MINUTE)
        lose(town)
        await town.later(3 * HOUR)
        assert found.shop.asked == ["set"]
        assert "another engine may act on BR-01" in town.site.engine.broken

    found.run(story)


@pytest.mark.parametrize("given", ["hold", "abort"])
def test_no_unit_is_stopped_or_made_safe(given: str) -> None:
    found = world(programme)

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(MINUTE)
        lose(town)
        await town.command(given, "" if given == "abort" else "Grow")
        await town.later(HOUR)
        assert (found.shop.stopped, found.shop.safes) == ([], [])
        assert "lease" in town.site.engine.broken

    found.run(story)


def test_no_prompt_is_answered() -> None:
    found = world(programme)
    shop, given = found.shop, list[str]()

    async def prompt(unit: str, command: str) -> str | None:
        return "Load the wash buffer"

    async def answer_prompt(unit: str, command: str, text: str) -> None:
        given.append(text)

    shop.prompt, shop.answer_prompt = prompt, answer_prompt

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(5 * MINUTE)
        lose(town)
        await town.say(town.task("prompt"), {"text": "loaded"})
        await town.settle()
        assert given == []
        assert "lease" in town.site.engine.broken

    found.run(story)
