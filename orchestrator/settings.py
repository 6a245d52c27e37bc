"""What a server is told from outside: the environment variables that begin with KWEEK_."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from batches.errors import BadInput
from batches.numbers import SiteScheme
from batches.quantities import duration, parse
from devices.plant import DEMO


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """Cost of argon2id: memory in KiB, passes, lanes."""

    memory: int = 64 * 1024
    passes: int = 3
    lanes: int = 4


FULL_COST = PasswordCost()
LOW_COST = PasswordCost(memory=1024, passes=1, lanes=1)
"""For demonstrations and tests only: a stolen database of such hashes is guessed quickly."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one site's server. `clock`: host:port of a simulated plant's virtual clock, '' for
    real time. `zone`: the site's time zone, shown with signatures."""

    database_url: str
    plant: Path
    folder: Path
    clock: str = ""
    zone: str = "UTC"
    password_cost: PasswordCost = FULL_COST
    sample_every: timedelta | None = None
    """How often every tag of the plant is read; None: only where a recipe has limits on it."""
    keep_readings: timedelta | None = None
    """How long readings that belong to no batch are kept; None: for ever."""
    identity_prefix: str = "KW"
    """What the site's chain-of-identity numbers begin with."""


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in KWEEK_DATABASE_URL, KWEEK_PLANT, KWEEK_FOLDER, KWEEK_CLOCK, KWEEK_ZONE,
    KWEEK_PASSWORD_COST ('low' for demonstrations) and KWEEK_IDENTITY_PREFIX. Raises BadInput.

    KWEEK_SAMPLE_EVERY (such as 10 s, or never) and KWEEK_KEEP_READINGS (such as 90 day) are for process data.
    """
    given = os.environ if environment is None else environment
    folder = Path(given.get("KWEEK_FOLDER") or "kweek-data")
    return Settings(
        database_url=given.get("KWEEK_DATABASE_URL") or f"sqlite:///{folder / 'kweek.db'}",
        plant=Path(given.get("KWEEK_PLANT") or DEMO),
        folder=folder,
        clock=given.get("KWEEK_CLOCK", ""),
        zone=_zone(given.get("KWEEK_ZONE") or "UTC"),
        password_cost=_cost(given.get("KWEEK_PASSWORD_COST") or "full"),
        sample_every=_every(given),
        keep_readings=_time(given, "KWEEK_KEEP_READINGS"),
        identity_prefix=SiteScheme(prefix=given.get("KWEEK_IDENTITY_PREFIX", "KW")).prefix,
    )


def _every(given: Mapping[str, str]) -> timedelta | None:
    """KWEEK_SAMPLE_EVERY: 10 s without it. In virtual time tags are sampled only on request, since each look
    is a moment at which the clock must stop."""
    text = given.get("KWEEK_SAMPLE_EVERY") or ("never" if given.get("KWEEK_CLOCK") else "10 s")
    return None if text == "never" else _time({"KWEEK_SAMPLE_EVERY": text}, "KWEEK_SAMPLE_EVERY")


def _time(given: Mapping[str, str], name: str) -> timedelta | None:
    if not (text := given.get(name, "")):
        return None
    try:
        found = duration(parse(text))
    except BadInput as error:
        raise BadInput(f"{name}='{text}' is no time; write one such as 10 s. ({error})") from error
    if found <= timedelta(0):
        raise BadInput(f"{name}='{text}' is no time above 0; write one such as 10 s.")
    return found


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadInput(f"KWEEK_ZONE='{name}' is no time zone; write one such as Europe/Amsterdam.") from error
    return name


def _cost(name: str) -> PasswordCost:
    match name:
        case "full":
            return FULL_COST
        case "low":
            return LOW_COST
        case _:
            raise BadInput(
                f"KWEEK_PASSWORD_COST='{name}' is unknown; write full, or low for a demonstration."
            )
