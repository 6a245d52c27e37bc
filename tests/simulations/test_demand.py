"""Orders: their rate, seasons, slots, classes, and that each keeps its fate."""

from dataclasses import replace
from math import inf

import pytest

from simulations.demand import DAY, orders, rate
from simulations.distributions import Constant, Exponential
from simulations.scenario import Demand, Horizon, PatientClass, Slots
from simulations.streams import Streams

HORIZON = Horizon("2027-01-04", "Europe/Amsterdam", 0.0, 364 * DAY)
PLAIN = Demand("cart", Exponential(DAY), (), (), (), {}, None, 0.0, None, None)
YEARS = 10 * 364 * DAY


def listed(demand: Demand, end: float = YEARS, replication: int = 0):
    return list(orders(demand, HORIZON, Streams(3, replication), end))


def test_arrivals_have_their_rate_and_never_give_up_without_a_reason() -> None:
    found = listed(PLAIN)
    assert 3640 - 5 * 60 < len(found) < 3640 + 5 * 60
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert {(each.starts - each.at, each.gives_up, each.cancelled_at, each.clinic) for each in found} == {
        (0, inf, inf, "")
    }
    assert rate(PLAIN) == pytest.approx(1 / DAY)


def test_seasons_thin_the_months() -> None:
    summer = tuple(1.0 if month in (6, 7) else 0.25 for month in range(1, 13))
    demand = replace(PLAIN, season=summer)
    found = listed(demand, 364 * DAY * 5)
    june = [each for each in found if 148 <= (each.at / DAY) % 364 < 178]
    january = [each for each in found if 2 <= (each.at / DAY) % 364 < 27]
    assert 100 < len(june) < 200  # 150 expected
    assert 10 < len(january) < 60  # 31 expected
    assert rate(demand) == pytest.approx(sum(summer) / 12 / DAY)


def test_slots_are_given_first_come_first_served() -> None:
    demand = replace(PLAIN, interval=Constant(DAY / 2), slots=Slots((0, 3), 2, 3 * DAY))
    found = listed(demand, 4 * DAY)
    starts = [each.starts / DAY for each in found]
    # Thursday 7 is three days after Monday 4; then Monday 11, Thursday 14, Monday 18
    assert starts == [7, 7, 10, 10, 14, 14, 17][: len(starts)]


def test_orders_by_date_come_on_their_dates() -> None:
    demand = replace(PLAIN, interval=None, dates=("2027-04-01", "2027-01-05", "2030-01-01"))
    assert [each.at / DAY for each in listed(demand, 364 * DAY)] == [1, 87 - 1 / 24]  # summer time has begun
    assert rate(demand) == 0


def test_classes_clinics_and_cancellations_have_their_shares() -> None:
    urgent = PatientClass("urgent", 0.3, 5, Exponential(30 * DAY), 0.6)
    demand = replace(
        PLAIN, classes=(urgent, PatientClass("regular", 0.7)), clinics={"a": 0.8, "b": 0.2}, cancelled=0.1,
        slots=Slots(tuple(range(7)), 9, 2 * DAY),
    )  # fmt: skip
    found = listed(demand)
    mine = [each for each in found if each.kind == "urgent"]
    assert len(mine) / len(found) == pytest.approx(0.3, abs=0.04)
    assert {(each.priority, each.gives_up < inf) for each in mine} == {(5, True)}
    assert sum(each.dies for each in mine) / len(mine) == pytest.approx(0.6, abs=0.08)
    assert sum(each.gives_up - each.at for each in mine) / len(mine) == pytest.approx(30 * DAY, rel=0.16)
    assert sum(each.clinic == "a" for each in found) / len(found) == pytest.approx(0.8, abs=0.04)
    taken_back = [each for each in found if each.cancelled_at < inf]
    assert len(taken_back) / len(found) == pytest.approx(0.1, abs=0.03)
    assert all(each.at <= each.cancelled_at <= each.starts for each in taken_back)


def test_an_order_keeps_its_fate_when_the_scenario_changes() -> None:
    demand = replace(PLAIN, classes=(PatientClass("a", 0.5, 0, Exponential(DAY)), PatientClass("b", 0.5)))
    slower = replace(demand, slots=Slots((0,), 1), cancelled=0.2)
    for one, other in zip(listed(demand), listed(slower), strict=True):
        assert (one.at, one.kind, one.gives_up, one.dies) == (
            other.at,
            other.kind,
            other.gives_up,
            other.dies,
        )
    assert listed(demand, replication=1)[0].at != listed(demand)[0].at
