"""Form aggregates: a liquid handler seeds single cells into micro-wells."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, scan_identity, scan_unit, takes_people
from batches.quantities import Quantity, parse
from batches.steps import Consume, Do, PhaseRun, Scan


def aggregate(
    *, cells: str, plates: str, plate_count: Quantity, source: str, target: str, volume: Quantity, wells: int,
    unit: str = "",
) -> PhaseRun:  # fmt: skip
    yield from scan_identity(f"on {cells}")
    yield from scan_unit(unit)
    yield Scan(f"Scan the lot label of {cells}.", f"lot:{cells}")
    yield Consume(plates, plate_count)
    yield Do("load", {"vessel": target, "volume": parse("0 mL")}, unit)
    yield Do("seed_microwells", {"source": source, "target": target, "volume": volume, "wells": wells}, unit)
    return {"wells": wells}


PHASE = Phase(
    name="aggregate",
    version=1,
    run=aggregate,
    about="Seeds single cells into the micro-wells of a fresh plate, where they form aggregates.",
    parameters={
        "cells": Declared("material", about="single-cell suspension, made before"),
        "plates": Declared("material", about="micro-well plates"),
        "plate_count": Declared("quantity", "$plates"),
        "source": Declared("text", about="vessel on the deck that holds the suspension"),
        "target": Declared("text", about="plate on the deck"),
        "volume": Declared("quantity", "uL", about="suspension in each well"),
        "wells": Declared("integer", about="wells seeded"),
        "unit": UNIT,
    },
    results={"wells": Declared("integer")},
    unit_class="liquid_handler",
    does=("load", "seed_microwells"),
    consumes=("plates",),
    touches=("cells",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
