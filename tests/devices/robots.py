"""What the tests of the Opentrons driver share: a deck, a served robot, a driver on it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from batches.plain import Plain
from devices.drivers.opentrons import Opentrons
from devices.servers.opentrons import RobotServer
from devices.unit import Unit, unit_from
from tests.devices.handling import TAGS, JumpingClock

FLEX: Mapping[str, Plain] = {
    "robot": "Flex",
    "pipettes": {"left": "p1000_multi_flex", "right": "p1000_single_flex"},
    "limit": "2 s",
    "labware": {
        "tips_1": {"labware": "flex_tips_1000_filter", "at": "A1"},
        "plate_1": {"labware": "plate_96", "at": "C2", "capacity": "300 uL", "dead": "20 uL"},
        "suspension": {
            "labware": "reservoir_4",
            "at": "D3",
            "well": "A1",
            "dead": "2 mL",
            "holds": "20 mL",
        },
        "medium": {"labware": "reservoir_4", "at": "D3", "well": "A2", "dead": "2 mL", "holds": "50 mL"},
        "waste": {"labware": "reservoir_4", "at": "D3", "well": "A3"},
    },
}
OT2: Mapping[str, Plain] = {
    "robot": "OT-2",
    "pipettes": {"left": "p300_multi_gen2", "right": "p300_single_gen2"},
    "limit": "2 s",
    "labware": {
        "tips_1": {"labware": "ot2_tips_200_filter", "at": 1},
        "plate_1": {"labware": "plate_96", "at": 2, "capacity": "300 uL", "dead": "20 uL"},
        "suspension": {"labware": "reservoir_195", "at": 3, "dead": "2 mL", "holds": "20 mL"},
    },
}


def robot_unit(options: Mapping[str, Plain] = FLEX, port: int = 31950, **changed: Plain) -> Unit:
    """A liquid handler that is an Opentrons robot at this port."""
    return unit_from(
        {
            "id": "LH-01",
            "class": "liquid_handler",
            "driver": "opentrons",
            "address": f"http://127.0.0.1:{port}/LH-01",
            "tags": TAGS,
            "options": {**options, **changed},
        },
        "plant.yaml, line 7",
    )


@dataclass
class Bench:
    """A served robot, a driver connected to it, and their clock."""

    robot: RobotServer
    driver: Opentrons
    clock: JumpingClock
    folder: Path

    async def fault(self, fault: str, argument: str = "") -> None:
        """Ask the robot for a fault, over its socket."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.robot.port}") as client:
            asked = {"data": {"fault": fault, "argument": argument}}
            assert (await client.post("/simulation/faults", json=asked)).status_code == 201

    async def again(self) -> Opentrons:
        """Another driver on the same robot and folder, as after a restart of the engine."""
        await self.driver.close()
        self.driver = Opentrons(self.driver.unit, self.clock, self.folder)
        await self.driver.connect()
        return self.driver


@asynccontextmanager
async def bench(folder: Path, options: Mapping[str, Plain] = FLEX) -> AsyncIterator[Bench]:
    """A robot on a free port and a driver connected to it."""
    clock = JumpingClock()
    robot = RobotServer(robot_unit(options), "127.0.0.1", 0, clock.now, folder / "robot.json")
    await robot.start()
    driver = Opentrons(robot_unit(options, robot.port), clock, folder)
    made = Bench(robot, driver, clock, folder)
    try:
        await driver.connect()
        yield made
    finally:
        await made.driver.close()
        await robot.stop()
