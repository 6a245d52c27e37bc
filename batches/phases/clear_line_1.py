"""Clear the line: no material, document or label of another batch is left, the surfaces are clean."""

from collections.abc import Mapping

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import AT_REST, decide, mapping_of, takes_people, yes_in
from batches.steps import Ask, Field, PhaseRun, Value

CHECKS = {
    "nothing_left": Field(
        "yes_no", critical=True, label="no material, waste, document or label of another batch"
    ),
    "cleaned": Field("yes_no", critical=True, label="cleaned, within its validity"),
    "in_order": Field("yes_no", label="equipment in order and calibrated"),
}


def clear_line(*, area: str) -> PhaseRun:
    found: Mapping[str, Value] = {}
    cleared = False
    for _ in range(3):
        found = mapping_of(
            (yield Ask(f"Clear the line: {area}. Put right what is not in order, then answer.", CHECKS))
        )
        cleared = all(yes_in(found, name) for name in CHECKS)
        if cleared:
            break
    else:
        options = ("cleared", "cleared under a deviation")
        yield from decide(
            f"{area} was found not in order three times. May work begin?", options, found, "supervisor"
        )
    return {"cleared": cleared}


PHASE = Phase(
    name="clear_line",
    version=1,
    run=clear_line,
    about="Line clearance before and after open work, checked by two people (21 CFR 211.188(b)(6), 211.130(e)).",
    parameters={"area": Declared("text", about="what is cleared, in words")},
    results={"cleared": Declared("flag", about="found in order, without a supervisor's decision")},
    clears_line=True,
    holds=AT_REST,
    duration=takes_people,
)
