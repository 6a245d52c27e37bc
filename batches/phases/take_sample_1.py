"""Take a sample of the plan and go on: its results come later."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import ANYWHERE, UNIT, takes_people
from batches.quantities import Quantity
from batches.steps import Do, PhaseRun, Sample


def take_sample(
    *, sample: str, volume: Quantity | None = None, draw: bool = False, unit: str = ""
) -> PhaseRun:
    if draw and volume is not None:
        yield Do("take_sample", {"volume": volume}, unit)
    number = yield Sample(sample, volume)
    return {"number": number}


PHASE = Phase(
    name="take_sample",
    version=1,
    run=take_sample,
    about="Takes a sample without waiting for its results; `measure` waits for them, or they follow the batch.",
    parameters={
        "sample": Declared("sample"),
        "volume": Declared("quantity", "mL", optional=True, about="volume taken"),
        "draw": Declared("flag", default=False, optional=True, about="the unit draws the sample by itself"),
        "unit": UNIT,
    },
    results={"number": Declared("text")},
    does=("take_sample",),
    only_with={"take_sample": "draw"},
    samples=("sample",),
    holds=ANYWHERE,
    duration=takes_people,
)
