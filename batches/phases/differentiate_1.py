"""Differentiate: keep one stage of culture for its time, measure it and change its medium as it goes."""

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


def differentiate(
    *, stage: str, duration: Quantity, every: Quantity, sample: str = "", medium: str = "", fraction: Quantity | None = None,
    exchange_volume: Quantity | None = None, low_glucose: Quantity | None = None, unit: str = "",
    **environment: Quantity,
) -> PhaseRun:  # fmt: skip
    yield from set_points(environment, unit)
    care = Care(sample, medium, fraction, exchange_volume, low_glucose=low_glucose)
    looks, exchanges = yield from tend(care, duration, every, unit)
    return {"stage": stage, "looks": looks, "exchanges": exchanges}


PHASE = Phase(
    name="differentiate",
    version=1,
    run=differentiate,
    about="Keeps one stage of differentiation for its time; every so often it is measured and its medium exchanged.",
    parameters={
        "stage": Declared("text", about="name of the stage"),
        "duration": Declared("quantity", "h", about="from the start of the phase"),
        "every": Declared("quantity", "h", about="time between looks and exchanges"),
        "sample": Declared("sample", default="", optional=True, about="taken and measured at each look"),
        "medium": Declared(
            "material", default="", optional=True, about="fresh medium, where it is exchanged"
        ),
        "fraction": Declared("quantity", "%", optional=True, about="how much of the medium is exchanged"),
        "exchange_volume": Declared(
            "quantity", "$medium", optional=True, about="fresh medium of one exchange"
        ),
        "low_glucose": Declared(
            "quantity", "g/L", optional=True, about="below this, a second exchange follows"
        ),
        **ENVIRONMENT,
        "unit": UNIT,
    },
    results={"stage": Declared("text"), "looks": Declared("integer"), "exchanges": Declared("integer")},
    sets=ENVIRONMENT_TAGS,
    does=("exchange_medium",),
    only_with={**ONLY_GIVEN, "exchange_medium": "fraction"},
    consumes=("medium",),
    samples=("sample",),
    holds=IN_CARE,
    duration=lasts("duration"),
)
