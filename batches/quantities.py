"""Quantities: a decimal number with its unit of measure, through one pint registry.

A Quantity keeps the number and the unit text as they were written: what was typed or read is
what is recorded, printed and hashed. pint decides dimensions and conversions only, so its
formatting can change without changing a record. Arithmetic is Decimal in one fixed context.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import cache
from typing import Any, TypeGuard

from batches.errors import BadInput
from batches.plain import Plain

ARITHMETIC = Context(
    prec=28, rounding=ROUND_HALF_EVEN, Emax=999, Emin=-999, traps=[InvalidOperation, DivisionByZero, Overflow]
)

# Names the field uses and pint lacks, or reads otherwise (pint: EU = exa-enzyme-unit, pH = picohenry).
DEFINITIONS = (
    "rpm = 1 / minute = rpm",  # pint counts radians, so that 60 rpm would differ from 60/min
    "cell = [cell] = _ = cells",
    "aggregate = [aggregate] = _ = aggregates",
    "pH = [acidity]",
    "EU = [endotoxin] = EU",
    "IU = [activity_unit] = IU",
    "vector_genome = [vector_genome] = vg",
    "transducing_unit = [transducing_unit] = TU",
    "copy = [copy] = _ = copies",
    "microwell = [microwell] = _ = microwells",
    "vial = [container] = _ = vials = bag = bags = plate = plates = label = labels",
)
_TEXT = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(.*?)\s*", re.DOTALL)
_LONGEST = 120


@cache
def registry() -> Any:
    """The one pint registry of the process, with Decimal magnitudes."""
    import pint

    made = pint.UnitRegistry(non_int_type=Decimal, cache_folder=None)
    for definition in DEFINITIONS:
        made.define(definition)
    return made


@cache
def _unit(text: str) -> Any:
    if len(text) > _LONGEST:
        raise BadInput(f"The unit of measure '{text[:20]}…' is too long.")
    try:
        return registry().parse_units(text.replace("%", "percent") or "dimensionless")
    except Exception as error:  # pint raises many kinds, some of them from Python's own tokenizer
        raise BadInput(
            f"'{text}' is not a unit of measure Kweek knows; write one such as degC, g/L, h."
        ) from error


@cache
def dimension(unit: str) -> str:
    """The dimension of a unit of measure as a stable text, e.g. '[length]**3/[time]'; '' if it has none."""
    powers = sorted((str(name), Decimal(str(power))) for name, power in _unit(unit).dimensionality.items())
    return "*".join(name if power == 1 else f"{name}**{power.normalize():f}" for name, power in powers)


@cache
def _conversion(source: str, target: str) -> tuple[Decimal, Decimal]:
    """Factor and offset that turn a value in `source` into one in `target`."""
    if dimension(source) != dimension(target):
        raise BadInput(f"'{source}' cannot be turned into '{target}': they measure different things.")
    make = registry().Quantity
    offset = make(Decimal(0), _unit(source)).to(_unit(target)).magnitude
    factor = ARITHMETIC.subtract(make(Decimal(1), _unit(source)).to(_unit(target)).magnitude, offset)
    return factor, offset


@dataclass(frozen=True, slots=True)
class Quantity:
    """A finite decimal `value` and the text of its `unit` of measure ('' for a bare number).

    Equality and hash are by what was written: 37 degC differs from 310.15 K. Use `compare`
    or the ordering operators for physical comparison. Raises BadInput for NaN, infinity,
    an exponent beyond 10^±50 or an unknown unit of measure.
    """

    value: Decimal
    unit: str

    def __post_init__(self) -> None:
        if not self.value.is_finite():
            raise BadInput(f"'{self.value} {self.unit}' is not a finite number; enter a measured value.")
        if self.value and abs(self.value.adjusted()) > 50:
            raise BadInput(f"'{self.value} {self.unit}' is beyond any plausible size; check the number.")
        _unit(self.unit)

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}".rstrip()

    def to(self, unit: str) -> "Quantity":
        """The same quantity in another unit of measure. Raises BadInput if the dimensions differ."""
        if unit == self.unit:
            return self
        factor, offset = _conversion(self.unit, unit)
        return Quantity(ARITHMETIC.add(ARITHMETIC.multiply(self.value, factor), offset), unit)

    def compare(self, other: "Quantity") -> int:
        """-1, 0 or 1. Raises BadInput if the two measure different things."""
        mine, theirs = self.value, other.to(self.unit).value
        return (mine > theirs) - (mine < theirs)

    def __lt__(self, other: "Quantity") -> bool:
        return self.compare(other) < 0

    def __le__(self, other: "Quantity") -> bool:
        return self.compare(other) <= 0

    def __gt__(self, other: "Quantity") -> bool:
        return self.compare(other) > 0

    def __ge__(self, other: "Quantity") -> bool:
        return self.compare(other) >= 0

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(ARITHMETIC.add(self.value, other.to(self.unit).value), self.unit)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return Quantity(ARITHMETIC.subtract(self.value, other.to(self.unit).value), self.unit)

    def __mul__(self, other: "Quantity") -> "Quantity":
        return Quantity(ARITHMETIC.multiply(self.value, other.value), product_unit(self.unit, other.unit, 1))

    def __truediv__(self, other: "Quantity") -> "Quantity":
        if not other.value:
            raise BadInput(f"{self} cannot be divided by {other}: the divisor is zero.")
        return Quantity(ARITHMETIC.divide(self.value, other.value), product_unit(self.unit, other.unit, -1))

    def __neg__(self) -> "Quantity":
        return Quantity(-self.value, self.unit)

    @property
    def dimension(self) -> str:
        """The dimension as a stable text; '' for a bare number."""
        return dimension(self.unit)

    def plain(self) -> dict[str, Plain]:
        """The JSON form: {"value": "37.0", "unit": "degC"}."""
        return {"value": f"{self.value:f}", "unit": self.unit}


@cache
def product_unit(left: str, right: str, sign: int) -> str:
    """The unit text of a product (sign 1) or quotient (sign -1), spelled the same way ever after."""
    powers: dict[str, Decimal] = {}
    for unit, factor in ((left, 1), (right, sign)):
        for name, power in _unit(unit)._units.items():  # noqa: SLF001  (pint offers no public iteration)
            powers[str(name)] = powers.get(str(name), Decimal(0)) + factor * Decimal(str(power))
    kept = sorted((name, power) for name, power in powers.items() if power)
    return "*".join(name if power == 1 else f"{name}**{power.normalize():f}" for name, power in kept)


def quantity(value: str | int | Decimal, unit: str) -> Quantity:
    """A quantity from a number (text, int or Decimal; never a float) and a unit of measure."""
    try:
        return Quantity(Decimal(value), unit)
    except InvalidOperation as error:
        raise BadInput(f"'{value}' is not a number; write digits with a point, such as 37.5.") from error


def parse(text: str) -> Quantity:
    """The quantity in a text such as '37 degC', '1e8 cell' or '80 %'. Raises BadInput."""
    if len(text) > _LONGEST:
        raise BadInput(f"'{text[:20]}…' is too long for a quantity.")
    found = _TEXT.fullmatch(text)
    if found is None:
        raise BadInput(f"'{text}' is not a quantity; write a number and a unit of measure, such as 37 degC.")
    return quantity(found[1], found[2])


def is_quantity(value: object) -> TypeGuard[dict[str, str]]:
    """Whether a plain value has the JSON form of a quantity."""
    return isinstance(value, dict) and value.keys() == {"value", "unit"}  # pyright: ignore[reportUnknownMemberType]


def from_plain(value: Plain) -> Quantity:
    """The quantity in {"value": "37", "unit": "degC"}. Raises BadInput."""
    if not is_quantity(value) or not isinstance(value["value"], str) or not isinstance(value["unit"], str):
        raise BadInput(f"{value!r} is not a quantity; send it as {{'value': '37', 'unit': 'degC'}}.")
    return quantity(value["value"], value["unit"])


def duration(amount: Quantity) -> timedelta:
    """A time quantity as a timedelta, rounded to microseconds. Raises BadInput for anything else."""
    seconds = amount.to("s").value
    if abs(seconds) > 10**10:
        raise BadInput(f"{amount} is longer than any process; check the number.")
    return timedelta(microseconds=int((seconds * 1_000_000).to_integral_value(ROUND_HALF_EVEN)))
