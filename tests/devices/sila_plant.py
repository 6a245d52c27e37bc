"""A twin behind a real SiLA 2 server in a process of its own, with a clock the test moves.

    python -m tests.devices.sila_plant UNIT CLASS PORT TIME MEMORY [KEY CERTIFICATE]

The process serves the unit and takes lines: `at <time>` moves its clock, `inject <fault>` brings about
a fault, `tell` does nothing. It answers each with what the twin knows, a line of JSON, and ends with its input.
"""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from batches.plain import Plain
from batches.quantities import parse
from devices.servers.sila import SilaServer
from devices.twins.catalogue import make
from devices.unit import Unit, unit_from

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


class ServedSila:
    """The process, and the process clock of the drivers: it jumps."""

    def __init__(
        self, name: str, kind: str, memory: Path | None = None, files: tuple[Path, ...] = ()
    ) -> None:
        self.name, self.kind, self._memory, self._files = name, kind, memory, files
        self.port = 0
        self._time = START
        self._process: asyncio.subprocess.Process | None = None
        self._asking = asyncio.Lock()
        self.twin = make(kind, name, START.timestamp())

    async def start(self) -> None:
        """Serve, on the same port as before if there was one."""
        given = [self.name, self.kind, str(self.port), self._time.isoformat(), str(self._memory or "")]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.devices.sila_plant", *given, *map(str, self._files),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        self.port = (await self._answer())["port"]

    async def stop(self) -> None:
        """End the process in order; nothing if it has ended."""
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    async def died(self) -> int:
        """Wait until the process has ended by itself; its exit code."""
        assert self._process is not None
        code = await self._process.wait()
        self._process = None
        return code

    async def _ask(self, line: str) -> dict[str, Any]:
        async with self._asking:
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(f"{line}\n".encode())
            return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        return json.loads(await self._process.stdout.readline())

    def now(self) -> datetime:
        return self._time

    async def sleep_until(self, when: datetime) -> None:
        if when > self._time:
            self._time = when
            if self._process is not None:
                await self._ask(f"at {when.isoformat()}")

    async def after(self, **span: float) -> None:
        """Let process time pass."""
        await self.sleep_until(self._time + timedelta(**span))

    async def told(self) -> dict[str, Any]:
        """What the twin knows: `runs` (number), `active`, `targets`."""
        return await self._ask("tell")

    async def inject(self, fault: str, argument: str = "") -> None:
        """Bring about a fault."""
        await self._ask(f"inject {fault} {argument}")

    def unit(self, serial: str = "", **options: Plain) -> Unit:
        """The unit as a plant file describes it."""
        tags: dict[str, Plain] = {
            tag: {
                "unit": known.unit, "low": str(parse(f"{known.low:f} {known.unit}")),
                "high": str(parse(f"{known.high:f} {known.unit}")), "settable": known.settable is not None,
            }
            for tag, known in self.twin.model.tags.items()
        }  # fmt: skip
        written: dict[str, Plain] = {
            "id": self.name, "class": self.kind, "driver": "sila2", "address": f"sila://127.0.0.1:{self.port}",
            "identity": {"serial": serial or self.twin.identity.serial}, "tags": tags,
            "options": {"limit": "10 s", "patience": "10 s", **options},
        }  # fmt: skip
        return unit_from(written)


async def _serve(
    name: str, kind: str, port: str, at: str, memory: str, certificate: tuple[bytes, bytes] | None
) -> None:
    times = [datetime.fromisoformat(at)]
    twin = make(kind, name, times[0].timestamp())
    server = SilaServer(
        f"sila://127.0.0.1:{port}", twin, lambda: times[0], Path(memory) if memory else None, certificate
    )
    await server.start()
    print(json.dumps({"port": server.port}), flush=True)
    lines = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while line := (await lines.readline()).decode():
        match line.split():
            case ["at", when]:
                times[0] = max(times[0], datetime.fromisoformat(when))
                await server.update()
            case ["inject", fault, *argument]:
                await server.inject(fault, " ".join(argument))
            case _:
                pass
        told = {"runs": len(twin.runs), "active": twin.active is not None, "targets": twin.targets}
        print(json.dumps(told), flush=True)
    await server.stop()


if __name__ == "__main__":
    _name, _kind, _port, _at, _memory, *_files = sys.argv[1:]
    _pair = (Path(_files[0]).read_bytes(), Path(_files[1]).read_bytes()) if _files else None
    asyncio.run(_serve(_name, _kind, _port, _at, _memory, _pair))
