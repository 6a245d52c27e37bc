"""Distributions against scipy: the same quantiles and means, rising in u."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from batches.errors import BadInput
from simulations.distributions import (
    Constant,
    Discrete,
    Distribution,
    Empirical,
    Exponential,
    LogNormal,
    Normal,
    Pert,
    Triangular,
    Uniform,
    Weibull,
    erlang,
    gamma_by_mean,
    lognormal_by_mean,
    lognormal_by_p90,
)

SHARE = st.integers(0, 2**53 - 1).map(lambda cell: cell * 2.0**-53)  # what streams can give
POSITIVE = st.floats(0.01, 1000)
SPREAD = st.floats(0.05, 3)


def rising(count: int) -> st.SearchStrategy[list[float]]:
    # apart by at least a hundredth of the least, so that scipy's own arithmetic is sound
    steps = st.lists(st.floats(0.1, 50), min_size=count, max_size=count)
    return steps.map(lambda found: [sum(found[: index + 1]) for index in range(count)])


def normal(mu: float, sigma: float) -> tuple[Distribution, Any]:
    return Normal(mu, sigma), stats.truncnorm(-mu / sigma, math.inf, loc=mu, scale=sigma)


def lognormal(mean: float, cv: float) -> tuple[Distribution, Any]:
    sigma = math.sqrt(math.log(1 + cv**2))
    return lognormal_by_mean(mean, cv), stats.lognorm(sigma, scale=mean / math.sqrt(1 + cv**2))


def pert(low: float, mode: float, high: float) -> tuple[Distribution, Any]:
    width = high - low
    peer = stats.beta(1 + 4 * (mode - low) / width, 1 + 4 * (high - mode) / width, loc=low, scale=width)
    return Pert(low, mode, high), peer


def triangular(low: float, mode: float, high: float) -> tuple[Distribution, Any]:
    return Triangular(low, mode, high), stats.triang((mode - low) / (high - low), loc=low, scale=high - low)


PAIRS: dict[str, st.SearchStrategy[tuple[Distribution, Any]]] = {
    "uniform": rising(2).map(lambda at: (Uniform(*at), stats.uniform(at[0], at[1] - at[0]))),
    "triangular": rising(3).map(lambda at: triangular(*at)),
    "pert": rising(3).map(lambda at: pert(*at)),
    "exponential": POSITIVE.map(lambda mean: (Exponential(mean), stats.expon(scale=mean))),
    "erlang": st.tuples(st.integers(1, 9), POSITIVE).map(
        lambda at: (erlang(*at), stats.erlang(at[0], scale=at[1] / at[0]))
    ),
    "gamma": st.tuples(POSITIVE, SPREAD).map(
        lambda at: (gamma_by_mean(*at), stats.gamma(1 / at[1] ** 2, scale=at[0] * at[1] ** 2))
    ),
    "lognormal": st.tuples(POSITIVE, SPREAD).map(lambda at: lognormal(*at)),
    "normal": st.tuples(POSITIVE, POSITIVE).map(lambda at: normal(*at)),
    "weibull": st.tuples(st.floats(0.5, 5), POSITIVE).map(
        lambda at: (Weibull(*at), stats.weibull_min(at[0], scale=at[1]))
    ),
}


@pytest.mark.parametrize("kind", PAIRS)
@given(data=st.data(), u=SHARE)
def test_quantiles_and_means_agree_with_scipy(kind: str, data: st.DataObject, u: float) -> None:
    found, peer = data.draw(PAIRS[kind])
    u = min(u, 1 - 1e-6)  # beyond, scipy's truncated normal loses digits
    assert found.sample(u) == pytest.approx(float(peer.ppf(u)), rel=1e-6, abs=1e-6)
    assert found.mean == pytest.approx(float(peer.mean()), rel=1e-6)


@pytest.mark.parametrize("kind", PAIRS)
@given(data=st.data(), shares=st.tuples(SHARE, SHARE))
def test_more_u_never_gives_less(kind: str, data: st.DataObject, shares: tuple[float, float]) -> None:
    found, _ = data.draw(PAIRS[kind])
    low, high = sorted(shares)
    least, most = found.sample(low), found.sample(high)
    assert 0 <= least <= most * (1 + 1e-12) < math.inf  # but for rounding


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), SHARE)
def test_observed_values_come_back_as_often_as_they_were_seen(values: list[float], u: float) -> None:
    found = Empirical(tuple(values))
    assert found.levels(len(values)) == tuple(sorted(values))
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert found.sample(u) in values


def test_discrete_values_have_their_probabilities() -> None:
    found = Discrete((3.0, 1.0, 2.0), (0.2, 0.5, 0.3))
    assert [found.sample(u) for u in (0, 0.499, 0.5, 0.799, 0.8, 0.999)] == [1, 1, 2, 2, 3, 3]
    assert found.mean == pytest.approx(1.7)
    assert found.levels(10) == (1, 1, 1, 1, 1, 2, 2, 2, 3, 3)


def test_a_log_normal_is_given_by_median_and_90th_percentile() -> None:
    found = lognormal_by_p90(10, 20)
    assert found.quantile(0.5) == pytest.approx(10)
    assert found.quantile(0.9) == pytest.approx(20)


def test_levels_are_the_middles_of_slices() -> None:
    assert Uniform(0, 10).levels(5) == (1, 3, 5, 7, 9)
    assert Constant(4).levels(3) == (4, 4, 4)
    assert (Triangular(2, 2, 2).sample(0.3), Pert(2, 2, 2).sample(0.3)) == (2, 2)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Constant(math.nan), "A constant has the value nan; write a finite number."),
        (lambda: Uniform(2, 1), "A uniform distribution has 2, 1; write them in rising order."),
        (lambda: Uniform(1, math.inf), "A uniform distribution has the value inf; write a finite number."),
        (lambda: Triangular(1, 4, 3), "A triangular distribution has 1, 4, 3; write them in rising order."),
        (lambda: Pert(1, 4, 3), "A PERT distribution has 1, 4, 3; write them in rising order."),
        (lambda: Exponential(0), "An exponential distribution has mean 0; it must be above zero."),
        (lambda: erlang(0, 1), "An Erlang distribution has stages 0; it must be above zero."),
        (lambda: gamma_by_mean(1, 0), "A gamma distribution has cv 0; it must be above zero."),
        (lambda: LogNormal(1, 0), "A log-normal distribution has sigma 0; it must be above zero."),
        (lambda: lognormal_by_p90(2, 2), "The 90th percentile 2 must be above the median 2."),
        (lambda: Normal(1, 0), "A normal distribution has deviation 0; it must be above zero."),
        (lambda: Weibull(0, 1), "A Weibull distribution has shape 0; it must be above zero."),
        (lambda: Empirical(()), "An empirical distribution has no value; give at least one."),
        (
            lambda: Discrete((1, 2), (0.5, 0.6)),
            "The probabilities of a discrete distribution add up to 1.1; they must be at least 0 and add up to 1.",
        ),
    ],
)
def test_parameters_that_make_no_distribution_are_refused(
    make: Callable[[], Distribution], says: str
) -> None:
    with pytest.raises(BadInput) as refused:
        make()
    assert str(refused.value) == says
