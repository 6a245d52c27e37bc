"""Take a sample of the plan, wait for its results, and decide on them if asked."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import ANYWHERE, PEOPLE, UNIT, choices, decide, mapping_of, takes_people
from batches.quantities import Quantity
from batches.steps import Do, PhaseRun, Result, Sample


def sample(
    *, sample: str, volume: Quantity | None = None, draw: bool = False, question: str = "", options: str = "",
    role: str = "operator", unit: str = "",
) -> PhaseRun:  # fmt: skip
    if draw and volume is not None:
        yield Do("take_sample", {"volume": volume}, unit)
    number = yield Sample(sample, volume)
    found = mapping_of((yield Result(sample)))
    decision = ""
    if question:
        decision = yield from decide(question, choices(options), found, role)
    return {**found, "number": number, "decision": decision}


PHASE = Phase(
    name="sample",
    version=1,
    run=sample,
    about="Takes a sample, waits for its results and, if there is a question, for a signed decision on them.",
    parameters={
        "sample": Declared("sample"),
        "volume": Declared("quantity", "mL", optional=True, about="volume taken"),
        "draw": Declared("flag", default=False, optional=True, about="the unit draws the sample by itself"),
        "question": Declared("text", default="", optional=True, about="what is decided on the results"),
        "options": Declared("text", default="", optional=True, about="such as 'harvest | continue'"),
        "role": Declared("choice", options=PEOPLE, default="operator", about="who decides"),
        "unit": UNIT,
    },
    results={"number": Declared("text"), "decision": Declared("text", about="'' if nothing was asked")},
    does=("take_sample",),
    only_with={"take_sample": "draw"},
    samples=("sample",),
    results_of="sample",
    holds=ANYWHERE,
    duration=takes_people,
)
