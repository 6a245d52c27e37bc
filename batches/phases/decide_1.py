"""A signed decision between named options."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import ANYWHERE, PEOPLE, choices, decide, takes_people
from batches.quantities import Quantity
from batches.steps import PhaseRun, Value


def decide_on_it(
    *, question: str, options: str, role: str = "supervisor", cells: Quantity | None = None,
    share: Quantity | None = None, volume: Quantity | None = None,
) -> PhaseRun:  # fmt: skip
    figures: dict[str, Value] = {"cells": cells, "share": share, "volume": volume}
    given = {name: value for name, value in figures.items() if value is not None}
    decision = yield from decide(question, choices(options), given, role)
    return {"decision": decision}


PHASE = Phase(
    name="decide",
    version=1,
    run=decide_on_it,
    about="Asks for a signed decision; 'stop the batch' among the options means: the person then gives the command.",
    parameters={
        "question": Declared("text"),
        "options": Declared("text", about="such as 'go on | stop the batch'; the usual one first"),
        "role": Declared("choice", options=PEOPLE, default="supervisor", about="who decides"),
        "cells": Declared("quantity", "cell", optional=True, about="shown to the person"),
        "share": Declared("quantity", "%", optional=True, about="shown to the person"),
        "volume": Declared("quantity", "mL", optional=True, about="shown to the person"),
    },
    results={"decision": Declared("text")},
    holds=ANYWHERE,
    duration=takes_people,
)
