"""Whether this software can go on with every open batch: asked before an upgrade (`kweek upgrade check`)
and before anything is taken up by a server. It changes nothing: it is the upgrade that is refused."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, cast

from batches.entries import Entry
from batches.errors import KweekError, RecordError, Refused
from batches.expressions import LANGUAGE
from batches.interpret import replay, same_step
from batches.phases import begin, lookup
from batches.phases.base import Phase
from batches.procedure import walk_nodes
from batches.recipe import PhaseCall
from batches.record import BatchState, fold
from batches.record_state import OpenPhase
from batches.steps import Value, decode
from orchestrator.settings import from_environment
from orchestrator.store.database import database_at
from orchestrator.store.port import Store
from orchestrator.store.reader import Reader

Phases = Callable[[str, int], Phase]


class Record(Protocol):
    """Where entries are read: a store, or a reader beside one."""

    def streams(self, prefix: str) -> Sequence[str]: ...
    def read(self, stream: str, after: int = 0, limit: int | None = None) -> Iterable[Entry]: ...


def check_upgrade() -> list[str]:
    """One sentence for each open batch that this software would not carry on as it was begun."""
    reader = Reader(database_at(from_environment().database_url, lease_seconds=30.0).reader)
    try:
        return problems(reader)
    finally:
        reader.close()


def refuse_to_start(store: Store) -> None:
    """Raises Refused, with a sentence for each open batch that this software cannot go on with. Blocking."""
    if found := problems(store, streams=[f"batch/{number}" for number in store.unsettled()]):
        raise Refused("\n".join((*found, "Start the software that these batches were begun with.")))


def problems(record: Record, phases: Phases = lookup, streams: Sequence[str] | None = None) -> list[str]:
    """A sentence for each open batch that would not go on as it was begun. Blocking. `streams`: the batches
    that may be open, where that is known."""
    looked_at = record.streams("batch/") if streams is None else streams
    return [text for stream in looked_at for text in _problems(stream, record, phases)]


def _problems(stream: str, record: Record, phases: Phases) -> Iterator[str]:
    try:
        state = fold(record.read(stream))
        if not state.ended:
            _check_recipe(state, phases)
            for phase in state.phases.values():
                _check(phase, phases)
    except KweekError as error:
        yield f"{stream.removeprefix('batch/')}: {error}"


def _check_recipe(state: BatchState, phases: Phases) -> None:
    """The language of its recipe and every phase that may still begin are known here."""
    recipe = state.known_recipe()
    if recipe.language != LANGUAGE:
        raise RecordError(
            f"Its recipe is in language {recipe.language}; this Kweek knows language {LANGUAGE}."
        )
    for _, node in walk_nodes(recipe.procedure, "", state.progress):
        if isinstance(node, PhaseCall):
            phases(node.phase, node.version)


def _check(open_: OpenPhase, phases: Phases) -> None:
    """Replay an open phase against the record. Raises RecordError or NotFound naming the difference.

    A phase that asked for nothing after its last reply refused it then, which the record says; that is
    no difference of this software.
    """
    phase, history, open_step = phases(open_.phase, open_.version), open_.history, open_.open
    asked = [step for step, _ in history] + ([] if open_step is None else [open_step.step])
    if asked:
        run = begin(phase, cast("Mapping[str, Value]", decode(open_.parameters)))
        found = replay(run, history[: len(asked) - 1])
        same_step(len(asked), found.step, asked[-1])
