"""Activate T cells: the closed processor seeds them with the activation reagent and starts the culture."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, scan_identity, scan_unit, takes_people
from batches.quantities import Quantity
from batches.steps import Consume, PhaseRun, Program, Scan, Set


def activate(
    *, cells: str, seed: Quantity, volume: Quantity, reagent: str, reagent_quantity: Quantity, medium: str,
    temperature: Quantity, co2: Quantity, program: str = "activate_culture", unit: str = "",
) -> PhaseRun:  # fmt: skip
    yield from scan_identity(f"on {cells}")
    yield from scan_unit(unit)
    yield Scan(f"Scan the lot label of {cells}.", f"lot:{cells}")
    yield Consume(reagent, reagent_quantity)
    yield Consume(medium, volume)
    yield Set("temperature", temperature, unit)
    yield Set("co2", co2, unit)
    yield Program(program, {"cells": seed, "volume": volume}, unit)
    return {}


PHASE = Phase(
    name="activate",
    version=1,
    run=activate,
    about="Seeds enriched cells with the activation reagent in medium and starts the culture.",
    parameters={
        "cells": Declared("material", about="the enriched cells, made before"),
        "seed": Declared("quantity", "cell", about="viable cells seeded"),
        "volume": Declared("quantity", "mL", about="culture volume"),
        "reagent": Declared("material", about="activation reagent"),
        "reagent_quantity": Declared("quantity", "$reagent"),
        "medium": Declared("material"),
        "temperature": Declared("quantity", "degC"),
        "co2": Declared("quantity", "%"),
        "program": Declared("text", default="activate_culture"),
        "unit": UNIT,
    },
    unit_class="closed_cell_processor",
    sets=("temperature", "co2"),
    does=("program:program",),
    consumes=("reagent", "medium"),
    vessel=("empty", "+volume"),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
