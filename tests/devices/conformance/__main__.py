"""Prints the matrix: `python -m tests.devices.conformance [DRIVER…]`. Exit code 1 if a rule fails."""

import sys
import tempfile
from pathlib import Path

from tests.devices.conformance.suite import NOT_APPLICABLE, PASS, drivers, matrix, verdicts

if __name__ == "__main__":
    found: dict[str, dict[str, str]] = {}
    for driver in sys.argv[1:] or drivers():
        with tempfile.TemporaryDirectory() as folder:
            found[driver] = verdicts(driver, Path(folder))
    print(matrix(found))
    failed = [
        v for each in found.values() for v in each.values() if v != PASS and not v.startswith(NOT_APPLICABLE)
    ]
    sys.exit(bool(failed))
