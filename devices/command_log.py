"""The append-only log of the commands of one unit: its memory of what it was asked and what it did.

One line of canonical JSON each: {"n": 12, "kind": "started", "command": id, …}. A command is

    started  …  moved, tips and other notes of the driver  …  finished (done or failed)
    refused                    nothing was done
    started  …  interrupted    it has no known end: written when the log is opened after a crash

`started` is on the disk before anything is sent to the instrument, and `finished` before the caller
is told, so that 'not seen', 'done' and 'failed' are definite. A command that was started and has no
end is 'running' while another process holds the log, and 'unknown' for ever after.
One process at a time holds the log.
"""

import fcntl
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from batches.errors import KweekError
from batches.plain import PlainDict, canonical, dict_in, from_json, text_in, whole_in
from devices import wire
from devices.base import DeviceFault, DeviceUnreachable, Outcome

ENDS = ("finished", "refused", "interrupted")


class CommandLog:
    """The log in the file `path`; `unit` is its unit's id, for messages."""

    def __init__(self, path: Path, unit: str) -> None:
        self.path = path
        self.unit = unit
        self.born = False
        """Whether the file was made by this process: then it knows nothing of what was before."""
        self._file: int | None = None
        self._next = 1

    def open(self, take: Callable[[PlainDict], None]) -> bool:
        """Take hold of the log, give each line in order to `take`, and close open commands as
        interrupted; whether it was empty. Raises DeviceUnreachable if another process holds it,
        DeviceFault if it is damaged."""
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._hold(file)
            written = self._read()
            os.ftruncate(file, sum(map(len, written)))
            lines = [self._line(text, number) for number, text in enumerate(written, 1)]
        except BaseException:
            os.close(file)
            raise
        self.born = self.born or not lines
        self._file, self._next = file, len(lines) + 1
        for line in lines:
            take(line)
        for command in _open_commands(lines):
            take(self.write("interrupted", command, {}))
        return not lines

    def write(self, kind: str, command: str, body: PlainDict, *, durable: bool = True) -> PlainDict:
        """Append a line and return it; with `durable` it is on the disk on return. Raises DeviceFault."""
        if self._file is None:
            raise DeviceUnreachable(f"The command log of {self.unit} is not open; connect to the unit first.")
        line: PlainDict = {"n": self._next, "kind": kind, "command": command, **body}
        try:
            _write_all(self._file, canonical(line) + b"\n")
            if durable:
                os.fsync(self._file)
        except OSError as error:
            self.close()
            raise DeviceFault(
                f"The command log of {self.unit} cannot be written ({error.strerror}); "
                f"make room or repair the disk of {self.path.parent}, then connect again."
            ) from error
        self._next += 1
        return line

    def seen(self, command: str) -> bool:
        """Whether the log knows this command."""
        return bool(self._evidence(command))

    def lines(self, command: str) -> list[PlainDict]:
        """What stands in the log of a command, in order."""
        return [dict_in({"line": from_json(text)}, "line") for text in self._evidence(command)]

    def outcome(self, command: str) -> Outcome:
        """What the log says of a command, even while another process holds it."""
        evidence = self._evidence(command)
        if not evidence:
            return Outcome("not_seen") if not self.born else self._too_young()
        last = dict_in({"last": from_json(evidence[-1])}, "last")
        match last["kind"]:
            case "finished":
                return replace(_outcome(last), evidence=b"".join(evidence))
            case "refused":
                return Outcome("failed", text=text_in(last, "text"))
            case "interrupted":
                return Outcome("unknown", text=f"{self.unit} was interrupted in this command.")
            case _:
                return Outcome("running") if self._file is not None or self._held() else self._without_end()

    def close(self) -> None:
        """Let go of the log."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _too_young(self) -> Outcome:
        return Outcome("unknown", text=f"The command log of {self.unit} is new and knows nothing of before.")

    def _without_end(self) -> Outcome:
        return Outcome("unknown", text=f"{self.unit} began this command, and its end is not in the log.")

    def _hold(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeviceUnreachable(
                f"Another process works with {self.unit}; wait until it has ended, then try again."
            ) from error

    def _held(self) -> bool:
        file = os.open(self.path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def _read(self) -> list[bytes]:
        """The whole lines of the file; what follows the last line end was never acknowledged."""
        data = self.path.read_bytes() if self.path.exists() else b""
        return data[: data.rfind(b"\n") + 1].splitlines(keepends=True)

    def _evidence(self, command: str) -> list[bytes]:
        """The lines of one command as they stand in the file: the evidence of what was done."""
        mark = b'"command":' + canonical(command) + b","
        return [line for line in self._read() if mark in line]

    def _line(self, text: bytes, number: int) -> PlainDict:
        try:
            line = from_json(text)
            if isinstance(line, Mapping) and whole_in(line, "n") == number and text_in(line, "kind"):
                return line
            reason = "a line is missing or was added"
        except KweekError as error:
            reason = str(error)
        raise DeviceFault(
            f"The command log of {self.unit} is damaged in line {number} of {self.path.name} ({reason}); "
            "restore the file from its backup before work goes on."
        )


def _outcome(line: PlainDict) -> Outcome:
    return wire.outcome(dict_in(line, "outcome"))


def _open_commands(lines: list[PlainDict]) -> list[str]:
    open_ = dict.fromkeys(text_in(line, "command") for line in lines if line["kind"] == "started")
    for line in lines:
        if line["kind"] in ENDS:
            open_.pop(text_in(line, "command"), None)
    return list(open_)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
