"""Every command of the tutorial, run as its reader would run it, against real processes on free ports."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

import pytest

from orchestrator.demo.processes import free_port
from tests.conftest import ROOT
from tests.docs.tutorial_page import Block, agrees, blocks

PAGE = ROOT / "docs" / "tutorial" / "first-batch.md"
PATIENCE = 20.0  # s: how long a question may be asked again until what it shows has happened
START_WITHIN = 60.0  # s
RUN = ("", "plant", "serve", "serve-down")
ASKS = ("tasks", "get", "state", "curl")
"""What only asks, and may be asked again."""


class Reader:
    """Somebody with three terminals in the folder of Kweek."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._output = folder, (folder / "shell.out").open("w+b")
        self._ports = {"8000": free_port(), "4839": free_port()}
        self._environment = {
            **os.environ, "KWEEK_PORTS": f"4840={free_port()}", "KWEEK_PASSWORD_COST": "low", "PYTHONPATH": str(ROOT),
            "OT_API_CONFIG_DIR": str(folder / "opentrons"), "TMPDIR": str(folder), "NO_COLOR": "1",
        }  # fmt: skip
        (folder / "docs").symlink_to(ROOT / "docs")
        _program(folder / ".venv/bin/python", f'exec "{sys.executable}" "$@"')
        _program(folder / ".venv/bin/kweek", f'exec "{sys.executable}" -m orchestrator "$@"')
        self._shell = self._start(subprocess.PIPE, self._output, "sh")
        self.terminals: list[subprocess.Popen[bytes]] = []

    def _start(self, typed: int, errors: IO[bytes], *command: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            command, cwd=self._folder, env=self._environment, stdin=typed, stdout=self._output, stderr=errors,
            start_new_session=True,
        )  # fmt: skip

    def here(self, text: str) -> str:
        """The text with the ports of this machine, and its functions with the address."""
        text = text.replace("--virtual", "--virtual --clock-port 4839").replace(
            "kweek serve", "kweek serve --port 8000"
        )
        text = text.replace("clock advance", "clock advance --clock 127.0.0.1:4839")
        for port, free in self._ports.items():
            text = text.replace(port, str(free))
        return text.replace(
            ". docs/tutorial/people.sh",
            f". docs/tutorial/people.sh\nKWEEK=http://127.0.0.1:{self._ports['8000']}/api/v1",
        )

    def open_terminal(self, block: Block) -> None:
        """Type a block into a terminal of its own, and wait until it has said what is shown."""
        before = self._printed()
        with (self._folder / f"{block.where}.log").open("ab") as log:  # a log is not shown on the page
            self.terminals.append(self._start(subprocess.DEVNULL, log, "sh", "-c", self.here(block.commands)))
        shown = [self.here(line) for line in block.shown]
        until = time.monotonic() + START_WITHIN
        while not agrees(shown, said := _lines(self._printed()[len(before) :])):
            assert time.monotonic() < until, f"{block.commands}\nshould print {shown}\nand printed {said}"
            time.sleep(0.05)

    def kill_last(self) -> None:
        """End the terminal opened last without a warning."""
        last = self.terminals.pop()
        os.killpg(last.pid, signal.SIGKILL)
        last.wait()

    def types(self, commands: str) -> list[str]:
        """Type into the reader's shell; the lines it printed."""
        begin, end, typed = f"begin {uuid4()}", f"end {uuid4()}", self._shell.stdin
        assert typed is not None  # opened above
        typed.write(f"echo '{begin}'\n{self.here(commands)}\necho; echo '{end}'\n".encode())
        typed.flush()
        until = time.monotonic() + START_WITHIN
        while f"\n{end}" not in (said := self._printed()):
            assert self._shell.poll() is None, f"the shell ended at\n{commands}\n{said[-3000:]}"
            assert time.monotonic() < until, f"this does not end:\n{commands}\n{said[-3000:]}"
            time.sleep(0.01)
        return _lines(said.split(begin)[1].split(end)[0])

    def _printed(self) -> str:
        return (self._folder / "shell.out").read_text(encoding="utf-8")

    def close(self) -> None:
        for process in (self._shell, *reversed(self.terminals)):
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=20)
        self._output.close()


def _lines(said: str) -> list[str]:
    """What was printed, without blank lines."""
    return [line for line in said.splitlines() if line.strip()]


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@contextmanager
def reader(folder: Path) -> Iterator[Reader]:
    found = Reader(folder)
    try:
        yield found
    finally:
        found.close()


def follow(person: Reader, block: Block) -> None:
    """Type a block and compare. A block that only asks may be asked again: things take their time."""
    asks = all(line.startswith(ASKS) for line in block.commands.splitlines())
    shown, until = [person.here(line) for line in block.shown], time.monotonic() + PATIENCE
    printed = person.types(block.commands)
    while not agrees(shown, printed) and asks and time.monotonic() < until:
        time.sleep(0.2)
        printed = person.types(block.commands)
    both = f"it should print\n{chr(10).join(shown)}\nand printed\n{chr(10).join(printed)}"
    assert agrees(shown, printed), f"{block.commands}{both}"


@pytest.mark.timeout(180)
def test_every_command_of_the_tutorial_does_what_the_page_shows(tmp_path: Path) -> None:
    done = 0
    with reader(tmp_path) as person:
        for block in blocks(PAGE):
            match block.where:
                case "":
                    follow(person, block)
                case "plant" | "serve":
                    person.open_terminal(block)
                case "serve-down":
                    person.kill_last()
                    follow(person, block)
                case _:
                    continue
            done += 1
    assert done > 25


def test_what_the_tutorial_does_not_run_is_the_foreign_generator_only() -> None:
    left_out = [block.commands for block in blocks(PAGE) if block.where not in RUN]
    assert len(left_out) == 1
    assert "openapi-python-client" in left_out[0]


@pytest.mark.parametrize(
    ("shown", "printed", "agree"),
    [
        (["B-26-0001 is Held"], ["B-31-0001 is Held"], True),
        (["B-26-0001 is Held"], ["B-26-0002 is Held"], False),
        (['{"token":"…","id":1}'], ['{"token":"abc","id":1}'], True),
        (['{"token":"…","id":1}'], ['{"token":"abc","id":2}'], False),
        (["a", "…", "b"], ["a", "b"], True),
        (["a", "…", "b"], ["a", "x", "y", "b"], True),
        (["a"], ["a", "b"], False),
        (["a.c"], ["abc"], False),
    ],
)
def test_what_is_shown_is_compared(shown: list[str], printed: list[str], agree: bool) -> None:
    assert agrees(shown, printed) is agree
