"""What a signature covers, and when it stops being valid.

A signature names the entries it is about and the root of the stream's tree up to the last of them, so
that it can be neither moved to another record nor kept on one that was altered (21 CFR 11.70). Only a
correction of an entry it names voids it; the record goes on growing underneath it otherwise.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from batches.entries import Entry
from batches.errors import BadInput, RecordError
from batches.ledger import Tree, leaf_hashes
from batches.plain import PlainDict, canonical, text_in, whole_in
from batches.steps import Meaning

SIGNATURE_VERSION = 1
CORRECTIONS = frozenset({"corrected", "lot_corrected"})
"""Kinds of entry whose body names, under 'entry', the entry they correct."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Entries `first` to `last` of a stream, signed by a person. `root`: hex, over entries 1 to `last`.

    `zone`: the time zone the signer's time is printed in; the time itself is that of the entry which
    keeps the signature (21 CFR 11.50: printed name, date and time, meaning). Raises BadInput.
    """

    stream: str
    first: int
    last: int
    root: str
    meaning: Meaning
    signer: str
    name: str
    role: str
    zone: str

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise BadInput(
                f"Entries {self.first} to {self.last} of {self.stream} cannot be signed; count from 1, upwards."
            )
        if self.meaning not in get_args(Meaning):
            raise BadInput(
                f"A signature cannot mean '{self.meaning}'; choose one of {', '.join(get_args(Meaning))}."
            )
        for what, text in (
            ("person", self.signer),
            ("printed name", self.name),
            ("role", self.role),
            ("time zone", self.zone),
        ):
            if not text.strip():
                raise BadInput(f"A signature on {self.stream} needs the signer's {what}.")

    def content(self) -> PlainDict:
        """The plain form that is kept, and whose digest the signer approves."""
        return {
            "signature": SIGNATURE_VERSION, "stream": self.stream, "first": self.first, "last": self.last, "root": self.root,
            "meaning": self.meaning, "signer": self.signer, "name": self.name, "role": self.role, "zone": self.zone,
        }  # fmt: skip

    def digest(self) -> str:
        """SHA-256 of the canonical content, hex: what a ticket, token or key is bound to."""
        return hashlib.sha256(canonical(self.content())).hexdigest()


def read_signature(content: PlainDict) -> Signature:
    """The signature in a recorded content. Raises RecordError."""
    if whole_in(content, "signature") != SIGNATURE_VERSION:
        raise RecordError(f"The signature version {content['signature']} is unknown here; use a newer Kweek.")
    try:
        return Signature(
            text_in(content, "stream"), whole_in(content, "first"), whole_in(content, "last"), text_in(content, "root"),
            cast("Meaning", text_in(content, "meaning")), text_in(content, "signer"), text_in(content, "name"),
            text_in(content, "role"), text_in(content, "zone"),
        )  # fmt: skip
    except BadInput as error:
        raise RecordError(f"A recorded signature cannot stand: {error}") from error


def valid(signature: Signature, entries: Sequence[Entry], tree: Tree | None = None) -> tuple[str, ...]:
    """Why a signature is void, one sentence each; empty if it stands.

    `entries`: the whole stream from entry 1; `tree`: its tree, if it is at hand.
    """
    which = f"The signature of {signature.name} on entries {signature.first} to {signature.last} of {signature.stream} is void"
    if any(entry.stream != signature.stream for entry in entries[:1]):
        return (f"{which}: it was made on another record than {entries[0].stream}.",)
    if len(entries) < signature.last:
        return (f"{which}: the record has only {len(entries)} entries.",)
    if (tree or Tree(leaf_hashes(entries[: signature.last]))).root(signature.last).hex() != signature.root:
        return (f"{which}: what was signed is not what stands there now.",)
    reasons = (
        _correction(signature, entry) for entry in entries[signature.last :] if entry.kind in CORRECTIONS
    )
    return tuple(f"{which}: {reason}." for reason in reasons if reason)


def _correction(signature: Signature, entry: Entry) -> str:
    if entry.body is None:
        return f"entry {entry.number}, a correction, was erased and may concern it"
    old = whole_in(entry.body, "entry")
    covered = signature.first <= old <= signature.last
    return f"entry {entry.number} corrects entry {old}, which it covers" if covered else ""
