"""What was run, on disk: one file per replication, keyed by model and seed, so that a killed run goes on
where it was and no number is ever counted twice.

A file is written whole or not at all (written beside, then renamed). Floats are kept to the last bit
(`repr` in JSON).
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from batches.errors import BadInput, StoreError
from simulations.model import Replication, Row


class Results:
    """The replications of one model with one seed, in a folder; in memory only where `folder` is None."""

    def __init__(self, folder: Path | None, key: str, seed: int) -> None:
        self._folder = None if folder is None else folder / f"{key[:16]}-{seed}"
        self._found: dict[int, Replication] = {}
        self.key, self.seed = key, seed
        if self._folder is not None:
            self._found = dict(_read_all(self._folder, key, seed))

    def __contains__(self, replication: int) -> bool:
        return replication in self._found

    def __getitem__(self, replication: int) -> Replication:
        return self._found[replication]

    def __len__(self) -> int:
        return len(self._found)

    def add(self, found: Replication) -> None:
        """Keep a replication. One that is there already must be the same to the last bit.

        Raises BadInput for another seed or other numbers, StoreError where it cannot be written.
        """
        if found.seed != self.seed:
            raise BadInput(f"A replication with seed {found.seed} is no part of a run with seed {self.seed}.")
        known = self._found.get(found.replication)
        if known is None:
            if self._folder is not None:
                _write(self._folder, self.key, found)
            self._found[found.replication] = found
        elif known != found:
            raise BadInput(
                f"Replication {found.replication} of seed {self.seed} was kept with other numbers: the model"
                f" changed without a new version. Use another folder, or remove {self._folder}."
            )

    def in_order(self, count: int) -> tuple[Replication, ...]:
        """The first `count` replications."""
        return tuple(self._found[number] for number in range(count))


def _path(folder: Path, replication: int) -> Path:
    return folder / f"r{replication:06}.json"


def _write(folder: Path, key: str, found: Replication) -> None:
    path = _path(folder, found.replication)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps({"key": key, **asdict(found)}, sort_keys=True, allow_nan=False))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StoreError(
            f"Replication {found.replication} cannot be kept in {folder} ({error.strerror}); make room there"
            " and run the same command again: what was finished is not run anew."
        ) from error


def _read_all(folder: Path, key: str, seed: int) -> Iterator[tuple[int, Replication]]:
    for path in sorted(folder.glob("r*.json")):
        found = _read(path, key)
        if found.seed != seed or path != _path(folder, found.replication):
            raise StoreError(f"{path} holds another replication than its name says; remove it and run again.")
        yield found.replication, found


def _read(path: Path, key: str) -> Replication:
    try:
        content = json.loads(path.read_text())
        if content.pop("key") != key:
            raise StoreError(f"{path} belongs to another model; use another folder.")
        content["series"] = {name: tuple(values) for name, values in content["series"].items()}
        content["tables"] = {name: _rows(rows) for name, rows in content["tables"].items()}
        return Replication(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} cannot be read ({error}); remove it and run again.") from error


def _rows(rows: list[Mapping[str, "float | str"]]) -> tuple[Row, ...]:
    return tuple(dict(row) for row in rows)
