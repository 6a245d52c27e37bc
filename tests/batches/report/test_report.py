"""The pieces of the report: words, sentences, CSV, trends, contents."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.conformance import conform
from batches.entries import Draft, Entry, leaf_hash
from batches.errors import RecordError
from batches.handlers.table import HANDLERS
from batches.plain import Plain
from batches.quantities import Quantity
from batches.recipe_reader import read
from batches.report.audit import COLUMNS, audit_csv, safe
from batches.report.bundle import Bundle, read_bundle
from batches.report.contents import report
from batches.report.readings import Reading, read_readings, readings_csv, thinned
from batches.report.recipe_yaml import recipe_yaml
from batches.report.sentences import Known, change_text, say
from batches.report.trends import Band, Trend, days, svg, ticks, unbroken
from batches.report.words import PRINTABLE, grouped, measure, printable, shown
from batches.verify import judged
from tests.batches.eventful import eventful, small, small_recipe
from tests.batches.record_helpers import sealed
from tests.batches.running import person
from tests.conftest import ROOT
from tests.golden.make import bundle

DAY = datetime(2026, 11, 23, tzinfo=UTC)


@cache
def made() -> Bundle:
    return read_bundle(bundle(eventful()).to_json())


# --- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "yes"), (False, "no"), (3, "3"), ("some text", "some text"), (["a", "b"], "a, b"),
        ({"value": "37.0", "unit": "degC"}, "37.0\u00a0°C"), ({"value": "1500000", "unit": "cell"}, "1\u00a0500\u00a0000\u00a0cell"),
        ({"lot": "L-1", "note": "", "open_lots": ["L-2"]}, "lot: L-1, open lots: L-2"),
        ({"fired": 1, "reply": None}, "option 1"), ("2026-11-23T08:05:00.000000Z", "2026-11-23 08:05:00"),
    ],
)  # fmt: skip
def test_values_read_as_people_write_them(value: Plain, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1234", "1234"),
        ("12345.50", "12 345.50"),
        ("-12345", "-12 345"),
        ("0.000012", "0.000012"),
        ("33.33333333333333333", "33.3333333333…"),
    ],
)
def test_numbers_are_grouped_and_cut_with_a_mark(number: str, text: str) -> None:
    assert grouped(Decimal(number)).replace("\u00a0", " ") == text


def test_units_of_measure_have_their_signs() -> None:
    assert [measure(unit) for unit in ("degC", "uL", "g/L", "liter**-1*gram", "m**2")] == [
        "°C",
        "µL",
        "g/L",
        "liter⁻¹·gram",
        "m²",
    ]


@given(st.text())
def test_what_is_printed_has_a_glyph(text: str) -> None:
    allowed = {"\n"} | {chr(code) for low, high in PRINTABLE for code in range(low, high + 1)}
    assert set(printable(text)) <= allowed
    assert text.isascii() is False or not text.isprintable() or printable(text) == text


# --- sentences ------------------------------------------------------------------------------------------


def test_every_kind_of_entry_of_a_batch_reads_without_braces_and_keys() -> None:
    known = Known(made().entries)
    for entry in made().entries:
        said = say(entry, known)
        assert said.what[0].isupper() or said.what.startswith(("CABINET", "REACTOR", "FRIDGE"))
        assert "{" not in said.what + said.new + said.old


@pytest.mark.parametrize("kind", sorted(HANDLERS))
def test_an_entry_with_an_unexpected_body_is_still_told(kind: str) -> None:
    (entry,) = sealed(
        "batch/B",
        [
            Draft(
                kind,
                {
                    "strange": "thing",
                    "step": {"step": "Wait", "duration": "x"},
                    "task": {"content": {}},
                    "change": {},
                    "inputs": {},
                    "parameters": {},
                    "results": {},
                    "reply": None,
                },
                person("qa"),
            )
        ],
    )
    assert say(entry, Known([entry])).what


def test_an_erased_entry_says_so() -> None:
    from dataclasses import replace

    entry: Entry = replace(made().entries[2], body=None, salt=None)
    assert say(entry, Known([entry])).what == "Note added: the content was erased; the proof is left"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "skip", "path": "A/b", "values": {"x": {"value": "1", "unit": "g"}}}, "skip 'A/b', with x: 1 g"),
        ({"kind": "parameter", "path": "A/b", "name": "look_every", "value": {"value": "20", "unit": "h"}}, "'A/b': look every is 20 h"),
        ({"kind": "formula", "name": "speed", "value": {"value": "5", "unit": "rpm"}}, "formula: speed is 5 rpm"),
        ({"kind": "repeat", "path": "A/b", "after": "A/c"}, "repeat 'A/b' after 'A/c'"),
        ({"kind": "unit", "role": "reactor", "unit": "BR-2"}, "kind: unit, role: reactor, unit: BR-2"),
    ],
)  # fmt: skip
def test_a_departure_reads_as_a_sentence(change: dict[str, Plain], text: str) -> None:
    assert change_text(change).replace("\u00a0", " ") == text


# --- CSV ------------------------------------------------------------------------------------------------


def test_the_audit_trail_reads_back_with_one_row_for_each_entry() -> None:
    rows = list(csv.reader(io.StringIO(audit_csv(made()).decode(), newline=""), strict=True))
    entries = [entry for copy in made().streams for entry in copy.entries]
    assert tuple(rows[0]) == COLUMNS
    assert [row[-1] for row in rows[1:]] == [leaf_hash(entry.leaf()) for entry in entries]
    assert {len(row) for row in rows} == {len(COLUMNS)}


@given(st.text())
def test_no_cell_is_taken_for_a_formula(text: str) -> None:
    cell = safe(text)
    assert not cell.startswith(("=", "@"))
    assert not (cell[:1] in ("+", "-") and not cell[1:2].isdigit())
    assert "\n" not in cell
    assert "\r" not in cell


def test_a_negative_number_stays_a_number() -> None:
    assert (safe("-150\u00a0°C"), safe("=1+1"), safe("-x"), safe("two\nlines")) == (
        "-150 °C",
        "'=1+1",
        "'-x",
        "two lines",
    )


READINGS = st.builds(
    Reading,
    unit=st.sampled_from(["BR-01", "FZ, 1"]),
    tag=st.sampled_from(["temperature", 'p"H']),
    measured_at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    value=st.builds(Quantity, st.decimals(-1000, 1000, places=3), st.just("degC")),
    quality=st.sampled_from(["good", "uncertain", "stale", "bad"]),
    received_at=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)


@given(st.lists(READINGS, max_size=20))
def test_readings_read_back_as_they_were_written(readings: list[Reading]) -> None:
    written = readings_csv(readings)
    assert Counter(read_readings(written)) == Counter(readings)
    assert readings_csv(read_readings(written)) == written


@pytest.mark.parametrize(
    "data", [b"", b"a,b\r\n", b"\xff", readings_csv([]) + b"x\r\n", readings_csv([]) + b'"open']
)
def test_readings_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(RecordError, match="readings.csv"):
        read_readings(data)


# --- trends ---------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(10, 100))
def test_thinning_keeps_every_extreme(values: list[float], most: int) -> None:
    kept = thinned(values, most, values)
    assert (min(kept), max(kept), kept[0], kept[-1]) == (min(values), max(values), values[0], values[-1])
    assert len(kept) <= max(most + 2, len(values) if len(values) <= most else 0)


@given(
    st.lists(st.tuples(st.integers(0, 500), st.decimals(-1000, 1000, places=2), st.sampled_from(["good", "bad"])), max_size=40),
    st.none() | st.decimals(-1000, 1000, places=1), st.none() | st.decimals(-1000, 1000, places=1),
)  # fmt: skip
def test_a_picture_is_well_formed_and_stays_in_its_frame(
    points: list[tuple[int, Decimal, str]], low: Decimal | None, high: Decimal | None
) -> None:
    readings = tuple(
        Reading("BR-01", "t", DAY + timedelta(hours=hour), Quantity(value, "degC"), quality, DAY)
        for hour, value, quality in sorted(points)
    )
    end = readings[-1].measured_at if readings else DAY
    start = readings[0].measured_at if readings else DAY
    bands = (Band(start - timedelta(days=1), end + timedelta(days=9), low, high),)
    root = ET.fromstring(svg(Trend("T", readings, bands), start, end))
    for element in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(name, "0")) <= 520
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.get(name, "0")) <= 128
        for pair in element.get("points", "").split():
            x, y = map(float, pair.split(","))
            assert 46 <= x <= 512
            assert 8 <= y <= 106


def test_no_line_is_drawn_over_a_gap() -> None:
    hours = [0, 1, 2, 3, 50, 51, 52, 90]
    points = [(DAY + timedelta(hours=hour), 1.0) for hour in hours]
    assert [len(part) for part in unbroken(points)] == [4, 3, 1]
    assert unbroken([]) == []


@given(st.floats(-1e6, 1e6), st.floats(0.001, 1e6))
def test_ticks_are_few_and_inside(bottom: float, span: float) -> None:
    found = ticks(bottom, bottom + span)
    assert 1 <= len(found) <= 9
    assert all(bottom <= value <= bottom + span + 1e-6 * abs(bottom) for value in found)


def test_time_is_counted_in_hours_and_then_in_days() -> None:
    assert [label for _, label in days(DAY, DAY + timedelta(hours=5))] == [
        "0 h",
        "1 h",
        "2 h",
        "3 h",
        "4 h",
        "5 h",
    ]
    assert [label for _, label in days(DAY, DAY + timedelta(days=14))] == [
        f"day {day}" for day in (0, 2, 4, 6, 8, 10, 12, 14)
    ]


# --- recipe, bundle, contents -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [*sorted((ROOT / "batches" / "recipes").glob("*.yaml")), ROOT / "tests/batches/report/small.yaml"],
    ids=lambda f: f.stem,
)
def test_the_recipe_reads_back_to_the_same_digest(file: "object") -> None:
    from pathlib import Path

    assert isinstance(file, Path)
    recipe = read(file.read_text(), file.name)
    written = recipe_yaml(recipe, "B-26-0001").decode()
    assert read(written, "recipe.yaml").digest == recipe.digest
    assert f"# SHA-256 {recipe.digest}" in written


@pytest.mark.parametrize(
    "title",
    [
        "yes",
        "37.0",
        "0x1F",
        "1:30",
        "null",
        "2026-11-23",
        "- a: b",
        "'quoted' \"twice\"",
        "a\nb",
        "é ≤ 5",
        "#no",
        "true",
    ],
)
def test_a_text_that_yaml_could_take_for_something_else_reads_back(title: str) -> None:
    source = small_recipe()
    again = read(json.dumps({**source.content, "title": title}), "r.yaml")
    assert read(recipe_yaml(again, "B").decode(), "r.yaml").digest == again.digest


def test_a_bundle_reads_back_byte_for_byte() -> None:
    assert read_bundle(made().to_json()).to_json() == made().to_json()


def test_the_report_names_what_is_critical_changed_and_signed() -> None:
    contents = report(made(), [], judged(made())).contents
    text = json.dumps(contents, ensure_ascii=False).replace("\u00a0", " ")
    for expected in (
        "36.5 °C to 37.5 °C (critical)", "changed, was 90 %: two digits were exchanged (Łucja Nowak (qc)",
        "late entry: performed by Ada Smit, checked by Jörg Öztürk, entered by Wim de Wit", "attempt 2, asked",
        "The next phase begins within 90 min", "supplier lot tissue-77", "L-26-00002, L-26-00003, L-26-00004",
    ):  # fmt: skip
        assert expected in text


def test_a_record_that_cannot_be_followed_is_reported_as_far_as_it_goes() -> None:
    from dataclasses import replace

    from tests.batches.tampering import without

    entries = tuple(without(small().entries, 20))
    broken = replace(bundle(small()), streams=(replace(bundle(small()).stream, entries=entries),))
    found = conform(entries)
    assert found.findings
    contents = report(broken, [], found).contents
    assert "Nonconformities" in json.dumps(contents["review"])
    assert len(contents["audit"][0]["rows"]) == len(entries)  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript] plain JSON
