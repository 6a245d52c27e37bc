"""Numbers that name things: batches, lots, tasks, samples, deviations, commands, chains of identity.

A number is given once and never again, and nothing about a person can be read from it
(21 CFR 1271.290(c)). Numbers that must agree between the engine, a device and a replay are computed,
not drawn: a command id is the UUIDv5 of its batch and key.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Protocol
from uuid import UUID, uuid5

from batches.errors import BadInput
from batches.plain import canonical

NAMESPACE = UUID("6b776565-6b00-5000-8000-636f6d6d616e")
"""Kweek's own namespace of command ids. It can never change: recorded command ids depend on it."""

BATCH_PATTERN = "B-{year:02}-{serial:04}"
LOT_PATTERN = "L-{year:02}-{serial:05}"

_PLACE = re.compile(r"\{(year|serial):0(\d)\}")
_FIXED = re.compile(r"[A-Za-z0-9._-]*")


@cache
def _scheme(pattern: str) -> re.Pattern[str]:
    """What a number of the pattern looks like. Raises BadInput for a pattern that cannot be counted."""
    places = [found[1] for found in _PLACE.finditer(pattern)]
    if places.count("serial") != 1 or places.count("year") > 1:
        raise BadInput(
            f"The numbering pattern '{pattern}' needs one {{serial:04}} and at most one {{year:02}}."
        )
    if _FIXED.fullmatch(_PLACE.sub("", pattern)) is None:
        raise BadInput(
            f"The numbering pattern '{pattern}' may hold letters, digits, '.', '_' and '-' beside its places."
        )
    if re.search(r"\}\{|\}\d|\d\{serial", pattern):
        raise BadInput(
            f"The numbering pattern '{pattern}' runs digits together; put a '-' between its places."
        )
    # A serial that outgrows its width keeps all its digits: numbers stay unique, only longer.
    text = _PLACE.sub(
        lambda found: _digits(found[1], int(found[2])),
        re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}"),
    )
    return re.compile(text, re.ASCII)


def _digits(name: str, width: int) -> str:
    return rf"(?P<{name}>\d{{{width}}})" if name == "year" else rf"(?P<{name}>\d{{{width},}})"


def number(pattern: str, year: int, serial: int) -> str:
    """The number with this serial: ('B-{year:02}-{serial:04}', 2026, 7) is 'B-26-0007'."""
    _scheme(pattern)
    if serial < 1 or year < 1:
        raise BadInput(f"Serial {serial} of the year {year} cannot be numbered; both start at 1.")
    return _PLACE.sub(lambda found: _part(found, year, serial), pattern)


def _part(found: re.Match[str], year: int, serial: int) -> str:
    width = int(found[2])
    return f"{year % 10**width:0{width}}" if found[1] == "year" else f"{serial:0{width}}"


def next_number(pattern: str, year: int, used: Iterable[str]) -> str:
    """The number after the highest ever used in the year (in all, if the pattern has no year).

    `used`: every number ever given, cancelled ones too; numbers of other patterns are passed over.
    Raises BadInput for a bad pattern.
    """
    scheme, current = _scheme(pattern), _scheme(pattern).fullmatch(number(pattern, year, 1))
    assert current is not None  # a number that was just made has its own form
    found = (scheme.fullmatch(text) for text in used)
    serials = [int(each["serial"]) for each in found if each and _year(each) == _year(current)]
    return number(pattern, year, max(serials, default=0) + 1)


def _year(found: re.Match[str]) -> str:
    return found.groupdict().get("year", "")


def task_id(batch: str, serial: int) -> str:
    """The id of the batch's nth task, e.g. 'B-26-0007-T0012'."""
    return f"{batch}-T{serial:04}"


def sample_number(batch: str, serial: int) -> str:
    """The number on the batch's nth sample tube, e.g. 'S-B-26-0007-3'."""
    return f"S-{batch}-{serial}"


def deviation_id(batch: str, serial: int) -> str:
    """The id of the batch's nth deviation, e.g. 'D-B-26-0007-1'."""
    return f"D-{batch}-{serial}"


def command_id(batch: str, path: str, step: int, attempt: int) -> str:
    """The id a device is given with a command: the same for the same key, for ever."""
    return str(uuid5(NAMESPACE, canonical([batch, path, step, attempt]).decode()))


# -- check character (ISO/IEC 7064, mod 37-2) -------------------------------------------------------

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*"


def check_value(text: str) -> int:
    """The check value of `text`: 0 to 36. Raises BadInput for anything but 0-9 and A-Z."""
    total = 0
    for character in text:
        value = ALPHABET.find(character)
        if not 0 <= value < 36:
            raise BadInput(
                f"'{text}' holds '{character}'; use capital letters and digits only, without blanks."
            )
        total = (total + value) * 2
    if not text:
        raise BadInput("There is nothing to check; scan or type the whole number.")
    return (38 - total % 37) % 37


def check_character(text: str) -> str:
    """The keyboard check character, which a person types after the number."""
    return ALPHABET[check_value(text)]


def check_flag(text: str) -> int:
    """The type 3 flag, 60 to 96, which a scanner reads after the number."""
    return 60 + check_value(text)


def without_check(text: str) -> str:
    """The number before its check character. Raises BadInput if the character is wrong."""
    body, given = text[:-1], text[-1:]
    if check_character(body) != given:
        raise BadInput(
            f"'{text}' is mistyped: its last character does not fit the rest; scan it, or type it again."
        )
    return body


# -- chain of identity ------------------------------------------------------------------------------


class IdentityScheme(Protocol):
    """How a site writes its chain-of-identity numbers. A licensed coding system is another class."""

    def issue(self, year: int, serial: int) -> str:
        """The number of a new chain of identity."""
        ...

    def check(self, text: str) -> str:
        """The number as recorded. Raises BadInput if it cannot be one of this scheme."""
        ...


@dataclass(frozen=True, slots=True)
class SiteScheme:
    """Kweek's own scheme: `prefix`, `facility` (five characters, as registered by the site), two
    digits of the year, six of the serial, and the check character: 'KWDEMO126000001' and one more.

    It uses no table of any coding system. A site that is licensed to issue numbers of one sets its
    prefix and its facility number. Without a facility, numbers can be checked but not issued.
    """

    facility: str = ""
    prefix: str = "KW"

    def __post_init__(self) -> None:
        if self.facility and re.fullmatch(r"[A-NP-Z1-9][0-9A-Z]{4}", self.facility) is None:
            raise BadInput(
                f"'{self.facility}' is not a facility number: five capital letters or digits, the first not O or 0."
            )
        if re.fullmatch(r"[A-Z]{0,4}", self.prefix) is None:
            raise BadInput(f"'{self.prefix}' is not a prefix; use at most four capital letters.")

    def issue(self, year: int, serial: int) -> str:
        if not self.facility:
            raise BadInput(
                "No facility number is set, so no chain-of-identity number can be issued; set it first."
            )
        if not 0 < serial < 10**6:
            raise BadInput(f"Serial {serial} does not fit six digits; no number can be issued for it.")
        body = f"{self.prefix}{self.facility}{year % 100:02}{serial:06}"
        return body + check_character(body)

    def check(self, text: str) -> str:
        """The refusal never repeats what was given: it may be a person's name, typed in the wrong place."""
        form = rf"{self.prefix}[A-NP-Z1-9][0-9A-Z]{{4}}\d{{8}}[0-9A-Z*]"
        if re.fullmatch(form, text, re.ASCII) is None or check_character(text[:-1]) != text[-1]:
            raise BadInput(
                "What was given is not a chain-of-identity number of this site "
                f"({self.prefix or 'no prefix'}, 13 characters, a check character); scan or type the one on the "
                "label, never a name, an address or a date of birth."
            )
        return text


def is_number_on_a_label(text: str) -> bool:
    """Whether a text that was scanned has the form of a chain-of-identity number of any site, mistyped or not,
    so that the record may repeat it. A name, an address or a date of birth is none."""
    return re.fullmatch(r"[A-Z]{0,4}[A-NP-Z1-9][0-9A-Z]{4}\d{8}[0-9A-Z*]", text, re.ASCII) is not None
