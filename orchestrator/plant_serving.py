"""`kweek plant`: the process of the simulated plant."""

import asyncio
import contextlib
import signal
from datetime import UTC, datetime
from pathlib import Path

from devices.plant import DEMO, load
from devices.servers.plant import SimulatedPlant


def serve(file: Path | None, folder: Path, *, virtual: bool, clock_port: int) -> None:
    """Serve until interrupted. Prints one line when everything listens (the demo waits for it)."""
    asyncio.run(_serve(file or DEMO, folder, virtual, clock_port))


async def _serve(file: Path, folder: Path, virtual: bool, clock_port: int) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)  # noqa: TID251  a new virtual clock starts today
    plant = SimulatedPlant(load(file), folder, start, virtual=virtual, clock_port=clock_port)
    await plant.start()
    clock = f", virtual clock on {plant.clock_address}" if virtual else ", real time"
    print(f"The simulated plant of {file.name} listens{clock}. Stop it with Ctrl-C.", flush=True)
    try:
        await _until_told(plant)
    finally:
        await plant.stop()


async def _until_told(plant: SimulatedPlant) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(
            NotImplementedError
        ):  # an event loop without signals ends by KeyboardInterrupt
            loop.add_signal_handler(name, told.set)
    watching, waiting = asyncio.ensure_future(plant.watch()), asyncio.ensure_future(told.wait())
    await asyncio.wait((watching, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if watching.done():
        watching.result()
    watching.cancel()
