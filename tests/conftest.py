"""What every test may use: the Hypothesis profiles and the path of the shared standards."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# No deadline: a machine under load is slow, not wrong. CI repeats the same examples on every run.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def shared(*parts: str) -> Path:
    """Give a path in the folder of shared standards beside the repository, or skip the calling test.

    The standards (BatchML, LADS, EPCIS) carry their owners' licences and are not part of this repository.
    """
    path = ROOT.parent.joinpath("shared", *parts)
    if not path.exists():
        pytest.skip(f"needs ../shared/{'/'.join(parts)}, which is not on this machine")
    return path
