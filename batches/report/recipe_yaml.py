"""recipe.yaml: the recipe that the batch was made from, as it was recorded, to be read as a file.

Comments and layout of the file that was approved are not part of the record; the content is, and it
reads back to the same digest.
"""

from typing import Any

import yaml

from batches.plain import Plain
from batches.recipe import Recipe

ORDER = (
    "recipe", "language", "version", "title", "product", "notes", "formula", "materials", "units", "samples",
    "specification", "procedure",
    "unit_procedure", "operation", "parallel", "choice", "repeat", "calculate", "name", "from", "to", "class", "kind", "value",
    "unit", "also", "low", "high", "at_least", "at_most", "equals", "critical", "limits", "if", "until", "as", "hold",
    "then_within", "operations", "phases", "branches", "when", "then", "otherwise", "body", "method", "sample",
    "tests", "turnaround", "volume", "blocking", "source", "assumed",
)  # fmt: skip
"""The order in which keys are written; a phase comes first, keys not listed come last, by name."""
_RANK = {name: place for place, name in enumerate(ORDER)}


class _Dumper(yaml.SafeDumper):
    """Writes no anchors: a recipe may not hold any."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def recipe_yaml(recipe: Recipe, batch: str) -> bytes:
    """The recorded content of a recipe as YAML."""
    head = f"# Recipe {recipe.name} version {recipe.version}, as recorded in batch {batch}.\n# SHA-256 {recipe.digest}\n"
    text: Any = yaml.dump(
        _ordered(recipe.content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110,
        default_flow_style=None,
    )  # fmt: skip
    return (head + text).encode("utf-8")


def _ordered(value: Plain) -> Plain:
    match value:
        case dict():
            return {name: _ordered(value[name]) for name in sorted(value, key=_place)}
        case list() | tuple():
            return [_ordered(part) for part in value]
        case _:
            return value


def _place(name: str) -> tuple[int, str]:
    return (-1 if "@" in name else _RANK.get(name, len(ORDER)), name)
