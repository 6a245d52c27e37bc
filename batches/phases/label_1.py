"""Label containers: print, apply, examine and account for every label."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import AT_REST, decide, mapping_of, quantity_in, takes_people
from batches.quantities import Quantity, parse
from batches.steps import Ask, Field, Label, PhaseRun, Value

COUNTS = ("printed", "used", "destroyed", "returned")
EXAMINED = {
    "text_right": Field(
        "yes_no", critical=True, label="product, batch, identity, dose and expiry right on each label"
    ),
    "specimen_kept": Field("yes_no", critical=True, label="one specimen attached to the record"),
}
_RECOUNT = {
    name: Field("quantity", "", parse("0"), parse("1000"), critical=True, label=name) for name in COUNTS
}


def label(*, product: str, count: int) -> PhaseRun:
    counts = mapping_of((yield Label(product, count)))
    reconciled = _adds_up(counts)
    if not reconciled:
        text = f"The labels of {product} do not add up: printed should be used, destroyed and returned together. Count again."
        counts = mapping_of((yield Ask(text, _RECOUNT)))
        reconciled = _adds_up(counts)
    if not reconciled:
        options = ("explained under a deviation", "all labels destroyed and printed anew")
        yield from decide(
            f"The labels of {product} still do not add up. What next?", options, counts, "supervisor"
        )
    yield Ask(f"Examine the labels of {product}.", EXAMINED)
    found: dict[str, Value] = {name: _bare(counts, name) for name in COUNTS}
    return {**found, "reconciled": reconciled}


def _bare(counts: Value, name: str) -> Quantity:
    return Quantity(quantity_in(counts, name).value, "")


def _adds_up(counts: Value) -> bool:
    return _bare(counts, "printed") == _sum(counts)


def _sum(counts: Value) -> Quantity:
    used, destroyed, returned = (_bare(counts, name) for name in COUNTS[1:])
    return used + destroyed + returned


PHASE = Phase(
    name="label",
    version=1,
    run=label,
    about="Prints labels and accounts for them: printed = used + destroyed + returned (21 CFR 211.188(b)(8), .125).",
    parameters={
        "product": Declared("material", about="what is labelled"),
        "count": Declared("integer", about="labels needed, with the specimen"),
    },
    results={**{name: Declared("quantity", "") for name in COUNTS}, "reconciled": Declared("flag")},
    labels=True,
    holds=AT_REST,
    duration=takes_people,
)
