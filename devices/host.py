"""A device host: one driver that blocks or keeps global state, in a process of its own.

    python -m devices.host        (started by devices/hosted.py, which is the other end of the pipe)

Lines of JSON, at most 8 MiB each. In on standard input:
    {"id": 1, "call": "open", "unit": {…}, "where": "…", "folder": "…"}     first, once
    {"id": 2, "call": "do", "now": time, "action": …, "command": …, "parameters": {…}}
Out:
    {"id": 2, "reply": {…}, "until": time}       or        {"id": 2, "error": "DeviceRefused", "text": …}
    {"beat": true}                               every second, from the thread that does not wait for the driver

Process time stays with the parent: each call brings its `now`, the driver's sleeps return at once, and
the reply carries the time until which the parent has to let time pass. The driver runs in a thread with
its own event loop, so that beats go out and `stop` comes in while it blocks. At the end of standard
input (the parent closed it, or is gone) a running command is carried to its end and logged, within the
time an action may take; then the host ends.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any

from batches.errors import BadInput, KweekError
from batches.plain import Plain, PlainDict, canonical, dict_in, from_json, text_in, whole_in
from batches.quantities import duration, from_plain, parse
from devices import wire
from devices.base import Device
from devices.unit import Unit, unit_from

LONGEST_LINE = 8 * 1024 * 1024
BEAT = 1.0
"""Seconds of real time."""
LONGEST_ACTION = "2 h"
"""Default of the option `answer_within` of a unit: the longest an action may take in real time."""


@dataclass(slots=True)
class _Moment:
    now: datetime


_moment: ContextVar[_Moment] = ContextVar("moment")


class HostClock:
    """The process time of the call that is being served; sleeping moves it, the parent does the waiting."""

    def now(self) -> datetime:
        return _moment.get().now

    async def sleep_until(self, when: datetime) -> None:
        moment = _moment.get()
        moment.now = max(moment.now, when)


def make_hosted(unit: Unit, folder: Path) -> Device:
    """The driver that lives in a host for this unit. Raises BadInput."""
    match unit.driver:
        case "liquid_handler":
            from devices.drivers.liquid_handler import LiquidHandler

            return LiquidHandler(unit, HostClock(), folder)
        case "sila2":
            from devices.sila_client import SilaClient

            return SilaClient(unit, HostClock())
        case driver:
            raise BadInput(f"The driver '{driver}' of {unit.id} does not live in a device host.")


def answer_within(unit: Unit) -> float:
    """The longest an action of this unit may take, in seconds of real time. Raises BadInput."""
    written = unit.options.get("answer_within", LONGEST_ACTION)
    try:
        return duration(parse(str(written))).total_seconds()
    except BadInput as error:
        raise BadInput(f"{unit.where}: 'answer_within' of {unit.id} is no time ({error}).") from error


class Host:
    """Serves the lines of one pipe."""

    def __init__(self, out: int) -> None:
        self._out = out
        self._device: Device | None = None
        self._loop = asyncio.new_event_loop()
        self._running: set[asyncio.Task[None]] = set()
        self._longest = 0.0

    async def serve(self, lines: asyncio.StreamReader) -> None:
        """Serve until the end of `lines`, then let what runs come to its end."""
        Thread(target=self._loop.run_forever, daemon=True).start()
        beats = asyncio.create_task(self._beat())
        while line := await lines.readline():
            task = asyncio.create_task(self._serve(line))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        late: set[asyncio.Task[None]] = set()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=self._longest)
        beats.cancel()
        if self._device is not None and not late:  # a driver that hangs would not hear it
            await self._in_driver(self._device.close())

    async def _beat(self) -> None:
        while True:
            self._send({"beat": True})
            await asyncio.sleep(BEAT)

    async def _serve(self, line: bytes) -> None:
        call = from_json(line)
        if not isinstance(call, dict):
            raise BadInput("A line of the parent is no object.")
        answer: PlainDict
        try:
            answer = await self._answer(call)
        except KweekError as error:
            answer = {"error": type(error).__name__, "text": str(error)}
        except Exception as error:  # a mistake in the driver: the parent must hear of it, whatever it is
            answer = {"error": "bug", "text": f"{type(error).__name__}: {error}"}
        number = whole_in(call, "id")
        try:
            self._send({"id": number, **answer})
        except BadInput as error:  # text of a library that is no proper Unicode
            self._send({"id": number, "error": "bug", "text": ascii(str(error))})

    async def _answer(self, call: PlainDict) -> PlainDict:
        if call["call"] == "open":
            unit = unit_from(dict_in(call, "unit"), text_in(call, "where"))
            self._longest = answer_within(unit)
            self._device = make_hosted(unit, Path(text_in(call, "folder")))
            return {"reply": None}
        if self._device is None:
            raise BadInput("The first call to a device host is 'open'.")
        moment = _Moment(datetime.fromisoformat(text_in(call, "now")))
        _moment.set(moment)
        reply = await self._in_driver(_call(self._device, call))
        return {"reply": reply, "until": moment.now.isoformat()}

    async def _in_driver(self, work: Coroutine[Any, Any, Any]) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def _send(self, message: PlainDict) -> None:
        data = canonical(message) + b"\n"
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except BrokenPipeError:  # the parent is gone; the command log says what was done
            pass


async def _call(device: Device, call: PlainDict) -> Plain:
    match call["call"]:
        case "connect":
            return wire.plain_identity(await device.connect())
        case "read":
            return wire.plain_reading(await device.read(text_in(call, "tag")))
        case "set":
            value = from_plain(call.get("value"))
            return await device.set(text_in(call, "tag"), value, text_in(call, "command"))
        case "do":
            parameters = wire.values(dict_in(call, "parameters"))
            outcome = await device.do(text_in(call, "action"), text_in(call, "command"), parameters)
            return wire.plain_outcome(outcome)
        case "command_status":
            return wire.plain_outcome(await device.command_status(text_in(call, "command")))
        case "safe":
            return await device.safe(text_in(call, "state"), text_in(call, "command"))
        case "stop":
            return await device.stop()
        case other:
            raise BadInput(f"A device host knows no call '{other}'.")


async def _main(out: int) -> None:
    lines = asyncio.StreamReader(limit=LONGEST_LINE)
    protocol = asyncio.StreamReaderProtocol(lines)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await Host(out).serve(lines)


def main() -> None:
    """Serve standard input. What a library prints must not reach the pipe, so it is thrown away."""
    out = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    asyncio.run(_main(out))


if __name__ == "__main__":
    main()
