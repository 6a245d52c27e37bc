"""Where replications run: here, on the cores of this machine, or on a Dask cluster.

A replication is a pure function of model, seed and number, so the place and the order make no
difference to it; a worker that is lost costs time, never a replication.
"""

import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import get_context
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from batches.errors import Refused
from simulations.model import Model, Replication

if TYPE_CHECKING:
    from distributed import Client

MOST_LOSSES = 5
"""Workers that may be lost on end without a replication finished, before the run gives up."""

_LOADED: dict[str, Model] = {}
_ONE_AT_A_TIME = Lock()


class Workers(Protocol):
    """Runs replications, `jobs` at once, and gives them back in the order in which they end."""

    @property
    def jobs(self) -> int: ...
    def run(self, model: Model, seed: int, numbers: Iterable[int]) -> Iterator[Replication]: ...


class Here:
    """One after another, in this process."""

    jobs = 1

    def run(self, model: Model, seed: int, numbers: Iterable[int]) -> Iterator[Replication]:
        return (model.replicate(seed, number) for number in numbers)


class Cores:
    """Over `jobs` processes of this machine."""

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise Refused(f"{jobs} jobs run nothing; give one or more.")
        self.jobs = jobs

    def run(self, model: Model, seed: int, numbers: Iterable[int]) -> Iterator[Replication]:
        waiting, losses = list(numbers), 0
        packed = pickle.dumps(model)
        while waiting:
            done: set[int] = set()
            try:
                yield from self._run_once(model.key, packed, seed, waiting, done)
            except BrokenProcessPool as error:
                losses = 0 if done else losses + 1
                _give_up(losses, "core", error)
            waiting = [number for number in waiting if number not in done]

    def _run_once(
        self, key: str, packed: bytes, seed: int, waiting: list[int], done: set[int]
    ) -> Iterator[Replication]:
        # spawned, not forked: the parent may have threads and open sockets
        pool = ProcessPoolExecutor(min(self.jobs, len(waiting)), mp_context=get_context("spawn"))
        try:
            futures = [pool.submit(replicate, key, packed, seed, number) for number in waiting]
            for future in as_completed(futures):
                found = future.result()
                done.add(found.replication)
                yield found
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class Cluster:
    """Over the workers of a running Dask scheduler, such as 'tcp://planner:8786'.

    The workers must have the same version of Kweek. Raises Refused if nobody answers in `within` seconds.
    """

    jobs = 16
    """As many as are asked of it at once where the number wanted is not known beforehand."""

    def __init__(self, address: str, within: float = 10) -> None:
        self.address, self.within = address, within

    def run(self, model: Model, seed: int, numbers: Iterable[int]) -> Iterator[Replication]:
        from distributed import as_completed as completed

        packed = pickle.dumps(model)
        with closing(self._client()) as client:
            futures = [
                client.submit(replicate, model.key, packed, seed, number, pure=False, retries=MOST_LOSSES)
                for number in numbers
            ]
            for future in completed(futures, loop=client.loop):
                yield self._result(future)

    def _client(self) -> "Client":
        from distributed import Client

        try:
            return Client(self.address, timeout=self.within, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise Refused(
                f"No Dask scheduler answers at {self.address}; start one with `dask scheduler`, or leave"
                " --cluster out to run on this machine."
            ) from error

    def _result(self, future: "Future[Replication]") -> Replication:
        from distributed.scheduler import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            raise Refused(
                "A replication ended every worker that tried it; look at the workers' logs (memory?) and run"
                " the same command again: what was finished is kept."
            ) from error


def replicate(key: str, packed: bytes, seed: int, number: int) -> Replication:
    """One replication in a worker, which keeps the model it was given, compiled, for the next one."""
    with _ONE_AT_A_TIME:
        if key not in _LOADED:
            _LOADED.clear()
            _LOADED[key] = pickle.loads(packed)  # from the planner that started this worker
        return _LOADED[key].replicate(seed, number)


def _give_up(losses: int, place: str, error: Exception) -> None:
    if losses >= MOST_LOSSES:
        raise Refused(
            f"A replication ended {losses} workers one after another on this {place}; look at its memory and"
            " run the same command again: what was finished is kept."
        ) from error


def choose(jobs: int, cluster: str = "") -> Workers:
    """The place that `--jobs` and `--cluster` name."""
    if cluster:
        return Cluster(cluster)
    return Here() if jobs == 1 else Cores(jobs)


Progress = Callable[[int, int], None]
"""Told how many replications are done and how many are wanted."""
