"""Formulate: bring cells into their final medium, by programme or by hand."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, consume_listed, listed, scan_identity, takes_people, times, told
from batches.quantities import Quantity
from batches.steps import Do, PhaseRun, Produce, Program, Scan, Value

EXCIPIENTS = ("first", "second", "third")


def formulate(
    *, material: str, product: str, volume: Quantity, program: str = "", unit: str = "", **excipients: Value
) -> PhaseRun:  # fmt: skip
    yield from scan_identity(f"on {material}")
    yield Scan(f"Scan the lot label of {material}.", f"lot:{material}")
    yield from consume_listed(excipients, EXCIPIENTS)
    given: dict[str, Value] = {"volume": volume}
    reply = (
        yield Program(program, given, unit)
        if program
        else Do("formulate", {"material": material, **given}, unit)
    )
    out = yield from told(reply, "volume", f"Enter the volume of {product}.", times(volume, 2))
    lot = yield Produce(product, out)
    return {"lot": lot, "volume": out}


PHASE = Phase(
    name="formulate",
    version=1,
    run=formulate,
    about="Brings harvested cells into their final medium and makes the bulk lot.",
    parameters={
        "material": Declared("material", about="what is formulated, made before"),
        "product": Declared("material", about="the bulk, by volume"),
        "volume": Declared("quantity", "mL", about="volume aimed at"),
        **listed(EXCIPIENTS, "excipient"),
        "program": Declared(
            "text", default="", optional=True, about="programme of the unit; without it, by hand"
        ),
        "unit": UNIT,
    },
    results={"lot": Declared("text"), "volume": Declared("quantity", "mL")},
    does=("program:program", "formulate"),
    only_with={"program:program": "program", "formulate": "!program"},
    consumes=EXCIPIENTS,
    produces=("product",),
    vessel=("?",),
    touches=("material",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
