"""Forge a stream so that only re-execution can tell: entries are changed, then sealed and chained anew."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from batches.entries import NO_LEAF, Actor, Entry, body_digest, leaf_hash
from batches.plain import Plain, PlainDict, canonical


def resealed(entries: Iterable[Entry]) -> list[Entry]:
    """The entries numbered and chained anew, every hash right; what refers to an entry follows it."""
    given = list(entries)
    numbers = {entry.number: place for place, entry in enumerate(given, 1)}
    found: list[Entry] = []
    for number, entry in enumerate(given, 1):
        body = None if entry.body is None else _referring(entry.body, numbers)
        digest = entry.digest if body is None else body_digest(entry.salt or "", canonical(body))
        previous = leaf_hash(found[-1].leaf()) if found else NO_LEAF
        found.append(replace(entry, number=number, body=body, digest=digest, previous=previous))
    return found


def _referring(body: PlainDict, numbers: dict[int, int]) -> PlainDict:
    changed: dict[str, Plain] = dict(body)
    for name in ("entry", "cause", "by_hand"):
        if isinstance(number := body.get(name), int):
            changed[name] = numbers.get(number, number)
    if isinstance(affected := body.get("affected"), (list, tuple)):
        changed["affected"] = [numbers.get(one, one) if isinstance(one, int) else one for one in affected]
    return changed


def without(entries: Iterable[Entry], *numbers: int) -> list[Entry]:
    return resealed(entry for entry in entries if entry.number not in numbers)


def changed(entries: Iterable[Entry], number: int, change: Callable[[Entry], Entry]) -> list[Entry]:
    return resealed(change(entry) if entry.number == number else entry for entry in entries)


def saying(**members: Plain) -> Callable[[Entry], Entry]:
    """Other members in the body."""
    return lambda entry: replace(entry, body={**entry.content(), **members})


def by(actor: Actor) -> Callable[[Entry], Entry]:
    return lambda entry: replace(entry, actor=actor)


def at(moment: datetime) -> Callable[[Entry], Entry]:
    return lambda entry: replace(entry, recorded_at=moment)


def first(entries: Iterable[Entry], kind: str, **members: Plain) -> Entry:
    """The first entry of a kind whose body has these members."""
    return next(
        e for e in entries if e.kind == kind and all(e.content().get(n) == v for n, v in members.items())
    )
