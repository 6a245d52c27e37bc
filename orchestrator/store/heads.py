"""The heads on disk, and whether they are the last entries of their streams."""

from sqlalchemy import Engine, and_, func, select, text

from batches.errors import RecordError
from orchestrator.store.sealing import Head
from orchestrator.store.tables import entry, head

_of = entry.alias()
_last = select(func.max(_of.c.number)).where(_of.c.stream == head.c.stream).correlate(head).scalar_subquery()
_heads = select(head.c.stream, head.c.number, head.c.leaf_hash, entry.c.leaf_hash, _last).select_from(
    head.outerjoin(entry, and_(entry.c.stream == head.c.stream, entry.c.number == head.c.number))
)
_streams = text("""
    WITH RECURSIVE found(stream) AS (
        SELECT min(stream) FROM entry
        UNION ALL
        SELECT (SELECT min(stream) FROM entry WHERE stream > found.stream) FROM found WHERE stream IS NOT NULL
    )
    SELECT stream FROM found WHERE stream IS NOT NULL
""")
"""Each stream that has entries, by one look into the index per stream: DISTINCT would read all entries."""


def load_heads(engine: Engine) -> dict[str, Head]:
    """Every head. Raises RecordError if one is not the last entry of its stream: tables were changed by hand."""
    found: dict[str, Head] = {}
    with engine.connect() as connection:
        for stream, number, leaf_hash, entry_hash, last in connection.execute(_heads):
            if leaf_hash != entry_hash or number != last:
                raise RecordError(
                    f"The head of {stream} is entry {number}, which is not its last entry; {_ADVICE}"
                )
            found[stream] = Head(number, leaf_hash)
        headless = {stream for (stream,) in connection.execute(_streams)} - found.keys()
    if headless:
        raise RecordError(f"The stream {min(headless)} has entries but no head; {_ADVICE}")
    return found


_ADVICE = "the database was changed by hand or is damaged: restore a backup beside it and compare."
