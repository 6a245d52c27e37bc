"""Vitrify: plunge containers into liquid nitrogen within a time from the cryoprotectant, by hand."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    UNIT,
    consume_listed,
    decide,
    fired_of,
    listed,
    mapping_of,
    scan_identity,
    takes_people,
    yes_in,
)
from batches.quantities import Quantity
from batches.steps import Ask, Do, Field, First, PhaseRun, Value

SOLUTIONS = ("equilibration", "vitrification", "nitrogen")
PLUNGED = {
    "glassy": Field("yes_no", critical=True, label="clear as glass, no white ice seen"),
    "intact": Field("yes_no", label="containers intact, labels legible"),
}


def vitrify(*, product: str, at_most: Quantity, unit: str = "", **solutions: Value) -> PhaseRun:
    yield from scan_identity(f"on each container of {product}")
    yield from consume_listed(solutions, SOLUTIONS)
    yield Do("vitrify", {"product": product, "at_most": at_most}, unit)
    plunged = Ask(f"Answer when all containers of {product} are in liquid nitrogen.", PLUNGED)
    fired = fired_of((yield First((plunged,), within=at_most)))
    found = mapping_of(fired.reply if fired.index == 0 else (yield plunged))
    good = fired.index == 0 and yes_in(found, "glassy")
    if not good:
        options = ("keep under a deviation", "reject the containers")
        question = (
            f"{product} was not vitrified as the recipe demands (at most {at_most}, no ice). What next?"
        )
        yield from decide(question, options, found, "qa")
    return {"glassy": yes_in(found, "glassy"), "in_time": fired.index == 0}


PHASE = Phase(
    name="vitrify",
    version=1,
    run=vitrify,
    about="Vitrifies containers by hand; from the start of the phase to the nitrogen it may take `at_most` so long.",
    parameters={
        "product": Declared("material"),
        "at_most": Declared(
            "quantity", "min", about="longest time from the start of the phase to the nitrogen"
        ),
        **listed(SOLUTIONS, "solution or nitrogen used"),
        "unit": UNIT,
    },
    results={"glassy": Declared("flag"), "in_time": Declared("flag")},
    does=("vitrify",),
    consumes=SOLUTIONS,
    touches=("product",),
    verifies_identity=True,
    holds=(),
    duration=takes_people,
)
