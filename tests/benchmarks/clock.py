"""What virtual time costs. Run: python -m tests.benchmarks.clock

Inline: one process, no sockets. Served: the plant's clock, an engine and people, three processes on
the loopback; the people wake at every tenth jump of the engine.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta

from devices.servers.clock import ClockServer
from orchestrator.clock import InlineClock
from tests.conftest import ROOT

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
JUMPS = 10_000


async def inline(sleepers: int, jumps: int = 100_000) -> float:
    """Jumps a second with this many tasks asleep, each at times of its own."""
    clock = InlineClock(START)

    async def nap(number: int) -> None:
        first = START + timedelta(microseconds=number + 1)
        for count in range(jumps // sleepers):
            await clock.sleep_until(first + timedelta(seconds=count))

    tasks = [asyncio.ensure_future(nap(number)) for number in range(sleepers)]
    began = time.perf_counter()
    await clock.run_until_idle()
    took = time.perf_counter() - began
    await asyncio.gather(*tasks)
    return jumps / took


async def participant(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.orchestrator.clock_participants", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip


async def served(*, people: bool) -> float:
    """Real seconds for a jump."""
    server = ClockServer(START)
    address = await server.start()
    engine = await participant("sleeper", address, str(JUMPS))
    assert engine.stdin is not None
    assert engine.stdout is not None
    mark = (await engine.stdout.readline()).decode().strip()
    bystander = await participant("bystander", address, mark, "10") if people else None
    if bystander is not None and bystander.stdout is not None:
        await bystander.stdout.readline()
    engine.stdin.write(b"go\n")
    cost = json.loads(await engine.stdout.readline())["seconds_per_jump"]
    if bystander is not None:
        bystander.kill()
        await bystander.communicate()
    await engine.communicate()
    await server.stop()
    return cost


def main() -> None:
    for sleepers in (1, 10, 100):
        print(f"inline, {sleepers:3} asleep: {asyncio.run(inline(sleepers)):9,.0f} jumps/s")
    for people in (False, True):
        who = "engine and people" if people else "engine alone     "
        cost = asyncio.run(served(people=people))
        print(f"served, {who}: {cost * 1e6:5.0f} us a jump, {15_000 * cost:.1f} s for 15,000 jumps")


if __name__ == "__main__":
    main()
