"""Quantities: a decimal number with its unit of measure, through one pint registry.

A Quantity keeps the number and the unit text as they were written: what was typed or read is
what is recorded, printed and hashed. pint decides dimensions and conversions only, so its
formatting can change without changing a record. Conversions are exact fractions, rounded once;
arithmetic is Decimal in one fixed context, whatever the context of the thread.

Temperatures with an offset (degC, degF) are points on a scale: a difference (delta_degC) may be
added or taken away, two points give a difference, and everything else is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any, TypeGuard, cast

from batches.errors import BadInput
from batches.plain import Plain

ARITHMETIC = Context(
    prec=28, rounding=ROUND_HALF_EVEN, Emax=999, Emin=-999, traps=[InvalidOperation, DivisionByZero, Overflow]
)
COMPARISON = Context(prec=24, rounding=ROUND_HALF_EVEN, Emax=999, Emin=-999, traps=[])
"""Quantities that agree to 24 digits are equal: a value that was converted and rounded still meets
the limit it came from."""

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
    "vial = [container] = _ = vials = bag = bags = plate = plates = label = labels = piece = pieces",
    "osmole = [osmolality_amount] = Osm",  # mOsm/kg, never a mole of one substance
    "colony_forming_unit = [colony] = CFU",
    "relative_centrifugal_force = standard_gravity = xg = rcf",  # '100 g' is a mass
)
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_TEXT = re.compile(rf"\s*({_NUMBER})\s*(.*?)\s*", re.DOTALL)
# Names with whole powers of at most two digits, joined by * or /. pint would read far more: other text,
# products by a blank ('5 m m'), and powers that never end (m**9**9**9).
_FACTOR = r"(?:%|[A-Za-zµμΩ°_][A-Za-z0-9µμΩ_]*)(?:(?:\*\*|\^)-?[0-9]{1,2}|⁻?[¹²³])?"
_UNIT = re.compile(rf"(?:1|{_FACTOR})(?: ?[*/·] ?(?:{_FACTOR}|\({_FACTOR}(?: ?[*·] ?{_FACTOR})*\)))*")
_LONGEST = 120
_DIGITS = 60
_SIZE = 50


@cache
def registry() -> Any:
    """The one pint registry of the process, with fractions for magnitudes."""
    import pint

    make: Any = pint.UnitRegistry  # pint takes any number type, though it declares float
    made = make(non_int_type=Fraction, cache_folder=None)
    for definition in DEFINITIONS:
        made.define(definition)
    return made


@cache
def _unit(text: str) -> Any:
    if len(text) > _LONGEST:
        raise BadInput(f"The unit of measure '{text[:20]}…' is too long.")
    if text and not _UNIT.fullmatch(text):
        raise BadInput(
            f"'{text}' is not a unit of measure; write names joined by * or /, such as degC, g/L, cm^2."
        )
    try:
        found = registry().parse_units(text.replace("%", "percent") or "dimensionless")
        registry().Quantity(Fraction(1), found).to_root_units()  # a logarithmic one cannot be converted
    except Exception as error:  # pint raises many kinds, some of them from Python's own tokenizer
        raise BadInput(
            f"'{text}' is not a unit of measure Kweek knows; write one such as degC, g/L, h."
        ) from error
    return found


@cache
def _powers(unit: str) -> dict[str, Fraction]:
    """The units of measure a text is made of, by pint's full name, with their powers."""
    found = _unit(unit)._units.items()  # noqa: SLF001  (pint offers no public iteration)
    return {str(name): Fraction(str(power)) for name, power in found}


@cache
def dimension(unit: str) -> str:
    """The dimension of a unit of measure as a stable text, e.g. '[length]**3/[time]'; '' if it has none."""
    powers = sorted((str(name), Fraction(str(power))) for name, power in _unit(unit).dimensionality.items())
    return "*".join(name if power == 1 else f"{name}**{power}" for name, power in powers)


@cache
def _scale(unit: str) -> tuple[Fraction, Fraction]:
    """Factor and offset that turn a value in `unit` into one in the root units of its dimension."""
    make = registry().Quantity
    offset = make(Fraction(0), _unit(unit)).to_root_units().magnitude
    factor = make(Fraction(1), _unit(unit)).to_root_units().magnitude - offset
    return cast("Fraction", factor), cast("Fraction", offset)


@cache
def is_offset(unit: str) -> bool:
    """Whether zero of this unit of measure is not nothing (degC, degF): a point on a scale."""
    return _scale(unit)[1] != 0


@cache
def is_difference(unit: str) -> bool:
    """Whether the unit of measure is a difference of temperatures (delta_degC)."""
    return [name[:6] for name in _powers(unit)] == ["delta_"] and dimension(unit) == "[temperature]"


@cache
def _conversion(source: str, target: str) -> tuple[Fraction, Fraction]:
    """Factor and offset that turn a value in `source` into one in `target`."""
    if dimension(source) != dimension(target):
        raise BadInput(f"'{source}' cannot be turned into '{target}': they measure different things.")
    if {(is_offset(source), is_difference(target)), (is_offset(target), is_difference(source))} & {
        (True, True)
    }:
        raise BadInput(
            f"'{source}' cannot be turned into '{target}': one is a temperature, one a difference."
        )
    (factor, offset), (target_factor, target_offset) = _scale(source), _scale(target)
    return factor / target_factor, (offset - target_offset) / target_factor


def same_measure(left: str, right: str) -> None:
    """Refuse two units of measure that cannot be compared. Raises BadInput."""
    _conversion(left, right)


def _rounded(exact: Fraction, context: Context) -> Decimal:
    return context.divide(Decimal(exact.numerator), Decimal(exact.denominator))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A finite decimal `value` and the text of its `unit` of measure ('' for a bare number).

    Equality and hash are by what was written: 37 degC differs from 310.15 K. Use `compare`
    or the ordering operators for physical comparison. Raises BadInput for NaN, infinity,
    a size beyond 10^±50, more than 60 digits or an unknown unit of measure.
    """

    value: Decimal
    unit: str

    def __post_init__(self) -> None:
        if not self.value.is_finite():
            raise BadInput(f"'{self.value} {self.unit}' is not a finite number; enter a measured value.")
        digits, exponent = self.value.as_tuple()[1:]
        if (
            len(digits) > _DIGITS
            or abs(self.value.adjusted() if self.value else cast("int", exponent)) > _SIZE
        ):
            raise BadInput(f"'{self.value:.5E} {self.unit}' is beyond any plausible size; check the number.")
        _unit(self.unit)

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}".rstrip()

    def to(self, unit: str) -> "Quantity":
        """The same quantity in another unit of measure. Raises BadInput if the dimensions differ."""
        if unit == self.unit:
            return self
        factor, offset = _conversion(self.unit, unit)
        return Quantity(_rounded(Fraction(self.value) * factor + offset, ARITHMETIC), unit)

    def compare(self, other: "Quantity") -> int:
        """-1, 0 or 1. Raises BadInput if the two measure different things."""
        _conversion(self.unit, other.unit)
        mine, theirs = _root(self), _root(other)
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
        unit = sum_unit(self.unit, other.unit, 1)
        left, right = (other, self) if is_offset(other.unit) else (self, other)
        return _result(ARITHMETIC.add(left.value, _addend(right, left.unit).value), unit)

    def __sub__(self, other: "Quantity") -> "Quantity":
        unit = sum_unit(self.unit, other.unit, -1)
        return _result(ARITHMETIC.subtract(self.value, _addend(other, self.unit).value), unit)

    def __mul__(self, other: "Quantity") -> "Quantity":
        return _result(ARITHMETIC.multiply(self.value, other.value), product_unit(self.unit, other.unit, 1))

    def __truediv__(self, other: "Quantity") -> "Quantity":
        if not other.value:
            raise BadInput(f"{self} cannot be divided by {other}: the divisor is zero.")
        return _result(ARITHMETIC.divide(self.value, other.value), product_unit(self.unit, other.unit, -1))

    def __neg__(self) -> "Quantity":
        no_point(self.unit, "The opposite")
        return Quantity(ARITHMETIC.minus(self.value), self.unit)

    @property
    def dimension(self) -> str:
        """The dimension as a stable text; '' for a bare number."""
        return dimension(self.unit)

    def plain(self) -> dict[str, Plain]:
        """The JSON form: {"value": "37.0", "unit": "degC"}."""
        return {"value": f"{self.value:f}", "unit": self.unit}


@lru_cache(maxsize=4096)
def _root(amount: Quantity) -> Decimal:
    """The value in root units of measure, to the digits that comparisons look at."""
    factor, offset = _scale(amount.unit)
    return _rounded(Fraction(amount.value) * factor + offset, COMPARISON)


def _result(value: Decimal, unit: str) -> Quantity:
    return Quantity(value or Decimal(0), unit)  # a zero keeps the exponents of what it came from


def _addend(amount: Quantity, unit: str) -> Quantity:
    """What is added to, or taken from, a value in `unit`, in the unit of measure that needs."""
    return amount.to(_difference_unit(unit) if is_difference(amount.unit) and is_offset(unit) else unit)


def no_point(unit: str, what: str) -> None:
    """Refuse a unit of measure that is a point on a scale (degC). Raises BadInput."""
    if is_offset(unit):
        raise BadInput(
            f"{what} of a temperature in {unit} means nothing; convert it to K, or use a difference."
        )


@cache
def _difference_unit(unit: str) -> str:
    (name,) = _powers(unit)
    return {"degree_Celsius": "delta_degC", "degree_Fahrenheit": "delta_degF"}.get(name, f"delta_{name}")


@cache
def sum_unit(left: str, right: str, sign: int) -> str:
    """The unit text of a sum (sign 1) or difference (sign -1). Raises BadInput if there is none."""
    if not is_offset(left) and not is_offset(right):
        _conversion(right, left)
        return left
    if is_offset(left) and is_difference(right):
        return left
    if sign == 1 and is_difference(left):
        return right
    if sign == -1 and is_offset(left) and is_offset(right):
        return _difference_unit(left)
    _conversion(right, left)
    word = "added to" if sign == 1 else "taken from"
    raise BadInput(
        f"'{right}' cannot be {word} '{left}': add or take a difference of temperatures, such as 1 delta_degC."
    )


@cache
def product_unit(left: str, right: str, sign: int) -> str:
    """The unit text of a product (sign 1) or quotient (sign -1), spelled the same way ever after."""
    no_point(left, "A product or quotient")
    no_point(right, "A product or quotient")
    if not right or (not left and sign == 1):
        return left or right
    powers: dict[str, Fraction] = {}
    for unit, factor in ((left, 1), (right, sign)):
        for name, power in _powers(unit).items():
            powers[name] = powers.get(name, Fraction(0)) + factor * power
    kept = sorted((name, power) for name, power in powers.items() if power)
    return "*".join(name if power == 1 else f"{name}**{power}" for name, power in kept)


def quantity(value: str | int | Decimal, unit: str) -> Quantity:
    """A quantity from a number (text, int or Decimal; never a float) and a unit of measure."""
    if isinstance(value, str) and (len(value) > _LONGEST or not re.fullmatch(_NUMBER, value)):
        raise BadInput(f"'{value[:20]}' is not a number; write digits with a point, such as 37.5.")
    return Quantity(Decimal(value), unit)


def parse(text: str) -> Quantity:
    """The quantity in a text such as '37 degC', '1e8 cell' or '80 %'. Raises BadInput."""
    if len(text) > _LONGEST:
        raise BadInput(f"'{text[:20]}…' is too long for a quantity.")
    found = _TEXT.fullmatch(text)
    if found is None:
        raise BadInput(f"'{text}' is not a quantity; write a number and a unit of measure, such as 37 degC.")
    return quantity(found[1], found[2])


def literal(text: str) -> "Quantity | str":
    """The quantity a text spells ('37 degC', '1e8 cell', '0.5'), or else the text itself.

    Recipes and expressions write both as text; '2.6.27' and 'day 5' stay text.
    """
    try:
        return parse(text)
    except BadInput:
        return text


def is_quantity(value: object) -> TypeGuard[Mapping[str, Plain]]:
    """Whether a plain value has the JSON form of a quantity."""
    return isinstance(value, Mapping) and set(cast("Mapping[str, Plain]", value)) == {"value", "unit"}


def from_plain(value: Plain) -> Quantity:
    """The quantity in {"value": "37", "unit": "degC"}. Raises BadInput."""
    number, unit = (value["value"], value["unit"]) if is_quantity(value) else (None, None)
    if not isinstance(number, str) or not isinstance(unit, str):
        raise BadInput(f"{value!r} is not a quantity; send it as {{'value': '37', 'unit': 'degC'}}.")
    return quantity(number, unit)


def duration(amount: Quantity) -> timedelta:
    """A time quantity as a timedelta, rounded to microseconds. Raises BadInput for anything else."""
    seconds = amount.to("s").value
    if abs(seconds) > 10**10:
        raise BadInput(f"{amount} is longer than any process; check the number.")
    return timedelta(microseconds=int((seconds * 1_000_000).to_integral_value(ROUND_HALF_EVEN)))
