"""The link to a LADS device: opened when first needed, mended when broken, every exchange within a limit.

Limits are real time: process time may stand still or jump while a link is mended.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.ua.status_codes import StatusCodes

from devices.base import (
    DeviceError,
    DeviceFault,
    DeviceProtocolError,
    DeviceRefused,
    DeviceUnreachable,
)
from devices.lads_client import CallRefused, Map, learn, within

REFUSALS = {
    StatusCodes.BadInvalidState,
    StatusCodes.BadOutOfRange,
    StatusCodes.BadInvalidArgument,
    StatusCodes.BadArgumentsMissing,
    StatusCodes.BadTypeMismatch,
    StatusCodes.BadNotWritable,
    StatusCodes.BadNotFound,
    StatusCodes.BadUserAccessDenied,
    StatusCodes.BadMethodInvalid,
    StatusCodes.BadNotExecutable,
    StatusCodes.BadNotSupported,
}
"""Answers by which a device says no; any other bad answer leaves open what happened."""
FAULTS = {StatusCodes.BadDeviceFailure, StatusCodes.BadSensorFailure, StatusCodes.BadOutOfService}
SESSION = 600_000
"""ms without a request after which a server may forget the session; the library asks far more often."""
FIRST_PAUSE = 0.05
"""Seconds between the first attempts to mend a link; doubles."""


class Link:
    """The link of `unit` to `address` (opc.tcp://host:port/NAME); `check` may refuse what is found there."""

    def __init__(self, unit: str, address: str, limit: float, check: Callable[[Map], None]) -> None:
        self._unit, self._address, self._limit, self._check = unit, address, limit, check
        url = urlsplit(address)
        self._url, self._name = f"opc.tcp://{url.netloc}/", url.path.strip("/")
        self._client: Client | None = None
        self._map: Map | None = None
        self._mending = asyncio.Lock()

    @property
    def opened(self) -> bool:
        """Whether there is a link; it may have broken unnoticed."""
        return self._client is not None

    async def close(self) -> None:
        """Leave the device; what it runs goes on."""
        if self._client is not None:
            await self._drop(self._client)

    async def _drop(self, client: Client) -> None:
        """Leave one link; another task may have opened the next one already."""
        if client is self._client:
            self._client = None
        with suppress(Exception):  # the link may be broken already, and nothing hangs on how it ends
            async with within(asyncio.get_running_loop().time() + min(self._limit, 1.0)):
                await client.disconnect()
        client.disconnect_socket()

    async def _linked(self) -> tuple[Client, Map]:
        """The link, mended with growing pauses if it is broken. Raises DeviceUnreachable after the limit."""
        async with self._mending:
            if self._client is not None and self._client.state is UaClientState.CONNECTED and self._map:
                return self._client, self._map
            pause, loop = FIRST_PAUSE, asyncio.get_running_loop()
            give_up = loop.time() + self._limit
            while True:
                await self.close()
                try:
                    async with within(min(give_up, loop.time() + self._limit / 2.0)):
                        return (
                            await self._open()
                        )  # half the limit: an attempt that hangs leaves time for another
                except (OSError, TimeoutError, ua.UaError) as error:
                    if loop.time() + pause >= give_up:
                        why = f"{self._unit} does not answer at {self._address} ({error!r})"
                        raise DeviceUnreachable(
                            f"{why}; check that it is switched on and connected."
                        ) from error
                await asyncio.sleep(pause)
                pause *= 2

    async def _open(self) -> tuple[Client, Map]:
        self._client = client = Client(self._url, timeout=self._limit, watchdog_intervall=self._limit)
        client.session_timeout = SESSION
        await client.connect()
        try:
            found = await learn(client, self._name)
            if self._map is not None and found.identity != self._map.identity:
                raise DeviceProtocolError(
                    f"Another device answers at {self._address} than before: {found.identity}."
                )
            self._check(found)
        except DeviceError:
            await self.close()
            raise
        self._map = found
        return client, found

    @asynccontextmanager
    async def asking(self, lost: type[DeviceError]) -> AsyncIterator[tuple[Client, Map]]:
        """One exchange within the limit; `lost` is raised if it is sent and not answered.

        Raises DeviceUnreachable if there is no link, DeviceRefused and DeviceFault as the device answers,
        DeviceProtocolError for an answer that cannot be read.
        """
        client, known = await self._linked()
        try:
            async with within(asyncio.get_running_loop().time() + self._limit):
                yield client, known
        except (OSError, TimeoutError) as error:
            await self._drop(client)
            raise lost(f"{self._unit} did not answer within {self._limit:g} s ({error!r}).") from error
        except CallRefused as error:
            raise _meaning(error.code, lost)(f"{self._unit}: {error.text}") from error
        except ua.UaStatusCodeError as error:
            raise _meaning(error.code, lost)(f"{self._unit} answers {error}.") from error
        except ua.UaError as error:
            raise DeviceProtocolError(f"{self._unit} answers what cannot be read ({error!r}).") from error


def _meaning(code: int | None, lost: type[DeviceError]) -> type[DeviceError]:
    if code in REFUSALS:
        return DeviceRefused
    return DeviceFault if code in FAULTS else lost
