"""The live list of alarms: the fold of the streams of batches under way and of units, kept up to date.

Nothing is kept here that the record does not hold: a restart gives the same list. The alarms of a batch that
has ended, and of which no material is in care, stand in its record and are not read again at a start.
"""

from collections.abc import Callable

from batches.alarms import AlarmList
from batches.entries import Draft, Entry
from orchestrator.engine import Engine
from orchestrator.replying import Replying


class LiveAlarms:
    """The alarms of a site. `open` once, then `run` until cancelled."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._seen = engine, dict[str, int]()
        self.list = AlarmList()
        self._events = engine.subscribe()  # from here on nothing is missed

    async def open(self) -> None:
        """Read the streams, beside the event loop."""
        streams = [*(f"equipment/{unit}" for unit in self._engine.units)]
        streams += [f"batch/{number}" for number in self._engine.batches]
        for stream in streams:
            for entry in await self._engine.entries(stream):
                self._apply(entry)

    async def run(self) -> None:
        """Follow the record. A listener that fell too far behind reads anew."""
        while True:
            async for event in self._events:
                self._apply(event.entry)
            self._events = self._engine.subscribe()
            await self.open()

    async def act(self, identity: str, decide: Callable[[], Draft], reply: Replying | None = None) -> None:
        """Commit what a person does with an alarm; on return it is on disk and in the list."""
        self.list.find(identity)
        stream = identity.split(" ", 1)[0]
        if stream.startswith("batch/"):
            await self._engine.taken_up(stream.removeprefix("batch/"))
        submission = self._engine.commit((stream, iter((decide(),))), reply=reply)
        await submission.wait()
        for entry in submission.entries:
            self._apply(entry)

    async def close(self) -> None:
        """Stop listening."""
        await self._events.aclose()

    def _apply(self, entry: Entry) -> None:
        if entry.number > self._seen.get(entry.stream, 0):
            self._seen[entry.stream] = entry.number
            self.list.apply(entry)
