"""Receive patient or donor material: identity, package, logger, acceptance, issue to the batch."""

from collections.abc import Mapping
from decimal import Decimal

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import (
    AT_REST,
    STOP,
    decide,
    mapping_of,
    quantity_in,
    scan_identity,
    takes_people,
    yes_in,
)
from batches.quantities import Quantity, parse
from batches.steps import Ask, Consume, Field, PhaseRun, Value

_FAR_OFF = Decimal(100)
"""degC outside the allowed range: beyond that a reading is a slip of the pen."""


def receive(
    *, material: str, quantity: Quantity, transport_low: Quantity, transport_high: Quantity, use_within: Quantity,
) -> PhaseRun:  # fmt: skip
    yield from scan_identity(f"on the container of {material}")
    text = f"Check the package of {material} and read its temperature logger."
    found = mapping_of((yield Ask(text, _checks(transport_low, transport_high))))
    good = _conforms(found, transport_low, transport_high, use_within)
    options = ("accept", "accept conditionally", STOP) if good else ("accept conditionally", "accept", STOP)
    question = f"Is {material} accepted for processing?"
    limits: Mapping[str, Value] = {
        "allowed_low": transport_low,
        "allowed_high": transport_high,
        "allowed_age": use_within,
    }
    decision = yield from decide(question, options, {**found, **limits}, "supervisor" if good else "qa")
    lot = yield Consume(material, quantity)
    return {"lot": lot, "decision": decision, "conforms": good, "age": quantity_in(found, "age")}


def _checks(low: Quantity, high: Quantity) -> dict[str, Field]:
    coldest = Quantity(low.to("degC").value - _FAR_OFF, "degC")
    warmest = Quantity(high.to("degC").value + _FAR_OFF, "degC")
    return {
        "seal_intact": Field("yes_no", critical=True, label="seal and containers intact"),
        "label_agrees": Field("yes_no", critical=True, label="label agrees with the order"),
        "appearance_normal": Field("yes_no", label="appearance normal: no clots, no discolouration"),
        "coldest": Field("quantity", "degC", coldest, warmest, critical=True, label="coldest of the logger"),
        "warmest": Field("quantity", "degC", coldest, warmest, critical=True, label="warmest of the logger"),
        "age": Field("quantity", "h", parse("0 h"), critical=True, label="time since collection"),
    }


def _conforms(found: Mapping[str, Value], low: Quantity, high: Quantity, age: Quantity) -> bool:
    sound = all(yes_in(found, name) for name in ("seal_intact", "label_agrees", "appearance_normal"))
    in_range = low <= quantity_in(found, "coldest") and quantity_in(found, "warmest") <= high
    return sound and in_range and quantity_in(found, "age") <= age


PHASE = Phase(
    name="receive",
    version=1,
    run=receive,
    about="Receives patient or donor material, judges the transport and issues the lot to the batch (gates 5 and 6).",
    parameters={
        "material": Declared("material", about="what is received"),
        "quantity": Declared("quantity", "$material", about="how much of it goes into the batch"),
        "transport_low": Declared("quantity", "degC", about="coldest that the transport may have been"),
        "transport_high": Declared("quantity", "degC", about="warmest that the transport may have been"),
        "use_within": Declared("quantity", "h", about="longest time from collection to the start"),
    },
    results={
        "lot": Declared("text"),
        "decision": Declared("choice", options=("accept", "accept conditionally")),
        "conforms": Declared("flag", about="package, logger and age are as they should be"),
        "age": Declared("quantity", "h", about="time since collection"),
    },
    consumes=("material",),
    touches=("material",),
    verifies_identity=True,
    holds=AT_REST,
    duration=takes_people,
)
