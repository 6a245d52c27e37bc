"""Pool micro-wells: a liquid handler brings their content together."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, scan_identity, scan_unit, takes_people
from batches.quantities import Quantity
from batches.steps import Do, PhaseRun, Produce


def pool(
    *,
    source: str,
    target: str,
    volume: Quantity,
    wells: int,
    product: str = "",
    amount: Quantity | None = None,
    unit: str = "",
) -> PhaseRun:
    yield from scan_identity(f"on {source}")
    yield from scan_unit(unit)
    yield Do("pool", {"source": source, "target": target, "volume": volume, "wells": wells}, unit)
    if product and amount is not None:
        return {"lot": (yield Produce(product, amount))}
    return {}


PHASE = Phase(
    name="pool",
    version=1,
    run=pool,
    about="Brings the content of wells together in one vessel and makes a lot of it if asked.",
    parameters={
        "source": Declared("text", about="plate on the deck"),
        "target": Declared("text", about="vessel on the deck"),
        "volume": Declared("quantity", "uL", about="taken from each well"),
        "wells": Declared("integer"),
        "product": Declared("material", default="", optional=True, about="made by the last of several pools"),
        "amount": Declared("quantity", "$product", optional=True, about="of the product"),
        "unit": UNIT,
    },
    results={"lot": Declared("text", optional=True)},
    unit_class="liquid_handler",
    does=("pool",),
    produces=("product",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
