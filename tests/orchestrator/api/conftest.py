"""One site for the tests of a module; what a test needs for itself alone it opens itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrator.api.town import Town


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A site with a person for every role, the recipe approved and a lot of its buffer released."""
    found = Town(tmp_path_factory.mktemp("site"))
    found.found()
    found.approve()
    found.lot("50000 mL")
    yield found
    found.end()


@pytest.fixture
def new_town(tmp_path: Path) -> Iterator[Town]:
    """A site of one's own, with nobody in it."""
    found = Town(tmp_path)
    yield found
    found.end()
