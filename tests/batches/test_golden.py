"""Golden records: written once, they replay to the same on every Python and with every hash seed."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.golden.make import GOLDEN, bundle

GOLD = ROOT / "tests" / "golden"
EXPECTED = (GOLD / "expected.txt").read_text()


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_golden_records_replay_with_every_hash_seed(seed: str) -> None:
    files = sorted(str(file) for file in GOLD.glob("*.json"))
    replayed = subprocess.run(
        [sys.executable, "-m", "tests.golden.replay", *files],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True,
    )  # fmt: skip
    assert (replayed.stdout, replayed.stderr) == (EXPECTED, "")


@pytest.mark.parametrize("name", GOLDEN)
def test_the_rules_of_today_still_write_the_golden_record(name: str) -> None:
    assert bundle(GOLDEN[name]()).to_json() == (GOLD / f"{name}.json").read_bytes()
