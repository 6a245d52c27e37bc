"""Expressions of a recipe, language version 1: calculations and conditions over quantities.

    $cells.viable_cells * $volume >= '1e8 cell' and not $count.clumps

A safe evaluator of its own: text is parsed once into a small frozen tree; there is no loop, no
assignment, no attribute and no call but to the functions listed here, and length and depth are
bounded. Arithmetic is that of `batches/quantities.py`. docs/reference/recipe-language.md has the
grammar; a change of meaning is a new language version.

Values are quantities, whole numbers, text and yes/no. A whole number counts as a bare number where
a quantity is needed. The static type of an expression has the same rules, with units of measure in
the place of quantities: where `infer` gives a type, `evaluate` gives a value of that type, unless
the values themselves forbid it (division by zero, a size beyond reason).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Literal, TypeAlias, assert_never

from batches.errors import BadInput
from batches.expression_tree import (
    COMPARISONS,
    Call,
    Expression,
    Fixed,
    Infix,
    Name,
    Prefix,
    Rounded,
    Tree,
    names,
    parse,
    parsed,
    references,
)
from batches.plain import LARGEST_INTEGER
from batches.quantities import Quantity, dimension, no_point, product_unit, same_measure, sum_unit
from batches.recipe import Scalar
from batches.steps import Value

__all__ = [
    "LANGUAGE",
    "Expression",
    "Type",
    "dimension_of",
    "evaluate",
    "infer",
    "names",
    "parse",
    "references",
]

LANGUAGE = 1
Kind: TypeAlias = Literal["quantity", "whole", "text", "yes_no"]
_ROUNDING = Context(prec=120, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Type:
    """What an expression gives. A quantity has the dimension of `unit` ('' for a bare number)."""

    kind: Kind
    unit: str = ""

    def __str__(self) -> str:
        if self.kind == "quantity":
            return f"a quantity in {self.unit}" if self.unit else "a bare number"
        return {"whole": "a whole number", "text": "text", "yes_no": "yes or no"}[self.kind]


WHOLE, TEXT, YES_NO, NUMBER = Type("whole"), Type("text"), Type("yes_no"), Type("quantity")


# --- values -------------------------------------------------------------------------------------


def evaluate(expression: "Expression | str", values: Mapping[str, Value]) -> Scalar:
    """The value of an expression. `values`: by name; of a phase alias the mapping of its results.

    Raises RecipeError for text that is no expression, BadInput for values it cannot take.
    """
    found = parsed(expression)
    try:
        return _value(found.tree, values)
    except BadInput as error:
        raise BadInput(f"The expression '{found.text}' cannot be worked out: {error}") from error


def _value(tree: Tree, values: Mapping[str, Value]) -> Scalar:
    match tree:
        case Fixed():
            return tree.value
        case Name():
            return _look_up(tree, values)
        case Prefix("not"):
            return not _yes_no(_value(tree.of, values))
        case Prefix():
            found = _number(_value(tree.of, values))
            return -found
        case Infix("and"):
            return _yes_no(_value(tree.left, values)) and _yes_no(_value(tree.right, values))
        case Infix("or"):
            return _yes_no(_value(tree.left, values)) or _yes_no(_value(tree.right, values))
        case Infix():
            left, right = _value(tree.left, values), _value(tree.right, values)
            return (
                _compare(tree.sign, left, right)
                if tree.sign in COMPARISONS
                else _calculate(tree.sign, left, right)
            )
        case Rounded():
            return _round(_number(_value(tree.of, values)), tree.unit, tree.digits)
        case Call():
            return _call(tree.function, [_number(_value(argument, values)) for argument in tree.arguments])
        case _:
            assert_never(tree)


def _look_up(name: Name, values: Mapping[str, Value]) -> Scalar:
    found = values.get(name.root)
    if name.result:
        found = found.get(name.result) if isinstance(found, Mapping) else None
    if isinstance(found, (Quantity, str, int)):
        return found
    if isinstance(found, Mapping) and found:
        raise BadInput(f"{name} has several values; name one of them, such as {name}.{next(iter(found))}.")
    raise BadInput(f"{name} has no value that can be calculated with.")


def _yes_no(value: Scalar) -> bool:
    if not isinstance(value, bool):
        raise BadInput(f"'{value}' is neither yes nor no; compare it with something.")
    return value


def _number(value: Scalar) -> "Quantity | int":
    if isinstance(value, (bool, str)):
        raise BadInput(f"'{_shown(value)}' is not a quantity Kweek knows.")
    return value


def _shown(value: Scalar) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _quantity(value: "Quantity | int") -> Quantity:
    return value if isinstance(value, Quantity) else Quantity(Decimal(value), "")


def _whole(value: int) -> int:
    if abs(value) > LARGEST_INTEGER:
        raise BadInput(f"the whole number {value:.5E} is beyond any plausible size.")
    return value


def _compare(sign: str, left: Scalar, right: Scalar) -> bool:
    if isinstance(left, (str, bool)) or isinstance(right, (str, bool)):
        if type(left) is not type(right) or sign not in ("==", "!="):
            raise BadInput(f"'{_shown(left)}' {sign} '{_shown(right)}' compares things that have no order.")
        return (left == right) == (sign == "==")
    order = _quantity(left).compare(_quantity(right))
    match sign:
        case "==":
            return order == 0
        case "!=":
            return order != 0
        case "<":
            return order < 0
        case "<=":
            return order <= 0
        case ">":
            return order > 0
        case _:
            return order >= 0


def _calculate(sign: str, left: Scalar, right: Scalar) -> Scalar:
    x, y = _number(left), _number(right)
    if isinstance(x, int) and isinstance(y, int) and sign != "/":
        return _whole(x + y if sign == "+" else x - y if sign == "-" else x * y)
    a, b = _quantity(x), _quantity(y)
    match sign:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case _:
            return a / b


def _call(function: str, arguments: "list[Quantity | int]") -> Scalar:
    first = arguments[0]
    match function:
        case "abs":
            return abs(first) if isinstance(first, int) else max(first, -first)
        case "floor":
            return _whole_part(first, ROUND_FLOOR)
        case "ceil":
            return _whole_part(first, ROUND_CEILING)
        case _:
            return _extreme(function, arguments)


def _whole_part(amount: "Quantity | int", rounding: str) -> int:
    if isinstance(amount, int):
        return amount
    return _whole(int(amount.to("").value.to_integral_value(rounding)))


def _extreme(function: str, arguments: "list[Quantity | int]") -> Scalar:
    """The least or greatest, in the unit of measure of the first."""
    wholes = [argument for argument in arguments if isinstance(argument, int)]
    if len(wholes) == len(arguments):
        return min(wholes) if function == "min" else max(wholes)
    found = [_quantity(argument) for argument in arguments]
    return (min(found) if function == "min" else max(found)).to(found[0].unit)


def _round(amount: "Quantity | int", unit: str, digits: int) -> Quantity:
    """Rounded half up, as a result is rounded before it is compared with its limit (USP, General
    Notices 7.20)."""
    value = _quantity(amount).to(unit).value
    return Quantity(value.quantize(Decimal(1).scaleb(-digits), context=_ROUNDING) or Decimal(0), unit)


# --- types --------------------------------------------------------------------------------------


def infer(expression: "Expression | str", types: Mapping[str, Type]) -> Type:
    """The type of an expression from the types of what it reads ('volume', 'count.viable_cells').

    Raises RecipeError for text that is no expression, BadInput where the types do not fit.
    """
    found = parsed(expression)
    try:
        return _type(found.tree, types)
    except BadInput as error:
        raise BadInput(f"The expression '{found.text}' cannot be worked out: {error}") from error


def dimension_of(expression: "Expression | str", dimensions: Mapping[str, Type]) -> str:
    """The dimension of what an expression gives ('' for a bare number). Raises BadInput."""
    return dimension(_unit(infer(expression, dimensions)))


def type_of(value: Scalar) -> Type:
    """The type of a value."""
    match value:
        case bool():
            return YES_NO
        case int():
            return WHOLE
        case str():
            return TEXT
        case Quantity():
            return Type("quantity", value.unit)


def _type(tree: Tree, types: Mapping[str, Type]) -> Type:
    match tree:
        case Fixed():
            return type_of(tree.value)
        case Name():
            return _known(tree, types)
        case Prefix("not"):
            return _need_yes_no(_type(tree.of, types))
        case Prefix():
            return _opposite(_type(tree.of, types))
        case Infix("and" | "or"):
            _need_yes_no(_type(tree.left, types))
            return _need_yes_no(_type(tree.right, types))
        case Infix():
            left, right = _type(tree.left, types), _type(tree.right, types)
            return (
                _compared(tree.sign, left, right)
                if tree.sign in COMPARISONS
                else _combined(tree.sign, left, right)
            )
        case Rounded():
            same_measure(_unit(_type(tree.of, types)), tree.unit)
            return Type("quantity", tree.unit)
        case Call():
            return _called(tree.function, [_type(argument, types) for argument in tree.arguments])
        case _:
            assert_never(tree)


def _known(name: Name, types: Mapping[str, Type]) -> Type:
    found = types.get(str(name)[1:])
    if found is None:
        raise BadInput(f"{name} is not known here.")
    return found


def _need_yes_no(found: Type) -> Type:
    if found.kind != "yes_no":
        raise BadInput(f"{found} stands where yes or no is needed; compare it with something.")
    return found


def _unit(found: Type) -> str:
    if found.kind in ("text", "yes_no"):
        raise BadInput(f"{found} stands where a quantity Kweek knows is needed.")
    return found.unit


def _opposite(found: Type) -> Type:
    no_point(_unit(found), "The opposite")
    return found


def _compared(sign: str, left: Type, right: Type) -> Type:
    if left.kind in ("text", "yes_no") or right.kind in ("text", "yes_no"):
        if left.kind != right.kind or sign not in ("==", "!="):
            raise BadInput(f"{left} {sign} {right} compares things that have no order.")
        return YES_NO
    same_measure(left.unit, right.unit)
    return YES_NO


def _combined(sign: str, left: Type, right: Type) -> Type:
    x, y = _unit(left), _unit(right)
    if (left, right) == (WHOLE, WHOLE) and sign != "/":
        return WHOLE
    if sign in "+-":
        return Type("quantity", sum_unit(x, y, 1 if sign == "+" else -1))
    return Type("quantity", product_unit(x, y, 1 if sign == "*" else -1))


def _called(function: str, arguments: list[Type]) -> Type:
    for argument in arguments:
        same_measure(_unit(argument), _unit(arguments[0]))
    match function:
        case "abs":
            return _opposite(arguments[0])
        case "floor" | "ceil":
            same_measure(arguments[0].unit, "")
            return WHOLE
        case _:
            return WHOLE if set(arguments) == {WHOLE} else Type("quantity", arguments[0].unit)
