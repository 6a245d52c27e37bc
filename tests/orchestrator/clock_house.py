"""A plant's clock with participants, for the tests of virtual time."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from devices.servers.clock import ClockServer
from orchestrator.clock import PeopleClock, VirtualClock
from tests.conftest import ROOT

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 50))


def after(minutes: float) -> datetime:
    return START + minutes * MINUTE


class House:
    """A plant's clock, and participants that are closed when the test ends."""

    def __init__(self, stack: AsyncExitStack, server: ClockServer, address: str) -> None:
        self.stack, self.server, self.address = stack, server, address
        self.jumps: list[datetime] = []

    async def engine(self, **more: Any) -> VirtualClock:
        clock = await VirtualClock.connect(self.address, **more)
        self.stack.push_async_callback(clock.close)
        return clock

    async def people(self) -> PeopleClock:
        clock = await PeopleClock.connect(self.address)
        self.stack.push_async_callback(clock.close)
        return clock

    async def start(self, *arguments: object) -> asyncio.subprocess.Process:
        """A participant in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.orchestrator.clock_participants", *map(str, arguments),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        self.stack.push_async_callback(kill, process)
        return process


async def kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 40)).decode().strip()


async def stands(house: House) -> bool:
    """Whether the time stays as it is for a while."""
    before = house.server.now()
    await asyncio.sleep(0.15)
    return house.server.now() == before


def in_house(test: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            server = ClockServer(START)
            house = House(stack, server, await server.start())

            async def note(now: datetime) -> None:
                house.jumps.append(now)

            server.on_jump(note)
            stack.push_async_callback(server.stop)
            await test(house)

    run(main())
