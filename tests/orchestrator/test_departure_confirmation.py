"""An urgent departure that quality assurance does not confirm in time is said, whatever the batch does."""

from datetime import timedelta

from batches.plain import PlainDict
from batches.quantities import parse
from batches.steps import Ask, Field, PhaseRun, Wait
from tests.orchestrator.stories import HOUR, Town, World, person, scripted, unit_procedure


def asks() -> PhaseRun:
    yield Ask("Go on?", {"yes": Field("yes_no")})
    return {}


def waits() -> PhaseRun:
    yield Wait(parse("1 h"))
    return {}


SCRIPTS = {"first": asks, "second": waits}
PATH = "Grow/Op/first"


def world() -> World:
    return World(scripted(unit_procedure("Grow", "first", "second")), SCRIPTS)


async def repeat_urgently(town: Town) -> str:
    change: PlainDict = {"kind": "repeat", "path": PATH}
    answers = town.site.answers
    identity = await answers.depart(town.number, change, "cells", True, person("operator"))
    await answers.decide_departure(town.number, identity, True, person("supervisor"), "cannot wait")
    await town.settle()
    return identity


def said(town: Town) -> int:
    return len(town.bodies("departure_overdue"))


def test_it_is_said_once_when_the_day_is_over_and_quality_assurance_may_still_confirm() -> None:
    async def story(town: Town) -> None:
        await town.begin()
        identity = await repeat_urgently(town)
        await town.later(24 * HOUR - timedelta(minutes=1))
        assert said(town) == 0
        await town.later(2 * HOUR)
        assert said(town) == 1
        assert town.deviations[-1][0] == "major"
        assert "not confirmed by quality assurance" in town.deviations[-1][1]
        await town.later(48 * HOUR)
        await town.site.answers.decide_departure(town.number, identity, True, person("qa"), "seen")
        assert town.state.departures[identity].status == "confirmed"
        await town.to_the_end()
        assert (said(town), town.verified().findings) == (1, [])

    world().run(story)


def test_one_that_is_confirmed_in_time_is_not_said() -> None:
    async def story(town: Town) -> None:
        await town.begin()
        identity = await repeat_urgently(town)
        await town.later(HOUR)
        await town.site.answers.decide_departure(town.number, identity, True, person("qa"), "seen")
        await town.later(48 * HOUR)
        assert said(town) == 0

    world().run(story)


def test_it_is_said_of_a_batch_that_has_ended_also_after_a_kill() -> None:
    async def ends(town: Town) -> None:
        await town.begin()
        await repeat_urgently(town)
        await town.to_the_end()
        assert (town.state.state, said(town)) == ("Complete", 0)

    async def afterwards(town: Town) -> None:
        await town.later(25 * HOUR)
        assert said(town) == 1

    world().run(ends, afterwards, away=timedelta(minutes=5))
