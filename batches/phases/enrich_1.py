"""Enrich cells by magnetic selection in a closed processor."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, consume_listed, listed, scan_identity, scan_unit, takes_people, told
from batches.quantities import Quantity, parse
from batches.steps import PhaseRun, Produce, Program, Scan, Value

_MOST = parse("1000 mL")
REAGENTS = ("beads", "more_beads", "buffer", "medium")


def enrich(
    *, material: str, cells: Quantity, product: str, program: str = "enrich", unit: str = "", **reagents: Value
) -> PhaseRun:  # fmt: skip
    yield from scan_identity(f"on the container of {material}")
    yield from scan_unit(unit)
    yield Scan(f"Scan the lot label of {material}.", f"lot:{material}")
    yield from consume_listed(reagents, REAGENTS)
    reply = yield Program(program, {"cells": cells}, unit)
    out = yield from told(reply, "volume", f"Enter the volume of {product}.", _MOST)
    lot = yield Produce(product, out)
    return {"lot": lot, "volume": out}


PHASE = Phase(
    name="enrich",
    version=1,
    run=enrich,
    about="Selects cells with magnetic beads; the processor runs its own programme.",
    parameters={
        "material": Declared("material", about="the starting material, issued to the batch before"),
        "cells": Declared("quantity", "cell", about="cells of the wanted kind in the starting material"),
        "product": Declared("material", about="the enriched cells, by volume"),
        **listed(REAGENTS, "reagent of the selection"),
        "program": Declared("text", default="enrich"),
        "unit": UNIT,
    },
    results={"lot": Declared("text"), "volume": Declared("quantity", "mL")},
    unit_class="closed_cell_processor",
    does=("program:program",),
    consumes=REAGENTS,
    produces=("product",),
    vessel=("?",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
