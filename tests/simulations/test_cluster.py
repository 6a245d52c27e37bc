"""A real Dask scheduler and workers, as processes: the same result, and a lost worker loses nothing."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batches.errors import Refused
from simulations.distributions import Exponential
from simulations.experiment import Experiment
from simulations.queueing import Network, QueueingModel, Source, Station
from simulations.workers import Cluster

MODEL = QueueingModel(
    Network(
        "q",
        {"q": Station(1, Exponential(0.7))},
        {"c": Source("q", Exponential(1.0))},
        warm_up=30,
        length=3000.0,
    )
)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """A scheduler and two workers on this machine; ended by their own ids."""
    at = folder / "scheduler.json"
    common = [sys.executable, "-W", "ignore", "-m"]
    started = [
        subprocess.Popen(
            [*common, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
             "--scheduler-file", str(at)], stderr=subprocess.DEVNULL,
        )
    ]  # fmt: skip
    try:
        while not at.exists():
            assert started[0].poll() is None
            time.sleep(0.05)
        for number in range(2):
            started.append(
                subprocess.Popen(
                    [*common, "distributed.cli.dask_worker", "--scheduler-file", str(at), "--host", "127.0.0.1",
                     "--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard",
                     "--local-directory", str(folder / str(number))], stderr=subprocess.DEVNULL,
                )
            )  # fmt: skip
        yield json.loads(at.read_text())["address"], started
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_the_cluster_gives_the_same_bits_and_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    with cluster(tmp_path) as (address, started):
        seen: list[int] = []

        def progress(done: int, wanted: int) -> None:
            seen.append(done)
            if done == 2:
                started[-1].kill()

        found = Experiment(seed=5, count=8, workers=Cluster(address), progress=progress).run(MODEL)
    assert seen == list(range(1, 9))
    assert found == Experiment(seed=5, count=8).run(MODEL)


def test_a_scheduler_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(Refused, match="No Dask scheduler answers at tcp://127.0.0.1:9"):
        Experiment(count=1, workers=Cluster("tcp://127.0.0.1:9", within=0.5)).run(MODEL)
