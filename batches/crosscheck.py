"""What the other streams of an export say of the batch: its recipe was approved, its lots were good.

Judged by the rules that held then (`materials.eligible`), on the entries that the export holds. Uses
of a lot by other batches are not in it, so that a lot that was short is not seen here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from batches import materials
from batches.conformance import Finding
from batches.entries import Entry
from batches.errors import KweekError
from batches.plain import PlainDict
from batches.quantities import from_plain
from batches.record import BatchState
from batches.record_state import Use

Streams = dict[str, Sequence[Entry]]


def crosscheck(state: BatchState, streams: Streams) -> Iterator[Finding]:
    """Findings about the recipe's approval and the lots used and made. `state`: the batch at its end."""
    yield from _approval(state, streams)
    for use in state.used:
        yield from _used(state, use, streams.get(f"lot/{use.lot}", ()))
    for use in state.made:
        entries = streams.get(f"lot/{use.lot}", ())
        if not any(_belongs(entry, state, use, "lot_produced") for entry in entries):
            yield Finding(use.entry, f"Lot {use.lot} was made here, but its own stream does not say so.")


# --- recipe ---------------------------------------------------------------------------------------


def _approval(state: BatchState, streams: Streams) -> Iterator[Finding]:
    """Prepared by one person, approved by a second, in force when the batch was created (21 CFR 211.186)."""
    recipe = state.known_recipe()
    entries = [
        e
        for e in streams.get(f"recipe/{recipe.name}", ())
        if _body(e).get("recipe_version") == recipe.version
    ]
    submitted = next((e for e in entries if e.kind == "recipe_submitted"), None)
    approved = next((e for e in entries if e.kind == "recipe_approved"), None)
    what = f"Recipe {recipe.name} version {recipe.version}"
    if submitted is None or approved is None:
        yield Finding(1, f"{what}: the export holds no approval of it.")
        return
    if any(_body(entry).get("digest") != recipe.digest for entry in (submitted, approved)):
        yield Finding(1, f"{what} that was approved has another digest than the one that was run.")
    if approved.actor.id == submitted.actor.id or approved.actor.role != "qa":
        yield Finding(1, f"{what} was not approved by a second person of the quality unit.")
    if not _in_force(entries, approved, state.created_at):
        yield Finding(1, f"{what} was not in force when the batch was created.")


def _in_force(entries: Sequence[Entry], approved: Entry, at: datetime | None) -> bool:
    ended = [e.recorded_at for e in entries if e.kind in ("recipe_superseded", "recipe_withdrawn")]
    return at is not None and approved.recorded_at <= at and all(end >= at for end in ended)


# --- lots -----------------------------------------------------------------------------------------


def _used(state: BatchState, use: Use, entries: Sequence[Entry]) -> Iterator[Finding]:
    """The use stands in the lot's stream, and the lot was good for it at that moment."""
    found = next((i for i, e in enumerate(entries) if _belongs(e, state, use, "lot_consumed")), None)
    if found is None:
        yield Finding(use.entry, f"Lot {use.lot} was used here, but its own stream does not say so.")
        return
    recipe, at = state.known_recipe(), entries[found].recorded_at
    try:
        lot = materials.fold(replace(entry, number=number) for number, entry in enumerate(entries[:found], 1))
        materials.eligible(
            lot, recipe.materials[use.material], use.quantity, state.identity, at, state.number
        )
    except (KweekError, KeyError) as error:
        yield Finding(use.entry, f"Lot {use.lot} was not to be used here: {error}")


def _belongs(entry: Entry, state: BatchState, use: Use, kind: str) -> bool:
    body = _body(entry)
    if entry.kind != kind or (body.get("batch"), body.get("path")) != (state.number, use.path):
        return False
    try:
        return from_plain(body.get("quantity")).compare(use.quantity) == 0
    except KweekError:
        return False


def _body(entry: Entry) -> PlainDict:
    return entry.body or {}
