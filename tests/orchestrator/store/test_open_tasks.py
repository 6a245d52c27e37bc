"""The table of open tasks says of every record what its fold says, entry by entry."""

from collections.abc import Callable

import pytest

from batches.commands import discard_phase
from batches.entries import Draft, Entry
from batches.record import BatchState, fold
from batches.steps import First
from orchestrator.store.port import Item
from orchestrator.store.tables import open_task
from tests.batches.eventful import command, eventful, harvests, settle, small_recipe, stopped, until, waits
from tests.batches.running import Run
from tests.orchestrator.store.conftest import Open
from tests.orchestrator.store.records import AT, write
from tests.orchestrator.store.test_projections import rows


def discarded() -> Run:
    """A hold discards the phase that waits."""
    run = Run(small_recipe(), harvests).start()
    until(run, lambda: waits(run, "grown", First))
    command(run, "hold", "power cut announced")
    run.batch(discard_phase(run.state, next(iter(run.state.phases))))
    settle(run, "Culture")
    settle(run, "")
    return run


def as_draft(entry: Entry) -> Draft:
    return Draft(entry.kind, entry.content(), entry.actor, entry.version)


@pytest.mark.parametrize("made", [eventful, stopped, discarded])
def test_it_is_the_fold(opened: Open, url: str, made: Callable[[], Run]) -> None:
    store, run, state = opened(), made(), BatchState()
    for entry in run.entries:
        state.apply(entry)
        write(store, Item([(f"batch/{run.state.number}", as_draft(entry))], AT))
        if entry.kind in ("step_done", "step_latched", "phase_discarded", "state_changed", "task_answered"):
            assert [row[1] for row in rows(url, open_task)] == sorted(state.tasks)
    assert [row[1] for row in rows(url, open_task)] == sorted(fold(run.entries).tasks)
