"""Random streams: the same key gives the same numbers anywhere, another key gives independent ones."""

import subprocess
import sys

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput
from simulations.streams import Streams
from tests.conftest import ROOT

KEYS = st.tuples(st.text(max_size=20), st.text(max_size=20))


@given(KEYS, KEYS)
def test_a_number_depends_on_its_key_alone(one: tuple[str, str], other: tuple[str, str]) -> None:
    streams = Streams(7, 3)
    found = streams.uniform(*one)
    streams.draws(*other)()
    assert streams.uniform(*one) == found == Streams(7, 3).uniform(*one)
    assert 0 < found < 1
    assert (streams.uniform(*other) == found) == (one == other)


def test_seed_and_replication_are_part_of_the_key() -> None:
    found = {
        Streams(seed, replication).uniform("a", "b") for seed in (0, 1, 11) for replication in (0, 1, 11)
    }
    assert len(found) == 9


def test_a_sequence_begins_anew_and_is_independent_of_others() -> None:
    streams = Streams(1, 0)
    first, again, other = (streams.draws("repair", unit) for unit in ("A", "A", "B"))
    mine = [first() for _ in range(2000)]
    assert [again() for _ in range(2000)] == mine
    assert abs(numpy.corrcoef(mine, [other() for _ in range(2000)])[0, 1]) < 0.08


def test_single_numbers_are_uniform() -> None:
    streams = Streams(5, 0)
    found = numpy.array([streams.uniform("fate", f"B-{number}") for number in range(20_000)])
    counts, _ = numpy.histogram(found, bins=20, range=(0, 1))
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # chi square, 19 degrees of freedom, 99.9 %


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_numbers_are_the_same_in_every_process(hash_seed: str) -> None:
    code = "from simulations.streams import Streams; s = Streams(2, 9); print(s.uniform('a', 'b'), s.draws('a', 'b')())"
    told = subprocess.run(
        [sys.executable, "-c", code],
        check=True, capture_output=True, text=True, cwd=ROOT, env={"PYTHONHASHSEED": hash_seed},
    )  # fmt: skip
    assert told.stdout.split() == ["0.2796894931099726", "0.8487623154217682"]


@pytest.mark.parametrize(("seed", "replication"), [(-1, 0), (0, -1), (2**63, 0)])
def test_a_seed_out_of_range_is_refused(seed: int, replication: int) -> None:
    with pytest.raises(BadInput, match=r"is not a whole number from 0 to 2\^63 - 1"):
        Streams(seed, replication)
