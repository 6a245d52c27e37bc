"""A device whose driver lives in a process of its own (`devices/host.py`): the end in the engine.

The event loop never waits for the driver. A host that ends, falls silent or does not answer in time
is ended, and started anew by the next call: a call that may have acted then raises OutcomeUnknown,
one that only asks raises DeviceUnreachable.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from batches.errors import BadInput, KweekError, NotFound
from batches.plain import PlainDict, canonical, dict_in, from_json, text_in, whole_in
from batches.quantities import Quantity
from devices import wire
from devices.base import (
    Clock,
    DeviceFault,
    DeviceProtocolError,
    DeviceRefused,
    DeviceUnreachable,
    Identity,
    Outcome,
    OutcomeUnknown,
    Reading,
    Repeatability,
)
from devices.host import BEAT, LONGEST_LINE, answer_within
from devices.unit import Unit, check_identity

# Real time, in seconds.
CONNECT_WITHIN = 60.0
ANSWER_WITHIN = 15.0
END_WITHIN = 5.0
SILENT_BEATS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""After a host could not be started, the next try waits; the wait doubles."""

ROOT = str(Path(__file__).resolve().parent.parent)
"""Where a host finds the packages, installed or not."""
ERRORS: Mapping[str, type[KweekError]] = {
    kind.__name__: kind
    for kind in (
        DeviceRefused,
        DeviceFault,
        DeviceUnreachable,
        OutcomeUnknown,
        DeviceProtocolError,
        BadInput,
        NotFound,
    )
}


class _Process:
    """One running host and the calls it owes an answer."""

    def __init__(self, process: asyncio.subprocess.Process, unit: str) -> None:
        self.process = process
        self.unit = unit
        self._calls = 0
        self._owed: dict[int, asyncio.Future[PlainDict | None]] = {}
        """None: the pipe ended without an answer."""
        self._said: deque[str] = deque(maxlen=5)
        self._silent = 0
        self._heard = asyncio.Event()
        self._tasks = [
            asyncio.create_task(work) for work in (self._listen(), self._keep_errors(), self._watch())
        ]

    @property
    def alive(self) -> bool:
        return self.process.returncode is None and not self._tasks[0].done()

    async def call(self, name: str, arguments: PlainDict, within: float, *, acts: bool) -> PlainDict:
        """The answer to a call. Raises what the driver raised, or what no answer means for such a call."""
        if not self.alive:
            raise DeviceUnreachable(f"The process of {self.unit} ended; the call was not sent, try it again.")
        self._calls += 1
        answer = self._owed[self._calls] = asyncio.get_running_loop().create_future()
        line = canonical({"id": self._calls, "call": name, **arguments}) + b"\n"
        assert self.process.stdin is not None
        try:
            async with asyncio.timeout(within):
                self.process.stdin.write(line)
                await self.process.stdin.drain()
                message = await answer
        except TimeoutError as error:
            raise await self._given_up(f"did not answer '{name}' within {within:g} s", acts) from error
        except ConnectionError:
            message = None
        if message is None:
            raise await self._given_up(f"ended in '{name}'", acts)
        return _reply(message, acts, self.unit)

    async def end(self, within: float = END_WITHIN) -> None:
        """Close the pipe, wait for what runs, then end the process whatever it does."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            async with asyncio.timeout(within):
                await self.process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        self._tasks[2].cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _given_up(self, reason: str, acts: bool) -> KweekError:
        await self.end(0)
        said = f" It last said: {' | '.join(self._said)}" if self._said else ""
        if acts:
            return OutcomeUnknown(
                f"The process of {self.unit} {reason}; whether the command was carried out is not known.{said}"
            )
        return DeviceUnreachable(f"The process of {self.unit} {reason}; try again.{said}")

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        try:
            while line := await self.process.stdout.readline():
                self._silent = 0
                self._heard.set()
                self._take(line)
        finally:  # the end of the pipe, or a line that is none
            for answer in self._owed.values():
                if not answer.done():
                    answer.set_result(None)

    def _take(self, line: bytes) -> None:
        message = dict_in({"line": from_json(line)}, "line")
        if "beat" in message:
            return
        answer = self._owed.pop(whole_in(message, "id"), None)
        if answer is not None and not answer.done():
            answer.set_result(message)

    async def _keep_errors(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self._said.append(line.decode("utf-8", "replace").strip()[:200])

    async def _watch(self) -> None:
        """End a host that falls silent after its first word. Our own ticks are counted, so that a stillness
        of ours is not taken for one of its."""
        await self._heard.wait()
        while self._silent < SILENT_BEATS:
            await asyncio.sleep(BEAT)
            self._silent += 1
        with suppress(ProcessLookupError):
            self.process.kill()


class Hosted:
    """A unit whose driver lives in a host. `repeats` answers `repeatability` for that driver."""

    def __init__(
        self, unit: Unit, clock: Clock, folder: Path, repeats: Callable[[str], Repeatability]
    ) -> None:
        self.unit = unit
        self._clock = clock
        self._folder = folder
        self._repeats = repeats
        self._longest = answer_within(unit)
        self._process: _Process | None = None
        self._connected = False
        self._starting = asyncio.Lock()
        self._pause = 0.0
        self._not_before = 0.0

    @property
    def pid(self) -> int | None:
        """The process id of the running host."""
        return self._process.process.pid if self._process is not None and self._process.alive else None

    async def connect(self) -> Identity:
        async with self._starting:
            await self.close()
            return await self._connect(await self._start())

    async def close(self) -> None:
        process, self._process, self._connected = self._process, None, False
        if process is not None:
            await process.end()

    async def read(self, tag: str) -> Reading:
        return wire.reading(dict_in(await self._call("read", {"tag": tag}), "reply"))

    async def set(self, tag: str, value: Quantity, command_id: str) -> None:
        await self._call("set", {"tag": tag, "value": value.plain(), "command": command_id}, acts=True)

    async def do(self, action: str, command_id: str, parameters: Mapping[str, object]) -> Outcome:
        asked: PlainDict = {
            "action": action,
            "command": command_id,
            "parameters": wire.plain(parameters),
        }
        answer = await self._call("do", asked, self._longest, acts=True)
        return wire.outcome(dict_in(answer, "reply"))

    async def command_status(self, command_id: str) -> Outcome:
        """What the command log says, even while another process still works with the unit."""
        async with self._starting:
            process = await self._running()
        asked = self._asked({"command": command_id})
        answer = await process.call("command_status", asked, ANSWER_WITHIN, acts=False)
        return wire.outcome(dict_in(answer, "reply"))

    async def safe(self, state: str, command_id: str) -> None:
        await self._call("safe", {"state": state, "command": command_id}, acts=True)

    async def stop(self) -> None:
        """Stop the command that runs. A driver that does not hear is ended with its process."""
        if not self._connected or self.pid is None:
            return
        try:
            await self._call("stop", {}, END_WITHIN)
        except DeviceUnreachable as error:
            raise DeviceFault(
                f"{self.unit.id} did not hear the stop and its process was ended; use the stop of the instrument."
            ) from error

    def repeatability(self, action: str) -> Repeatability:
        return self._repeats(action)

    async def _call(
        self, name: str, arguments: PlainDict, within: float = ANSWER_WITHIN, *, acts: bool = False
    ) -> PlainDict:
        """Call the driver, connected, and let process time pass as it says."""
        async with self._starting:
            process = await self._running()
            if not self._connected:
                await self._connect(process)
        try:
            answer = await process.call(name, self._asked(arguments), within, acts=acts)
        except OutcomeUnknown:
            await process.end()  # a fresh process reads in the command log what it may rely on
            raise
        until = datetime.fromisoformat(text_in(answer, "until"))
        if until > self._clock.now():
            await self._clock.sleep_until(until)
        return answer

    def _asked(self, arguments: PlainDict) -> PlainDict:
        return {"now": self._clock.now().isoformat(), **arguments}

    async def _connect(self, process: _Process) -> Identity:
        answer = await process.call("connect", self._asked({}), CONNECT_WITHIN, acts=False)
        identity = wire.identity(dict_in(answer, "reply"))
        check_identity(self.unit, identity)
        self._connected, self._pause = True, 0.0
        return identity

    async def _running(self) -> _Process:
        """The running host; a new one, unconnected, if there is none."""
        if self._process is not None and self._process.alive:
            return self._process
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            raise DeviceUnreachable(
                f"The process of {self.unit.id} could not be started; it is tried again in {self._pause:g} s."
            )
        await self.close()
        try:
            return await self._start()
        except DeviceUnreachable:
            self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            self._not_before = loop.time() + self._pause
            raise

    async def _start(self) -> _Process:
        path = os.pathsep.join(filter(None, (ROOT, os.environ.get("PYTHONPATH", ""))))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "devices.host",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C in the terminal is for the engine, which ends its hosts in order
        )
        self._process = _Process(process, self.unit.id)
        unit: PlainDict = {
            "unit": self.unit.written,
            "where": self.unit.where,
            "folder": str(self._folder),
        }
        try:
            await self._process.call("open", unit, CONNECT_WITHIN, acts=False)
        except DeviceUnreachable as error:
            raise DeviceUnreachable(f"The process of {self.unit.id} could not be started. {error}") from error
        return self._process


def _reply(message: PlainDict, acts: bool, unit: str) -> PlainDict:
    if "error" not in message:
        return message
    kind, text = text_in(message, "error"), text_in(message, "text")
    if kind in ERRORS:
        raise ERRORS[kind](text)
    if acts:
        raise OutcomeUnknown(
            f"The driver of {unit} failed in the middle of a command ({text}); look what was done."
        )
    raise DeviceFault(f"The driver of {unit} failed ({text}); report it.")
