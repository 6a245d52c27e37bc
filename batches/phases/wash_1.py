"""Wash cells: in the unit's own programme, or by hand."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, takes_people
from batches.quantities import Quantity
from batches.steps import Consume, Do, PhaseRun, Produce, Program


def wash(
    *, medium: str, quantity: Quantity, volume: Quantity, program: str = "", washes: int = 1, product: str = "",
    unit: str = "",
) -> PhaseRun:  # fmt: skip
    yield Consume(medium, quantity)
    if program:
        yield Program(program, {"volume": volume}, unit)
    else:
        yield Do("wash", {"medium": medium, "volume": volume, "times": washes}, unit)
    if product:
        return {"volume": volume, "lot": (yield Produce(product, volume))}
    return {"volume": volume}


PHASE = Phase(
    name="wash",
    version=1,
    run=wash,
    about="Washes cells and leaves them in fresh medium or buffer.",
    parameters={
        "medium": Declared("material", about="medium or buffer used"),
        "quantity": Declared("quantity", "$medium", about="of the medium, in all"),
        "volume": Declared("quantity", "mL", about="volume of the suspension afterwards"),
        "program": Declared(
            "text", default="", optional=True, about="programme of the unit; without it, by hand"
        ),
        "washes": Declared("integer", default=1, about="by hand: how many times"),
        "product": Declared(
            "material", default="", optional=True, about="made of the washed cells, by volume"
        ),
        "unit": UNIT,
    },
    results={"volume": Declared("quantity", "mL"), "lot": Declared("text", optional=True)},
    does=("program:program", "wash"),
    only_with={"program:program": "program", "wash": "!program"},
    consumes=("medium",),
    produces=("product",),
    vessel=("empty", "+volume"),
    holds=(),
    duration=takes_people,
)
