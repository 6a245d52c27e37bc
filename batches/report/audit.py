"""audit.csv: every entry of the export as one line that a person reads.

Who, in which role, when, where, what, the old and the new value and the reason (21 CFR 11.10(e),
EU GMP Annex 11 clause 9).
"""

import csv
import io
from collections.abc import Iterator

from batches.entries import Entry, leaf_hash, stamp
from batches.report.bundle import Bundle
from batches.report.sentences import Known, say
from batches.report.words import NBSP

COLUMNS = (
    "stream", "number", "recorded_at", "happened_at", "kind", "who", "name", "user_name", "role",
    "where", "what", "old", "new", "reason", "leaf_hash",
)  # fmt: skip


def audit_csv(bundle: Bundle) -> bytes:
    """audit.csv: every entry of every stream of the export, one line each, UTF-8, RFC 4180.

    A cell that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for copy in bundle.streams:
        known = Known(copy.entries)
        writer.writerows(map(safe, _row(entry, known, bundle)) for entry in copy.entries)
    return text.getvalue().encode("utf-8")


def _row(entry: Entry, known: Known, bundle: Bundle) -> Iterator[str]:
    said = say(entry, known)
    person = bundle.person(entry.actor.id)
    happened = "" if entry.happened_at is None else stamp(entry.happened_at)
    yield from (entry.stream, str(entry.number), stamp(entry.recorded_at), happened, entry.kind)
    yield from (entry.actor.id, person.name, person.user_name, entry.actor.role)
    yield from (said.where, said.what, said.old, said.new, said.reason, leaf_hash(entry.leaf()))


def safe(cell: str) -> str:
    """A cell without no-break blanks and line ends, and never a formula."""
    flat = " ".join(cell.replace(NBSP, " ").split())
    number = flat[1:2].isdigit() and flat[0] in "+-"
    return f"'{flat}" if flat[:1] in tuple("=+-@") and not number else flat
