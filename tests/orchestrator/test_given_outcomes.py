"""The outcome that a supervisor gives a step: taken only if the step can have it and the phase can go on."""

from collections.abc import Mapping

import pytest

from batches.errors import BadInput
from batches.plain import Plain
from batches.quantities import Quantity, parse
from batches.steps import Do, PhaseRun, Read, Set, plain
from devices.base import DeviceFault
from tests.orchestrator.stories import HOUR, Shop, Town, World, scripted, unit_procedure


def look() -> PhaseRun:
    value = yield Read("ph")
    return {"ph": value}


def measured() -> PhaseRun:
    value = yield Read("ph")
    assert isinstance(value, Quantity)
    yield Do("feed", {"ph": value.to("pH")})


def feed() -> PhaseRun:
    reply = yield Do("feed", {})
    if not isinstance(reply, Mapping):
        raise TypeError("no results")
    yield Do("stir", {"volume": reply["volume"]})


def warm() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    yield Do("stir", {})


SCRIPTS = {"look": look, "measured": measured, "feed": feed, "warm": warm}
ML = plain(parse("5 mL"))
PH = plain(parse("7.2 pH"))


def world(script: str) -> World:
    found = World(scripted(unit_procedure("Grow", script)), SCRIPTS, Shop())
    if script in ("look", "measured"):
        found.shop.readings["ph"] = parse("7.1 pH")
        found.shop.quality["ph"] = "bad"
    else:
        found.shop.fates["feed" if script == "feed" else "set"] = [DeviceFault("it broke")]
    return found


def choose(choice: str, values: Plain = None) -> dict[str, Plain]:
    return {"choice": choice, "reason": "looked at it", **({} if values is None else {"values": values})}


@pytest.mark.parametrize(
    ("script", "answer", "says"),
    [
        ("look", choose("substitute", ML), "5 mL is no value of ph, which is measured in"),
        ("look", choose("substitute", "high"), "one quantity"),
        ("look", choose("substitute"), "one quantity"),
        ("look", choose("substitute", {"value": "x", "unit": "pH"}), "cannot be read"),
        ("measured", choose("skip"), "the phase needs the outcome of this step"),
        ("feed", choose("skip"), "the phase needs the outcome of this step: .*TypeError: no results"),
        ("feed", choose("substitute", {}), "the phase cannot go on with it: .*KeyError: 'volume'"),
        ("feed", choose("substitute", PH), "results by name"),
        ("feed", choose("substitute", [1, 2]), "results by name"),
        ("feed", choose("substitute", {"volume": {"of": "water"}}), "results by name"),
        ("feed", choose("substitute", {"volume": None}), "results by name"),
        ("warm", choose("substitute", ML), "no outcome"),
    ],
)
def test_a_wrong_outcome_is_refused_and_the_task_stays_open(
    script: str, answer: dict[str, Plain], says: str
) -> None:
    found = world(script)

    async def before(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("failed") and town.elements["Grow"] == "Held")
        task = town.task("failed")
        with pytest.raises(BadInput, match=says):
            await town.say(task, answer)
        assert [body["what"] for body in town.bodies("refused")] == [f"answer to {task.id}"]
        assert town.site.health()["ok"] is True
        assert town.task("failed").id == task.id

    async def after(town: Town) -> None:
        assert town.has("failed")
        assert town.site.health()["ok"] is True
        found.shop.quality.clear()
        await town.answer(town.task("failed"), choose("retry"))
        await town.to_the_end()
        assert town.state.state == "Complete"
        assert town.verified().findings == []

    found.run(before, after)


@pytest.mark.parametrize(
    ("script", "answer", "reply"),
    [
        ("look", choose("substitute", PH), PH),
        ("look", choose("skip"), None),
        ("measured", choose("substitute", PH), PH),
        ("feed", choose("substitute", {"volume": ML}), {"volume": ML}),
        ("warm", choose("substitute", {}), None),
        ("warm", choose("skip"), None),
    ],
)
def test_a_right_outcome_is_taken(script: str, answer: dict[str, Plain], reply: Plain) -> None:
    found = world(script)

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("failed") and town.elements["Grow"] == "Held")
        await town.say(town.task("failed"), answer)
        await town.later(HOUR)
        await town.to_the_end()
        assert town.bodies("step_done")[0]["reply"] == reply
        assert town.verified().findings == []

    found.run(story)
