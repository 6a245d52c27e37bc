"""Dispose of material, by two people."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import AT_REST, scan_identity, takes_people
from batches.steps import Ask, Field, PhaseRun, Sign

DISPOSED = {
    "disposed": Field("yes_no", critical=True, label="all of it disposed of as biological waste"),
    "amount": Field("text", critical=True, label="how much, in which containers"),
}


def dispose(*, material: str, reason: str) -> PhaseRun:
    yield from scan_identity(f"on {material}")
    yield Ask(f"Dispose of {material} ({reason}).", DISPOSED)
    yield Sign(f"Disposal of {material}", "performed")
    yield Sign(f"Disposal of {material}", "verified", "supervisor")
    return {}


PHASE = Phase(
    name="dispose",
    version=1,
    run=dispose,
    about="Disposes of material; performed and verified under signature by two people (hand-over gate 15).",
    parameters={
        "material": Declared("material"),
        "reason": Declared("text"),
    },
    touches=("material",),
    verifies_identity=True,
    holds=AT_REST,
    duration=takes_people,
)
