"""How a held unit procedure goes on: by decisions alone where it is held for want of them, and otherwise
once a person has confirmed; then the units get their last set-points again."""

from typing import TYPE_CHECKING, cast

from batches import by_hand, commands
from batches.entries import Actor, Draft
from batches.errors import DeviceError
from batches.numbers import command_id
from batches.plain import PlainDict
from batches.procedure import owner
from batches.quantities import Quantity
from batches.recipe import UnitProcedure
from batches.steps import plain

if TYPE_CHECKING:
    from orchestrator.executor import BatchRunner

UNDECIDED = ("failed", "in_doubt", "reconcile")
"""Tasks that keep a unit procedure held until they are answered."""


class Restarts:
    """The restarts of one batch's unit procedures."""

    def __init__(self, runner: "BatchRunner") -> None:
        self._runner, self._engine, self._state = runner, runner.engine, runner.state

    def held(self, path: str) -> None:
        """What is held only for want of a decision goes on once all of them are made."""
        undecided = [
            t
            for t in self._state.tasks.values()
            if t.kind in UNDECIDED and owner(t.path, self._state.elements) == path
        ]
        by_people = path in self._state.held_by_people or self._state.state != "Running"
        if path in self._state.goes_on and not undecided and not by_people:
            self._runner.confirmed.add(path)
            supervisor = Actor("system", "kweek", "supervisor")
            self._runner.commit(commands.command(self._state, path, "restart", supervisor, "as decided"))

    async def restart(self, path: str, node: UnitProcedure) -> None:
        """A person confirms before set-points move, and after an absence two people reconcile before that."""
        if by_hand.reconciling(self._state, path):
            return
        if path not in self._runner.confirmed:
            if not any(task.kind == "restart" and task.path == path for task in self._state.tasks.values()):
                text = f"Confirm that {path} of batch {self._state.number} is fit to go on: equipment, cells, connections."
                self._runner.commit(
                    iter((commands.open_task(self._state, path, "restart", "operator", {"text": text}),))
                )
            return
        self._runner.confirmed.discard(path)
        await self._restore(path, node)
        self._runner.settle_element(path, "Restarting")

    async def _restore(self, path: str, node: UnitProcedure) -> None:
        """Give the unit its last set-points again (idempotent, recorded)."""
        for role in (node.unit, *node.also):
            unit = self._state.units.get(role, "")
            for tag, value in [*self._state.set_points.get(unit, {}).items()]:
                if self._state.elements[path] != "Restarting":
                    return
                command = command_id(self._state.number, f"{path}!restore/{tag}", self._state.entries, 1)
                body: PlainDict = {
                    "path": path,
                    "unit": unit,
                    "tag": tag,
                    "value": plain(value),
                    "command": command,
                }
                await self._runner.commit(iter((Draft("set_restored", body),))).wait()
                if self._state.elements[path] != "Restarting":  # a hold or abort came meanwhile
                    return
                try:
                    await self._engine.equipment.set(unit, tag, cast("Quantity", value), command)
                except DeviceError as error:
                    sentence = f"The set-point {tag} of {unit} could not be restored: {error}"
                    self._runner.commit(iter((commands.deviation(self._state, "major", sentence, path),)))
