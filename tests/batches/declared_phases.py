"""A small table of declared phases for the tests of the recipe checks. They are never run."""

from collections.abc import Mapping

from batches.check import UnitClass
from batches.phases.base import Declared, Phase
from batches.quantities import Quantity
from batches.steps import PhaseRun, Read, Value

AT_REST = ("stand_still",)
IN_CARE = ("keep_environment", "stop_feeds")


def nothing() -> PhaseRun:
    yield Read("temperature")
    return {}


def as_given(parameters: Mapping[str, Value]) -> tuple[float | None, float | None]:
    return seconds(parameters["duration"]), seconds(parameters["duration"])


def minutes(least: float, most: float) -> tuple[float, float]:
    return least * 60, most * 60


def seconds(value: Value) -> float:
    assert isinstance(value, Quantity)
    return float(value.to("s").value)


UNIT = Declared("role", default="")
TABLE = (
    Phase("clear_line", 1, nothing, "", {"unit": UNIT}, clears_line=True, holds=AT_REST),
    Phase("verify", 1, nothing, "", {}, verifies_identity=True, holds=AT_REST),
    Phase(
        "thaw", 1, nothing, "",
        {"material": Declared("material"), "quantity": Declared("quantity", "$material"), "product": Declared("material")},
        results={"lot": Declared("text")}, consumes=("material",), produces=("product",), touches=("material",), holds=(),
        duration=lambda _: minutes(10, 20),
    ),
    Phase(
        "inoculate", 1, nothing, "",
        {"cells": Declared("material"), "medium": Declared("material"), "volume": Declared("quantity", "mL")},
        unit_class="bioreactor", consumes=("cells", "medium"), touches=("cells",), vessel=("+volume",), holds=(),
    ),
    Phase(
        "grow", 1, nothing, "",
        {
            "temperature": Declared("quantity", "degC"),
            "agitation": Declared("quantity", "rpm", optional=True),
            "duration": Declared("quantity", "s"),
            "feed": Declared("quantity", "mL", optional=True),
        },
        unit_class="bioreactor", sets=("temperature", "agitation"), reads=("glucose",), does=("feed",),
        only_with={"agitation": "agitation", "feed": "feed"}, vessel=("+feed",), holds=IN_CARE, duration=as_given,
    ),
    Phase("grow", 2, nothing, "", {"days": Declared("integer")}, holds=IN_CARE),
    Phase(
        "sample", 1, nothing, "", {"sample": Declared("sample"), "question": Declared("text", default="", optional=True)},
        results={
            "number": Declared("text"),
            "decision": Declared("choice", options=("harvest", "continue")),
            "note": Declared("text", optional=True),
        },
        samples=("sample",), results_of="sample", holds=(*IN_CARE, *AT_REST),
    ),
    Phase("measure", 1, nothing, "", {"sample": Declared("sample")}, samples=("sample",), results_of="sample", holds=IN_CARE),
    Phase(
        "exchange", 1, nothing, "", {"volume": Declared("quantity", "mL"), "medium": Declared("material")},
        consumes=("medium",), vessel=("-volume", "+volume"), holds=IN_CARE, duration=lambda _: minutes(5, 60),
    ),
    Phase(
        "run", 1, nothing, "", {"program": Declared("text"), "unit": UNIT}, does=("program:program",), vessel=("?",),
        holds=IN_CARE,
    ),
    Phase(
        "harvest", 1, nothing, "", {"product": Declared("material"), "volume": Declared("quantity", "mL")},
        results={"volume": Declared("quantity", "mL")}, produces=("product",), vessel=("-volume", "empty"), holds=(),
        duration=lambda _: minutes(30, 60),
    ),
    Phase(
        "draw", 1, nothing, "",
        {"volume": Declared("quantity", "mL"), "count": Declared("integer", default=1), "kind": Declared("text", default="mL")},
        results={"rest": Declared("quantity", "$kind")}, vessel=("-volume*count",), holds=IN_CARE,
    ),
    Phase(
        "soak", 1, nothing, "", {"least": Declared("quantity", "h"), "most": Declared("quantity", "h")}, holds=IN_CARE,
        duration=lambda given: (seconds(given["least"]), seconds(given["most"])),
    ),
    Phase(
        "fill", 1, nothing, "",
        {
            "bulk": Declared("material"),
            "container": Declared("material"),
            "containers": Declared("integer"),
            "volume": Declared("quantity", "mL"),
            "product": Declared("material"),
        },
        consumes=("bulk", "container"), produces=("product",), touches=("bulk",), fills=True, holds=(),
    ),
    Phase(
        "label", 1, nothing, "", {"product": Declared("material"), "count": Declared("integer")}, labels=True,
        holds=AT_REST,
    ),
    Phase(
        "record", 1, nothing, "",
        {
            "text": Declared("text", about="what is asked"),
            "priority": Declared("choice", options=("low", "high"), default="low"),
            "urgent": Declared("flag", default=False),
        },
        holds=IN_CARE,
    ),
)  # fmt: skip
PHASES = {(phase.name, phase.version): phase for phase in TABLE}
PLANT = {
    "bioreactor/stirred_tank": UnitClass(
        {"temperature": "degC", "agitation": "rpm", "glucose": "g/L"}, frozenset({"feed", "program:wash"})
    ),
    "bioreactor/rocking": UnitClass({"temperature": "degC", "glucose": "g/L"}, frozenset({"program:rock"})),
    "room/grade_a": UnitClass(),
    "fill_unit": UnitClass(),
}
