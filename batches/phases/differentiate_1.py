"""Differentiate: keep a stage of culture for its time, measure it and change its medium as it goes."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    ENVIRONMENT,
    ENVIRONMENT_TAGS,
    IN_CARE,
    ONLY_GIVEN,
    UNIT,
    fired_of,
    lasts,
    rounds,
    set_points,
)
from batches.quantities import Quantity
from batches.steps import Consume, Do, First, PhaseRun, Result, Sample, Wait


def differentiate(
    *, stage: str, duration: Quantity, every: Quantity, sample: str = "", medium: str = "",
    fraction: Quantity | None = None, exchange_volume: Quantity | None = None, unit: str = "", **environment: Quantity,
) -> PhaseRun:  # fmt: skip
    yield from set_points(environment, unit)
    looks = 0
    while looks <= rounds(duration, every):
        if fired_of((yield First((Wait(every),), within=duration))).index == 1:
            break
        looks += 1
        if sample:
            yield Sample(sample)
            yield Result(sample)
        if medium and fraction is not None and exchange_volume is not None:
            yield Consume(medium, exchange_volume)
            yield Do("exchange_medium", {"fraction": fraction}, unit)
    return {"stage": stage, "looks": looks}


PHASE = Phase(
    name="differentiate",
    version=1,
    run=differentiate,
    about="Keeps one stage of differentiation for its time; every so often it is measured and its medium changed.",
    parameters={
        "stage": Declared("text", about="name of the stage"),
        "duration": Declared("quantity", "h", about="from the start of the phase"),
        "every": Declared("quantity", "h", about="time between looks and exchanges"),
        "sample": Declared("sample", default="", optional=True, about="taken and measured at each look"),
        "medium": Declared("material", default="", optional=True, about="fresh medium of the exchange"),
        "fraction": Declared("quantity", "%", optional=True, about="how much of the medium is exchanged"),
        "exchange_volume": Declared(
            "quantity", "$medium", optional=True, about="fresh medium of one exchange"
        ),
        **ENVIRONMENT,
        "unit": UNIT,
    },
    results={"stage": Declared("text"), "looks": Declared("integer")},
    sets=ENVIRONMENT_TAGS,
    does=("exchange_medium",),
    only_with={**ONLY_GIVEN, "exchange_medium": "fraction"},
    consumes=("medium",),
    samples=("sample",),
    holds=IN_CARE,
    duration=lasts("duration"),
)
