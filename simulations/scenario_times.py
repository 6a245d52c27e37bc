"""Dates, weekdays, times of day and zones in a scenario file."""

import re
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from batches.recipe_form import Form, shown
from batches.written import Written

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")


def a_date(form: Form, key: str, node: Written | None = None) -> str:
    """An ISO date under a key, or in one item of the list there."""
    found = node or form.node(key)
    if found is None:
        form.missing(key, "2027-01-04")
        return "2027-01-04"
    try:
        return date.fromisoformat(str(found.value)).isoformat()
    except ValueError:
        form.wrong(
            found, f"'{key}' of {form.within} is {shown(found.value)}; write a date such as 2027-01-04."
        )
        return "2027-01-04"


def clock_time(form: Form, key: str) -> int:
    """A time of day such as 07:30, in minutes after midnight; 24:00 is the end of the day."""
    found = form.node(key)
    if found is None:
        form.missing(key, '"07:30"')
        return 0
    match = _CLOCK.fullmatch(str(found.value))
    minutes = int(match[1]) * 60 + int(match[2]) if match else 1441
    if minutes > 1440:
        form.wrong(
            found, f"'{key}' of {form.within} is {shown(found.value)}; write a time of day such as 07:30."
        )
        return 0
    return minutes


def days_of(form: Form, key: str) -> tuple[int, ...]:
    """Weekdays such as 'mon-fri', or a list 'mon, wed', as numbers from Monday 0."""
    text = form.text(key, "mon-fri")
    found = [number for part in text.split(",") for number in _span(part.strip())]
    if text and (not found or -1 in found):
        form.wrong(
            form.members[key],
            f"'{key}' of {form.within} is '{text}'; write days such as mon-fri, or mon, wed.",
        )
        return ()
    return tuple(sorted(set(found)))


def _span(text: str) -> list[int]:
    first, _, last = text.partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        return [-1]
    start, end = DAYS.index(first), DAYS.index(last or first)
    return [day % 7 for day in range(start, end + 1 + (7 if end < start else 0))]


def zone_name(form: Form) -> str:
    """The time zone under 'zone', UTC if there is none."""
    name = form.text("zone") or "UTC"
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        form.wrong(
            form.members["zone"],
            f"'zone' of {form.within} is '{name}'; write a name such as Europe/Amsterdam.",
        )
        return "UTC"
