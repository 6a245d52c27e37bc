"""What may still be said of a batch that has ended, also by an engine that was started afterwards."""

import pytest

from batches.entries import Draft
from batches.errors import KweekError, NotFound, Refused
from batches.steps import Do, PhaseRun
from devices.base import DeviceFault
from tests.orchestrator.stories import Shop, Town, World, person, scripted, unit_procedure


def feed() -> PhaseRun:
    yield Do("feed", {})


def bug() -> PhaseRun:
    yield Do("feed", {})
    raise ZeroDivisionError("a bug")


def world(script: str = "feed") -> World:
    return World(scripted(unit_procedure("Grow", script)), {"feed": feed, "bug": bug}, Shop())


async def aborted_with_a_deviation(town: Town) -> None:
    await town.begin()
    await town.until(lambda: town.elements.get("Grow") == "Held")
    await town.command("abort")
    await town.until(lambda: town.state.state == "Aborted" and town.has("dispose"))
    await town.answer(town.task("dispose"))
    assert not town.state.units


async def to_its_end(town: Town) -> None:
    await town.begin()
    await town.to_the_end()


def test_quality_assurance_closes_a_deviation_of_a_batch_that_ended_before_a_restart() -> None:
    found = world("bug")

    async def after(town: Town) -> None:
        assert town.number not in town.site.batches
        (deviation,) = (await town.site.batch(town.number)).deviations
        answers = town.site.answers
        await answers.note(town.number, "The vessel was discarded.", person("operator"))
        await answers.close_deviation(town.number, deviation, "The phase was mended.", person("qa"))
        assert town.state.deviations[deviation].status == "closed"
        assert [body["text"] for body in town.bodies("note_added")] == ["The vessel was discarded."]
        with pytest.raises(NotFound):
            await answers.close_deviation(town.number, deviation, "Once more.", person("qa"))
        assert town.verified().findings == []
        assert town.site.health()["ok"] is True

    async def once_more(town: Town) -> None:
        (deviation,) = (await town.site.batch(town.number)).deviations.values()
        assert deviation.status == "closed"

    found.run(aborted_with_a_deviation, after, once_more)


def test_an_entry_of_a_batch_that_ended_before_a_restart_is_corrected() -> None:
    found = world()

    async def before(town: Town) -> None:
        await town.begin()
        await town.site.answers.note(town.number, "The vessel is bleu.", person("operator"))
        await town.to_the_end()

    async def after(town: Town) -> None:
        (number,) = [entry.number for entry in town.entries if entry.kind == "note_added"]
        await town.site.answers.correct(
            town.number, number, "The vessel is blue.", "misspelt", person("operator")
        )
        assert [*town.state.corrections] == [number]
        assert town.verified().findings == []

    found.run(before, after)


@pytest.mark.parametrize("given", ["start", "hold", "stop", "abort", "restart", "reset"])
def test_a_command_to_a_batch_that_ended_is_refused_and_shadows_nothing(given: str) -> None:
    found = world()

    async def after(town: Town) -> None:
        with pytest.raises(Refused, match="one execution"):
            await town.command(given)
        assert [body["what"] for body in town.bodies("refused")] == [given]
        assert (town.state.state, town.state.known_recipe().name) == ("Complete", "story")
        assert (await town.site.batch(town.number)).entries == len(town.entries)
        assert town.site.health()["ok"] is True
        assert town.verified().findings == []

    found.run(to_its_end, after)


def test_nothing_is_folded_for_a_batch_that_is_not_there() -> None:
    found = world()

    async def after(town: Town) -> None:
        engine = town.site.engine
        for number in (town.number, "B-26-0099"):
            with pytest.raises(KweekError):
                engine.commit(engine.batch_part(number, iter((Draft("note_added", {"text": "x"}),))))
            assert number not in engine.batches
        with pytest.raises(NotFound):
            await town.site.answers.command("B-26-0099", "", "start", person("supervisor"), "")
        assert engine.broken == ""

    found.run(to_its_end, after)


def test_a_batch_made_by_mistake_is_aborted_before_it_starts() -> None:
    found = world()

    async def before(town: Town) -> None:
        await town.approve()
        town.number = await town.create()
        with pytest.raises(Refused):
            await town.command("stop")
        await town.command("abort", reason="the wrong recipe")
        assert town.elements == {"": "Aborted"}
        assert town.tasks == {}
        assert town.site.health()["open_batches"] == 0
        assert found.shop.asked == []
        assert town.verified().findings == []

    async def after(town: Town) -> None:
        assert town.number not in town.site.batches
        assert (await town.site.batch(town.number)).state == "Aborted"

    found.run(before, after)


def test_a_stopped_batch_whose_material_is_in_care_takes_no_more_commands() -> None:
    found = world()
    found.shop.fates["feed"] = [DeviceFault("it broke")]

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.elements.get("Grow") == "Held")
        await town.command("stop")
        await town.until(lambda: town.state.state == "Stopped")
        for path in ("", "Grow"):
            with pytest.raises(Refused, match="one execution"):
                await town.command("abort", path)
        await town.answer(town.task("dispose"))
        assert town.elements == {"": "Stopped", "Grow": "Stopped"}
        assert town.verified().findings == []

    found.run(story)
