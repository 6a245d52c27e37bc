"""The contents of the report as a plain structure: everything that is printed, as text.

The page layout (`report.typ`) gets nothing but this; it holds no text of the record itself. The same
bundle, readings and software give the same contents.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from batches.conformance import Conformance
from batches.disposition import in_the_way
from batches.entries import Entry, leaf_hash
from batches.errors import RecordError
from batches.plain import Plain, PlainDict
from batches.record import BatchState
from batches.report.bundle import Bundle
from batches.report.exceptions import Section, sections
from batches.report.material import (
    Table,
    equipment,
    genealogy,
    labels,
    lots,
    results,
    samples,
    signatures,
    verdicts,
)
from batches.report.readings import Reading
from batches.report.sentences import Known, say
from batches.report.story import Line, PhaseStory, StepStory, Story, UnitStory
from batches.report.trending import trends
from batches.report.trends import svg
from batches.report.words import clock, plainly, printable, shown, who

NO_GMP = "SIMULATED — not for GMP use"


@dataclass(frozen=True, slots=True)
class Report:
    """What the page layout is given: `contents` as plain values, pictures by file name."""

    contents: PlainDict
    pictures: Mapping[str, bytes]


def report(bundle: Bundle, readings: Sequence[Reading], found: Conformance) -> Report:
    """The report of a batch. `found`: its record re-executed (`conformance.conform`)."""
    story, state = _story(bundle), found.state
    review = sections(bundle, found)
    drawn = trends(bundle, state, readings)
    pictures = {
        f"trend-{number}.svg": svg(one.trend, one.start, one.end) for number, one in enumerate(drawn, 1)
    }
    contents: PlainDict = {
        "batch": bundle.batch,
        "simulated": NO_GMP if state.simulated else "",
        "printed": f"Printed {clock(bundle.exported_at)} UTC by {bundle.exported_by.name or bundle.exported_by.id}",
        "cover": _cover(bundle, found, review),
        "review": [_section(section) for section in review if section.rows],
        "unremarkable": ", ".join(section.title.lower() for section in review if not section.rows),
        "procedure": [_unit(unit) for unit in story.units.values() if unit.path or unit.items],
        "trends": [
            {"file": name, "title": one.trend.title, "caption": one.caption}
            for name, one in zip(pictures, drawn, strict=True)
        ],
        "tables": [_table(table) for table in _tables(bundle, state)],
        "audit": [_trail(bundle, number) for number in range(len(bundle.streams))],
        "proof": _proof(bundle),
    }  # fmt: skip
    return Report({name: _printable(part) for name, part in contents.items()}, pictures)


def _story(bundle: Bundle) -> Story:
    """The story of the entries that can be folded; re-execution has already said where they cannot."""
    story, state = Story(bundle), BatchState()
    for entry in bundle.entries:
        try:
            state.apply(entry)
        except RecordError:
            break
        story.tell(entry, state)
    return story


def _printable(value: Plain) -> Plain:
    match value:
        case str():
            return printable(value)
        case Mapping():
            return {name: _printable(part) for name, part in value.items()}
        case Sequence():
            return [_printable(part) for part in value]
        case _:
            return value


# --- cover ----------------------------------------------------------------------------------------


def _cover(bundle: Bundle, found: Conformance, review: Sequence[Section]) -> PlainDict:
    return {
        "facts": [[label, text] for label, text in _facts(bundle, found.state) if text],
        "verdicts": [{"label": label, "text": text, "tone": tone} for label, text, tone in _verdicts(found, review)],
        "counts": [[section.title, len(section.rows), any(row.grave for row in section.rows)] for section in review],
        "people": _people(bundle),
    }  # fmt: skip


def _facts(bundle: Bundle, state: BatchState) -> Iterator[tuple[str, str]]:
    recipe = state.known_recipe()
    yield "Product", recipe.product.name
    yield "Batch", state.number
    yield "Chain of identity", state.identity
    yield "Recipe", f"{recipe.name} version {recipe.version}: {recipe.title}"
    yield "Recipe digest", f"SHA-256 {recipe.digest}"
    yield "Approved by", _approval(bundle, recipe.name, recipe.version)
    yield "Created", "" if state.created_at is None else clock(state.created_at)
    yield "Ended", "" if state.ended_at is None else f"{clock(state.ended_at)} ({state.state})"
    yield "State", "" if state.ended_at is not None else state.state
    yield "Expires", "" if state.expiry is None else clock(state.expiry)
    yield (
        "Lots made",
        ", ".join(
            f"{use.lot} ({plainly(use.material)}, {shown(use.quantity.plain())})" for use in state.made
        ),
    )
    yield "Entries", f"{len(bundle.entries)}, root {bundle.stream.root}"


def _approval(bundle: Bundle, name: str, version: int) -> str:
    for copy in bundle.streams:
        for entry in copy.entries:
            body = entry.body or {}
            named = body.get("recipe") == name and body.get("recipe_version") == version
            if entry.kind == "recipe_approved" and named:
                return f"{who(entry.actor, bundle)}, {clock(entry.recorded_at)}"
    return ""


def _verdicts(found: Conformance, review: Sequence[Section]) -> Iterator[tuple[str, str, str]]:
    """Label, sentence and tone (good, bad, open) of each verdict on the cover."""
    if found.unknown:
        yield "Conformance", found.unknown[0].sentence, "open"
    elif found.findings:
        yield (
            "Conformance",
            f"{len(found.findings)} places where the record does not follow its recipe",
            "bad",
        )
    else:
        extra = f", with {len(found.departures)} authorised departures" if found.departures else ""
        yield "Conformance", f"the record follows its approved recipe{extra}", "good"
    judged = verdicts(found.state)
    waiting = in_the_way(judged)
    failed = [one.criterion for one in judged if one.verdict == "fail"]
    if failed:
        yield "Specification", f"not met: {', '.join(map(plainly, failed))}", "bad"
    elif waiting:
        yield "Specification", f"waiting for {', '.join(plainly(one.criterion) for one in waiting)}", "open"
    else:
        yield "Specification", "no result stands in the way of release", "good"
    open_ones = [one.id for one in found.state.deviations.values() if one.status == "open"]
    if open_ones:
        yield "Deviations", f"{len(open_ones)} open: {', '.join(open_ones)}", "bad"


def _people(bundle: Bundle) -> list[Plain]:
    roles: dict[str, set[str]] = {}
    for copy in bundle.streams:
        for entry in copy.entries:
            if entry.actor.kind == "person":
                roles.setdefault(entry.actor.id, set()).add(entry.actor.role)
    return [
        [bundle.person(one).name, bundle.person(one).user_name, one, ", ".join(sorted(found - {""}))]
        for one, found in sorted(roles.items())
    ]


# --- sections -------------------------------------------------------------------------------------


def _section(section: Section) -> PlainDict:
    return {
        "title": section.title,
        "about": section.about,
        "rows": [
            {
                "entry": str(row.entry or ""), "when": row.when, "where": row.where, "what": row.what,
                "reason": row.reason, "by": row.by, "status": row.status, "grave": row.grave,
            }
            for row in section.rows
        ],
    }  # fmt: skip


def _unit(unit: UnitStory) -> PlainDict:
    ended = unit.finished or "not finished"
    return {
        "title": unit.path or "Decisions of the procedure",
        "about": f"{unit.units}. {unit.started} to {ended}" if unit.path else "",
        "items": [_phase(item) if isinstance(item, PhaseStory) else _line(item) for item in unit.items],
    }


def _line(line: Line) -> PlainDict:
    return {"label": line.label, "value": line.value, "limits": line.limits, "changed": line.changed}


def _phase(phase: PhaseStory) -> PlainDict:
    return {
        "title": phase.path.split("/", 1)[-1], "phase": phase.phase, "entry": str(phase.entry),
        "times": f"{phase.started} to {phase.finished or 'not finished'}", "note": phase.note,
        "parameters": [_line(line) for line in phase.parameters],
        "steps": [_step(step) for step in phase.steps],
        "results": [_line(line) for line in phase.results],
    }  # fmt: skip


def _step(step: StepStory) -> PlainDict:
    return {
        "number": str(step.number), "text": step.text, "unit": step.unit,
        "lines": [_line(line) for line in step.lines],
        "people": list(step.people), "asked": step.asked, "done": step.done or "not done",
        "marks": list(step.marks), "entries": ", ".join(map(str, step.entries)),
    }  # fmt: skip


def _tables(bundle: Bundle, state: BatchState) -> Iterator[Table]:
    yield lots(bundle, state)
    yield genealogy(bundle, state)
    yield samples(bundle, state)
    yield results(state)
    yield labels(state)
    yield signatures(bundle)
    yield equipment(bundle)


def _table(table: Table) -> PlainDict:
    return {
        "title": table.title, "about": table.about, "columns": list(table.columns),
        "widths": list(table.widths), "rows": [list(row) for row in table.rows],
    }  # fmt: skip


# --- audit trail and proof ------------------------------------------------------------------------


def _trail(bundle: Bundle, number: int) -> PlainDict:
    copy = bundle.streams[number]
    known = Known(copy.entries)
    about = (
        "every entry"
        if copy.whole
        else f"the {len(copy.entries)} of {copy.size} entries that concern this batch"
    )
    return {
        "stream": copy.stream,
        "about": about,
        "rows": [_audit_row(entry, known, bundle) for entry in copy.entries],
    }


def _audit_row(entry: Entry, known: Known, bundle: Bundle) -> list[Plain]:
    said = say(entry, known)
    change = f"{said.old} → {said.new}" if said.old else said.new
    happened = "" if entry.happened_at is None else f" (happened {clock(entry.happened_at)})"
    return [
        str(entry.number), clock(entry.recorded_at) + happened, who(entry.actor, bundle), said.where,
        said.what, change, said.reason, leaf_hash(entry.leaf())[:8],
    ]  # fmt: skip


def _proof(bundle: Bundle) -> PlainDict:
    return {
        "software": [[name, version] for name, version in bundle.software.items()],
        "key": bundle.key,
        "streams": [[copy.stream, str(copy.size), copy.root] for copy in bundle.streams],
        "checkpoint": bundle.stream.checkpoint,
    }
