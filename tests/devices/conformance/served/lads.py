"""A bioreactor over OPC UA LADS."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from batches.quantities import parse
from devices.base import Clock, Identity
from devices.drivers.lads import LadsDriver
from devices.unit import Unit
from tests.devices.conformance.convention import Asked
from tests.devices.lads_plant import ServedPlant

NAME = "BR-01"


class ServedLads:
    """One bioreactor of a LADS server."""

    tag = "temperature"
    set_point = ("temperature", parse("37 degC"), parse("90 degC"))
    prepare: Asked | None = ("inoculate", {"cells": parse("4e7 cell"), "volume": parse("400 mL")})
    short: Asked = ("take_sample", {"volume": parse("0.5 mL")})
    long: Asked = ("settle", {"duration": parse("20 min")})
    excused: Mapping[str, str] = {
        "restart is not forgetting": "LADS names no memory of commands; the option 'remembers' declares it"
    }

    def __init__(self, plant: ServedPlant) -> None:
        self._plant = plant

    def unit(self, serial: str = "") -> Unit:
        return replace(self._plant.unit(NAME), identity=Identity("", "", serial, ""))

    def driver(self, clock: Clock, *, serial: str = "") -> LadsDriver:
        return LadsDriver(self.unit(serial), clock)

    def absent(self, clock: Clock) -> LadsDriver:
        return LadsDriver(replace(self.unit(), address=f"opc.tcp://127.0.0.1:9/{NAME}"), clock)

    def now(self) -> datetime:
        return self._plant.now()

    async def after(self, seconds: float) -> None:
        await self._plant.after(seconds=seconds)

    async def inject(self, fault: str, argument: str = "") -> None:
        bench = await self._plant.bench()
        await bench.inject(NAME, fault, argument)
        await bench.close()

    async def acted(self) -> int:
        return len(self._plant.twins[NAME].runs)

    async def busy(self) -> bool:
        return self._plant.twins[NAME].active is not None

    async def restart(self) -> None:
        raise NotImplementedError("excused")


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[ServedLads]:
    """A server in a thread of its own."""
    del folder
    with ServedPlant({NAME: "bioreactor/vertical_wheel"}) as plant:
        yield ServedLads(plant)
