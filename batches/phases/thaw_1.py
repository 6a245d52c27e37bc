"""Thaw a vial or bag, by hand."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, mapping_of, takes_people, yes_in
from batches.quantities import Quantity, parse
from batches.steps import Ask, Consume, Do, Field, PhaseRun

_BATH = parse("37 degC")
CHECKS = {
    "ice_gone": Field("yes_no", label="no more than a sliver of ice is left"),
    "intact": Field("yes_no", critical=True, label="container intact"),
}


def thaw(*, material: str, quantity: Quantity, temperature: Quantity = _BATH, unit: str = "") -> PhaseRun:
    lot = yield Consume(material, quantity)
    yield Do("thaw", {"material": material, "quantity": quantity, "temperature": temperature}, unit)
    found = mapping_of((yield Ask(f"Look at the thawed {material}.", CHECKS)))
    return {"lot": lot, "intact": yes_in(found, "intact")}


PHASE = Phase(
    name="thaw",
    version=1,
    run=thaw,
    about="Thaws a vial or bag. The time to its use is limited by `then_within` in the recipe.",
    parameters={
        "material": Declared("material", about="what is thawed"),
        "quantity": Declared("quantity", "$material"),
        "temperature": Declared("quantity", "degC", default=_BATH, about="of the bath or block"),
        "unit": UNIT,
    },
    results={"lot": Declared("text"), "intact": Declared("flag")},
    does=("thaw",),
    consumes=("material",),
    touches=("material",),
    holds=(),
    duration=takes_people,
)
