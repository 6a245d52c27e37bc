"""Integrity: whether an export is what was sealed, and whether its files agree.

Every digest, link, root and proof is computed anew. What signed the checkpoints and the manifest is
told apart: a key that the checker knows, a key that the file itself names, or none.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from batches.checkpoint import NoteKey, open_note, read_checkpoint
from batches.entries import Entry, body_digest, leaf_hash
from batches.errors import KweekError, RecordError
from batches.ledger import verify_chain, verify_inclusion
from batches.plain import canonical
from batches.report.bundle import Bundle, StreamCopy
from batches.report.files import FILES, MANIFEST

ReadKey = Callable[[str], NoteKey]
"""A key from its text 'name+id+key'. Raises BadInput."""
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


@dataclass(frozen=True, slots=True)
class Seal:
    """Which keys count: those the checker knows (`pinned`), else the one the record names."""

    keys: tuple[NoteKey, ...]
    pinned: bool

    def text(self, note: str) -> str:
        """The text of a note. Unsigned text is accepted only where no key is named. Raises RecordError."""
        if self.keys:
            return open_note(note, self.keys)[0]
        if "\n\n" in note:
            raise RecordError("It is signed, but the record names no key.")
        return note

    def sentence(self) -> str:
        """Who vouches for the record."""
        if not self.keys:
            return (
                "The record is not signed: it is consistent in itself, which says nothing about who wrote it."
            )
        names = ", ".join(f"{key.name} ({key.id.hex()})" for key in self.keys)
        if self.pinned:
            return f"Signed with a key known here: {names}."
        return f"Signed with the key {names}, which the record itself names: compare it with the one the site publishes."


def seal_of(bundle: Bundle, pinned: Sequence[NoteKey], read_key: ReadKey) -> Seal:
    """The keys that count for this record. Raises BadInput for a key that cannot be read."""
    if pinned:
        return Seal(tuple(pinned), pinned=True)
    return Seal((read_key(bundle.key),) if bundle.key else (), pinned=False)


# --- the manifest ---------------------------------------------------------------------------------


def check_manifest(files: Mapping[str, bytes], batch: str, seal: Seal) -> Iterator[str]:
    """A sentence for each file that is not what the manifest says."""
    if MANIFEST not in files:
        yield f"{MANIFEST} is missing: nothing says which files the export had."
        return
    try:
        text = seal.text(files[MANIFEST].decode("utf-8"))
        listed = read_manifest(text, batch)
    except (KweekError, UnicodeDecodeError) as error:
        yield f"{MANIFEST} was altered: {error}"
        return
    for name, digest in listed.items():
        if name not in files:
            yield f"{name} is missing: the manifest names it."
        elif hashlib.sha256(files[name]).hexdigest() != digest:
            yield f"{name} was altered: its digest is not that of the manifest."
    for name in sorted(files.keys() - listed.keys() - {MANIFEST}):
        yield f"{name} was added: the manifest does not name it."


def unlike_manifest(files: Mapping[str, bytes], name: str) -> bool:
    """Whether a file is not the one that the manifest names, whoever signed that. False if nobody can say."""
    text = files.get(MANIFEST, b"").decode("utf-8", errors="replace").partition("\n\n")[0]
    listed = {match[2]: match[1] for line in text.splitlines() if (match := _LINE.fullmatch(line))}
    return name in listed and hashlib.sha256(files[name]).hexdigest() != listed[name]


def read_manifest(text: str, batch: str) -> dict[str, str]:
    """The digest by file of a manifest's text. Raises RecordError."""
    head, *lines = text.splitlines()
    found = [_LINE.fullmatch(line) for line in lines]
    if head != f"kweek/record/{batch}" or not text.endswith("\n"):
        raise RecordError(f"it does not begin with 'kweek/record/{batch}'.")
    listed = {match[2]: match[1] for match in found if match is not None}
    if len(listed) != len(lines) or not listed.keys() <= FILES.keys():
        raise RecordError("a line of it is not the digest and name of a file of an export.")
    return listed


# --- streams --------------------------------------------------------------------------------------


def check_streams(bundle: Bundle, seal: Seal) -> Iterator[str]:
    """A sentence for each stream whose entries are not what was sealed: the first entry that is wrong."""
    for copy in bundle.streams:
        problem = _whole(copy) if copy.whole else next(_excerpt(copy), None)
        if problem is not None:
            yield problem
        else:
            yield from _checkpoint(copy, seal)


def _whole(copy: StreamCopy) -> str | None:
    other = next((entry for entry in copy.entries if entry.stream != copy.stream), None)
    if other is not None:
        return f"Entry {other.number} of {other.stream} was added: it stands in {copy.stream}."
    if len(copy.entries) > copy.size:
        return f"Entry {copy.size + 1} of {copy.stream} was added: the record counts {copy.size}."
    problem = verify_chain(copy.entries, copy.size, bytes.fromhex(copy.root))
    return None if problem is None else problem.sentence


def _excerpt(copy: StreamCopy) -> Iterator[str]:
    before = 0
    for entry in copy.entries:
        if entry.stream != copy.stream or entry.number <= before:
            yield f"Entry {entry.number} of {entry.stream} was added or moved: it does not follow entry {before} of {copy.stream}."
        before = entry.number
        if not _sealed(entry):
            yield f"Entry {entry.number} of {copy.stream} was changed: its content is not what was sealed."
        try:
            proof = [bytes.fromhex(step) for step in copy.proofs.get(entry.number, ())]
            leaf, root = bytes.fromhex(leaf_hash(entry.leaf())), bytes.fromhex(copy.root)
            verify_inclusion(leaf, entry.number - 1, copy.size, proof, root)
        except (RecordError, ValueError) as error:
            yield f"Entry {entry.number} of {copy.stream} is not proved to be in the stream: {error}"


def _sealed(entry: Entry) -> bool:
    if entry.body is None:
        return True
    try:
        return entry.salt is not None and body_digest(entry.salt, canonical(entry.body)) == entry.digest
    except (KweekError, ValueError):
        return False


def _checkpoint(copy: StreamCopy, seal: Seal) -> Iterator[str]:
    try:
        found = read_checkpoint(seal.text(copy.checkpoint))
    except KweekError as error:
        yield f"The checkpoint of {copy.stream} was altered: {error}"
        return
    if (found.size, found.root.hex()) != (copy.size, copy.root) or not found.origin.endswith(
        f"/{copy.stream}"
    ):
        yield f"The checkpoint of {copy.stream} is not about these {copy.size} entries: they or it were exchanged."
