"""Exchange part of the medium: by a bioreactor, a processor's programme or a liquid handler."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import IN_CARE, UNIT, takes_people
from batches.quantities import Quantity
from batches.steps import Consume, Do, PhaseRun, Program, Scan, Value


def exchange_medium(
    *, medium: str, quantity: Quantity | None = None, fraction: Quantity | None = None, program: str = "", plate: str = "",
    source: str = "", volume: Quantity | None = None, wells: int = 0, unit: str = "",
) -> PhaseRun:  # fmt: skip
    if quantity is not None:
        yield Consume(medium, quantity)
    else:
        yield Scan(f"Scan the lot label of {medium}.", f"lot:{medium}")
    given: dict[str, Value] = {"fraction": fraction}
    if plate:
        given = {"plate": plate, "source": source, "volume": volume, "wells": wells}
    given = {name: value for name, value in given.items() if value is not None}
    yield Program(program, given, unit) if program else Do("exchange_medium", given, unit)
    return {}


PHASE = Phase(
    name="exchange_medium",
    version=1,
    run=exchange_medium,
    about="Takes out part of the medium and puts in as much fresh medium.",
    parameters={
        "medium": Declared("material"),
        "quantity": Declared(
            "quantity", "$medium", optional=True, about="fresh medium used; without it, it was loaded before"
        ),
        "fraction": Declared("quantity", "%", optional=True, about="of the volume in the vessel"),
        "program": Declared(
            "text", default="", optional=True, about="programme of the unit, where it has one"
        ),
        "plate": Declared("text", default="", optional=True, about="liquid handler: plate on the deck"),
        "source": Declared("text", default="", optional=True, about="liquid handler: vessel with the medium"),
        "volume": Declared("quantity", "uL", optional=True, about="liquid handler: exchanged in each well"),
        "wells": Declared("integer", default=0, about="liquid handler: wells"),
        "unit": UNIT,
    },
    does=("program:program", "exchange_medium"),
    only_with={"program:program": "program", "exchange_medium": "!program"},
    consumes=("medium",),
    holds=IN_CARE,
    duration=takes_people,
)
