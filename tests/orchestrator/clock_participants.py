"""An engine and people that live by a plant's clock, each in a process of its own, for tests and benchmarks.

`python -m tests.orchestrator.clock_participants ROLE ADDRESS ...`, with one JSON line on stdout at the
end. What they do is made up; how they use the clock is how the real ones do: the engine serves
requests and publishes events over a socket, the people listen and answer late.
"""

import asyncio
import json
import mmap
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from orchestrator.clock import PeopleClock, VirtualClock


class Board:
    """A file that all processes see: one byte a process, the number of its open activities.

    It tells the truth without the clock's help, so that a test can hold the clock to it.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(2))
        with path.open("r+b") as file:
            self._bytes = mmap.mmap(file.fileno(), 2)

    def total(self) -> int:
        return sum(self._bytes[:2])

    @contextmanager
    def shown(self, place: int) -> Iterator[None]:
        self._bytes[place] += 1
        try:
            yield
        finally:
            self._bytes[place] -= 1


class Actor:
    """What engine and people of the test have in common: work that is shown on the board."""

    def __init__(self, clock: VirtualClock, board: Board, place: int, seed: int) -> None:
        self.clock, self.board, self.place = clock, board, place
        self.rng = random.Random(seed)
        self.moved = 0

    async def work(self) -> None:
        """Something that takes a little real time and during which process time must not move."""
        with self.board.shown(self.place):
            before = self.clock.now()
            await asyncio.sleep(self.rng.choice([0, 0, 0.0005, 0.002]))
            self.moved += self.clock.now() != before

    async def sleep(self, most: int) -> None:
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=self.rng.randrange(1, most)))

    def result(self) -> str:
        now = self.clock.now().isoformat()
        return json.dumps({"now": now, "moved": self.moved, "overtaken": self.clock.overtaken})


class TestEngine(Actor):
    """Three batches at once; each wakes, calls a device that it polls, publishes, sleeps."""

    __test__ = False

    def __init__(self, clock: VirtualClock, board: Board, seed: int) -> None:
        super().__init__(clock, board, 0, seed)
        self.listeners: list[asyncio.StreamWriter] = []
        self.heard = asyncio.Event()

    def publish(self) -> None:
        line = f"event {self.clock.publish()}\n".encode()
        for listener in self.listeners:
            listener.write(line)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"event {self.clock.published}\n".encode())
        self.listeners.append(writer)
        self.heard.set()
        while await reader.readline():
            async with self.clock.activity.request():
                await self.work()
                self.publish()
            writer.write(b"thanks\n")

    async def batch(self, steps: int) -> None:
        for _ in range(steps):
            await self.sleep(600)
            with self.clock.activity.call():
                await self.work()
                await self.sleep(30)  # the device takes its time
                await self.work()
            self.publish()


class TestPeople(Actor):
    """Hears every event; answers some, at once or late."""

    __test__ = False

    def __init__(self, clock: PeopleClock, board: Board, seed: int, answers: int) -> None:
        super().__init__(clock, board, 1, seed)
        self.people, self.answers = clock, answers
        self.thanks: asyncio.Queue[None] = asyncio.Queue()
        self.tasks: set[asyncio.Task[None]] = set()

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := (await reader.readline()).decode().split():
            if line[0] == "thanks":
                self.thanks.put_nowait(None)
                continue
            async with self.people.event(line[1]):
                await self.work()
                if self.answers:
                    self.answers -= 1
                    self.tasks.add(asyncio.ensure_future(self.answer(writer)))

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        if self.rng.random() < 0.5:
            await self.sleep(400)
        with self.clock.activity.call(), self.board.shown(self.place):
            before = self.clock.now()
            writer.write(b"answer\n")
            await self.thanks.get()
            self.moved += self.clock.now() != before


async def engine(address: str, board: str, seed: str, steps: str) -> None:
    """Serve, print the port, run the batches, wait for the last sleeper, print the result."""
    actor = TestEngine(await VirtualClock.connect(address), Board(Path(board)), int(seed))
    server = await asyncio.start_server(actor.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await actor.heard.wait()
    await asyncio.gather(*(actor.batch(int(steps)) for _ in range(3)))
    await actor.clock.sleep_until(actor.clock.now() + timedelta(hours=1))  # late answers come in first
    print(actor.result(), flush=True)
    server.close()
    for listener in actor.listeners:
        listener.close()


async def people(address: str, board: str, seed: str, port: str, answers: str) -> None:
    """Listen until the engine hangs up, print the result."""
    clock = await PeopleClock.connect(address)
    actor = TestPeople(clock, Board(Path(board)), int(seed), int(answers))
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    await actor.listen(reader, writer)
    writer.close()
    await asyncio.gather(*actor.tasks)
    print(actor.result(), flush=True)


async def runner(address: str) -> None:
    """An engine that prints its mark and then every time it lives to see, until it is killed."""
    clock = await VirtualClock.connect(address)
    print(clock.published, flush=True)
    while True:
        await clock.sleep_until(clock.now() + timedelta(minutes=1))
        with clock.activity.call():
            await asyncio.sleep(0.002)
            print(clock.now().isoformat(), flush=True)


async def sleeper(address: str, jumps: str) -> None:
    """An engine that does nothing but sleep: what does a jump cost?

    Prints its mark, waits for a line, prints the real seconds for each jump.
    """
    clock = await VirtualClock.connect(address)
    print(clock.published, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(int(jumps)):
        await clock.sleep_until(clock.now() + timedelta(seconds=1))
    print(json.dumps({"seconds_per_jump": (loop.time() - began) / int(jumps)}), flush=True)


async def bystander(address: str, mark: str, every: str) -> None:
    """People beside a sleeper: they wake at every so many of its jumps."""
    clock = await PeopleClock.connect(address)
    async with clock.event(mark):
        print("here", flush=True)
    while True:
        await clock.sleep_until(clock.now() + timedelta(seconds=int(every)))


ROLES = {"engine": engine, "people": people, "runner": runner, "sleeper": sleeper, "bystander": bystander}

if __name__ == "__main__":
    asyncio.run(ROLES[sys.argv[1]](*sys.argv[2:]))
