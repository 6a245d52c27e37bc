"""Hold, restart, pause: a hold stops the procedure, not the cells."""

from datetime import timedelta

from batches.entries import stamp
from batches.quantities import parse
from batches.steps import Ask, Do, Field, First, PhaseRun, Set, Until, Wait, plain
from devices.base import DeviceFault, DeviceUnreachable
from tests.orchestrator.stories import HOUR, MINUTE, START, Town, World, scripted, unit_procedure

GO = Ask("Go on?", {"yes": Field("yes_no")})


def warm() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    yield Do("feed", {})
    yield Wait(parse("5 h"))
    yield Ask("Done?", {"yes": Field("yes_no")})
    return {}


def sugar() -> PhaseRun:
    reached = yield Until("glucose", at_most=parse("1 g/L"), every=parse("1 h"))
    yield Do("feed", {})
    return {"reached": reached}


def sugar_or_look() -> PhaseRun:
    yield First((Until("glucose", at_most=parse("1 g/L"), every=parse("1 h")), GO, Wait(parse("30 h"))))
    yield Do("feed", {})
    return {}


def mix() -> PhaseRun:
    """What cannot be held: once mixed it has to be used."""
    yield Do("mix", {})
    yield Do("use", {})
    return {}


def then() -> PhaseRun:
    yield Do("next", {})
    return {}


SCRIPTS = {"warm": warm, "sugar": sugar, "sugar_or_look": sugar_or_look, "mix": mix, "then": then}


def world(*scripts: str, hold: str = "{safe: stop_feeds, longest: 12 h}") -> World:
    return World(scripted(unit_procedure("Grow", *scripts, hold=hold)), SCRIPTS)


def test_a_hold_keeps_the_cells_and_a_person_confirms_before_set_points_move() -> None:
    found = world("warm")
    shop = found.shop

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: shop.did("feed") == 1)
        await town.later(30 * MINUTE)
        await town.command("hold", "Grow", "operator", "the alarm of the room rings")
        assert town.elements == {"": "Running", "Grow": "Held"}
        assert shop.safes == [("BR-01", "stop_feeds")]
        await town.later(10 * HOUR)
        done = [body for body in town.bodies("step_done") if body["number"] == 3]
        assert len(done) == 1, "the biological timer went on"
        assert not town.tasks, "the procedure did not"
        await town.command("restart", "Grow", "operator")
        assert (town.elements["Grow"], shop.restored) == ("Restarting", [])
        await town.answer(town.task("restart"))
        assert shop.restored == [("BR-01", "temperature", "37 degC")]
        assert town.elements["Grow"] == "Running"
        assert [body["value"] for body in town.bodies("set_restored")] == [plain(parse("37 degC"))]
        await town.to_the_end()
        assert town.verified().findings == []

    found.run(story)


def test_a_condition_that_comes_about_during_a_hold_completes_after_the_restart() -> None:
    found = world("sugar")
    shop = found.shop

    async def before(town: Town) -> None:
        shop.readings = {"glucose": parse("3 g/L")}
        await town.begin()
        await town.later(2 * HOUR)
        await town.command("hold", "Grow")
        shop.readings = {"glucose": parse("0.8 g/L")}
        await town.later(2 * HOUR)
        shop.readings = {"glucose": parse("2 g/L")}  # somebody fed by hand: it was reached all the same
        await town.later(2 * HOUR)
        latched = town.bodies("step_latched")
        assert [(body["number"], body["reply"]) for body in latched] == [(1, plain(parse("0.8 g/L")))]
        assert town.bodies("step_done") == []

    async def after(town: Town) -> None:
        assert town.state.step("Grow/Op/sugar").latched is not None
        await town.confirm_restart()
        await town.until(lambda: shop.did("feed") == 1)
        assert town.bodies("step_done")[0]["reply"] == plain(parse("0.8 g/L"))
        assert town.bodies("step_done")[0]["measured"] == town.bodies("step_latched")[0]["measured"]
        assert town.verified().findings == []

    found.run(before, after)


def test_the_option_of_a_first_that_came_about_during_a_hold_has_come_first() -> None:
    found = world("sugar_or_look")
    shop = found.shop

    async def story(town: Town) -> None:
        shop.readings = {"glucose": parse("0.5 g/L")}
        shop.quality = {"glucose": "stale"}
        await town.begin()
        asked = town.task("ask")
        await town.later(90 * MINUTE)
        await town.command("hold", "Grow")
        shop.quality = {}
        await town.later(3 * HOUR)
        assert len(town.bodies("step_latched")) == 1
        assert asked.id not in town.tasks, "the question is moot"
        await town.later(40 * HOUR)  # beyond the timer
        assert town.bodies("step_done") == []
        await town.confirm_restart()
        assert town.bodies("step_done")[0]["reply"] == {"fired": 0, "reply": plain(parse("0.5 g/L"))}
        assert town.verified().findings == []

    found.run(story)


def test_a_hold_that_outlasts_what_its_phase_allows_opens_one_deviation() -> None:
    found = world("warm")

    async def before(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        await town.command("hold", "Grow")
        await town.later(11 * HOUR)
        assert town.deviations == []
        await town.later(2 * HOUR)
        assert [severity for severity, _ in town.deviations] == ["major"]
        assert "lasts longer than the 12:00:00" in town.deviations[0][1]

    async def again(town: Town) -> None:
        await town.later(20 * HOUR)
        assert len(town.bodies("hold_overrun")) == 1, "a restart of the engine does not say it again"
        await town.confirm_restart()
        await town.later(HOUR)
        await town.command("hold", "Grow")
        await town.later(13 * HOUR)
        assert len(town.bodies("hold_overrun")) == 2, "another hold is another matter"

    found.run(before, again)


def test_the_hold_is_timed_though_the_engine_was_started_again_in_it() -> None:
    found = world("warm")

    async def before(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        await town.command("hold", "Grow")

    async def after(town: Town) -> None:
        await town.later(10 * HOUR)
        assert town.bodies("hold_overrun") == []
        await town.later(3 * HOUR)
        assert [body["path"] for body in town.bodies("hold_overrun")] == ["Grow"]
        held = town.state.since["Grow"]
        assert stamp(held) == stamp(START + HOUR)

    found.run(before, after)


def test_a_phase_that_cannot_be_held_is_finished_first() -> None:
    found = world("mix", "then", hold="{cannot: finish}")
    shop = found.shop

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(MINUTE)
        await town.command("hold", "Grow")
        assert town.elements["Grow"] == "Holding"
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert (shop.did("mix"), shop.did("use"), shop.did("next")) == (1, 1, 0)
        await town.confirm_restart()
        await town.to_the_end()
        assert shop.did("next") == 1
        assert town.verified().findings == []

    found.run(story)


def test_a_phase_that_is_discarded_instead_of_held_asks_for_nothing_more() -> None:
    found = world("mix", "then", hold="{cannot: discard}")
    shop = found.shop

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(MINUTE)
        await town.command("hold", "Grow")
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert (shop.did("mix"), shop.did("use")) == (1, 0)
        assert any("discard" in text for _, text in town.deviations)

    found.run(story)


def test_pause_and_resume_stop_between_steps_and_lose_no_reply() -> None:
    found = world("warm")
    shop = found.shop

    async def before(town: Town) -> None:
        await town.begin()
        await town.later(MINUTE)
        await town.command("pause", "", "operator")
        assert town.elements == {"": "Paused", "Grow": "Paused"}
        await town.later(HOUR)
        assert (shop.did("set"), shop.did("feed")) == (1, 0)
        assert len(town.bodies("step_done")) == 1

    async def after(town: Town) -> None:
        assert (shop.did("set"), shop.did("feed")) == (1, 0)
        await town.command("resume", "", "operator")
        await town.to_the_end()
        assert (shop.did("set"), shop.did("feed")) == (1, 1)
        assert town.verified().findings == []

    found.run(before, after)


def test_a_batch_is_paused_though_one_unit_procedure_is_held() -> None:
    two = [unit_procedure("A", "warm"), unit_procedure("B", "then", unit="cabinet")]
    parallel = "  - parallel: Both\n    branches:\n" + "".join(
        "      - - " + part[4:].rstrip().replace("\n", "\n      ") + "\n" for part in two
    )
    found = World(scripted(parallel), SCRIPTS)

    async def story(town: Town) -> None:
        await town.begin()
        await town.command("hold", "Both/A")
        await town.until(lambda: town.elements["Both/A"] == "Held")
        await town.command("pause")
        await town.until(lambda: town.elements[""] == "Paused")
        assert town.elements == {"": "Paused", "Both/A": "Held", "Both/B": "Paused"}

    found.run(story)


def test_commands_for_the_batch_travel_down_and_each_unit_procedure_is_confirmed() -> None:
    found = world("warm")

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        await town.command("hold")
        assert town.elements == {"": "Held", "Grow": "Held"}
        await town.command("restart")
        assert town.elements == {"": "Restarting", "Grow": "Restarting"}
        await town.answer(town.task("restart"))
        assert town.elements == {"": "Running", "Grow": "Running"}
        await town.to_the_end()

    found.run(story)


def test_a_restart_that_was_confirmed_once_is_confirmed_again_after_another_hold() -> None:
    found = world("warm")

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        await town.command("hold", "Grow")
        await town.command("restart", "Grow")
        stale = town.task("restart")
        await town.command("hold", "Grow")
        assert stale.id not in town.tasks, "a question about a restart that did not come about"
        await town.command("restart", "Grow")
        assert town.elements["Grow"] == "Restarting"
        await town.answer(town.task("restart"))
        assert town.elements["Grow"] == "Running"

    found.run(story)


def test_a_unit_that_does_not_confirm_its_safe_state_is_a_critical_deviation() -> None:
    found = world("warm")

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        found.shop.unsafe = DeviceUnreachable("the link is down")
        await town.command("hold", "Grow")
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert [severity for severity, _ in town.deviations] == ["critical"]
        assert "BR-01 did not confirm the safe state 'stop_feeds'" in town.deviations[0][1]

    found.run(story)


def test_an_action_under_way_when_the_hold_comes_gets_its_outcome_first() -> None:
    found = world("warm")
    shop = found.shop

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: "feed" in shop.asked)
        await town.later(MINUTE)
        await town.command("hold", "Grow")
        assert town.elements["Grow"] == "Holding"
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert [body["number"] for body in town.bodies("step_done")] == [1, 2]
        assert shop.safes == [("BR-01", "stop_feeds")]

    found.run(story)


def test_what_was_held_by_a_person_does_not_go_on_because_a_failure_was_answered() -> None:
    found = world("warm")
    shop = found.shop

    async def story(town: Town) -> None:
        shop.fates["feed"] = [DeviceFault("the pump is jammed")]
        await town.begin()
        await town.until(lambda: "feed" in shop.asked)
        await town.command("hold", "Grow", "operator", "I smell smoke")
        await town.until(lambda: town.elements["Grow"] == "Held")
        await town.answer(town.task("failed"))
        await town.later(HOUR)
        assert town.elements["Grow"] == "Held", "the smoke is not gone"
        await town.confirm_restart()
        await town.to_the_end()
        assert shop.did("feed") == 1
        assert town.verified().findings == []

    found.run(story)


def test_a_failure_answered_after_a_person_restarted_leaves_no_trace_for_the_next_hold() -> None:
    found = world("warm")
    shop = found.shop

    async def story(town: Town) -> None:
        shop.fates["feed"] = [DeviceFault("the pump is jammed")]
        await town.begin()
        await town.until(lambda: town.has("failed"))
        await town.confirm_restart()
        await town.answer(town.task("failed"))
        await town.until(lambda: shop.did("feed") == 1)
        await town.later(HOUR)
        await town.command("hold", "Grow", "operator", "a person wants to look")
        await town.later(timedelta(minutes=30))
        assert town.elements["Grow"] == "Held"

    found.run(story)
