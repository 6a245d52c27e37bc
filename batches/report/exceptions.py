"""Review by exception: what a reviewer looks at first, in sections that are always there.

Sections without an exception are named too, so that nobody wonders whether something was left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from batches.conformance import Conformance
from batches.entries import Entry
from batches.plain import PlainDict, text_in
from batches.record import BatchState
from batches.report.bundle import Bundle
from batches.report.sentences import Known, Said, say
from batches.report.story import extras
from batches.report.words import clock, plainly, who


@dataclass(frozen=True, slots=True)
class Row:
    """One exception. `entry` 0: it concerns the whole record."""

    entry: int
    when: str
    where: str
    what: str
    reason: str
    by: str
    status: str = ""
    grave: bool = False


@dataclass(slots=True)
class Section:
    """A kind of exception, with every one there was."""

    title: str
    about: str
    rows: list[Row] = field(default_factory=list[Row])


def sections(bundle: Bundle, found: Conformance) -> list[Section]:
    """Every section of the review, in the order a reviewer reads them."""
    return [
        _nonconformities(found),
        *(_section(title, about, wanted, bundle, found.state) for title, about, wanted in SECTIONS),
    ]


def _nonconformities(found: Conformance) -> Section:
    section = Section(
        "Nonconformities", "Where the record did not follow its recipe or the rules, found by re-execution."
    )
    for one in (*found.unknown, *found.findings):
        section.rows.append(Row(one.entry, "", "", one.sentence, "", "re-execution", "", True))
    return section


Wanted = Callable[[Entry], bool]


def _section(title: str, about: str, wanted: Wanted, bundle: Bundle, state: BatchState) -> Section:
    known = Known(bundle.entries)
    return Section(title, about, [_row(e, say(e, known), bundle, state) for e in bundle.entries if wanted(e)])


def _row(entry: Entry, said: Said, bundle: Bundle, state: BatchState) -> Row:
    what = said.what if not said.new else f"{said.what}: {f'{said.old} → ' if said.old else ''}{said.new}"
    status, grave = _status(entry, state)
    return Row(
        entry.number,
        clock(entry.recorded_at),
        said.where,
        what,
        said.reason,
        who(entry.actor, bundle),
        status,
        grave,
    )


def _status(entry: Entry, state: BatchState) -> tuple[str, bool]:
    """The present state of what an entry opened, and whether it still stands in the way."""
    body = entry.body or {}
    if entry.kind == "deviation_opened":
        found = state.deviations[text_in(body, "id")]
        return found.status, found.status == "open"
    if entry.kind == "departure_requested":
        departure = state.departures[text_in(body, "id")]
        return plainly(departure.status), departure.status in ("requested", "applied_unconfirmed")
    if entry.kind == "excursion_started":
        return ("open" if entry.number in state.excursions.values() else "ended"), False
    return "", False


def _kinds(*kinds: str) -> Wanted:
    return lambda entry: entry.kind in kinds


def _troubled(entry: Entry) -> bool:
    if entry.kind in ("step_failed", "step_in_doubt", "step_repeated"):
        return True
    more = _more(entry)
    return entry.kind in ("step_done", "task_answered") and bool(
        {"decision", "retry", "reconciled"} & more.keys()
    )


def _late(entry: Entry) -> bool:
    more = _more(entry)
    timer = "fired" in more and "due" in more
    return entry.kind == "by_hand" or entry.happened_at is not None or "late" in more or timer


def _more(entry: Entry) -> PlainDict:
    return extras(entry.body) if isinstance(entry.body, Mapping) else {}


def _interrupted(entry: Entry) -> bool:
    causes = ("hold", "pause", "stop", "abort", "restart", "resume")
    return entry.kind == "state_changed" and _more(entry).get("cause") in causes


SECTIONS: Sequence[tuple[str, str, Wanted]] = (
    ("Deviations", "Quality records opened for this batch.", _kinds("deviation_opened", "deviation_closed")),
    ("Departures", "Authorised changes to the recipe for this batch.", _kinds("departure_requested", "departure_decided", "departure_overdue")),
    ("Corrections", "Values changed after they were entered; the earlier value stays.", _kinds("corrected")),
    ("Failed, doubtful and repeated actions", "What equipment did not do, or nobody knew it did.", _troubled),
    (
        "Excursions", "Values beyond their limits, and tags that gave no good value.",
        _kinds("excursion_started", "excursion_ended", "tag_silent", "tag_heard"),
    ),
    ("Time limits", "Phases begun too late or too early, holds that lasted too long.", _kinds("time_limit_exceeded", "time_limit_undercut", "hold_overrun", "phase_discarded")),
    ("Late entries and work by hand", "Entered after it happened, or fired late.", _late),
    ("Holds, pauses, stops", "Interruptions, and how the batch went on.", _interrupted),
    (
        "System", "Restarts of the system, safe states that were not confirmed.",
        _kinds("engine_recovered", "safe_failed", "set_restored", "disposed"),
    ),
    ("Refusals", "What was asked and refused; nothing was changed by it.", _kinds("refused")),
    ("Notes", "Remarks of people.", _kinds("note_added")),
)  # fmt: skip
"""Sections of the review: title, what it means, which entries belong to it."""
