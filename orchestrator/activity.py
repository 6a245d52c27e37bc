"""What a process has under way: how it knows that nothing more happens until time moves.

A process is at rest when no call is open, no commit is pending, and no task of its event loop is ready
to run. An `Activity` belongs to one event loop; other threads never touch it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from weakref import WeakKeyDictionary

ROUNDS = 20  # yields that must do on an event loop whose ready queue cannot be seen (assumed)
COMMIT_LOOK = 0.001  # s, real time: how often pending commits are looked at when nothing tells of them

SeenLoop = asyncio.BaseEventLoop  # the loops whose ready queue can be seen: asyncio's own, not uvloop

_settling: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()


def nothing_ready(loop: asyncio.AbstractEventLoop, besides: int = 0) -> bool:
    """Say whether no more than `besides` callbacks wait to run; an unknown loop says yes."""
    # trio has wait_all_tasks_blocked for this; asyncio has `_ready`, its one queue.
    return not isinstance(loop, SeenLoop) or len(loop._ready) <= besides  # noqa: SLF001 asyncio has no public way  # pyright: ignore[reportAttributeAccessIssue]


async def settle() -> None:
    """Yield until no other task of this event loop is ready to run and no socket has news.

    Several may settle at once: they do not count one another as ready. Work in threads is not seen
    until it reports to the loop: it belongs inside `Activity.call`.
    """
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)  # one pass of the loop, with one look at the sockets
    if not isinstance(loop, SeenLoop):
        for _ in range(ROUNDS):
            await asyncio.sleep(0)
    elif not nothing_ready(loop):
        await _settle_among_others(loop)


async def _settle_among_others(loop: asyncio.AbstractEventLoop) -> None:
    _settling[loop] = _settling.get(loop, 0) + 1
    try:
        while not nothing_ready(loop, besides=_settling[loop] - 1):  # noqa: ASYNC110  (nobody sets an event)
            await asyncio.sleep(0)
    finally:
        _settling[loop] -= 1


def _no_commits() -> int:
    return 0


def _no_questions() -> bool:
    return False


class Activity:
    """Counts what is under way in one process.

    `commits` says how many commits are not yet durable (`store.pending`; it may fall only in the event
    loop's thread, together with the future). `asks` says whether a task waits for a person. Both are
    set when the process is wired.
    """

    def __init__(self) -> None:
        self.commits: Callable[[], int] = _no_commits
        self.asks: Callable[[], bool] = _no_questions
        self.changed = asyncio.Event()  # set by every start; the clock's reporter clears it
        self._open = 0
        self._depths: dict[asyncio.Task[object] | None, int] = {}  # calls opened, by the task that did
        self._started = asyncio.Event()
        self._ended = asyncio.Event()
        self._free = asyncio.Event()  # cleared while the clock holds this process's promise of rest
        self._ended.set()
        self._free.set()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count what goes on inside: a device call, a request sent, a commit awaited.

        The clock's `sleep_until` and `wait` inside do not count, in the task that opened the call.
        A child task is not seen: what it does beside its parent it counts in a call of its own.
        """
        task = asyncio.current_task()
        self._start(1)
        self._depths[task] = self._depths.get(task, 0) + 1
        try:
            yield
        finally:
            self._depths[task] -= 1
            if not self._depths[task]:
                del self._depths[task]
            self._end(1)

    @asynccontextmanager
    async def request(self) -> AsyncIterator[None]:
        """Count what comes from outside (an HTTP request, an event), after any jump that is under way.

        A stream of events that stays open is no request: it would stop the clock.
        """
        await self._free.wait()
        with self.call():
            yield

    @property
    def busy(self) -> bool:
        """Whether a call is open that does not sleep, or a commit is pending."""
        return self._open > 0 or self.commits() > 0

    async def rest(self) -> None:
        """Return when nothing is under way: the one moment at which time may move."""
        while True:
            await settle()
            if self._open:
                await self._ended.wait()
            elif self.commits():
                await self._stir()
            else:
                return

    async def _stir(self) -> None:
        """Return when anything starts (a durable commit is published), or a moment has passed."""
        self._started.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(COMMIT_LOOK):
                await self._started.wait()

    def note(self) -> None:
        """Say that something started, though it takes no time: a sleeper armed, an event published."""
        self.changed.set()
        self._started.set()

    def promise(self) -> None:
        """Keep requests waiting until `free`: the clock may be jumping."""
        self._free.clear()

    def free(self) -> None:
        """Let requests in again."""
        self._free.set()

    def fall_asleep(self) -> int:
        """Release the calls of the current task while it sleeps; give their number to `wake`."""
        depth = self._depths.get(asyncio.current_task(), 0)
        self.note()
        self._end(depth)
        return depth

    def wake(self, depth: int) -> None:
        """Count the calls of a sleeping task again, and the wake-up itself until `woken`.

        Called before the sleeper's future is resolved, so that the process is never seen at rest
        between the two.
        """
        self._start(depth + 1)

    def woken(self) -> None:
        """End the wake-up: its task runs."""
        self._end(1)

    def _start(self, number: int) -> None:
        self.note()
        self._open += number
        self._ended.clear()

    def _end(self, number: int) -> None:
        self._open -= number
        if not self._open:
            self._ended.set()
