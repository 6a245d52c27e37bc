"""Experiments: the same result wherever and in whatever order they run; nothing lost, nothing counted twice."""

import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from batches.errors import BadInput, Refused, StoreError
from simulations.distributions import Exponential
from simulations.experiment import Cancelled, Experiment, compare
from simulations.model import Model, Replication
from simulations.queueing import Network, QueueingModel, Source, Station
from simulations.results import Results
from simulations.statistics import Precision
from simulations.workers import Cores, Here


def queue(servers: int = 1, length: float = 300.0) -> QueueingModel:
    station = Station(servers, Exponential(0.7))
    return QueueingModel(
        Network("q", {"q": station}, {"c": Source("q", Exponential(1.0))}, warm_up=30, length=length)
    )


class Backwards(Here):
    """Ends replications in the opposite order, four at once."""

    jobs = 4

    def run(self, model: Model, seed: int, numbers: Iterable[int]) -> Iterator[Replication]:
        return super().run(model, seed, sorted(numbers, reverse=True))


@dataclass(frozen=True)
class DiesOnce:
    """A model whose worker is killed the first time replication 2 runs."""

    mark: Path
    key: str = "dies-once"

    def replicate(self, seed: int, replication: int) -> Replication:
        if replication == 2 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Replication(seed, replication, {"x": float(replication)})


@dataclass(frozen=True)
class AlwaysDies:
    key: str = "always-dies"

    def replicate(self, seed: int, replication: int) -> Replication:
        os.kill(os.getpid(), signal.SIGKILL)
        return Replication(seed, replication, {})


def test_the_same_result_on_one_core_on_two_and_in_another_order(tmp_path: Path) -> None:
    precise = Precision(("wait.q",), relative=0.3, least=4, most=24)
    plain = Experiment(seed=7, precision=precise).run(queue())
    assert plain.precise
    assert Experiment(seed=7, precision=precise, workers=Backwards()).run(queue()) == plain
    assert Experiment(seed=7, precision=precise, workers=Cores(2), folder=tmp_path).run(queue()) == plain


def test_a_lost_worker_loses_no_replication(tmp_path: Path) -> None:
    found = Experiment(count=5, workers=Cores(2)).run(DiesOnce(tmp_path / "died"))
    assert [each.measures["x"] for each in found.replications] == [0, 1, 2, 3, 4]
    assert (tmp_path / "died").exists()


@pytest.mark.slow
def test_a_model_that_ends_every_worker_is_given_up_in_words() -> None:
    with pytest.raises(Refused, match="ended 5 workers one after another"):
        Experiment(count=1, workers=Cores(1)).run(AlwaysDies())


def test_a_cancelled_run_goes_on_from_where_it_was(tmp_path: Path) -> None:
    seen: list[int] = []
    first = Experiment(count=6, folder=tmp_path, progress=lambda done, _: seen.append(done))
    with pytest.raises(Cancelled, match="after 2 replications"):
        replace(first, cancelled=lambda: len(seen) == 2).run(queue())
    ended = first.run(queue())
    assert seen == [1, 2, 3, 4, 5, 6]
    assert ended == Experiment(count=6).run(queue())


def test_what_was_kept_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    found = Experiment(count=3, folder=tmp_path).run(queue())
    kept = Results(tmp_path, queue().key, 1)
    assert kept.in_order(3) == found.replications
    assert len(list(tmp_path.rglob("*.tmp"))) == 0


def test_other_numbers_for_the_same_seed_are_refused(tmp_path: Path) -> None:
    kept = Results(tmp_path, "k" * 64, 1)
    kept.add(Replication(1, 0, {"x": 1.0}))
    kept.add(Replication(1, 0, {"x": 1.0}))
    assert len(kept) == 1
    with pytest.raises(BadInput, match="kept with other numbers"):
        kept.add(Replication(1, 0, {"x": 2.0}))
    with pytest.raises(BadInput, match="no part of a run with seed 1"):
        kept.add(Replication(2, 0, {"x": 1.0}))


def test_a_spoilt_file_is_named(tmp_path: Path) -> None:
    Results(tmp_path, "k" * 64, 1).add(Replication(1, 0, {"x": 1.0}))
    file = next(tmp_path.rglob("r000000.json"))
    file.write_text("{")
    with pytest.raises(StoreError, match=r"r000000\.json cannot be read"):
        Results(tmp_path, "k" * 64, 1)
    file.write_text('{"key": "other"}')
    with pytest.raises(StoreError, match="belongs to another model"):
        Results(tmp_path, "k" * 64, 1)


def test_a_full_disk_is_a_sentence_and_keeps_what_was_finished(tmp_path: Path) -> None:
    kept = Results(tmp_path, "k" * 64, 1)
    kept.add(Replication(1, 0, {"x": 1.0}))
    folder = next(tmp_path.iterdir())
    (folder / f"r000001.{os.getpid()}.tmp").mkdir()  # in the way, as a full disk would be
    with pytest.raises((StoreError, OSError)):
        kept.add(Replication(1, 1, {"x": 1.0}))
    assert 1 not in kept
    assert len(Results(tmp_path, "k" * 64, 1)) == 1


def test_systems_are_compared_in_pairs() -> None:
    run = Experiment(seed=3, count=8)
    found = compare({"one": run.run(queue(1)), "two": run.run(queue(2))}, ["wait.q"])
    wait = found.differences["two"]["wait.q"]
    assert wait.difference.high < 0
    assert wait.synchronised
    with pytest.raises(BadInput, match="needs two scenarios"):
        compare({"one": run.run(queue(1))})
    with pytest.raises(BadInput, match="different seeds"):
        compare({"one": run.run(queue(1)), "two": replace(run, seed=4).run(queue(2))})


def test_an_unknown_measure_names_those_there_are() -> None:
    with pytest.raises(BadInput, match=r"No replication gave 'wait\.x'; there are: busy\.q"):
        Experiment(count=1).run(queue()).interval("wait.x")
    with pytest.raises(BadInput, match="0 replications are none"):
        Experiment(count=0).run(queue())
    with pytest.raises(Refused, match="0 jobs run nothing"):
        Cores(0)


@dataclass(frozen=True)
class RareLoss:
    """Loses something in its first replication only, and times something in that one only."""

    key: str = "rare"

    def replicate(self, seed: int, replication: int) -> Replication:
        return Replication(
            seed, replication, {"fate.p.lost: x": 0.4, "late.p": 2.0, "wait": 5.0} if not replication else {}
        )


def test_what_is_counted_is_zero_where_it_did_not_happen_and_what_is_timed_is_unknown() -> None:
    result = Experiment(count=4).run(RareLoss())
    assert {name: (found.estimate, found.n) for name, found in result.intervals().items()} == {
        "fate.p.lost: x": (pytest.approx(0.1), 4),
        "late.p": (pytest.approx(0.5), 4),
        "wait": (5.0, 1),
    }
