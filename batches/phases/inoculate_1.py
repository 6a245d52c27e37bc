"""Inoculate a vessel with cells or aggregates."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    ENVIRONMENT,
    ENVIRONMENT_TAGS,
    ONLY_GIVEN,
    UNIT,
    scan_identity,
    scan_unit,
    set_points,
    takes_people,
)
from batches.quantities import Quantity
from batches.steps import Consume, Do, PhaseRun, Scan


def inoculate(
    *, cells: Quantity, volume: Quantity, material: str = "", amount: Quantity | None = None, unit: str = "",
    **environment: Quantity,
) -> PhaseRun:  # fmt: skip
    yield from scan_identity("on the cells")
    yield from scan_unit(unit)
    if material and amount is not None:
        yield Consume(material, amount)
    elif material:
        yield Scan(f"Scan the lot label of {material}.", f"lot:{material}")
    yield from set_points(environment, unit)
    yield Do("inoculate", {"cells": cells, "volume": volume}, unit)
    return {"density": density(cells, volume)}


def density(cells: Quantity, volume: Quantity) -> Quantity:
    """Cells by volume, in cells per millilitre."""
    return (cells / volume).to("cell/mL")


PHASE = Phase(
    name="inoculate",
    version=1,
    run=inoculate,
    about="Brings cells into a vessel. With `amount` their lot is consumed here, without it only scanned.",
    parameters={
        "cells": Declared("quantity", "cell", about="viable cells brought in"),
        "volume": Declared("quantity", "mL", about="volume in the vessel afterwards, from empty"),
        "material": Declared("material", optional=True, about="the cells, where they carry a lot label"),
        "amount": Declared(
            "quantity", "$material", optional=True, about="how much of the material is consumed"
        ),
        **ENVIRONMENT,
        "unit": UNIT,
    },
    results={"density": Declared("quantity", "cell/mL")},
    sets=ENVIRONMENT_TAGS,
    does=("inoculate",),
    only_with=ONLY_GIVEN,
    consumes=("material",),
    vessel=("+volume",),
    touches=("material",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
