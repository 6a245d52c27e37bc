"""Keep a culture in its environment for a time, with regular looks by a person."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    ENVIRONMENT,
    ENVIRONMENT_TAGS,
    IN_CARE,
    ONLY_GIVEN,
    UNIT,
    fired_of,
    lasts,
    mapping_of,
    rounds,
    set_points,
    yes_in,
)
from batches.quantities import Quantity
from batches.steps import Ask, Field, First, PhaseRun, Wait

LOOK = {"normal": Field("yes_no", label="appearance as expected, no sign of contamination or leak")}


def hold_culture(
    *, duration: Quantity, look_every: Quantity | None = None, look: str = "Look at the culture.", unit: str = "",
    **environment: Quantity,
) -> PhaseRun:  # fmt: skip
    yield from set_points(environment, unit)
    if look_every is None:
        yield Wait(duration)
        return {"looks": 0, "abnormal": 0}
    looks = abnormal = 0
    while looks <= rounds(duration, look_every):
        if fired_of((yield First((Wait(look_every),), within=duration))).index == 1:
            break
        looks += 1
        abnormal += not yes_in(mapping_of((yield Ask(look, LOOK))), "normal")
    return {"looks": looks, "abnormal": abnormal}


PHASE = Phase(
    name="hold_culture",
    version=1,
    run=hold_culture,
    about="Keeps a culture in its environment for a time; somebody looks at it every so often.",
    parameters={
        "duration": Declared("quantity", "h", about="from the start of the phase"),
        "look_every": Declared("quantity", "h", optional=True, about="without it nobody is asked"),
        "look": Declared(
            "text", default="Look at the culture.", optional=True, about="what the person is asked"
        ),
        **ENVIRONMENT,
        "unit": UNIT,
    },
    results={
        "looks": Declared("integer"),
        "abnormal": Declared("integer", about="looks that were not normal"),
    },
    sets=ENVIRONMENT_TAGS,
    only_with=ONLY_GIVEN,
    holds=IN_CARE,
    duration=lasts("duration"),
)
