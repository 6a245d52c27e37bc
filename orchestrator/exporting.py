"""`kweek export`: reads the record of the site that the settings name; the server may run meanwhile."""

import getpass
from pathlib import Path

from batches.errors import KweekError
from batches.report.bundle import Person
from orchestrator.clock import RealClock
from orchestrator.export import export
from orchestrator.historian import Historian, historian_url
from orchestrator.people_store import PeopleStore
from orchestrator.settings import from_environment
from orchestrator.signing import SigningKey, load_key, make_key
from orchestrator.store.database import database_at
from orchestrator.store.reader import Reader

LEASE_UNUSED = 30.0
"""A reader takes no lease; the port asks for its length all the same."""


def export_batch(number: str, out: Path) -> Path:
    """Write the export of a batch; gives the PDF's path. Raises KweekErrors."""
    settings = from_environment()
    reader = Reader(database_at(settings.database_url, lease_seconds=LEASE_UNUSED).reader)
    historian = Historian(historian_url(settings.database_url))
    store = PeopleStore(settings.database_url)
    try:
        people = [Person(named.id, named.full_name, named.user_name) for named in store.names()]
        by = Person("", getpass.getuser(), getpass.getuser())
        return export(
            reader,
            historian,
            number,
            out,
            RealClock().now().replace(microsecond=0),
            by,
            people,
            site_key(settings.folder),
        )
    finally:
        historian.close()
        store.close()
        reader.close()


def site_key(folder: Path) -> SigningKey:
    """The site's signing key, made at first use in a file only this user may read."""
    path = folder / "site.key"
    try:
        return load_key(path)
    except KweekError:
        if path.exists():
            raise
    folder.mkdir(parents=True, exist_ok=True)
    return make_key(path, "kweek/site")
