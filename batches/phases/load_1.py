"""Load a vessel on the deck of a liquid handler with a material, by hand."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import AT_REST, UNIT, takes_people
from batches.quantities import Quantity
from batches.steps import Ask, Consume, Do, Field, PhaseRun

LOADED = {
    "loaded": Field("yes_no", critical=True, label="in the right place, lid off, no bubbles"),
}


def load(*, material: str, quantity: Quantity, vessel: str, volume: Quantity, unit: str = "") -> PhaseRun:
    lot = yield Consume(material, quantity)
    yield Ask(f"Pour {volume} of {material} into '{vessel}'.", LOADED)
    yield Do("load", {"vessel": vessel, "volume": volume}, unit)
    return {"lot": lot}


PHASE = Phase(
    name="load",
    version=1,
    run=load,
    about="Puts a material on the deck and tells the liquid handler that it is there.",
    parameters={
        "material": Declared("material"),
        "quantity": Declared("quantity", "$material"),
        "vessel": Declared("text", about="vessel on the deck"),
        "volume": Declared("quantity", "mL", about="volume in the vessel"),
        "unit": UNIT,
    },
    results={"lot": Declared("text")},
    unit_class="liquid_handler",
    does=("load",),
    consumes=("material",),
    touches=("material",),
    holds=AT_REST,
    duration=takes_people,
)
