"""Cells in a vessel: what goes in, comes out or is used adds up, and the step is short enough."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.twins.culture import (
    Culture,
    Flow,
    Surroundings,
    added,
    advance,
    composition,
    factors,
    removed,
    seeded,
)
from devices.twins.kinetics import KINETICS, TABLES

WARM = Surroundings(37.0, 7.2, 40.0)
KINDS = st.sampled_from(sorted(KINETICS))


def grown(
    culture: Culture, hours: float, step: float = 0.25, around: Surroundings = WARM, flow: Flow | None = None
):
    for _ in range(round(hours / step)):
        culture = advance(culture, step, around, around, around, flow or Flow(0.0, 0.0))
    return culture


def fresh(cells: float, volume: float, kind: str = "t_cell", glucose: float = 22.0) -> Culture:
    return seeded(added(Culture(), volume, glucose), cells, 95.0, kind)


@given(KINDS, st.floats(0.01, 20.0), st.floats(1.0, 48.0))
def test_lactate_made_is_the_yield_times_glucose_used(kind: str, density: float, hours: float) -> None:
    start = fresh(density * 100.0, 100.0, kind)
    end = grown(start, hours)
    used = start.glucose - end.glucose
    assert end.lactate - start.lactate == pytest.approx(
        KINETICS[kind].lactate_yield * used, rel=1e-9, abs=1e-9
    )
    assert end.volume == start.volume


def test_half_the_step_changes_the_end_by_less_than_one_percent() -> None:
    start = fresh(10.0, 100.0, "ipsc")
    whole, half = grown(start, 120.0), grown(start, 120.0, 0.125)
    for name in ("viable", "dead", "glucose", "lactate"):
        assert getattr(whole, name) == pytest.approx(getattr(half, name), rel=0.01)


def test_half_the_step_changes_a_culture_that_runs_out_of_glucose_by_less_than_one_percent() -> None:
    start = fresh(2000.0, 100.0, "ipsc")
    whole, half = grown(start, 36.0), grown(start, 36.0, 0.125)
    assert half.glucose / 100.0 < 0.1
    for name in ("viable", "dead", "lactate"):
        assert getattr(whole, name) == pytest.approx(getattr(half, name), rel=0.01)


def test_perfusion_without_cells_washes_glucose_in_exponentially() -> None:
    empty = added(Culture(), 100.0, 0.0)
    end = grown(empty, 24.0, flow=Flow(100.0 / 24.0, 22.0))
    assert end.glucose / 100.0 == pytest.approx(22.0 * (1.0 - 2.718281828459045**-1.0), rel=1e-6)
    assert end.volume == 100.0


def test_cells_die_without_glucose_and_live_with_it() -> None:
    hungry = grown(fresh(100.0, 100.0, glucose=0.0), 72.0)
    fed = grown(fresh(100.0, 100.0), 72.0)
    assert hungry.viable < 100.0 < fed.viable
    assert hungry.viability < 70.0 < fed.viability


@pytest.mark.parametrize(
    ("name", "around"),
    [
        ("cold", Surroundings(30.0, 7.2, 40.0)),
        ("sour", Surroundings(37.0, 6.5, 40.0)),
        ("without oxygen", Surroundings(37.0, 7.2, 0.5)),
        ("feverish", Surroundings(41.0, 7.2, 40.0)),
    ],
)
def test_bad_surroundings_slow_growth(name: str, around: Surroundings) -> None:
    start = replace(fresh(100.0, 100.0), adapted=1.0)
    assert grown(start, 24.0, around=around).viable < 0.8 * grown(start, 24.0).viable, name


def test_heat_and_lack_of_oxygen_kill() -> None:
    kinetics = KINETICS["t_cell"]
    assert factors(WARM, kinetics)[1] == 0.0
    assert factors(Surroundings(41.0, 7.2, 40.0), kinetics)[1] == pytest.approx(0.1)
    assert factors(Surroundings(37.0, 7.2, 0.0), kinetics) == (0.0, pytest.approx(0.02))


@given(KINDS, st.floats(0.1, 1e4), st.floats(1.0, 2000.0), st.floats(0.0, 0.99), st.floats(0.0, 1.0))
def test_what_is_taken_out_and_what_stays_add_up(
    kind: str, cells: float, volume: float, fraction: float, kept: float
) -> None:
    whole = fresh(cells, volume, kind)
    left = removed(whole, fraction, kept)
    assert left.volume == pytest.approx(volume * (1.0 - fraction))
    assert left.glucose == pytest.approx(whole.glucose * (1.0 - fraction))
    assert left.viable == pytest.approx(cells * (1.0 - fraction * (1.0 - kept)))
    assert left.viability == pytest.approx(whole.viability)
    assert added(left, volume * fraction, 22.0).glucose == pytest.approx(whole.glucose)


def test_aggregates_grow_by_the_cube_root_of_their_cells() -> None:
    small = fresh(10.0, 100.0, "ipsc")
    large = replace(small, viable=80.0)
    assert small.aggregates == 10e6 / KINETICS["ipsc"].cells_per_aggregate
    assert large.diameter == pytest.approx(2.0 * small.diameter)
    assert fresh(10.0, 100.0, "t_cell").diameter == 0.0


def test_an_empty_vessel_has_no_composition() -> None:
    assert composition(Culture()) == {}
    assert composition(added(Culture(), 100.0, 22.0)) == {}
    assert composition(fresh(10.0, 100.0))["viable"] == pytest.approx(1e5)


def test_every_number_says_where_it_comes_from() -> None:
    assert all(known.source and known.unit for table in TABLES.values() for known in table.values())
