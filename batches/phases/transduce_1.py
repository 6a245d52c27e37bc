"""Transduce cells with a vector that was thawed just before."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, scan_identity, scan_unit, takes_people
from batches.quantities import Quantity
from batches.steps import Ask, Consume, Field, PhaseRun, Program, Scan

CHECKS = {
    "released": Field(
        "yes_no", critical=True, label="vector lot released, in date, and the one of the recipe"
    ),
    "titre": Field("text", critical=True, label="titre on the certificate, as written"),
}


def transduce(
    *, vector: str, moi: Quantity, volume: Quantity, medium: str, medium_volume: Quantity,
    program: str = "transduce", unit: str = "",
) -> PhaseRun:  # fmt: skip
    yield from scan_identity("on the culture")
    yield from scan_unit(unit)
    lot = yield Scan(f"Scan the lot label of the thawed {vector}.", f"lot:{vector}")
    yield Ask(f"Check the certificate of {vector}.", CHECKS)
    yield Consume(medium, medium_volume)
    yield Program(program, {"moi": moi, "volume": volume}, unit)
    return {"lot": lot}


PHASE = Phase(
    name="transduce",
    version=1,
    run=transduce,
    about="Adds a thawed vector to the culture; patient, unit and vector lot are scanned first (gates 7 and 8).",
    parameters={
        "vector": Declared("material", about="the vector, thawed and consumed before"),
        "moi": Declared("quantity", "", about="multiplicity of infection: transducing units by cell"),
        "volume": Declared("quantity", "mL", about="culture volume afterwards"),
        "medium": Declared("material"),
        "medium_volume": Declared("quantity", "mL"),
        "program": Declared("text", default="transduce"),
        "unit": UNIT,
    },
    results={"lot": Declared("text", about="lot of the vector")},
    unit_class="closed_cell_processor",
    does=("program:program",),
    consumes=("medium",),
    vessel=("empty", "+volume"),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
