"""Let a unit run one of its own programmes."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import UNIT, scan_unit, takes_people
from batches.quantities import Quantity
from batches.steps import Consume, PhaseRun, Program, Value


def run_program(
    *, program: str, material: str = "", quantity: Quantity | None = None, volume: Quantity | None = None,
    fraction: Quantity | None = None, duration: Quantity | None = None, unit: str = "",
) -> PhaseRun:  # fmt: skip
    yield from scan_unit(unit)
    if material and quantity is not None:
        yield Consume(material, quantity)
    given: dict[str, Value] = {"volume": volume, "fraction": fraction, "duration": duration}
    yield Program(program, {name: value for name, value in given.items() if value is not None}, unit)
    return {}


PHASE = Phase(
    name="run_program",
    version=1,
    run=run_program,
    about="Runs a programme of the unit; its event file is evidence, its prompts are answered by a person.",
    parameters={
        "program": Declared("text", about="name of the programme in the unit"),
        "material": Declared("material", default="", optional=True, about="what the programme uses"),
        "quantity": Declared("quantity", "$material", optional=True),
        "volume": Declared("quantity", "mL", optional=True, about="given to the programme"),
        "fraction": Declared("quantity", "%", optional=True, about="given to the programme"),
        "duration": Declared("quantity", "min", optional=True, about="given to the programme"),
        "unit": UNIT,
    },
    does=("program:program",),
    consumes=("material",),
    touches=("material",),
    vessel=("?",),
    duration=takes_people,
)
