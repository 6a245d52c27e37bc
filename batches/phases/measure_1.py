"""Wait for the results of a sample that was taken before, and have them reviewed."""

from typing import cast

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import ANYWHERE, PEOPLE, mapping_of, takes_people
from batches.steps import PhaseRun, Result, Role, Sign


def measure(*, sample: str, reviewer: str = "qa") -> PhaseRun:
    found = mapping_of((yield Result(sample)))
    yield Sign(f"Results of sample {sample}", "reviewed", cast("Role", reviewer))
    return found


PHASE = Phase(
    name="measure",
    version=1,
    run=measure,
    about="Waits for the results of a sample taken before; a second person reviews them under signature.",
    parameters={
        "sample": Declared("sample"),
        "reviewer": Declared("choice", options=PEOPLE, default="qa", about="who reviews"),
    },
    samples=("sample",),
    results_of="sample",
    holds=ANYWHERE,
    duration=takes_people,
)
