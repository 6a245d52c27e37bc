"""Harvest a vessel or a closed processor, and make a lot of what comes out."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, scan_identity, scan_unit, takes_people, told
from batches.steps import Do, PhaseRun, Produce, Program


def harvest(*, product: str, program: str = "", unit: str = "") -> PhaseRun:
    yield from scan_identity("on the culture")
    yield from scan_unit(unit)
    reply = yield Program(program, {}, unit) if program else Do("harvest", {}, unit)
    volume = yield from told(reply, "volume", f"Enter the volume of {product}.", "mL", "5000 mL")
    lot = yield Produce(product, volume)
    return {"lot": lot, "volume": volume}


PHASE = Phase(
    name="harvest",
    version=1,
    run=harvest,
    about="Takes the whole culture out; the unit tells the volume, or two people enter it.",
    parameters={
        "product": Declared("material", about="what is harvested, by volume"),
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
