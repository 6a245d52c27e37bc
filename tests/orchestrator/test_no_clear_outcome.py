"""A device that never gives a clear outcome: tried for a while, then a person decides; a hold is heeded."""

from datetime import timedelta

import pytest

from batches.quantities import parse
from batches.steps import Do, PhaseRun, Set
from devices.base import Outcome, OutcomeUnknown, Repeatability
from tests.orchestrator.stories import HOUR, MINUTE, START, Shop, Town, World, scripted, unit_procedure


def feed() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    yield Do("feed", {})
    return {}


def world(kind: Repeatability, tries: int, lasts: timedelta) -> World:
    shop = Shop({"feed": kind})
    shop.fates["feed"] = [OutcomeUnknown("the link broke")] * tries
    shop.lasts = lasts
    return World(scripted(unit_procedure("Grow", "feed")), {"feed": feed}, shop)


@pytest.mark.parametrize("kind", ["idempotent", "queryable"])
def test_it_fails_after_a_while_and_a_person_decides(kind: Repeatability) -> None:
    found = world(kind, 2000, timedelta(0))

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("failed"))
        assert timedelta(minutes=10) <= town.clock.now() - START <= timedelta(minutes=45)
        assert found.shop.asked.count("feed") < 20, "not as fast as it can"
        assert town.elements["Grow"] in ("Holding", "Held")
        assert town.site.engine.broken == ""
        found.shop.fates.clear()
        await town.to_the_end()
        assert found.shop.did("feed") == 1
        assert town.verified().findings == []

    found.run(story)


def test_a_hold_ends_the_tries() -> None:
    found = world("idempotent", 3, timedelta(0))

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: found.shop.asked.count("feed") == 2)
        await town.command("hold", "Grow")
        await town.later(2 * HOUR)
        assert (found.shop.asked.count("feed"), town.elements["Grow"]) == (2, "Held")
        await town.confirm_restart()
        await town.to_the_end()
        assert found.shop.did("feed") == 1
        why = [str(body["why"]) for body in town.bodies("step_repeated")]
        assert all("the link broke" in each for each in why), why
        assert town.verified().findings == []

    found.run(story)


def test_a_programme_that_goes_on_while_its_link_breaks_now_and_then_is_not_given_up() -> None:
    found = world("queryable", 5, 2 * HOUR)
    found.shop.statuses = [Outcome("running")] * 5

    async def story(town: Town) -> None:
        await town.begin()
        await town.to_the_end()
        assert (found.shop.asked.count("feed"), town.bodies("step_failed")) == (6, [])
        assert town.verified().findings == []

    found.run(story)


def test_an_action_that_may_not_be_repeated_is_asked_once() -> None:
    found = world("non_repeatable", 1, MINUTE)

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("in_doubt"))
        assert found.shop.asked.count("feed") == 1

    found.run(story)
