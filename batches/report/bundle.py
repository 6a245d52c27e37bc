"""The bundle: everything an exported record holds, as it stands in record.json.

record.json is canonical JSON: the whole stream of the batch, and of every other stream it touches
either all entries or an excerpt whose entries each carry an RFC 6962 inclusion proof against the
root of that stream. All other files of an export are made from it and from readings.csv.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from batches.entries import Entry, moment, read, stamp
from batches.errors import KweekError, RecordError
from batches.plain import (
    Plain,
    PlainDict,
    canonical,
    dict_in,
    dicts_in,
    from_json,
    list_in,
    text_in,
    whole_in,
)

FORMAT = 1
"""The version of record.json. A reader refuses a version it does not know."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acted: permanent id, printed name and user name (21 CFR 11.50, 11.100)."""

    id: str
    name: str = ""
    user_name: str = ""

    def plain(self) -> PlainDict:
        return {"id": self.id, "name": self.name, "user_name": self.user_name}


@dataclass(frozen=True, slots=True)
class StreamCopy:
    """A stream in the export. `size` and `root` (hex) are those of the whole stream when it was
    exported, `checkpoint` the text that says so, signed where the site has a key. `proofs`: the
    inclusion path (hex, leaf to root) of each entry of an excerpt; empty when the stream is whole."""

    stream: str
    size: int
    root: str
    entries: tuple[Entry, ...]
    checkpoint: str = ""
    whole: bool = True
    proofs: Mapping[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])


@dataclass(frozen=True, slots=True)
class Bundle:
    """An exported record. `key`: the public key of the checkpoints as a C2SP verifier key, or ''."""

    batch: str
    exported_at: datetime
    exported_by: Person
    software: Mapping[str, str]
    people: tuple[Person, ...]
    streams: tuple[StreamCopy, ...]
    key: str = ""

    @property
    def stream(self) -> StreamCopy:
        """The batch's own stream, which stands first."""
        if not self.streams or self.streams[0].stream != f"batch/{self.batch}":
            raise RecordError(
                f"record.json does not begin with the stream of batch {self.batch}; it was altered."
            )
        return self.streams[0]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return self.stream.entries

    def person(self, identity: str) -> Person:
        """The person with this id; only the id where nothing else is known."""
        return next((person for person in self.people if person.id == identity), Person(identity))

    def to_json(self) -> bytes:
        """record.json: canonical bytes."""
        return canonical({
            "kweek_record": FORMAT,
            "batch": self.batch,
            "exported": {"at": stamp(self.exported_at), "by": self.exported_by.plain()},
            "software": dict(self.software),
            "key": self.key,
            "people": [person.plain() for person in self.people],
            "streams": [_stream(copy) for copy in self.streams],
        })  # fmt: skip


def _stream(copy: StreamCopy) -> PlainDict:
    return {
        "stream": copy.stream, "size": copy.size, "root": copy.root, "checkpoint": copy.checkpoint,
        "whole": copy.whole, "entries": [_entry(entry, copy.proofs.get(entry.number)) for entry in copy.entries],
    }  # fmt: skip


def _entry(entry: Entry, proof: Sequence[str] | None) -> PlainDict:
    found: dict[str, Plain] = {"leaf": from_json(entry.leaf()), "salt": entry.salt, "body": entry.body}
    return found if proof is None else found | {"proof": list(proof)}


def read_bundle(data: bytes) -> Bundle:
    """The bundle in record.json. Checks its form, not its hashes; what is no member of a bundle is passed
    over, so that `to_json` differs from the data then. Raises RecordError."""
    try:
        return _read(data)
    except RecordError:
        raise
    except (KweekError, ValueError, TypeError, KeyError) as error:
        raise RecordError(f"record.json cannot be read: {error}") from error


def _read(data: bytes) -> Bundle:
    found = from_json(data)
    if not isinstance(found, Mapping) or not isinstance(found.get("kweek_record"), int):
        raise RecordError("record.json is not a record of Kweek: it lacks 'kweek_record'.")
    if found["kweek_record"] != FORMAT:
        raise RecordError(
            f"record.json has the format {found['kweek_record']}, unknown here; use a newer Kweek."
        )
    exported = dict_in(found, "exported")
    return Bundle(
        text_in(found, "batch"), moment(text_in(exported, "at")), _person(dict_in(exported, "by")),
        {name: text_in(dict_in(found, "software"), name) for name in dict_in(found, "software")},
        tuple(_person(person) for person in dicts_in(found, "people")),
        tuple(_stream_copy(stream) for stream in dicts_in(found, "streams")), text_in(found, "key"),
    )  # fmt: skip


def _person(found: PlainDict) -> Person:
    return Person(text_in(found, "id"), text_in(found, "name"), text_in(found, "user_name"))


def _stream_copy(found: PlainDict) -> StreamCopy:
    lines = dicts_in(found, "entries")
    stream = text_in(found, "stream")
    entries = tuple(_read_entry(line, stream) for line in lines)
    proofs = {
        entry.number: tuple(cast("Sequence[str]", list_in(line, "proof")))
        for entry, line in zip(entries, lines, strict=True) if "proof" in line
    }  # fmt: skip
    return StreamCopy(
        stream, whole_in(found, "size"), text_in(found, "root"), entries,
        text_in(found, "checkpoint"), found.get("whole") is True, proofs,
    )  # fmt: skip


def _read_entry(line: PlainDict, stream: str) -> Entry:
    salt, body, leaf = line.get("salt"), line.get("body"), dict_in(line, "leaf")
    try:
        return read(
            canonical(leaf),
            salt if isinstance(salt, str) else None,
            canonical(body) if isinstance(body, Mapping) else None,
        )
    except KweekError as error:
        raise RecordError(f"Entry {leaf.get('number')} of {stream} cannot be read: {error}") from error
