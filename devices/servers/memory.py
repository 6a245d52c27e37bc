"""What the simulated units remember over a restart of their process: runs with their ids, and state.

One JSON object a line, appended at every command and every end of a run. A line that a kill cut short
is the last one and is left out. Flushed, not synchronised: it survives the process, not a power cut.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from batches.errors import BadInput
from devices.twins.programmes import Run
from devices.twins.twin import Twin


class Memory:
    """The file of a plant's units. Raises BadInput if it cannot be read or opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def recall(self, twins: Iterable[Twin]) -> None:
        """Bring twins back to where the file left them, and keep the file open for what comes."""
        states: dict[str, dict[str, Any]] = {}
        runs: dict[str, dict[str, dict[str, Any]]] = {}
        kept = 0
        for line in self._lines():
            kept += len(line)
            entry = json.loads(line)
            states[entry["unit"]] = entry["state"]
            for run in entry["runs"]:
                runs.setdefault(entry["unit"], {})[run["task"]] = run
        for twin in twins:
            if twin.unit in states:
                twin.restore(states[twin.unit], list(runs.get(twin.unit, {}).values()))
        self._file = self.path.open("ab")
        self._file.truncate(kept)

    def _lines(self) -> list[bytes]:
        try:
            lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
            for line in lines[:-1]:
                json.loads(line)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"The memory of the plant in {self.path} cannot be read: {error}; move it away."
            ) from error
        return [line for line in lines if line.endswith(b"\n")]

    def keep(self, twin: Twin, run: Run | None) -> None:
        """Remember a twin as it is now, and a run of it that changed."""
        if self._file is None:
            return
        entry = {"unit": twin.unit, "state": twin.snapshot(), "runs": [run.plain()] if run else []}
        self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
