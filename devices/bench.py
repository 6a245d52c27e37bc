"""The bench of a simulated plant: what its people see when they measure, and faults on demand.

Real equipment has nothing of this. Tests, training and the people of a demonstration use it, over the
same protocol that serves the units (devices/servers/lads.py, object 'Simulation').
"""

import asyncio
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState

from batches.errors import NotFound
from batches.quantities import Quantity
from devices.base import DeviceRefused, DeviceUnreachable
from devices.lads import INJECT, KWEEK, MEASURE, SIMULATION, node_id
from devices.lads_client import CallRefused, Nodes, below, call, quantity_of, within
from devices.twins.laboratory import METHODS


class Bench:
    """The bench at opc.tcp://host:port. `limit`: seconds for an answer, real time."""

    def __init__(self, url: str, limit: float = 5.0) -> None:
        self._url, self._limit = url, limit
        self._client: Client | None = None
        self._parts: Nodes = {}

    async def connect(self) -> None:
        """Reach the plant. Raises DeviceUnreachable, NotFound if it is not a simulated one."""
        await self._linked()

    async def close(self) -> None:
        """Leave the plant."""
        client, self._client = self._client, None
        if client is not None:
            await client.disconnect()

    async def _linked(self) -> Client:
        if self._client is not None and self._client.state is UaClientState.CONNECTED:
            return self._client
        await self.close()
        client = Client(self._url, timeout=self._limit, watchdog_intervall=self._limit)
        client.session_timeout = 600_000
        try:
            async with within(asyncio.get_running_loop().time() + self._limit):
                await client.connect()
                self._client = client
                spaces = await client.get_namespace_array()
                index = spaces.index(KWEEK) if KWEEK in spaces else 0
                self._parts = await below(client, node_id(SIMULATION, index))
        except (OSError, TimeoutError, ua.UaError) as error:
            raise DeviceUnreachable(f"No simulated plant answers at {self._url} ({error!r}).") from error
        if MEASURE not in self._parts:
            await self.close()
            raise NotFound(f"The plant at {self._url} is not a simulated one; it has no bench.")
        return client

    async def measure(self, unit: str, attribute: str, wanted: str = "") -> Quantity | str:
        """What a laboratory finds in a sample of a unit taken now, in the `wanted` unit of measure if a
        method has it; `unit` '' is a typical material. Raises NotFound for what cannot be measured."""
        value, measure = await self._call(MEASURE, unit, attribute, wanted)
        if isinstance(value, str):
            return value
        methods = METHODS[attribute]
        method = next((each for each in methods if each.unit == measure), methods[0])
        return quantity_of(value, measure, method.digits)

    async def inject(self, unit: str, fault: str, argument: str = "") -> None:
        """Bring about a fault of `devices.servers.faults.FAULTS`. Raises DeviceRefused."""
        await self._call(INJECT, unit, fault, argument)

    async def _call(self, method: str, *given: str) -> list[Any]:
        client = await self._linked()
        texts = [ua.Variant(each, ua.VariantType.String) for each in given]
        try:
            async with within(asyncio.get_running_loop().time() + self._limit):
                return await call(client, self._parts[""], self._parts[method], *texts)
        except CallRefused as error:
            kind = NotFound if method == MEASURE else DeviceRefused
            raise kind(error.text) from error
        except (OSError, TimeoutError, ua.UaError) as error:
            raise DeviceUnreachable(f"The plant at {self._url} does not answer ({error!r}).") from error
