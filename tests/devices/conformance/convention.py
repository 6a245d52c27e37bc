"""What a driver must bring to be put through the suite: a file served/<driver file>.py with `serve`.

    def serve(folder: Path) -> AsyncContextManager[Served] | str

`Served` is one unit of a kind the driver knows, behind its real protocol. A driver for which no device
can be asked gives a sentence instead, which the matrix shows for every rule.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from batches.quantities import Quantity
from devices.base import Clock, Device, Outcome
from devices.unit import Unit

Asked = tuple[str, Mapping[str, object]]
"""An action with its parameters."""


class Served(Protocol):
    """A served unit and what the suite does with it."""

    tag: str
    """Something that is measured."""
    set_point: tuple[str, Quantity, Quantity] | None
    """A tag with a set-point it takes and one it cannot take; None: it has no set-points."""
    prepare: Asked | None
    """What must be done once before `short`; None: nothing."""
    short: Asked
    """What can be done again and again."""
    long: Asked
    """What takes long enough to be stopped."""
    excused: Mapping[str, str]
    """Rules that cannot apply to this driver, each with the reason."""

    def unit(self, serial: str = "") -> Unit:
        """The unit as a plant file describes it; `serial`: what is expected instead of the true one."""
        ...

    def driver(self, clock: Clock, *, serial: str = "") -> Device:
        """A new driver, not connected; `serial`: what the plant file expects instead of the true one."""
        ...

    def absent(self, clock: Clock) -> Device:
        """A driver whose device is not there."""
        ...

    def now(self) -> datetime: ...
    async def after(self, seconds: float) -> None:
        """Let process time pass at the unit."""
        ...

    async def inject(self, fault: str, argument: str = "") -> None:
        """A fault of `devices.servers.faults`: refuse, delay, lose_reply, disconnect, freeze_value, clear."""
        ...

    async def acted(self) -> int:
        """How often the unit began something, as the unit itself knows."""
        ...

    async def busy(self) -> bool:
        """Whether it does something now."""
        ...

    async def restart(self) -> None:
        """End the process of the unit abruptly, and start it without its memory of commands."""
        ...


class StandingClock:
    """Process time that stands until the suite lets it pass: what sleeps really waits."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def now(self) -> datetime:
        return self._served.now()

    async def sleep_until(self, when: datetime) -> None:
        while self.now() < when:  # noqa: ASYNC110  the time is another process's, nobody sets an event
            await asyncio.sleep(0.005)


async def to_its_end(served: Served, work: Awaitable[Outcome]) -> Outcome:
    """What `work` gives, while process time passes."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), 0.02)
        if not task.done():
            await served.after(60)
    return await task


async def begun(served: Served, work: Awaitable[Any]) -> "asyncio.Task[Any]":
    """`work` under way, once the unit is busy with it."""
    task = asyncio.ensure_future(work)
    while not await served.busy():
        if task.done():
            await task
            raise AssertionError("the command ended before the unit was seen busy")
        await asyncio.sleep(0.005)
    return task
