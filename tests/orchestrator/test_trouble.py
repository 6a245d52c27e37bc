"""Steps that fail, devices that go away, outcomes that nobody knows, phases that cannot go on."""

from collections.abc import Mapping

import pytest

from batches.errors import BadInput
from batches.plain import Plain
from batches.quantities import parse
from batches.steps import Ask, Do, Field, PhaseRun, Produce, Read, Set, plain
from devices.base import DeviceFault, DeviceRefused, DeviceUnreachable, Outcome, OutcomeUnknown
from tests.orchestrator.stories import HOUR, MINUTE, Shop, Town, World, person, scripted, unit_procedure

VOLUME = {"volume": plain(parse("90 mL"))}


def feed() -> PhaseRun:
    yield Set("temperature", parse("37 degC"))
    reply = yield Do("feed", {})
    yield Do("stir", {})
    return {"fed": reply if isinstance(reply, Mapping) else {}}


def look() -> PhaseRun:
    value = yield Read("ph")
    return {"ph": value}


def bad() -> PhaseRun:
    yield Ask("How much?", {"x": Field("quantity", "mL")})
    raise BadInput("The volume does not fit the vessel.")


def bad_at_once() -> PhaseRun:
    raise BadInput("It cannot begin.")
    yield Do("feed", {})


def bug() -> PhaseRun:
    yield Ask("How much?", {"x": Field("quantity", "mL")})
    raise ZeroDivisionError("a bug")


def nothing_made() -> PhaseRun:
    lot = yield Produce("product", parse("0 mL"))
    return {"lot": lot}


SCRIPTS = {
    "feed": feed, "look": look, "bad": bad, "bad_at_once": bad_at_once, "bug": bug, "nothing_made": nothing_made,
}  # fmt: skip


def world(*scripts: str, shop: Shop | None = None) -> World:
    return World(scripted(unit_procedure("Grow", *(scripts or ("feed",)))), SCRIPTS, shop or Shop())


async def held(town: Town, kind: str) -> None:
    """Until the unit procedure is held and a person is asked."""
    await town.until(lambda: town.has(kind) and town.elements["Grow"] == "Held")


def choose(choice: str, values: Plain = None) -> dict[str, Plain]:
    return {"choice": choice, "reason": "looked at it", **({} if values is None else {"values": values})}


@pytest.mark.parametrize(
    ("choice", "asked", "fed"), [("retry", 2, {"volume": plain(parse("100 mL"))}), ("substitute", 1, VOLUME), ("skip", 1, None)]
)  # fmt: skip
def test_a_failed_step_holds_its_unit_procedure_and_a_person_decides(
    choice: str, asked: int, fed: Plain
) -> None:
    found = world()
    shop = found.shop
    shop.fates["feed"] = [DeviceFault("valve V3 did not open")]

    async def story(town: Town) -> None:
        await town.begin()
        await held(town, "failed")
        assert "valve V3 did not open" in str(town.task("failed").content["text"])
        assert shop.did("stir") == 0
        await town.say(town.task("failed"), choose(choice, VOLUME if choice == "substitute" else None))
        await town.to_the_end()
        assert (shop.asked.count("feed"), shop.did("stir")) == (asked, 1)
        done = [body for body in town.bodies("step_done") if body["number"] == 2]
        assert [body["reply"] for body in done] == [fed]
        assert town.verified().findings == []

    found.run(story)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("valve V3 did not open", "BR-01: valve V3 did not open"), ("BR-01: the line is shut.", "BR-01: the line is shut."),
        ("The pump of BR-01 is jammed.", "The pump of BR-01 is jammed."),
    ],
)  # fmt: skip
def test_a_failure_names_its_unit_once(said: str, kept: str) -> None:
    found = world()
    found.shop.fates["feed"] = [DeviceFault(said)]

    async def story(town: Town) -> None:
        await town.begin()
        await held(town, "failed")
        assert [body["sentence"] for body in town.bodies("step_failed")] == [kept]

    found.run(story)


def test_a_device_that_refuses_or_reports_a_failure_has_failed_for_certain() -> None:
    found = world()
    found.shop.fates["feed"] = [DeviceRefused("out of range"), Outcome("failed", text="the bottle is empty")]

    async def story(town: Town) -> None:
        await town.begin()
        await held(town, "failed")
        await town.answer(town.task("failed"))
        await town.until(lambda: len(town.bodies("step_failed")) == 2)
        assert "the bottle is empty" in str(town.bodies("step_failed")[1]["sentence"])

    found.run(story)


def test_a_device_that_comes_back_in_time_is_asked_again_and_acts_once() -> None:
    found = world()
    found.shop.away["BR-01"] = DeviceUnreachable("no route")

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(5 * MINUTE)
        assert town.bodies("step_failed") == []
        found.shop.away = {}
        await town.to_the_end()
        assert [found.shop.did(action) for action in ("set", "feed", "stir")] == [1, 1, 1]

    found.run(story)


def test_a_device_that_is_absent_at_the_start_fails_its_step_after_a_while() -> None:
    found = world()
    found.shop.away["BR-01"] = DeviceUnreachable("no route")

    async def story(town: Town) -> None:
        await town.begin()
        await held(town, "failed")
        assert "BR-01 could not be reached: no route" in str(town.task("failed").content["text"])
        found.shop.away = {}
        await town.to_the_end()
        assert (town.state.state, found.shop.did("feed")) == ("Complete", 1)

    found.run(story)


def test_a_device_that_cannot_be_reached_is_not_asked_again_while_it_is_held() -> None:
    found = world()
    found.shop.away["BR-01"] = DeviceUnreachable("no route")

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(MINUTE)
        await town.command("hold", "Grow")
        await town.until(lambda: town.elements["Grow"] == "Held")
        found.shop.away = {}
        await town.later(HOUR)
        assert found.shop.did("set") == 0
        await town.confirm_restart()
        await town.to_the_end()
        assert found.shop.did("set") == 1

    found.run(story)


def test_a_device_that_vanishes_in_mid_action_is_in_doubt() -> None:
    found = world()
    found.shop.fates["feed"] = [OutcomeUnknown("the link broke")]
    found.shop.acts_before_failing = True

    async def story(town: Town) -> None:
        await town.begin()
        await held(town, "in_doubt")
        assert "Nobody knows whether BR-01 carried out Do feed" in str(town.task("in_doubt").content["text"])
        await town.say(town.task("in_doubt"), choose("it happened", VOLUME))
        await town.to_the_end()
        assert (found.shop.did("feed"), found.shop.did("stir")) == (1, 1)
        assert town.verified().findings == []

    found.run(story)


def test_in_doubt_and_it_did_not_happen_is_asked_again_as_a_new_attempt() -> None:
    found = world()
    found.shop.fates["feed"] = [OutcomeUnknown("the link broke")]

    async def story(town: Town) -> None:
        await town.begin()
        await held(town, "in_doubt")
        await town.say(town.task("in_doubt"), choose("it did not happen"))
        await town.to_the_end()
        asked = [
            (body["attempt"], body["command"]) for body in town.bodies("step_asked") if body["number"] == 2
        ]
        assert [attempt for attempt, _ in asked] == [1, 2]
        assert asked[0][1] != asked[1][1], "a new attempt is a new command"
        assert found.shop.did("feed") == 1

    found.run(story)


def test_a_queryable_action_is_asked_of_the_device() -> None:
    found = world(shop=Shop({"feed": "queryable"}))
    found.shop.fates["feed"] = [OutcomeUnknown("the link broke")]
    found.shop.statuses = [DeviceUnreachable("still down"), Outcome("done", {"volume": parse("50 mL")})]

    async def story(town: Town) -> None:
        await town.begin()
        await town.to_the_end()
        done = next(body for body in town.bodies("step_done") if body["number"] == 2)
        assert done["reply"] == {"volume": plain(parse("50 mL"))}
        assert "the link broke" in str(done["reconciled"])
        assert found.shop.asked.count("feed") == 1
        assert town.verified().findings == []

    found.run(story)


def test_an_idempotent_action_is_repeated_and_the_record_says_so() -> None:
    found = world()
    found.shop.fates["set"] = [OutcomeUnknown("the link broke")]

    async def story(town: Town) -> None:
        await town.begin()
        await town.to_the_end()
        assert [body["number"] for body in town.bodies("step_repeated")] == [1]
        assert found.shop.asked.count("set") == 2
        assert town.bodies("step_in_doubt") == []

    found.run(story)


def test_a_kill_in_mid_action_leaves_it_in_doubt_and_its_task_can_be_answered_after_a_second_kill() -> None:
    found = world()

    async def before(town: Town) -> None:
        await town.begin()
        await town.until(lambda: found.shop.did("feed") == 1)

    async def doubtful(town: Town) -> None:
        await held(town, "in_doubt")

    async def after(town: Town) -> None:
        assert town.elements["Grow"] == "Held"
        await town.say(town.task("in_doubt"), choose("it happened", VOLUME))
        await town.to_the_end()
        assert (found.shop.did("feed"), found.shop.did("stir")) == (1, 1)
        assert town.verified().findings == []

    found.run(before, doubtful, after)


@pytest.mark.parametrize("quality", ["stale", "bad", "uncertain"])
def test_a_value_that_is_not_good_is_never_taken(quality: str) -> None:
    found = world("look")
    found.shop.readings = {"ph": parse("7.2 pH")}
    found.shop.quality = {"ph": quality}

    async def story(town: Town) -> None:
        await town.begin()
        await held(town, "failed")
        assert "BR-01 gives no good value of ph" in str(town.task("failed").content["text"])
        found.shop.quality = {}
        await town.to_the_end()
        assert [body["reply"] for body in town.bodies("step_done")] == [plain(parse("7.2 pH"))]

    found.run(story)


def test_a_phase_that_refuses_to_go_on_holds_its_unit_procedure_and_says_so_at_each_restart() -> None:
    found = world("bad", "feed")

    async def before(town: Town) -> None:
        await town.begin()
        await town.answer(town.task("ask"))
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert town.deviations == [
            ("critical", "'Grow/Op/bad' cannot go on: The volume does not fit the vessel.")
        ]
        await town.confirm_restart()
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert len(town.deviations) == 2

    async def after(town: Town) -> None:
        assert town.site.health()["ok"] is True
        await town.confirm_restart()
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert len(town.deviations) == 3
        await town.command("abort")
        await town.until(lambda: town.elements[""] == "Aborted")

    found.run(before, after)


def test_a_phase_that_cannot_begin_holds_its_unit_procedure() -> None:
    found = world("bad_at_once")

    async def before(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert town.deviations == [("critical", "'Grow/Op/bad_at_once' cannot go on: It cannot begin.")]
        assert town.site.health()["ok"] is True

    async def after(town: Town) -> None:
        await town.confirm_restart()
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert len(town.deviations) == 2

    found.run(before, after)


def test_a_bug_in_a_phase_holds_its_unit_procedure_and_the_site_goes_on() -> None:
    found = world("bug")

    async def before(town: Town) -> None:
        await town.begin()
        await town.answer(town.task("ask"), {"values": {"x": "1 mL"}})
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert town.site.health()["ok"] is True
        ((severity, text),) = town.deviations
        assert severity == "critical"
        assert "cannot go on: " in text
        assert "ZeroDivisionError: a bug" in text
        await town.site.answers.note(town.number, "anything", person("operator"))
        assert town.verified().findings == []

    async def after(town: Town) -> None:
        assert town.site.health()["ok"] is True
        await town.confirm_restart()
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert len(town.deviations) == 2, "it is tried again, and says so again"
        await town.command("abort")
        await town.until(lambda: town.state.state == "Aborted")

    found.run(before, after)


def test_a_step_that_cannot_be_carried_out_fails_and_the_site_goes_on() -> None:
    found = world("nothing_made")

    async def story(town: Town) -> None:
        await town.begin()
        await held(town, "failed")
        assert "must be above zero" in str(town.task("failed").content["text"])
        assert town.site.health()["ok"] is True

    found.run(story)


CALCULATION = """          - calculate: share
            value: $feed.a / $feed.b
            unit: dimensionless
"""


def test_a_calculation_that_cannot_be_done_holds_its_unit_procedure() -> None:
    def zero() -> PhaseRun:
        reply = yield Ask("b?", {"a": Field("quantity", "mL"), "b": Field("quantity", "mL")})
        return reply if isinstance(reply, Mapping) else {}

    found = World(scripted(unit_procedure("Grow", "feed", extra=CALCULATION)), {"feed": zero})

    async def story(town: Town) -> None:
        await town.begin()
        await town.answer(town.task("ask"), {"values": {"a": "1 mL", "b": "0 mL"}})
        await town.until(lambda: town.elements["Grow"] == "Held")
        assert [severity for severity, _ in town.deviations] == ["critical"]
        assert "'Grow/Op/share' cannot be carried out" in town.deviations[0][1]
        assert town.site.health()["ok"] is True

    found.run(story)


def test_two_doubtful_steps_of_one_unit_procedure_are_both_decided_before_it_goes_on() -> None:
    def one() -> PhaseRun:
        yield Do("feed", {})
        return {}

    def two() -> PhaseRun:
        yield Do("stir", {})
        return {}

    text = unit_procedure("Grow", "one", "two").replace(
        "          - script@1: {name: one}\n            as: one\n            hold: {safe: keep_environment, longest: 12 h}\n",
        "",
    )
    branch = "          - parallel: Both\n            branches:\n" + "".join(
        f"              - - script@1: {{name: {s}}}\n                  as: {s}\n                  hold: {{safe: keep_environment, longest: 12 h}}\n"
        for s in ("one", "two")
    )
    head = text[: text.index("          - script@1")]
    found = World(scripted(head + branch), {"one": one, "two": two})
    found.shop.fates = {"feed": [OutcomeUnknown("?")], "stir": [OutcomeUnknown("?")]}

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: len(town.tasks) == 2 and town.elements["Grow"] == "Held")
        first, second = town.tasks.values()
        await town.say(first, choose("it did not happen"))
        await town.later(HOUR)
        assert town.elements["Grow"] == "Held"
        await town.say(second, choose("it did not happen"))
        await town.to_the_end()
        assert (found.shop.did("feed"), found.shop.did("stir")) == (1, 1)
        assert town.verified().findings == []

    found.run(story)
