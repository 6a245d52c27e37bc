"""Does a step cost more when the record is long, or when many batches have finished?

    python -m tests.benchmarks.length

One batch of 50,100 steps on SQLite: the pace over 500 steps once its record holds 100, 10,000 and 100,000
entries. Then a batch of 500 steps after 10 and after 1,000 finished batches. Beside the pace stands the time of
the processor for a step (all threads), which a slow disk or a busy machine changes less.
"""

import asyncio
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

from orchestrator.site import Site
from orchestrator.store.store import DatabaseStore
from tests.benchmarks.bench_site import SUPERVISOR, UNITS, approve, open_site, run

LENGTHS = (100, 10_000, 100_000)
STEPS = 500
LONG = LENGTHS[-1] // 2 + STEPS + 100
FINISHED = (10, 1_000)


async def by_length(site: Site) -> None:
    """Print the pace of a batch as its record grows."""
    name = await approve(site, LONG)
    number = await site.create_batch(name, None, "", SUPERVISOR)
    await site.answers.command(number, "", "start", SUPERVISOR, "")
    for length in LENGTHS:
        await _until(site, number, length)
        began, busy, entries = time.perf_counter(), time.process_time(), site.batches[number].entries
        await _until(site, number, length + 2 * STEPS)
        steps = (site.batches[number].entries - entries) / 2
        show(f"at {length:,} entries", steps, time.perf_counter() - began, time.process_time() - busy)
    while not site.batches[number].ended:  # noqa: ASYNC110  a listener would be measured too
        await asyncio.sleep(0.01)


async def _until(site: Site, number: str, entries: int) -> None:
    while site.batches[number].entries < entries:  # noqa: ASYNC110  a listener would be measured too
        await asyncio.sleep(0.002)


def show(when: str, steps: float, took: float, busy: float) -> None:
    print(
        f"  {when}: {steps / took:,.0f} steps/s, {busy / steps * 1e6:,.0f} us of the processor for a step",
        flush=True,
    )


async def by_finished(site: Site) -> None:
    """Print the pace of a batch after many others."""
    short, whole = await approve(site, 10), await approve(site, STEPS)
    done = 0
    for finished in FINISHED:
        while done < finished:
            await run(site, short, min(UNITS, finished - done), time.perf_counter)
            done += min(UNITS, finished - done)
        busy = time.process_time()
        took = await run(site, whole, 1, time.perf_counter)
        show(f"after {finished:,} finished batches", STEPS, took, time.process_time() - busy)


async def reopen(url: str) -> None:
    """Print how long a restart takes to read it all."""
    store = DatabaseStore(url, "benchmark")
    began = time.perf_counter()
    site = open_site(store)
    print(f"  a restart reads {len(site.engine.numbers):,} batches in {time.perf_counter() - began:.1f} s")
    await site.close()
    store.close()


async def measure(url: str) -> None:
    store = DatabaseStore(f"{url}/long.db", "benchmark")
    site = open_site(store)
    print("One long record:")
    await by_length(site)
    await site.close()
    store.close()
    store = DatabaseStore(f"{url}/many.db", "benchmark")
    site = open_site(store)
    print("Many finished batches:")
    await by_finished(site)
    await site.close()
    store.close()
    await reopen(f"{url}/many.db")


def main() -> int:
    folder = Path(tempfile.mkdtemp(dir=Path.cwd(), prefix="bench-"))
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, SQLite synchronous=FULL"
    )
    try:
        asyncio.run(measure(f"sqlite:///{folder}"))
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
