"""The simulated plant: the twins of a plant file, served over the protocols their drivers speak.

With a virtual clock the plant owns process time and jumps as soon as everybody is at rest; else the
twins follow the machine's clock. State (programme runs, process time) lies in a folder, so that a
plant that was killed goes on where it was.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from batches.errors import BadInput
from devices.plant import Plant
from devices.servers.clock import ClockServer
from devices.servers.lads import LadsServer
from devices.servers.opentrons import RobotServer
from devices.servers.sila import SilaServer
from devices.twins.catalogue import make
from devices.twins.twin import Twin
from devices.unit import Unit

LOOK_EVERY = 1.0  # s, real time: how often the twins follow the machine's clock


class SimulatedPlant:
    """Servers for the units with the drivers `lads` (one for each port), `sila2` and `opentrons`, and the clock if virtual."""

    def __init__(
        self, plant: Plant, folder: Path, start: datetime, *, virtual: bool, clock_port: int = 0
    ) -> None:
        if not plant.simulated:
            raise BadInput(
                f"{plant.file} describes a real plant; only a file with 'simulated: true' is served by twins."
            )
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = ClockServer(start, port=clock_port, state=folder / "clock") if virtual else None
        at = self.now().timestamp()
        sila = {unit.address: _twin(unit, at) for unit in plant.units if unit.driver == "sila2"}
        others = {twin.unit: twin for twin in sila.values()}
        self._sila = [
            SilaServer(address, twin, self.now, folder / f"sila-{urlsplit(address).port}.memory")
            for address, twin in sila.items()
        ]
        self._servers = [
            LadsServer(
                endpoint,
                twins,
                self.now,
                memory=folder / f"lads-{urlsplit(endpoint).port}.json",
                others=others,
            )
            for endpoint, twins in _endpoints(plant, at).items()
        ]
        self._robots = [_robot(unit, self.now, folder) for unit in plant.units if unit.driver == "opentrons"]
        self._following: asyncio.Task[None] | None = None
        self.clock_address = ""

    def now(self) -> datetime:
        """Process time, UTC."""
        return self._clock.now() if self._clock is not None else datetime.now(UTC)  # noqa: TID251  the real plant's own clock

    async def start(self) -> None:
        """Serve; returns once every server listens. Raises BadInput if a port is taken."""
        for server in (*self._servers, *self._sila):
            await server.start()
        for robot in self._robots:
            await robot.start()
        if self._clock is not None:
            self._clock.on_jump(self._update)
            self.clock_address = await self._clock.start()
        else:
            self._following = asyncio.create_task(self._follow())

    async def watch(self) -> None:
        """Return when the plant fails; it does not end by itself."""
        if self._clock is not None:
            await self._clock.watch()
        elif self._following is not None:
            await self._following

    async def stop(self) -> None:
        """Close every server."""
        if self._following is not None:
            self._following.cancel()
        if self._clock is not None:
            await self._clock.stop()
        for server in (*self._servers, *self._sila, *self._robots):
            await server.stop()

    async def _update(self, now: datetime) -> None:
        for server in self._servers:
            await server.update(now)
        for server in self._sila:
            await server.update()

    async def _follow(self) -> None:
        while True:
            await self._update(self.now())
            await asyncio.sleep(LOOK_EVERY)


def _endpoints(plant: Plant, at: float) -> dict[str, dict[str, Twin]]:
    """The twins by the endpoint that serves them: one server for each host and port."""
    found: dict[str, dict[str, Twin]] = {}
    for unit in plant.units:
        if unit.driver == "lads":
            parts = urlsplit(unit.address)
            found.setdefault(f"{parts.scheme}://{parts.netloc}", {})[unit.id] = _twin(unit, at)
    return found


def _robot(unit: Unit, now: Callable[[], datetime], folder: Path) -> RobotServer:
    parts = urlsplit(unit.address)
    memory = folder / f"opentrons-{unit.id}.json"
    return RobotServer(unit, parts.hostname or "127.0.0.1", parts.port or 0, now, memory)


def _twin(unit: Unit, at: float) -> Twin:
    return make(unit.unit_class, unit.id, at, options=dict(unit.options))
