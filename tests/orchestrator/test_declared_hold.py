"""What a phase declares for a hold counts also when the phase itself cannot go on, or is discarded."""

from batches.errors import BadInput
from batches.quantities import parse
from batches.steps import Ask, Do, Field, PhaseRun, Set, Wait
from tests.orchestrator.stories import HOUR, MINUTE, Town, World, scripted, unit_procedure


def bad() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    raise BadInput("The volume does not fit the vessel.")


def warm() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    yield Do("feed", {})
    yield Wait(parse("5 h"))
    yield Ask("Done?", {"yes": Field("yes_no")})
    return {}


def test_a_phase_that_cannot_go_on_is_held_as_it_declares_and_no_longer() -> None:
    hold = "{safe: stop_feeds, longest: 2 h}"
    found = World(scripted(unit_procedure("Grow", "bad", hold=hold)), {"bad": bad})

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert found.shop.safes == [("BR-01", "stop_feeds")]
        await town.later(HOUR)
        assert town.bodies("hold_overrun") == []
        await town.later(HOUR + MINUTE)
        assert len(town.bodies("hold_overrun")) == 1

    found.run(story)


def test_a_phase_that_cannot_be_taken_up_again_is_aborted_into_the_state_it_declares() -> None:
    hold = "{safe: stop_feeds, longest: 12 h}"
    found = World(scripted(unit_procedure("Grow", "warm", hold=hold)), {"warm": warm})

    async def before(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        found.scripts = {"warm": bad}

    async def after(town: Town) -> None:
        await town.until(lambda: town.elements["Grow"] == "Held")
        await town.command("abort")
        await town.until(lambda: town.elements[""] == "Aborted")
        assert found.shop.safes == [("BR-01", "stop_feeds")] * 2

    found.run(before, after)
