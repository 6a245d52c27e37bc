"""The slips of scripted people: one answer in ten is wrong, late or given twice."""

import random
from collections.abc import Mapping
from enum import Enum
from typing import Any, cast

from batches.plain import Plain

SHARE = 0.1


class Slip(Enum):
    """What goes wrong with an answer."""

    NONE = "none"
    WRONG = "wrong"
    LATE = "late"
    TWICE = "twice"


def slip_for(draw: random.Random, task: Mapping[str, Any]) -> Slip:
    """Whether and how the answer to a task slips. Decisions slip in time only: a wrong decision that is
    permitted would be another batch."""
    if draw.random() >= SHARE:
        return Slip.NONE
    if task["kind"] in ("scan", "sample", "consume", "ask", "work", "result", "label"):
        return draw.choice([Slip.WRONG, Slip.LATE, Slip.TWICE])
    return draw.choice([Slip.LATE, Slip.TWICE])


def wrong(draw: random.Random, task: Mapping[str, Any], right: Plain) -> Plain:
    """A wrong answer of the kind people give: another label, a forgotten field, a number without its
    unit of measure, a slip of the decimal point."""
    if not isinstance(right, Mapping):
        return {}
    if "scan" in right:
        return {"scan": draw.choice(["KWDEMO126999999X", "L-00-00000", "BR-99", ""])}
    values = right.get("values")
    if not isinstance(values, Mapping) or not values:
        return {}
    name = draw.choice(sorted(values))
    return {"values": _spoiled(draw, dict(values), name)}


def _spoiled(draw: random.Random, values: dict[str, Plain], name: str) -> Plain:
    value = values[name]
    if draw.random() < 0.4 or not isinstance(value, Mapping):  # forgotten
        return {other: part for other, part in values.items() if other != name}
    number = str(cast("Mapping[str, Plain]", value)["value"])
    return values | {name: draw.choice([number + " apples", "NaN", "1e30 " + str(value["unit"])])}
