"""The one virtual clock, owned by the process of the simulated plant and served on the loopback.

It jumps to the next wake-up when everybody who lives by it is at rest, brings the twins there first
and then tells the others. Without an engine it stands still, unless it is told to let time pass
(`kweek clock advance`), as if the system had been down for so long.
"""

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

from pydantic import BaseModel

from batches.errors import BadInput, KweekError
from devices.clock_protocol import (
    FROM_PARTICIPANT,
    VERSION,
    Advance,
    Busy,
    Confirm,
    Hello,
    Lines,
    Refusal,
    Release,
    Report,
    Tick,
    Welcome,
    encode,
)
from devices.servers.clock_agreement import Agreement, Ask, Drop, Jump

HELLO_WITHIN = 5.0  # s, real time, from the connection to the first word
ROUND_WITHIN = 1.0  # s, real time, until a round is given up, so that nobody's promise shuts others out

Update = Callable[[datetime], Awaitable[None]]


class _Connection(Lines):
    """The server's end of one participant's connection."""

    adapter = FROM_PARTICIPANT

    def __init__(self, server: "ClockServer") -> None:
        super().__init__()
        self._server = server
        self._greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server.connections.add(self)
        asyncio.get_running_loop().call_later(HELLO_WITHIN, self._expect_hello)

    def _expect_hello(self) -> None:
        if not self._greeted:
            self.refuse(f"The clock heard no hello within {HELLO_WITHIN:g} seconds.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.left(self)

    def received(self, word: Any) -> None:
        match word:
            case Hello() | Advance() if self._greeted:
                self.refuse("The clock takes one hello on a connection.")
            case Hello() | Advance():
                self._greeted = True
                self._server.came(self, word)
            case Report() | Busy():
                self._server.heard(self, word)
            case _:
                assert_never(word)

    def garbage(self, text: str) -> None:
        self.refuse(text)

    def refuse(self, text: str) -> None:
        self.send(Refusal(text=text))
        self.hang_up()


class ClockServer:
    """Virtual process time for a simulated plant.

    `start` is the time at which a new plant begins. `state` is an optional file that keeps the time, so
    that a plant that is started again goes on where it was; it is written before anybody is told. It
    survives a kill of the process, not a power cut. The clock listens on 127.0.0.1 only.
    """

    def __init__(self, start: datetime, *, port: int = 0, state: Path | None = None) -> None:
        if start.tzinfo is None:
            raise BadInput(f"The clock cannot start at {start.isoformat()}: say the time zone (UTC).")
        self.connections: set[_Connection] = set()
        self._port = port
        self._kept = _Kept(state) if state is not None else None
        kept = self._kept.time if self._kept is not None else None
        self._now = max(start.astimezone(UTC), kept) if kept is not None else start.astimezone(UTC)
        self._agreement = Agreement()
        self._updates: list[Update] = []
        self._arrivals: deque[tuple[_Connection, Hello | Advance]] = deque()
        self._alone_since: datetime | None = None
        self._moving: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._ended: asyncio.Future[None] | None = None
        self._failure = ""

    def now(self) -> datetime:
        """Process time, UTC. During an update it is already the new time."""
        return self._now

    def on_jump(self, update: Update) -> None:
        """Have `update(now)` awaited at every jump, in the order given, before anybody is told.

        If one raises, the clock stops for good: see `watch`.
        """
        self._updates.append(update)

    async def start(self) -> str:
        """Listen; give the address as `127.0.0.1:port`. Raises BadInput if the port is taken."""
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        try:
            self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self._port)
        except OSError as error:
            raise BadInput(
                f"The plant's clock cannot listen on 127.0.0.1:{self._port} ({error.strerror}): "
                "stop what uses that port, or choose another."
            ) from error
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Hang up on everybody; the time stays as it is."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.hang_up()
        if self._moving is not None:
            await asyncio.wait([self._moving])
        if self._kept is not None:
            self._kept.close()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    async def watch(self) -> None:
        """Return when the clock is stopped; raise what an update raised, if that stopped it."""
        assert self._ended is not None, "start the clock first"
        await asyncio.shield(self._ended)

    # What the connections tell

    def came(self, connection: _Connection, word: Hello | Advance) -> None:
        self._arrivals.append((connection, word))
        self._decide()

    def heard(self, connection: _Connection, word: Report | Busy) -> None:
        if connection not in self._agreement.participants:
            connection.refuse("The clock listens to nobody who was not welcomed: say hello first.")
        elif isinstance(word, Report):
            self._agreement.reported(connection, word)
        else:
            self._agreement.busy(connection, word)
        self._decide()

    def left(self, connection: _Connection) -> None:
        self.connections.discard(connection)
        if self._agreement.is_engine(connection):
            self._alone_since = self._now
        self._agreement.leave(connection)
        self._decide()

    def _objection(self, word: Hello | Advance) -> str:
        if self._failure:
            return self._failure
        if word.version != VERSION:
            name = word.name if isinstance(word, Hello) else "this command"
            return (
                f"This plant's clock speaks version {VERSION} and {name} version {word.version}: "
                "start both from the same Kweek."
            )
        engine = self._agreement.engine()
        if isinstance(word, Advance):
            why = "stop it first, since only an outage is simulated like this."
            return "" if engine is None else f"The engine '{engine}' is running: {why}"
        if word.kind == "engine" and engine is not None:
            return f"This plant already serves the engine '{engine}': stop it before another is started."
        return ""

    # What the agreement decides

    def _decide(self) -> None:
        """Do what is to be done now; while the clock moves, nothing."""
        while self._moving is None:
            if self._arrivals:
                self._admit(*self._arrivals.popleft())
                continue
            match self._agreement.decide():
                case None:
                    return
                case Ask(number):
                    self._tell(Confirm(round=number))
                    asyncio.get_running_loop().call_later(ROUND_WITHIN, self._overdue, number)
                case Drop():
                    self._tell(Release())
                case Jump(to):
                    self._moving = asyncio.ensure_future(self._move(to))
                case decision:
                    assert_never(decision)

    def _admit(self, connection: _Connection, word: Hello | Advance) -> None:
        """Do what a newcomer wants, or say why not."""
        objection = self._objection(word)
        if objection:
            connection.refuse(objection)
        elif isinstance(word, Advance):
            self._moving = asyncio.ensure_future(self._let_pass(connection, self._now + word.by))
        else:
            self._welcome(connection, word)

    async def _let_pass(self, connection: _Connection, to: datetime) -> None:
        await self._move(to)
        if not self._failure:
            connection.send(Tick(now=to))
            connection.hang_up()

    def _welcome(self, connection: _Connection, hello: Hello) -> None:
        """Let a participant in. The clock first goes to the latest time it knows."""
        if hello.floor is not None and hello.floor > self._now:
            self._arrivals.appendleft((connection, hello))
            self._moving = asyncio.ensure_future(self._move(hello.floor))
        elif not connection.closing:
            self._agreement.join(connection, hello.kind, hello.name)
            alone = self._alone_since if hello.kind == "engine" else None
            connection.send(Welcome(now=self._now, alone_since=alone))

    def _overdue(self, number: int) -> None:
        if number == self._agreement.round:
            self._agreement.break_round("somebody does not answer")
            self._decide()

    async def _move(self, to: datetime) -> None:
        """Bring the plant to a time, keep it, tell everybody."""
        self._now = max(self._now, to.astimezone(UTC))
        try:
            for update in self._updates:
                await update(self._now)
            if self._kept is not None:
                self._kept.write(self._now)
        except Exception as error:
            self._fail(error)
        else:
            self._agreement.jumped()
            self._tell(Tick(now=self._now))
        self._moving = None
        self._decide()

    def _fail(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, KweekError) else f"{type(error).__name__}: {error}"
        self._failure = (
            f"The plant could not be brought to {self._now.isoformat()} ({reason}), so its clock stands: "
            "start the plant again."
        )
        for connection in tuple(self.connections):
            connection.refuse(self._failure)
            self._agreement.leave(connection)
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(error)

    def _tell(self, word: BaseModel) -> None:
        line = encode(word)
        for connection in self._agreement.participants:
            assert isinstance(connection, _Connection)
            connection.send_line(line)


class _Kept:
    """The file that keeps the time: one line of fixed length, overwritten in one write."""

    def __init__(self, path: Path) -> None:
        self.time = _read(path)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise BadInput(f"The clock's file {path} cannot be opened ({error.strerror}).") from error

    def write(self, time: datetime) -> None:
        os.pwrite(self._file, f"{time.isoformat(timespec='microseconds')}\n".encode(), 0)

    def close(self) -> None:
        os.close(self._file)


def _read(path: Path) -> datetime | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
        time = datetime.fromisoformat(text) if text else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(
            f"The clock's file {path} holds no time ({error}): remove it and the plant begins anew."
        ) from error
    if time is not None and time.tzinfo is None:
        raise BadInput(
            f"The clock's file {path} holds a time without a zone: remove it and the plant begins anew."
        )
    return time
