"""Many batches over few units: all end, nobody starves, and the record's store may fail."""

from typing import Any

import pytest

from batches.errors import StoreError
from batches.quantities import parse
from batches.steps import Ask, Do, Field, PhaseRun, Wait
from orchestrator.store.memory import Disk, MemoryStore
from orchestrator.store.port import Item, Submission
from tests.orchestrator.stories import HOUR, MINUTE, NUMBER, Town, World, person, scripted, unit_procedure


def grow() -> PhaseRun:
    yield Do("feed", {})
    yield Ask("Look.", {"fine": Field("yes_no")})
    yield Wait(parse("4 h"))
    return {}


def pack() -> PhaseRun:
    yield Ask("Pack it.", {"packed": Field("yes_no", critical=True)})
    yield Do("wipe", {})
    return {}


SCRIPTS = {"grow": grow, "pack": pack}


def world() -> World:
    return World(
        scripted(unit_procedure("Grow", "grow"), unit_procedure("Pack", "pack", unit="cabinet")), SCRIPTS
    )


async def clean(town: Town) -> bool:
    """People clean what waits for it; whether anything did."""
    waiting = [name for name, unit in town.site.equipment.items() if not unit.clean and not unit.holders]
    for name in waiting:
        await town.site.clean_unit(name, person("operator", "p-1"), person("operator", "p-2"), "wiped")
    return bool(waiting)


async def day_and_night(town: Town, numbers: list[str]) -> list[str]:
    """Everybody works until every batch has ended; the order in which they did."""
    order: list[str] = []
    for _ in range(5000):
        await town.settle()
        order += [n for n in numbers if town.site.batches[n].ended and n not in order]
        if len(order) == len(numbers):
            return order
        busy = False
        for town.number in numbers:
            busy = await town.everyone() or busy
        if not (await clean(town) or busy):
            assert town.clock.advance(), f"nobody can go on: {[*town.site.engine.requests]}"
    raise AssertionError("they do not end")


def test_twenty_batches_over_a_few_units_all_end_in_the_order_of_their_age() -> None:
    found = world()

    async def story(town: Town) -> None:
        await town.approve()
        numbers = [await town.create() for _ in range(20)]
        for town.number in numbers:
            await town.command("start")
        running = [n for n in numbers if town.site.batches[n].units]
        assert running == numbers[:2], "there are two reactors of this class"
        order = await day_and_night(town, numbers)
        places = {number: place for place, number in enumerate(order)}
        assert all(abs(places[number] - age) <= 3 for age, number in enumerate(numbers)), "nobody starves"
        assert {town.site.batches[n].state for n in numbers} == {"Complete"}
        assert found.shop.did("feed") == 20
        for name, unit in town.site.equipment.items():
            assert unit.holders == {}, name
        for town.number in numbers:
            assert town.verified().findings == []

    found.run(story)


def test_twenty_batches_go_on_after_a_kill_in_the_midst() -> None:
    found = world()
    numbers: list[str] = []

    async def before(town: Town) -> None:
        await town.approve()
        numbers.extend([await town.create() for _ in range(20)])
        for town.number in numbers:
            await town.command("start")
        await town.later(3 * HOUR)

    async def after(town: Town) -> None:
        await day_and_night(town, [n for n in numbers if n in town.site.batches])
        assert {(await town.site.batch(n)).state for n in numbers} == {"Complete"}

    found.run(before, after)


def test_a_batch_of_higher_priority_gets_its_units_first_also_after_a_restart() -> None:
    found = world()
    numbers: list[str] = []

    async def before(town: Town) -> None:
        await town.approve()
        numbers.extend([await town.create(priority=5 if n == 4 else 0) for n in range(5)])
        for town.number in numbers:
            await town.command("start")

    async def after(town: Town) -> None:
        for town.number in numbers[:2]:
            await town.to_the_end()
        await clean(town)
        await town.settle()
        assert town.site.batches[numbers[4]].units, "the urgent one overtook those that were made before it"
        order = await day_and_night(town, numbers[2:])
        assert order.index(numbers[4]) < order.index(numbers[3])

    found.run(before, after)


def test_a_batch_that_is_held_while_it_waits_takes_no_unit() -> None:
    found = world()

    async def story(town: Town) -> None:
        await town.approve()
        numbers = [await town.create() for _ in range(3)]
        for town.number in numbers:
            await town.command("start")
        await town.command("hold")
        assert town.elements[""] == "Held"
        town.number = numbers[0]
        await town.to_the_end()
        await clean(town)
        town.number = numbers[2]
        await town.later(HOUR)
        assert town.state.units == {}
        await town.command("restart")
        await town.settle()
        assert town.state.units == {"reactor": "BR-01"}

    found.run(story)


# --- a store that fails -------------------------------------------------------------------------------


class FullDisk(MemoryStore):
    """A store whose disk is full from some entry on, and of which nobody knows when it will be empty."""

    full_after = 10_000

    def submit(self, item: Item) -> Submission:
        if sum(len(entries) for entries in self.disk.streams.values()) >= self.full_after:
            raise StoreError("the disk is full; free space, then start Kweek again.")
        return super().submit(item)


class LosesLater(MemoryStore):
    """A store that takes a submission and says afterwards that it could not be written."""

    full_after = 10_000

    def submit(self, item: Item) -> Submission:
        if sum(len(entries) for entries in self.disk.streams.values()) < self.full_after:
            return super().submit(item)
        lost = MemoryStore(_copy(self.disk)).submit(item)
        future = lost.durable.get_loop().create_future()
        lost.durable.get_loop().call_soon(future.set_exception, StoreError("the disk is full."))
        return Submission(lost.entries, future)


def _copy(disk: Disk) -> Disk:
    return Disk({name: [*entries] for name, entries in disk.streams.items()}, dict(disk.replies))


@pytest.mark.parametrize("kind", [FullDisk, LosesLater])
def test_a_full_disk_stops_the_engine_and_nothing_is_acted_on_afterwards(kind: Any) -> None:
    found = world()
    found.store = kind
    shop = found.shop

    async def before(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("ask"))
        assert (shop.did("feed"), shop.did("wipe")) == (1, 0)
        store: Any = town.site.engine.store
        store.full_after = 0
        kept = {name: len(entries) for name, entries in found.disk.streams.items()}
        asked = len(shop.asked)
        with pytest.raises(StoreError, match="the disk is full"):
            await town.answer(town.task("ask"))
        await town.settle()
        health = town.site.health()
        assert (health["ok"], "the disk is full" in str(health["problem"])) == (False, True)
        store.full_after = 10_000  # space again, but nobody started the engine anew
        await town.later(10 * HOUR)
        with pytest.raises(StoreError, match="the disk is full"):
            await town.site.answers.note(NUMBER, "still there?", person("operator"))
        assert {name: len(entries) for name, entries in found.disk.streams.items()} == kept
        assert len(shop.asked) == asked

    async def after(town: Town) -> None:
        assert town.site.health()["ok"] is True
        await town.to_the_end()
        assert (shop.did("feed"), shop.did("wipe")) == (1, 0 + (1 if "wipe" in shop.asked else 0))
        assert town.state.state == "Complete"

    found.run(before, after)


def test_an_intent_that_is_not_on_disk_is_never_acted_on() -> None:
    found = world()
    found.store = LosesLater

    async def story(town: Town) -> None:
        await town.approve()
        town.number = await town.create()
        store: Any = town.site.engine.store
        store.full_after = sum(len(entries) for entries in found.disk.streams.values()) + 1
        await town.command("start")  # this is kept; what follows from it is not
        await town.later(30 * MINUTE)
        assert found.shop.asked == []
        assert town.site.health()["ok"] is False

    found.run(story)
