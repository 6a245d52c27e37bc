"""Inoculate a vessel with cells or aggregates."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    ENVIRONMENT,
    ENVIRONMENT_TAGS,
    ONLY_GIVEN,
    UNIT,
    consume_listed,
    listed,
    scan_identity,
    scan_unit,
    set_points,
    takes_people,
)
from batches.quantities import Quantity
from batches.steps import Consume, Do, PhaseRun, Scan, Value


def inoculate(
    *, volume: Quantity, cells: Quantity | None = None, aggregates: Quantity | None = None, material: str = "",
    amount: Quantity | None = None, medium: str = "", medium_quantity: Quantity | None = None, unit: str = "",
    **environment: Quantity,
) -> PhaseRun:  # fmt: skip
    yield from scan_identity("on the cells")
    yield from scan_unit(unit)
    if material and amount is not None:
        yield Consume(material, amount)
    elif material:
        yield Scan(f"Scan the lot label of {material}.", f"lot:{material}")
    yield from consume_listed({"medium": medium, "medium_quantity": medium_quantity}, ("medium",))
    yield from set_points(environment, unit)
    given: dict[str, Value] = {"cells": cells, "aggregates": aggregates, "volume": volume}
    yield Do("inoculate", {name: value for name, value in given.items() if value is not None}, unit)
    return {}


PHASE = Phase(
    name="inoculate",
    version=1,
    run=inoculate,
    about="Brings cells or aggregates, suspended in medium, into a vessel. With `amount` their lot is consumed here, without it only scanned.",
    parameters={
        "volume": Declared("quantity", "mL", about="of the suspension"),
        "cells": Declared("quantity", "cell", optional=True, about="viable cells in it"),
        "aggregates": Declared("quantity", "aggregate", optional=True, about="or aggregates in it"),
        "material": Declared("material", optional=True, about="the cells, where they carry a lot label"),
        "amount": Declared(
            "quantity", "$material", optional=True, about="how much of the material is consumed"
        ),
        **listed(("medium",), "medium the cells are suspended in"),
        **ENVIRONMENT,
        "unit": UNIT,
    },
    sets=ENVIRONMENT_TAGS,
    does=("inoculate",),
    only_with=ONLY_GIVEN,
    consumes=("material", "medium"),
    vessel=("+volume",),
    touches=("material",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
