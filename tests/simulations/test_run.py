"""Batches in simulated time: against schedules worked out by hand, and what befalls them."""

from collections.abc import Generator
from typing import Any

import pytest

from simulations.factory import Factory
from simulations.run import BatchRun
from simulations.scenario import Scenario
from simulations.streams import Streams
from tests.simulations.small import WORK, model, recipe, scenario

H, MIN = 3600.0, 60.0
GROW = """
  - unit_procedure: Grow
    unit: vessel
    operations:
      - operation: Culture
        phases:
          - hold_culture@1: {duration: $pause}
          - sample@1: {sample: count, question: Good?, options: yes it is | stop the batch}
"""
TWO = (
    GROW
    + """
  - unit_procedure: Fill
    unit: bench
    operations:
      - operation: Fill
        phases:
          - decide@1: {question: Filled?, options: yes it is | no, role: operator}
"""
)


def ran(
    procedure: str, plant: Scenario, starts: tuple[float, ...], until: float = 20 * 86400
) -> list[BatchRun]:
    """Batches that begin at these times, after `until` seconds; when each ended stands in `ended`."""
    factory = Factory(model(recipe(procedure), plant), Streams(1, 1))
    found: list[BatchRun] = []

    def begin(number: int, at: float) -> Generator[Any, Any, None]:
        yield factory.env.timeout(at)
        batch = factory.batch("tiny", "plant", f"B-{number}", 0)
        found.append(batch)
        yield from batch.live()
        ended[batch.id] = factory.env.now

    ended.clear()
    for number, at in enumerate(starts, 1):
        factory.env.process(begin(number, at))
    factory.env.run(until=until)
    return found


ended: dict[str, float] = {}


def test_two_batches_in_one_vessel_follow_each_other() -> None:
    ran(GROW, scenario(), (0.0, 0.0))
    # culture 2 h, sample 15 min, result 3 h, decision 10 min
    assert ended == {"B-1": 5 * H + 25 * MIN, "B-2": 2 * (5 * H + 25 * MIN)}


def test_two_vessels_share_one_operator() -> None:
    ran(GROW, scenario(vessels=2), (0.0, 0.0))
    assert ended == {"B-1": 5 * H + 25 * MIN, "B-2": 5 * H + 40 * MIN}


def test_work_stops_at_the_end_of_the_shift_and_goes_on_the_next_day() -> None:
    ran(GROW, scenario(shift='from: "00:00", to: "02:10"'), (0.0,))
    # sampled from 2 h to 2 h 10 min, and from 24 h to 24 h 5 min; result at 27 h 5 min; decided on day 3
    assert ended == {"B-1": 48 * H + 10 * MIN}


def test_work_that_must_fit_its_shift_waits_for_the_next() -> None:
    fits = WORK.replace(
        "Sample, takes: {value: 15 min, source: test}",
        "Sample, takes: {value: 15 min, source: test}, at_shift_end: fits",
    )
    ran(GROW, scenario(shift='from: "00:00", to: "02:10"', work=fits), (0.0,))
    assert ended == {"B-1": 48 * H + 10 * MIN}  # sampled from 24 h to 24 h 15 min


def test_a_unit_that_is_needed_later_is_kept_and_one_that_is_not_is_given_back() -> None:
    ran(TWO, scenario(vessels=2), (0.0, 0.0))
    # B-2 has its vessel at once; the bench is free when it is needed
    assert ended == {"B-1": 5 * H + 35 * MIN, "B-2": 5 * H + 55 * MIN}


STOP = '[{of: decision, name: "Good*", classes: [{value: stop the batch}]}]'


def test_a_decision_to_stop_loses_the_batch_and_frees_its_unit() -> None:
    first, second = ran(GROW, scenario(outcomes=STOP), (0.0, 0.0))
    assert (first.fate, second.fate) == ("stopped at sample", "stopped at sample")
    assert second.began == ended["B-1"]
    assert (first.plant.pool.holding, first.plant.pool.waiting) == ({}, [])


BREAKS = ", breakdown: {after: {value: 1 h, source: test}, repair: {value: 8 h, source: test}, basis: calendar, lost: {value: %s, source: test}}"


def test_a_breakdown_in_the_middle_of_a_phase_is_waited_for_and_its_time_made_up() -> None:
    hold = GROW.split("          - sample@1")[0]
    (batch,) = ran(hold, scenario(vessel=BREAKS % "0 %"), (0.0,))
    assert (batch.fate, ended) == ("", {"B-1": 10 * H})  # 1 h of 2, 8 h of repair, the other hour


def test_a_breakdown_may_lose_the_batch_at_once() -> None:
    (batch,) = ran(GROW, scenario(vessel=BREAKS % "100 %"), (0.0,))
    assert (batch.fate, ended["B-1"]) == ("breakdown of vessel", 1 * H)
    assert not batch.plant.pool.units["plant/vessel-1"].holders


LATE = """
  - unit_procedure: Grow
    unit: vessel
    operations:
      - operation: Culture
        phases:
          - hold_culture@1: {duration: $pause}
            then_within: {at_most: 30 min, to: sample}
          - decide@1: {question: Seen?, options: yes it is | no, role: operator}
          - sample@1: {sample: count}
"""


@pytest.mark.parametrize(("lost", "fate"), [("100 %", "time limit to sample"), ("0 %", "")])
def test_a_time_limit_that_is_missed_is_a_deviation_and_may_be_a_loss(lost: str, fate: str) -> None:
    more = f"    limits: [{{to: sample, lost: {{value: {lost}, source: test}}}}]"
    night = scenario(shift='from: "04:00", to: "24:00"', more=more)
    (batch,) = ran(LATE, night, (0.0,))  # cultured at 2 h, seen at 4 h 10 min
    assert (batch.fate, batch.deviations) == (fate, 1)


def test_a_time_limit_that_is_kept_says_nothing() -> None:
    (batch,) = ran(LATE, scenario(), (0.0,))
    assert (batch.fate, batch.deviations) == ("", 0)


def test_failures_fit_their_phase_and_say_why() -> None:
    more = "    failures: {no_growth: {probability: {value: 100 %, source: test}, phase: hold_culture}}"
    (batch,) = ran(GROW, scenario(more=more), (0.0,))
    assert (batch.fate, ended["B-1"]) == ("no_growth", 2 * H)


FED = GROW.replace(
    "- hold_culture@1: {duration: $pause}", "- add@1: {material: medium, quantity: 10 mL, volume: 10 mL}"
)
STOCK = """
    stock:
      medium:
        unit: mL
        start: {value: 12 mL, source: test}
        reorder_at: {value: 5 mL, source: test}
        order: {value: 50 mL, source: test}
        lead_time: {value: 1 day, source: test}
"""


def test_stock_that_is_short_is_waited_for() -> None:
    ran(FED, scenario(site=STOCK, vessels=2), (0.0, 0.0))
    # lot 5 min, added 30 min, sample 15 min, result 3 h, decision 10 min; the second waits for the order
    # of the first, which leaves the shelf at 2 mL
    assert ended == {"B-1": 4 * H, "B-2": 28 * H}
