"""What the tests of devices share."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.devices.lads_plant import ServedPlant


@pytest.fixture(scope="session")
def plant() -> Iterator[ServedPlant]:
    """One LADS server for the whole run, for a start takes a second; each test has units of its own."""
    reactors = {f"BR-{number:02d}": "bioreactor/vertical_wheel" for number in range(1, 41)}
    others = {
        "CP-01": "closed_cell_processor",
        "CP-02": "closed_cell_processor",
        "CR-01": "controlled_rate_freezer",
    }
    with ServedPlant(reactors | others) as served:
        yield served


_reactors = count(1)


@pytest.fixture
def reactor() -> str:
    """A bioreactor of `plant` that no other test uses."""
    return f"BR-{next(_reactors):02d}"
