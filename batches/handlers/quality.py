"""What entries on deviations, departures, corrections, excursions, expiry and signatures do to the state."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from batches.entries import Entry, moment
from batches.errors import RecordError
from batches.handlers.phases import left_out
from batches.plain import PlainDict, dict_in, text_in, whole_in
from batches.procedure import find
from batches.recipe import PhaseCall
from batches.recipe_reader import phase_call
from batches.record_state import Departure, Deviation, RecordState
from batches.steps import Value, decode


def deviation_opened(state: RecordState, entry: Entry, body: PlainDict) -> None:
    found = Deviation(
        text_in(body, "id"),
        text_in(body, "severity"),
        text_in(body, "text"),
        text_in(body, "path"),
        entry.number,
    )
    state.deviations[found.id] = found


def deviation_closed(state: RecordState, entry: Entry, body: PlainDict) -> None:
    found = state.deviations.get(text_in(body, "id"))
    if found is None or found.status != "open":
        raise RecordError(f"no deviation {body.get('id')} is open")
    found.status = "closed"


def departure_requested(state: RecordState, entry: Entry, body: PlainDict) -> None:
    found = Departure(
        text_in(body, "id"), dict_in(body, "change"), text_in(body, "reason"), entry.actor.id, entry.number,
        body.get("urgent") is True,
    )  # fmt: skip
    found.people.append(entry.actor.id)
    state.departures[found.id] = found


def departure_decided(state: RecordState, entry: Entry, body: PlainDict) -> None:
    found = state.departures.get(text_in(body, "id"))
    if found is None:
        raise RecordError(f"no departure {body.get('id')} was requested")
    found.status = text_in(body, "status")
    found.people.append(entry.actor.id)
    due = body.get("confirm_by")
    found.confirm_by = moment(due) if isinstance(due, str) else None
    if found.status in ("applied", "applied_unconfirmed"):
        _amend(state, found.change)


def departure_overdue(state: RecordState, entry: Entry, body: PlainDict) -> None:
    found = state.departures.get(text_in(body, "id"))
    if found is None or found.status != "applied_unconfirmed":
        raise RecordError(f"no departure {body.get('id')} waits for its confirmation")
    found.overdue = True


def _amend(state: RecordState, change: PlainDict) -> None:
    progress = state.progress
    match change.get("kind"):
        case "skip":
            progress.skipped.add(text_in(change, "path"))
            left_out(state, text_in(change, "path"))
            for name, value in dict_in(change, "values").items():
                progress.values[name] = decode(value)
        case "add":
            call = phase_call(dict_in(change, "phase"))
            progress.added.setdefault(text_in(change, "after"), []).append(call)
        case "repeat":
            node = find(state.known_recipe().procedure, text_in(change, "path"), progress)
            if not isinstance(node, PhaseCall):
                raise RecordError(f"'{change.get('path')}' is not a phase")
            progress.added.setdefault(text_in(change, "after"), []).append(
                replace(node, name=text_in(change, "name"))
            )
        case "parameter":
            target = progress.changed.setdefault(text_in(change, "path"), {})
            target[text_in(change, "name")] = decode(change["value"])
        case "formula":
            progress.values[text_in(change, "name")] = decode(change["value"])
        case "unit":
            state.units[text_in(change, "role")] = text_in(change, "unit")
        case other:
            raise RecordError(f"a departure of the kind '{other}' is unknown")


def corrected(state: RecordState, entry: Entry, body: PlainDict) -> None:
    old = whole_in(body, "entry")
    if not 0 < old < entry.number:
        raise RecordError(f"it corrects entry {old}, which does not stand before it")
    state.corrections.setdefault(old, []).append(entry.number)
    if "sample" in body:
        found = cast("Mapping[str, Value]", decode(dict_in(body, "new")))
        state.results.setdefault(text_in(body, "sample"), {}).update(found)


def excursion_started(state: RecordState, entry: Entry, body: PlainDict) -> None:
    key = (text_in(body, "path"), text_in(body, "tag"))
    state.excursions[key] = entry.number
    state.outside_since[key] = moment(text_in(body, "since"))


def excursion_ended(state: RecordState, entry: Entry, body: PlainDict) -> None:
    key = (text_in(body, "path"), text_in(body, "tag"))
    state.excursions.pop(key, None)
    state.outside_since.pop(key, None)


def expiry_set(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.expiry = moment(text_in(body, "expires"))


def signed(state: RecordState, entry: Entry, body: PlainDict) -> None:
    state.signatures.append(entry.number)
