"""A twin served as a SiLA 2 server: the plant's simulated equipment as real equipment would be.

The SiLA library answers in threads; each answer is made on the event loop of the plant, which owns the
twin. Time comes from the caller: `update()` after every step of it. Links go through a gate, so that
they can be broken. It listens on the loopback interface only.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid4, uuid5

from batches.errors import BadInput
from devices.servers.faults import number_in
from devices.servers.memory import Memory
from devices.servers.sila_gate import Gate
from devices.servers.sila_unit import SilaUnit
from devices.sila_features import SIMULATION, UNIT_COMMANDS, UNIT_VALUES, definition
from devices.twins.twin import Twin

LOOPBACK = ("127.0.0.1", "localhost")
ABRUPT = 70
"""Exit code of a server that was told to die."""
AFTER_REPLY = 0.05
"""Seconds after which a fault of the whole server comes: whoever asked for it gets the answer first."""
LOST_FOR = 0.3
"""Seconds for which no link is taken after a lost answer: the library would ask again at once."""
WORKERS = 16
T = TypeVar("T")


class SilaServer:
    """Serves one unit at `address` (sila://127.0.0.1:50052; port 0 takes a free one).

    `memory`: file in which runs and command ids outlive the process; without it a restart forgets them.
    `certificate`: private key and certificate chain (PEM); without it links are not encrypted, which
    SiLA 2 allows for tests only. `discovery`: announce the server in the local network.
    Raises BadInput for an address that is not on the loopback interface.
    """

    def __init__(
        self, address: str, twin: Twin, now: Callable[[], datetime], memory: Path | None = None,
        certificate: tuple[bytes, bytes] | None = None, *, discovery: bool = False,
    ) -> None:  # fmt: skip
        url = urlsplit(address)
        if url.hostname not in LOOPBACK:
            raise BadInput(
                f"'{address}' is not on the loopback interface; the simulated plant serves nobody else."
            )
        self._inner = _free_port()
        self._gate = Gate("127.0.0.1", url.port or 0, self._inner)
        self._certificate, self._discovery = certificate, discovery
        self._memory = Memory(memory) if memory else None
        self._memory_id = _kept_id(memory)
        self.unit = SilaUnit(twin, now, lambda: self._gate.cut(LOST_FOR), self._memory)
        self._server: Any = None
        self._waiting: set[asyncio.Task[Any]] = set()

    @property
    def port(self) -> int:
        """The port the server listens on."""
        return self._gate.port

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        if self._memory is not None:
            self._memory.recall([self.unit.twin])
        await self._gate.open()
        self._server = await asyncio.to_thread(self._serve, asyncio.get_running_loop())
        await self.update()

    def _serve(self, loop: asyncio.AbstractEventLoop) -> Any:
        from sila2.framework import Feature
        from sila2.server import SilaServer as Library

        twin = self.unit.twin
        server = Library(
            twin.unit, "KweekTwin", f"{twin.identity.model} {twin.identity.serial}", "1.0",
            "https://example.org", uuid5(NAMESPACE_URL, f"kweek:{twin.unit}"), max_grpc_workers=WORKERS,
        )  # fmt: skip
        for name, implementation in self._implementations(server, _Asked(loop, self._waiting)).items():
            feature = Feature(definition(name))
            implementation.errors = feature.defined_execution_errors
            server.set_feature_implementation(feature, implementation)
        if self._certificate is None:
            server.start_insecure("127.0.0.1", self._inner, enable_discovery=self._discovery)
        else:
            key, chain = self._certificate
            server.start("127.0.0.1", self._inner, key, chain, enable_discovery=self._discovery)
        return server

    def _implementations(self, server: Any, asked: "_Asked") -> Mapping[str, Any]:
        from devices.servers.sila_answers import Commands, Faults, Values

        return {
            UNIT_VALUES: Values(server, asked, self.unit),
            UNIT_COMMANDS: Commands(server, asked, self.unit, self._memory_id),
            SIMULATION: Faults(server, asked, self.inject),
        }

    async def update(self) -> None:
        """Bring the unit to the present."""
        await self.unit.update()

    async def stop(self) -> None:
        """Close all links and stop listening."""
        await self._gate.close()
        for task in self._waiting:
            task.cancel()
        if self._server is not None:
            await asyncio.to_thread(self._server.stop, 0.0)
        if self._memory is not None:
            self._memory.close()

    async def inject(self, fault: str, argument: str) -> None:
        """Bring about one of `devices.servers.faults.FAULTS`. Raises OutOfRange."""
        loop = asyncio.get_running_loop()
        match fault:
            case "die":
                loop.call_later(AFTER_REPLY, os._exit, ABRUPT)
            case "disconnect":
                loop.call_later(AFTER_REPLY, self._gate.cut, number_in(fault, argument.split(), 0))
            case _:
                self.unit.faults.inject(fault, argument, self.unit.twin.model.tags, self.unit.at())


class _Asked:
    """Carries a request from a thread of the library to the event loop, and its answer back."""

    def __init__(self, loop: asyncio.AbstractEventLoop, waiting: "set[asyncio.Task[Any]]") -> None:
        self._loop, self._waiting = loop, waiting

    def work(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives on the event loop."""
        return asyncio.run_coroutine_threadsafe(self._noted(work), self._loop).result()

    def told(self, tell: Callable[[], T]) -> T:
        """What `tell` gives on the event loop."""

        async def telling() -> T:
            return tell()

        return self.work(telling())

    async def _noted(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        self._waiting.add(task)
        try:
            return await task
        finally:
            self._waiting.discard(task)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _kept_id(memory: Path | None) -> str:
    """The name of the memory of commands: kept beside the memory, new for a server without one."""
    if memory is None:
        return str(uuid4())
    path = memory.with_suffix(".id")
    with suppress(FileNotFoundError):
        return path.read_text(encoding="ascii").strip()
    path.write_text(made := str(uuid4()), encoding="ascii")
    return made
