"""The system is away: timers, reconciliation by two people, work that was done by hand."""

from datetime import timedelta

import pytest

from batches.entries import stamp
from batches.errors import BadInput, NotPermitted
from batches.plain import PlainDict
from batches.quantities import parse
from batches.steps import Ask, Do, Field, PhaseRun, Set, Wait, plain
from orchestrator.answers import Late
from tests.orchestrator.stories import HOUR, START, Shop, Town, World, person, scripted, unit_procedure

DAY = timedelta(days=1)
ACTS = timedelta(minutes=10)
"""How long the equipment of these stories takes to act."""


def week() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    yield Wait(parse("7 day"))
    yield Ask(
        "Look at the cells.",
        {"cells": Field("quantity", "cell", parse("0 cell"), parse("1e12 cell"), critical=True)},
    )
    reply = yield Do("feed", {"volume": parse("50 mL")})
    yield Do("stir", {})
    return {"fed": True, "reply": str(reply)}


def world() -> World:
    return World(scripted(unit_procedure("Grow", "week")), {"week": week}, Shop())


async def to_day_seven(town: Town) -> None:
    await town.begin()
    await town.later(7 * DAY - HOUR)
    assert town.bodies("step_done")[-1]["number"] == 1


async def reconcile(town: Town) -> None:
    task = town.task("reconcile")
    assert task.people == 2
    assert (await town.say(task, {"confirmed": True}, "p-1"))["status"] == "awaiting_second"
    with pytest.raises(NotPermitted):
        await town.say(task, {"confirmed": True}, "p-1")
    await town.say(task, {"confirmed": True}, "p-2")


def test_a_timer_that_was_due_while_the_system_was_down_says_both_times() -> None:
    found = world()

    async def after(town: Town) -> None:
        await reconcile(town)
        (done,) = [body for body in town.bodies("step_done") if body["number"] == 2]
        assert (done["due"], done["fired"]) == (stamp(START + 7 * DAY + ACTS), stamp(START + 7 * DAY + HOUR))
        assert town.bodies("engine_recovered") == [
            {"away_since": stamp(START + 7 * DAY - HOUR), "away_until": stamp(START + 7 * DAY + HOUR)}
        ]

    found.run(to_day_seven, after, away=2 * HOUR)


def test_a_short_absence_needs_no_reconciliation() -> None:
    found = world()

    async def after(town: Town) -> None:
        assert town.elements["Grow"] == "Running"
        assert not town.has("reconcile")

    found.run(to_day_seven, after, away=timedelta(minutes=10))


def test_after_a_long_absence_nothing_moves_before_two_people_have_reconciled() -> None:
    found = world()
    shop = found.shop

    async def after(town: Town) -> None:
        await town.until(lambda: town.elements["Grow"] == "Held")
        await town.later(HOUR)
        assert (shop.restored, shop.did("feed")) == ([], 0)
        await reconcile(town)
        await town.settle()
        assert town.elements["Grow"] == "Running"
        assert shop.restored == [("BR-01", "temperature", "37 degC")]
        await town.to_the_end()
        assert shop.did("feed") == 1
        assert town.verified().findings == []

    found.run(to_day_seven, after, away=2 * HOUR)


def test_work_done_by_hand_is_entered_late_and_not_done_again() -> None:
    found = world()
    shop = found.shop

    async def after(town: Town) -> None:
        happened = START + 7 * DAY
        late = Late(happened, "p-1", "p-2", "network outage; paper sheet 7")
        results: PlainDict = {"volume": plain(parse("48 mL"))}
        asked = {
            "path": "Grow",
            "unit": "BR-01",
            "action": "feed",
            "parameters": {"volume": "50 mL"},
            "results": results,
        }

        async def enter(**change: object) -> None:
            given = {**asked, "late": late, "actor": person("supervisor", "p-3"), **change}
            await town.site.answers.record_by_hand(town.number, **given)

        for wrong in (
            {"path": "Elsewhere"}, {"unit": "BR-02"}, {"late": Late(happened, "p-1", "p-1", "x")},
            {"late": Late(town.clock.now() + HOUR, "p-1", "p-2", "x")},
        ):  # fmt: skip
            with pytest.raises(BadInput):
                await enter(**wrong)
        await enter()
        await reconcile(town)
        looked = Late(happened, "p-1", "p-2", "network outage; paper sheet 7")
        await town.until(lambda: town.has("ask"))
        await town.say(town.task("ask"), {"values": {"cells": "3e8 cell"}}, "p-3", late=looked)
        await town.say(town.task("ask"), {"verified": True}, "p-2")
        await town.to_the_end()
        assert (shop.did("feed"), shop.did("stir")) == (0, 1)
        (entry,) = [entry for entry in town.entries if entry.kind == "by_hand"]
        assert (entry.happened_at, entry.actor.id) == (happened, "p-3")
        assert entry.content()["late"] == {
            "happened_at": stamp(happened), "performer": "p-1", "checker": "p-2", "transcriber": "p-3",
            "reason": "network outage; paper sheet 7",
        }  # fmt: skip
        (credited,) = [body for body in town.bodies("step_done") if "by_hand" in body]
        assert (credited["number"], credited["by_hand"], credited["reply"]) == (4, entry.number, results)
        assert town.state.by_hand == {}
        assert town.verified().findings == []

    found.run(to_day_seven, after, away=2 * HOUR)


def test_a_paused_batch_is_reconciled_too_and_stays_paused() -> None:
    found = world()

    async def before(town: Town) -> None:
        await to_day_seven(town)
        await town.command("pause")
        assert town.elements == {"": "Paused", "Grow": "Paused"}

    async def after(town: Town) -> None:
        await town.until(lambda: town.elements["Grow"] == "Held")
        await reconcile(town)
        await town.later(HOUR)
        assert town.elements["Grow"] == "Held", "a person paused the batch, and a person lets it go on"
        await town.command("resume")
        assert town.elements == {"": "Running", "Grow": "Running"}

    found.run(before, after, away=2 * HOUR)


def test_a_second_outage_during_the_reconciliation_asks_only_once() -> None:
    found = world()

    async def again(town: Town) -> None:
        await town.settle()
        assert len([task for task in town.tasks.values() if task.kind == "reconcile"]) == 1

    async def at_last(town: Town) -> None:
        await again(town)
        await reconcile(town)
        await town.to_the_end()
        assert found.shop.did("feed") == 1

    found.run(to_day_seven, again, at_last, away=2 * HOUR)
