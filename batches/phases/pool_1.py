"""Pool micro-wells: a liquid handler brings their content together."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, scan_identity, scan_unit, takes_people
from batches.quantities import Quantity
from batches.steps import Do, PhaseRun, Produce


def pool(
    *, source: str, target: str, volume: Quantity, wells: int, product: str, amount: Quantity, unit: str = ""
) -> PhaseRun:
    yield from scan_identity(f"on {source}")
    yield from scan_unit(unit)
    yield Do("pool", {"source": source, "target": target, "volume": volume, "wells": wells}, unit)
    lot = yield Produce(product, amount)
    return {"lot": lot}


PHASE = Phase(
    name="pool",
    version=1,
    run=pool,
    about="Brings the content of wells together in one vessel and makes a lot of it.",
    parameters={
        "source": Declared("text", about="plate on the deck"),
        "target": Declared("text", about="vessel on the deck"),
        "volume": Declared("quantity", "uL", about="taken from each well"),
        "wells": Declared("integer"),
        "product": Declared("material"),
        "amount": Declared("quantity", "$product"),
        "unit": UNIT,
    },
    results={"lot": Declared("text")},
    unit_class="liquid_handler",
    does=("pool",),
    produces=("product",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
