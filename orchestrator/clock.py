"""Process time is a port: real UTC, the virtual clock of a simulated plant, or one inside a test.

Everything in the engine that waits for process time waits here. Sign-ins, tickets, certificates and
link time-outs use real time instead.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self, TypeVar, assert_never

from batches.errors import BadInput, Refused
from devices.base import DeviceUnreachable
from devices.clock_protocol import (
    FROM_CLOCK,
    LINE_LIMIT,
    Advance,
    Busy,
    Confirm,
    Hello,
    Kind,
    Lines,
    Refusal,
    Release,
    Report,
    Tick,
    Welcome,
    decode,
    encode,
)
from orchestrator.activity import Activity, nothing_ready, settle
from orchestrator.sleepers import Marked, Told, check_aware

LOOK_AGAIN = 60.0  # s: the machine's clock may be set while something waits for it
ANSWER_WITHIN = 5.0  # s, real time, for one attempt to reach the plant's clock
RETRY_FIRST, RETRY_MOST = 0.05, 1.0  # s, real time, between attempts; doubles

T = TypeVar("T")


class ProcessClock(Protocol):
    """Process time for the engine; a driver sees the part of it that is `devices.base.Clock`."""

    @property
    def virtual(self) -> bool: ...
    @property
    def activity(self) -> Activity: ...
    def now(self) -> datetime:
        """UTC, aware; it never goes back."""
        ...

    async def sleep_until(self, when: datetime) -> None: ...
    async def wait(self, future: "asyncio.Future[Any]", until: datetime | None = None) -> bool:
        """Wait for a future (a person's answer) or a due time, whichever comes first.

        Returns whether the future is done. It leaves the future alone: result and exception are the
        caller's to fetch.
        """
        ...

    @property
    def published(self) -> str:
        """The mark of the last event published."""
        ...

    def publish(self) -> str:
        """Count one event that goes to every listener; give its mark, the event's id on the wire.

        A listener that joins is first sent `published`: the clock jumps only when the people that
        live by it have said that they processed the last mark.
        """
        ...


class RealClock(Marked):
    """UTC of the machine. It follows the machine's clock where that is set."""

    virtual = False

    def __init__(self) -> None:
        super().__init__(secrets.token_hex(4))

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        check_aware(when)
        while (left := (when - self.now()).total_seconds()) > 0:  # noqa: ASYNC110  (nobody sets an event)
            await asyncio.sleep(min(left, LOOK_AGAIN))

    async def wait(self, future: "asyncio.Future[Any]", until: datetime | None = None) -> bool:
        if until is not None:
            check_aware(until)
        while not future.done():
            left = LOOK_AGAIN if until is None else (until - self.now()).total_seconds()
            if left <= 0:
                break
            await asyncio.wait([future], timeout=min(left, LOOK_AGAIN))
        return future.done()


class InlineClock(Told):
    """Virtual time inside one process, without sockets: for tests and crash simulation.

    Deterministic: sleepers with the same due time wake in the order in which they lay down.
    """

    def __init__(self, start: datetime) -> None:
        super().__init__(start, "inline")

    async def settle(self) -> None:
        """Return when everybody else on this event loop sleeps or waits for an answer."""
        await self.activity.rest()

    def advance(self) -> bool:
        """Jump to the next wake-up; False if there is none. `settle` first."""
        due = self.next_due()
        if due is None:
            return False
        self.move(due)
        return True

    async def run_until_idle(self, until: datetime | None = None) -> None:
        """Jump until nobody sleeps any more, or the next wake-up lies after `until`."""
        while True:
            await self.settle()
            due = self.next_due()
            if due is None or (until is not None and due > until):
                return
            self.move(due)

    async def drive(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end, jumping whenever everybody sleeps.

        Raises Refused when nothing is left that could wake it up.
        """
        task = asyncio.ensure_future(work)
        try:
            while True:
                await self.settle()
                if task.done():
                    return task.result()
                if not self.advance():
                    raise Refused(
                        f"Nothing can happen any more at {self._now.isoformat()}, and the work is not done: "
                        "it waits for something that nobody will bring."
                    )
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])


class _Link(Lines):
    """The participant's end of the connection to the plant's clock."""

    adapter = FROM_CLOCK

    def __init__(self, clock: "VirtualClock") -> None:
        super().__init__()
        self._clock = clock
        self.welcome: asyncio.Future[Welcome] = asyncio.get_running_loop().create_future()
        self.trouble = "The plant closed the connection."

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.welcome.done():
            self.welcome.set_exception(DeviceUnreachable(self.trouble))
        self._clock.lost(self)

    def received(self, word: Any) -> None:
        match word:
            case Welcome():
                self._clock.welcomed(self, word)
                self.welcome.set_result(word)
            case Refusal(text=text):
                self.trouble = text
                self.hang_up()
            case Tick() | Confirm() | Release():
                self._clock.told(word)
            case _:
                assert_never(word)

    def garbage(self, text: str) -> None:
        self.trouble = text
        self.hang_up()


class VirtualClock(Told):
    """The engine's view of the plant's virtual clock. Made by `VirtualClock.connect`.

    While the plant is away the time stands still, and the clock keeps trying; `trouble` says so.
    `away` says since when and until when no engine ran, if the plant's clock saw the last one leave.
    `overtaken` counts the jumps that came while something was under way here: none, as long as all
    that comes from outside goes through `activity.request`.
    """

    kind: Kind = "engine"

    def __init__(self, address: str, name: str, floor: datetime) -> None:
        super().__init__(floor, secrets.token_hex(4))
        self.trouble: str | None = "It was not tried yet."
        self._address = _parse(address)
        self._name = name
        self._link: _Link | None = None
        self.away: tuple[datetime, datetime] | None = None
        self.overtaken = 0
        self._asked = 0  # the round that waits for our answer, or has our promise
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def connect(
        cls, address: str, *, name: str | None = None, floor: datetime | None = None, patience: float = 5.0
    ) -> Self:
        """Join the clock at `host:port`, trying for `patience` real seconds.

        `floor` is the latest time that is on record: the plant goes there if it is behind. Raises
        DeviceUnreachable, with what the plant last said.
        """
        clock = cls(address, name or cls.kind, floor or datetime.min.replace(tzinfo=UTC))
        ends = asyncio.get_running_loop().time() + patience
        pause = RETRY_FIRST
        while not await clock._reach():
            if asyncio.get_running_loop().time() + pause > ends:
                raise DeviceUnreachable(f"The plant's clock at {address} cannot be joined: {clock.trouble}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_MOST)
        clock._spawn(clock._keep_reporting())
        return clock

    async def close(self) -> None:
        """Leave the clock. Who still sleeps sleeps on: cancel them first."""
        link, self._link = self._link, None
        self.trouble = "This clock was closed."
        if link is not None:
            link.hang_up()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The connection

    async def _reach(self) -> bool:
        """Try once to connect and be welcomed; `trouble` says why not."""
        link = _Link(self)
        host, port = self._address
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await asyncio.get_running_loop().create_connection(lambda: link, host, port)
                link.send(Hello(kind=self.kind, name=self._name, floor=self._now))
                await link.welcome
        except (OSError, TimeoutError) as error:
            why = os.strerror(error.errno) if error.errno else "It does not answer"
            self.trouble = f"{why}. Start the plant first (kweek plant), or correct the address."
        except DeviceUnreachable as error:
            self.trouble = str(error)
        finally:
            if self._link is not link:
                link.hang_up()
        return self._link is link

    def welcomed(self, link: _Link, word: Welcome) -> None:
        self._link = link
        self.trouble = None
        self.away = None if word.alone_since is None else (word.alone_since, word.now)
        self._advance(word.now)

    def lost(self, link: _Link) -> None:
        if link is self._link:
            self._link = None
            self.trouble = link.trouble
            self.activity.free()
            self._spawn(self._keep_reaching())

    async def _keep_reaching(self) -> None:
        pause = RETRY_FIRST
        while not await self._reach():
            await asyncio.sleep(pause)
            pause = min(pause * 2, RETRY_MOST)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.trouble = f"Its own part of the agreement failed ({error}): the time stands."
            raise error  # the event loop's exception handler says so

    # The agreement

    def told(self, word: Tick | Confirm | Release) -> None:
        match word:
            case Tick():
                self._advance(word.now)
            case Release():
                self._asked = 0
                self.activity.free()
                self.activity.changed.set()
            case Confirm(round=number):
                self._asked = number
                if self.activity.busy or nothing_ready(asyncio.get_running_loop()):
                    self._answer(number)
                else:
                    self._spawn(self._answer_settled(number))

    def _advance(self, now: datetime) -> None:
        if now > self._now:
            self.overtaken += self.activity.busy
        self._asked = 0
        self.activity.free()
        self.activity.changed.set()
        self.move(now)

    async def _answer_settled(self, number: int) -> None:
        await settle()
        self._answer(number)

    def _answer(self, number: int) -> None:
        """Confirm, or say that something is under way; never wait for it, as it may wait for others."""
        if self._link is None or self._asked != number:  # the round is over
            return
        if self.activity.busy:
            self._link.send(Busy(round=number))
        else:
            self.activity.promise()
            self._link.send(self._report(number))

    async def _keep_reporting(self) -> None:
        """Report at every rest that follows anything."""
        while True:
            await self.activity.changed.wait()
            await self.activity.rest()
            self.activity.changed.clear()
            if self._link is not None:
                self._link.send(self._report(0))

    def _report(self, number: int) -> Report:
        return Report(
            round=number,
            next=self.next_due(),
            mark=self._mark(),
            asks=self.activity.asks(),
        )

    def _mark(self) -> str:
        return self.published


class PeopleClock(VirtualClock):
    """The view of those who act the people. They listen to one stream of the engine's events."""

    kind: Kind = "people"
    _seen = ""

    @asynccontextmanager
    async def event(self, mark: str) -> AsyncIterator[None]:
        """Process the event with this mark (its id on the wire) inside; do so for every event, in order.

        It waits for a jump that is under way: the event of one who was told the new time first must
        not be processed in the old.
        """
        async with self.activity.request():
            self._seen = mark
            yield

    def _mark(self) -> str:
        return self._seen


async def let_pass(address: str, by: timedelta) -> datetime:
    """Simulate an outage on a plant's clock: time passes while no engine runs. Gives the new time.

    Raises Refused while an engine runs, BadInput for a time or address that is none, DeviceUnreachable.
    """
    host, port = _parse(address)
    if not timedelta(0) < by <= timedelta(days=366):
        raise BadInput(f"A clock cannot be advanced by {by}: give a time above 0 and of at most 366 days.")
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            reader, writer = await asyncio.open_connection(host, port, limit=LINE_LIMIT)
            writer.write(encode(Advance(by=by)))
            line = await reader.readline()
            writer.close()
    except (OSError, TimeoutError) as error:
        raise DeviceUnreachable(
            f"No plant's clock answers at {address}: start the plant with --virtual."
        ) from error
    match decode(FROM_CLOCK, line):
        case Tick(now=now):
            return now
        case Refusal(text=text):
            raise Refused(text)
        case _:
            raise DeviceUnreachable(f"What answers at {address} is no plant's clock of this Kweek.")


def _parse(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise BadInput(f"'{address}' is no address of a clock: write host:port, as in 127.0.0.1:4850.")
    return host, int(port)
