"""Recipe checks: each rule fires on a recipe broken for it, where it is broken, and nothing else does."""

from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import NamedTuple

import pytest
import yaml

from batches.check import READING, RULES, Finding, check, format
from batches.errors import RecipeError
from batches.phases import PHASES as SHIPPED
from batches.recipe_reader import from_content, read
from tests.batches.declared_phases import PHASES, PLANT
from tests.conftest import ROOT

FOLDER = Path(__file__).parent / "broken_recipes"
GOOD = (FOLDER / "good.yaml").read_text(encoding="utf-8")
BROKEN = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.name != "good.yaml")
SEVERITY = {**dict.fromkeys(READING, "error"), **{rule.name: rule.severity for rule in RULES}}


class Broken(NamedTuple):
    """A recipe broken by edits to the good one. `at` stands in the line of the finding, `says` in its sentence."""

    text: str
    rule: str
    at: str
    says: str


def broken(name: str) -> Broken:
    case = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    text = GOOD
    for edit in case["edits"]:
        assert text.count(edit["replace"]) == 1, f"'{edit['replace']}' must stand once in the good recipe"
        text = text.replace(edit["replace"], edit["by"])
    return Broken(text, case["rule"], case["at"], case["says"])


def findings(text: str) -> tuple[Finding, ...]:
    try:
        return check(read(text, "small.yaml"), PHASES, PLANT)
    except RecipeError as error:
        return error.findings


def test_the_good_recipe_has_nothing_wrong() -> None:
    assert findings(GOOD) == ()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_recipe_breaks_one_rule_in_one_place(name: str) -> None:
    case = broken(name)
    found = findings(case.text)
    assert [(finding.rule, finding.severity) for finding in found] == [(case.rule, SEVERITY[case.rule])]
    assert case.at in case.text.splitlines()[found[0].line - 1]
    assert case.says in found[0].sentence
    assert found[0].file == "small.yaml"
    assert found[0].sentence.endswith(".")
    assert name.startswith(f"{case.rule}--")


def test_every_rule_has_a_broken_recipe() -> None:
    assert {broken(name).rule for name in BROKEN} == SEVERITY.keys()
    assert len(BROKEN) >= 40


def test_a_finding_is_shown_on_one_line() -> None:
    found = findings(GOOD.replace("filler: fill_unit", "filler: fill_unit\n  hood: room/grade_a"))
    assert [format(finding) for finding in found] == [
        "small.yaml:28: warning: [unused] The unit 'hood' is never used; use it or take it away."
    ]


def test_meaning_waits_until_every_name_is_known() -> None:
    text = GOOD.replace("  - clear_line@1:", "  - clear_lines@1:").replace("high: 37.5 degC", "high: 36 degC")
    assert {finding.rule for finding in findings(text)} == {"unknown-phase"}


def test_several_mistakes_are_found_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace("value: 37.0 degC", "value: 39 degC").replace(
        "{volume: 20 mL, medium", "{volume: 20 g, medium"
    )
    text = text.replace("hold: {cannot: discard}", "hold: {safe: stand_still, longest: 1 h}")
    found = findings(text)
    assert [finding.rule for finding in found] == ["proven-range", "set-point", "dimension", "hold"]
    assert [finding.line for finding in found] == sorted(finding.line for finding in found)


def test_without_a_plant_nothing_is_said_of_it() -> None:
    text = GOOD.replace("room/grade_a", "room/grade_z").replace("agitation: {low: 20", "stirring: {low: 20")
    assert check(read(text, "small.yaml"), PHASES) == ()


def test_findings_do_not_depend_on_the_order_of_names() -> None:
    recipe = read(GOOD.replace("capacity: 100 mL", "capacity: 85 mL"), "small.yaml")
    assert check(from_content(recipe.content), PHASES, PLANT) == tuple(
        replace(finding, file="", line=0) for finding in check(recipe, PHASES, PLANT)
    )


def test_the_reference_page_lists_every_rule_as_it_is() -> None:
    page = (ROOT / "docs" / "reference" / "recipe-checks.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    reading = [f"| `{name}` | error | {about} |" for name, about in READING.items()]
    assert rows == reading + [f"| `{rule.name}` | {rule.severity} | {rule.about} |" for rule in RULES]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "batches" / "recipes").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_recipes_that_come_with_kweek_are_read_and_checked_quickly(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    check(read(text, path.name), SHIPPED)  # loads pint
    started = process_time()
    found = check(read(text, path.name), SHIPPED)
    assert process_time() - started < 0.3
    assert [finding for finding in found if finding.severity == "error"] == []
