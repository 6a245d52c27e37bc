"""The master recipes that a scenario names, for its checks."""

from collections.abc import Mapping

from batches.errors import NotFound
from batches.recipe import Recipe
from simulations.factory import recipe_of
from simulations.scenario import Scenario


def recipes_of(scenario: Scenario) -> Mapping[str, Recipe]:
    """The recipes of the products, by the name or path the scenario gives; one that is not there is left
    out, and the check says so. Raises RecipeError for a recipe with mistakes."""
    found: dict[str, Recipe] = {}
    for name in dict.fromkeys(plan.recipe for plan in scenario.products.values()):
        try:
            found[name] = recipe_of(name)
        except NotFound:
            continue
    return found
