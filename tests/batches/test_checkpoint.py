import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from batches.checkpoint import (
    Checkpoint,
    NoteKey,
    key_id,
    note,
    open_note,
    read_checkpoint,
    signature_line,
    verifier_text,
)
from batches.errors import BadInput, RecordError

ORIGIN = "site.example/kweek/batch/B-26-0007"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
POINT = Checkpoint(ORIGIN, 7, bytes(range(32)))


def key(name: str, public: bytes) -> NoteKey:
    def verify(signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return NoteKey(name, public, verify)


KEY = key(ORIGIN, PUBLIC)
LINE = signature_line(POINT.text(), ORIGIN, PUBLIC, PRIVATE.sign)
NOTE = note(POINT.text(), LINE)


# -- the published example of the note format (Go, golang.org/x/mod/sumdb/note) ----------------------

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_published_note_opens_with_its_key() -> None:
    name, known_id, text = PETER.split("+", 2)
    public = base64.b64decode(text)[1:]
    assert verifier_text(name, public) == PETER
    assert key_id(name, public).hex() == known_id
    text, signed = open_note(PETERS_NOTE, [key(name, public)])
    assert signed == ("PeterNeumann",)
    assert text.endswith("what your problem is.\n")


# -- checkpoints -------------------------------------------------------------------------------------


def test_a_checkpoint_has_three_lines_and_reads_back() -> None:
    assert POINT.text() == f"{ORIGIN}\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert read_checkpoint(POINT.text()) == POINT
    assert read_checkpoint(POINT.text() + "extension\n") == POINT


@given(
    st.from_regex(r"[a-z./-]{1,20}", fullmatch=True),
    st.integers(0, 2**60),
    st.binary(min_size=32, max_size=32),
)
def test_every_checkpoint_reads_back(origin: str, size: int, root: bytes) -> None:
    assert read_checkpoint(Checkpoint(origin, size, root).text()) == Checkpoint(origin, size, root)


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "log\n7\n", "log\n07\nAAAA\n", "log\n-7\nAAAA\n", POINT.text()[:-1], POINT.text() + "\n",
        POINT.text().replace("\n7\n", "\n７\n"), POINT.text().replace("8=", "9="), POINT.text().replace("=", ""),
        POINT.text().replace("AAEC", "AA C"), "two words" + POINT.text()[len(ORIGIN) :], "log\n1\nAAAA\n",
        POINT.text() + "extension\n\nextension\n",
    ],
)  # fmt: skip
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        read_checkpoint(text)


@pytest.mark.parametrize("origin", ["", "with blank", "with+plus", "with\nline", "with\u2003space"])
def test_an_origin_has_no_blank_and_no_plus(origin: str) -> None:
    with pytest.raises(BadInput, match="cannot be the origin of a log"):
        Checkpoint(origin, 1, bytes(32))


def test_a_checkpoint_needs_a_size_and_a_whole_root() -> None:
    for size, root in ((-1, bytes(32)), (1, bytes(31))):
        with pytest.raises(BadInput, match="needs a size from 0 and a root of 32 bytes"):
            Checkpoint(ORIGIN, size, root)


# -- notes -------------------------------------------------------------------------------------------


def test_a_signed_checkpoint_opens_with_the_key_of_the_log() -> None:
    assert open_note(NOTE, [KEY]) == (POINT.text(), (ORIGIN,))


def test_signatures_of_unknown_keys_are_passed_over_but_one_must_be_known() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public = stranger.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    same_name = signature_line(POINT.text(), ORIGIN, public, stranger.sign)
    assert open_note(note(POINT.text(), same_name, LINE), [KEY]) == (POINT.text(), (ORIGIN,))
    with pytest.raises(RecordError, match="No key known here signed this note"):
        open_note(note(POINT.text(), same_name), [KEY])
    witness = key("witness.example", public)
    line = signature_line(POINT.text(), "witness.example", public, stranger.sign)
    assert open_note(note(POINT.text(), LINE, line), [KEY, witness])[1] == (ORIGIN, "witness.example")


def test_a_known_key_that_fails_spoils_the_note() -> None:
    with pytest.raises(RecordError, match=f"The signature of {ORIGIN} does not fit"):
        open_note(NOTE.replace("\n7\n", "\n8\n"), [KEY])
    forged = signature_line("log\n1\n", ORIGIN, PUBLIC, PRIVATE.sign)
    with pytest.raises(RecordError, match="does not fit"):
        open_note(note(POINT.text(), forged, LINE), [KEY])


@pytest.mark.parametrize(
    "message",
    [
        "", POINT.text(), POINT.text() + LINE, NOTE[:-1], NOTE + "\n", POINT.text() + "\n", "a\tb\n\n" + LINE,
        NOTE.replace("— ", "- "), POINT.text() + "\n— name AAAA\n", POINT.text() + "\n— name +++\n", NOTE.replace("=", "", 2),
        POINT.text() + "\n" + LINE * 101, "\ud800\n\n" + LINE, POINT.text() + "\n" + LINE.replace(ORIGIN, "a+b"),
    ],
)  # fmt: skip
def test_what_is_not_a_signed_note_is_refused(message: str) -> None:
    with pytest.raises(RecordError):
        open_note(message, [KEY])


def test_a_note_that_could_not_be_read_is_not_written() -> None:
    with pytest.raises(BadInput, match="at least one signature"):
        note(POINT.text())
    for text in ("no newline", "tab\tinside\n"):
        with pytest.raises(BadInput, match="ends in a newline"):
            signature_line(text, ORIGIN, PUBLIC, PRIVATE.sign)


@given(st.integers(0, len(NOTE.encode()) - 1), st.integers(1, 255))
def test_no_byte_of_a_note_can_be_changed(place: int, change: int) -> None:
    altered = bytearray(NOTE.encode())
    altered[place] ^= change
    with pytest.raises((RecordError, UnicodeDecodeError)):
        open_note(altered.decode(), [KEY])
