"""Transfer material between two vessels or positions."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import AT_REST, UNIT, takes_people
from batches.quantities import Quantity
from batches.steps import PhaseRun, Transfer


def transfer(*, source: str, target: str, volume: Quantity, wells: int = 0, unit: str = "") -> PhaseRun:
    yield Transfer(source, target, volume, unit, wells)
    return {"volume": volume}


PHASE = Phase(
    name="transfer",
    version=1,
    run=transfer,
    about="Moves a volume from one vessel or position to another.",
    parameters={
        "source": Declared("text"),
        "target": Declared("text"),
        "volume": Declared("quantity", "mL", about="in all, or in each well where `wells` is given"),
        "wells": Declared("integer", default=0, about="wells of the target; 0: the whole vessel"),
        "unit": UNIT,
    },
    results={"volume": Declared("quantity", "mL")},
    does=("transfer",),
    holds=AT_REST,
    duration=takes_people,
)
