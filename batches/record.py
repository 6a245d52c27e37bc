"""The batch record: what the entries of a batch's stream add up to.

The state of a batch is the fold of its entries and nothing else. `BatchState.apply` takes one entry
at a time in constant time; an entry that cannot follow the ones before it raises RecordError naming
it, so that the same code serves the engine, the console and the verifier. What may be added to a
record is decided in `batches/commands.py`; what each kind of entry does is in `batches/handlers/`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from batches.entries import Entry
from batches.errors import MALFORMED, KweekError, RecordError
from batches.handlers.table import HANDLERS
from batches.record_state import RecordState


@dataclass(slots=True)
class BatchState(RecordState):
    """The fold of one batch's stream."""

    def apply(self, entry: Entry) -> None:
        """Fold one entry. Raises RecordError naming the entry if it cannot stand here."""
        if entry.number != self.entries + 1:
            raise RecordError(
                f"Entry {self.entries + 1} is missing: {entry.number} ({entry.kind}) stands there."
            )
        handler = HANDLERS.get(entry.kind)
        if handler is None:
            raise RecordError(f"Entry {entry.number} is of the unknown kind '{entry.kind}'.")
        if (self.entries == 0) != (entry.kind == "batch_created"):
            raise RecordError(
                f"Entry {entry.number} is {entry.kind}: batch_created stands first and only there."
            )
        try:
            handler(self, entry, entry.content())
        except KweekError as error:
            raise RecordError(f"Entry {entry.number} ({entry.kind}) cannot stand here: {error}") from error
        except MALFORMED as error:
            raise RecordError(
                f"Entry {entry.number} ({entry.kind}) holds a member of another shape than its kind has: "
                f"{type(error).__name__}: {error}"
            ) from error
        self.entries = entry.number


def fold(entries: Iterable[Entry]) -> BatchState:
    """The state after the entries. Raises RecordError at the first that cannot stand."""
    state = BatchState()
    for entry in entries:
        state.apply(entry)
    return state
