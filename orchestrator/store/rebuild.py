"""Filling projections anew: at open, for those whose version is not the one that filled their tables."""

from sqlalchemy import bindparam, delete, insert

from orchestrator.store.database import Writing
from orchestrator.store.projections import PROJECTIONS, rebuild
from orchestrator.store.reader import Reader
from orchestrator.store.tables import projection

_forget = delete(projection).where(projection.c.name == bindparam("named"))
_note = insert(projection)


def bring_up_to_date(connection: Writing, reader: Reader, *, every: bool) -> None:
    """Fill the outdated projections (or every one) from the entries, in one transaction."""
    versions = reader.projections()
    outdated = [known for known in PROJECTIONS if every or versions.get(known.name) != known.version]
    if not outdated:
        return
    connection.begin([])
    for known in outdated:
        rebuild(connection, known, reader.everything())
        connection.many(_forget, [(known.name,)])
        connection.many(_note, [(known.name, known.version)])
    connection.commit()
