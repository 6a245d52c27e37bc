"""A bioreactor over SiLA 2."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from batches.quantities import parse
from devices.base import Clock
from devices.drivers.sila import SilaDriver, repeatability
from devices.hosted import Hosted
from devices.unit import Unit, unit_from
from tests.devices.conformance.convention import Asked
from tests.devices.sila_plant import ServedSila

SLOW = True
"""Each rule starts a device host of its own."""


class ServedSilaUnit:
    """One bioreactor in a server process."""

    tag = "temperature"
    set_point = ("temperature", parse("37 degC"), parse("90 degC"))
    prepare: Asked | None = ("inoculate", {"cells": parse("4e7 cell"), "volume": parse("400 mL")})
    short: Asked = ("take_sample", {"volume": parse("0.5 mL")})
    long: Asked = ("settle", {"duration": parse("20 min")})
    excused: Mapping[str, str] = {}

    def __init__(self, plant: ServedSila, folder: Path) -> None:
        self._plant, self._folder = plant, folder

    def unit(self, serial: str = "") -> Unit:
        return self._plant.unit(serial)

    def driver(self, clock: Clock, *, serial: str = "") -> SilaDriver:
        return self._driver(self.unit(serial), clock)

    def absent(self, clock: Clock) -> SilaDriver:
        return self._driver(
            unit_from({**self.unit().written, "address": "sila://127.0.0.1:9", "options": {"limit": "1 s"}}),
            clock,
        )

    def _driver(self, unit: Unit, clock: Clock) -> SilaDriver:
        return SilaDriver(unit, clock, self._folder, Hosted(unit, clock, self._folder, repeatability))

    def now(self) -> datetime:
        return self._plant.now()

    async def after(self, seconds: float) -> None:
        await self._plant.after(seconds=seconds)

    async def inject(self, fault: str, argument: str = "") -> None:
        await self._plant.inject(fault, argument)

    async def acted(self) -> int:
        return int((await self._plant.told())["runs"])

    async def busy(self) -> bool:
        return bool((await self._plant.told())["active"])

    async def restart(self) -> None:
        await self._plant.inject("die")
        await self._plant.died()
        await self._plant.start()


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[ServedSilaUnit]:
    """A server in a process of its own, without a memory that outlives it."""
    plant = ServedSila("BR-01", "bioreactor/vertical_wheel")
    await plant.start()
    try:
        yield ServedSilaUnit(plant, folder)
    finally:
        await plant.stop()
