"""record.xml is BatchML that its schema and the rules beyond it accept."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from typing import Any

import lxml.etree
import pytest

from batches.conformance import conform
from batches.entries import Draft
from batches.report.batchml import record_xml
from batches.report.batchml_parts import clean, typed
from batches.report.bundle import Bundle
from tests.batches.eventful import eventful, small
from tests.batches.report.batchml_rules import NAMESPACE, problems
from tests.batches.running import Run, person
from tests.conftest import shared
from tests.golden.make import bundle


def xml(made: Bundle) -> bytes:
    return record_xml(made, conform(made.entries).state)


@cache
def record() -> bytes:
    return xml(bundle(eventful()))


@cache
def schema() -> Any:
    return lxml.etree.XMLSchema(lxml.etree.parse(shared("standards", "batchml", "AllSchemas.xsd")))


def running() -> Run:
    run = Run(eventful().recipe, simulated=False).start()
    while len(run.entries) < 30:
        run.advance()
    return run


@pytest.mark.parametrize("made", [small, eventful, running])
def test_the_record_is_valid_batchml(made: Callable[[], Run]) -> None:
    document = xml(bundle(made()))
    schema().assertValid(lxml.etree.fromstring(document))
    assert problems(document) == []


def test_every_entry_is_an_event_with_its_number() -> None:
    events = ET.fromstring(record()).iter(f"{NAMESPACE}Event")
    numbers = [one.findtext(f"{NAMESPACE}EntryID") for one in events]
    assert [one for one in numbers if one and one.isdigit()] == [
        str(n) for n in range(1, len(eventful().entries) + 1)
    ]


def test_a_signature_carries_what_a_print_must_show() -> None:
    signed = next(
        one for one in ET.fromstring(record()).iter(f"{NAMESPACE}Event")
        if (one.findtext(f"{NAMESPACE}EntryID") or "").startswith("signature-")
    )  # fmt: skip
    shown = {
        one.findtext(f"{NAMESPACE}AttributeID"): one.findtext(f"{NAMESPACE}Value/{NAMESPACE}ValueString")
        for one in signed.iter(f"{NAMESPACE}UserAttribute")
    }
    assert shown["SignerFullName"] == "Wim de Wit"
    assert (shown["SignatureMeaning"], shown["SignatureTimeZone"]) == ("approved", "Europe/Amsterdam")
    assert signed.find(f"{NAMESPACE}EventSubType").get("OtherValue") == "Signature"  # pyright: ignore[reportOptionalMemberAccess] it stands there


def test_a_correction_is_a_change_with_the_value_before_and_the_reason() -> None:
    (change,) = ET.fromstring(record()).iter(f"{NAMESPACE}Change")
    before = change.findtext(f"{NAMESPACE}PrechangeData/{NAMESPACE}ValueString")
    assert before == "viability: 90 %, viable cells: 500 000 000 000 cell"
    assert change.findtext(f"{NAMESPACE}Reason") == "two digits were exchanged"


def test_text_that_xml_cannot_hold_is_replaced() -> None:
    run = small()
    run.batch(iter((Draft("note_added", {"text": "bell\x07 <&> \ufffe ok"}, person("operator")),)))
    text = ET.fromstring(xml(bundle(run))).findtext(f".//{NAMESPACE}CommentText")
    assert text == "bell\ufffd <&> \ufffd ok"
    assert clean("a\tb") == "a\tb"


def test_values_keep_their_type_and_unit_of_measure() -> None:
    assert typed({"value": "37.0", "unit": "degC"}) == ("37.0", "decimal", "degC")
    assert [typed(value) for value in (True, 3, "x")] == [
        ("true", "boolean", ""),
        ("3", "integer", ""),
        ("x", "string", ""),
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"<Reason>two digits were exchanged</Reason>", b"", "the change change-75 has no reason"),
        (b"<EntryID>3</EntryID>", b"<EntryID>4</EntryID>", "EntryID 4 stands 2 times"),
        (b"2026-11-23T08:00:00.000000Z</TimeStamp>", b"2026-11-23T08:00:00</TimeStamp>", "the time 2026-11-23T08:00:00 has no zone"),
        (b"<ObjectType>Change<", b"<ObjectType>Event<", "Change says that it is a Event"),
    ],
)  # fmt: skip
def test_the_rules_beyond_the_schema_see_what_it_lets_through(old: bytes, new: bytes, problem: str) -> None:
    assert old in record()
    assert problem in problems(record().replace(old, new))
