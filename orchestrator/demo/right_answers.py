"""People who do as the task says: what the demo's people and the crash simulation answer.

They know what a person would: the text of the task and the labels in front of them (`Sight`). They
know nothing of the recipe, so that a recipe nobody has seen runs unchanged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from batches.plain import Plain, PlainDict, dict_in, list_in, text_in
from batches.quantities import Quantity, from_plain, is_quantity, parse, quantity


def _nothing(attribute: str, field: PlainDict) -> Quantity | None:
    return None


@dataclass(frozen=True, slots=True)
class Sight:
    """What stands in front of the person: the batch's number and chain-of-identity label, the labels of
    its units by role, its containers by material, the shelf's lots by material; and `measure`, the
    instrument that gives a value of an attribute (None: it has no such method)."""

    batch: str
    identity: str
    units: Mapping[str, str]
    containers: Mapping[str, str]
    shelf: Mapping[str, str]
    measure: Callable[[str, PlainDict], Quantity | None] = _nothing


def right_answer(kind: str, content: PlainDict, sight: Sight) -> Plain:
    """What a careful person answers, in the form the API takes."""
    match kind:
        case "scan" | "sample":
            return {"scan": label_for(content, sight)}
        case "consume":
            material = text_in(content, "material")
            return {"scan": sight.containers.get(material) or sight.shelf.get(material, "")}
        case "decide":
            return {"choice": list_in(content, "options")[0]}
        case "failed":
            return {"choice": "retry", "reason": "The unit was looked at; nothing happened."}
        case "in_doubt":
            return {"choice": "it did not happen", "reason": "The unit was looked at; nothing happened."}
        case "ask" | "work" | "result" | "label":
            return {"values": values(content, sight)}
        case "prompt":
            return {"text": "done"}
        case _:
            return {"confirmed": True}


def label_for(content: PlainDict, sight: Sight) -> str:
    """The label the task asks to scan, as it is seen on the thing itself."""
    expected, _, rest = text_in(content, "expects").partition(":")
    match expected:
        case "identity":
            return sight.identity
        case "unit":
            role = str(content.get("unit") or "") or rest
            return sight.units.get(role) or next(iter(sight.units.values()), "")
        case "lot":
            return sight.containers.get(rest, "")
        case "batch":
            return sight.batch
        case _:
            return rest


def values(content: PlainDict, sight: Sight) -> dict[str, Plain]:
    """A value for each field: measured where there is an instrument, else what is expected."""
    count = content.get("count")
    if isinstance(count, int):
        labels = {"printed": count, "used": count, "destroyed": 0, "returned": 0}
        return {name: quantity(labels[name], "").plain() for name in dict_in(content, "fields")}
    return {
        name: _value(name, cast("PlainDict", field), sight)
        for name, field in dict_in(content, "fields").items()
    }


def _value(name: str, field: PlainDict, sight: Sight) -> Plain:
    match field["kind"]:
        case "yes_no":
            return True
        case "choice":
            return list_in(field, "options")[0]
        case "quantity":
            return (sight.measure(name, field) or _plausible(field)).plain()
        case _:
            return "as described"


def _plausible(field: PlainDict) -> Quantity:
    """The upper bound is what all of it would be, which is what a count of containers asks for; where
    only a plausible range is known, its middle."""
    unit, low, high = text_in(field, "unit"), field.get("low"), field.get("high")
    if is_quantity(high):
        top = from_plain(high).to(unit)
        bottom = from_plain(low).to(unit) if is_quantity(low) else parse(f"0 {unit}")
        if not unit and top.value <= 1000:
            return top
        return quantity((top.value + bottom.value) / 2, unit)
    return parse(f"1 {unit}")
