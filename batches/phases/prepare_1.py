"""Prepare a medium, buffer or mix from lots, by hand, and make a lot of it."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import AT_REST, UNIT, consume_listed, listed, takes_people
from batches.quantities import Quantity
from batches.steps import Ask, Do, Field, PhaseRun, Produce, Value

INGREDIENTS = ("first", "second", "third", "fourth", "fifth", "sixth")
CHECKS = {
    "clear": Field("yes_no", label="clear, no particles"),
    "labelled": Field("yes_no", critical=True, label="container labelled with material, lot and use-by time"),
}


def prepare(
    *, product: str, volume: Quantity, how: str = "", unit: str = "", **ingredients: Value
) -> PhaseRun:
    yield from consume_listed(ingredients, INGREDIENTS)
    yield Do("combine", {"product": product, "volume": volume, "how": how}, unit)
    yield Ask(f"Check {product}.", CHECKS)
    lot = yield Produce(product, volume)
    return {"lot": lot, "volume": volume}


PHASE = Phase(
    name="prepare",
    version=1,
    run=prepare,
    about="Combines up to six ingredients, each lot scanned, into a labelled lot of medium, buffer or mix.",
    parameters={
        "product": Declared("material", about="what is made"),
        "volume": Declared("quantity", "$product"),
        "how": Declared("text", default="", optional=True, about="the instruction, in words"),
        **listed(INGREDIENTS, "an ingredient"),
        "unit": UNIT,
    },
    results={"lot": Declared("text"), "volume": Declared("quantity", "$product")},
    does=("combine",),
    consumes=INGREDIENTS,
    produces=("product",),
    holds=AT_REST,
    duration=takes_people,
)
