"""Add a material to the vessel of a unit."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import IN_CARE, UNIT, takes_people
from batches.quantities import Quantity
from batches.steps import Consume, Do, PhaseRun


def add(*, material: str, quantity: Quantity, volume: Quantity, unit: str = "") -> PhaseRun:
    lot = yield Consume(material, quantity)
    yield Do("add", {"material": material, "volume": volume}, unit)
    return {"lot": lot}


PHASE = Phase(
    name="add",
    version=1,
    run=add,
    about="Adds a material to a vessel: transfection mix, inhibitor, enzyme, buffer.",
    parameters={
        "material": Declared("material"),
        "quantity": Declared("quantity", "$material"),
        "volume": Declared("quantity", "mL", about="volume added"),
        "unit": UNIT,
    },
    results={"lot": Declared("text")},
    does=("add",),
    consumes=("material",),
    vessel=("+volume",),
    holds=IN_CARE,
    duration=takes_people,
)
