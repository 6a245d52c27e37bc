"""The processes of the demonstration: plant and server, each as a user would start it."""

import asyncio
import os
import resource
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from batches.errors import BadInput, KweekError
from devices.plant import DEMO, load

START_WITHIN = 60.0  # s, real time, for a process to say that it listens
STOP_WITHIN = 10.0  # s, real time, for it to end after it was asked to
PASSWORD = "correct-horse-demo"  # of people who exist for a minute on a loopback address


def free_port() -> int:
    """A port nobody uses just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Processes:
    """`kweek plant --virtual` and `kweek serve` on free ports, with their files in `folder`; the record in
    an SQLite file there, unless another database is named. Raises BadInput for a `plant` without LADS."""

    def __init__(self, folder: Path, database_url: str = "", plant: Path = DEMO) -> None:
        self._folder, self._plant = folder, plant
        units = load(plant, {}).units
        ports = {port: free_port() for unit in units if (port := urlsplit(unit.address).port)}
        lads = [ports[urlsplit(unit.address).port or 0] for unit in units if unit.driver == "lads"]
        if not lads:
            raise BadInput(
                f"{plant.name} has no unit that speaks LADS, where the people of the demonstration measure; add one."
            )
        self._plant_port, self._clock_port, self._port = lads[0], free_port(), free_port()
        self.environment = {
            **os.environ, "KWEEK_PORTS": ",".join(f"{written}={port}" for written, port in ports.items()),
            "KWEEK_CLOCK": f"127.0.0.1:{self._clock_port}", "KWEEK_PLANT": str(plant),
            "KWEEK_DATABASE_URL": database_url or f"sqlite:///{folder / 'kweek.db'}", "KWEEK_FOLDER": str(folder),
            "KWEEK_PASSWORD_COST": "low", "KWEEK_PASSWORD": PASSWORD, "OT_API_CONFIG_DIR": str(folder / "opentrons"),
        }  # fmt: skip
        self._running: list[asyncio.subprocess.Process] = []
        self._server: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def bench(self) -> str:
        return f"opc.tcp://127.0.0.1:{self._plant_port}"

    @property
    def clock(self) -> str:
        return f"127.0.0.1:{self._clock_port}"

    async def __aenter__(self) -> "Processes":
        try:
            await self.command("people", "add", "admin", "--full-name", "Anna de Beheerder")
            plant = self._start(
                "plant", str(self._plant), "--virtual", "--clock-port", str(self._clock_port),
                "--folder", str(self._folder),
            )  # fmt: skip
            _, self._server = await asyncio.gather(plant, self._serve())
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _serve(self) -> asyncio.subprocess.Process:
        return await self._start("serve", "--port", str(self._port))

    async def kill_server(self) -> None:
        """End the server with SIGKILL: it cannot know, and nothing of it is tidied up."""
        assert self._server is not None  # it was started on the way in
        self._server.kill()
        await self._server.wait()
        self._running.remove(self._server)

    async def start_server(self) -> None:
        """Start the server again after `kill_server`."""
        self._server = await self._serve()

    async def _start(self, *arguments: str) -> asyncio.subprocess.Process:
        log = (self._folder / f"{arguments[0]}.log").open("ab")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "orchestrator", *arguments, env=self.environment, stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )  # fmt: skip
        log.close()
        self._running.append(process)
        assert process.stdout is not None  # asked for above
        async with asyncio.timeout(START_WITHIN):
            if not await process.stdout.readline():
                said = (self._folder / f"{arguments[0]}.log").read_text(errors="replace").strip()
                raise KweekError(f"'kweek {arguments[0]}' did not start: {said[-2000:]}")
        return process

    async def _stop(self) -> None:
        for process in reversed(self._running):
            if process.returncode is None:
                process.terminate()
                try:
                    async with asyncio.timeout(STOP_WITHIN):
                        await process.wait()
                except TimeoutError:
                    process.kill()
                    await process.wait()
        self._running.clear()

    async def command(self, *arguments: str) -> str:
        """Run another kweek command to its end; gives what it printed. Raises KweekError if it failed."""
        code, said = await self._run(*arguments)
        if code:
            raise KweekError(f"'kweek {arguments[0]}' failed: {said}")
        return said

    async def verify(self, pdf: str) -> tuple[int, str]:
        """`kweek verify`: exit code and verdict. It gets nothing but the file."""
        return await self._run("verify", pdf)

    async def _run(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "orchestrator", *arguments, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode(errors="replace").strip()

    def peak_memory(self) -> float:
        """The most memory the largest process used so far, in MB (Linux counts kB)."""
        return max((_peak(process.pid) for process in self._running[1:]), default=0.0) or (
            resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        )


def _peak(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0].split()[1]) / 1024 if found else 0.0
