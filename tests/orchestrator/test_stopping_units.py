"""An abort or a stop ends what a unit does, and is over only when the unit is safe."""

from datetime import timedelta

import pytest

from batches.quantities import parse
from batches.steps import PhaseRun, Program, Set, Wait
from devices.base import DeviceRefused, DeviceUnreachable
from tests.orchestrator.stories import HOUR, MINUTE, Town, World, scripted, unit_procedure


def spin() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    yield Program("wash", {})
    yield Wait(parse("5 h"))
    return {}


def world() -> World:
    return World(scripted(unit_procedure("Grow", "spin")), {"spin": spin})


async def long_programme(town: Town) -> None:
    """One hour of a programme of twelve."""
    town.world.shop.lasts = MINUTE
    await town.begin()
    await town.until(lambda: "set" in town.world.shop.asked)
    town.world.shop.lasts = 12 * HOUR
    await town.until(lambda: "program:wash" in town.world.shop.asked)
    await town.later(HOUR)


@pytest.mark.parametrize(("given", "state"), [("abort", "Aborted"), ("stop", "Stopped")])
def test_a_programme_under_way_is_stopped_and_says_how_it_ended(given: str, state: str) -> None:
    found = world()
    shop = found.shop

    async def story(town: Town) -> None:
        await long_programme(town)
        began = town.clock.now()
        await town.command(given, reason="the sterility test is positive")
        await town.until(lambda: town.elements[""] == state)
        assert town.clock.now() - began < timedelta(minutes=5), "not after twelve hours"
        assert (shop.stopped, shop.safes) == (["BR-01"], [("BR-01", "keep_environment")])
        kinds = [entry.kind for entry in town.entries]
        assert kinds.index("safe_asked") < kinds.index("step_failed")
        assert "It was stopped" in str(town.bodies("step_failed"))
        assert {task.kind for task in town.tasks.values()} == {"dispose"}
        assert town.verified().findings == []

    found.run(story)


def test_a_kill_while_a_programme_runs_that_is_then_aborted_stops_it_too() -> None:
    found = world()

    async def after(town: Town) -> None:
        await town.command("abort")
        await town.until(lambda: town.elements[""] == "Aborted")
        assert found.shop.stopped == ["BR-01"]

    found.run(long_programme, after)


def test_a_hold_lets_a_programme_end() -> None:
    found = world()

    async def story(town: Town) -> None:
        await long_programme(town)
        await town.command("hold", "Grow")
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert (found.shop.stopped, len(town.bodies("step_done"))) == ([], 2)

    found.run(story)


def test_an_abort_is_over_only_when_the_unit_is_safe() -> None:
    found = world()
    shop = found.shop
    shop.unsafe = DeviceUnreachable("cable out")

    async def story(town: Town) -> None:
        await long_programme(town)
        await town.command("abort")
        await town.later(9 * MINUTE)
        assert (town.bodies("safe_failed"), town.has("make_safe")) == ([], False), "it is tried again"
        await town.later(20 * MINUTE)
        assert [severity for severity, _ in town.deviations] == ["critical"]
        task = town.task("make_safe")
        assert (task.role, task.content["unit"]) == ("operator", "BR-01")
        await town.later(24 * HOUR)
        assert (town.elements["Grow"], town.elements[""]) == ("Aborting", "Aborting")
        await town.answer(task)
        await town.until(lambda: town.elements[""] == "Aborted")
        assert town.verified().findings == []

    found.run(story)


def test_a_unit_that_comes_back_in_time_is_made_safe_and_nobody_is_asked() -> None:
    found = world()
    shop = found.shop

    async def story(town: Town) -> None:
        await long_programme(town)
        shop.unsafe = DeviceUnreachable("cable out")
        await town.command("abort")
        await town.later(MINUTE)
        shop.unsafe = None
        await town.until(lambda: town.elements[""] == "Aborted")
        assert (len(shop.safes), town.deviations, town.bodies("safe_failed")) == (1, [], [])

    found.run(story)


def test_a_unit_that_refuses_to_stop_is_made_safe_and_stopped_by_hand() -> None:
    found = world()
    shop = found.shop
    shop.unstoppable = DeviceRefused("BR-01 offers no Stop.")

    async def story(town: Town) -> None:
        await long_programme(town)
        await town.command("abort")
        await town.settle()
        assert shop.safes == [("BR-01", "keep_environment")], "its safe state does not wait for the stop"
        await town.answer(town.task("make_safe"))
        assert town.elements["Grow"] == "Aborting", "the programme has not ended"
        await town.until(lambda: town.elements[""] == "Aborted")
        assert len(town.bodies("step_done")) == 2
        assert town.verified().findings == []

    found.run(story)


def test_a_kill_while_a_person_is_asked_asks_the_unit_and_then_the_person_again_only_if_need_be() -> None:
    found = world()
    found.shop.unsafe = DeviceUnreachable("cable out")

    async def before(town: Town) -> None:
        await long_programme(town)
        await town.command("abort")
        await town.until(lambda: town.has("make_safe"))

    async def after(town: Town) -> None:
        await town.later(HOUR)
        await town.answer(town.task("make_safe"))
        await town.until(lambda: town.elements[""] == "Aborted")

    found.run(before, after)
