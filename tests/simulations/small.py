"""Recipes and scenarios small enough to work out by hand, made from a few words."""

from pathlib import Path

from batches.recipe import Recipe
from batches.recipe_reader import read as read_recipe
from simulations.compiled import Compiled
from simulations.course import Rules, Task
from simulations.factory import ScenarioModel
from simulations.scenario import Scenario
from simulations.scenario_reader import read as read_scenario

HEAD = """
recipe: tiny
language: 1
version: 1
title: A tiny process for tests
product: {name: tiny, kind: allogeneic}
formula:
  pause: {value: 2 h, source: test}
materials:
  medium: {class: raw, unit: mL, source: test}
units: {vessel: bioreactor, bench: room/grade_a}
samples:
  count: {turnaround: 3 h, source: test, tests: {cells: {unit: cell/mL, plausible: [1e3 cell/mL, 1e9 cell/mL], method: count}}}
specification: {}
procedure:
"""

WORK = """
      - {step: Ask, takes: {value: 10 min, source: test}}
      - {step: Decide, takes: {value: 10 min, source: test}}
      - {step: Scan, takes: {value: 1 min, source: test}}
      - {step: Sign, takes: {value: 5 min, source: test}}
      - {step: Consume, takes: {value: 5 min, source: test}}
      - {step: Produce, takes: {value: 0 min, source: test}, people: 0}
      - {step: Label, takes: {value: 20 min, source: test}}
      - {step: Sample, takes: {value: 15 min, source: test}}
      - {step: Program, takes: {value: 1 h, source: test}, people: 0}
      - {step: Do, takes: {value: 30 min, source: test}, people: 0}
      - {step: Transfer, takes: {value: 30 min, source: test}}
"""


def recipe(procedure: str, head: str = HEAD) -> Recipe:
    """A recipe with this procedure (YAML, from its first list item)."""
    return read_recipe(head + procedure, "tiny.yaml")


def scenario(
    *, recipe: str = "tiny", vessels: int = 1, benches: int = 1, operators: int = 1, demand: str = "per_week: {value: 1, source: test}",
    outcomes: str = "[]", more: str = "", site: str = "", vessel: str = "", length: str = "28 day", shift: str = 'from: "00:00", to: "24:00"',
    work: str = WORK,
) -> Scenario:  # fmt: skip
    """One site that makes the tiny product. `more`: keys of the product; `site`: keys of the site;
    `vessel`: keys of the vessels."""
    text = f"""
scenario: tiny
title: A tiny plant for tests
horizon: {{start: 2027-01-04, zone: UTC, warm_up: 0 day, length: {length}}}
calendars:
  hours: {{shifts: [{{days: mon-sun, {shift}}}]}}
clinics: []
sites:
  plant:
    city: Somewhere
    units:
      vessel: {{class: bioreactor, count: {{value: {vessels}, source: test}}{vessel}}}
      bench: {{class: room/grade_a, count: {{value: {benches}, source: test}}}}
    people:
      operators: {{role: operator, count: {{value: {operators}, source: test}}, calendar: hours}}
      quality: {{role: qa, count: {{value: 1, source: test}}, calendar: hours}}
{site}
products:
  tiny:
    recipe: {recipe}
    made_at: [plant]
    allocation: nearest
    work:{work}
    outcomes: {outcomes}
{more}
demand:
  tiny: {{{demand}}}
lanes: []
"""
    return read_scenario(text, "tiny-scenario.yaml")


def model(recipe: Recipe, plant: Scenario) -> ScenarioModel:
    """The model of a scenario that has the one recipe."""
    return ScenarioModel(plant, {each.recipe: recipe for each in plant.products.values()})


def compiled(recipe: Recipe, plant: Scenario) -> Compiled[Task]:
    """The recipe with the rules of the only product."""
    (plan,) = plant.products.values()
    return Compiled(recipe, Rules(plan, recipe))


def shipped(name: str) -> Recipe:
    """A recipe that ships, or one of the tests."""
    root = Path(__file__).resolve().parents[2]
    folders = (root / "batches" / "recipes", root / "tests" / "batches" / "recipes")
    path = next(folder / f"{name}.yaml" for folder in folders if (folder / f"{name}.yaml").is_file())
    return read_recipe(path.read_text(encoding="utf-8"), path.name)


def plan_for(found: Recipe, outcomes: str = "[]") -> Scenario:
    """A plant with two units of every class a recipe asks for, and people of every role: a product whose
    steps all have their time."""
    units = "\n".join(
        f"      {role}: {{class: {unit_class}, count: {{value: 2, source: test}}, positions: {{value: 9, source: test}}}}"
        for role, unit_class in found.units.items()
    )
    people = "\n".join(
        f"      {role}s: {{role: {role}, count: {{value: 9, source: test}}, calendar: hours}}"
        for role in ("operator", "supervisor", "qa", "qp", "qc", "engineer", "logistics")
    )
    text = f"""
scenario: tiny
title: A plant that has everything
horizon: {{start: 2027-01-04, zone: UTC, warm_up: 0 day, length: 300 day}}
calendars:
  hours: {{shifts: [{{days: mon-sun, from: "00:00", to: "24:00"}}]}}
clinics: []
sites:
  plant:
    city: Somewhere
    units:
{units}
    people:
{people}
products:
  made:
    recipe: {found.name}
    made_at: [plant]
    allocation: nearest
    work:{WORK}
    outcomes: {outcomes}
demand:
  made: {{per_week: {{value: 1, source: test}}}}
lanes: []
"""
    return read_scenario(text, "everything.yaml")
