"""What the tests of the liquid handler and its host share: a clock, small decks, short calls."""

import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from batches.plain import Plain
from batches.quantities import parse
from devices.base import Device, Outcome
from devices.unit import Unit, unit_from

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


class JumpingClock:
    """Process time that jumps at once to where anybody sleeps."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    async def sleep_until(self, when: datetime) -> None:
        self.time = max(self.time, when)

    def passed(self) -> timedelta:
        return self.time - START


LABWARE: Mapping[str, Plain] = {
    "tips_1": {"labware": "tips_1000_filter", "at": "tips/1"},
    "plate_1": {"labware": "plate_96", "at": "plates/1", "capacity": "300 uL", "dead": "20 uL"},
    "suspension": {"labware": "trough_200", "at": "liquids/1", "dead": "2 mL", "holds": "20 mL"},
    "medium": {"labware": "trough_200", "at": "liquids/2", "dead": "2 mL", "holds": "50 mL"},
    "waste": {"labware": "trough_200", "at": "liquids/3"},
}
OPTIONS: Mapping[str, Plain] = {
    "backend": "simulation",
    "deck": "STARlet",
    "channels": 8,
    "carriers": {
        "tips": {"carrier": "tips_5", "rails": 1},
        "plates": {"carrier": "plates_5", "rails": 8},
        "liquids": {"carrier": "troughs_4", "rails": 15},
    },
    "labware": LABWARE,
}
TAGS: Mapping[str, Plain] = {
    "tips": {"unit": "", "low": "0", "high": "96"},
    "volume/medium": {"unit": "mL", "low": "0 mL", "high": "200 mL"},
    "volume/suspension": {"unit": "mL", "low": "0 mL", "high": "200 mL"},
    "temperature": {"unit": "degC", "low": "0 degC", "high": "50 degC"},
}


def handler_unit(identity: Plain = None, **options: Plain) -> Unit:
    """A liquid handler with one rack of tips, one plate and three troughs; an option None is left out."""
    kept = {name: value for name, value in {**OPTIONS, **options}.items() if value is not None}
    written: dict[str, Plain] = {
        "id": "LH-01",
        "class": "liquid_handler",
        "driver": "liquid_handler",
        "tags": TAGS,
        "options": kept,
        "identity": identity or {},
    }
    return unit_from(written, "plant.yaml, line 7")


def parameters(**asked: Any) -> dict[str, object]:
    """Parameters in which a text that begins with a digit is a quantity."""
    return {
        name: parse(value) if isinstance(value, str) and value[0].isdigit() else value
        for name, value in asked.items()
    }


async def do(device: Device, action: str, command: str, **asked: Any) -> Outcome:
    """An action with `parameters`."""
    return await device.do(action, command, parameters(**asked))


async def seed(device: Device, command: str, **asked: Any) -> Outcome:
    """Seed the whole plate: 14.4 mL of suspension, 8 tips, 24 operations."""
    return await do(device, "seed_microwells", command, target="plate_1", volume="150 uL", **asked)


def log_of(folder: Path) -> Path:
    """The command log of `handler_unit`."""
    return folder / "LH-01.commands.jsonl"


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """A disk that is full, as far as this process can tell."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
