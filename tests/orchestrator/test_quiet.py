"""A quiet batch is quiet: how often it looks, and that nothing spins while nothing happens."""

from datetime import timedelta

import pytest

from batches.entries import moment
from batches.quantities import parse
from batches.steps import Ask, Field, PhaseRun, Until, Wait, plain
from tests.orchestrator.stories import HOUR, MINUTE, START, Town, World, scripted, unit_procedure

LIMITS = "{temperature: {low: 36 degC, high: 38 degC, delay: 10 min, critical: true, source: test}}"
DAY = timedelta(days=1)


def wait() -> PhaseRun:
    yield Wait(parse("30 day"))
    return {}


def ask() -> PhaseRun:
    yield Ask("Go on?", {"yes": Field("yes_no")})
    return {}


def until() -> PhaseRun:
    yield Until("glucose", at_most=parse("1 g/L"), every=parse("6 h"))
    return {}


SCRIPTS = {"wait": wait, "ask": ask, "until": until}


async def jumps(town: Town, days: int) -> int:
    """How often time has to stop within some days."""
    count, ends = 0, town.clock.now() + days * DAY
    while True:
        await town.settle()
        due = town.clock.next_due()
        if due is None or due > ends:
            return count
        town.clock.move(due)
        count += 1


@pytest.mark.parametrize(("script", "most"), [("wait", 0), ("ask", 0), ("until", 4)])
def test_a_quiet_batch_wakes_up_only_to_look(script: str, most: int) -> None:
    found = World(scripted(unit_procedure("Grow", script)), SCRIPTS)
    found.shop.readings = {"glucose": parse("3 g/L")}

    async def story(town: Town) -> None:
        await town.begin()
        entries = len(town.entries)
        assert await jumps(town, 10) <= most * 10
        assert len(town.entries) == entries

    found.run(story)


@pytest.mark.parametrize("at", ["Running", "Held", "Paused"])
def test_limits_are_looked_at_every_hour_and_nothing_else_happens(at: str) -> None:
    found = World(scripted(unit_procedure("Grow", "wait", limits=LIMITS)), SCRIPTS)
    found.shop.readings = {"temperature": parse("37 degC")}

    async def story(town: Town) -> None:
        await town.begin()
        if at != "Running":
            await town.command("hold" if at == "Held" else "pause")
            assert town.elements["Grow"] == at
            await town.later(13 * HOUR)
        before = found.shop.reads
        assert await jumps(town, 10) <= 241
        assert 239 <= found.shop.reads - before <= 241

    found.run(story)


def limited() -> World:
    found = World(scripted(unit_procedure("Grow", "wait", limits=LIMITS)), SCRIPTS)
    found.shop.readings = {"temperature": parse("37 degC")}
    return found


def test_a_value_beyond_its_limit_becomes_an_excursion_and_a_deviation() -> None:
    found = limited()

    async def before(town: Town) -> None:
        await town.begin()
        await town.later(150 * MINUTE)
        found.shop.readings = {"temperature": parse("38.6 degC")}
        await town.later(3 * HOUR)
        (started,) = town.bodies("excursion_started")
        assert (started["side"], started["worst"], started["tag"]) == (
            "high",
            plain(parse("38.6 degC")),
            "temperature",
        )
        assert moment(str(started["since"])) == START + 3 * HOUR
        assert [severity for severity, _ in town.deviations] == ["major"]

    async def after(town: Town) -> None:
        await town.later(2 * HOUR)
        assert len(town.bodies("excursion_started")) == 1, "it is still the same"
        found.shop.readings = {"temperature": parse("37.1 degC")}
        await town.later(2 * HOUR)
        assert len(town.bodies("excursion_ended")) == 1
        assert (town.state.excursions, len(town.deviations)) == ({}, 1)
        assert town.verified().findings == []

    found.run(before, after)


def test_a_tag_that_falls_silent_is_a_deviation_and_heard_again() -> None:
    found = limited()

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(HOUR)
        found.shop.quality = {"temperature": "stale"}
        found.shop.readings = {"temperature": parse("20 degC")}  # not to be believed
        await town.later(6 * HOUR)
        assert town.bodies("excursion_started") == []
        assert len(town.bodies("tag_silent")) == 1
        assert "gives no good value" in town.deviations[0][1]
        found.shop.quality = {}
        found.shop.readings = {"temperature": parse("37 degC")}
        await town.later(2 * HOUR)
        assert len(town.bodies("tag_heard")) == 1
        assert town.verified().findings == []

    found.run(story)


def test_a_value_that_measures_something_else_is_no_value() -> None:
    found = limited()
    found.shop.readings = {"temperature": parse("37 mL")}

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(6 * HOUR)
        assert len(town.bodies("tag_silent")) == 1
        assert town.site.health()["ok"] is True

    found.run(story)
