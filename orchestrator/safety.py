"""Bringing units into their safe state: at a hold, and before anything counts as stopped or aborted.

At a stop or an abort what a unit is doing is stopped first; what the unit then says of it is the outcome
of its step. Where a unit procedure is being ended, a unit that does not confirm its safe state is tried
again for a while; then a person is asked to bring it there by hand, and nothing has ended before.
"""

from typing import TYPE_CHECKING

from batches import commands
from batches.commands import Decision
from batches.entries import Draft
from batches.errors import DeviceError
from batches.numbers import command_id
from batches.plain import PlainDict
from batches.recipe import UnitProcedure
from batches.record_state import Task
from devices.base import DeviceRefused

if TYPE_CHECKING:
    from orchestrator.executor import BatchRunner

TASK = "make_safe"
ENDING = ("Stopping", "Aborting")


class Safety:
    """The safe states of one batch's units."""

    def __init__(self, runner: "BatchRunner") -> None:
        self._runner, self._engine, self._state = runner, runner.engine, runner.state
        self._safe: set[tuple[str, str]] = set()
        """Unit procedures being ended, and which of their units are safe."""

    async def hold(self, path: str, node: UnitProcedure, safe: str) -> None:
        """Ask each unit for the safe state; one that does not confirm is a critical deviation."""
        for unit in self._units(node):
            await self._make_safe(path, unit, safe)

    async def end(self, path: str, node: UnitProcedure) -> bool:
        """Whether every unit is safe: it confirmed, or a person who brought it there did."""
        at, safe, units = self._state.elements[path], self.declared(path), self._units(node)
        for unit in units:
            if (path, unit) in self._safe or self._asked(path, unit):
                continue
            if await self._make_safe(path, unit, safe):
                self._safe.add((path, unit))
            elif self._state.elements[path] == at:
                self._runner.commit(iter((self._task(path, unit, safe),)))
        return all((path, unit) in self._safe for unit in units)

    def begin(self, path: str) -> None:
        """A unit procedure begins: nothing that was said of its units before counts."""
        self._safe = {one for one in self._safe if one[0] != path}

    def by_hand(self, task: Task) -> None:
        """A person has brought a unit into its safe state."""
        self._safe.add((task.path, str(task.content["unit"])))

    def declared(self, path: str) -> str:
        """The safe state that the phases of a unit procedure declare."""
        return next((hold.safe for hold in self._runner.holds(path) if hold.safe), "keep_environment")

    def _units(self, node: UnitProcedure) -> list[str]:
        found = (self._state.units.get(role, "") for role in (node.unit, *node.also))
        return [unit for unit in found if unit and not self._engine.equipment.manual(unit)]

    def _asked(self, path: str, unit: str) -> bool:
        return any(
            task.kind == TASK and task.path == path and task.content["unit"] == unit
            for task in self._state.tasks.values()
        )

    def _task(self, path: str, unit: str, safe: str) -> Draft:
        text = (
            f"{unit} did not confirm that it stopped and is in its safe state '{safe}'. Stop it and bring it into "
            "its safe state by hand, then confirm."
        )
        return commands.open_task(
            self._state, path, TASK, "operator", {"text": text, "unit": unit, "safe": safe}
        )

    async def _make_safe(self, path: str, unit: str, safe: str) -> bool:
        """Ask a unit; whether it confirmed. At a hold once, so that people learn of it at once; where a unit
        procedure is ended, again for `reach_for` or until another command came."""
        at, clock, settings = self._state.elements[path], self._engine.clock, self._engine.settings
        command = command_id(self._state.number, f"{path}!safe", self._state.entries, 1)
        body: PlainDict = {"path": path, "unit": unit, "safe": safe, "command": command}
        await self._runner.commit(iter((Draft("safe_asked", body),))).wait()
        until, pause = clock.now() + settings.reach_for, settings.retry_first
        while (problem := await self._problem(path, unit, safe, command)) is not None:
            final = isinstance(problem, DeviceRefused) or at not in ENDING
            if final or self._state.elements[path] != at or clock.now() >= until:
                sentence = f"{unit} did not confirm the safe state '{safe}': {problem} Look at it at once."
                self._runner.commit(self._unsafe(path, body, sentence))
                return False
            await clock.sleep_until(clock.now() + pause)
            pause = min(pause * 2, settings.reach_for)
        self._runner.commit(iter((Draft("safe_reached", body),)))
        return True

    async def _problem(self, path: str, unit: str, safe: str, command: str) -> DeviceError | None:
        """Stop what a unit is doing, if its unit procedure is being ended, and make it safe in any case."""
        try:
            try:
                if self._state.elements[path] in ENDING and self._runner.at_work(path, unit):
                    await self._engine.equipment.stop(unit, command)
            finally:
                await self._engine.equipment.safe(unit, safe, command)
        except DeviceError as error:
            return error
        return None

    def _unsafe(self, path: str, body: PlainDict, sentence: str) -> Decision:
        yield Draft("safe_failed", {**body, "sentence": sentence})
        yield commands.deviation(self._state, "critical", sentence, path)
