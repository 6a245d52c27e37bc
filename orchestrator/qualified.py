"""Who is qualified for a task that is open: its recipe, its phase class, the rooms it is done in."""

from batches.errors import RecordError
from batches.procedure import find, owner
from batches.recipe import UnitProcedure
from batches.record import BatchState
from batches.record_state import Task
from devices.plant import Plant

ROOM = "room"
"""Units of this class are rooms and cabinets."""


def task_of(state: BatchState, task: Task) -> str:
    """The phase class that asks, or '' for what belongs to no phase (restart, reconcile, dispose)."""
    phase = state.phases.get(task.path)
    return "" if phase is None else phase.phase


def rooms_of(plant: Plant, state: BatchState, path: str) -> list[str]:
    """The rooms that a unit procedure has, and those in which its units stand."""
    try:
        node = find(state.known_recipe().procedure, owner(path, state.elements), state.progress)
    except RecordError:  # a task of the batch as a whole is done wherever its units are
        node = None
    roles = (node.unit, *node.also) if isinstance(node, UnitProcedure) else tuple(state.units)
    held = {state.units[role] for role in roles if role in state.units}
    units = [unit for unit in plant.units if unit.id in held]
    return sorted({unit.id if unit.fits(ROOM) else unit.room for unit in units} - {""})
