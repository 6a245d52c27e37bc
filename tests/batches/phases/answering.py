"""Answers to every step, drawn by Hypothesis or by a seeded source: what devices and people might reply."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Protocol, TypeVar

from hypothesis import strategies as st

from batches.phases.base import Declared, Phase
from batches.quantities import Quantity, parse
from batches.steps import (
    Consume,
    Do,
    Fired,
    First,
    Produce,
    Program,
    Read,
    Result,
    Transfer,
    Until,
    Value,
    Wait,
)
from tests.batches.answering import Answers

T = TypeVar("T")
TAGS = {
    "temperature": "degC", "agitation": "rpm", "ph": "pH", "dissolved_oxygen": "%", "glucose": "g/L",
    "lactate": "mmol/L", "volume": "mL", "co2": "%", "o2": "%",
}  # fmt: skip
ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "viable_cells": ("1e6 cell/mL", "2.5e7 cell/mL"),
    "viability": ("71 %", "93 %"),
}
RESULTS: Mapping[str, Declared] = {
    "viable_cells": Declared("quantity", "cell/mL"), "viability": Declared("quantity", "%"), "sterile": Declared("flag"),
}  # fmt: skip
AMOUNTS = ("2", "5", "12", "30")


class Chance(Protocol):
    """Where choices come from: Hypothesis' `data`, or a seeded generator."""

    def pick(self, options: "tuple[T, ...]") -> T: ...


class Drawn:
    """Chance by Hypothesis."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def pick(self, options: tuple[T, ...]) -> T:
        return self._data.draw(st.sampled_from(options))


class Seeded:
    """Chance by a seeded generator."""

    def __init__(self, seed: int) -> None:
        self._source = Random(seed)

    def pick(self, options: tuple[T, ...]) -> T:
        return options[self._source.randrange(len(options))]


class Stubborn:
    """No chance at all: always the first."""

    def pick(self, options: tuple[T, ...]) -> T:
        return options[0]


def parameters(phase: Phase, chance: Chance, given: Callable[[str], bool]) -> dict[str, Value]:
    """Parameters that fit the declarations; `given` says which of those that may be left out are given."""
    found: dict[str, Value] = {}
    for name, declared in phase.parameters.items():
        needed = declared.default is None and not declared.optional
        if needed or given(name):
            found[name] = _parameter(name, declared, chance)
    for name in [
        name
        for name in found
        if name.endswith("_quantity") and name.removesuffix("_quantity") in phase.parameters
    ]:
        if name.removesuffix("_quantity") not in found:
            del found[name]
    for name in [
        name for name in found if f"{name}_quantity" in phase.parameters and f"{name}_quantity" not in found
    ]:
        found[f"{name}_quantity"] = _parameter(
            f"{name}_quantity", phase.parameters[f"{name}_quantity"], chance
        )
    if "question" in found and "options" in phase.parameters:
        found["options"] = "go on | stop the batch"
    return found


def _parameter(name: str, declared: Declared, chance: Chance) -> Value:
    match declared.kind:
        case "quantity":
            unit = "mL" if declared.unit.startswith("$") else declared.unit
            return parse(f"{chance.pick(AMOUNTS)} {unit}")
        case "integer":
            return chance.pick((1, 2, 5))
        case "flag":
            return chance.pick((True, False))
        case "choice":
            return chance.pick(declared.options)
        case "text":
            return "go on | stop the batch" if name == "options" else f"{name}_text"
        case "material" | "sample" | "role":
            return f"the_{name}"


@dataclass
class World(Answers):
    """Answers steps and keeps the time: waits last, people and devices answer at once.

    `faithful`: a First ends as time and its options allow; else anything of the right shape may come.
    """

    chance: Chance
    faithful: bool = True
    now: Decimal = field(default_factory=lambda: Decimal(0))

    def picked(self, options: tuple[T, ...]) -> T:
        return self.chance.pick(options)

    def waited(self, step: Wait) -> None:
        self.now += _seconds(step.duration)

    def shown(self, step: Read | Until) -> Value:
        return Quantity(Decimal(self.chance.pick(AMOUNTS)), TAGS[step.tag])

    def lot(self, step: Consume | Produce) -> str:
        return f"L-{self.chance.pick(('1', '2'))}-{step.material}"

    def fired(self, step: First) -> Fired:
        ends = None if step.within is None else _seconds(step.within)
        if not self.faithful:
            index = self.chance.pick(tuple(range(len(step.options) + (ends is not None))))
        else:
            index = self._earliest(step, ends)
        if index == len(step.options):
            self.now = max(self.now, ends or Decimal(0))
            return Fired(index)
        return Fired(index, self.answer(step.options[index]))

    def _earliest(self, step: First, ends: Decimal | None) -> int:
        """Something that answers at once, if chance wants it; else the first timer."""
        prompt = tuple(index for index, option in enumerate(step.options) if not isinstance(option, Wait))
        dues = [self.now + _seconds(o.duration) if isinstance(o, Wait) else None for o in step.options]
        timers = [(due, index) for index, due in enumerate([*dues, ends]) if due is not None]
        if ends is not None and ends <= self.now:
            return len(step.options)
        if prompt and (not timers or self.chance.pick((True, False))):
            return self.chance.pick(prompt)
        return min(timers)[1]

    def acted(self, step: Do | Program | Transfer) -> Value:
        told: dict[str, Value] = {"evidence": "0" * 64} if self.chance.pick((True, False)) else {}
        if self.chance.pick((True, False)):
            told["volume"] = Quantity(Decimal(self.chance.pick(AMOUNTS)), "mL")
        if self.chance.pick((True, False)):
            told["integrity_test"] = self.chance.pick(("pass", "fail"))
        return told

    def labels(self, count: int) -> Value:
        spoiled = self.chance.pick((0, 0, 1))
        lost = self.chance.pick((0, 0, 1))
        numbers = {"printed": count + spoiled, "used": count - lost, "destroyed": spoiled, "returned": 0}
        return {name: Quantity(Decimal(number), "") for name, number in numbers.items()}

    def results(self, step: Result) -> Value:
        found: dict[str, Value] = {
            name: parse(self.chance.pick(values)) for name, values in ATTRIBUTES.items()
        }
        return {**found, "sterile": self.chance.pick((True, False))}

    def between(self, low: Quantity | None, high: Quantity | None, unit: str) -> Quantity:
        return self.chance.pick((low or parse(f"0 {unit}"), high or parse(f"9 {unit}")))


def _seconds(duration: Quantity) -> Decimal:
    return duration.to("s").value
