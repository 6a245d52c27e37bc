"""Nothing is said to a device before it is on disk, nor once a hold or an abort was accepted."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from batches.quantities import Quantity, parse
from batches.steps import Do, PhaseRun, Program, Set, Wait
from devices.base import OutcomeUnknown
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import Item, Submission
from tests.orchestrator.stories import HOUR, MINUTE, Shop, Town, World, scripted, unit_procedure


class SlowStore(MemoryStore):
    """A disk that takes its time: while `slow`, what is submitted becomes durable at `catch_up`."""

    slow = False
    waiting: "list[asyncio.Future[None]] | None" = None

    def submit(self, item: Item) -> Submission:
        done = super().submit(item)
        if not self.slow:
            return done
        later = asyncio.get_running_loop().create_future()
        self.waiting = [*(self.waiting or ()), later]
        return Submission(done.entries, later)

    def catch_up(self) -> None:
        found, self.waiting, self.slow = self.waiting or [], [], False
        for each in found:
            if not each.done():
                each.set_result(None)


def disk_of(town: Town) -> SlowStore:
    store = town.site.engine.store
    assert isinstance(store, SlowStore)
    return store


def warm() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    yield Set("agitation", parse("40 1/min"))
    yield Wait(parse("1 h"))
    yield Do("feed", {})
    yield Wait(parse("5 h"))
    return {}


def programme() -> PhaseRun:
    yield Program("wash", {})
    return {}


def world(script: Callable[[], PhaseRun], shop: Shop | None = None) -> World:
    found = World(scripted(unit_procedure("Grow", "script")), {"script": script}, shop or Shop())
    found.store = SlowStore
    return found


async def in_background(town: Town, given: str) -> "asyncio.Task[None]":
    """A command whose entry is accepted, and not yet on disk."""
    giving = asyncio.ensure_future(town.command(given, "" if given == "abort" else "Grow"))
    await town.settle()
    return giving


def test_the_answer_to_a_prompt_is_given_once_it_is_on_disk() -> None:
    found = world(programme)
    shop, prompts, given = found.shop, ["Load the wash buffer"], list[str]()

    async def prompt(unit: str, command: str) -> str | None:
        return prompts[0] if prompts else None

    async def answer_prompt(unit: str, command: str, text: str) -> None:
        given.append(text)
        prompts.clear()

    shop.prompt, shop.answer_prompt = prompt, answer_prompt
    shop.lasts = timedelta(minutes=30)

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(7 * MINUTE)
        disk_of(town).slow = True
        saying = asyncio.ensure_future(town.say(town.task("prompt"), {"text": "loaded"}))
        await town.settle()
        assert given == [], "a power cut now would lose who answered"
        disk_of(town).catch_up()
        await saying
        assert given == ["loaded"]

    found.run(story)


@pytest.mark.parametrize("given", ["hold", "abort"])
def test_a_step_whose_intent_is_still_on_its_way_to_disk_is_not_sent_after_a_hold_or_abort(
    given: str,
) -> None:
    found = world(warm)

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(HOUR + 15 * MINUTE)
        assert found.shop.asked == ["set", "set"]
        disk_of(town).slow = True
        await town.later(6 * MINUTE)
        assert town.bodies("step_asked")[-1]["command"], "the intent to feed waits for the disk"
        giving = await in_background(town, given)
        disk_of(town).catch_up()
        await giving
        await town.later(HOUR)
        assert found.shop.asked == ["set", "set"]
        assert town.elements["Grow"] == ("Held" if given == "hold" else "Aborted")

    found.run(story)


def test_what_was_not_sent_because_of_a_hold_is_sent_once_after_the_restart() -> None:
    found = world(warm)

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(HOUR + 15 * MINUTE)
        disk_of(town).slow = True
        await town.later(6 * MINUTE)
        giving = await in_background(town, "hold")
        disk_of(town).catch_up()
        await giving
        await town.until(lambda: town.elements["Grow"] == "Held")
        await town.confirm_restart()
        await town.to_the_end()
        assert (found.shop.did("feed"), town.bodies("step_in_doubt")) == (1, [])
        assert town.verified().findings == []

    found.run(story)


@pytest.mark.parametrize("kind", ["idempotent", "queryable"])
def test_what_has_no_clear_outcome_is_not_sent_again_after_an_abort(kind: str) -> None:
    shop = Shop({"feed": "idempotent" if kind == "idempotent" else "queryable"})
    found = world(warm, shop)
    shop.fates["feed"] = [OutcomeUnknown("the link broke")]
    shop.lasts = MINUTE

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: bool(town.bodies("step_repeated")))
        await town.command("abort")
        await town.until(lambda: town.elements[""] == "Aborted")
        assert shop.asked.count("feed") == 1
        said = [*town.bodies("step_in_doubt"), *town.bodies("step_failed")]
        assert len(said) == 1, "what became of it is said once"
        assert town.verified().findings == []

    found.run(story)


def test_set_points_that_are_given_again_stop_with_an_abort() -> None:
    found = world(warm)
    shop = found.shop

    async def story(town: Town) -> None:
        async def slowly(unit: str, tag: str, value: Quantity, command: str) -> None:
            shop.restored.append((unit, tag, str(value)))
            await town.clock.sleep_until(town.clock.now() + MINUTE)

        shop.set = slowly
        await town.begin()
        await town.later(HOUR)
        await town.command("hold", "Grow")
        await town.until(lambda: town.elements["Grow"] == "Held")
        await town.confirm_restart()
        assert len(shop.restored) == 1
        await town.command("abort")
        await town.until(lambda: town.elements[""] == "Aborted")
        assert len(shop.restored) == 1

    found.run(story)
