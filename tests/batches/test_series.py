"""Thinning keeps every extreme, the worst quality and every gap, whatever the points are."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from batches.limits import Quality
from batches.series import WORSE, Gap, Point, Series, thinned

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
GAP = timedelta(seconds=30)
QUALITIES: st.SearchStrategy[Quality] = st.sampled_from(["good", "uncertain", "stale", "bad"])
steps = st.lists(
    st.tuples(st.integers(1, 60), st.floats(-1e6, 1e6), QUALITIES), max_size=200
)  # seconds since the one before, value, quality


def points(drawn: list[tuple[int, float, Quality]]) -> list[Point[int]]:
    at, made = START, list[Point[int]]()
    for place, (seconds, value, quality) in enumerate(drawn):
        at += timedelta(seconds=seconds)
        made.append(Point(at, value, quality, place))
    return made


def thin(given: list[Point[int]], most: int) -> Series[int]:
    return thinned(iter(given), len(given), most, GAP)


@given(steps, st.integers(1, 100))
def test_nothing_that_is_looked_for_is_lost(drawn: list[tuple[int, float, Quality]], most: int) -> None:
    whole = points(drawn)
    found = thin(whole, most)
    assert found.total == len(whole)
    assert found.points == sorted(set(found.points)), "in order, each once"
    assert found.gaps == [Gap(a.at, b.at) for a, b in pairwise(whole) if b.at - a.at > GAP]
    if not whole:
        return
    kept = [whole[place] for place in found.points]
    assert (kept[0], kept[-1]) == (whole[0], whole[-1])
    assert min(p.value for p in kept) == min(p.value for p in whole)
    assert max(p.value for p in kept) == max(p.value for p in whole)
    assert max(WORSE[p.quality] for p in kept) == max(WORSE[p.quality] for p in whole)
    for gap in found.gaps:
        assert {gap.start, gap.end} <= {p.at for p in kept}


@given(steps)
def test_what_fits_stays_whole(drawn: list[tuple[int, float, Quality]]) -> None:
    assert thin(points(drawn), max(1, len(drawn))).points == [*range(len(drawn))]


def test_a_long_series_becomes_short() -> None:
    whole = points([(1, float(place % 97), "good") for place in range(10_000)])
    assert 300 <= len(thin(whole, 1000).points) <= 1010
