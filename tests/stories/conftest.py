"""One site for the stories of a file: its processes are started once, and one story finds what the last left."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import postgres_server, postgres_url
from tests.stories.place import Place, plant_with
from tests.stories.staff import Staff

__all__ = ["postgres_server", "postgres_url"]


QUICK = {"limit": "1 s"}


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    """The people of a site in virtual time, on SQLite. Its stirred tank forgets what it was told to do, and
    of its other reactors nobody waits longer than 1 s for an answer."""
    folder = tmp_path_factory.mktemp("site")
    place = Place(folder, plant_file=plant_with(folder, ST_01={"remembers": False}, BR_01=QUICK, BR_02=QUICK))
    try:
        place.start()
        found = Staff(place)
        found.gather()
        yield found
    finally:
        place.close()
    place.look_back()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own that can be filled: in memory, so that nothing else fills with it."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk to fill")
    disk = tmp_path / "disk"
    disk.mkdir()
    found = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=False, capture_output=True
    )
    if found.returncode:
        pytest.skip(f"this machine mounts no small disk: {found.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)
