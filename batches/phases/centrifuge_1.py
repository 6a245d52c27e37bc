"""Spin tubes or plates in a centrifuge."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, takes_people
from batches.quantities import Quantity
from batches.steps import Do, PhaseRun


def centrifuge(*, what: str, force: Quantity, duration: Quantity, unit: str = "") -> PhaseRun:
    yield Do("spin", {"what": what, "force": force, "duration": duration}, unit)
    return {}


PHASE = Phase(
    name="centrifuge",
    version=1,
    run=centrifuge,
    about="Spins tubes or plates at a relative force, written in units of gravity: 100 g_0.",
    parameters={
        "what": Declared("text", about="what is spun, in words"),
        "force": Declared("quantity", "g_0", about="relative centrifugal force"),
        "duration": Declared("quantity", "min"),
        "unit": UNIT,
    },
    unit_class="centrifuge",
    does=("spin",),
    holds=(),
    duration=takes_people,
)
