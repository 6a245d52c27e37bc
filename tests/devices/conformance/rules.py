"""The rules. Each is given a served unit and a connected driver, and fails by AssertionError."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol, runtime_checkable
from uuid import uuid4

from batches.errors import KweekError
from devices.base import (
    Device,
    DeviceProtocolError,
    DeviceRefused,
    DeviceUnreachable,
    OutcomeUnknown,
)
from devices.unit import check_identity
from tests.devices.conformance.convention import Served, StandingClock, begun, to_its_end

Rule = Callable[[Served, Device], Awaitable[None]]
LONGEST_LAG = 0.05  # s: no call may keep the event loop longer
TRIES = 3
"""A loaded machine may take the processor away once; a driver that blocks does so each time."""


@runtime_checkable
class Holding(Protocol):
    """A driver that can let a programme stand still."""

    async def hold(self) -> None: ...
    async def unhold(self) -> None: ...


async def repeated_id_acts_once(served: Served, device: Device) -> None:
    """The same command id, at once, after its end, and over a new link, is one act with one outcome."""
    action, given = served.short
    before, command = await served.acted(), str(uuid4())
    first = await to_its_end(served, device.do(action, command, given))
    assert first.status == "done", first.text
    assert await to_its_end(served, device.do(action, command, given)) == first
    await device.close()
    await device.connect()
    assert await to_its_end(served, device.do(action, command, given)) == first
    assert await served.acted() == before + 1


async def status_by_id(served: Served, device: Device) -> None:
    """What is done is 'done' with its results; what was never sent is 'not_seen', or 'unknown'."""
    action, given = served.short
    command = str(uuid4())
    assert (await device.command_status(command)).status in ("not_seen", "unknown")
    outcome = await to_its_end(served, device.do(action, command, given))
    told = await device.command_status(command)
    assert (told.status, told.results) == (outcome.status, outcome.results)


async def lost_reply_is_in_doubt(served: Served, device: Device) -> None:
    """A reply that is lost ends in OutcomeUnknown; the truth is told by id; nothing is done twice."""
    action, given = served.short
    before, command = await served.acted(), str(uuid4())
    await served.inject("lose_reply")
    try:
        await to_its_end(served, device.do(action, command, given))
    except OutcomeUnknown:
        pass
    else:
        raise AssertionError("the reply was lost, and the driver was sure of the outcome")
    assert await served.acted() == before + 1
    assert (await device.command_status(command)).status in ("running", "done", "unknown")
    try:
        again = await to_its_end(served, device.do(action, command, given))
        assert again.status == "done", again.text
    except OutcomeUnknown:  # still in doubt, which is honest
        pass
    assert await served.acted() == before + 1


async def restart_is_not_forgetting(served: Served, device: Device) -> None:
    """A command begun by a unit that lost its memory is 'unknown', never 'not_seen'."""
    action, given = served.long
    command = str(uuid4())
    task = await begun(served, device.do(action, command, given))
    await served.restart()
    try:
        await task
    except OutcomeUnknown:
        pass
    else:
        raise AssertionError("the unit died in the middle of a command, and the driver was sure of it")
    told = await device.command_status(command)
    assert told.status == "unknown", f"the driver says '{told.status}' of a command that was begun"


async def stop_during_a_command(served: Served, device: Device) -> None:
    """A stop ends what runs, and the command says so."""
    action, given = served.long
    command = str(uuid4())
    task = await begun(served, device.do(action, command, given))
    await device.stop()
    outcome = await to_its_end(served, task)
    assert outcome.status == "failed", f"it was stopped, and the driver says '{outcome.status}'"
    assert not await served.busy()
    await device.stop()  # nothing to stop is no error


async def hold_during_a_command(served: Served, device: Device) -> None:
    """A held command stands still however long; resumed it goes on to its end."""
    assert isinstance(device, Holding), "it can be held by nobody; say so in `excused`"
    action, given = served.long
    task = await begun(served, device.do(action, str(uuid4()), given))
    await device.hold()
    await served.after(3600)
    await asyncio.sleep(0.1)
    assert not task.done(), "it went on while it was held"
    await device.unhold()
    assert (await to_its_end(served, task)).status == "done"


async def quality_turns_stale(served: Served, device: Device) -> None:
    """A probe that stands still is good until its limit, then stale; a new value is good again."""
    assert (await device.read(served.tag)).quality == "good"
    await served.inject("freeze_value", served.tag)
    frozen = await device.read(served.tag)
    await served.after(30)
    assert (await device.read(served.tag)).quality == "good"
    await served.after(40)
    stale = await device.read(served.tag)
    assert (stale.quality, stale.value, stale.at) == ("stale", frozen.value, frozen.at)
    await served.inject("clear")
    await served.after(1)
    assert (await device.read(served.tag)).quality == "good"


async def reconnect_restores(served: Served, device: Device) -> None:
    """After a broken link the next calls work, without anybody connecting again."""
    await device.read(served.tag)
    await served.inject("disconnect", "0.2")
    await asyncio.sleep(0.3)
    ends = time.monotonic() + 15
    while True:
        try:
            await device.read(served.tag)
            break
        except DeviceUnreachable:
            assert time.monotonic() < ends, "the link was never mended"
    action, given = served.short
    outcome = await to_its_end(served, device.do(action, str(uuid4()), given))
    assert outcome.status == "done", outcome.text


async def loop_is_never_blocked(served: Served, device: Device) -> None:
    """Connect, read, act, and a late answer: none keeps the event loop for more than 50 ms."""
    lags: list[float] = []
    for _ in range(TRIES):
        async with measured_lag() as lag:
            await device.close()
            await device.connect()
            await device.read(served.tag)
            if "delay" not in served.excused:
                await served.inject("delay", "0.3")
            action, given = served.short
            await to_its_end(served, device.do(action, str(uuid4()), given))
        lags.append(max(lag))
        if lags[-1] <= LONGEST_LAG:
            return
    raise AssertionError(f"the event loop stood still for {min(lags) * 1000:.0f} ms in each of {TRIES} tries")


async def errors_are_of_one_tree(served: Served, device: Device) -> None:
    """What cannot be is DeviceRefused, a device that is away is DeviceUnreachable, each with a sentence."""
    before = await served.acted()
    await refused(device.do("dance", str(uuid4()), {}), DeviceRefused)
    await refused(device.read("charm"), KweekError)
    if served.set_point is not None:
        tag, _, impossible = served.set_point
        await refused(device.set(tag, impossible, str(uuid4())), DeviceRefused)
    if "refuse" not in served.excused:
        await served.inject("refuse")
        action, given = served.short
        await refused(device.do(action, str(uuid4()), given), DeviceRefused)
    assert await served.acted() == before
    if "absent" not in served.excused:
        away = served.absent(StandingClock(served))
        await refused(away.connect(), DeviceUnreachable)
        await away.close()


async def another_identity_is_refused(served: Served, device: Device) -> None:
    """A device that is not the one of the plant file is refused before anything is asked of it."""
    del device
    other = served.driver(StandingClock(served), serial="ANOTHER-1")
    try:
        found = await other.connect()
        check_identity(served.unit("ANOTHER-1"), found)  # as the engine does at every connect
        sentence = "it was taken"
    except DeviceProtocolError as error:
        sentence = str(error)
    finally:
        await other.close()
    assert "ANOTHER-1" in sentence, f"another serial number than the qualified one: {sentence}"


async def refused(work: Awaitable[object], kind: type[KweekError]) -> None:
    """`work` must raise `kind`, with a sentence."""
    try:
        await work
        sentence = ""
    except kind as error:
        sentence = str(error)
    assert sentence, f"it was taken, not {kind.__name__}"
    assert len(sentence) > len("It does not work."), f"this says nothing: {sentence}"


@asynccontextmanager
async def measured_lag() -> AsyncIterator[list[float]]:
    """How late (s) the event loop is, all the while."""
    lags: list[float] = []

    async def look() -> None:
        while True:
            begun_at = time.monotonic()
            await asyncio.sleep(0.005)
            lags.append(time.monotonic() - begun_at - 0.005)

    looking = asyncio.create_task(look())
    try:
        yield lags
    finally:
        looking.cancel()


RULES: Mapping[str, Rule] = {
    "repeated id acts once": repeated_id_acts_once,
    "status by id": status_by_id,
    "lost reply is in doubt": lost_reply_is_in_doubt,
    "stop during a command": stop_during_a_command,
    "hold during a command": hold_during_a_command,
    "quality turns stale": quality_turns_stale,
    "reconnect restores": reconnect_restores,
    "loop is never blocked": loop_is_never_blocked,
    "errors are of one tree": errors_are_of_one_tree,
    "another identity is refused": another_identity_is_refused,
    "restart is not forgetting": restart_is_not_forgetting,
}
"""In this order: the last one leaves the unit without its memory."""
