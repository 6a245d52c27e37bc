"""Cryopreserve: a controlled-rate freezer runs its programme with the product in it."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, decide, mapping_of, scan_identity, scan_unit, takes_people, yes_in
from batches.quantities import Quantity
from batches.steps import Ask, Field, PhaseRun, Program

CHECKS = {
    "in_profile": Field("yes_no", critical=True, label="course of temperature as the recipe demands"),
    "intact": Field("yes_no", label="containers intact, labels legible"),
}


def cryopreserve(
    *, product: str, rate: Quantity, to: Quantity, program: str = "freeze", unit: str = ""
) -> PhaseRun:
    yield from scan_identity(f"on each container of {product}")
    yield from scan_unit(unit)
    yield Program(program, {"rate": rate, "to": to}, unit)
    text = f"Check the freezing curve of {product}: {rate} to {to}."
    found = mapping_of((yield Ask(text, CHECKS)))
    in_profile = yes_in(found, "in_profile")
    if not in_profile:
        options = ("keep under a deviation", "reject the containers")
        yield from decide(f"{product} was not frozen as the recipe demands. What next?", options, found, "qa")
    return {"in_profile": in_profile}


PHASE = Phase(
    name="cryopreserve",
    version=1,
    run=cryopreserve,
    about="Freezes the product at a controlled rate; the curve is evidence and is checked by two people.",
    parameters={
        "product": Declared("material"),
        "rate": Declared("quantity", "delta_degC/min", about="change of temperature by time; negative cools"),
        "to": Declared("quantity", "degC", about="temperature at the end of the programme"),
        "program": Declared("text", default="freeze", about="programme of the freezer"),
        "unit": UNIT,
    },
    results={"in_profile": Declared("flag")},
    unit_class="controlled_rate_freezer",
    does=("program:program",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
