"""A liquid handler over pylabrobot, in a device host: its instrument is simulated in that process."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from batches.quantities import Quantity, parse
from devices.base import Clock
from devices.drivers.liquid_handler import repeatability
from devices.hosted import Hosted
from devices.unit import Unit
from tests.devices.conformance.convention import Asked
from tests.devices.handling import JumpingClock, handler_unit, log_of

NO_FAULT = "the instrument is simulated inside the driver's own process: there is no link to disturb"

SLOW = True
"""Each rule starts a device host of its own."""


class ServedHandler:
    """One liquid handler; its command log tells what was done."""

    tag = "volume/medium"
    set_point: tuple[str, Quantity, Quantity] | None = None
    prepare: Asked | None = None
    short: Asked = ("load", {"vessel": "medium", "volume": parse("50 mL")})
    long: Asked = ("seed_microwells", {"target": "plate_1", "volume": parse("150 uL")})
    excused: Mapping[str, str] = {
        "hold during a command": "the driver offers no hold, only stop",
        "stop during a command": "a failed command leaves tips on the head, and a person must look; see test_host.py",
        "restart is not forgetting": "its command log is a file that outlives the process",
        "quality turns stale": "its values are its own books of volumes and tips, not measurements",
        "delay": NO_FAULT,
        "refuse": NO_FAULT,
        "absent": NO_FAULT,
    }

    def __init__(self, folder: Path) -> None:
        self._folder, self._clock = folder, JumpingClock()
        self._device: Hosted | None = None
        self._killing: asyncio.Task[None] | None = None

    def unit(self, serial: str = "") -> Unit:
        return handler_unit({"serial": serial} if serial else {}, faults={"pace": "20 ms"})

    def driver(self, clock: Clock, *, serial: str = "") -> Hosted:
        folder = self._folder / serial if serial else self._folder
        self._device = Hosted(self.unit(serial), clock, folder, repeatability)
        return self._device

    def absent(self, clock: Clock) -> Hosted:
        raise NotImplementedError("excused")

    def now(self) -> datetime:
        return self._clock.now()

    async def after(self, seconds: float) -> None:
        self._clock.time = datetime.fromtimestamp(self.now().timestamp() + seconds, self.now().tzinfo)

    async def inject(self, fault: str, argument: str = "") -> None:
        """A link that breaks or a reply that is lost is a host that ends."""
        del argument
        begun = await self.acted()
        match fault:
            case "disconnect":
                self._kill()
            case "lose_reply":
                self._killing = asyncio.create_task(self._kill_after(begun))
            case other:
                raise NotImplementedError(other)

    async def _kill_after(self, begun: int) -> None:
        while await self.acted() == begun:  # noqa: ASYNC110  another process writes the log
            await asyncio.sleep(0.001)
        self._kill()

    def _kill(self) -> None:
        pid = self._device.pid if self._device is not None else None
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def acted(self) -> int:
        return self._lines().count('"kind":"started"')

    async def busy(self) -> bool:
        lines = self._lines()
        ends = sum(lines.count(f'"kind":"{kind}"') for kind in ("finished", "interrupted"))
        return lines.count('"kind":"started"') > ends

    def _lines(self) -> str:
        path = log_of(self._folder)
        return path.read_text() if path.exists() else ""

    async def restart(self) -> None:
        self._kill()


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[ServedHandler]:
    """Nothing runs until the driver is connected."""
    yield ServedHandler(folder)
