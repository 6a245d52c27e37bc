"""Queueing networks against theory, and by hand."""

import pytest

from batches.errors import BadInput
from simulations import theory, validation
from simulations.distributions import Constant
from simulations.queueing import Breakdown, Network, Population, QueueingModel, Source, Station


@pytest.mark.parametrize("case", list(validation.cases(0.03)), ids=lambda case: case.title)
def test_the_simulation_agrees_with_theory(case: validation.Case) -> None:
    if "Jackson" in case.title:
        case = next(each for each in validation.cases(0.1) if each.title == case.title)
    wrong = [each for each in validation.check(case, replications=20) if not each.agrees]
    assert wrong == []


def test_a_wrong_service_time_would_be_seen() -> None:
    case = next(validation.cases(0.05))
    off = validation.Case(case.title, case.network, {"wait.q": theory.mmc_wait(1, 0.72, 1)})
    assert [each.agrees for each in validation.check(off)] == [False]


def by_hand(station: Station, every: float, length: float) -> dict[str, float]:
    network = Network("hand", {"q": station}, {"c": Source("q", Constant(every))}, length=length)
    return dict(QueueingModel(network).replicate(1, 0).measures)


def test_a_constant_queue_is_what_the_pencil_says() -> None:
    # arrivals at 2, 4, 6, 8; service 3: starts 2, 5, 8; waits 0, 1, 2
    found = by_hand(Station(1, Constant(3.0)), 2.0, 9.0)
    assert found["wait.q"] == pytest.approx(1.0)
    assert found["busy.q"] == pytest.approx(7 / 9)
    assert found["queue.q"] == pytest.approx((1 + 2 + 1) / 9)


def test_a_full_room_loses_and_impatience_leaves() -> None:
    # 2 served; 4 waits; 6 finds the room full; at 9 the one of 4 begins; 8 lost too
    full = by_hand(Station(1, Constant(7.0), room=1), 2.0, 9.5)
    assert full["lost.q"] == pytest.approx(2 / 4)
    # 4 and 6 leave after 2 at 6 and 8
    left = by_hand(Station(1, Constant(7.0), patience=Constant(2.0)), 2.0, 8.5)
    assert left["reneged.q"] == pytest.approx(2 / 4)


def test_a_broken_server_goes_on_with_the_same_customer() -> None:
    broken = Breakdown(Constant(2.0), Constant(5.0))
    found = by_hand(Station(1, Constant(3.0), breakdown=broken), 10.0, 19.9)
    # begins at 10, fails at 12, is repaired at 17, ends at 18
    assert found["busy.q"] == pytest.approx(8 / 19.9)


def test_a_closed_population_is_conserved() -> None:
    people = {"m": Population(5, "q", Constant(3.0))}
    found = QueueingModel(Network("closed", {"q": Station(1, Constant(1.0))}, {}, people, length=500.0))
    assert found.replicate(1, 0).measures["busy.q"] == pytest.approx(1, abs=0.01)
    assert found.replicate(1, 0) == found.replicate(1, 0)
    assert found.replicate(1, 0) == found.replicate(2, 1).__class__(
        1, 0, found.replicate(2, 1).measures, found.replicate(2, 1).series
    )


def test_theory_refuses_a_queue_without_a_steady_state() -> None:
    with pytest.raises(BadInput, match="no steady state"):
        theory.mmc_wait(1, 1, 1)
    assert theory.erlang_c(4, 3.2) == pytest.approx(0.596432, abs=1e-6)  # Gross and others, table
    assert theory.mg1_wait(1, 0.8, 2 * 0.64) == pytest.approx(theory.mmc_wait(1, 0.8, 1))


def test_the_page_says_what_missed() -> None:
    text = validation.page(
        [validation.Checked("a", "wait.q", 1.0, validation.mean_interval([2.0, 2.0]), False)]
    )
    assert "| NO |" in text
    assert "0 of 1 95 % intervals" in text
