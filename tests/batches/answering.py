"""Answers to steps, for everything that walks or runs a recipe in memory.

`Answers` knows the shape of a reply to each step and gives the plainest one. Who knows more overrides a part
of it: the run of a whole batch (running.py), a plant of twins (plant_in_memory.py), chance (phases/answering.py).
A new kind of step is added here, once.
"""

from decimal import Decimal
from typing import TypeVar, assert_never

from batches.quantities import Quantity, parse, quantity
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    Field,
    Fired,
    First,
    Label,
    Produce,
    Program,
    Read,
    Result,
    Sample,
    Scan,
    Set,
    Sign,
    Step,
    Transfer,
    Until,
    Value,
    Wait,
)

T = TypeVar("T")


class Answers:
    """Everything goes as it should, at once, and whoever is asked takes the first option."""

    def answer(self, step: Step) -> Value:
        """The reply to a step, of the shape its phase expects."""
        match step:
            case Set():
                return self.set_to(step)
            case Wait():
                return self.waited(step)
            case Read() | Until():
                return self.shown(step)
            case First():
                return self.fired(step)
            case Do() | Program() | Transfer():
                return self.acted(step)
            case Consume() | Produce():
                return self.lot(step)
            case Label():
                return self.labels(step.count)
            case Sample():
                return self.sampled(step)
            case Result():
                return self.results(step)
            case Ask():
                return {name: self.entered(each) for name, each in step.fields.items()}
            case Decide():
                return self.picked(step.options)
            case Scan():
                return self.scanned(step)
            case Sign():
                return True
            case _:
                assert_never(step)

    # --- devices and time ---------------------------------------------------------------------------

    def set_to(self, step: Set) -> None:
        return

    def waited(self, step: Wait) -> None:
        return

    def shown(self, step: Read | Until) -> Value:
        return parse("1")

    def fired(self, step: First) -> Fired:
        return Fired(0, self.answer(step.options[0]))

    def acted(self, step: Do | Program | Transfer) -> Value:
        return {}

    # --- people -------------------------------------------------------------------------------------

    def lot(self, step: Consume | Produce) -> str:
        return f"L-{step.material}"

    def labels(self, count: int) -> Value:
        counts = {"printed": count, "used": count, "destroyed": 0, "returned": 0}
        return {name: quantity(number, "") for name, number in counts.items()}

    def sampled(self, step: Sample) -> str:
        return f"S-{step.name}"

    def results(self, step: Result) -> Value:
        return {}

    def entered(self, asked: Field) -> Value:
        """What a person enters who is told nothing but the field."""
        match asked.kind:
            case "quantity":
                return self.between(asked.low, asked.high, asked.unit)
            case "yes_no":
                return self.picked((True, False))
            case "choice":
                return self.picked(asked.options)
            case "text":
                return self.picked(("as described", "as agreed"))

    def between(self, low: Quantity | None, high: Quantity | None, unit: str) -> Quantity:
        """The middle of a range; its one end, if the other is open; 1 if there is none."""
        found = [bound.to(unit).value for bound in (low, high) if bound is not None]
        return quantity(sum(found, Decimal(0)) / len(found), unit) if found else quantity(1, unit)

    def picked(self, options: tuple[T, ...]) -> T:
        return options[0]

    def scanned(self, step: Scan) -> str:
        return step.expects
