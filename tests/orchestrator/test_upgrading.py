"""What this software cannot go on with is said before anything is taken up."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from batches.errors import NotFound, Refused
from batches.phases.base import Phase
from batches.quantities import parse
from batches.record import fold
from batches.steps import Ask, Field, PhaseRun, Wait
from orchestrator import upgrading
from orchestrator.upgrading import problems
from tests.orchestrator.api.town import Town as Served
from tests.orchestrator.stories import NUMBER, Town, World, phases_of, scripted, unit_procedure

HURT = "this reply is refused"


def asks() -> PhaseRun:
    yield Ask("Go on?", {"yes": Field("yes_no")})
    yield Wait(parse("1 h"))
    return {}


def waits() -> PhaseRun:
    yield Wait(parse("1 h"))
    return {}


def refuses() -> PhaseRun:
    yield Ask("Go on?", {"yes": Field("yes_no")})
    raise NotFound(HURT)


def lives(scripts: dict[str, Callable[[], PhaseRun]], answer: bool = False) -> World:
    """A batch that waits in its first phase."""
    world = World(scripted(unit_procedure("Grow", *scripts)), scripts)

    async def story(town: Town) -> None:
        await town.begin()
        if answer:
            await town.everyone()

    world.run(story)
    return world


def found(world: World, phases: Callable[[str, int], Phase]) -> list[str]:
    async def looked() -> list[str]:
        return problems(world.store(world.disk), phases)

    return asyncio.run(looked())


def test_what_goes_on_as_it_was_begun_is_no_problem() -> None:
    world = lives({"first": asks, "later": waits}, answer=True)
    assert found(world, phases_of(world.scripts)) == []


def test_a_phase_that_asks_for_something_else_now_is_said() -> None:
    world = lives({"first": asks, "later": waits})
    (said,) = found(world, phases_of({"first": waits, "later": waits}))
    assert said.startswith(f"{NUMBER}: Step 1 is recorded as")


def test_a_phase_that_has_not_begun_and_is_unknown_here_is_said() -> None:
    world = lives({"first": asks, "later": waits})
    known = phases_of(world.scripts)
    began: list[str] = []

    def first_only(name: str, version: int) -> Phase:
        if name in began:
            raise NotFound(f"There is no phase {name}@{version}.")
        began.append(name)
        return known(name, version)

    assert found(world, first_only) == [f"{NUMBER}: There is no phase script@1."]


def test_a_language_that_is_unknown_here_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    world = lives({"first": asks})
    monkeypatch.setattr(upgrading, "LANGUAGE", 2)
    assert found(world, phases_of(world.scripts)) == [
        f"{NUMBER}: Its recipe is in language 1; this Kweek knows language 2."
    ]


def test_a_phase_that_refused_its_last_reply_then_keeps_no_software_from_starting() -> None:
    world = lives({"first": refuses}, answer=True)

    async def held() -> str:
        state = fold(world.store(world.disk).read(f"batch/{NUMBER}"))
        return state.elements["Grow"]

    assert asyncio.run(held()) in ("Holding", "Held")
    assert found(world, phases_of(world.scripts)) == []


def test_a_server_does_not_start_with_a_batch_it_cannot_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Served(tmp_path)
    site.found()
    site.approve()
    number = site.batch()
    site.close()
    with monkeypatch.context() as other:
        other.setattr(upgrading, "LANGUAGE", 2)
        with pytest.raises(Refused, match=f"{number}: Its recipe is in language 1"):
            site.open()
    site.open()
    assert site.get("sam", f"/batches/{number}")["state"] == "Running"
    site.end()
