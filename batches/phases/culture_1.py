"""Culture cells for a time: measure them and change their medium as it goes."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    ENVIRONMENT,
    ENVIRONMENT_TAGS,
    IN_CARE,
    ONLY_GIVEN,
    UNIT,
    Care,
    lasts,
    set_points,
    tend,
)
from batches.quantities import Quantity
from batches.steps import PhaseRun


def culture(
    *, duration: Quantity, every: Quantity, medium: str, fraction: Quantity, exchange_volume: Quantity,
    program: str = "", sample: str = "", low_glucose: Quantity | None = None, unit: str = "",
    **environment: Quantity,
) -> PhaseRun:  # fmt: skip
    yield from set_points(environment, unit)
    care = Care(sample, medium, fraction, exchange_volume, program, low_glucose)
    looks, exchanges = yield from tend(care, duration, every, unit)
    return {"looks": looks, "exchanges": exchanges}


PHASE = Phase(
    name="culture",
    version=1,
    run=culture,
    about="Keeps cells growing for a given time; every so often they are measured and their medium exchanged.",
    parameters={
        "duration": Declared("quantity", "h", about="from the start of the phase"),
        "every": Declared("quantity", "h", about="time between looks and exchanges"),
        "medium": Declared("material", about="fresh medium"),
        "fraction": Declared("quantity", "%", about="how much of the medium is exchanged"),
        "exchange_volume": Declared("quantity", "$medium", about="fresh medium of one exchange"),
        "program": Declared(
            "text", default="", optional=True, about="programme that exchanges, where the unit has one"
        ),
        "sample": Declared("sample", default="", optional=True, about="taken and measured at each look"),
        "low_glucose": Declared(
            "quantity", "g/L", optional=True, about="below this, a second exchange follows"
        ),
        **ENVIRONMENT,
        "unit": UNIT,
    },
    results={"looks": Declared("integer"), "exchanges": Declared("integer")},
    sets=ENVIRONMENT_TAGS,
    does=("program:program", "exchange_medium"),
    only_with={**ONLY_GIVEN, "program:program": "program", "exchange_medium": "!program"},
    consumes=("medium",),
    samples=("sample",),
    holds=IN_CARE,
    duration=lasts("duration"),
)
