"""The QC laboratory: turnaround, instruments, people, runs of several samples, repeats of invalid tests."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import simpy

from batches.errors import BadInput
from simulations.crew import Crew
from simulations.scenario import Laboratory, Method
from simulations.streams import Streams


@dataclass(slots=True, eq=False)
class _Asked:
    """A test of one sample, until its result is final."""

    sample: str
    done: simpy.Event
    priority: int
    since: float
    attempt: int = 0


@dataclass(slots=True, eq=False)
class _Tray:
    """The samples that wait for a run of a method."""

    method: Method
    asked: list[_Asked] = field(default_factory=list[_Asked])


class Bench:
    """The laboratory of one site."""

    def __init__(self, env: simpy.Environment, laboratory: Laboratory, crew: Crew, streams: Streams) -> None:
        self.env = env
        self.crew = crew
        self.streams = streams
        self._trays = {name: _Tray(method) for name, method in laboratory.methods.items()}
        self.instruments = {
            name: simpy.PriorityResource(env, count) for name, count in laboratory.instruments.items()
        }
        self.runs: dict[str, int] = {}
        """How many runs of each method there were."""

    def test(self, methods: Sequence[str], sample: str, priority: int = 0) -> simpy.Event:
        """An event that comes when the results of all methods are final; its value is that time. Raises
        BadInput for a method that this laboratory does not have."""
        if not methods:
            return self.env.timeout(0.0, self.env.now)
        tests = [self._ask(name, sample, priority) for name in methods]
        if len(tests) == 1:
            return tests[0]
        final = self.env.event()
        every = simpy.AllOf(self.env, tests)
        assert every.callbacks is not None  # a new event has its list of callbacks
        every.callbacks.append(partial(self._final, final))
        return final

    def _final(self, final: simpy.Event, _: simpy.Event) -> None:
        final.succeed(self.env.now)

    def _ask(self, name: str, sample: str, priority: int) -> simpy.Event:
        tray = self._trays.get(name)
        if tray is None:
            raise BadInput(
                f"The laboratory has no method '{name}'; it has {', '.join(self._trays) or 'none'}."
            )
        method = tray.method
        if not method.instrument and method.work is None and method.batch_of == 1:
            return self._alone(method, sample)
        asked = _Asked(sample, self.env.event(), priority, self.env.now)
        self._lay(tray, asked)
        return asked.done

    def _alone(self, method: Method, sample: str) -> simpy.Event:
        """A test that nothing limits: its time, and that of each repeat."""
        takes, attempt = self._turnaround(method, sample, 0), 0
        while self._invalid(method, sample, attempt):
            attempt += 1
            takes += self._turnaround(method, sample, attempt)
        self.runs[method.name] = self.runs.get(method.name, 0) + 1 + attempt
        return self.env.timeout(takes, self.env.now + takes)

    def _lay(self, tray: _Tray, asked: _Asked) -> None:
        tray.asked.append(asked)
        if len(tray.asked) >= tray.method.batch_of:
            self._start(tray)
        elif len(tray.asked) == 1 and tray.method.wait_at_most is not None:
            self.env.process(self._at_the_latest(tray, asked, tray.method.wait_at_most))

    def _at_the_latest(self, tray: _Tray, first: _Asked, after: float) -> Generator[Any, Any, None]:
        yield self.env.timeout(after)
        if tray.asked and tray.asked[0] is first:
            self._start(tray)

    def _start(self, tray: _Tray) -> None:
        asked, tray.asked = tray.asked, []
        self.env.process(self._run(tray, asked))

    def _run(self, tray: _Tray, asked: Sequence[_Asked]) -> Generator[Any, Any, None]:
        method, first = tray.method, asked[0]
        self.runs[method.name] = self.runs.get(method.name, 0) + 1
        instrument = self.instruments.get(method.instrument)
        turn = None
        if instrument is not None:
            turn = instrument.request(priority=-max(each.priority for each in asked))
            yield turn
        began = self.env.now
        if method.work is not None:
            work = method.work
            takes = work.takes.sample(self.streams.uniform("test work", _key(method, first)))
            began = yield self.crew.work(work.need, takes, work.at_shift_end, first.priority)
        if instrument is not None:
            self.env.process(self._leave(instrument, turn, self._occupied(method, first, began)))
        yield self.env.timeout(
            max(0.0, began + self._turnaround(method, first.sample, first.attempt) - self.env.now)
        )
        for each in asked:
            self._report(tray, each)

    def _occupied(self, method: Method, first: _Asked, began: float) -> float:
        if method.occupies is None:
            return 0.0
        takes = method.occupies.sample(self.streams.uniform("instrument", _key(method, first)))
        return max(0.0, began + takes - self.env.now)

    def _leave(
        self, instrument: simpy.PriorityResource, turn: Any, after: float
    ) -> Generator[Any, Any, None]:
        yield self.env.timeout(after)
        instrument.release(turn)

    def _report(self, tray: _Tray, asked: _Asked) -> None:
        if self._invalid(tray.method, asked.sample, asked.attempt):
            asked.attempt += 1
            self._lay(tray, asked)
        else:
            asked.done.succeed(self.env.now)

    def _turnaround(self, method: Method, sample: str, attempt: int) -> float:
        return method.turnaround.sample(
            self.streams.uniform("turnaround", f"{method.name}/{sample}/{attempt}")
        )

    def _invalid(self, method: Method, sample: str, attempt: int) -> bool:
        if not method.invalid:
            return False
        return self.streams.uniform("invalid", f"{method.name}/{sample}/{attempt}") < method.invalid


def _key(method: Method, asked: _Asked) -> str:
    return f"{method.name}/{asked.sample}/{asked.attempt}"
