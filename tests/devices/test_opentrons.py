"""The Opentrons driver over a socket: runs, lost replies, restarts, stops, refusals."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from batches.plain import Plain, list_in
from batches.quantities import Quantity
from devices.base import (
    DeviceFault,
    DeviceProtocolError,
    DeviceRefused,
    DeviceUnreachable,
    Identity,
    Outcome,
    OutcomeUnknown,
)
from devices.drivers.opentrons import Opentrons
from devices.opentrons_http import RobotHttp
from devices.servers.opentrons import RobotServer
from tests.devices.handling import JumpingClock, do, seed
from tests.devices.robots import FLEX, OT2, Bench, bench, robot_unit


async def held(driver: Opentrons, vessel: str) -> tuple[Decimal, str]:
    """mL by the books, and how good that is."""
    reading = await driver.read(f"volume/{vessel}")
    return reading.value.value, reading.quality


def runs(place: Bench) -> list[str]:
    """The states of the robot's runs."""
    return [run.status(place.clock.now()) for run in place.robot.runs.values()]


@pytest.mark.parametrize("options", [FLEX, OT2], ids=["Flex", "OT-2"])
def test_seeds_a_plate_and_keeps_the_robots_log(tmp_path: Path, options: Mapping[str, Plain]) -> None:
    async def story() -> None:
        async with bench(tmp_path, options) as place:
            outcome = await seed(place.driver, "c-1")
            assert outcome.status == "done"
            assert outcome.results == {
                "wells": 96,
                "volume_per_well": Quantity(Decimal("150.0"), "uL"),
                "volume": Quantity(Decimal("14.4"), "mL"),
                "tips": 8,
            }
            assert await held(place.driver, "suspension") == (Decimal("5.6"), "good")
            assert (await place.driver.read("tips")).value.value == 88
            assert runs(place) == ["succeeded"]
            assert place.clock.passed().total_seconds() > 300
            lines = place.driver._books.log.lines("c-1")
            kept = next(list_in(line, "lines") for line in lines if line["kind"] == "robot_log")
            log = [json.loads(str(text)) for text in kept]
            assert [line["status"] for line in log] == ["succeeded"] * len(log)
            assert sum(line["key"].startswith("gave/") for line in log) == 12
            assert outcome.evidence.count(b"gave/") == 12

    asyncio.run(story())


def test_the_same_id_acts_once_also_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            first = await seed(place.driver, "c-1")
            assert await seed(place.driver, "c-1") == first
            assert await seed(await place.again(), "c-1") == first
            assert runs(place) == ["succeeded"]
            assert (await place.driver.command_status("c-2")).status == "not_seen"

    asyncio.run(story())


def test_a_lost_reply_is_in_doubt_until_the_robot_is_asked(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            await place.fault("lose_reply")
            with pytest.raises(OutcomeUnknown, match="lost in the middle of a command"):
                await seed(place.driver, "c-1")
            assert (await held(place.driver, "suspension"))[1] == "uncertain"
            assert (await place.driver.command_status("c-1")).status == "running"
            with pytest.raises(OutcomeUnknown, match="began this command before"):
                await seed(place.driver, "c-1")
            await place.clock.sleep_until(place.clock.now().replace(hour=12))
            found = await place.driver.command_status("c-1")
            assert (found.status, found.results["wells"]) == ("done", 96)
            assert await held(place.driver, "suspension") == (Decimal("5.6"), "good")
            assert (await place.driver.read("tips")).quality == "good"
            assert runs(place) == ["succeeded"]

    asyncio.run(story())


def test_a_restart_of_the_engine_finds_the_run_by_the_command_id(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            await place.fault("lose_reply")
            with pytest.raises(OutcomeUnknown):
                await seed(place.driver, "c-1")
            await place.again()
            await place.clock.sleep_until(place.clock.now().replace(hour=12))
            assert (await place.driver.command_status("c-1")).status == "done"
            assert await held(place.driver, "suspension") == (Decimal("5.6"), "good")

    asyncio.run(story())


def test_what_a_person_declared_meanwhile_stands(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            await place.fault("lose_reply")
            with pytest.raises(OutcomeUnknown):
                await seed(place.driver, "c-1")
            await do(place.driver, "load", "c-2", vessel="suspension", volume="30 mL")
            await place.clock.sleep_until(place.clock.now().replace(hour=12))
            assert (await place.driver.command_status("c-1")).status == "done"
            assert await held(place.driver, "suspension") == (Decimal(30), "good")

    asyncio.run(story())


class Slow(JumpingClock):
    """Process time that stands still while somebody sleeps, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeping, self.go = asyncio.Event(), asyncio.Event()

    async def sleep_until(self, when: datetime) -> None:
        self.sleeping.set()
        await self.go.wait()
        await super().sleep_until(when)


async def begun(place: Bench) -> "tuple[Slow, asyncio.Task[Outcome]]":
    """A seeding that has worked for 100 s and goes on."""
    slow = Slow()
    place.robot._now = slow.now
    place.driver._clock = slow
    work = asyncio.create_task(seed(place.driver, "c-1"))
    await slow.sleeping.wait()
    slow.time = slow.time.replace(minute=slow.time.minute + 2)
    return slow, work


def test_a_stop_ends_the_run_and_says_how_far_it_came(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            slow, work = await begun(place)
            assert (await place.driver.command_status("c-1")).status == "running"
            with pytest.raises(DeviceRefused, match="busy"):
                await seed(place.driver, "c-2")
            await place.driver.stop()
            slow.go.set()
            outcome = await work
            assert outcome.status == "failed"
            assert "cycles of pipetting" in outcome.text
            assert runs(place) == ["stopped"]
            done = outcome.results["cycles"]
            assert isinstance(done, int)
            assert 0 < done < 12
            assert (await held(place.driver, "medium")) == (Decimal(50), "good")
            assert (await place.driver.read("tips")).quality == "uncertain"
            with pytest.raises(DeviceRefused, match="may carry tips"):
                await seed(place.driver, "c-3")
            await do(place.driver, "discard_tips", "c-4", by_hand=True)
            assert (await place.driver.read("tips")).quality == "good"

    asyncio.run(story())


def test_a_run_is_held_and_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            slow, work = await begun(place)
            await place.driver.hold()
            assert runs(place) == ["paused"]
            slow.time = slow.time.replace(hour=20)
            assert runs(place) == ["paused"]
            await place.driver.unhold()
            slow.go.set()
            assert (await work).status == "done"

    asyncio.run(story())


def test_a_robot_that_lost_its_power_says_that_the_run_was_stopped(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            slow, work = await begun(place)
            port = place.robot.port
            await place.robot.stop()
            slow.go.set()
            with pytest.raises(OutcomeUnknown, match="lost in the middle"):
                await work
            with pytest.raises(DeviceUnreachable, match="did not answer"):
                await place.driver.command_status("c-1")
            place.robot = RobotServer(robot_unit(), "127.0.0.1", port, slow.now, tmp_path / "robot.json")
            await place.robot.start()
            found = await place.driver.command_status("c-1")
            assert found.status == "failed"
            assert "It was stopped" in found.text

    asyncio.run(story())


@pytest.mark.parametrize(
    ("fault", "argument", "sentence"),
    [
        ("door", "open", "The door of LH-01 is open"),
        ("estop", "logicallyEngaged", "emergency stop of LH-01 is pressed"),
    ],
)
def test_nothing_starts_on_a_robot_that_is_not_safe(
    tmp_path: Path, fault: str, argument: str, sentence: str
) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            await place.fault(fault, argument)
            with pytest.raises(DeviceRefused, match=sentence):
                await seed(place.driver, "c-1")
            assert runs(place) == []
            assert (await place.driver.command_status("c-1")).status == "failed"
            await place.fault("clear")
            assert (await seed(place.driver, "c-2")).status == "done"

    asyncio.run(story())


def test_a_refused_play_moved_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            await place.fault("refuse")
            with pytest.raises(DeviceRefused, match="refuses the command"):
                await seed(place.driver, "c-1")
            assert (await place.driver.command_status("c-1")).status == "failed"
            assert await held(place.driver, "suspension") == (Decimal(20), "good")

    asyncio.run(story())


def test_a_silent_robot_is_unreachable_before_anything_is_sent(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            await place.fault("disconnect", "30")
            with pytest.raises(DeviceUnreachable, match="did not answer /protocols"):
                await seed(place.driver, "c-1")
            await place.fault("clear")
            assert (await place.driver.command_status("c-1")).status != "done"
            assert (await seed(place.driver, "c-1")).status == "done"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"target": "plate_1", "volume": "190 uL"}, "'suspension' holds 20 mL"),
        ({"target": "plate_1", "volume": "3 uL"}, "p1000_multi_flex moves at least 5 µL"),
        ({"target": "plate_9", "volume": "50 uL"}, "needs a plate, not 'plate_9'"),
    ],
)
def test_our_books_refuse_what_the_robot_would_do(
    tmp_path: Path, asked: dict[str, str], sentence: str
) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            with pytest.raises(DeviceRefused, match=sentence):
                await do(place.driver, "seed_microwells", "c-1", **asked)
            assert place.robot.protocols == {}

    asyncio.run(story())


def test_connecting_finds_another_robot_or_pipette(tmp_path: Path) -> None:
    async def story() -> None:
        async with bench(tmp_path) as place:
            ot2 = Opentrons(robot_unit(OT2, place.robot.port), place.clock, tmp_path / "a")
            with pytest.raises(DeviceProtocolError, match="the plant file describes a OT-2"):
                await ot2.connect()
            await ot2.close()
            mounted, place.robot.mounted = place.robot.mounted, {"left": "p50_single_flex"}
            other = Opentrons(robot_unit(FLEX, place.robot.port), place.clock, tmp_path / "b")
            with pytest.raises(DeviceFault, match="has 'p50_single_flex' on the left mount"):
                await other.connect()
            await other.close()
            place.robot.mounted = mounted
            assert await place.driver.connect() == Identity(
                "Opentrons", "OT-3 Standard", "SIM-LH-01", "8.1.0"
            )

    asyncio.run(story())


def test_the_client_never_deletes() -> None:
    assert not [name for name in dir(RobotHttp) if "delete" in name]
