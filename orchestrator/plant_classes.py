"""What a recipe may ask of a plant: its unit classes, for the static checks."""

from batches.check import UnitClass
from devices.plant import Plant
from devices.unit import Unit


def unit_classes(plant: Plant) -> dict[str, UnitClass]:
    """By class, the tags and actions that at least one of its units offers."""
    found: dict[str, UnitClass] = {}
    for unit in plant.units:
        found[unit.unit_class] = _with(found.get(unit.unit_class), unit)
    return found


def _with(known: UnitClass | None, unit: Unit) -> UnitClass:
    tags = {name: tag.unit for name, tag in unit.tags.items()}
    actions = frozenset(unit.actions)
    if known is None or known.tags is None or known.actions is None:
        return UnitClass(tags, actions)
    return UnitClass({**known.tags, **tags}, known.actions | actions)
