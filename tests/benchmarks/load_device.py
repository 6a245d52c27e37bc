"""Devices that only answer, over real sockets: what loads a server with many tags.

    python -m tests.benchmarks.load_device

Prints its port and answers until its standard input closes. A request is a line with a tag; the answer a
line with a value and the time of measurement. `LoadDriver` is the driver's side.
"""

import asyncio
import math
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from batches.quantities import Quantity, quantity
from devices.base import Clock, DeviceRefused, DeviceUnreachable, Identity, Outcome, Reading, Repeatability
from devices.unit import Unit


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: a sine for every tag, each with a phase of its own."""
    while line := await reader.readline():
        now = datetime.now(UTC)
        value = 37 + math.sin(now.timestamp() / 60 + len(line))
        writer.write(f"{value:.4f} {now.isoformat()}\n".encode())
        await writer.drain()
    writer.close()


class LoadDriver:
    """A driver that can only be read; requests may follow each other before their answers."""

    def __init__(self, unit: Unit, clock: Clock, folder: Path) -> None:
        self._unit, self._lock = unit, asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def connect(self) -> Identity:
        address = urlsplit(self._unit.address)
        try:
            self._streams = await asyncio.open_connection(address.hostname, address.port)
        except OSError as error:
            raise DeviceUnreachable(f"{self._unit.id} does not answer.") from error
        return Identity("", "", "", "")

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()

    async def read(self, tag: str) -> Reading:
        if self._streams is None:
            raise DeviceUnreachable(f"{self._unit.id} is not connected.")
        reader, writer = self._streams
        writer.write(f"{tag}\n".encode())
        async with self._lock:  # who waits first is answered first
            value, at = (await reader.readline()).split()
        measured = datetime.fromisoformat(at.decode())
        return Reading(quantity(value.decode(), "degC"), measured, "good", self._unit.id)

    async def set(self, tag: str, value: Quantity, command_id: str) -> None:
        raise DeviceRefused("It only answers.")

    async def do(self, action: str, command_id: str, parameters: Mapping[str, object]) -> Outcome:
        raise DeviceRefused("It only answers.")

    async def command_status(self, command_id: str) -> Outcome:
        return Outcome("not_seen")

    async def safe(self, state: str, command_id: str) -> None:
        return

    async def stop(self) -> None:
        return

    def repeatability(self, action: str) -> Repeatability:
        return "idempotent"


async def main() -> None:
    """Serve until the standard input closes."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
