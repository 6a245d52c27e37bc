"""A plant of twins behind a real LADS server, in a thread of its own, with a clock the test moves."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from batches.plain import Plain
from batches.quantities import parse
from devices.base import Identity
from devices.bench import Bench
from devices.drivers.lads import LadsDriver
from devices.servers.lads import LadsServer
from devices.twins.catalogue import make
from devices.unit import Tag, Unit

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
T = TypeVar("T")


class ServedPlant:
    """Units by id and class, served on a free port. Also the process clock of the drivers: it jumps."""

    def __init__(
        self, units: Mapping[str, str], memory: Path | None = None, nodesets: Sequence[Path] = ()
    ) -> None:
        self._time = START
        self.jumps = 0
        self.classes = units
        self.twins = {name: make(kind, name, START.timestamp()) for name, kind in units.items()}
        self.server = LadsServer("opc.tcp://127.0.0.1:0", self.twins, self.now, memory, nodesets)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait(self.server.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.wait(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work in the server's thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def now(self) -> datetime:
        return self._time

    async def sleep_until(self, when: datetime) -> None:
        if when > self._time:
            self.jumps += 1
            work = asyncio.run_coroutine_threadsafe(self._jump(when), self._loop)
            await asyncio.wrap_future(work)

    async def _jump(self, when: datetime) -> None:
        self._time = max(when, self._time)
        await self.server.update(self._time)

    async def after(self, **span: float) -> None:
        """Let process time pass."""
        await self.sleep_until(self._time + timedelta(**span))

    async def busy(self, name: str) -> None:
        """Return once a unit runs a programme."""
        for _ in range(2000):
            if self.twins[name].active is not None:
                return
            await asyncio.sleep(0.002)
        raise AssertionError(f"{name} never started")

    def driver(self, name: str, **options: Plain) -> LadsDriver:
        """A driver for a unit, not yet connected, with quick limits."""
        return LadsDriver(self.unit(name, **options), self)

    def unit(self, name: str, **options: Plain) -> Unit:
        model = self.twins[name].model
        tags = {
            tag: Tag(
                known.unit,
                parse(f"{known.low:f} {known.unit}"),
                parse(f"{known.high:f} {known.unit}"),
                known.settable is not None,
            )
            for tag, known in model.tags.items()
        }
        return unit_at(f"opc.tcp://127.0.0.1:{self.server.port}/{name}", name, tags, options)

    async def bench(self) -> Bench:
        bench = Bench(f"opc.tcp://127.0.0.1:{self.server.port}", limit=5.0)
        await bench.connect()
        return bench


def unit_at(address: str, name: str, tags: Mapping[str, Tag], options: Mapping[str, Plain]) -> Unit:
    """A unit of a plant file with the driver lads."""
    quick: dict[str, Plain] = {"limit": "2 s", "patience": "3 s"}
    bare = Unit(
        id=name, unit_class="bioreactor", driver="lads", address=address, identity=Identity("", "", "", ""),
        tags=tags, actions={}, positions=(), room="", area="", process_cell="", options={}, title=name,
        where="a test", written={},
    )  # fmt: skip
    return replace(bare, options={**quick, **options})
