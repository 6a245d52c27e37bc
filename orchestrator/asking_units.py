"""What a unit procedure that may begin asks of the arbiter."""

from typing import TYPE_CHECKING

from batches import commands
from batches.allocation import Grant, Request
from batches.procedure import StartUnitProcedure

if TYPE_CHECKING:
    from orchestrator.executor import BatchRunner


def ask_for_units(runner: "BatchRunner", action: StartUnitProcedure) -> None:
    """Ask the arbiter for what a unit procedure needs and the batch has not; it is asked for once."""
    if (runner.state.number, action.path) in runner.engine.requests:
        return
    needs = commands.roles_needed(runner.state, action.path)
    if not needs:  # it goes on with the units the batch holds
        runner.granted(Grant(runner.state.number, {}, action.path))
        return
    since = runner.state.created_at or runner.engine.clock.now()
    later = {
        r: c
        for r, c in commands.roles_later(runner.state, action.path).items()
        if r not in runner.state.units
    }
    runner.engine.request(
        Request(
            runner.state.number,
            runner.state.priority,
            since,
            needs,
            dict(runner.state.units),
            later,
            path=action.path,
        )
    )
