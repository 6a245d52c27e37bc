"""Set up a unit with a single-use set: lot scanned, unit scanned, installed, tested."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import AT_REST, UNIT, decide, mapping_of, scan_unit, takes_people, yes_in
from batches.quantities import Quantity
from batches.steps import Ask, Consume, Field, PhaseRun, Program

PASSED = "pass"
INSTALLED = {
    "installed": Field("yes_no", critical=True, label="installed as its instruction says, connections tight"),
    "intact": Field("yes_no", critical=True, label="packaging was intact, no damage seen"),
}


def setup(*, set: str, quantity: Quantity, program: str = "", unit: str = "") -> PhaseRun:
    for attempt in (1, 2):
        yield from scan_unit(unit)
        lot = yield Consume(set, quantity)
        found = yield Ask(f"Install {set}. Answer when it is in place.", INSTALLED)
        sound = yes_in(found, "installed") and yes_in(found, "intact")
        integrity = PASSED if sound else "fail"
        if program and sound:
            told = mapping_of((yield Program(program, {}, unit))).get("integrity_test", PASSED)
            integrity = told if isinstance(told, str) else "fail"
        if integrity == PASSED or attempt == 2:
            break
        options = ("replace the set", "use it under a deviation")
        question = f"{set} is not sound (integrity: {integrity}). What next?"
        if (yield from decide(question, options, {"integrity": integrity}, "supervisor")) != options[0]:
            break
    return {"lot": lot, "integrity": integrity}


PHASE = Phase(
    name="setup",
    version=1,
    run=setup,
    about="Installs a single-use set or vessel; where the unit has a programme for it, the unit tests its integrity.",
    parameters={
        "set": Declared("material", about="the set or vessel"),
        "quantity": Declared("quantity", "$set"),
        "program": Declared(
            "text", default="", optional=True, about="programme that installs and tests the set"
        ),
        "unit": UNIT,
    },
    results={"lot": Declared("text"), "integrity": Declared("text", about="'pass', or what the unit says")},
    does=("program:program",),
    only_with={"program:program": "program"},
    consumes=("set",),
    holds=AT_REST,
    duration=takes_people,
)
