"""Checkpoints: what a log says of itself (origin, size, root), and the note that signs it.

Formats: C2SP tlog-checkpoint and signed-note. The signature algorithm is a parameter: a key that can
sign or verify is passed in, with its name, type byte and public key.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batches.errors import BadInput, RecordError

ED25519 = 0x01
"""The type byte of an Ed25519 signature of a note."""
MOST_SIGNATURES = 100
_SIGNATURE = re.compile(r"— (\S+) ([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log at one moment: `origin` names the log ('site.example/kweek/batch/B-26-0007'), `size`
    counts its leaves, `root` is the root hash over them."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        _check_name(self.origin, "origin")
        if self.size < 0 or len(self.root) != 32:
            raise BadInput(f"A checkpoint of {self.origin} needs a size from 0 and a root of 32 bytes.")

    def text(self) -> str:
        """The note text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note text; extension lines are passed over. Raises RecordError."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or "" in lines[:-1] or _SIZE.fullmatch(lines[1]) is None:
        raise RecordError(
            f"This is not a checkpoint: {text[:60]!r}; it needs the lines origin, size and root."
        )
    origin, size, root = lines[:3]
    try:
        return Checkpoint(origin, int(size), _decoded(root))
    except BadInput as error:
        raise RecordError(f"This is not a checkpoint: {error}") from error


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A public key by its name in notes. `verify(signature, message)` says whether it fits."""

    name: str
    public: bytes
    verify: Callable[[bytes, bytes], bool]
    type: int = ED25519

    @property
    def id(self) -> bytes:
        return key_id(self.name, self.public, self.type)


def key_id(name: str, public: bytes, type_byte: int = ED25519) -> bytes:
    """The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key)."""
    _check_name(name, "key name")
    return hashlib.sha256(name.encode() + b"\n" + bytes([type_byte]) + public).digest()[:4]


def verifier_text(name: str, public: bytes, type_byte: int = ED25519) -> str:
    """How a verifier's key is handed on: 'name+id+key'."""
    key = base64.b64encode(bytes([type_byte]) + public).decode()
    return f"{name}+{key_id(name, public, type_byte).hex()}+{key}"


def signature_line(
    text: str, name: str, public: bytes, sign: Callable[[bytes], bytes], type_byte: int = ED25519
) -> str:
    """The line that signs a note text: '— name base64(key id ‖ signature)'. Raises BadInput."""
    _check_text(text)
    signed = key_id(name, public, type_byte) + sign(text.encode())
    return f"— {name} {base64.b64encode(signed).decode()}\n"


def note(text: str, *lines: str) -> str:
    """A signed note of a text and its signature lines. Raises BadInput without any."""
    _check_text(text)
    if not lines:
        raise BadInput("A note needs at least one signature; sign it first.")
    return text + "\n" + "".join(lines)


def open_note(message: str, keys: Sequence[NoteKey]) -> tuple[str, tuple[str, ...]]:
    """The text of a note, and the names of the known keys that signed it.

    Signatures of unknown keys are passed over; the first of each known key must fit. Raises
    RecordError for a malformed note, for a known key whose signature fails, and if none is known.
    """
    text, lines = _parted(message)
    signed: list[str] = []
    seen = set[tuple[str, bytes]]()
    for name, signature in map(_signature, lines):
        for key in keys:
            if (key.name, key.id) != (name, signature[:4]) or (name, key.id) in seen:
                continue
            seen.add((name, key.id))
            if not key.verify(signature[4:], text.encode()):
                raise RecordError(
                    f"The signature of {name} does not fit the note: one of the two was altered."
                )
            signed.append(name)
    if not signed:
        raise RecordError(
            f"No key known here signed this note ({', '.join(key.name for key in keys) or 'none known'})."
        )
    return text, tuple(signed)


def _parted(message: str) -> tuple[str, list[str]]:
    end = message.rfind("\n\n")
    text, rest = message[: end + 1], message[end + 2 :]
    lines = rest.split("\n")[:-1]
    if end < 0 or not rest.endswith("\n") or not lines or len(lines) > MOST_SIGNATURES:
        raise RecordError(
            "This is not a signed note: it needs a text, a blank line and 1 to 100 signature lines."
        )
    try:
        _check_text(text)
    except BadInput as error:
        raise RecordError(f"This is not a signed note: {error}") from error
    return text, lines


def _signature(line: str) -> tuple[str, bytes]:
    found = _SIGNATURE.fullmatch(line)
    signature = b"" if found is None else _decoded(found[2])
    if found is None or len(signature) < 5 or "+" in found[1]:
        raise RecordError(f"'{line[:60]}' is not a signature line of a note; it was cut or altered.")
    return found[1], signature


def _decoded(text: str) -> bytes:
    """Base64, exactly as it would be written: no other text stands for the same bytes."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RecordError(f"'{text[:60]}' is not base64; it was cut or altered.") from error
    if base64.b64encode(found).decode() != text:
        raise RecordError(f"'{text[:60]}' is not written as base64 should be; it was altered.")
    return found


def _check_name(name: str, what: str) -> None:
    if not name or "+" in name or any(letter.isspace() or letter < " " for letter in name):
        raise BadInput(f"'{name}' cannot be the {what} of a log; leave out blanks and '+'.")


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(letter < " " and letter != "\n" for letter in text):
        raise BadInput("A note is text that ends in a newline and holds no other control character.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput("A note cannot hold a lone surrogate; remove it.") from error
