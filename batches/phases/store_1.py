"""Store containers in a cold store: identity, unit, position, temperature."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    AT_REST,
    UNIT,
    decide,
    mapping_of,
    quantity_in,
    scan_identity,
    scan_unit,
    takes_people,
    text_of,
)
from batches.quantities import Quantity, parse
from batches.steps import Ask, Field, PhaseRun, Read


def store(*, product: str, containers: int, at_most: Quantity, unit: str = "") -> PhaseRun:
    yield from scan_identity(f"on each container of {product}")
    yield from scan_unit(unit)
    found = mapping_of(
        (yield Ask(f"Put {containers} containers of {product} into the store.", _fields(containers)))
    )
    reading = yield Read("temperature", unit)
    temperature = quantity_in({"temperature": reading}, "temperature")
    cold = temperature <= at_most
    if not cold:
        options = ("stored elsewhere under a deviation", "left in place under a deviation")
        question = f"The store is warmer than {at_most}. What next?"
        yield from decide(question, options, {"temperature": temperature}, "supervisor")
    return {"position": text_of(found.get("position")), "temperature": temperature, "cold": cold}


def _fields(containers: int) -> dict[str, Field]:
    return {
        "position": Field("text", critical=True, label="position in the store, as on its label"),
        "stored": Field(
            "quantity", "", parse("0"), parse(str(containers)), critical=True, label="containers stored"
        ),
    }


PHASE = Phase(
    name="store",
    version=1,
    run=store,
    about="Stores containers; position and number are verified by a second person, the temperature is read (gate 10).",
    parameters={
        "product": Declared("material"),
        "containers": Declared("integer"),
        "at_most": Declared("quantity", "degC", about="warmest the store may be"),
        "unit": UNIT,
    },
    results={
        "position": Declared("text"),
        "temperature": Declared("quantity", "degC"),
        "cold": Declared("flag"),
    },
    reads=("temperature",),
    verifies_identity=True,
    holds=AT_REST,
    duration=takes_people,
)
