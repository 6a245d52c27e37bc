"""Time limits between phases: said when they pass, once, whatever is held, away or killed."""

from datetime import timedelta

import pytest

from batches.entries import stamp
from batches.quantities import parse
from batches.steps import Ask, Field, PhaseRun, Wait
from tests.orchestrator.stories import HOUR, MINUTE, START, Town, World, person, scripted, unit_procedure

GO = Ask("Go on?", {"yes": Field("yes_no")})
SECOND = timedelta(seconds=1)


def waits(hours: str) -> PhaseRun:
    yield Wait(parse(hours))
    return {}


def asks() -> PhaseRun:
    yield GO
    return {}


SCRIPTS = {
    "first": lambda: waits("1 h"), "middle": asks, "last": asks, "timed": lambda: waits("1 h"), "beside": asks,
}  # fmt: skip


def limited(limit: str, *others: str) -> World:
    """`first`, limited, in one unit procedure; `middle` and the `others` in the next. `cleared` clears the line."""
    one = unit_procedure("A", "first", extra=f"            then_within: {limit}\n")
    two = unit_procedure("B", *others, unit="cabinet")
    return World(
        scripted(one, two.replace("script@1: {name: cleared}", "clear_line@1: {area: bench}")), SCRIPTS
    )


def said(town: Town) -> list[tuple[object, ...]]:
    """What the record says of time limits: kind, path, from, to, whether the phase had begun."""
    kinds = ("time_limit_exceeded", "time_limit_undercut")
    return [
        (entry.kind, body["path"], body["from"], body["to"], body.get("begun"))
        for entry in town.entries if entry.kind in kinds for body in (entry.content(),)
    ]  # fmt: skip


def test_a_limit_that_passes_is_said_at_that_moment_and_not_again_when_the_phase_starts() -> None:
    async def story(town: Town) -> None:
        await town.begin()
        await town.later(3 * HOUR)  # first ends after 1 h, so that last is due after 3 h
        assert said(town) == []
        await town.later(SECOND)
        assert said(town) == [("time_limit_exceeded", "A/Op/first", "end", "B/Op/last", False)]
        due = stamp(START + 3 * HOUR)
        assert town.deviations == [(
            "major",
            f"'B/Op/last' has not begun: it was due at {due}, at most 2 h after the end of 'A/Op/first'. The batch goes "
            "on; decide what this means for it.",
        )]  # fmt: skip
        assert town.entries[-2].recorded_at == START + 3 * HOUR + SECOND
        await town.later(HOUR)
        await town.answer(town.task("ask"))
        (late,) = [body["late"] for body in town.bodies("phase_started") if "late" in body]
        assert late == [{"since": "A/Op/first", "from": "end", "to": "B/Op/last", "due": due}]
        await town.to_the_end()
        assert (len(said(town)), len(town.deviations), town.state.time_limits) == (1, 1, [])
        assert town.verified().findings == []

    limited("{to: last, at_most: 2 h}", "middle", "last").run(story)


def test_a_phase_that_starts_at_the_very_moment_is_in_time() -> None:
    async def story(town: Town) -> None:
        await town.begin()
        await town.to_the_end()
        assert (said(town), town.deviations) == ([], [])
        assert town.verified().findings == []

    limited("{to: last, at_least: 1 h, at_most: 1 h}", "timed", "last").run(story)


def test_a_phase_that_starts_too_early_is_a_deviation() -> None:
    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("ask"))
        await town.later(15 * MINUTE)
        await town.answer(town.task("ask"))
        assert said(town) == [("time_limit_undercut", "B/Op/last", "end", "B/Op/last", None)]
        assert town.deviations == [
            ("major", "'B/Op/last' began 45 min early: at least 1 h after the end of 'A/Op/first'.")
        ]
        await town.to_the_end()
        assert town.verified().findings == []

    limited("{to: last, at_least: 1 h}", "middle", "last").run(story)


def test_the_next_phase_may_be_in_the_next_unit_procedure_and_a_limit_may_count_from_a_start() -> None:
    async def story(town: Town) -> None:
        await town.begin()
        await town.later(59 * MINUTE)
        assert said(town) == [("time_limit_exceeded", "A/Op/first", "start", "", False)]
        assert town.deviations[0][1].startswith("The next phase has not begun: it was due at")
        await town.later(MINUTE)
        assert [limit.of for limit in town.state.time_limits] == [], "middle has begun: both have ended"
        await town.to_the_end()
        assert (len(said(town)), town.verified().findings) == (1, [])

    limited("[{from: start, at_most: 30 min}, {at_most: 5 min}]", "middle").run(story)


def test_a_limit_survives_a_kill_and_is_said_when_the_system_is_back() -> None:
    world = limited("{to: last, at_most: 2 h}", "middle", "last")

    async def before(town: Town) -> None:
        await town.begin()
        await town.later(2 * HOUR)

    async def after(town: Town) -> None:
        assert [limit.due for limit in town.state.time_limits] == [START + 3 * HOUR]
        assert (said(town), town.clock.now()) == ([], START + 2 * HOUR + 5 * MINUTE)
        await town.later(55 * MINUTE + SECOND)
        assert len(said(town)) == 1

    async def again(town: Town) -> None:
        await town.to_the_end()
        assert (len(said(town)), len(town.deviations)) == (1, 1)
        assert town.verified().findings == []

    world.run(before, after, again, away=5 * MINUTE)


def test_a_limit_that_passed_while_nothing_ran_says_how_long_ago() -> None:
    async def before(town: Town) -> None:
        await town.begin()
        await town.later(2 * HOUR)

    async def after(town: Town) -> None:
        assert said(town) == [("time_limit_exceeded", "A/Op/first", "end", "B/Op/last", False)]
        assert "due at 2026-03-02T11:00:00.000000Z, 4 h ago" in town.deviations[0][1]

    limited("{to: last, at_most: 2 h}", "middle", "last").run(before, after, away=5 * HOUR + SECOND)


def test_a_limit_goes_on_while_its_unit_procedure_is_held() -> None:
    async def story(town: Town) -> None:
        await town.begin()
        await town.later(30 * MINUTE)
        await town.command("hold", "A", "operator", "an alarm")
        await town.later(4 * HOUR)
        assert town.elements["A"] == "Held"
        assert [one[2] for one in said(town)] == ["start"]

    limited("{from: start, to: last, at_most: 2 h}", "middle", "last").run(story)


def test_nothing_is_waited_for_after_an_abort() -> None:
    async def story(town: Town) -> None:
        await town.begin()
        await town.later(2 * HOUR)
        await town.command("abort")
        await town.later(5 * HOUR)
        assert said(town) == []

    limited("{to: last, at_most: 2 h}", "middle", "last").run(story)


def test_nothing_is_waited_for_that_was_left_out() -> None:
    async def story(town: Town) -> None:
        await town.begin()
        await town.later(2 * HOUR)
        change = {"kind": "skip", "path": "B/Op/cleared", "values": {}}
        name = await town.site.answers.depart(town.number, change, "not needed", False, person("supervisor"))
        await town.site.answers.decide_departure(town.number, name, True, person("qa"), "agreed")
        assert town.state.time_limits == []
        await town.later(5 * HOUR)
        await town.to_the_end()
        assert (said(town), town.verified().findings) == ([], [])

    limited("{to: cleared, at_most: 2 h}", "middle", "cleared").run(story)


@pytest.mark.parametrize(
    ("limit", "passes"), [("{at_most: 30 min}", True), ("{at_most: 90 min, to: last}", False)]
)
def test_a_phase_beside_in_a_parallel_does_not_end_a_limit_to_the_next(limit: str, passes: bool) -> None:
    """A runs `first` with a limit, D beside it; C comes after both."""
    branches = (
        unit_procedure("A", "first", extra=f"            then_within: {limit}\n"),
        unit_procedure("D", "timed", "beside", unit="cabinet"),
    )
    both = "".join("      - " + one.replace("\n", "\n      ").strip() + "\n" for one in branches)
    recipe = scripted(f"  - parallel: P\n    branches:\n{both}", unit_procedure("C", "last"))

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)  # first and timed have ended, and beside begins at that very moment
        assert [one.since for one in town.state.time_limits] == ["P/A/Op/first"]
        await town.later(45 * MINUTE)
        assert (len(said(town)), [*town.state.phases]) == (int(passes), ["P/D/Op/beside"])
        await town.to_the_end()
        assert (len(said(town)), town.state.time_limits, town.verified().findings) == (int(passes), [], [])

    World(recipe, SCRIPTS).run(story)
