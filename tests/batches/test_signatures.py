from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.entries import Draft, Entry
from batches.errors import BadInput, RecordError
from batches.ledger import Tree, leaf_hashes
from batches.signatures import Signature, read_signature, valid
from tests.batches.record_helpers import sealed

STREAM = "batch/B-1"


def record(size: int, *more: Draft, stream: str = STREAM) -> list[Entry]:
    return sealed(stream, [*(Draft("note_added", {"text": f"note {n}"}) for n in range(size)), *more])


def signed(entries: list[Entry], first: int, last: int) -> Signature:
    root = Tree(leaf_hashes(entries)).root(last).hex()
    return Signature(STREAM, first, last, root, "reviewed", "p-9", "Quinn Aerts", "qa", "Europe/Brussels")


def correction(of: int) -> Draft:
    return Draft("corrected", {"entry": of, "reason": "misread"})


def test_a_signature_stands_while_the_record_grows() -> None:
    signature = signed(record(6), 3, 5)
    assert valid(signature, record(6)) == ()
    longer = record(6, Draft("note_added", {"text": "later"}), correction(of=2), correction(of=6))
    assert valid(signature, longer) == ()
    assert valid(signature, longer, Tree(leaf_hashes(longer))) == ()


@pytest.mark.parametrize("kind", ["corrected", "lot_corrected"])
def test_a_correction_of_what_it_covers_voids_it_and_is_named(kind: str) -> None:
    corrected = record(6, replace(correction(of=4), kind=kind))
    assert valid(signed(record(6), 3, 5), corrected) == (
        "The signature of Quinn Aerts on entries 3 to 5 of batch/B-1 is void: entry 7 corrects entry 4, which it covers.",
    )
    assert valid(signed(corrected, 3, 7), corrected) == (), "the signer saw this correction"


def test_a_correction_that_was_erased_is_not_taken_to_be_harmless() -> None:
    entries = record(6, correction(of=1))
    entries[6] = replace(entries[6], body=None, salt=None)
    assert valid(signed(record(6), 3, 5), entries) == (
        "The signature of Quinn Aerts on entries 3 to 5 of batch/B-1 is void: entry 7, a correction, was erased and may concern it.",
    )


def test_a_signature_on_what_was_altered_or_lost_is_void() -> None:
    entries = record(6)
    signature = signed(entries, 3, 5)
    altered = [replace(entries[0], kind="forged"), *entries[1:]]
    assert valid(signature, altered) == (
        "The signature of Quinn Aerts on entries 3 to 5 of batch/B-1 is void: what was signed is not what stands there now.",
    )
    assert "has only 4 entries" in valid(signature, entries[:4])[0]
    assert "has only 0 entries" in valid(signature, [])[0]


def test_a_signature_cannot_be_moved_to_another_record() -> None:
    other = record(6, stream="batch/B-2")
    assert "made on another record than batch/B-2" in valid(signed(record(6), 3, 5), other)[0]
    assert "not what stands there" in valid(replace(signed(record(6), 3, 5), stream="batch/B-2"), other)[0]


def test_a_signature_reads_back_with_the_same_digest() -> None:
    signature = signed(record(6), 3, 5)
    assert read_signature(signature.content()) == signature
    assert read_signature(signature.content()).digest() == signature.digest()
    assert len(signature.digest()) == 64


@given(st.sampled_from(["stream", "root", "meaning", "signer", "name", "role", "zone", "first", "last"]))
def test_every_part_counts_in_the_digest(part: str) -> None:
    signature = signed(record(6), 3, 5)
    changes = {"meaning": "approved", "first": 2, "last": 6}
    assert replace(signature, **{part: changes.get(part, "another")}).digest() != signature.digest()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"first": 0}, "cannot be signed"),
        ({"first": 6}, "cannot be signed"),
        ({"meaning": "liked"}, "cannot mean 'liked'; choose one of performed"),
        ({"signer": " "}, "signer's person"),
        ({"name": ""}, "signer's printed name"),
        ({"role": ""}, "signer's role"),
        ({"zone": ""}, "signer's time zone"),
    ],
)
def test_a_signature_that_says_too_little_is_refused(change: dict[str, str | int], complaint: str) -> None:
    signature = signed(record(6), 3, 5)
    with pytest.raises(BadInput, match=complaint):
        replace(signature, **change)
    with pytest.raises(RecordError, match=complaint):
        read_signature({**signature.content(), **change})


def test_a_signature_of_an_unknown_version_is_not_guessed_at() -> None:
    with pytest.raises(RecordError, match="signature version 2 is unknown"):
        read_signature({**signed(record(6), 3, 5).content(), "signature": 2})
