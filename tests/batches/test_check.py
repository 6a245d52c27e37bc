"""Recipe checks: each rule fires on a recipe broken for it, where it is broken, and nothing else does."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from batches.check import READING, RULES, Finding, check
from batches.errors import RecipeError
from batches.recipe_reader import read
from tests.batches.declared_phases import PHASES, PLANT

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
