"""Dissociate aggregates or adherent cells with a reagent, by hand, within a contact time."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, decide, fired_of, lasts, mapping_of, scan_identity, yes_in
from batches.quantities import Quantity
from batches.steps import Ask, Consume, Do, Field, First, PhaseRun, Produce, Scan, Wait

QUENCHED = {"single_cells": Field("yes_no", label="single cells under the microscope, reagent diluted")}


def dissociate(
    *, material: str, reagent: str, reagent_quantity: Quantity, contact: Quantity, at_most: Quantity, product: str,
    volume: Quantity, unit: str = "",
) -> PhaseRun:  # fmt: skip
    yield from scan_identity(f"on {material}")
    yield Scan(f"Scan the lot label of {material}.", f"lot:{material}")
    yield Consume(reagent, reagent_quantity)
    yield Do("dissociate", {"reagent": reagent, "quantity": reagent_quantity, "contact": contact}, unit)
    yield Wait(contact)
    stop = Ask(
        f"Stop {reagent} now and make the suspension up to {volume}. Answer when it is diluted.", QUENCHED
    )
    fired = fired_of((yield First((stop,), within=at_most)))
    in_time = fired.index == 0
    found = mapping_of(fired.reply if in_time else (yield stop))
    if not in_time:
        options = ("use the cells under a deviation", "discard the cells")
        yield from decide(f"{reagent} acted for longer than {at_most}. What next?", options, found, "qa")
    lot = yield Produce(product, volume)
    return {"lot": lot, "volume": volume, "in_time": in_time, "single_cells": yes_in(found, "single_cells")}


PHASE = Phase(
    name="dissociate",
    version=1,
    run=dissociate,
    about="Makes single cells with a reagent; from the start of the phase the reagent may act `at_most` so long.",
    parameters={
        "material": Declared("material", about="what is dissociated, issued or made before"),
        "reagent": Declared("material"),
        "reagent_quantity": Declared("quantity", "$reagent"),
        "contact": Declared("quantity", "min", about="contact time aimed at"),
        "at_most": Declared(
            "quantity", "min", about="longest time from the start of the phase to the dilution"
        ),
        "product": Declared("material", about="the single-cell suspension, by volume"),
        "volume": Declared("quantity", "$product"),
        "unit": UNIT,
    },
    results={
        "lot": Declared("text"),
        "volume": Declared("quantity", "$product"),
        "in_time": Declared("flag"),
        "single_cells": Declared("flag"),
    },
    does=("dissociate",),
    consumes=("reagent",),
    produces=("product",),
    touches=("material",),
    verifies_identity=True,
    holds=(),
    duration=lasts("contact"),
)
