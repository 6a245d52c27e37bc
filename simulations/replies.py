"""What a step may be answered with in a simulation: finitely many replies, each with its probability.

A reply by name (results of a sample, the fields of a question) has parts that are drawn independently;
a First has the replies of each of its options. A reply is known by its index, so that a tree of steps
can be kept by what was answered (`simulations/step_tree.py`).
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Literal

from batches.steps import Fired, Value

Uniform = Callable[[str], float]
"""A number in (0, 1) of its own for each name."""


@dataclass(frozen=True, slots=True)
class Part:
    """One independent part of a reply: its values, and the share of outcomes below each but the last."""

    name: str
    values: tuple[Value, ...]
    bounds: tuple[float, ...] = ()

    def draw(self, u: float) -> int:
        """The number of the value at a share u."""
        return bisect_right(self.bounds, u)


@dataclass(frozen=True, slots=True)
class Answer:
    """All replies a step may get. `one`: the value of its only part; `by_name`: a mapping of its parts;
    `fired`: which of `options` came first, with its own reply, or the number after the last."""

    shape: Literal["one", "by_name", "fired"]
    parts: tuple[Part, ...] = ()
    options: "tuple[Answer, ...]" = ()

    @property
    def single(self) -> bool:
        """Whether there is but one reply."""
        return self.shape != "fired" and all(len(part.values) == 1 for part in self.parts)

    def reply(self, index: int) -> Value:
        """The reply of that index."""
        if self.shape == "fired":
            return self._fired(index)
        found: dict[str, Value] = {}
        for part in self.parts:
            index, number = divmod(index, len(part.values))
            found[part.name] = part.values[number]
        return next(iter(found.values())) if self.shape == "one" else found

    def _fired(self, index: int) -> Fired:
        inner, option = divmod(index, len(self.options) + 1)
        return Fired(option, self.options[option].reply(inner) if option < len(self.options) else None)

    def draw(self, uniform: Uniform) -> int:
        """The index of a reply. `uniform` gives a number by the name of the part."""
        index, weight = 0, 1
        for part in self.parts:
            if len(part.values) > 1:
                index += weight * part.draw(uniform(part.name))
                weight *= len(part.values)
        return index

    def count(self) -> int:
        """How many replies there are."""
        if self.shape == "fired":
            return sum(option.count() for option in self.options) + 1
        return prod(len(part.values) for part in self.parts)

    def when(self, option: int, inner: int = 0) -> int:
        """The index of the reply that this option of a First came first, with its own reply."""
        return option + inner * (len(self.options) + 1)


def only(value: Value) -> Answer:
    """The one reply."""
    return Answer("one", (Part("", (value,)),))


def one_of(values: tuple[Value, ...], shares: tuple[float, ...], name: str = "") -> Part:
    """A part with these values in these shares."""
    return Part(name, values, tuple(accumulate(shares))[:-1])
