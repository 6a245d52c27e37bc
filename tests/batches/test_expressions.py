"""Expressions: what they mean, what they refuse, and that types foretell values."""

from collections.abc import Callable, Mapping
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.errors import BadInput, RecipeError
from batches.expressions import (
    TEXT,
    YES_NO,
    Type,
    dimension_of,
    evaluate,
    infer,
    names,
    parse,
    references,
    type_of,
)
from batches.quantities import Quantity, dimension
from batches.quantities import parse as q
from batches.recipe import Scalar
from batches.steps import Fired, Value

VALUES: dict[str, Value] = {
    "cells": {"viable_cells": q("2e6 cell/mL"), "clumps": False, "grade": "good", "remark": None},
    "volume": q("50 mL"),
    "fraction": q("80 %"),
    "temperature": q("37 degC"),
    "warmer": q("1 delta_degC"),
    "time": q("90 min"),
    "bags": 3,
    "zero": q("0 mL"),
    "none": 0,
    "decision": "harvest",
    "sure": True,
    "number": q("0.5"),
}
TYPES: dict[str, Type] = {
    "cells.viable_cells": Type("quantity", "cell/mL"),
    "cells.clumps": YES_NO,
    "cells.grade": TEXT,
    **{
        name: type_of(value)
        for name, value in VALUES.items()
        if isinstance(value, (Quantity, str, int)) and name != "cells"
    },
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$cells.viable_cells * $volume >= '1e8 cell'", True),
        ("$cells.viable_cells * $volume > '1e8 cell'", False),
        ("$volume", q("50 mL")),
        ("1 + 2 * 3 - 4", 3),
        ("(1 + 2) * 3", 9),
        ("10 - 3 - 2", 5),
        ("-2 * -3", 6),
        ("--2", 2),
        ("7 / 2", q("3.5")),
        ("12 / 2 / 3", q("2")),
        ("0.5 * $volume", q("25.0 mL")),
        ("$volume * 2", q("100 mL")),
        ("$volume * $bags", q("150 mL")),
        ("$bags + 1", 4),
        ("$volume + '0.1 L'", q("150 mL")),
        ("$volume / '10 mL' + 1", q("6")),
        ("$temperature + $warmer", q("38 degC")),
        ("$temperature - '36.5 degC'", q("0.5 delta_degC")),
        ("$temperature > '310 K'", True),
        ("$fraction >= 0.8 and $fraction <= '80 %'", True),
        ("not $cells.clumps", True),
        ("not not $sure", True),
        ("$sure and not $cells.clumps or false", True),
        ("true or false and false", True),
        ("not false and false", False),
        ("$decision == 'harvest'", True),
        ("$decision != 'harvest'", False),
        ("$cells.grade == 'good' and $sure == true", True),
        ("min($volume, '0.02 L')", q("20 mL")),
        ("max($bags, 5, 4)", 5),
        ("min(2, '150 %')", q("1.5")),
        ("abs(-3)", 3),
        ("abs('-3.5 g')", q("3.5 g")),
        ("floor($volume / '15 mL')", 3),
        ("ceil($volume / '15 mL')", 4),
        ("floor(-0.5)", -1),
        ("ceil('150 %')", 2),
        ("round('2.5 mL', 'mL', 0)", q("3 mL")),
        ("round('-2.5 mL', 'mL', 0)", q("-3 mL")),
        ("round($time, 'h', 1)", q("1.5 h")),
        ("round('1.25 h', 'h', 1)", q("1.3 h")),
        ("round('123456789 cell', 'cell', -6)", q("123000000 cell")),
        ("round(2 / 3, '', 3)", q("0.667")),
        ("round('0.4 mL', 'mL', 0) == '0 mL'", True),
        ("9007199254740993", q("9007199254740993")),
        ("'50 mL' == '0.05 L'", True),
        ("'2.6.27' == '2.6.27'", True),
        ("$time<='1.5 h'", True),
        ("false and 1 / 0 > 1", False),
        ("true or 1 / 0 > 1", True),
    ],
)
def test_an_expression_means(text: str, value: Scalar) -> None:
    found = evaluate(text, VALUES)
    assert (type(found), str(found)) == (type(value), str(value)) or (
        isinstance(found, Quantity) and isinstance(value, Quantity) and found == value
    )
    assert infer(text, TYPES).kind == type_of(found).kind


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends too early"),
        ("1 +", "ends too early"),
        ("(1 + 2", "')' is missing"),
        ("1 + 2)", "')' cannot stand there"),
        ("$volume > 80 mL", "'mL' cannot stand there; quantities and text stand in single quotes"),
        ("$fraction > 80 %", "'%' cannot stand there"),
        ("1 < 2 < 3", "chained"),
        ("1 = 2", "'= 2' cannot stand there"),
        ("volume > 1", "'volume' is not a function"),
        ("eval(1)", "'eval' is not a function"),
        ("min(1)", "min takes 2 to 9 arguments"),
        ("abs(1, 2)", "abs takes 1 arguments"),
        ("min 1", "'min' is not a function"),
        ("round($volume, 1)", "round takes 3 arguments"),
        ("round($volume, $unit, 1)", "round is written"),
        ("round($volume, 'mL', 21)", "round is written"),
        ("round($volume, 'mL', true)", "round is written"),
        ("round($volume, 'mL', not 2)", "round is written"),
        ("$", "cannot stand there"),
        ("$a.b.c", "'.c' cannot stand there"),
        ("2 ** 3", "'*' cannot stand there"),
        ("'open", "cannot stand there"),
        ("1e400", "beyond any plausible size"),
        ("$a; $b", "cannot stand there"),
        ("__import__('os')", "is not a function"),
        ("lambda: 1", "': 1' cannot stand there"),
        ("(" * 30 + "1" + ")" * 30, "nested deeper than 20 levels"),
        ("not " * 30 + "true", "nested deeper than 20 levels"),
        ("-" * 30 + "1", "nested deeper than 20 levels"),
        ("1" + "+1" * 80, "more than 150 parts"),
        ("1" + " " * 1000, "longer than 1000 characters"),
    ],
)
def test_what_is_no_expression_is_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse(text)
    assert says in str(refused.value)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("text", "says", "known_before"),
    [
        ("$volume + '1 g'", "measure different things", True),
        ("$volume > '1 g'", "measure different things", True),
        ("$volume > 1", "measure different things", True),
        ("$volume + 1", "measure different things", True),
        ("$temperature + '1 degC'", "add or take a difference", True),
        ("$temperature + '1 K'", "add or take a difference", True),
        ("$temperature * 2", "means nothing", True),
        ("-$temperature", "means nothing", True),
        ("abs($temperature)", "means nothing", True),
        ("floor($volume)", "measure different things", True),
        ("min($volume, '1 g')", "measure different things", True),
        ("round($volume, 'g', 1)", "measure different things", True),
        ("round($volume, 'furlongz', 1)", "is not a unit of measure", True),
        ("$decision > 'a'", "no order", True),
        ("$decision == 1", "no order", True),
        ("$sure == 1", "no order", True),
        ("$volume == '50 mLs'", "no order", True),
        ("$decision + 1", "a quantity Kweek knows", True),
        ("-$sure", "a quantity Kweek knows", True),
        ("not $volume", "yes", True),
        ("$volume and true", "yes", True),
        ("1 or true", "yes", True),
        ("$absent + 1", "$absent", True),
        ("$cells.absent + 1", "$cells.absent", True),
        ("$cells + 1", "$cells", True),
        ("$volume.mean + 1", "$volume.mean", True),
        ("$cells.remark + 1", "$cells.remark", True),
        ("$volume / $zero", "the divisor is zero", False),
        ("1 / $none", "the divisor is zero", False),
        ("9007199254740991 + 1", "beyond any plausible size", False),
        ("floor(1e40)", "beyond any plausible size", False),
        ("1e40 * 1e40", "beyond any plausible size", False),
    ],
)
def test_what_cannot_be_worked_out_is_refused_in_a_sentence(text: str, says: str, known_before: bool) -> None:
    with pytest.raises(BadInput) as refused:
        evaluate(text, VALUES)
    assert says in str(refused.value)
    assert str(refused.value).startswith(f"The expression '{text}' cannot be worked out: ")
    assert str(refused.value).endswith(".")
    if known_before:
        with pytest.raises(BadInput, match=r"cannot be worked out"):
            infer(text, TYPES)
    else:
        infer(text, TYPES)


@pytest.mark.parametrize("value", [None, {}, {"a": 1}, (1, 2), Fired(0)])
def test_a_reply_that_is_no_single_value_cannot_be_calculated_with(value: Value) -> None:
    with pytest.raises(BadInput, match=r"^The expression '\$x \+ 1' cannot be worked out: \$x "):
        evaluate("$x + 1", {"x": value})


def test_the_names_of_an_expression_once_each_in_order() -> None:
    text = "$b * $cells.n > $a and $b > 1 and round($cells.m, 'mL', 1) > min(-$z, '1 mL')"
    assert names(text) == ("b", "cells", "a", "z")
    assert [str(name) for name in references(text)] == ["$b", "$cells.n", "$a", "$cells.m", "$z"]
    assert references(parse(text)) == references(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$cells.viable_cells * $volume", "[cell]"),
        ("$volume / $time", "[length]**3*[time]**-1"),
        ("$volume / $volume", ""),
        ("$bags", ""),
    ],
)
def test_the_dimension_is_known_without_values(text: str, found: str) -> None:
    assert dimension_of(text, TYPES) == found


def test_yes_or_no_has_no_dimension() -> None:
    with pytest.raises(BadInput):
        dimension_of("$sure", TYPES)


# --- properties ---------------------------------------------------------------------------------

leaves = st.sampled_from(
    [f"${name}" for name in TYPES]
    + [
        "1",
        "0",
        "2.5",
        "'3 mL'",
        "'0.1 L'",
        "'20 %'",
        "'1e6 cell'",
        "'2 h'",
        "'harvest'",
        "true",
        "false",
        "'-5 degC'",
    ]
)


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, st.sampled_from([*"+-*/<>", "<=", ">=", "==", "!=", "and", "or"]), inner)
    return (
        two.map(lambda part: f"({part[0]} {part[1]} {part[2]})")
        | inner.map(lambda part: f"-{part}")
        | inner.map(lambda part: f"(not {part})")
        | inner.map(lambda part: f"round({part}, 'mL', 1)")
        | st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})")
        | st.tuples(st.sampled_from(["abs", "floor", "ceil"]), inner).map(lambda p: f"{p[0]}({p[1]})")
    )


expressions = st.recursive(leaves, joined, max_leaves=6)


def attempt(work: Callable[[], object]) -> object:
    """What the work gives, or the sentence it is refused with."""
    try:
        return work()
    except BadInput as error:
        return str(error)


@settings(max_examples=400)
@given(expressions)
def test_types_foretell_values(text: str) -> None:
    foretold = attempt(lambda: infer(text, TYPES))
    if isinstance(foretold, Type):
        found = attempt(lambda: evaluate(text, VALUES))
        if isinstance(found, Quantity):
            assert foretold.kind == "quantity"
            assert dimension(found.unit) == dimension(foretold.unit) == dimension_of(text, TYPES)
        elif isinstance(found, str) and foretold.kind != "text":
            assert "divisor is zero" in found or "beyond any plausible size" in found
        else:
            assert type_of(cast("Scalar", found)).kind == foretold.kind


@settings(max_examples=200)
@given(expressions)
def test_the_same_values_give_the_same_result(text: str) -> None:
    first = attempt(lambda: evaluate(text, VALUES))
    parse.cache_clear()
    assert attempt(lambda: evaluate(text, dict(reversed(VALUES.items())))) == first


noise = st.lists(st.sampled_from([*"$'()*/+-<>=!.,1a \n", "and", "min("]), max_size=40).map("".join)


@settings(max_examples=300)
@given(
    st.text(max_size=60) | noise,
    st.dictionaries(st.sampled_from("ab"), st.none() | st.integers() | st.text(max_size=4) | st.booleans()),
)
def test_no_text_and_no_values_break_the_evaluator(text: str, values: Mapping[str, Value]) -> None:
    attempt(lambda: evaluate(text, values))  # anything but BadInput fails the test
    attempt(lambda: infer(text, TYPES))
    assert isinstance(attempt(lambda: names(text)), (tuple, str))
