"""Whole replications: the same for the same seed, nothing lost on the way, an end even where work has none."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.errors import BadInput, NotFound
from simulations.factory import Factory, ScenarioModel, load, model_of, recipe_of
from simulations.scenario import Scenario
from simulations.streams import Streams
from tests.simulations.small import HEAD, model, recipe, scenario
from tests.simulations.test_run import GROW

ROOT = Path(__file__).resolve().parents[2]
OFTEN = "interval: {value: {exponential: 8 h}, source: test}"
TIMES = (
    "[{of: decision, name: 'Good*', classes: [{value: yes it is, probability: {value: 90 %, source: test}}, "
    "{value: stop the batch, probability: {value: 10 %, source: test}}]}]"
)


def plant(vessels: int = 2, **more: Any) -> Scenario:
    return scenario(vessels=vessels, operators=2, demand=OFTEN, outcomes=TIMES, length="60 day", **more)


def tiny(vessels: int = 2, **more: Any) -> ScenarioModel:
    return model(recipe(GROW), plant(vessels, **more))


def test_a_replication_is_the_same_again_and_in_any_order() -> None:
    first, again = tiny(), tiny()
    ahead = [again.replicate(7, number) for number in (2, 1, 0)]
    assert [first.replicate(7, number) for number in (0, 1, 2)] == ahead[::-1]
    assert first.replicate(7, 0) != first.replicate(8, 0)


def test_a_replication_is_the_same_in_another_process_with_another_hash_seed(tmp_path: Path) -> None:
    built = tiny()
    file = tmp_path / "model.pickle"
    file.write_bytes(pickle.dumps(built))
    code = (
        "import pickle, sys; m = pickle.loads(open(sys.argv[1], 'rb').read()); "
        "sys.stdout.buffer.write(repr(m.replicate(3, 0)).encode())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    assert said.stdout == repr(built.replicate(3, 0)).encode()


def test_a_year_of_a_suite_gives_every_kind_of_measure() -> None:
    found = load("cart-hospital").replicate(3, 0)
    wanted = (
        "throughput.cart", "vein_to_vein.cart.median", "vein_to_vein.cart.p90", "success.cart",
        "utilisation.unit.hospital/processor", "utilisation.people.hospital/quality",
        "utilisation.suite.hospital/cell_suite", "queue.units.mean", "cost.total",
    )  # fmt: skip
    assert [name for name in wanted if name not in found.measures] == []
    assert all(
        found.tables[name] for name in ("batches", "utilisation_by_week", "queues_by_step", "gantt", "fates")
    )
    assert found.stopped == ""


def test_the_key_changes_with_the_scenario_and_with_the_recipe() -> None:
    one = tiny()
    assert one.key == tiny().key
    assert one.key != tiny(3).key
    assert (
        one.key != model(recipe(GROW, HEAD.replace("pause: {value: 2 h", "pause: {value: 3 h")), plant()).key
    )


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 3))
def test_batches_people_and_units_are_conserved(seed: int, vessels: int) -> None:
    factory = Factory(tiny(vessels), Streams(seed, 0))
    found = factory.run()
    site = factory.plants["plant"]
    orders = found.measures.get("orders.tiny", 0.0)
    over = sum(
        value
        for name, value in found.measures.items()
        if name.startswith("orders.") and name != "orders.tiny"
    )
    assert orders == over + found.measures["open_orders.at_end"]
    held = [holder for unit in site.pool.units.values() for holder in unit.holders.values()]
    assert sorted(held) == sorted(c.id for c in site.pool.holding.values() for _ in c.bound)
    assert set(held) <= set(site.runs)
    for name, value in found.measures.items():
        assert value == value, name
        if name.startswith(("utilisation", "success")):
            assert 0 <= value <= 1 + 1e-9, name


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_more_vessels_never_make_batches_wait_longer(seed: int) -> None:
    """Each batch waits for a vessel and nothing else: with the same draws, one more can only help."""
    hold = GROW.split("          - sample@1")[0]
    waits = [
        model(recipe(hold), plant(vessels)).replicate(seed, 0).measures["wait_to_start.tiny.mean"]
        for vessels in (1, 2, 3)
    ]
    assert waits[0] >= waits[1] >= waits[2]


def test_a_demand_beyond_capacity_for_ever_stops_the_run_and_says_so() -> None:
    busy = scenario(demand="interval: {value: 1 h, source: test}", length="200 day")
    found = model(recipe(GROW), busy).replicate(1, 0)
    assert found.stopped.startswith("Demand exceeds capacity: on day ")
    assert "orders were open" in found.stopped


def test_a_plant_that_keeps_up_is_not_stopped() -> None:
    calm = scenario(demand="interval: {value: {exponential: 7 h}, source: test}", length="400 day")
    assert model(recipe(GROW), calm).replicate(1, 0).stopped == ""


def test_orders_without_time_between_them_are_refused() -> None:
    with pytest.raises(BadInput, match="orders without end would come at once; write a time above zero"):
        scenario(demand="interval: {value: 0 h, source: test}")


def test_a_repeat_that_takes_no_time_ends_at_its_bound() -> None:
    procedure = """
  - repeat: Again
    at_most: 1000
    until: 1 == 2
    body:
      - unit_procedure: Grow
        unit: vessel
        operations:
          - operation: Nothing
            phases:
              - hold_culture@1: {duration: 0 h}
"""
    found = model(recipe(procedure), scenario()).replicate(1, 0)
    assert found.measures["deviations.tiny"] == 1.0
    assert found.measures["making.tiny.mean"] == 0.0


def test_a_recipe_that_is_not_there_is_said() -> None:
    with pytest.raises(NotFound, match="There is no recipe 'nothing'"):
        recipe_of("nothing")
    with pytest.raises(NotFound, match="There is no recipe 'tiny'"):
        model_of(scenario())
