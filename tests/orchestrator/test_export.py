"""QA exports a batch: a PDF with everything in it, and the same files beside it."""

import asyncio
import csv
import io
import json
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pikepdf
import pytest

from batches.entries import Draft, leaf_hash
from batches.errors import NotFound, StoreError
from batches.ledger import verify_inclusion
from batches.report.bundle import Bundle, Person, read_bundle
from batches.report.files import FILES, MANIFEST, READINGS
from batches.report.readings import read_readings
from batches.report.words import PRINTABLE
from orchestrator.export import export, gather
from orchestrator.historian import Historian
from orchestrator.report_pdf import compiled
from orchestrator.signing import load_key, make_key
from orchestrator.store.memory import MemoryStore
from orchestrator.store.store import DatabaseStore
from orchestrator.verifying import verify
from tests.batches.eventful import eventful, small
from tests.batches.running import Run, person
from tests.orchestrator.recorded import KNOWN, QA, SawTooth, in_memory, write


@cache
def told() -> Run:
    return eventful()


@cache
def store() -> MemoryStore:
    return in_memory(told())


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One export, signed, for the tests that only look."""
    folder = tmp_path_factory.mktemp("out")
    key = make_key(folder / "key", "site.example/kweek")
    export(store(), SawTooth(), "B-26-0001", folder, told().now, QA, KNOWN, key)
    return folder


@pytest.fixture(scope="module")
def pages(out: Path) -> list[str]:
    """The text of each page, blanks and line ends made one."""
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils), which is not on this machine")
    text = subprocess.run(["pdftotext", out / "B-26-0001.pdf", "-"], capture_output=True, check=True)
    return text.stdout.decode().split("\f")[:-1]


def flat(pages: list[str]) -> str:
    return " ".join(" ".join(pages).replace("\u200b", "").split())


def record(out: Path) -> Bundle:
    return read_bundle((out / "B-26-0001" / "record.json").read_bytes())


# --- files ----------------------------------------------------------------------------------------------


def test_the_files_beside_the_pdf_are_those_inside_it(out: Path) -> None:
    beside = {file.name: file.read_bytes() for file in (out / "B-26-0001").iterdir()}
    with pikepdf.open(out / "B-26-0001.pdf") as pdf:
        inside = {name: found.get_file().read_bytes() for name, found in pdf.attachments.items()}
    assert inside == beside
    assert list(FILES) == [
        "record.json",
        "record.xml",
        "recipe.yaml",
        "audit.csv",
        "readings.csv",
        "checkpoint.txt",
        MANIFEST,
    ]
    assert set(inside) == set(FILES)


def test_the_pdf_declares_pdf_a_3u_and_holds_its_files_as_data(out: Path) -> None:
    with pikepdf.open(out / "B-26-0001.pdf") as pdf:
        with pdf.open_metadata() as metadata:
            declared = metadata["pdfaid:part"], metadata["pdfaid:conformance"]
        relations = [str(found.AFRelationship) for found in pdf.Root.AF.as_list()]
        fonts = {str(font.FontDescriptor.FontName) for page in pdf.pages for font in _fonts(page)}
        assert (declared, pdf.pdf_version, pdf.is_encrypted) == (("3", "U"), "1.7", False)
        assert relations == ["/Data"] * len(FILES)
        assert fonts
        assert "/JavaScript" not in pdf.Root.get("/Names", {})


def _fonts(page: pikepdf.Page) -> list[pikepdf.Object]:
    """Fonts of a page that are embedded; one that is not fails here."""
    found = page.resources.get("/Font", {})
    kinds = [font.DescendantFonts[0] for font in found.values()]
    assert all("/FontFile3" in font.FontDescriptor or "/FontFile2" in font.FontDescriptor for font in kinds)
    return kinds


def test_the_same_record_gives_the_same_bytes(out: Path, tmp_path: Path) -> None:
    key = load_key(out / "key")
    export(store(), SawTooth(), "B-26-0001", tmp_path, told().now, QA, KNOWN, key)
    assert (tmp_path / "B-26-0001.pdf").read_bytes() == (out / "B-26-0001.pdf").read_bytes()


def test_readings_are_those_of_the_time_the_batch_had_the_unit(out: Path) -> None:
    readings = read_readings((out / "B-26-0001" / READINGS).read_bytes())
    bound = [
        e
        for e in record(out).entries
        if e.kind in ("unit_bound", "unit_unbound") and "REACTOR-01" in str(e.body)
    ]
    assert {(one.unit, one.tag) for one in readings} == {
        ("REACTOR-01", "glucose"),
        ("REACTOR-01", "temperature"),
    }
    assert min(one.measured_at for one in readings) == bound[0].recorded_at
    assert bound[1].recorded_at - max(one.measured_at for one in readings) <= timedelta(hours=2)


# --- pages ----------------------------------------------------------------------------------------------


def test_every_entry_stands_in_the_pages(out: Path, pages: list[str]) -> None:
    text = flat(pages)
    missing = [
        f"{entry.stream} {entry.number}"
        for copy in record(out).streams for entry in copy.entries if leaf_hash(entry.leaf())[:8] not in text
    ]  # fmt: skip
    assert missing == []


def test_every_page_says_what_it_is(pages: list[str]) -> None:
    for number, page in enumerate(pages, 1):
        assert f"page {number} of {len(pages)}" in page
        assert "SIMULATED — not for GMP use" in page
        assert "Printed 2026-12-01 14:" in page
        assert "UTC by Noor Peeters" in page


def test_the_cover_says_what_matters(pages: list[str]) -> None:
    cover = flat(pages[:1])
    for text in (
        "Small culture", "B-26-0001", "KWDEMO126000001U", "small-culture version 2",
        "the record follows its approved recipe, with 2 authorised departures",
        "no result stands in the way of release", "4 open: D-B-26-0001-1, D-B-26-0001-2, D-B-26-0001-4, D-B-26-0001-5",
        "Noor Peeters (qa), 2026-11-22 08:00:00", "Jörg Öztürk", "Łucja Nowak",
    ):  # fmt: skip
        assert text in cover


def test_exceptions_changes_and_signatures_are_printed(pages: list[str]) -> None:
    text = flat(pages)
    for expected in (
        "Deviations (6)", "Departures (5)", "Corrections (1)", "Time limits (1)", "Refusals (1)", "Excursions (2)",
        "Courier was 10 minutes early; = 2 + 3 °C <ok> & “fine”.", "changed, was 90 %: two digits were",
        "performed by Ada Smit, checked by", "signed: Wim de Wit, approved", "Europe/Amsterdam",
        "There are no entries under: nonconformities.", "Temperature of REACTOR-01 (°C)", "Limits: 36.0 °C to 38.0 °C, critical",
    ):  # fmt: skip
        assert expected in text


def test_bookmarks_are_nested(out: Path) -> None:
    with pikepdf.open(out / "B-26-0001.pdf") as pdf, pdf.open_outline() as outline:
        titles = [item.title for item in outline.root]
        procedure = next(item for item in outline.root if item.title == "Procedure as executed")
        assert titles == [
            "Review by exception", "Procedure as executed", "Trends",
            "Material, samples, signatures, equipment", "Audit trail", "Proof",
        ]  # fmt: skip
        assert [item.title for item in procedure.children] == [
            "Receipt",
            "Culture",
            "Finish/Fill",
            "Finish/Control",
        ]
        assert [item.title for item in procedure.children[0].children] == [
            "Clear/clear_line",
            "Take in/receipt",
        ]


def test_text_without_a_glyph_is_printed_as_its_code_point(tmp_path: Path) -> None:
    run = small()
    run.batch(iter((Draft("note_added", {"text": "Ж 中 😀 \u202e end\x07 naïve"}, person("operator")),)))
    made = export(
        in_memory(run), None, "B-26-0001", tmp_path, run.now, replace(QA, name="Ян Čapek 王"), KNOWN
    )
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils), which is not on this machine")
    text = subprocess.run(["pdftotext", made, "-"], capture_output=True, check=True).stdout.decode()
    assert "Ж [U+4E2D] [U+1F600] [U+202E] end[U+0007] naïve" in " ".join(text.replace("\u200b", "").split())
    assert verify(made).exit_code == 0


def test_every_character_called_printable_has_a_glyph() -> None:
    text = "".join(chr(code) for low, high in PRINTABLE for code in range(low, high + 1))
    layout = b'#set text(font: ("Libertinus Serif", "DejaVu Sans Mono"))\n#json("contents.json")\n'
    made = compiled({"main": layout, "contents.json": json.dumps(text).encode()}, told().now)
    assert made.startswith(b"%PDF-1.7")


# --- what is in it, what is not -------------------------------------------------------------------------


def test_streams_of_others_stay_out_and_excerpts_are_proved(tmp_path: Path) -> None:
    run = told()
    other = Run(run.recipe, run.answer, number="B-26-0002")
    for stream in [name for name in other.streams if not name.startswith("batch/")]:
        del other.streams[stream]
    shared = in_memory(run)

    async def use_elsewhere() -> None:
        from orchestrator.store.port import Item

        body = {"batch": "B-26-0002", "path": "Elsewhere", "quantity": {"value": "1", "unit": "vial"}}
        draft = Draft("lot_consumed", body, person("operator"))
        await shared.submit(Item([("lot/L-26-00003", draft)], run.now)).durable
        await write(other, shared)

    asyncio.run(use_elsewhere())
    bundle = gather(shared, "B-26-0001", run.now, QA, KNOWN)
    assert not any("B-26-0002" in str(e.body) for copy in bundle.streams for e in copy.entries)
    excerpt = next(copy for copy in bundle.streams if copy.stream == "lot/L-26-00003")
    assert (excerpt.whole, excerpt.size, len(excerpt.entries)) == (False, 4, 3)
    for entry in excerpt.entries:
        proof = [bytes.fromhex(step) for step in excerpt.proofs[entry.number]]
        leaf = bytes.fromhex(leaf_hash(entry.leaf()))
        verify_inclusion(leaf, entry.number - 1, excerpt.size, proof, bytes.fromhex(excerpt.root))
    made = export(shared, None, "B-26-0001", tmp_path, run.now, QA, KNOWN)
    assert verify(made).exit_code == 0


def test_people_who_did_not_act_are_not_named(out: Path) -> None:
    named = {one.id for one in record(out).people}
    acted = {e.actor.id for copy in record(out).streams for e in copy.entries if e.actor.kind == "person"}
    assert named == acted
    assert named < {one.id for one in KNOWN}


def test_the_audit_trail_has_a_line_for_every_entry(out: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((out / "B-26-0001" / "audit.csv").read_text(), newline="")))
    entries = [entry for copy in record(out).streams for entry in copy.entries]
    assert [(row["stream"], row["number"]) for row in rows] == [(e.stream, str(e.number)) for e in entries]
    corrected = next(row for row in rows if row["kind"] == "corrected")
    assert (corrected["name"], corrected["role"], corrected["old"], corrected["new"], corrected["reason"]) == (
        "Łucja Nowak", "qc", "viability: 90 %, viable cells: 500 000 000 000 cell",
        "viability: 91.5 %, viable cells: 410 000 000 000 cell", "two digits were exchanged",
    )  # fmt: skip


# --- real stores, bad input ------------------------------------------------------------------------------


def test_a_batch_in_a_database_with_its_historian_is_exported_and_verified(tmp_path: Path) -> None:
    run, kept = small(), SawTooth()
    database = DatabaseStore(f"sqlite:///{tmp_path / 'kweek.db'}")
    historian = Historian(f"sqlite:///{tmp_path / 'historian.db'}")
    try:
        asyncio.run(write(run, database))
        for one in kept.range("REACTOR-01", "temperature", run.entries[0].recorded_at, run.now):
            historian.keep(one.unit, one.tag, one.reading, one.received_at)
        made = export(database, historian, "B-26-0001", tmp_path / "out", run.now, QA, KNOWN)
    finally:
        historian.close()
        database.close()
    assert len(read_readings((tmp_path / "out" / "B-26-0001" / READINGS).read_bytes())) > 100
    assert verify(made).exit_code == 0


def test_a_running_batch_can_be_exported(tmp_path: Path) -> None:
    run = Run(told().recipe).start()
    while run.advance() and len(run.entries) < 40:
        pass
    made = export(in_memory(run), None, "B-26-0001", tmp_path, run.now, QA)
    verdict = verify(made)
    assert (verdict.exit_code, verdict.integrity, verdict.conformance) == (0, "intact", "conforms")
    assert "The batch had not ended when it was exported: it is Running." in verdict.sentences


def test_an_unknown_batch_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no batch B-99-0001"):
        export(store(), None, "B-99-0001", tmp_path, told().now, QA)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        export(store(), None, "B-26-0001", tmp_path / "file", told().now, Person("p-0005"))


@pytest.mark.bench
def test_two_thousand_entries_are_laid_out_quickly(tmp_path: Path) -> None:
    from time import perf_counter

    run = small()
    while len(run.entries) < 2000:
        run.batch(
            iter(
                (
                    Draft(
                        "note_added",
                        {"text": f"remark {len(run.entries)} on the culture"},
                        person("operator"),
                    ),
                )
            )
        )
    filled = in_memory(run)
    started = perf_counter()
    export(filled, None, "B-26-0001", tmp_path, run.now, QA, KNOWN)
    print(f"export of {len(run.entries)} entries: {perf_counter() - started:.2f} s")
