"""Pack containers into a shipper with a logger."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    AT_REST,
    mapping_of,
    quantity_in,
    scan_identity,
    takes_people,
    text_of,
)
from batches.quantities import Quantity, parse
from batches.steps import Ask, Consume, Field, PhaseRun, Sign

CHECKS = {
    "logger": Field("text", critical=True, label="number of the temperature logger, started"),
    "seal": Field("text", critical=True, label="number of the seal"),
    "temperature": Field(
        "quantity", "degC", parse("-200 degC"), parse("60 degC"), label="inside the shipper"
    ),
    "charged": Field("yes_no", label="shipper qualified and charged"),
}


def pack(*, product: str, containers: int, shipper: str, shippers: Quantity) -> PhaseRun:
    yield from scan_identity(f"on each container of {product}")
    yield Consume(shipper, shippers)
    text = f"Pack {containers} containers of {product} with a started logger and seal the shipper."
    found = mapping_of((yield Ask(text, CHECKS)))
    yield Sign(f"{product} packed and sealed", "performed")
    temperature = quantity_in(found, "temperature")
    return {
        "logger": text_of(found.get("logger")),
        "seal": text_of(found.get("seal")),
        "temperature": temperature,
    }


PHASE = Phase(
    name="pack",
    version=1,
    run=pack,
    about="Packs containers for transport; logger and seal are recorded (hand-over gate 3).",
    parameters={
        "product": Declared("material"),
        "containers": Declared("integer"),
        "shipper": Declared("material"),
        "shippers": Declared("quantity", "$shipper"),
    },
    results={
        "logger": Declared("text"),
        "seal": Declared("text"),
        "temperature": Declared("quantity", "degC"),
    },
    consumes=("shipper",),
    verifies_identity=True,
    holds=AT_REST,
    duration=takes_people,
)
