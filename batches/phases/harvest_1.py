"""Harvest a vessel or a closed processor, and make a lot of what comes out."""

from collections.abc import Mapping

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, scan_identity, scan_unit, takes_people, times, told
from batches.quantities import Quantity, parse
from batches.steps import Do, PhaseRun, Produce, Program, Value

_MOST = parse("5000 mL")


def harvest(*, product: str, volume: Quantity | None = None, program: str = "", unit: str = "") -> PhaseRun:
    yield from scan_identity("on the culture")
    yield from scan_unit(unit)
    given: Mapping[str, Value] = {} if volume is None else {"volume": volume}
    reply = yield Program(program, given, unit) if program else Do("harvest", given, unit)
    out = yield from told(
        reply, "volume", f"Enter the volume of {product}.", _MOST if volume is None else times(volume, 2)
    )
    lot = yield Produce(product, out)
    return {"lot": lot, "volume": out}


PHASE = Phase(
    name="harvest",
    version=1,
    run=harvest,
    about="Takes the whole culture out; the unit tells the volume, or two people enter it.",
    parameters={
        "product": Declared("material", about="what is harvested, by volume"),
        "volume": Declared(
            "quantity", "mL", optional=True, about="where the unit concentrates: the volume aimed at"
        ),
        "program": Declared(
            "text", default="", optional=True, about="programme of the unit, where it has one"
        ),
        "unit": UNIT,
    },
    results={"lot": Declared("text"), "volume": Declared("quantity", "mL")},
    does=("program:program", "harvest"),
    only_with={"program:program": "program", "harvest": "!program"},
    produces=("product",),
    vessel=("empty",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
