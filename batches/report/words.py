"""How recorded values, steps, people and times read on paper.

Everything here is text for people: nothing is parsed back from it, and no verdict depends on it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import cast

from batches.entries import Actor, moment
from batches.plain import Plain, PlainDict, dict_in, dicts_in, list_in, text_in
from batches.quantities import from_plain, is_quantity
from batches.report.bundle import Bundle

SIGNIFICANT = 12
"""Digits of a number that are printed."""
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_POWER = re.compile(r"\*\*(-?\d+)")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NBSP = "\u00a0"
"""A blank at which no line is broken."""
UNITS = {"degC": "°C", "delta_degC": "°C", "uL": "µL", "ug": "µg", "um": "µm", "day": "d"}
"""Units of measure that have a usual sign. Others read as they were written."""

# What the fonts that typst brings are tested to hold. Anything else is printed as its code point, because
# a glyph that is missing would stop the export (tests/orchestrator/test_export.py compiles them all).
PRINTABLE = (
    (0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x17F), (0x192, 0x192), (0x1FA, 0x1FF), (0x218, 0x21B),
    (0x386, 0x386), (0x388, 0x38A), (0x38C, 0x38C), (0x38E, 0x3A1), (0x3A3, 0x3CE), (0x401, 0x40C),
    (0x40E, 0x44F), (0x451, 0x45C), (0x45E, 0x45F), (0x490, 0x491), (0x1E80, 0x1E85), (0x2013, 0x2014),
    (0x2018, 0x201A), (0x201C, 0x201E), (0x2020, 0x2022), (0x2026, 0x2026), (0x2030, 0x2030),
    (0x2070, 0x2071), (0x2074, 0x208E), (0x20AC, 0x20AC), (0x2122, 0x2122), (0x2190, 0x2193),
    (0x2202, 0x2202), (0x220F, 0x220F), (0x2211, 0x2212), (0x221E, 0x221E), (0x2248, 0x2248),
    (0x2260, 0x2260), (0x2264, 0x2265),
)  # fmt: skip


def printable(text: str) -> str:
    """The text with every character the report's fonts lack written as its code point: '⟨' is '[U+27E8]'."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(part if _known(part) else _code(part) for part in text)


def _known(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in PRINTABLE)


def _code(character: str) -> str:
    if character == "\n":
        return character
    return " " if character.isspace() else f"[U+{ord(character):04X}]"


def shown(value: Plain) -> str:
    """A recorded value as people read it: '37.0 °C', 'yes', 'lot: L-1, volume: 3 mL'."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return clock(moment(value)) if _STAMP.fullmatch(value) else value
        case int():
            return str(value)
        case Mapping():
            return measured(value) if is_quantity(value) else _named(value)
        case Sequence():
            return ", ".join(shown(part) for part in value)


def _named(value: PlainDict) -> str:
    if set(value) == {"fired", "reply"}:
        return f"option {value['fired']}: {shown(value['reply'])}".removesuffix(": ")
    said = ((plainly(name), shown(part)) for name, part in value.items())
    return ", ".join(f"{name}: {part}" for name, part in said if part)


def measured(value: PlainDict) -> str:
    """A quantity: '37.0 °C'; long whole numbers grouped: '1 500 000 cell'."""
    found = from_plain(value)
    sign = measure(found.unit)
    return f"{grouped(found.value)}{NBSP}{sign}".rstrip()


def measure(unit: str) -> str:
    """The sign of a unit of measure: 'liter**-1*gram' reads 'liter⁻¹·gram'."""
    return UNITS.get(unit) or _POWER.sub(lambda power: power[1].translate(RAISED), unit).replace("*", "·")


def grouped(number: Decimal) -> str:
    """Digits of the whole part in groups of three from five digits on; the fraction as written.

    A calculated number of more than SIGNIFICANT digits is cut, and '…' says so; the record has all.
    """
    short = Context(prec=SIGNIFICANT).plus(number)
    text = f"{number:f}" if short == number else f"{short:f}…"
    whole, point, fraction = text.partition(".")
    if len(whole.lstrip("-")) < 5:
        return text
    return f"{int(whole):,}".replace(",", NBSP) + point + fraction


def plainly(name: str) -> str:
    """A recorded name as words: 'viable_cells' reads 'viable cells'."""
    return name.replace("_", " ")


TAGS = {"ph": "pH", "co2": "CO2", "o2": "O2"}


def tag(name: str) -> str:
    """The name of a tag as the field writes it."""
    return TAGS.get(name) or plainly(name)


def clock(at: datetime) -> str:
    """UTC to the second: '2026-11-23 08:05:00'. The report says once that times are UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def limits_text(body: PlainDict, of: str) -> str:
    """The time limits that begin to count with a phase's start or end, and those its start came too late for."""
    begun = dicts_in(body, "limits") if "limits" in body else []
    missed = dicts_in(body, "late") if "late" in body else []
    told = [_limit_text(limit, of) for limit in begun]
    return " ".join(
        [*told, *(f"It was due by {_at(late['due'])}, after '{late['since']}'." for late in missed)]
    )


def _limit_text(limit: PlainDict, of: str) -> str:
    what = f"'{limit['to']}'" if limit["to"] else "The next phase"
    least, most, origin = limit["at_least"], limit["at_most"], f"after the {of} of this phase"
    if not least:
        start = " of the start of this phase" if of == "start" else ""
        return f"{what} begins within {most}{start}: by {_at(limit['due'])}."
    if not most:
        return f"{what} begins at least {least} {origin}: from {_at(limit['opens'])}."
    return f"{what} begins {least} to {most} {origin}: from {_at(limit['opens'])}, by {_at(limit['due'])}."


def _at(moment_text: Plain) -> str:
    return clock(moment(cast("str", moment_text)))


def who(actor: Actor, bundle: Bundle) -> str:
    """Who acted, with the role: 'Ada Smit (operator)'; a device or the system by its id."""
    if actor.kind != "person":
        return "Kweek" if actor.kind == "system" else actor.id
    name = bundle.person(actor.id).name or actor.id
    return f"{name} ({actor.role})" if actor.role else name


def bounds(low: Plain, high: Plain) -> str:
    """A range: '36.5 °C to 37.5 °C', 'at least 80 %', 'at most 5 EU/mL', or ''."""
    if low is None:
        return "" if high is None else f"at most {shown(high)}"
    return f"at least {shown(low)}" if high is None else f"{shown(low)} to {shown(high)}"


# --- steps ----------------------------------------------------------------------------------------


def step_text(step: PlainDict) -> str:
    """What a recorded step asks for, as a line a reviewer reads."""
    kind = text_in(step, "step")
    about = _STEPS.get(kind)
    return kind if about is None else about(step)


def _until(step: PlainDict) -> str:
    return f"Wait until {tag(text_in(step, 'tag'))} is {bounds(step.get('at_least'), step.get('at_most'))}"


def _first(step: PlainDict) -> str:
    options = "; or ".join(_lower(step_text(option)) for option in dicts_in(step, "options"))
    within = step.get("within")
    return f"First of: {options}" + ("" if within is None else f"; at most {shown(within)} from the start")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _with(text: str, parameters: PlainDict) -> str:
    return f"{text} ({shown(parameters)})" if parameters else text


def _do(step: PlainDict) -> str:
    return _with(plainly(text_in(step, "action")).capitalize(), dict_in(step, "parameters"))


def _program(step: PlainDict) -> str:
    return _with(f"Run the programme {plainly(text_in(step, 'name'))}", dict_in(step, "parameters"))


def _transfer(step: PlainDict) -> str:
    wells = f" in {step['wells']} wells" if step.get("wells") else ""
    return f"Transfer {shown(step['volume'])} from {step['source']} to {step['target']}{wells}"


def _sample(step: PlainDict) -> str:
    volume = "" if step.get("volume") is None else f", {shown(step['volume'])}"
    return f"Take the sample {plainly(text_in(step, 'name'))}{volume}"


def _decide(step: PlainDict) -> str:
    options = " / ".join(shown(option) for option in list_in(step, "options"))
    given = shown(dict_in(step, "given"))
    return f"{step['question']} ({options})" + (f"; given {given}" if given else "")


_STEPS: dict[str, Callable[[PlainDict], str]] = {
    "Set": lambda step: f"Set {tag(text_in(step, 'tag'))} to {shown(step['value'])}",
    "Read": lambda step: f"Read {tag(text_in(step, 'tag'))}",
    "Until": _until,
    "Wait": lambda step: f"Wait {shown(step['duration'])}",
    "First": _first,
    "Do": _do,
    "Program": _program,
    "Transfer": _transfer,
    "Consume": lambda step: f"Use {shown(step['quantity'])} of {plainly(text_in(step, 'material'))}",
    "Produce": lambda step: f"Make {shown(step['quantity'])} of {plainly(text_in(step, 'material'))}",
    "Label": lambda step: f"Print {step['count']} labels for {plainly(text_in(step, 'material'))} and account for each",
    "Sample": _sample,
    "Result": lambda step: f"Results of the sample {plainly(text_in(step, 'sample'))}",
    "Ask": lambda step: text_in(step, "text"),
    "Decide": _decide,
    "Scan": lambda step: f"{step['text']} (scan)",
    "Sign": lambda step: f"{step['text']} (signature: {step['meaning']})",
}  # fmt: skip


def reply_text(step: PlainDict, reply: Plain) -> str:
    """What came of a step, as a line a reviewer reads."""
    match text_in(step, "step"), reply:
        case "First", {"fired": int(index), "reply": inner}:
            return _fired(step, index, inner)
        case "Scan" | "Consume" | "Produce" | "Sample", str():
            return reply
        case (("Set" | "Wait"), None):
            return "done"
        case ("Sign", True):
            return "signed"
        case "Do" | "Program" | "Transfer", {} if not reply:
            return "done"
        case _:
            return shown(reply)


def _fired(step: PlainDict, index: int, reply: Plain) -> str:
    options = dicts_in(step, "options")
    if index >= len(options):
        return f"time is over ({shown(step.get('within'))})"
    return f"{_lower(step_text(options[index]))}: {reply_text(options[index], reply)}"
