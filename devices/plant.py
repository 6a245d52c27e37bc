"""The plant file: which units there are, where they stand and how they are reached.

A plant file is YAML and follows ISA-88's physical model (ANSI/ISA-88.00.01, 4.2.2): site, area,
process cell, unit. `docs/reference/plant-file.md` describes every key. A mistake is one sentence
with file, line and what to do; the mistakes of a file are shown together.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batches.errors import BadInput, NotFound
from devices.located import Located, Mistakes, listed, read
from devices.unit import Unit, read_unit

FORMAT = 1
DEMO = Path(__file__).parent / "plants" / "demo.yaml"
PORTS_VARIABLE = "KWEEK_PORTS"
"""Environment variable that moves ports: '4840=50123,4841=50124'."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A site with its units in the order of the file. `simulated`: nothing in it is real."""

    site: str
    simulated: bool
    units: tuple[Unit, ...]
    file: str

    def unit(self, unit_id: str) -> Unit:
        """The unit with this id. Raises NotFound."""
        for unit in self.units:
            if unit.id == unit_id:
                return unit
        raise NotFound(f"There is no unit '{unit_id}' in {self.file}; look up its id there.")

    def units_of(self, unit_class: str) -> tuple[Unit, ...]:
        """The units that fit a class, in the order of the file."""
        return tuple(unit for unit in self.units if unit.fits(unit_class))


def load(path: Path | str, ports: Mapping[int, int] | None = None) -> Plant:
    """The plant in a file. `ports` moves the ports of addresses (written -> actual); without it the
    environment variable KWEEK_PORTS does. Raises BadInput with one sentence for each mistake."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"The plant file {file} cannot be read ({reason}); check the path.") from error
    moved = ports_from(os.environ.get(PORTS_VARIABLE, "")) if ports is None else ports
    return plant_from(text, file.name, moved)


def ports_from(text: str) -> dict[int, int]:
    """The ports in '4840=50123,4841=50124'. Raises BadInput."""
    pairs = [pair.strip() for pair in text.split(",") if pair.strip()]
    if not all(re.fullmatch(r"\d{1,5}=\d{1,5}", pair) for pair in pairs):
        raise BadInput(f"{PORTS_VARIABLE}='{text}' cannot be read; write it as 4840=50123,4841=50124.")
    return {int(written): int(actual) for written, actual in (pair.split("=") for pair in pairs)}


def plant_from(text: str, name: str, ports: Mapping[int, int]) -> Plant:
    """The plant in the text of a file that is called `name` in messages."""
    parts = read(text, name).fields(["format", "site", "areas"], ["simulated"])
    if parts["format"].whole() != FORMAT:
        raise parts["format"].mistake(
            f"this Kweek reads plant files of format {FORMAT}; write 'format: {FORMAT}'."
        )
    mistakes = Mistakes()
    units: list[Unit] = []
    for area in parts["areas"].items():
        with mistakes.gathered():
            units += _units_of_area(area, ports, mistakes)
    mistakes.complain()
    _check_together(units, mistakes)
    mistakes.complain()
    simulated = "simulated" in parts and parts["simulated"].yes_no()
    return Plant(parts["site"].text(), simulated, tuple(units), name)


def _units_of_area(area: Located, ports: Mapping[int, int], mistakes: Mistakes) -> list[Unit]:
    parts = area.fields(["area", "process_cells"])
    units: list[Unit] = []
    for cell in parts["process_cells"].items():
        with mistakes.gathered():
            members = cell.fields(["process_cell", "units"])
            names = (parts["area"].text(), members["process_cell"].text())
            for node in members["units"].items():
                with mistakes.gathered():
                    units.append(read_unit(node, *names, ports))
    return units


def _check_together(units: Sequence[Unit], mistakes: Mistakes) -> None:
    ids: dict[str, Unit] = {}
    addresses: dict[str, Unit] = {}
    for unit in units:
        with mistakes.gathered():
            _check_new(unit, unit.id, ids, "id")
            _check_new(unit, unit.address, addresses, "address")
    mistakes.complain()
    for unit in units:
        if unit.room and (unit.room not in ids or not ids[unit.room].fits("room")):
            rooms = listed([room.id for room in units if room.fits("room")]) or "none"
            mistakes.found.append(
                BadInput(
                    f"{unit.where}: {unit.id} stands in '{unit.room}', which is no room; the rooms are {rooms}."
                )
            )


def _check_new(unit: Unit, text: str, seen: dict[str, Unit], what: str) -> None:
    if text in seen:
        raise BadInput(
            f"{unit.where}: the {what} '{text}' is also that of the unit in {seen[text].where}; give each its own."
        )
    if text:
        seen[text] = unit
