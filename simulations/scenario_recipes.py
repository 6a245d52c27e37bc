"""The master recipes that a scenario names: those that ship, or files beside the scenario."""

from collections.abc import Mapping
from pathlib import Path

import batches
from batches.recipe import Recipe
from batches.recipe_reader import read
from simulations.scenario import Scenario

SHIPPED = Path(batches.__file__).parent / "recipes"


def recipes_of(scenario: Scenario, folder: Path | None = None) -> Mapping[str, Recipe]:
    """The recipes of the products, by the name or path the scenario gives; one that is not there is left
    out, and the check says so. `folder`: where paths begin. Raises RecipeError for a recipe with mistakes."""
    found: dict[str, Recipe] = {}
    for name in dict.fromkeys(plan.recipe for plan in scenario.products.values()):
        path = _path(name, folder or Path())
        if path.is_file():
            found[name] = read(path.read_text(encoding="utf-8"), path.name)
    return found


def _path(name: str, folder: Path) -> Path:
    return folder / name if name.endswith(".yaml") else SHIPPED / f"{name}.yaml"
