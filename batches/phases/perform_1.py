"""Let a unit, or a person at it, perform one named action."""

from batches.phases.base import Declared, Phase
from batches.phases.common_1 import AT_REST, UNIT, takes_people
from batches.quantities import Quantity
from batches.steps import Consume, Do, PhaseRun, Value


def perform(
    *, action: str, what: str = "", material: str = "", quantity: Quantity | None = None,
    volume: Quantity | None = None, duration: Quantity | None = None, unit: str = "",
) -> PhaseRun:  # fmt: skip
    if material and quantity is not None:
        yield Consume(material, quantity)
    given: dict[str, Value] = {
        "what": what or None, "material": material or None, "volume": volume, "duration": duration
    }  # fmt: skip
    yield Do(action, {name: value for name, value in given.items() if value is not None}, unit)
    return {}


PHASE = Phase(
    name="perform",
    version=1,
    run=perform,
    about="One action of a unit for which there is no phase of its own: settle, inspect, combine.",
    parameters={
        "action": Declared("text", about="the action's name in the unit"),
        "what": Declared("text", default="", optional=True, about="what it is done to, in words"),
        "material": Declared("material", default="", optional=True, about="material used up"),
        "quantity": Declared("quantity", "$material", optional=True),
        "volume": Declared("quantity", "mL", optional=True),
        "duration": Declared("quantity", "min", optional=True),
        "unit": UNIT,
    },
    does=("action",),
    consumes=("material",),
    vessel=("?",),
    holds=AT_REST,
    duration=takes_people,
)
