"""Who may decide on a departure: quality assurance; where cells cannot wait, a second person first."""

import pytest

from batches.commands import decide as run
from batches.departures import decide, request
from batches.entries import Actor
from batches.errors import NotPermitted
from batches.plain import PlainDict
from batches.quantities import Quantity, quantity
from batches.recipe_reader import read
from batches.record import BatchState
from tests.batches.running import Run
from tests.conftest import ROOT

OPERATOR, SECOND = Actor("person", "p-a", "operator"), Actor("person", "p-b", "supervisor")
QUALITY = Actor("person", "p-q", "qa")


def asked(*, urgent: bool, by: Actor = OPERATOR) -> tuple[Run, BatchState, str]:
    """A batch in which somebody, the operator unless said, asks for a departure."""
    text = (ROOT / "batches" / "recipes" / "cart-autologous.yaml").read_text(encoding="utf-8")
    batch = Run(read(text, "cart")).start()
    name, parameter = next(iter(batch.state.known_recipe().formula.items()))
    change: PlainDict = {"kind": "formula", "name": name, "value": _other(parameter.value)}
    run(batch.state, request(batch.state, change, "because", urgent, by, batch.now), batch.now)
    return batch, batch.state, next(iter(batch.state.departures))


def _other(value: object) -> PlainDict:
    assert isinstance(value, Quantity)
    return quantity(value.value + 1, value.unit).plain()


def decided(batch: Run, state: BatchState, identity: str, by: Actor) -> str:
    run(state, decide(state, identity, True, "seen", by, batch.now), batch.now)
    return state.departures[identity].status


def test_a_departure_that_can_wait_is_applied_by_quality_assurance_only() -> None:
    batch, state, identity = asked(urgent=False)
    with pytest.raises(NotPermitted, match="decided by quality assurance"):
        decided(batch, state, identity, SECOND)
    assert decided(batch, state, identity, QUALITY) == "applied"


def test_an_urgent_departure_is_applied_by_a_second_person_and_confirmed_later() -> None:
    batch, state, identity = asked(urgent=True)
    with pytest.raises(NotPermitted, match="another person"):
        decided(batch, state, identity, OPERATOR)
    assert decided(batch, state, identity, SECOND) == "applied_unconfirmed"
    assert decided(batch, state, identity, QUALITY) == "confirmed"
