"""Export: everything the record holds of a batch, as one PDF with its files, and the files beside it.

Blocking, and it compiles pages for seconds: call it from a worker thread or process.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from batches.checkpoint import Checkpoint
from batches.entries import Entry
from batches.errors import NotFound, StoreError
from batches.ledger import Tree, leaf_hashes
from batches.plain import PlainDict, text_in
from batches.record import BatchState, fold
from batches.report.bundle import Bundle, Person, StreamCopy, read_bundle
from batches.report.files import MANIFEST, READINGS, manifest_text, rendered
from batches.report.readings import Reading, readings_csv
from batches.verify import judged
from orchestrator.historian import Kept
from orchestrator.report_pdf import report_pdf, software
from orchestrator.signing import SigningKey

OF_OTHERS = frozenset({"lot_consumed", "unit_allocated", "unit_released"})
"""Kinds of entry in a shared stream that belong to one batch: those of other batches stay out."""


class Readable(Protocol):
    """What an export asks of the record: a store, or a reader beside a running server."""

    def read(self, stream: str) -> Iterable[Entry]: ...


class Readings(Protocol):
    """What an export asks of the historian."""

    def tags(self, unit: str) -> Sequence[str]: ...
    def range(self, unit: str, tag: str, start: datetime, end: datetime) -> Sequence[Kept]: ...


def export(
    store: Readable, historian: Readings | None, number: str, out: Path, now: datetime, by: Person,
    people: Iterable[Person] = (), key: SigningKey | None = None,
) -> Path:  # fmt: skip
    """Write `out`/<batch>.pdf and the same files in the folder `out`/<batch>; gives the PDF's path.

    `people`: whose names are printed where they acted; `key` signs, and without one the export says
    that it is not signed. Raises NotFound, StoreError (the folder), RecordError (the record).
    """
    bundle = gather(store, number, now, by, people, key)
    found = judged(bundle)
    files = rendered(bundle, found)
    files[READINGS] = readings_csv(_readings(historian, bundle.entries, now))
    manifest = manifest_text(number, files)
    files[MANIFEST] = (manifest if key is None else key.note(manifest)).encode()
    pdf = report_pdf(bundle, found, files)
    target = out / f"{number}.pdf"
    for name, content in files.items():
        _write(out / number / name, content)
    _write(target, pdf)
    return target


def gather(
    store: Readable, number: str, now: datetime, by: Person, people: Iterable[Person] = (), key: SigningKey | None = None
) -> Bundle:  # fmt: skip
    """What the store holds of a batch: its stream whole, of others what concerns it."""
    entries = tuple(store.read(f"batch/{number}"))
    if not entries:
        raise NotFound(f"There is no batch {number}; look at the list of batches.")
    state = fold(entries)
    copies = [_copy(f"batch/{number}", entries, entries, key)]
    for stream in _streams(state, entries):
        whole = tuple(store.read(stream))
        if whole:
            copies.append(_copy(stream, whole, tuple(e for e in whole if _concerns(e, state)), key))
    acted = {e.actor.id for copy in copies for e in copy.entries if e.actor.kind == "person"}
    known = tuple(sorted((person for person in people if person.id in acted), key=lambda person: person.id))
    public = "" if key is None else key.verifier
    made = Bundle(number, now, by, dict(software()), known, tuple(copies), public)
    return read_bundle(made.to_json())  # as a checker will read it: the order of keys included


def _streams(state: BatchState, entries: Sequence[Entry]) -> list[str]:
    """The streams a batch touches beside its own, in order."""
    units = {text_in(e.content(), "unit") for e in entries if e.kind == "unit_bound"}
    lots = {use.lot for use in (*state.used, *state.made)}
    return [
        f"recipe/{state.known_recipe().name}",
        *(f"lot/{lot}" for lot in sorted(lots)),
        *(f"equipment/{unit}" for unit in sorted(units)),
    ]


def _concerns(entry: Entry, state: BatchState) -> bool:
    body: PlainDict = entry.body or {}
    if entry.stream.startswith("recipe/"):
        return body.get("recipe_version") == state.known_recipe().version
    return entry.kind not in OF_OTHERS or body.get("batch") == state.number


def _copy(stream: str, whole: Sequence[Entry], kept: Sequence[Entry], key: SigningKey | None) -> StreamCopy:
    tree = Tree(leaf_hashes(whole))
    root = tree.root()
    text = Checkpoint(f"{'kweek' if key is None else key.name}/{stream}", len(whole), root).text()
    checkpoint = text if key is None else key.note(text)
    if len(kept) == len(whole):
        return StreamCopy(stream, len(whole), root.hex(), tuple(kept), checkpoint)
    proofs = {e.number: tuple(step.hex() for step in tree.inclusion(e.number - 1)) for e in kept}
    return StreamCopy(stream, len(whole), root.hex(), tuple(kept), checkpoint, whole=False, proofs=proofs)


def _readings(historian: Readings | None, entries: Sequence[Entry], now: datetime) -> Iterator[Reading]:
    """The readings of each unit while the batch had it."""
    if historian is None:
        return
    for unit, start, end in bound(entries, now):
        for tag in historian.tags(unit):
            for kept in historian.range(unit, tag, start, end):
                found = kept.reading
                yield Reading(unit, tag, found.at, found.value, found.quality, kept.received_at)


def bound(entries: Sequence[Entry], now: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Unit, from, to: each time the batch had a unit. A unit that has several roles is had once."""
    held: dict[str, tuple[int, datetime]] = {}
    for entry in entries:
        if entry.kind == "unit_bound":
            unit = text_in(entry.content(), "unit")
            count, since = held.get(unit, (0, entry.recorded_at))
            held[unit] = count + 1, since
        elif entry.kind == "unit_unbound":
            unit = text_in(entry.content(), "unit")
            count, since = held[unit]
            if count == 1:
                yield unit, since, entry.recorded_at
                del held[unit]
            else:
                held[unit] = count - 1, since
    for unit, (_, since) in held.items():
        yield unit, since, now + timedelta(microseconds=1)


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content)
        os.replace(unfinished, path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); free space or name another folder."
        ) from error
