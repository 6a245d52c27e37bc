"""Condition a unit: give it its set-points and wait until it is warm."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    AT_REST,
    ENVIRONMENT,
    ENVIRONMENT_TAGS,
    UNIT,
    decide,
    fired_of,
    set_points,
    takes_people,
)
from batches.quantities import Quantity, parse
from batches.steps import First, PhaseRun, Read, Until

_EVERY = parse("2 min")


def condition(
    *, temperature: Quantity, ready_at: Quantity, at_most: Quantity, unit: str = "", **environment: Quantity
) -> PhaseRun:  # fmt: skip
    yield from set_points({"temperature": temperature, **environment}, unit)
    fired = fired_of(
        (yield First((Until("temperature", at_least=ready_at, every=_EVERY, unit=unit),), within=at_most))
    )
    reached = yield Read("temperature", unit)
    if fired.index == 1:
        options = ("go on", "go on under a deviation")
        question = f"The unit did not reach {ready_at} within {at_most}. May it be used?"
        yield from decide(question, options, {"temperature": reached}, "supervisor")
    return {"temperature": reached, "in_time": fired.index == 0}


PHASE = Phase(
    name="condition",
    version=1,
    run=condition,
    about="Gives a unit its set-points and waits until it is at least as warm as `ready_at`.",
    parameters={
        "ready_at": Declared("quantity", "degC", about="the unit is ready from this temperature up"),
        "at_most": Declared("quantity", "h", about="a supervisor decides if it takes longer"),
        **ENVIRONMENT,
        "temperature": Declared("quantity", "degC", about="set-point"),
        "unit": UNIT,
    },
    results={"temperature": Declared("quantity", "degC"), "in_time": Declared("flag")},
    sets=ENVIRONMENT_TAGS,
    reads=("temperature",),
    only_with={tag: tag for tag in ENVIRONMENT_TAGS if tag != "temperature"},
    holds=AT_REST,
    duration=takes_people,
)
