"""Scenarios with some figures changed: what `--vary` may say."""

import pytest

from batches.errors import BadInput, NotFound
from simulations import queueing_reader
from simulations.planned import from_content, load, points
from simulations.scenario import ScenarioError
from tests.simulations.test_queueing_reader import GOOD

COUNTER = queueing_reader.read(GOOD, "counter.yaml").content


def test_points_are_every_combination_by_name() -> None:
    assert points(["units.a=2..6..2", "demand.cart.per_week=1,1.5"]) == {
        "units.a=2, demand.cart.per_week=1": {"units.a": 2, "demand.cart.per_week": 1},
        "units.a=2, demand.cart.per_week=1.5": {"units.a": 2, "demand.cart.per_week": "1.5"},
        "units.a=4, demand.cart.per_week=1": {"units.a": 4, "demand.cart.per_week": 1},
        "units.a=4, demand.cart.per_week=1.5": {"units.a": 4, "demand.cart.per_week": "1.5"},
        "units.a=6, demand.cart.per_week=1": {"units.a": 6, "demand.cart.per_week": 1},
        "units.a=6, demand.cart.per_week=1.5": {"units.a": 6, "demand.cart.per_week": "1.5"},
    }


@pytest.mark.parametrize(
    ("vary", "says"),
    [
        ([], "0 points are to be run"),
        (["units.a"], "'units.a' says nothing to vary"),
        (["units.a=5..4"], r"The range '5\.\.4' is empty"),
        (["units.a=1..40", "units.b=1..40"], "1600 points are to be run"),
    ],
)
def test_what_cannot_be_varied_is_a_sentence(vary: list[str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        points(vary)


def test_a_varied_figure_says_so_and_changes_the_key() -> None:
    base = from_content(COUNTER)
    more = base.varied({"stations.counter.servers": 4})
    assert more.model.key != base.model.key
    assert more.content["stations"]["counter"]["servers"] == {"value": 4, "source": "varied by the planner"}  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript] plain JSON
    assert base.varied({}).model.key == base.model.key


def test_a_unit_is_varied_at_every_site_that_has_it() -> None:
    base = load("cart-hospital")
    more = base.varied({"units.processor": 7})
    assert more.model.key != base.model.key
    with pytest.raises(BadInput, match="'units.oven' is no figure of the scenario"):
        base.varied({"units.oven": 7})
    with pytest.raises(ScenarioError):
        base.varied({"units.processor": "many"})


def test_an_unknown_scenario_names_those_that_ship() -> None:
    with pytest.raises(NotFound, match="cart-hospital"):
        load("no-such-scenario")
