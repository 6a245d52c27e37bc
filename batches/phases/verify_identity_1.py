"""Verify whose material it is and at which unit: two identifiers, scanned."""

from batches.phases.base import Phase
from batches.phases.common_1 import AT_REST, UNIT, scan_identity, scan_unit, takes_people
from batches.steps import PhaseRun


def verify_identity(*, unit: str = "") -> PhaseRun:
    yield from scan_identity("on the material")
    yield from scan_unit(unit)
    return {}


PHASE = Phase(
    name="verify_identity",
    version=1,
    run=verify_identity,
    about="Scans the chain of identity on the material and the label of the unit (hand-over gates 6 and 7).",
    parameters={"unit": UNIT},
    verifies_identity=True,
    holds=AT_REST,
    duration=takes_people,
)
