"""A parameter of a model with where it comes from."""

from collections.abc import Mapping
from typing import NamedTuple


class Known(NamedTuple):
    """A number, its unit of measure and its source: a paper, 'fitted to …' or 'assumed'."""

    value: float
    unit: str
    source: str


def numbers(table: Mapping[str, Known]) -> dict[str, float]:
    """The bare numbers of a table, for the arithmetic."""
    return {name: known.value for name, known in table.items()}
