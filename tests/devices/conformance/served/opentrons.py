"""A simulated Opentrons Flex over HTTP: the server is on the same loop, the requests on real sockets."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import httpx

from batches.quantities import Quantity, parse
from devices.base import Clock
from devices.drivers.opentrons import Opentrons
from devices.servers.opentrons import RobotServer
from devices.unit import Unit, unit_from
from tests.devices.conformance.convention import Asked
from tests.devices.handling import JumpingClock
from tests.devices.robots import FLEX, robot_unit

SEED = {"target": "plate_1", "volume": parse("10 uL")}


class ServedRobot:
    """One Flex; it knows itself which runs it was asked for."""

    tag = "volume/medium"
    set_point: tuple[str, Quantity, Quantity] | None = None
    prepare: Asked | None = None
    short: Asked = ("dispense", {"target": "plate_1", "volume": parse("10 uL"), "wells": 8})
    long: Asked = ("seed_microwells", SEED)
    excused: Mapping[str, str] = {
        "quality turns stale": "its values are its own books of volumes and tips, not measurements",
        "loop is never blocked": "not shown yet: here the simulated robot works on the same loop as the driver",
    }

    def __init__(self, folder: Path) -> None:
        self._folder, self._clock, self._memory = folder, JumpingClock(), folder / "robot.json"
        self.robot = self._robot(0)

    def _robot(self, port: int) -> RobotServer:
        return RobotServer(robot_unit(FLEX), "127.0.0.1", port, self._clock.now, self._memory)

    def unit(self, serial: str = "") -> Unit:
        return self._at(self.robot.port, serial)

    def _at(self, port: int, serial: str = "") -> Unit:
        written = robot_unit(FLEX, port, limit="1 s").written
        return unit_from({**written, "identity": {"serial": serial} if serial else {}}, "plant.yaml, line 7")

    def driver(self, clock: Clock, *, serial: str = "") -> Opentrons:
        return Opentrons(self.unit(serial), clock, self._folder / serial if serial else self._folder)

    def absent(self, clock: Clock) -> Opentrons:
        return Opentrons(self._at(9), clock, self._folder / "absent")

    def now(self) -> datetime:
        return self._clock.now()

    async def after(self, seconds: float) -> None:
        self._clock.time = datetime.fromtimestamp(self.now().timestamp() + seconds, self.now().tzinfo)

    async def inject(self, fault: str, argument: str = "") -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.robot.port}") as client:
            asked = {"data": {"fault": fault, "argument": argument}}
            assert (await client.post("/simulation/faults", json=asked)).status_code == 201

    async def acted(self) -> int:
        return sum(bool(run.actions) for run in self.robot.runs.values())

    async def busy(self) -> bool:
        return any(run.status(self.now()) in ("running", "paused") for run in self.robot.runs.values())

    async def restart(self) -> None:
        port = self.robot.port
        await self.robot.stop()
        self._memory.unlink(missing_ok=True)
        self.robot = self._robot(port)
        await self.robot.start()


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[ServedRobot]:
    """A robot on a free port."""
    served = ServedRobot(folder)
    await served.robot.start()
    try:
        yield served
    finally:
        await served.robot.stop()
