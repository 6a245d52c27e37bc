"""Expand cells: keep their environment, feed on glucose, look at them, decide when to harvest."""

from collections.abc import Mapping

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    ENVIRONMENT,
    ENVIRONMENT_TAGS,
    IN_CARE,
    ONLY_GIVEN,
    UNIT,
    Part,
    fired_of,
    mapping_of,
    rounds,
    set_points,
    takes_people,
    text_of,
    times,
)
from batches.quantities import Quantity, parse
from batches.steps import Consume, Decide, Do, First, PhaseRun, Result, Sample, Until, Value, Wait

CONTINUE, HARVEST, TIME_IS_UP = "continue", "harvest", "time is up"
_EVERY, _FEED = parse("10 min"), parse("10 mL")


def expand(
    *, look_every: Quantity, at_most: Quantity, sample: str = "", feed_at: Quantity | None = None, feed_medium: str = "",
    feed_volume: Quantity = _FEED, feeds: int = 10, unit: str = "", **environment: Quantity,
) -> PhaseRun:  # fmt: skip
    if feed_medium:
        yield Consume(feed_medium, times(feed_volume, feeds))
    yield from set_points(environment, unit)
    decision, looks, fed = CONTINUE, 0, 0
    while decision == CONTINUE and looks <= rounds(at_most, look_every):
        hungry = (
            ()
            if feed_at is None or fed >= feeds
            else (Until("glucose", at_most=feed_at, every=_EVERY, unit=unit),)
        )
        fired = fired_of((yield First((*hungry, Wait(look_every)), within=at_most))).index
        if fired > len(hungry):
            decision = TIME_IS_UP
        elif fired == len(hungry):
            looks += 1
            decision = yield from _look(sample)
        else:
            fed += 1
            yield Do("feed", {"volume": feed_volume}, unit)
    return {"decision": TIME_IS_UP if decision == CONTINUE else decision, "looks": looks, "feeds": fed}


def _look(sample: str) -> Part[str]:
    given: Mapping[str, Value] = {}
    if sample:
        yield Sample(sample)
        given = mapping_of((yield Result(sample)))
    return text_of(
        (yield Decide("Continue to expand the cells, or harvest them?", (CONTINUE, HARVEST), given))
    )


PHASE = Phase(
    name="expand",
    version=1,
    run=expand,
    about="Keeps cells growing until a person decides to harvest or the time is up; feeds when glucose is low.",
    parameters={
        "look_every": Declared("quantity", "h", about="time between looks; a feed starts it anew"),
        "at_most": Declared("quantity", "h", about="the phase ends then at the latest, from its start"),
        "sample": Declared("sample", default="", optional=True, about="taken and measured at each look"),
        "feed_at": Declared("quantity", "g/L", optional=True, about="feed when glucose is at most this"),
        "feed_medium": Declared(
            "material", default="", optional=True, about="connected for feeding; its lot is scanned"
        ),
        "feed_volume": Declared("quantity", "mL", default=_FEED, about="of one feed"),
        "feeds": Declared("integer", default=10, about="how many feeds are connected"),
        **ENVIRONMENT,
        "unit": UNIT,
    },
    results={
        "decision": Declared("choice", options=(HARVEST, TIME_IS_UP)),
        "looks": Declared("integer"),
        "feeds": Declared("integer"),
    },
    sets=ENVIRONMENT_TAGS,
    reads=("glucose",),
    does=("feed",),
    only_with={**ONLY_GIVEN, "glucose": "feed_at", "feed": "feed_at"},
    consumes=("feed_medium",),
    samples=("sample",),
    vessel=("?",),
    holds=IN_CARE,
    duration=takes_people,
)
