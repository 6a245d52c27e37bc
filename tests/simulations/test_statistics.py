"""Intervals, paired differences, warm-up and precision, against scipy and by hand."""

import math
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from batches.errors import BadInput
from simulations.statistics import (
    Precision,
    mean_interval,
    mser5,
    paired,
    quantile_interval,
    share_interval,
    welch,
)

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@given(NUMBERS)
def test_the_interval_of_a_mean_is_students(values: list[float]) -> None:
    found = mean_interval(values)
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    assert found.estimate == pytest.approx(sum(values) / len(values), rel=1e-9, abs=1e-6)
    assert found.high - found.estimate == pytest.approx(half, rel=1e-9, abs=1e-6)
    assert found.half == max(found.high - found.estimate, found.estimate - found.low)


@given(NUMBERS, st.randoms(use_true_random=False))
def test_the_order_of_values_changes_no_bit(values: list[float], shuffler: object) -> None:
    shuffled = sorted(values, reverse=True)
    assert mean_interval(values) == mean_interval(shuffled)


def test_one_value_has_an_interval_without_ends_and_none_is_refused() -> None:
    assert mean_interval([3.0]).low == -math.inf
    assert mean_interval([3.0]).high == math.inf
    with pytest.raises(BadInput, match="No replication gave this measure"):
        mean_interval([])


def test_a_quantile_lies_between_order_statistics() -> None:
    found = quantile_interval([float(n) for n in range(1, 101)], 0.9)
    assert (found.estimate, found.low, found.high) == (90, 84, 96)  # Conover's table for n 100, p 0.9
    assert quantile_interval([1.0, 2.0], 0.9).high == math.inf
    with pytest.raises(BadInput, match="share between 0 and 1"):
        quantile_interval([1.0], 1.0)


def test_a_share_has_the_exact_interval() -> None:
    found, exact = share_interval(38, 981), stats.binomtest(38, 981).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert share_interval(0, 10).low == 0
    assert share_interval(10, 10).high == 1
    with pytest.raises(BadInput, match="11 of 10 is no proportion"):
        share_interval(11, 10)


def test_pairs_share_replications_and_tell_what_pairing_gained() -> None:
    base = {0: 1.0, 1: 4.0, 2: 2.0, 3: 9.0}
    found = paired(base, {1: 5.0, 2: 3.5, 3: 10.0, 4: 7.0})
    assert found.difference.estimate == pytest.approx(3.5 / 3)
    assert found.difference.n == 3
    assert found.synchronised
    assert found.gain is not None
    assert found.gain > 50
    assert not paired({0: 1.0, 1: 2.0, 2: 3.0}, {0: 3.0, 1: 2.0, 2: 1.5}).synchronised
    with pytest.raises(BadInput, match="two replications that both"):
        paired({0: 1.0}, {0: 2.0})


def test_more_comparisons_widen_each_interval() -> None:
    base, other = {n: float(n) for n in range(5)}, {n: n * 1.5 for n in range(5)}
    once, of_three = paired(base, other).difference, paired(base, other, comparisons=3).difference
    assert of_three.half > once.half
    assert of_three.confidence == pytest.approx(1 - 0.05 / 3)


def test_the_warm_up_is_cut_where_the_curve_is_flat() -> None:
    rise = [min(1.0, n / 40) for n in range(200)]
    found = mser5([[value + 0.01 * ((n * 7) % 5 - 2) for n, value in enumerate(rise)] for _ in range(3)])
    assert found.found
    assert 35 <= found.cut <= 45


def test_a_run_that_only_rises_is_too_short_and_says_so() -> None:
    assert not mser5([[float(n) for n in range(100)]]).found
    with pytest.raises(BadInput, match="cannot be found in 9 outputs"):
        mser5([[1.0] * 9])


def test_welch_averages_over_replications_and_neighbours() -> None:
    assert welch([[0.0, 2.0, 4.0], [2.0, 4.0, 6.0, 8.0]], window=1) == (1.0, 3.0, 5.0)


def test_precision_must_hold_for_every_measure_and_stay() -> None:
    wide, narrow = [1.0, 2.0] * 10, [100.0, 101.0] * 10
    ask = Precision(("a", "b"), relative=0.05, least=5, steady=3)
    assert not ask.met({"a": narrow, "b": wide})
    assert ask.met({"a": narrow, "b": narrow})
    assert not ask.met({"a": narrow})
    assert not ask.met({"a": narrow[:4], "b": narrow[:4]})
    with pytest.raises(BadInput, match="is no precision"):
        Precision(("a",), least=1)
