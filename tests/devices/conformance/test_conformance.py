"""Every driver file of devices/drivers by every rule."""

from pathlib import Path

import pytest

from tests.devices.conformance.rules import RULES
from tests.devices.conformance.suite import NOT_APPLICABLE, PASS, drivers, slow, verdicts


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The verdicts so far, by driver: a driver is run once."""
    del tmp_path_factory
    return {}


@pytest.mark.xdist_group("conformance")
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "driver", [pytest.param(each, marks=pytest.mark.slow if slow(each) else ()) for each in drivers()]
)
def test_a_driver_keeps_the_rule(
    driver: str, rule: str, judged: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    if driver not in judged:
        judged[driver] = verdicts(driver, tmp_path)
    verdict = judged[driver][rule]
    if verdict.startswith(NOT_APPLICABLE):
        pytest.skip(verdict)
    assert verdict == PASS
