"""The site's signing key: Ed25519, in the text formats of C2SP signed notes.

The private key is one line in a file that only the engine's user may read; the public key is a line
'name+id+key' that a site publishes and a checker keeps.
"""

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from batches.checkpoint import ED25519, NoteKey, key_id, note, signature_line, verifier_text
from batches.errors import BadInput, StoreError

PREFIX = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the name it has in notes, such as 'site.example/kweek'."""

    name: str
    private: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def verifier(self) -> str:
        """The public key as it is handed on: 'name+id+key'."""
        return verifier_text(self.name, self.public)

    def note(self, text: str) -> str:
        """The text as a signed note."""
        return note(text, signature_line(text, self.name, self.public, self.private.sign))


def make_key(path: Path, name: str) -> SigningKey:
    """A new key in a new file, for the owner only. Raises BadInput for a name, StoreError for the file."""
    made = SigningKey(name, Ed25519PrivateKey.generate())
    seed = made.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    secret = base64.b64encode(bytes([ED25519]) + seed).decode()
    line = f"{PREFIX}{name}+{key_id(name, made.public).hex()}+{secret}\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(line)
    except OSError as error:
        raise StoreError(
            f"The key file {path} cannot be written ({error.strerror}); name another."
        ) from error
    return made


def load_key(path: Path) -> SigningKey:
    """The key in a file. Raises StoreError if it cannot be read, BadInput if it is no key."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"The key file {path} cannot be read; check its path and owner.") from error
    name, identity, secret = _parted(text.removeprefix(PREFIX) if text.startswith(PREFIX) else "", f"{path}")
    found = SigningKey(name, Ed25519PrivateKey.from_private_bytes(secret))
    if key_id(name, found.public).hex() != identity:
        raise BadInput(f"{path} is not a key as it was made: its name or its secret was changed.")
    return found


def read_key(text: str) -> NoteKey:
    """A public key from 'name+id+key'. Raises BadInput."""
    name, identity, public = _parted(text.strip(), f"'{text[:60]}'")
    if key_id(name, public).hex() != identity:
        raise BadInput(f"'{text[:60]}' is not a public key as it was published: part of it was changed.")
    key = Ed25519PublicKey.from_public_bytes(public)
    return NoteKey(name, public, lambda signature, message: _fits(key, signature, message))


def read_keys(path: Path) -> Sequence[NoteKey]:
    """The public keys in a file, one to a line; '#' begins a comment. Raises BadInput."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"The file of keys {path} cannot be read; give a text file with a key on each line."
        ) from error
    return [read_key(line) for line in lines if line.strip() and not line.startswith("#")]


def _parted(text: str, what: str) -> tuple[str, str, bytes]:
    parts = text.split("+", 2)
    try:
        data = base64.b64decode(parts[2], validate=True)
    except (IndexError, binascii.Error, ValueError):
        data = b""
    if len(data) != 33 or data[0] != ED25519:
        raise BadInput(f"{what} is not an Ed25519 key of a note; it reads 'name+id+key'.")
    return parts[0], parts[1], data[1:]


def _fits(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
