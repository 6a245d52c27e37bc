"""Intervals hold what they bound; volumes are followed through every structure of a procedure."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.check import Finding, check
from batches.checks.intervals import Interval, of_expression
from batches.errors import BadInput
from batches.expressions import evaluate
from batches.quantities import Quantity
from batches.quantities import parse as q
from batches.recipe_reader import read
from tests.batches.declared_phases import PHASES

NAMES = ("a", "b", "c")
ends = st.integers(-5, 20).map(lambda number: Quantity(Decimal(number), "mL"))
intervals = st.tuples(ends, ends).map(lambda pair: Interval(min(pair), max(pair)))
formulas = st.recursive(
    st.sampled_from([f"${name}" for name in NAMES] + ["'2 mL'", "3", "0.5"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})")
        | st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})")
        | inner.map(lambda part: f"-{part}")
        | inner.map(lambda part: f"round({part}, 'mL', 0)")
    ),
    max_leaves=5,
)


@given(
    formulas,
    st.fixed_dictionaries(dict.fromkeys(NAMES, intervals)),
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
)
def test_the_interval_of_an_expression_holds_its_value(
    text: str, known: dict[str, Interval], where: list[int]
) -> None:
    values = {
        name: Quantity(span.low.value + (span.high.value - span.low.value) * step / 4, "mL")
        for (name, span), step in zip(known.items(), where, strict=True)
    }
    bounds = of_expression(text, known)
    try:
        value = evaluate(text, values)
    except BadInput:
        return
    if bounds is not None:
        assert isinstance(value, (Quantity, int))
        exact = value if isinstance(value, Quantity) else Quantity(Decimal(value), "")
        assert bounds.low <= exact <= bounds.high


def test_an_interval_is_not_given_where_it_is_not_known() -> None:
    known = {"a": Interval(q("-1 mL"), q("1 mL")), "b": Interval(q("1 mL"), q("2 mL"))}
    assert of_expression("$b / $a", known) is None
    assert of_expression("$b + $c", known) is None
    assert of_expression("$b * $b", known) == Interval(q("1 milliliter**2"), q("4 milliliter**2"))


HEAD = """\
recipe: volumes
language: 1
version: 1
title: Volumes
product: {name: Nothing, kind: intermediate}
formula:
  start: {value: 60 mL, low: 50 mL, high: 70 mL, assumed: true}
  rounds: {value: 2, assumed: true}
materials: {cells: {class: raw, unit: mL}, medium: {class: raw, unit: mL}}
units: {reactor: {class: bioreactor, capacity: 100 mL}, other: {class: bioreactor, capacity: 0.1 L}}
samples:
  size: {turnaround: 1 h, volume: 5 mL, tests: {volume: {unit: mL, plausible: [10 mL, 30 mL], critical: true}, word: {kind: text}}}
procedure:
  - unit_procedure: U
    unit: reactor
    also: [other]
    operations:
      - operation: O
        phases:
          - calculate: half
            value: $start / 2
            unit: mL
"""
HELD = "hold: {safe: keep_environment, longest: 1 h}"


def add(volume: str) -> str:
    return f"{{inoculate@1: {{cells: cells, medium: medium, volume: {volume}}}, hold: {{cannot: finish}}}}"


def take(volume: str, count: str = "1") -> str:
    return f"{{draw@1: {{volume: {volume}, count: {count}}}, {HELD}}}"


HARVEST = "{harvest@1: {product: cells, volume: 0 mL}, hold: {cannot: finish}}"
PROGRAM = f"{{run@1: {{program: wash}}, {HELD}}}"
SIZE = f"{{sample@1: {{sample: size}}, as: sized, {HELD}}}"


def volumes(*phases: str) -> list[str]:
    text = HEAD + "".join(f"          - {phase}\n" for phase in phases)
    findings: tuple[Finding, ...] = check(read(text, "volumes.yaml"), PHASES)
    assert {finding.rule for finding in findings} <= {
        "volume", "unused", "material-origin", "branch-end", "read-before-there", "unproven-set-point",
    }  # fmt: skip
    return [finding.sentence.partition("'U/O/")[2] for finding in findings if finding.rule == "volume"]


@pytest.mark.parametrize(
    "phases",
    [
        [add("100 mL"), take("100 mL")],
        [add("100 mL"), take("10 mL", "10")],
        [add("$start"), take("$start - '1 mL'"), add("99 mL")],
        [add("$half"), take("$half")],
        [add("50 mL"), PROGRAM, take("90 mL"), add("90 mL")],
        [add("50 mL"), HARVEST, add("100 mL")],
        [add("60 mL"), SIZE, take("60 mL")],
        [add("95 mL"), SIZE, add("10 mL")],
        [add("20 mL"), SIZE, take("$sized.volume")],
        [add("0 mL"), "{choice: C, when: [{if: true, then: [" + add("50 mL") + "]}, {otherwise: []}]}", take("50 mL")],
        ["{repeat: R, at_most: 4, until: $start > '1 mL', body: [" + add("25 mL") + "]}", take("100 mL")],
        ["{repeat: R, at_most: 1000, until: $start > '1 mL', body: [" + add("0.1 mL") + "]}", take("70 mL"), add("99 mL")],
        ["{parallel: P, branches: [[" + add("80 mL") + "], [" + add("80 mL") + "]]}", take("90 mL")],
        [add("10 mL"), "{parallel: P, branches: [[" + take("10 mL") + "], [{record@1: {text: look}, " + HELD + "}]]}"],
    ],
)  # fmt: skip
def test_what_can_go_well_is_not_a_finding(phases: list[str]) -> None:
    assert volumes(*phases) == []


@pytest.mark.parametrize(
    ("phases", "found"),
    [
        ([add("0.11 L")], "inoculate' fills 'reactor' to 110 mL, but it holds 100 mL; add less, or take some out before."),
        ([take("1 mL")], "draw' takes 1 mL out of 'reactor', which holds 0 mL then; take less, or add some before."),
        ([add("60 mL"), take("$start")], "draw' takes 70 mL out of 'reactor' when 'start' is 70 mL, which its proven range allows, which holds 60 mL then; take less, or add some before."),
        ([add("$half"), take("30 mL")], "draw' takes 30 mL out of 'reactor' when 'start' is 50 mL, which its proven range allows, which holds 25 mL then; take less, or add some before."),
        ([add("50 mL"), take("20 mL", "3")], "draw' takes 60 mL out of 'reactor', which holds 50 mL then; take less, or add some before."),
        ([add("50 mL"), HARVEST, take("1 mL")], "draw' takes 1 mL out of 'reactor', which holds 0 mL then; take less, or add some before."),
        ([add("5 mL"), SIZE, take("$sized.volume")], "draw' takes 10 to 30 mL out of 'reactor', which holds 0 to 5 mL then; take less, or add some before."),
        (["{choice: C, when: [{if: true, then: [" + add("50 mL") + "]}, {otherwise: [" + add("40 mL") + "]}]}", take("60 mL")], "draw' takes 60 mL out of 'reactor', which holds 40 to 50 mL then; take less, or add some before."),
        ([add("90 mL"), "{choice: C, when: [{if: true, then: [" + add("50 mL") + "]}, {otherwise: []}]}"], "C/inoculate' fills 'reactor' to 140 mL, but it holds 100 mL; add less, or take some out before."),
        (["{repeat: R, at_most: 5, until: $start > '1 mL', body: [" + add("25 mL") + "]}"], "R/inoculate' fills 'reactor' to 125 mL, but it holds 100 mL; add less, or take some out before."),
        (["{parallel: P, branches: [[" + add("80 mL") + "], [{record@1: {text: look}, " + HELD + "}]]}", add("30 mL")], "inoculate' fills 'reactor' to 110 mL, but it holds 100 mL; add less, or take some out before."),
    ],
)  # fmt: skip
def test_what_cannot_go_well_is_a_finding(phases: list[str], found: str) -> None:
    assert volumes(*phases) == [found]
