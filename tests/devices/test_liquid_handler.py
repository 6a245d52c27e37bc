"""The liquid handler on the real pylabrobot, in this process and without network."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batches.errors import KweekError, NotFound
from batches.plain import Plain
from batches.quantities import Quantity, parse
from devices.base import DeviceRefused, DeviceUnreachable, Identity, OutcomeUnknown
from devices.deck_state import DeckState
from devices.drivers.liquid_handler import LiquidHandler
from devices.plant import DEMO, load
from devices.unit import Unit, check_identity
from tests.devices.handling import (
    LABWARE,
    OPTIONS,
    JumpingClock,
    do,
    handler_unit,
    log_of,
    no_file_longer_than,
    seed,
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"the liquid handler wants the network: {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@dataclass
class Bench:
    """A connected handler and its clock."""

    handler: LiquidHandler
    clock: JumpingClock

    async def volume(self, vessel: str) -> Quantity:
        return (await self.handler.read(f"volume/{vessel}")).value

    async def tips(self) -> Decimal:
        return (await self.handler.read("tips")).value.value

    def believed(self) -> Mapping[str, float]:
        """What pylabrobot's own trackers hold."""
        setup = self.handler._setup
        assert setup is not None
        return {name: container.tracker.get_used_volume() for name, container in setup.containers.items()}

    def booked(self) -> Mapping[str, Decimal]:
        return self.handler._books.state.ledger.held


def run(
    folder: Path, story: Callable[[Bench], Awaitable[None]], unit: Unit | None = None, **options: Plain
) -> None:
    """Tell a story on a connected handler, and close it."""

    async def told() -> None:
        clock = JumpingClock()
        handler = LiquidHandler(unit or handler_unit(**options), clock, folder)
        await handler.connect()
        try:
            await story(Bench(handler, clock))
        finally:
            await handler.close()

    asyncio.run(told())


def refused(awaitable: Awaitable[object]) -> Awaitable[str]:
    return said(awaitable, DeviceRefused)


async def said(awaitable: Awaitable[object], kind: type[KweekError]) -> str:
    with pytest.raises(kind) as error:
        await awaitable
    return str(error.value)


def test_seeding_a_plate_moves_what_was_asked(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        done = await seed(bench.handler, "c-1", cells_per_well="1000 cell")
        assert (done.status, done.text) == ("done", "")
        assert done.results == {
            "wells": 96,
            "volume_per_well": parse("150.0 uL"),
            "volume": parse("14.4 mL"),
            "cells_per_well": parse("1000 cell"),
            "cells": parse("96000 cell"),
            "tips": 8,
        }
        assert await bench.volume("suspension") == parse("5.6 mL")
        assert await bench.tips() == 88
        assert bench.booked()["plate_1/H12"] == 150
        kinds = [json.loads(line)["kind"] for line in done.evidence.splitlines()]
        assert kinds == ["started", "tips", *["moved"] * 12, "finished"]
        assert bench.clock.passed() == timedelta(seconds=334)

    run(tmp_path, story)


def test_our_books_and_those_of_pylabrobot_agree(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        handler = bench.handler
        await seed(handler, "c-1", wells=20)
        await do(handler, "exchange_medium", "c-2", plate="plate_1", fraction="33.3 %")
        await do(handler, "transfer", "c-3", source="medium", target="suspension", volume="17.5 mL")
        await do(handler, "pool", "c-4", source="plate_1", target="waste", new_tips=True)
        await do(handler, "dispense", "c-5", source="medium", target="plate_1/C12", volume="277.7 uL")
        booked = bench.booked()
        assert {
            name: pytest.approx(float(volume), abs=1e-6) for name, volume in booked.items()
        } == bench.believed()
        assert booked["plate_1/C12"] == Decimal("277.7")
        assert sum(booked.values()) == 70_000
        assert await bench.tips() == 96 - 8 - 16 - 8 - 20 - 1

    run(tmp_path, story)


def test_an_action_acts_once_for_one_id_also_after_a_restart(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        first = await seed(bench.handler, "c-1", wells=8)
        assert await seed(bench.handler, "c-1", wells=8) == first
        assert bench.clock.passed() == timedelta(seconds=37)
        await bench.handler.connect()
        assert await seed(bench.handler, "c-1", wells=8) == first
        assert await bench.handler.command_status("c-1") == first
        assert await bench.volume("suspension") == parse("18.8 mL")

    run(tmp_path, story)

    async def later(bench: Bench) -> None:
        assert (await bench.handler.command_status("c-1")).status == "done"
        assert (await bench.handler.command_status("c-2")).status == "not_seen"
        assert await bench.volume("suspension") == parse("18.8 mL")
        assert bench.believed()["plate_1/A1"] == 150.0
        assert await bench.tips() == 88
        await seed(bench.handler, "c-2", wells=1)
        assert "tips_1/A2" in bench.handler._books.state.used

    run(tmp_path, later)


def test_too_little_volume_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        before = dict(bench.booked())
        sentence = await refused(
            do(bench.handler, "seed_microwells", "c-1", target="plate_1", volume="200 uL")
        )
        assert sentence == (
            "'suspension' holds 20 mL, of which 2 mL cannot be drawn, and 19.2 mL are needed; "
            "fill it up, declare it with the action 'load' and repeat."
        )
        assert (bench.booked(), await bench.tips()) == (before, 96)
        status = await bench.handler.command_status("c-1")
        assert (status.status, status.text) == ("failed", sentence)
        assert (await seed(bench.handler, "c-1")).status == "failed"  # a refused id stays refused
        await do(bench.handler, "load", "c-2", vessel="suspension", volume="40 mL")
        assert (
            await do(bench.handler, "seed_microwells", "c-3", target="plate_1", volume="200 uL")
        ).status == "done"

    run(tmp_path, story)


def test_no_tips_left_is_refused_until_a_person_puts_in_a_rack(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        handler = bench.handler
        assert (await seed(handler, "c-1", new_tips=True)).results["tips"] == 96
        assert await bench.tips() == 0
        sentence = await refused(do(handler, "pool", "c-2", source="plate_1", target="waste"))
        assert sentence == (
            "0 tips are left and 8 are needed; put in full racks and confirm with the action 'load_tips'."
        )
        assert "There is no rack 'tips_9' on LH-01" in await refused(
            do(handler, "load_tips", "c-3", rack="tips_9")
        )
        assert (await do(handler, "load_tips", "c-4")).results == {"tips": 96}
        assert (await do(handler, "pool", "c-5", source="plate_1", target="waste")).status == "done"

    run(tmp_path, story)


def test_a_failure_in_the_middle_says_how_far_it_came_and_leaves_doubt(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        handler = bench.handler
        failed = await seed(handler, "c-1")
        assert failed.status == "failed"
        assert failed.text == (
            "The instrument says: channel 1, TooLittleLiquidError: the simulated liquid sensor found no liquid, "
            "after 2 cycles of pipetting; the head carries 8 tips. Nobody knows what suspension, plate_1/A3, "
            "plate_1/B3, plate_1/C3, plate_1/D3, plate_1/E3, plate_1/F3, plate_1/G3, plate_1/H3 hold: look, and "
            "declare it with the action 'load'."
        )
        assert failed.results == {"moved": parse("2400.0 uL"), "tips_on_head": 8}
        reading = await handler.read("volume/suspension")
        assert (reading.value, reading.quality) == (parse("17.6 mL"), "uncertain")
        assert (await handler.read("tips")).quality == "uncertain"
        assert (await handler.read("volume/medium")).quality == "good"
        transfer = {"source": "medium", "target": "waste", "volume": "1 mL"}
        assert await refused(do(handler, "transfer", "c-2", **transfer)) == (
            "The head of LH-01 may carry tips since a command failed; look, then do 'discard_tips'."
        )
        assert (await do(handler, "discard_tips", "c-3")).results == {"tips": 8}
        assert (await do(handler, "transfer", "c-4", **transfer)).status == "done"
        assert "Nobody knows what 'suspension' holds" in await refused(seed(handler, "c-5"))
        await do(handler, "load", "c-6", vessel="suspension", volume="17 mL")
        assert "Nobody knows what 'plate_1/A3' holds" in await refused(seed(handler, "c-7"))
        await do(handler, "load", "c-8", vessel="plate_1", volume="0 uL")
        assert (await seed(handler, "c-9")).status == "done"

    run(tmp_path, story, faults={"break_at": 5})


def test_the_doubt_outlives_a_restart(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        assert (await seed(bench.handler, "c-1")).results["tips_on_head"] == 8

    run(tmp_path, story, faults={"break_at": 2})

    async def later(bench: Bench) -> None:
        assert "may carry tips" in await refused(seed(bench.handler, "c-2"))
        assert (await do(bench.handler, "discard_tips", "c-3", by_hand=True)).results == {"tips": 0}
        assert "Nobody knows what 'suspension' holds" in await refused(seed(bench.handler, "c-4"))

    run(tmp_path, later)


def test_a_broken_link_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        handler = bench.handler
        sentence = await said(seed(handler, "c-1"), OutcomeUnknown)
        assert sentence == (
            "LH-01 was cut off in the middle of a command (ConnectionResetError: the simulated link broke); look at "
            "the deck, say what happened, then declare the volumes with 'load' and empty the head with "
            "'discard_tips'."
        )
        assert "is not connected" in await said(seed(handler, "c-2"), DeviceUnreachable)
        assert (await handler.command_status("c-1")).status == "unknown"
        await handler.connect()
        assert (await handler.command_status("c-1")).status == "unknown"
        sentence = await said(seed(handler, "c-1"), OutcomeUnknown)
        assert "began this command before, and its end is not known" in sentence
        state = handler._books.state
        assert state.ledger.doubted == {"suspension"} | {
            name for name in state.ledger.held if "plate_1" in name
        }
        assert (state.head_in_doubt, state.tips_left()) == (True, 88)

    run(tmp_path, story, faults={"lose_at": 3})


def test_a_full_disk_in_the_middle_leaves_the_outcome_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def story(bench: Bench) -> None:
        with no_file_longer_than(log_of(tmp_path).stat().st_size + 3000):
            assert "LH-01 was cut off in the middle of a command (DeviceFault: " in await said(
                seed(bench.handler, "c-1"), OutcomeUnknown
            )
        assert (await bench.handler.command_status("c-1")).status == "unknown"
        await bench.handler.connect()
        assert "may carry tips" in await refused(seed(bench.handler, "c-2"))

    run(tmp_path, story)


def test_wherever_a_command_is_cut_off_all_that_it_may_have_changed_is_in_doubt(tmp_path: Path) -> None:
    states: list[DeckState] = []

    async def story(bench: Bench) -> None:
        await seed(bench.handler, "c-1", wells=20, new_tips=True)
        setup = bench.handler._setup
        assert setup is not None
        racks = {rack: tuple(spots) for rack, spots in setup.tips.items()}
        states.append(DeckState(setup.stocked, racks))

    run(tmp_path, story)
    (state,) = states
    lines = [json.loads(line) for line in log_of(tmp_path).read_bytes().splitlines()]
    for line in lines:
        states.append(states[-1].after(line))
    end = states[-1]
    cut_off = [state.after({"kind": "interrupted"}) for state in states[2:-1]]
    assert len(cut_off) == 1 + 2 * 3
    for state in cut_off:
        changed = {name for name, volume in end.ledger.held.items() if state.ledger.held[name] != volume}
        assert changed <= state.ledger.doubted
        assert state.used == end.used
        assert state.head_in_doubt
    assert (end.ledger.doubted, end.head_in_doubt, end.open_tips) == (frozenset(), False, ())


def test_a_person_can_stop_between_two_cycles(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        handler = bench.handler
        running = asyncio.create_task(seed(handler, "c-1"))
        await asyncio.sleep(0.05)
        assert (await handler.command_status("c-1")).status == "running"
        assert "LH-01 is busy with another command" in await refused(seed(handler, "c-2"))
        await handler.stop()
        stopped = await running
        assert stopped.status == "failed"
        assert stopped.text.startswith("It was stopped, after ")
        assert stopped.results["tips_on_head"] == 0
        moved = stopped.results["moved"]
        assert isinstance(moved, Quantity)
        assert await bench.volume("suspension") == Quantity(Decimal(20) - moved.to("mL").value, "mL")
        await handler.safe("stand_still", "c-3")
        assert (await seed(handler, "c-4", wells=1)).status == "done"
        assert "has no safe state 'sleep'" in await refused(handler.safe("sleep", "c-5"))

    run(tmp_path, story, faults={"pace": "10 ms"})


def test_it_says_who_it_is_and_what_it_cannot_do(tmp_path: Path) -> None:
    unit = load(DEMO, {}).unit("LH-01")

    async def story(bench: Bench) -> None:
        identity = await bench.handler.connect()
        assert identity == Identity("PyLabRobot", "simulated STARlet", "SIM-LH-01", "pylabrobot 0.2.2")
        check_identity(unit, identity)
        assert await bench.tips() == 480
        sentence = await refused(bench.handler.set("temperature", parse("37 degC"), "c-1"))
        assert sentence.startswith("LH-01 takes no set-points")
        with pytest.raises(NotFound, match="LH-01 has no tag 'colour'"):
            await bench.handler.read("colour")
        assert bench.handler.repeatability("pool") == "queryable"
        assert bench.handler.repeatability("safe") == "idempotent"

    run(tmp_path, story, unit)


def test_the_deck_of_the_demo_carries_the_kidney_organoid_recipe_batch_after_batch(tmp_path: Path) -> None:
    """Seeding both plates twice, the half change and the pooling, as recipes/kidney-organoid.yaml asks."""

    async def batch(handler: LiquidHandler, name: str) -> None:
        steps: list[tuple[str, dict[str, Any]]] = [("set_up", {"what": "new plates, full racks"})]
        for _ in range(2):
            steps.append(("load", {"vessel": "suspension", "volume": "32 mL"}))
            for plate in ("plate_1", "plate_2"):
                steps.append(("load", {"vessel": plate, "volume": "0 mL"}))
                seeded = {"source": "suspension", "target": plate, "volume": "150 uL", "wells": 96}
                steps.append(("seed_microwells", seeded))
        steps.append(("load", {"vessel": "stage_1_medium", "volume": "18 mL"}))
        for plate in ("plate_1", "plate_2"):
            fresh = {"plate": plate, "source": "stage_1_medium", "volume": "75 uL", "wells": 96}
            steps.append(("exchange_medium", fresh))
        for plate in ("plate_1", "plate_2"):
            steps.append(("pool", {"source": plate, "target": "pool", "volume": "120 uL", "wells": 96}))
        for number, (action, asked) in enumerate(steps):
            assert (await do(handler, action, f"{name}-{number}", **asked, batch=name)).status == "done"

    async def story(bench: Bench) -> None:
        for name in ("B-1", "B-2"):
            await batch(bench.handler, name)
            assert await bench.volume("pool") == parse("23.04 mL")
            assert await bench.volume("waste") == parse("14.4 mL")
            assert await bench.tips() == 480 - 4 * 8 - 2 * 16 - 2 * 8

    run(tmp_path, story, load(DEMO, {}).unit("LH-02"))


def test_a_tag_without_a_book_is_refused(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        assert "keeps no book of 'temperature'" in await refused(bench.handler.read("temperature"))

    run(tmp_path, story)


def test_the_deck_of_an_ot2_works_with_its_one_channel(tmp_path: Path) -> None:
    labware = {
        "tips": {"labware": "ot2_tips_200_filter", "at": 1},
        "plate": {"labware": "plate_96", "at": 2},
        "medium": {"labware": "ot2_reservoir_195", "at": 3, "holds": "10 mL"},
    }

    async def story(bench: Bench) -> None:
        done = await do(bench.handler, "dispense", "c-1", target="plate", volume="250 uL", wells=3)
        assert (done.status, done.results["tips"]) == ("done", 1)
        assert bench.believed()["medium"] == 9250.0
        assert (await do(bench.handler, "discard_tips", "c-2")).results == {"tips": 0}

    run(
        tmp_path, story, backend="OT-2 simulation", deck="OT-2", channels=1, carriers=None, labware=labware
    )  # fmt: skip


def changed(name: str, **parts: Plain) -> Mapping[str, Plain]:
    part = LABWARE[name]
    assert isinstance(part, Mapping)
    return {**LABWARE, name: {**part, **parts}}


WRONG: list[tuple[Mapping[str, Any], str]] = [
    ({"backend": "STAR"}, "the backend 'STAR' was never tried with Kweek on a real instrument; qualify it, then write"),
    ({"backend": "OT-2"}, "the backend 'OT-2' was never tried with Kweek on a real instrument"),
    ({"backend": "EVO"}, "there is no backend 'EVO'; the backends are simulation, OT-2 simulation, STAR, OT-2."),
    ({"backend": "OT-2", "accept_untested": True}, "the backend 'OT-2' needs 'host', the address of the robot."),
    ({"backend": None}, "'backend' is missing; add a line 'backend: …'."),
    ({"deck": "Vantage"}, "'Vantage' is not known here; the known names are 'STARlet', 'STAR' and 'OT-2'."),
    ({"speed": 3}, "'speed' is not known here; the known names are "),
    ({"labware": {}}, "no tips stand on the deck; add a rack of tips."),
    ({"labware": changed("plate_1", labware="plate_1536")}, "'plate_1536' is not known here; the known names are "),
    ({"labware": changed("plate_1", at="plates/6")}, "'plates/6' is no place of a carrier; the first places are 'tips/1', "),
    ({"labware": changed("waste", at="liquids/2")}, "the place 'liquids/2' is taken; give each piece of labware its own."),
    ({"labware": changed("waste", capacity="1 L")}, "'waste' cannot hold more than its labware, 200000 uL."),
    ({"labware": changed("waste", holds="201 mL")}, "'waste' cannot hold that, at most 200000 uL."),
    ({"labware": changed("waste", dead="3 g")}, "'3 g' is no volume; write it as 20 uL or 5 mL."),
    ({"labware": changed("waste", dead="-1 mL")}, "'-1 mL' is below zero; correct it."),
    ({"carriers": {**OPTIONS["carriers"], "more": {"carrier": "tips_5", "rails": 2}}}, "this does not fit on the deck (Location "),  # pyright: ignore[reportGeneralTypeIssues]
]  # fmt: skip


@pytest.mark.parametrize(("options", "sentence"), WRONG, ids=[sentence[:40] for _, sentence in WRONG])
def test_a_deck_that_cannot_be_is_refused_with_its_place(
    tmp_path: Path, options: Mapping[str, Any], sentence: str
) -> None:
    with pytest.raises(KweekError) as error:
        asyncio.run(LiquidHandler(handler_unit(**options), JumpingClock(), tmp_path).connect())
    assert str(error.value).startswith("plant.yaml, line 7, options of LH-01: ")
    assert sentence in str(error.value)
    assert not log_of(tmp_path).exists()


def test_an_instrument_that_is_not_there_cannot_be_reached(tmp_path: Path) -> None:
    handler = LiquidHandler(handler_unit(backend="STAR", accept_untested=True), JumpingClock(), tmp_path)
    with pytest.raises(DeviceUnreachable, match=r"LH-01 cannot be started \(.*check that it is switched on"):
        asyncio.run(handler.connect())
