"""Scenario checks: each rule fires on a scenario broken for it, where it is broken, and nothing else does."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from batches.check import check as check_recipe
from batches.errors import NotFound
from batches.findings import Finding, format
from batches.phases import PHASES
from batches.plain import PlainDict
from batches.recipe_reader import read as read_recipe
from simulations import scenario_capacity
from simulations.factory import PLANNED
from simulations.scenario import ScenarioError
from simulations.scenario_check import READING, RULES, check, refuse
from simulations.scenario_reader import SCENARIOS, from_content, load, read
from simulations.scenario_recipes import recipes_of

FOLDER = Path(__file__).parent / "broken_scenarios"
GOOD = (FOLDER / "good.yaml").read_text(encoding="utf-8")
BROKEN = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.name != "good.yaml")
RECIPES = recipes_of(read(GOOD, "small.yaml"))


class Broken(NamedTuple):
    """A scenario broken by edits to the good one. `at` stands in the line of the finding, `says` in its sentence."""

    text: str
    rule: str
    at: str
    says: str


def broken(name: str) -> Broken:
    case = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    text = GOOD
    for edit in case["edits"]:
        assert text.count(edit["replace"]) == 1, f"'{edit['replace']}' must stand once in the good scenario"
        text = text.replace(edit["replace"], edit["by"])
    return Broken(text, case["rule"], case["at"], case["says"])


def findings(text: str) -> tuple[Finding, ...]:
    try:
        return check(read(text, "small.yaml"), RECIPES)
    except ScenarioError as error:
        return error.findings


def test_the_good_scenario_has_nothing_wrong() -> None:
    assert findings(GOOD) == ()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_scenario_breaks_one_rule_in_one_place(name: str) -> None:
    case = broken(name)
    found = findings(case.text)
    assert [(finding.rule, finding.severity) for finding in found] == [(case.rule, "error")]
    assert case.at in case.text.splitlines()[found[0].line - 1]
    assert case.says in found[0].sentence
    assert found[0].file == "small.yaml"
    assert found[0].sentence.endswith(".")
    assert name.startswith(f"{case.rule}--")


def test_every_rule_has_a_broken_scenario() -> None:
    assert {broken(name).rule for name in BROKEN} == {*READING, *(rule.name for rule in RULES), "capacity"}
    assert len(BROKEN) >= 25


@pytest.mark.parametrize("name", sorted(path.stem for path in SCENARIOS.glob("*.yaml")))
def test_the_scenarios_that_ship_are_sound_and_say_where_each_figure_is_from(name: str) -> None:
    found = load(name)
    assert found.name == name
    recipes = recipes_of(found)
    assert check(found, recipes) == ()
    refuse(found, recipes)
    assert all(figure.source or (figure.assumed and figure.low) for figure in found.figures)
    assert any(not figure.assumed for figure in found.figures)


@pytest.mark.parametrize("path", sorted(PLANNED.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_for_planning_pass_the_checks_of_recipes(path: Path) -> None:
    found = read_recipe(path.read_text(encoding="utf-8"), path.name)
    assert found.name == path.stem
    assert [format(each) for each in check_recipe(found, PHASES)] == []


def test_overload_is_a_warning_where_all_patients_leave_in_the_end() -> None:
    leaving = "regular: {patience: {value: 100 day, source: plan}, share:"
    text = broken("capacity--units").text.replace("regular: {share:", leaving)
    found = findings(text)
    assert [(finding.rule, finding.severity) for finding in found] == [("capacity", "warning")]
    refuse(read(text, "small.yaml"), RECIPES)
    with pytest.raises(ScenarioError, match="the queue would grow for ever") as refused:
        refuse(read(broken("capacity--units").text, "small.yaml"), RECIPES)
    assert [finding.rule for finding in refused.value.findings] == ["capacity"]


def test_the_bound_counts_what_a_batch_is_sure_to_take() -> None:
    scenario = read(GOOD.replace("    batch_time: {value: 13 day, source: recipe}\n", ""), "small.yaml")
    plan, recipe = scenario.products["cart"], RECIPES["cart-autologous"]
    held = scenario_capacity.occupied(plan, recipe, "closed_cell_processor")
    assert held == (22 + 44 + 42 + 116 + 45) * 3600  # the cultures of the recipe; nothing else is declared
    assert scenario_capacity.occupied(plan, recipe, "room/grade_a") == held  # from receipt to freezing
    assert scenario_capacity.occupied(plan, recipe, "fill_unit") == 0
    a_week = scenario_capacity.starts(scenario, "cart") * scenario_capacity.WEEK
    assert a_week == pytest.approx(0.97)  # 3 % are cancelled


def test_content_that_was_changed_is_read_again() -> None:
    found = read(GOOD, "small.yaml")
    again = from_content(found.content)
    assert (again, again.digest) == (found, found.digest)
    content = dict(found.content)
    content["title"] = "Another plant"
    assert from_content(content).digest != found.digest
    wrong: PlainDict = {**content, "horizon": {"length": "-1 day"}}
    with pytest.raises(ScenarioError, match="horizon"):
        from_content(wrong)


def test_a_scenario_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="those that ship: .*cart-hospital"):
        load("cart-hospitl")
    with pytest.raises(NotFound, match="There is no scenario"):
        load(str(tmp_path / "none.yaml"))
    mine = tmp_path / "mine.yaml"
    mine.write_text(GOOD, encoding="utf-8")
    assert load(str(mine)).name == "small"


def test_figures_keep_how_they_were_written() -> None:
    found = {figure.path: figure for figure in read(GOOD, "small.yaml").figures}
    change = found["sites/plant/units/cabinet/changeover/batch/takes"]
    assert (change.written, change.source, change.assumed) == ("triangular 1 h, 2 h, 4 h", "", True)
    assert (change.low, change.high) == ("1 h", "4 h")
    assert GOOD.splitlines()[change.place.line - 1].lstrip().startswith("batch:")
    assert found["sites/plant/units/processor/count"].source == "layout"
