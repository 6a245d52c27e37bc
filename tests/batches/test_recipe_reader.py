"""Reading recipes: the model, the digest, the names, and the mistakes with their lines."""

import hashlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import written
from batches.check import check
from batches.errors import BadInput, RecipeError
from batches.findings import Finding, format
from batches.phases import PHASES
from batches.plain import canonical, from_json
from batches.quantities import parse as q
from batches.recipe import (
    Calculate,
    Choice,
    Criterion,
    Hold,
    Limit,
    Material,
    Operation,
    Parallel,
    Parameter,
    PhaseCall,
    Place,
    Product,
    Recipe,
    Repeat,
    SamplePlan,
    TimeLimit,
    UnitProcedure,
    nodes,
)
from batches.recipe import Test as PlannedTest  # pytest collects what is called Test
from batches.recipe_reader import from_content, phase_call, read
from tests.conftest import ROOT

GOOD = (Path(__file__).parent / "broken_recipes" / "good.yaml").read_text(encoding="utf-8")
DESIGN = """\
recipe: kidney-organoid
language: 1                                # version of the procedure and expression language
version: 1
title: Kidney organoid micro-tissues, vertical-wheel reactor and micro-wells
product: {name: …, kind: autologous, store: {at_most: -150 degC}, expires: {after: fill, within: 365 day}}
formula:                                   # process parameters: value, proven range, criticality, source
  culture_temperature: {value: 37 degC, low: 36.5 degC, high: 37.5 degC, critical: true}
materials:
  ipsc_bank: {class: starting, identity: patient, status: released}
units: {reactor: bioreactor/vertical_wheel, handler: liquid_handler, cabinet: room/grade_a}
procedure:
  - unit_procedure: Expansion
    unit: reactor
    operations:
      - operation: Grow
        phases:
          - expand@1: {temperature: $culture_temperature, feed_at: 1.5 g/L, look_every: 24 h, at_most: 5 day}
            hold: {safe: keep_environment, longest: 12 h}
            then_within: {at_most: 90 min}   # to the start of the next phase
specification: {viability: {at_least: 80 %, method: …, blocking: true}, sterility: {blocking: false}}
"""


def findings(text: str) -> tuple[Finding, ...]:
    with pytest.raises(RecipeError) as refused:
        read(text, "r.yaml")
    return refused.value.findings


def test_the_example_of_the_design_reads_as_it_is_written() -> None:
    recipe = read(DESIGN, "organoid.yaml")
    assert recipe == Recipe(
        name="kidney-organoid",
        version=1,
        language=1,
        title="Kidney organoid micro-tissues, vertical-wheel reactor and micro-wells",
        product=Product("…", "autologous", None, q("-150 degC"), "fill", q("365 day")),
        formula={
            "culture_temperature": Parameter(
                "culture_temperature", q("37 degC"), q("36.5 degC"), q("37.5 degC"), True
            )
        },
        materials={"ipsc_bank": Material("ipsc_bank", "starting", "", "patient")},
        units={
            "reactor": "bioreactor/vertical_wheel",
            "handler": "liquid_handler",
            "cabinet": "room/grade_a",
        },
        samples={},
        specification={
            "viability": Criterion("viability", "", "viability", q("80 %"), method="…"),
            "sterility": Criterion("sterility", "", "sterility", blocking=False),
        },
        procedure=(
            UnitProcedure(
                "Expansion",
                "reactor",
                (
                    Operation(
                        "Grow",
                        (
                            PhaseCall(
                                "expand",
                                "expand",
                                1,
                                {
                                    "temperature": "$culture_temperature",
                                    "feed_at": q("1.5 g/L"),
                                    "look_every": q("24 h"),
                                    "at_most": q("5 day"),
                                },
                                hold=Hold("keep_environment", q("12 h")),
                                then_within=(TimeLimit(q("90 min")),),
                            ),
                        ),
                    ),
                ),
            ),
        ),
        content=recipe.content,
        digest="31a44aec5880704c27cfe5851ae52d452d7759cb2803e2815f21ddb4c3285814",
    )
    assert recipe.formula["culture_temperature"].place == Place("organoid.yaml", 7)
    assert recipe.lines["units/handler"] == 10


def test_every_element_of_the_language_becomes_its_model() -> None:
    recipe = read(GOOD, "good.yaml")
    assert recipe.capacities == {"reactor": q("100 mL")}
    assert recipe.formula["bags"] == Parameter("bags", 4, assumed=True)
    assert recipe.materials["bank"].use_within == q("1 h")
    assert recipe.samples["count"] == SamplePlan(
        "count",
        {
            "viable_cells": PlannedTest(
                "viable_cells",
                "quantity",
                "cell/mL",
                q("0 cell/mL"),
                q("1e8 cell/mL"),
                method="counter",
                critical=True,
            ),
            "grade": PlannedTest(
                "grade", "choice", options=("good", "poor"), method="microscope", critical=True
            ),
            "remark": PlannedTest("remark", "text"),
        },
        q("1 h"),
        q("1 mL"),
    )
    assert recipe.specification["intact"] == Criterion(
        "intact", "release", "intact", equals="true", source="a paper"
    )
    culture = recipe.procedure[1]
    assert isinstance(culture, UnitProcedure)
    assert culture.limits[1] == Limit(
        "temperature", q("36 degC"), q("38 degC"), q("5 min"), critical=True, source="a paper"
    )
    kinds = [type(node).__name__ for node in nodes(culture.body)]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "Operation": 2, "PhaseCall": 10, "Repeat": 1, "Parallel": 1, "Calculate": 1, "Choice": 1,
    }  # fmt: skip
    found = {type(node): node for node in nodes(culture.body)}
    choice, repeat, parallel, calculate = (found[kind] for kind in (Choice, Repeat, Parallel, Calculate))
    assert isinstance(choice, Choice)
    assert [condition for condition, _ in choice.options] == [
        "$counted.grade == 'poor' or $all_cells < 0.5 * $target",
        "",
    ]
    assert choice.options[1][1] == ()
    assert isinstance(repeat, Repeat)
    assert (repeat.at_most, repeat.until) == (3, "$counted.viable_cells * $start_volume >= $target")
    assert isinstance(parallel, Parallel)
    assert [[node.name for node in branch] for branch in parallel.branches] == [["counted"], ["looked"]]
    assert calculate == Calculate("all_cells", "$counted.viable_cells * $start_volume", "cell")


def test_every_phase_knows_its_line_and_those_of_its_parameters() -> None:
    lines = GOOD.splitlines()
    for node in nodes(read(GOOD, "good.yaml").procedure):
        if isinstance(node, PhaseCall):
            assert f"{node.phase}@{node.version}" in lines[node.place.line - 1]
            assert all(name in lines[line - 1] for name, line in node.lines.items())


def test_the_digest_is_that_of_the_content() -> None:
    recipe = read(GOOD, "good.yaml")
    assert recipe.digest == hashlib.sha256(canonical(recipe.content)).hexdigest()


def test_comments_layout_quotes_and_the_order_of_keys_do_not_count() -> None:
    quoted = DESIGN.replace("80 %", "'80 %'").replace("version: 1\n", "", 1)
    turned = "# a comment\n" + yaml.safe_dump(yaml.safe_load(quoted), sort_keys=True) + "version: 1\n"
    assert turned != DESIGN
    assert read(turned, "other.yaml").digest == read(DESIGN, "organoid.yaml").digest


@pytest.mark.parametrize(
    ("old", "new"),
    [("37 degC", "37.0 degC"), ("version: 1\n", "version: 2\n"), ("feed_at", "feed_on"), ("12 h", "12  h")],
)
def test_whatever_is_written_counts(old: str, new: str) -> None:
    assert read(DESIGN.replace(old, new, 1), "r").digest != read(DESIGN, "r").digest


def orders(recipe: Recipe) -> list[list[str]]:
    """The order of everything that has names: it must survive the record."""
    calls = [node for node in nodes(recipe.procedure) if isinstance(node, PhaseCall)]
    tests = [plan.tests for plan in recipe.samples.values()]
    named = (
        recipe.formula,
        recipe.materials,
        recipe.units,
        recipe.samples,
        recipe.specification,
        recipe.notes,
    )
    return [list(names) for names in (*named, *tests, *(call.parameters for call in calls))]


@pytest.mark.parametrize("text", [DESIGN, GOOD])
def test_the_recorded_content_gives_the_same_recipe(text: str) -> None:
    recipe = read(text, "r.yaml")
    recorded = from_json(canonical(recipe.content))
    assert isinstance(recorded, dict)
    again = from_content(recorded)
    assert (again, again.digest) == (recipe, recipe.digest)
    assert orders(again) == orders(recipe)
    assert {node.place.line for node in nodes(again.procedure)} == {0}


def operation(*phases: str) -> str:
    items = "".join(f"          - {phase}\n" for phase in phases)
    return DESIGN[: DESIGN.index("          - expand@1")] + items


def names_of(text: str) -> list[str]:
    return [
        node.name
        for node in nodes(read(text, "r").procedure)
        if not isinstance(node, (UnitProcedure, Operation))
    ]


@pytest.mark.parametrize(
    ("phases", "names"),
    [
        (["wash@1: {}", "wash@1: {}", "wash@2:"], ["wash", "wash#2", "wash#3"]),
        (["wash@1: {}", "{wash@1: {}, as: first}"], ["wash", "first"]),
        (["wash@1: {}", "{rinse@1: {}, as: wash}", "wash@1: {}"], ["wash#2", "wash", "wash#3"]),
        (["{parallel: P, branches: [[{wash@1: }], [{wash@1: }]]}"], ["P", "wash", "wash#2"]),
        (
            [
                "{choice: C, when: [{if: true, then: [{wash@1: }]}, {otherwise: [{wash@1: }, {rinse@1: , as: wash}]}]}"
            ],
            ["C", "wash#2", "wash#3", "wash"],
        ),
    ],
)
def test_siblings_have_different_names(phases: list[str], names: list[str]) -> None:
    assert names_of(operation(*phases)) == names


@pytest.mark.parametrize(
    ("written_as", "value"),
    [
        ("37.0 degC", q("37.0 degC")),
        ("'37 degC'", q("37 degC")),
        ("1e8 cell", q("1e8 cell")),
        ("37.0", q("37.0")),
        ("5", 5),
        ("-5", -5),
        ("'5'", q("5")),
        ("007", q("7")),
        ("true", True),
        ("'true'", "true"),
        ("yes", "yes"),
        ("2026-11-23", "2026-11-23"),
        ("1:30", "1:30"),
        ("2.6.27", "2.6.27"),
        ("0x10", "0x10"),
        ("$a + 1", "$a + 1"),
        ("37 degrees celsius", "37 degrees celsius"),
        ("{value: 5 mL, source: a paper, assumed: true}", q("5 mL")),
    ],
)
def test_a_scalar_is_what_it_reads_as(written_as: str, value: object) -> None:
    (phase,) = [
        node
        for node in nodes(read(operation(f"wash@1: {{a: {written_as}}}"), "r").procedure)
        if isinstance(node, PhaseCall)
    ]
    assert (type(phase.parameters["a"]), phase.parameters["a"]) == (type(value), value)


def test_text_is_put_into_one_unicode_form() -> None:
    assert read(DESIGN.replace("name: …", "name: e\u0301"), "r").product.name == "\u00e9"


def test_all_mistakes_are_said_at_once_and_by_line() -> None:
    text = (
        GOOD.replace("language: 1", "language: one")
        .replace("class: raw", "class: row")
        .replace("at_most: 3", "at_most: 0")
    )
    found = findings(text)
    assert [(finding.line, finding.rule) for finding in found] == [
        (2, "schema"),
        (19, "schema"),
        (82, "schema"),
    ]
    with pytest.raises(RecipeError, match=r"^r\.yaml:2: \[schema\] .*\. \(2 more\)$"):
        read(text, "r.yaml")
    assert (
        format(found[0])
        == "r.yaml:2: [schema] 'language' of the recipe is 'one'; write a whole number from 1 to 9999."
    )
    assert format(Finding("a", 1, "unused", "No.", "warning")) == "a:1: warning: [unused] No."


@pytest.mark.parametrize(
    ("text", "rule", "says"),
    [
        ("", "schema", "The recipe is nothing"),
        ("- a", "schema", "The recipe is a list"),
        ("just text", "schema", "The recipe is 'just text'"),
        ("a: [1", "yaml", "This is not YAML"),
        ("\x00", "yaml", "without control characters"),
        ("a: \ud800", "yaml", "save the file as UTF-8"),
        ("[" * 100, "yaml", "nested deeper than 40"),
        ("a: " * 1, "schema", "has no 'recipe'"),
        ("x" * 1_000_001, "yaml", "longer than 1,000,000"),
        ("? [a]\n: 1", "yaml", "A name must be a text"),
        ("é: 1", "yaml", "is not plain ASCII"),
        ("a: &x [*x]", "yaml", "anchor"),
        ("a: !!python/object/apply:os.system [ls]", "yaml", "tag"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_is_refused_in_a_sentence(text: str, rule: str, says: str) -> None:
    found = findings(text)
    assert (rule, True) in [(finding.rule, says in finding.sentence) for finding in found]


def test_a_file_that_is_something_else_does_not_drown_anybody() -> None:
    assert len(findings("\n".join(f"k{number}: 1" for number in range(5000)))) == written.MOST


def test_one_phase_reads_alone() -> None:
    content = {"expand@2": {"at_most": "5 day"}, "as": "again", "hold": {"cannot": "discard"}}
    assert phase_call(content) == PhaseCall(
        "again", "expand", 2, {"at_most": q("5 day")}, "again", Hold(otherwise="discard")
    )
    with pytest.raises(RecipeError, match="is not a phase and its version"):
        phase_call({"expand@": {}})


def test_the_slower_parser_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = [read(text, "r") for text in (GOOD, DESIGN)]
    monkeypatch.setattr(written, "_Loader", yaml.SafeLoader)
    assert [read(text, "r") for text in (GOOD, DESIGN)] == quick


LINES = GOOD.splitlines(keepends=True)
pieces = st.sampled_from(
    ["", "- ", "x: 1\n", "{", "}", "[", "$a", "'", '"', ": ", "#", "\n", "37 degC", "true", "&a ", "*a", "%"]
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 30), pieces), min_size=1, max_size=3))
def test_a_damaged_recipe_is_read_or_refused_with_findings(damage: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for at, length, piece in damage:
        text = text[:at] + piece + text[at + length :]
    try:
        recipe = read(text, "r.yaml")
    except RecipeError as refused:
        found = refused.findings
    else:
        assert from_content(recipe.content) == recipe
        return
    assert found
    assert all(finding.sentence.endswith(".") and finding.line <= text.count("\n") + 1 for finding in found)


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(BadInput):
        read(text, "r.yaml")


def test_the_example_of_the_reference_page_is_a_recipe_with_nothing_wrong() -> None:
    page = (ROOT / "docs" / "reference" / "recipe-language.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    assert check(read(example, "example.yaml"), PHASES) == ()
