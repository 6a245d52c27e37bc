"""Departures and corrections in a batch that runs: what is executed changes, and the verifier follows."""

import pytest

from batches.errors import BadInput, NotFound, NotPermitted, Refused
from batches.plain import PlainDict
from batches.procedure import walk_nodes
from batches.quantities import parse
from batches.recipe_reader import read
from batches.steps import plain
from tests.crash.small import SMALL
from tests.orchestrator.stories import Town, World, person

ROUND = "Grow/Culture/Rounds[1]"


def world() -> World:
    found = World(read(SMALL.read_text(encoding="utf-8"), "small.yaml"))
    found.shop.readings = {"temperature": parse("-170 degC")}
    return found


async def to_the_culture(town: Town) -> None:
    """The batch has its material and is in the first round of its culture."""
    await town.approve()
    await town.stock("seed", "3 vial")
    await town.stock("medium", "10000 mL")
    town.number = await town.create()
    await town.command("start")
    for _ in range(200):
        await town.settle()
        if f"{ROUND}/look" in town.state.phases:
            return
        if not await town.everyone():
            assert town.clock.advance()
    raise AssertionError("it does not get to the culture")


async def depart(town: Town, change: PlainDict, *, urgent: bool = False, by: str = "qa") -> str:
    answers = town.site.answers
    identity = await answers.depart(
        town.number, change, "the recipe cannot be followed", urgent, person("operator")
    )
    await answers.decide_departure(town.number, identity, True, person(by), "agreed")
    await town.settle()
    return identity


def begun(town: Town) -> list[str]:
    return [str(body["path"]) for body in town.bodies("phase_started")]


EXTRA: PlainDict = {
    "hold_culture@1": {"duration": "6 h"}, "as": "extra", "hold": {"safe": "keep_environment", "longest": "12 h"}
}  # fmt: skip


def test_what_is_skipped_added_repeated_and_changed_is_what_is_executed() -> None:
    found = world()

    async def before(town: Town) -> None:
        await to_the_culture(town)
        await depart(town, {"kind": "skip", "path": f"{ROUND}/exchange_medium", "values": {}})
        await depart(town, {"kind": "add", "after": f"{ROUND}/exchange_medium", "phase": EXTRA})
        await depart(town, {"kind": "repeat", "path": f"{ROUND}/look"})

    async def after(town: Town) -> None:
        quarter: PlainDict = {"value": "25", "unit": "%"}
        change: PlainDict = {
            "kind": "parameter",
            "path": "Grow/Culture/sample",
            "name": "volume",
            "value": "2 mL",
        }
        with pytest.raises(BadInput):
            await depart(town, {**change, "value": quarter})
        path = next(p for p in ("Grow/Culture/counted", "Grow/Culture/sample") if _stands(town, p))
        await depart(town, {**change, "path": path})
        await town.to_the_end()
        assert town.state.state == "Complete"
        assert begun(town)[1:4] == [f"{ROUND}/look", f"{ROUND}/look+1", f"{ROUND}/extra"]
        assert found.shop.did("exchange_medium") == 0
        (sampled,) = [b["parameters"] for b in town.bodies("phase_started") if b["path"] == path]
        assert isinstance(sampled, dict)
        assert sampled["volume"] == plain(parse("2 mL"))
        checked = town.verified()
        assert (checked.findings, len(checked.departures)) == ([], 4)
        majors = [text for severity, text in town.deviations if text.startswith("Departure")]
        assert len(majors) == 4

    found.run(before, after)


def _stands(town: Town, path: str) -> bool:
    tree = town.state.known_recipe().procedure
    return path in [each for each, _ in walk_nodes(tree, "", town.state.progress)]


def test_an_urgent_departure_acts_at_once_and_waits_for_quality_assurance() -> None:
    found = world()

    async def story(town: Town) -> None:
        await to_the_culture(town)
        change: PlainDict = {"kind": "skip", "path": f"{ROUND}/exchange_medium", "values": {}}
        identity = await depart(town, change, urgent=True, by="supervisor")
        assert town.state.departures[identity].status == "applied_unconfirmed"
        await town.to_the_end()
        assert [finding.sentence for finding in town.verified().findings] == [
            f"The departure {identity} was applied, and quality assurance never confirmed it."
        ]

    found.run(story)


def test_refused_departures_are_kept_and_change_nothing() -> None:
    found = world()

    async def story(town: Town) -> None:
        await to_the_culture(town)
        skip: PlainDict = {"kind": "skip", "path": f"{ROUND}/exchange_medium", "values": {}}
        with pytest.raises(NotPermitted):
            await town.site.answers.depart(town.number, skip, "x", False, person("qc"))
        with pytest.raises(Refused, match="verifies identity"):
            await depart(town, {"kind": "skip", "path": "Finish/Store/Op/store", "values": {}})
        with pytest.raises(NotFound):
            await town.site.answers.decide_departure(town.number, "C-9", True, person("qa"), "")
        assert len(town.bodies("refused")) == 2
        assert town.state.departures == {}

    found.run(story)


def test_a_correction_flags_the_decision_that_followed_and_the_record_still_verifies() -> None:
    found = world()

    async def story(town: Town) -> None:
        await to_the_culture(town)
        await town.to_the_end()

    async def in_time(town: Town) -> None:
        await to_the_culture(town)
        while not town.state.progress.chosen:
            if not await town.everyone():
                assert town.clock.advance()
            await town.settle()
        entry = next(
            e for e in town.entries if e.kind == "step_done" and "viable_cells" in str(e.content()["reply"])
        )
        new: PlainDict = {"viable_cells": {"value": "5", "unit": "cell/mL"}}
        await town.site.answers.correct(town.number, entry.number, new, "a wrong sample", person("qc"))
        (corrected,) = town.bodies("corrected")
        assert corrected["affected"] != []
        assert any("was corrected after entries" in text for _, text in town.deviations)
        await town.to_the_end()
        assert town.verified().findings == []

    world().run(story)
    found.run(in_time)
