"""Intervals of quantities: what an expression can come to, when some of what it reads is only bounded."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

from batches.errors import BadInput
from batches.expression_tree import Call, Fixed, Infix, Name, Prefix, Tree, parse
from batches.expressions import evaluate, references
from batches.quantities import Quantity, quantity
from batches.recipe import Scalar


@dataclass(frozen=True, slots=True)
class Interval:
    """From low to high, both included."""

    low: Quantity
    high: Quantity

    def join(self, other: "Interval") -> "Interval":
        """The smallest interval that holds both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def over(self, other: "Interval", work: "Callable[[Quantity, Quantity], Quantity]") -> "Interval":
        """What a monotone operation on the two can come to: its results at the corners."""
        corners = [work(a, b) for a, b in product((self.low, self.high), (other.low, other.high))]
        return Interval(min(corners), max(corners))


def point(value: Quantity) -> Interval:
    """The interval of a known value."""
    return Interval(value, value)


def of_value(value: "Scalar | None") -> "Interval | None":
    """The interval of a value; None for what is no quantity. A whole number is a bare quantity."""
    if isinstance(value, Quantity):
        return point(value)
    return None if value is None or isinstance(value, (str, bool)) else point(quantity(value, ""))


def of_expression(text: str, known: "Mapping[str, Interval | None]") -> "Interval | None":
    """What an expression can come to; `known` by '$name' without the sign. None: nobody can tell."""
    names = [str(name)[1:] for name in references(text)]
    found = [known.get(name) for name in names]
    try:
        if all(
            one is not None and one.low == one.high and "." not in name
            for name, one in zip(names, found, strict=True)
        ):
            return of_value(
                evaluate(text, {name: one.low for name, one in zip(names, found, strict=True) if one})
            )
        return _interval(parse(text).tree, known)
    except BadInput:  # a division by zero, or a mistake that another rule tells
        return None


def _interval(tree: Tree, known: "Mapping[str, Interval | None]") -> "Interval | None":
    match tree:
        case Fixed():
            return of_value(tree.value)
        case Name():
            return known.get(str(tree)[1:])
        case Prefix("-"):
            inner = _interval(tree.of, known)
            return inner and Interval(-inner.high, -inner.low)
        case Infix("+" | "-" | "*" | "/") | Call("min" | "max"):
            pair = (tree.left, tree.right) if isinstance(tree, Infix) else tree.arguments
            sign = tree.sign if isinstance(tree, Infix) else tree.function
            return _combined(sign, [_interval(part, known) for part in pair])
        case _:
            return None


def _combined(sign: str, parts: "list[Interval | None]") -> "Interval | None":
    works: Mapping[str, Callable[[Quantity, Quantity], Quantity]] = {
        "+": Quantity.__add__, "-": Quantity.__sub__, "*": Quantity.__mul__, "/": Quantity.__truediv__, "min": min, "max": max,
    }  # fmt: skip
    found = parts[0]
    for part in parts[1:]:
        if found is None or part is None or (sign == "/" and part.low.value <= 0 <= part.high.value):
            return None
        found = found.over(part, works[sign])
    return found
