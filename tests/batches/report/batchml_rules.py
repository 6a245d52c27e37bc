"""What a BatchML record must obey beyond its schema (the traps a schema lets through)."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator

NAMESPACE = "{http://www.mesa.org/xml/B2MML}"
ZONED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TIMES = (
    "TimeStamp",
    "PublishedDate",
    "CreationDate",
    "ExpirationDate",
    "LastChangedDate",
    "StartTime",
    "EndTime",
)
OBJECT_TYPES = {
    "BatchProductionRecord": "Batch Production Record", "Change": "Change", "Comment": "Comment", "Event": "Event",
    "PersonnelIdentificationManifest": "Personnel Identification Manifest", "RecipeElementRecord": "Recipe Element",
    "Sample": "Sample", "SampleTest": "Sample Test", "SampleTestResult": "Sample Test Result",
}  # fmt: skip


def problems(document: bytes) -> list[str]:
    """Every rule that is broken, in words."""
    root = ET.fromstring(document)
    return [
        *_identifiers(root),
        *_references(root),
        *_reasons(root),
        *_times(root),
        *_types(root),
        *_others(root),
    ]


def _name(element: ET.Element) -> str:
    return element.tag.removeprefix(NAMESPACE)


def _texts(root: ET.Element, *names: str) -> list[str]:
    return [element.text or "" for name in names for element in root.iter(NAMESPACE + name)]


def _identifiers(root: ET.Element) -> Iterator[str]:
    counts = Counter(_texts(root, "EntryID"))
    yield from (f"EntryID {one} stands {count} times" for one, count in counts.items() if count > 1)
    if "" in counts:
        yield "an EntryID is empty"


def _references(root: ET.Element) -> Iterator[str]:
    known = {*_texts(root, "EntryID")}
    for one in _texts(root, "RecordReference", "AssociatedEventID"):
        if one not in known:
            yield f"{one} is referred to and does not exist"


def _reasons(root: ET.Element) -> Iterator[str]:
    for change in root.iter(f"{NAMESPACE}Change"):
        if not (change.findtext(f"{NAMESPACE}Reason") or "").strip():
            yield f"the change {change.findtext(f'{NAMESPACE}EntryID')} has no reason"


def _times(root: ET.Element) -> Iterator[str]:
    yield from (f"the time {one} has no zone" for one in _texts(root, *TIMES) if not ZONED.fullmatch(one))


def _types(root: ET.Element) -> Iterator[str]:
    for element in root.iter():
        found = element.findtext(f"{NAMESPACE}ObjectType")
        if found is not None and found != OBJECT_TYPES.get(_name(element)):
            yield f"{_name(element)} says that it is a {found}"


def _others(root: ET.Element) -> Iterator[str]:
    for element in root.iter():
        if ("OtherValue" in element.attrib) != (
            element.text == "Other" and _name(element) in ("EventType", "EventSubType")
        ):
            yield f"{_name(element)} '{element.text}' and its OtherValue do not fit"
