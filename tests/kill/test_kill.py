"""The server is killed with -9 a few times while a batch runs; `make crash` kills it fifty times."""

import asyncio
from pathlib import Path

import pytest

from tests.kill.kills import run


@pytest.mark.timeout(240)  # about 30 s on a machine that has nothing else to do
def test_a_server_that_is_killed_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    found = asyncio.run(run(tmp_path, "cart-autologous", kills=3, seed=4711))
    assert (found.lost, found.repeated, found.wrong) == ([], [], [])
    assert (found.kills, [batch.state for batch in found.batches][:1]) == (3, ["Complete"])
    assert found.commands > 10
    assert found.acknowledged > 100
