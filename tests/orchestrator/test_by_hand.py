"""Work done by hand during an outage: what it counts for, what it does not, and what is left of it."""

from datetime import timedelta

import pytest

from batches import commands
from batches.errors import BadInput, Refused
from batches.plain import PlainDict, dict_in
from batches.quantities import parse
from batches.steps import Ask, Do, Field, PhaseRun, Program, Set, Transfer, Wait
from devices.base import DeviceUnreachable, Outcome, Repeatability
from orchestrator.answers import Late
from tests.orchestrator.stories import HOUR, MINUTE, Shop, Town, World, person, scripted, unit_procedure

QUERYABLE: dict[str, Repeatability] = {
    "feed": "queryable",
    "transfer": "queryable",
    "program:wash": "queryable",
}
SEEN = Ask("Look.", {"seen": Field("yes_no")})


def feeds() -> PhaseRun:
    first = yield Do("feed", {"volume": parse("50 mL")})
    yield Wait(parse("1 day"))
    second = yield Do("feed", {"volume": parse("50 mL")})
    return {"first": str(first), "second": str(second)}


def pours() -> PhaseRun:
    yield SEEN
    poured = yield Transfer("bag", "reactor", parse("20 mL"))
    washed = yield Program("wash", {"cycles": parse("3")})
    yield Set("temperature", parse("30 degC"))
    return {"poured": str(poured), "washed": str(washed)}


def looks() -> PhaseRun:
    yield SEEN
    yield Do("feed", {"volume": parse("50 mL")})
    yield Wait(parse("1 day"))
    yield Do("feed", {"volume": parse("80 mL")})
    yield Wait(parse("1 day"))
    return {}


def world(script: str) -> World:
    scripts = {"feeds": feeds, "pours": pours, "looks": looks}
    return World(scripted(unit_procedure("Grow", script)), scripts, Shop(QUERYABLE))


async def enter(
    town: Town, action: str, parameters: PlainDict, results: PlainDict, path: str = "Grow"
) -> None:
    """A supervisor types in work by hand from paper."""
    late = Late(town.clock.now() - 30 * MINUTE, "p-1", "p-2", "power cut; paper sheet 7")
    await town.site.answers.record_by_hand(
        town.number, path, "BR-01", action, parameters, results, late, person("supervisor", "p-3")
    )


async def reconcile(town: Town) -> None:
    await town.until(lambda: town.elements["Grow"] == "Held")
    await town.answer(town.task("reconcile"), {"confirmed": True})
    await town.settle()


async def until_begun(town: Town) -> None:
    await town.begin()
    assert dict_in(town.bodies("step_asked")[-1], "step")["action"] == "feed"


async def until_asked(town: Town) -> None:
    await town.begin()
    await town.until(lambda: town.has("ask"))


def voided(town: Town) -> list[PlainDict]:
    return town.bodies("by_hand_voided")


def test_a_step_that_was_open_when_the_system_stopped_is_not_done_again() -> None:
    found = world("feeds")
    shop = found.shop
    shop.away = {"BR-01": DeviceUnreachable("no power")}

    async def after(town: Town) -> None:
        shop.away = {}
        shop.statuses = [Outcome("not_seen")]
        await enter(town, "feed", {"volume": "50 mL"}, {"volume": "48 mL"})
        await reconcile(town)
        await town.later(HOUR)
        assert shop.did("feed") == 0, "people had fed"
        (credited,) = [body for body in town.bodies("step_done") if "by_hand" in body]
        assert (credited["number"], credited["reply"]) == (1, {"volume": {"value": "48", "unit": "mL"}})
        await town.to_the_end()
        assert (shop.did("feed"), voided(town)) == (1, [])
        assert town.verified().findings == []

    found.run(until_begun, after, away=2 * HOUR)


def test_transfers_programmes_and_set_points_count_too() -> None:
    found = world("pours")

    async def after(town: Town) -> None:
        for wrong in ({"source": "bag"}, {"source": "bag", "target": "reactor", "volume": "21 mL"}):
            await enter(town, "transfer", wrong, {})
        await enter(
            town, "transfer", {"source": "bag", "target": "reactor", "volume": "20 mL"}, {"moved": "19 mL"}
        )
        await enter(town, "program:wash", {"cycles": "3"}, {"residue": "none"})
        with pytest.raises(BadInput, match="no results"):
            await enter(town, "set", {"tag": "temperature", "value": "30 degC"}, {"value": "30 degC"})
        await enter(town, "set", {"tag": "temperature", "value": "30 degC"}, {})
        await reconcile(town)
        await town.to_the_end()
        assert found.shop.log == []
        assert [body["by_hand"] for body in town.bodies("step_done")[1:]] == [
            entry.number for entry in town.entries if entry.kind == "by_hand"
        ][2:]
        assert town.state.set_points == {"BR-01": {"temperature": parse("30 degC")}}
        assert len(voided(town)) == 2, "what was asked for with other parameters counts for nothing"
        assert [severity for severity, _ in town.deviations] == ["major", "major"]
        assert town.verified().findings == []

    found.run(until_asked, after, away=2 * HOUR)


def test_what_no_step_asked_for_in_time_is_void_and_never_stands_in_for_a_later_step() -> None:
    found = world("looks")

    async def after(town: Town) -> None:
        await enter(town, "feed", {"volume": "80 mL"}, {})
        await reconcile(town)
        await town.later(HOUR)
        await town.answer(town.task("ask"))
        await town.to_the_end()
        assert found.shop.did("feed") == 2
        (entry,) = [entry for entry in town.entries if entry.kind == "by_hand"]
        assert voided(town) == [{"path": "Grow", "entry": entry.number}]
        (opened,) = town.bodies("deviation_opened")
        assert (opened["severity"], opened["cause"]) == ("major", entry.number)
        assert town.state.by_hand == {}
        assert town.verified().findings == []

    found.run(until_asked, after, away=2 * HOUR)


def test_work_by_hand_is_entered_only_while_its_unit_procedure_is_reconciled() -> None:
    found = world("looks")

    async def before(town: Town) -> None:
        await until_asked(town)
        with pytest.raises(Refused, match="reconciled"):
            await enter(town, "feed", {"volume": "50 mL"}, {})

    async def after(town: Town) -> None:
        await reconcile(town)
        with pytest.raises(Refused, match="reconciled"):
            await enter(town, "feed", {"volume": "50 mL"}, {})
        assert [body["what"] for body in town.bodies("refused")] == ["work by hand"] * 2
        assert (town.bodies("by_hand"), town.verified().findings) == ([], [])

    found.run(before, after, away=2 * HOUR)


def test_a_second_outage_does_not_void_what_the_first_one_left_to_be_asked() -> None:
    found = world("looks")

    async def first(town: Town) -> None:
        await enter(town, "feed", {"volume": "50 mL"}, {"volume": "50 mL"})
        await reconcile(town)

    async def second(town: Town) -> None:
        await reconcile(town)
        await town.later(HOUR)
        await town.answer(town.task("ask"))
        await town.to_the_end()
        assert (found.shop.did("feed"), voided(town)) == (1, [])
        assert town.verified().findings == []

    found.run(until_asked, first, second, away=timedelta(hours=6))


def test_what_was_held_when_the_system_stopped_is_reconciled_before_it_goes_on() -> None:
    found = world("looks")

    async def before(town: Town) -> None:
        await until_asked(town)
        await town.command("hold", "Grow")
        await town.until(lambda: town.elements["Grow"] == "Held")

    async def after(town: Town) -> None:
        task = town.task("reconcile")
        assert (task.path, town.elements["Grow"]) == ("Grow", "Held")
        await town.command("restart", "Grow", "operator")
        await town.later(HOUR)
        assert (town.elements["Grow"], town.has("restart"), found.shop.restored) == ("Restarting", False, [])
        await town.answer(task, {"confirmed": True})
        await town.answer(town.task("restart"))
        await town.settle()
        assert town.elements["Grow"] == "Running"
        assert town.verified().findings == []

    found.run(before, after, away=2 * HOUR)


def test_what_people_or_a_mistake_held_stays_held_after_the_reconciliation() -> None:
    found = world("looks")

    async def before(town: Town) -> None:
        await until_asked(town)
        engine, state = town.site.engine, town.state
        engine.commit(engine.batch_part(town.number, commands.hold_by_system(state, "Grow", "A mistake.")))
        await town.until(lambda: town.elements["Grow"] == "Held")

    async def after(town: Town) -> None:
        await reconcile(town)
        await town.later(HOUR)
        assert town.elements["Grow"] == "Held", "what held it is not settled by a look at the equipment"
        await town.confirm_restart()
        assert town.elements["Grow"] == "Running"
        assert town.verified().findings == []

    found.run(before, after, away=2 * HOUR)
