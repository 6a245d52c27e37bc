"""Abort, stop and disposal: what ends a batch, and what becomes of the cells and the equipment."""

import pytest

from batches.errors import Conflict, NotFound, NotPermitted, Refused
from batches.quantities import parse
from batches.steps import Ask, Do, Field, PhaseRun, Set, Wait
from devices.base import DeviceFault, DeviceUnreachable, Outcome
from tests.orchestrator.stories import HOUR, MINUTE, Shop, Town, World, person, scripted, unit_procedure


def grow() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    yield Do("feed", {})
    yield Wait(parse("5 h"))
    yield Ask("Done?", {"yes": Field("yes_no")})
    return {}


def world(shop: Shop | None = None) -> World:
    return World(scripted(unit_procedure("Grow", "grow")), {"grow": grow}, shop or Shop())


async def ended(town: Town, state: str) -> None:
    await town.until(lambda: town.elements[""] == state)
    await town.settle()


@pytest.mark.parametrize(("given", "state"), [("abort", "Aborted"), ("stop", "Stopped")])
def test_the_action_under_way_gets_its_outcome_and_the_cells_stay_in_care(given: str, state: str) -> None:
    found = world()
    shop = found.shop

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: shop.did("feed") == 1)
        await town.command(given, reason="the sterility test is positive")
        await ended(town, state)
        assert [body["number"] for body in town.bodies("step_done")] == [1]
        assert [body["number"] for body in town.bodies("step_failed")] == [2], "it was stopped"
        assert (shop.safes, town.state.units) == ([("BR-01", "keep_environment")], {"reactor": "BR-01"})
        assert (town.state.in_care, town.site.equipment["BR-01"].holders[""].batch) == (True, town.number)
        with pytest.raises(Refused, match="a batch is one execution"):
            await town.command("reset")
        task = town.task("dispose")
        assert (task.people, task.role) == (2, "supervisor")
        assert (await town.say(task, {"confirmed": True}, "p-1"))["status"] == "awaiting_second"
        with pytest.raises(NotPermitted):
            await town.say(task, {"confirmed": True}, "p-1")
        await town.say(task, {"confirmed": True}, "p-2")
        assert (town.state.in_care, town.state.units, town.bodies("disposed")) == (
            False,
            {},
            [{"units": ["BR-01"]}],
        )
        assert (town.site.equipment["BR-01"].holders, town.site.equipment["BR-01"].clean) == ({}, False)
        assert town.verified().findings == []

    found.run(story)


def test_a_kill_between_the_end_and_the_disposal_leaves_the_disposal_to_be_asked() -> None:
    found = world()

    async def before(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        town.site.runners[town.number]._end = _nothing
        await town.command("abort")
        assert (town.elements[""], town.has("dispose")) == ("Aborted", False)

    async def after(town: Town) -> None:
        await town.answer(town.task("dispose"))
        assert town.state.units == {}

    async def at_last(town: Town) -> None:
        assert town.number not in town.site.batches, "an ended batch is not taken up again"

    found.run(before, after, at_last)


async def _nothing() -> None:
    return


def test_a_kill_while_the_batch_is_aborted_does_not_act_again() -> None:
    found = world()
    shop = found.shop

    async def before(town: Town) -> None:
        shop.unstoppable = DeviceUnreachable("the link is down")
        await town.begin()
        await town.until(lambda: shop.did("feed") == 1)
        await town.command("abort")
        assert town.elements["Grow"] == "Aborting"

    async def after(town: Town) -> None:
        shop.unstoppable = None
        await ended(town, "Aborted")
        assert shop.did("feed") == 1
        assert len(town.bodies("step_in_doubt")) == 1, "nobody knows whether it fed"
        assert {task.kind for task in town.tasks.values()} == {"dispose"}
        assert town.verified().findings == []

    found.run(before, after)


def test_a_kill_while_the_batch_is_aborted_asks_a_device_that_knows() -> None:
    found = world(Shop({"feed": "queryable"}))
    shop = found.shop

    async def before(town: Town) -> None:
        shop.unstoppable = DeviceUnreachable("the link is down")
        await town.begin()
        await town.until(lambda: shop.did("feed") == 1)
        await town.command("abort")

    async def after(town: Town) -> None:
        shop.unstoppable = None
        shop.statuses = [Outcome("done", {"volume": parse("50 mL")})]
        await ended(town, "Aborted")
        assert [body["number"] for body in town.bodies("step_done")] == [1, 2]
        assert town.bodies("step_in_doubt") == []

    found.run(before, after)


def test_questions_of_an_ended_batch_are_closed() -> None:
    found = world()

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("ask"))
        task = town.task("ask")
        await town.command("abort")
        await ended(town, "Aborted")
        assert {each.kind for each in town.tasks.values()} == {"dispose"}
        with pytest.raises(Conflict):
            await town.say(task, {"values": {"yes": True}})

    found.run(story)


def test_a_failed_step_of_a_batch_that_is_aborted_asks_nobody() -> None:
    found = world()
    found.shop.fates["feed"] = [DeviceFault("jammed")]

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: "feed" in found.shop.asked)
        await town.command("abort")
        await ended(town, "Aborted")
        assert len(town.bodies("step_failed")) == 1
        assert {task.kind for task in town.tasks.values()} == {"dispose"}

    found.run(story)


def test_a_batch_that_waits_for_units_can_be_aborted_and_takes_none() -> None:
    found = world()
    head = found.recipe

    async def story(town: Town) -> None:
        await town.approve(head)
        numbers = [await town.create() for _ in range(3)]  # two reactors
        for number in numbers:
            town.number = number
            await town.command("start")
        assert "Grow" not in town.elements
        await town.command("abort")
        assert (town.elements, town.tasks) == ({"": "Aborted"}, {})
        town.number = numbers[0]
        await town.to_the_end()
        await town.site.clean_unit("BR-01", person("operator", "p-1"), person("operator", "p-2"), "wiped")
        await town.later(HOUR)
        town.number = numbers[2]
        assert (town.elements, town.site.engine.requests) == ({"": "Aborted"}, {})

    found.run(story)


def test_a_unit_procedure_that_is_aborted_and_reset_does_not_keep_the_batch_from_ending() -> None:
    found = world()

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        await town.command("abort", "Grow")
        assert town.elements == {"": "Running", "Grow": "Aborted"}
        await town.command("reset", "Grow")
        await town.command("abort")
        assert town.elements == {"": "Aborted", "Grow": "Idle"}

    found.run(story)


def test_a_batch_is_one_execution() -> None:
    found = world()

    async def story(town: Town) -> None:
        await town.begin()
        await town.to_the_end()
        assert town.site.equipment["BR-01"].clean is False
        for given in ("reset", "start"):
            with pytest.raises(Refused, match="a batch is one execution"):
                await town.command(given)
        with pytest.raises(NotFound):
            await town.site.answers.command("B-26-0099", "", "start", person("supervisor"), "")

    found.run(story)


def test_health_counts_only_batches_that_are_open() -> None:
    found = world()

    async def story(town: Town) -> None:
        await town.begin()
        assert town.site.health()["open_batches"] == 1
        await town.later(MINUTE)
        await town.to_the_end()
        assert town.site.health()["open_batches"] == 0

    found.run(story)
