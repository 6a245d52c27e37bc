"""The best of several, and the cheapest that is good enough."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from batches.errors import BadInput
from simulations.experiment import Experiment
from simulations.model import Replication
from simulations.selection import Chosen, Level, best, cheapest
from simulations.streams import Streams


@dataclass(frozen=True)
class Noisy:
    """A mean with noise that is shared between systems of one replication, and some of its own."""

    mean: float
    own: float = 0.2

    @property
    def key(self) -> str:
        return f"noisy {self.mean} {self.own}"

    def replicate(self, seed: int, replication: int) -> Replication:
        streams = Streams(seed, replication)
        shared = streams.uniform("shared", "") - 0.5
        mine = streams.uniform("own", f"{self.mean}") - 0.5
        return Replication(seed, replication, {"x": self.mean + shared + self.own * mine})


PLANTS = {"small": Noisy(1.0), "middle": Noisy(1.3), "large": Noisy(1.8), "huge": Noisy(1.85)}


def test_the_best_is_found_as_often_as_promised() -> None:
    chosen = [best(PLANTS, "x", 0.05, Experiment(seed=seed), most=400).name for seed in range(1, 41)]
    assert chosen.count("huge") >= 36


def test_what_was_beaten_is_told_and_the_smallest_can_be_sought() -> None:
    found = best(PLANTS, "x", 0.1, Experiment(), largest=False)
    assert (found.name, found.sure) == ("small", True)
    assert set(found.out) == {"middle", "large", "huge"}
    assert "worse than small after" in found.out["huge"]


def test_a_limit_before_the_decision_is_not_called_sure() -> None:
    alike = {"a": Noisy(1.0, 3.0), "b": Noisy(1.001, 3.0)}
    found = best(alike, "x", 0.001, Experiment(), most=20)
    assert not found.sure
    assert set(found.replications.values()) == {20}


def test_the_cheapest_that_meets_the_level_is_chosen_and_dearer_ones_are_not_run() -> None:
    found: Chosen = cheapest(PLANTS, COST, Level("x", 1.5, True, 0.05), Experiment())
    assert (found.name, found.sure) == ("large", True)
    assert set(found.out) == {"small", "middle"}
    assert "huge" not in found.replications


def test_when_none_meets_the_level_none_is_chosen() -> None:
    assert cheapest(PLANTS, COST, Level("x", 5.0, True, 0.05), Experiment()).name == ""
    assert cheapest(PLANTS, COST, Level("x", 0.5, False, 0.05), Experiment()).out.keys() == PLANTS.keys()


def test_a_choice_needs_two_and_a_difference() -> None:
    with pytest.raises(BadInput, match="two scenarios or more"):
        best({"one": Noisy(1)}, "x", 0.1, Experiment())
    with pytest.raises(BadInput, match="must be above zero"):
        Level("x", 1, True, 0)


COST: Mapping[str, float] = {"small": 1.0, "middle": 2.0, "large": 3.0, "huge": 4.0}
