"""`kweek upgrade check`: whether this software can go on with every open batch. It changes nothing."""

from collections.abc import Mapping
from typing import cast

from batches.errors import KweekError
from batches.interpret import replay, same_step
from batches.phases import begin, lookup
from batches.record import OpenPhase, fold
from batches.steps import Value, decode
from orchestrator.settings import from_environment
from orchestrator.store.database import database_at
from orchestrator.store.reader import Reader


def check_upgrade() -> list[str]:
    """One sentence for each open batch that this software would not carry on as it was begun."""
    reader = Reader(database_at(from_environment().database_url, lease_seconds=30.0).reader)
    try:
        return [text for stream in reader.streams("batch/") for text in _problems(stream, reader)]
    finally:
        reader.close()


def _problems(stream: str, reader: Reader) -> list[str]:
    try:
        state = fold(reader.read(stream))
        for phase in state.phases.values() if not state.ended else ():
            _check(phase)
    except KweekError as error:
        return [f"{stream.removeprefix('batch/')}: {error}"]
    return []


def _check(open_: OpenPhase) -> None:
    """Replay an open phase against the record. Raises RecordError or NotFound naming the difference."""
    run = begin(lookup(open_.phase, open_.version), cast("Mapping[str, Value]", decode(open_.parameters)))
    found = replay(run, open_.history)
    if open_.open is not None:
        same_step(open_.open.number, found.step, open_.open.step)
