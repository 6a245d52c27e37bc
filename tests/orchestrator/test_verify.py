"""Anybody checks an export with nothing but the file: whatever was done to it is found and named."""

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.checkpoint import Checkpoint
from batches.entries import Actor, Entry
from batches.errors import BadInput, StoreError
from batches.integrity import Seal, check_streams
from batches.ledger import Tree, leaf_hashes
from batches.report.bundle import Bundle, StreamCopy, read_bundle
from batches.report.files import FILES, MANIFEST, RECORD, manifest_text, rendered
from batches.verify import Verdict, judged, verify_bundle
from orchestrator.export import export
from orchestrator.signing import SigningKey, load_key, make_key, read_key, read_keys
from orchestrator.verifying import read_export, verify
from tests.batches.eventful import eventful
from tests.batches.tampering import at, by, changed, first, resealed, saying
from tests.conftest import ROOT
from tests.orchestrator.recorded import KNOWN, QA, SawTooth, in_memory

BATCH = "batch/B-26-0001"
Files = Mapping[str, bytes]


@cache
def site() -> SigningKey:
    with TemporaryDirectory() as folder:
        return make_key(Path(folder) / "key", "site.example/kweek")


@cache
def exported() -> dict[str, bytes]:
    """Every file of a signed export, and its PDF under 'pdf'."""
    run = eventful()
    with TemporaryDirectory() as folder:
        made = export(in_memory(run), SawTooth(), "B-26-0001", Path(folder), run.now, QA, KNOWN, site())
        return {**read_export(Path(folder) / "B-26-0001"), "pdf": made.read_bytes()}


def files(**other: bytes) -> dict[str, bytes]:
    return {name: content for name, content in exported().items() if name != "pdf"} | other


@cache
def bundle() -> Bundle:
    return read_bundle(files()[RECORD])


def judge(given: Files, pinned: bool = False) -> Verdict:
    return verify_bundle(given, read_key, [read_key(site().verifier)] if pinned else ())


def altered(given: Files) -> tuple[str, ...]:
    """What is said of files that are altered."""
    verdict = judge(given)
    assert (verdict.exit_code, verdict.integrity) == (1, "altered")
    return verdict.sentences


def with_entries(entries: list[Entry], of: Bundle | None = None) -> Bundle:
    """The bundle with other entries in the batch's stream; what is said of the stream stays."""
    whole = of or bundle()
    return replace(whole, streams=(replace(whole.stream, entries=tuple(entries)), *whole.streams[1:]))


def forged(made: Bundle, key: SigningKey | None) -> dict[str, bytes]:
    """A whole export of a forged bundle: every root, file and digest right, signed with `key`."""
    copies = [_recounted(copy, key) for copy in made.streams]
    made = replace(made, streams=tuple(copies), key="" if key is None else key.verifier)
    made = read_bundle(made.to_json())
    content = rendered(made, judged(made)) | {"readings.csv": files()["readings.csv"]}
    text = manifest_text(made.batch, content)
    return content | {MANIFEST: (text if key is None else key.note(text)).encode()}


def _recounted(copy: StreamCopy, key: SigningKey | None) -> StreamCopy:
    root = Tree(leaf_hashes(copy.entries)).root()
    name = "kweek" if key is None else key.name
    text = Checkpoint(f"{name}/{copy.stream}", len(copy.entries), root).text()
    note = text if key is None else key.note(text)
    return replace(copy, size=len(copy.entries), root=root.hex(), checkpoint=note)


# --- as it was exported -----------------------------------------------------------------------------------


def test_an_export_is_verified_from_its_pdf_and_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "B.pdf").write_bytes(exported()["pdf"])
    for name, content in files().items():
        (tmp_path / name).write_bytes(content)
    told = (
        "Departure C-B-26-0001-1 (applied): the weekend shift ends earlier",
        "Departure C-B-26-0001-2 (confirmed): one count more before disposal",
        f"Signed with the key site.example/kweek ({read_key(site().verifier).id.hex()}), which the record itself "
        "names: compare it with the one the site publishes.",
        "The batch is SIMULATED: not for GMP use.",
    )
    assert verify(tmp_path) == Verdict(0, "intact", "conforms", told)
    pages = "The printed pages are those of the record."
    assert verify(tmp_path / "B.pdf") == Verdict(0, "intact", "conforms", (*told, pages))


def test_a_key_that_is_known_here_is_named_as_known() -> None:
    verdict = judge(files(), pinned=True)
    assert verdict.exit_code == 0
    assert any(
        sentence.startswith("Signed with a key known here: site.example/kweek")
        for sentence in verdict.sentences
    )


def test_verifying_needs_no_database_device_or_web(tmp_path: Path) -> None:
    (tmp_path / "B.pdf").write_bytes(exported()["pdf"])
    code = (
        "import sys; from pathlib import Path; from orchestrator.verifying import verify; "
        f"print(verify(Path({str(tmp_path / 'B.pdf')!r})).exit_code); "
        "print(*sorted({name.split('.')[0] for name in sys.modules} & "
        "{'sqlalchemy', 'sqlmodel', 'fastapi', 'devices', 'simulations', 'asyncua', 'pysqlite3', 'psycopg', 'uvicorn'}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("0\n\n", "")


# --- a byte, a file --------------------------------------------------------------------------------------


@given(name=st.sampled_from(sorted(FILES)), data=st.data())
@settings(max_examples=30)
def test_one_byte_changed_in_any_file_is_found(name: str, data: st.DataObject) -> None:
    content = bytearray(files()[name])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.sampled_from(sorted(set(b"aZ09 \n\x00") - {content[place]})))
    sentences = altered(files(**{name: bytes(content)}))
    assert any(name in sentence or (name == RECORD and "Entry " in sentence) for sentence in sentences)


@pytest.mark.parametrize("name", sorted(set(FILES) - {RECORD, MANIFEST}))
def test_a_missing_file_is_named(name: str) -> None:
    assert f"{name} is missing: the manifest names it." in altered(
        {n: c for n, c in files().items() if n != name}
    )


def test_a_missing_manifest_is_named() -> None:
    rest = {name: content for name, content in files().items() if name != MANIFEST}
    assert "manifest.txt is missing: nothing says which files the export had." in altered(rest)


def test_an_added_file_is_named() -> None:
    assert "notes.txt was added: the manifest does not name it." in altered(files(**{"notes.txt": b"x"}))


def test_a_file_that_was_exchanged_with_its_digest_does_not_agree_with_the_record() -> None:
    """The manifest is right, by an insider who can sign; the audit trail is not that of the record."""
    content = files(
        **{"audit.csv": files()["audit.csv"].replace(b"two digits were exchanged", b"measured again")}
    )
    note = site().note(manifest_text("B-26-0001", content)).encode()
    number = next(
        i for i, line in enumerate(content["audit.csv"].splitlines(), 1) if b"measured again" in line
    )
    assert altered({**content, MANIFEST: note})[0] == (
        f"audit.csv does not agree with record.json: line {number} was changed, added or removed."
    )


# --- entries ----------------------------------------------------------------------------------------------

NUMBERS = st.integers(1, 163)


def test_the_entries_to_hit_are_all_of_them() -> None:
    assert len(bundle().entries) == 163


def named(entries: list[Entry]) -> str:
    """What is said first of a record in which the batch's entries were replaced by these."""
    seal = Seal((read_key(site().verifier),), pinned=True)
    return next(check_streams(read_bundle(with_entries(entries).to_json()), seal))


def test_what_is_said_of_an_entry_is_the_first_sentence_of_the_verdict() -> None:
    entries = [entry for entry in bundle().entries if entry.number != 50]
    given = files(**{RECORD: with_entries(entries).to_json()})
    assert altered(given)[:2] == (
        f"Entry 50 of {BATCH} is missing: entry 51 stands in its place.",
        "record.json was altered: its digest is not that of the manifest.",
    )


@given(number=NUMBERS)
@settings(max_examples=30)
def test_a_changed_entry_is_named(number: int) -> None:
    entries = list(bundle().entries)
    entries[number - 1] = saying(added="by hand")(entries[number - 1])
    assert named(entries) == (f"Entry {number} of {BATCH} was changed: its content is not what was sealed.")


@given(number=NUMBERS)
@settings(max_examples=30)
def test_a_deleted_entry_is_named(number: int) -> None:
    entries = [entry for entry in bundle().entries if entry.number != number]
    sentence = named(entries)
    assert sentence.startswith(f"Entry {number} of {BATCH}")
    assert "missing" in sentence


@given(number=st.integers(1, 162))
@settings(max_examples=30)
def test_entries_that_changed_places_are_named(number: int) -> None:
    entries = list(bundle().entries)
    entries[number - 1 : number + 1] = reversed(entries[number - 1 : number + 1])
    assert named(entries) == f"Entry {number + 1} of {BATCH} stands in the place of entry {number}."


@given(number=NUMBERS, place=st.integers(0, 162))
@settings(max_examples=30)
def test_an_entry_put_in_twice_is_named(number: int, place: int) -> None:
    entries = list(bundle().entries)
    entries.insert(place, entries[number - 1])
    sentence = named(entries)
    assert sentence == f"Entry 164 of {BATCH} was added: the record counts 163."


@given(number=NUMBERS, minutes=st.integers(1, 10_000))
@settings(max_examples=30)
def test_a_redated_entry_is_named(number: int, minutes: int) -> None:
    entries = list(bundle().entries)
    entries[number - 1] = at(entries[number - 1].recorded_at - timedelta(minutes=minutes))(
        entries[number - 1]
    )
    sentence = named(entries)
    assert sentence.startswith(f"Entry {number} of {BATCH}")
    assert "was changed" in sentence


@given(length=st.integers(1, 162))
@settings(max_examples=30)
def test_a_tail_cut_off_is_named(length: int) -> None:
    sentence = named(list(bundle().entries[:length]))
    assert f" {length + 1} " in sentence
    assert sentence.endswith("missing: the checkpoint counts 163.")


@given(stream=st.integers(1, 8), data=st.data())
@settings(max_examples=20)
def test_an_entry_changed_in_another_stream_is_named(stream: int, data: st.DataObject) -> None:
    copy = bundle().streams[stream]
    number = data.draw(st.integers(1, len(copy.entries)))
    entries = list(copy.entries)
    entries[number - 1] = by(Actor("person", "p-0007", "qp"))(entries[number - 1])
    copies = [*bundle().streams]
    copies[stream] = replace(copy, entries=tuple(entries))
    seal = Seal((read_key(site().verifier),), pinned=True)
    sentence = next(check_streams(replace(bundle(), streams=tuple(copies)), seal))
    assert sentence.startswith(f"Entry {number} of {copy.stream}")


# --- forgers ----------------------------------------------------------------------------------------------


def without_harvest_signature() -> Bundle:
    """What a forger wants: another result, with every hash right."""
    number = first(bundle().entries, "note_added").number
    return with_entries(changed(bundle().entries, number, saying(text="nothing happened")))


def test_a_chain_rehashed_without_the_key_does_not_fit_its_signatures() -> None:
    """Everything is made anew but the signatures, which are taken from the real export."""
    made = forged(without_harvest_signature(), None)
    fake = read_bundle(made[RECORD])
    copies = [replace(copy, checkpoint=_signed_as_before(copy, n)) for n, copy in enumerate(fake.streams)]
    fake = read_bundle(replace(fake, streams=tuple(copies), key=bundle().key).to_json())
    content = rendered(fake, judged(fake)) | {"readings.csv": files()["readings.csv"]}
    line = files()[MANIFEST].decode().rpartition("\n\n")[2]
    manifest = f"{manifest_text('B-26-0001', content)}\n{line}".encode()
    sentences = altered(content | {MANIFEST: manifest})
    assert sentences[0] == (
        f"The checkpoint of {BATCH} was altered: The signature of site.example/kweek does not fit the note: one of "
        "the two was altered."
    )
    assert any(
        sentence.startswith("manifest.txt was altered: The signature of site.example/kweek")
        for sentence in sentences
    )


def _signed_as_before(copy: StreamCopy, number: int) -> str:
    """The new checkpoint's text under the old one's signature."""
    old = bundle().streams[number].checkpoint
    text = copy.checkpoint.replace("kweek/", "site.example/kweek/", 1)
    return f"{text}\n{old.rpartition(chr(10) * 2)[2]}"


def test_an_unsigned_record_says_so_and_does_not_pass_for_one_who_knows_the_key() -> None:
    made = forged(bundle(), None)
    verdict = judge(made)
    assert (verdict.exit_code, verdict.integrity) == (0, "intact")
    assert any(sentence.startswith("The record is not signed") for sentence in verdict.sentences)
    assert judge(made, pinned=True).integrity == "altered"


def test_a_record_signed_by_somebody_else_names_that_key_and_does_not_pass_for_one_who_knows_the_key(
    tmp_path: Path,
) -> None:
    other = make_key(tmp_path / "key", "forger.example/kweek")
    made = forged(without_harvest_signature(), other)
    verdict = judge(made)
    assert verdict.exit_code == 0
    assert any("forger.example/kweek" in sentence for sentence in verdict.sentences)
    verdict = judge(made, pinned=True)
    assert (verdict.exit_code, verdict.integrity) == (1, "altered")
    assert "No key known here signed this note (site.example/kweek)." in verdict.sentences[0]


def forge_reply(entries: tuple[Entry, ...]) -> list[Entry]:
    return changed(entries, first(entries, "step_done", reply="harvest").number, saying(reply="continue"))


def forge_answerer(entries: tuple[Entry, ...]) -> list[Entry]:
    entry = next(e for e in entries if e.kind == "step_done" and "performer" in e.content())
    return changed(entries, entry.number, by(Actor("person", str(entry.content()["performer"]), "operator")))


def forge_cut(entries: tuple[Entry, ...]) -> list[Entry]:
    return resealed(entry for entry in entries if entry.kind != "deviation_opened")


@pytest.mark.parametrize("forge", [forge_reply, forge_answerer, forge_cut])
def test_a_forgery_by_one_who_has_the_key_does_not_conform(
    forge: Callable[[tuple[Entry, ...]], list[Entry]],
) -> None:
    verdict = judge(forged(with_entries(forge(bundle().entries)), site()), pinned=True)
    assert (verdict.exit_code, verdict.integrity, verdict.conformance) == (1, "intact", "does not conform")
    assert verdict.sentences[0].startswith("Entry ")


@pytest.mark.parametrize(
    ("stream", "kind", "sentence"),
    [
        (
            "lot/L-26-00002",
            "lot_released",
            "Lot L-26-00002 was not to be used here: Lot L-26-00002 is in quarantine",
        ),
        (
            "lot/L-26-00002",
            "lot_consumed",
            "Lot L-26-00002 was used here, but its own stream does not say so.",
        ),
        (
            "lot/L-26-00005",
            "lot_produced",
            "Lot L-26-00005 was made here, but its own stream does not say so.",
        ),
        (
            "recipe/small-culture",
            "recipe_approved",
            "Recipe small-culture version 2: the export holds no approval",
        ),
    ],
)
def test_what_another_stream_should_say_and_does_not_is_found(stream: str, kind: str, sentence: str) -> None:
    copies = [
        replace(
            copy, entries=tuple(resealed(e for e in copy.entries if (e.stream, e.kind) != (stream, kind)))
        )
        for copy in bundle().streams
    ]
    verdict = judge(forged(replace(bundle(), streams=tuple(copies)), site()))
    assert (verdict.exit_code, verdict.integrity, verdict.conformance) == (1, "intact", "does not conform")
    assert any(sentence in one for one in verdict.sentences)


def test_a_recipe_approved_by_its_author_is_found() -> None:
    copies = [
        replace(copy, entries=tuple(resealed(
            replace(e, actor=Actor("person", "p-0001", "qa")) if e.kind == "recipe_approved" else e for e in copy.entries
        )))
        for copy in bundle().streams
    ]  # fmt: skip
    verdict = judge(forged(replace(bundle(), streams=tuple(copies)), site()))
    assert verdict.sentences[0] == (
        "Entry 1: Recipe small-culture version 2 was not approved by a second person of the quality unit."
    )


# --- the PDF ----------------------------------------------------------------------------------------------


def pdf_with(**attached: bytes) -> bytes:
    """The exported PDF with other attachments."""
    with pikepdf.open(io.BytesIO(exported()["pdf"])) as pdf:
        for name, content in attached.items():
            pdf.attachments[name] = pikepdf.AttachedFileSpec(
                pdf,
                content,
                filename=name,
                description="",
                mime_type="text/plain",
                creation_date="",
                mod_date="",
            )
        saved = io.BytesIO()
        pdf.save(saved)
        return saved.getvalue()


def test_a_page_that_was_altered_is_found(tmp_path: Path) -> None:
    with pikepdf.open(io.BytesIO(exported()["pdf"])) as pdf:
        pdf.pages[0].contents_add(b"BT /F0 12 Tf 100 100 Td (released) Tj ET")
        pdf.save(tmp_path / "B.pdf")
    verdict = verify(tmp_path / "B.pdf")
    assert (verdict.exit_code, verdict.integrity, verdict.conformance) == (1, "altered", "conforms")
    assert verdict.sentences[0] == "The PDF was altered: its pages are not those that the record gives."


def test_an_attachment_that_was_exchanged_is_found(tmp_path: Path) -> None:
    readings = files()["readings.csv"].replace(b",37.0", b",37.1", 1)
    (tmp_path / "B.pdf").write_bytes(pdf_with(**{"readings.csv": readings, "extra.txt": b"x"}))
    sentences = verify(tmp_path / "B.pdf").sentences
    assert "readings.csv was altered: its digest is not that of the manifest." in sentences
    assert "extra.txt was added: the manifest does not name it." in sentences


@given(data=st.data())
@settings(max_examples=10)
def test_one_byte_changed_in_the_pdf_is_found(data: st.DataObject) -> None:
    content = bytearray(exported()["pdf"])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with TemporaryDirectory() as folder:
        (Path(folder) / "B.pdf").write_bytes(content)
        verdict = verify(Path(folder) / "B.pdf")
    assert verdict.exit_code in (1, 2)
    assert verdict.integrity in ("altered", "unreadable")


def test_what_other_software_worded_is_held_against_the_manifest_only(tmp_path: Path) -> None:
    made = forged(replace(bundle(), software={**bundle().software, "typst": "0.1.0"}), site())
    worded = {**made, "audit.csv": made["audit.csv"].replace(b"Departure", b"Change")}
    worded[MANIFEST] = site().note(manifest_text("B-26-0001", worded)).encode()
    (tmp_path / "B.pdf").write_bytes(pdf_with(**worded))
    verdict = verify(tmp_path / "B.pdf")
    assert verdict.exit_code == 0
    assert verdict.sentences[-3:] == (
        "record.xml and audit.csv were held against the manifest only, because other software worded them: typst 0.1.0.",
        "The batch is SIMULATED: not for GMP use.",
        "The printed pages were not compared, because other software laid them out: typst 0.1.0.",
    )


@pytest.mark.parametrize("change", [(b"60 rpm", b"61 rpm"), (b"recipe:", b"recipe"), (b"small", b"\xff")])
def test_another_recipe_does_not_agree_whoever_worded_it(change: tuple[bytes, bytes]) -> None:
    made = forged(replace(bundle(), software={"kweek": "0.0.1"}), site())
    made["recipe.yaml"] = made["recipe.yaml"].replace(*change)
    made[MANIFEST] = site().note(manifest_text("B-26-0001", made)).encode()
    verdict = verify_bundle(made, read_key, software={"kweek": "0.2.0"})
    assert verdict.sentences[0] == "recipe.yaml does not agree with record.json: it is another recipe."
    assert verdict.integrity == "altered"


# --- what cannot be read ----------------------------------------------------------------------------------


def test_what_is_no_record_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "text.pdf").write_bytes(b"no PDF at all")
    (tmp_path / "empty.pdf").write_bytes(b"")
    pikepdf.new().save(tmp_path / "bare.pdf")
    (tmp_path / "folder").mkdir()
    said = {
        name: verify(tmp_path / name)
        for name in ("text.pdf", "empty.pdf", "bare.pdf", "folder", "absent.pdf")
    }
    assert {(one.exit_code, one.integrity, one.conformance) for one in said.values()} == {
        (2, "unreadable", "not judged")
    }
    assert said["text.pdf"].sentences[0].startswith("text.pdf is not a PDF that can be read")
    assert said["bare.pdf"].sentences == (
        "There is no record.json here; give the PDF or the folder of an export.",
    )
    assert "give the PDF or the folder of an export." in said["absent.pdf"].sentences[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "record.json cannot be read: This is not plain JSON"),
        (b"[]", "record.json is not a record of Kweek"),
        (b'{"kweek_record":9}', "record.json has the format 9, unknown here; use a newer Kweek."),
        (b'{"kweek_record":1}', "should be an object"),
        (b'{"kweek_record":1.5}', "the number 1.5 has a fraction"),
    ],
)
def test_a_record_that_cannot_be_read_is_unreadable(content: bytes, sentence: str) -> None:
    verdict = judge({RECORD: content})
    assert (verdict.exit_code, verdict.integrity) == (2, "unreadable")
    assert sentence in verdict.sentences[0]


def test_a_member_that_is_none_of_a_record_is_found() -> None:
    found = json.loads(files()[RECORD])
    found["people"][0]["salary"] = 1
    content = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert (
        "record.json was altered: it is not in canonical form, or holds members that are none of a record."
        in altered(files(**{RECORD: content}))
    )


def test_a_verdict_can_be_printed_for_a_machine() -> None:
    plain = judge(files()).plain()
    assert (plain["exit_code"], plain["integrity"], plain["conformance"]) == (0, "intact", "conforms")
    assert json.loads(json.dumps(plain)) == plain


# --- keys -------------------------------------------------------------------------------------------------


def test_a_key_is_kept_in_a_file_of_its_own_and_read_back(tmp_path: Path) -> None:
    made = make_key(tmp_path / "key", "site.example/kweek")
    assert load_key(tmp_path / "key").verifier == made.verifier
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "known").write_text(f"# keys of the site\n{made.verifier}\n\n")
    assert [key.name for key in read_keys(tmp_path / "known")] == ["site.example/kweek"]
    with pytest.raises(StoreError, match="cannot be written"):
        make_key(tmp_path / "key", "site.example/kweek")


@pytest.mark.parametrize("text", ["", "name", "a+b+c", "site+00000000+AQ==", "x+y+" + "A" * 44])
def test_a_text_that_is_no_key_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="key"):
        read_key(text)
    (tmp_path / "key").write_text(f"PRIVATE+KEY+{text}")
    with pytest.raises(BadInput, match="key"):
        load_key(tmp_path / "key")


def test_a_key_of_another_name_is_refused() -> None:
    name, rest = site().verifier.split("+", 1)
    with pytest.raises(BadInput, match="part of it was changed"):
        read_key(f"{name}x+{rest}")
    assert (
        hashlib.sha256(read_key(site().verifier).public).hexdigest()
        == hashlib.sha256(site().public).hexdigest()
    )
