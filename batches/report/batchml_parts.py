"""The pieces of BatchML that stand everywhere: elements, values, times, the head of an entry."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime

from batches.plain import Plain, text_in
from batches.quantities import is_quantity
from batches.report.words import shown

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def put(parent: ET.Element, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    """Add an element; characters that XML 1.0 cannot hold become U+FFFD."""
    made = ET.SubElement(parent, tag, {name: clean(value) for name, value in attributes.items()})
    made.text = None if text is None else clean(text)
    return made


def clean(text: str) -> str:
    """Text that XML 1.0 can hold."""
    return _FORBIDDEN.sub("\ufffd", text)


def time(at: datetime) -> str:
    """A time as BatchML wants it, always with its zone: '2026-11-23T08:00:00.000000Z'."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def head(
    parent: ET.Element, identity: str, object_type: str, at: datetime | None, description: str = ""
) -> None:
    """The group that begins every entry: EntryID, ObjectType, TimeStamp, Description."""
    put(parent, "EntryID", identity)
    put(parent, "ObjectType", object_type)
    if at is not None:
        put(parent, "TimeStamp", time(at))
    if description:
        put(parent, "Description", description)


def value(parent: ET.Element, tag: str, found: Plain, key: str = "") -> ET.Element:
    """A value of an event, a change or a result (ValueType)."""
    made = put(parent, tag)
    number, kind, measure = typed(found)
    put(made, "ValueString", number)
    put(made, "DataType", kind)
    if measure:
        put(made, "UnitOfMeasure", measure)
    if key:
        put(made, "Key", key)
    return made


def typed(found: Plain) -> tuple[str, str, str]:
    """A value as text, its DataType and its unit of measure."""
    match found:
        case bool():
            return ("true" if found else "false"), "boolean", ""
        case int():
            return str(found), "integer", ""
        case Mapping() if is_quantity(found):
            return text_in(found, "value"), "decimal", text_in(found, "unit")
        case _:
            return shown(found).replace("\u00a0", " "), "string", ""


def named_values(parent: ET.Element, tag: str, found: Plain, key: str = "") -> None:
    """One value for each name of a reply; a single value without a name."""
    if isinstance(found, Mapping) and not is_quantity(found):
        for name, part in found.items():
            value(parent, tag, part, name)
    elif found is not None:
        value(parent, tag, found, key)


def attribute(parent: ET.Element, name: str, text: str) -> None:
    """A UserAttribute with one value."""
    made = put(parent, "UserAttribute")
    put(made, "AttributeID", name)
    put(put(made, "Value"), "ValueString", text)
