"""Quantities: what is written is kept, conversions are exact, nonsense is refused in one sentence."""

import decimal
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput
from batches.plain import canonical, from_json
from batches.quantities import (
    Quantity,
    _scale,
    dimension,
    duration,
    from_plain,
    is_quantity,
    literal,
    parse,
    product_unit,
    quantity,
    registry,
)

q = parse
UNITS = (
    "",
    "%",
    "mL",
    "L",
    "uL",
    "g",
    "mg",
    "h",
    "min",
    "day",
    "cell",
    "cell/mL",
    "cell/cm^2",
    "EU/mL",
    "rpm",
)
numbers = st.decimals(
    min_value=Decimal("-1e12"), max_value=Decimal("1e12"), allow_nan=False, allow_infinity=False, places=6
)
quantities = st.builds(Quantity, numbers, st.sampled_from((*UNITS, "degC", "degF", "K", "delta_degC")))


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("37 degC", "37", "degC"),
        ("37.0 degC", "37.0", "degC"),
        ("1e8 cell", "100000000", "cell"),
        ("80 %", "80", "%"),
        ("5 EU/mL", "5", "EU/mL"),
        ("-1 degC/min", "-1", "degC/min"),
        (".5 h", "0.5", "h"),
        ("5. h", "5", "h"),
        ("12", "12", ""),
        (" 3 µm ", "3", "µm"),
        ("290 mOsm/kg", "290", "mOsm/kg"),
        ("200 ng/(mL*day)", "200", "ng/(mL*day)"),
        ("4 cells/aggregate", "4", "cells/aggregate"),
    ],
)
def test_a_quantity_keeps_number_and_unit_as_written(text: str, value: str, unit: str) -> None:
    assert parse(text).plain() == {"value": value, "unit": unit}


@pytest.mark.parametrize(
    "text",
    [
        "", "mL", "37,5 degC", "NaN g", "inf g", "1_000 g", "٣ g", "1e9999 g", "1e51 g", "0e-999 g", "0x10 g",
        "37 degree celsius", "5 m m", "5 g//L", "5 m**9**9", "5 m**999", "5 mL\n2", "5 mL\x00", "5 furlongz", "3 dB",
        "2026-11-23", "2.6.27", "5 m if 1 else g", "1 " + "m" * 200, "1" * 70, "5 __import__('os')", "5 min to 9 min",
    ],
)  # fmt: skip
def test_text_that_is_no_quantity_is_refused_and_stays_text_as_a_literal(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse(text)
    assert str(refused.value).endswith(".")
    assert literal(text) == text


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "1_000", "", " 1", "1 ", "٣", "1e", "0e-999", "9" * 130]
)
def test_a_recorded_number_is_read_strictly(value: str) -> None:
    with pytest.raises(BadInput):
        from_plain({"value": value, "unit": "g"})


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("-Infinity"), Decimal("1e51"), Decimal("0e-51"), 10**70]
)
def test_a_number_beyond_reason_is_refused(value: Decimal | int) -> None:
    with pytest.raises(BadInput):
        quantity(value, "g")


@pytest.mark.parametrize(
    "sent",
    [None, "37 degC", 37, {"value": 37, "unit": "degC"}, {"value": "37"}, {"value": "37", "unit": None}],
)
def test_what_is_not_the_json_of_a_quantity_is_refused(sent: object) -> None:
    with pytest.raises(BadInput):
        from_plain(sent)  # pyright: ignore[reportArgumentType] that is the test


@given(quantities)
def test_json_and_back_is_the_same_quantity_and_the_same_bytes(amount: Quantity) -> None:
    sent = canonical(amount.plain())
    back = from_plain(from_json(sent))
    assert (back, canonical(back.plain())) == (amount, sent)
    assert is_quantity(amount.plain())


@given(quantities)
def test_text_and_back_is_the_same_quantity(amount: Quantity) -> None:
    assert parse(str(amount)) == amount


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1 L", "mL", "1000"),
        ("0.1 mL", "uL", "100"),
        ("90 min", "h", "1.5"),
        ("36 h", "day", "1.5"),
        ("12 h", "s", "43200"),
        ("80 %", "", "0.8"),
        ("0.05", "%", "5"),
        ("60 rpm", "1/min", "60"),
        ("60 rpm", "1/s", "1"),
        ("37 degC", "K", "310.15"),
        ("310.15 K", "degC", "37"),
        ("98.6 degF", "degC", "37"),
        ("1 delta_degC", "K", "1"),
        ("1 degC/min", "K/s", "0.01666666666666666666666666667"),
        ("1e6 cell/mL", "cell/L", "1000000000"),
        ("8 uM", "nmol/mL", "8"),
        ("1 g/L", "mg/mL", "1"),
        ("100 xg", "m/s^2", "980.665"),
        ("3 bags", "vial", "3"),
    ],
)
def test_common_conversions_are_exact(text: str, unit: str, value: str) -> None:
    assert str(parse(text).to(unit).value) == value


@given(
    numbers,
    st.sampled_from([("mL", "L"), ("min", "h"), ("s", "day"), ("rpm", "1/s"), ("degC", "degF"), ("%", "")]),
)
def test_there_and_back_again_loses_nothing_a_comparison_sees(number: Decimal, pair: tuple[str, str]) -> None:
    there = Quantity(number, pair[0])
    assert there.to(pair[1]).to(pair[0]).compare(there) == 0
    assert there.to(pair[1]).compare(there) == 0


@given(numbers, numbers, numbers, st.tuples(*[st.sampled_from(["min", "h", "s", "day"])] * 3))
def test_comparison_is_one_order_whatever_the_units(
    a: Decimal, b: Decimal, c: Decimal, units: tuple[str, str, str]
) -> None:
    x, y, z = (Quantity(number, unit) for number, unit in zip((a, b, c), units, strict=True))
    assert x.compare(y) == -y.compare(x)
    if x <= y and y <= z:
        assert x <= z


def test_equality_is_by_what_was_written_and_comparison_by_what_is_meant() -> None:
    assert q("37 degC") != q("310.15 K")
    assert q("37 degC").compare(q("310.15 K")) == 0
    assert q("60 rpm").compare(q("60 1/min")) == 0
    assert [q("79.9 %") < q("0.8"), q("0.8") >= q("80 %"), q("2 h") > q("119 min"), q("2 h") <= q("119 min")] == [
        True, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (q("1 L") + q("250 mL"), "1.25 L"),
        (q("1.50 L") - q("1500 mL"), "0 L"),
        (q("80 %") + q("0.05"), "85 %"),
        (q("2e6 cell/mL") * q("50 mL"), "100000000 cell"),
        (q("1e8 cell") / q("2e6 cell/mL"), "50 milliliter"),
        (q("3 mL") * q("2"), "6 mL"),
        (q("2") * q("3 mL"), "6 mL"),
        (q("3 mL") / q("2"), "1.5 mL"),
        (q("1") / q("4 min"), "0.25 minute**-1"),
        (q("30 mL") / q("10 mL"), "3"),
        (-q("5 mL"), "-5 mL"),
        (-q("0 mL"), "0 mL"),
        (q("37 degC") + q("1 delta_degC"), "38 degC"),
        (q("1 delta_degC") + q("37 degC"), "38 degC"),
        (q("37 degC") - q("0.9 delta_degF"), "36.5 degC"),
        (q("37 degC") - q("36.5 degC"), "0.5 delta_degC"),
        (q("37 degC") - q("98.6 degF"), "0 delta_degC"),
        (q("98.6 degF") + q("1 delta_degC"), "100.4 degF"),
        (q("310.15 K") + q("1 K"), "311.15 K"),
        (q("-1 degC/min") * q("60 min"), "-60 delta_degree_Celsius"),
    ],
)
def test_arithmetic(found: Quantity, wanted: str) -> None:
    assert str(found) == wanted
    assert parse(str(found)).compare(found) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: q("5 g") + q("1 L"),
        lambda: q("5 g") - q("1 L"),
        lambda: q("5 g").compare(q("1 L")),
        lambda: q("5 g").to("L"),
        lambda: q("5 g") / q("0 L"),
        lambda: q("37 degC") + q("1 degC"),
        lambda: q("37 degC") + q("1 K"),
        lambda: q("37 degC") - q("1 K"),
        lambda: q("1 K") + q("37 degC"),
        lambda: q("1 delta_degC") - q("37 degC"),
        lambda: q("37 degC") + q("1 L"),
        lambda: q("37 degC") * q("2"),
        lambda: q("2") / q("37 degC"),
        lambda: -q("37 degC"),
        lambda: q("1 delta_degC").to("degC"),
        lambda: q("37 degC").compare(q("37 delta_degC")),
        lambda: q("1e50 g") * q("1e50 g"),
        lambda: q("1 m**99") * q("1 m"),
        lambda: duration(q("5 g")),
        lambda: duration(q("1e12 s")),
    ],
)
def test_what_means_nothing_is_refused(wrong: object) -> None:
    with pytest.raises(BadInput, match=r"\.$"):
        wrong()  # pyright: ignore[reportCallIssue] a list of lambdas of several types


@given(quantities, quantities)
def test_arithmetic_ends_in_a_quantity_or_a_sentence(a: Quantity, b: Quantity) -> None:
    for operate in (Quantity.__add__, Quantity.__sub__, Quantity.__mul__, Quantity.__truediv__):
        try:
            found = operate(a, b)
        except BadInput:
            continue
        assert found == operate(a, b)
        assert from_plain(found.plain()) == found


@given(st.text(max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    found = literal(text)
    assert found == text or isinstance(found, Quantity)
    assert isinstance(literal("5 " + text), (Quantity, str))


def test_results_do_not_depend_on_the_context_of_the_thread() -> None:
    with decimal.localcontext(prec=3, rounding=decimal.ROUND_DOWN):
        found = (q("1.23456 g") + q("1 g"), -q("1.23456 g"), q("1 min").to("h"), q("2 g") / q("3 L"))
    assert found == (q("1.23456 g") + q("1 g"), -q("1.23456 g"), q("1 min").to("h"), q("2 g") / q("3 L"))


def test_every_unit_pint_knows_is_exact_or_refused() -> None:
    refused = {name for name in registry()._units if isinstance(literal(f"1 {name}"), str)}
    exact = registry()._units.keys() - refused
    assert {type(part) for name in exact for part in _scale(name)} == {Fraction}
    assert {name for name in refused if name.isascii()} == {
        "decibelwatt", "dBW", "decibelmilliwatt", "dBm", "decibelmicrowatt", "dBu", "decibel", "dB", "decade",
        "octave", "oct", "neper", "Np",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "found"),
    [
        ("", ""),
        ("%", ""),
        ("degC", "[temperature]"),
        ("EU/mL", "[endotoxin]*[length]**-3"),
        ("cell/cm**2", "[cell]*[length]**-2"),
        ("franklin", "[length]**3/2*[mass]**1/2*[time]**-1"),
    ],
)
def test_a_dimension_is_a_stable_text(unit: str, found: str) -> None:
    assert dimension(unit) == found


def test_the_unit_of_a_product_is_spelled_one_way() -> None:
    assert product_unit("mL", "g", 1) == product_unit("g", "mL", 1) == "gram*milliliter"
    assert product_unit("mL", "mL", -1) == ""


def test_a_duration_is_a_timedelta() -> None:
    assert duration(q("90 min")).total_seconds() == 5400
    assert duration(q("0.0000005 s")).microseconds == 0
