"""Tables of the report: material and genealogy, samples and results, labels, signatures, equipment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from batches import materials
from batches.entries import Entry
from batches.errors import BadInput, KweekError
from batches.labels import counted
from batches.materials import NO_LOT, LotState
from batches.plain import PlainDict, dict_in, text_in
from batches.record import BatchState
from batches.record_state import Use
from batches.report.bundle import Bundle, StreamCopy
from batches.report.sentences import Known
from batches.report.story import criterion_text, extras
from batches.report.words import clock, plainly, shown, who
from batches.samples import Verdict, verdict
from batches.steps import Value, decode, plain

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the report. `widths`: the share of the page each column takes."""

    title: str
    about: str
    columns: Sequence[str]
    widths: Sequence[int]
    rows: Sequence[Row]


# --- material -------------------------------------------------------------------------------------


def lots(bundle: Bundle, state: BatchState) -> Table:
    """Every lot used and made, with its status at the time of the export."""
    uses = sorted(((use, "used") for use in state.used), key=lambda pair: pair[0].entry)
    made = sorted(((use, "made") for use in state.made), key=lambda pair: pair[0].entry)
    return Table(
        "Materials", "Lots used and made, as they stand in the record of each lot at the time of export.",
        ("", "Material", "Lot", "Quantity", "Where", "Entry", "Status, expiry, origin"), (1, 3, 3, 3, 4, 1, 5),
        [_lot_row(use, word, bundle) for use, word in (*uses, *made)],
    )  # fmt: skip


def _lot_row(use: Use, word: str, bundle: Bundle) -> Row:
    lot = lot_state(bundle, use.lot)
    expires = "" if lot.expires is None else f"expires {clock(lot.expires)}"
    origin = f"supplier lot {lot.supplier_lot}" if lot.supplier_lot else ""
    identity = f"identity {lot.identity}" if lot.identity else ""
    about = ", ".join(part for part in (plainly(lot.status), expires, origin, identity) if part)
    quantity = shown(use.quantity.plain())
    return (
        word,
        plainly(use.material),
        use.lot,
        quantity,
        use.path,
        str(use.entry),
        about if lot.entries else "no record of this lot",
    )


def lot_state(bundle: Bundle, lot: str) -> LotState:
    """The state of a lot from what the export holds of its stream: its own uses of the lot only."""
    copy = next((copy for copy in bundle.streams if copy.stream == f"lot/{lot}"), None)
    try:
        return NO_LOT if copy is None else materials.fold(renumbered(copy))
    except KweekError:
        return NO_LOT


def renumbered(copy: StreamCopy) -> Iterator[Entry]:
    """The entries of an excerpt, numbered without gaps so that they can be folded."""
    return (replace(entry, number=number) for number, entry in enumerate(copy.entries, 1))


def genealogy(bundle: Bundle, state: BatchState) -> Table:
    """What every lot that was made was made from."""
    rows = [
        (
            use.lot,
            plainly(use.material),
            ", ".join(lot_state(bundle, use.lot).parents) or "nothing recorded",
            use.path,
        )
        for use in state.made
    ]
    return Table(
        "Genealogy", "Lots made, and the lots that had been used up to then.",
        ("Lot made", "Material", "Made from", "Where"), (3, 3, 8, 4), rows,
    )  # fmt: skip


# --- samples and results --------------------------------------------------------------------------


def samples(bundle: Bundle, state: BatchState) -> Table:
    """Every sample taken and every result entered."""
    known, rows = Known(bundle.entries), list[Row]()
    for entry in bundle.entries:
        step = None if entry.body is None or entry.kind != "step_done" else known.step(entry.body)
        if entry.body is not None and step is not None and step.get("step") in ("Sample", "Result"):
            rows.append(_sample_row(entry, entry.body, step, bundle))
    return Table(
        "Samples", "Samples as they were taken, and results as they were entered.",
        ("", "Sample", "Number or result", "By", "When", "Entry"), (2, 3, 8, 4, 4, 1), rows,
    )  # fmt: skip


def _sample_row(entry: Entry, body: PlainDict, step: PlainDict, bundle: Bundle) -> Row:
    taken = step["step"] == "Sample"
    name = plainly(text_in(step, "name" if taken else "sample"))
    by, when = who(entry.actor, bundle), clock(entry.recorded_at)
    return "taken" if taken else "result", name, shown(body.get("reply")), by, when, str(entry.number)


def verdicts(state: BatchState) -> list[Verdict]:
    """What the specification says of each result; one that cannot be judged counts as failed."""
    return [_verdict(state, name) for name in state.known_recipe().specification]


def _verdict(state: BatchState, name: str) -> Verdict:
    criterion = state.known_recipe().specification[name]
    try:
        return verdict(criterion, state.results)
    except BadInput as error:
        return Verdict(name, "fail", None, criterion.blocking, str(error))


def results(state: BatchState) -> Table:
    """The specification, attribute by attribute."""
    specification = state.known_recipe().specification
    rows = [
        (
            plainly(one.criterion), criterion_text(specification[one.criterion]), specification[one.criterion].method,
            shown(plain(one.value)), one.verdict, "before release" if one.blocking else "may follow release",
        )
        for one in verdicts(state)
    ]  # fmt: skip
    return Table(
        "Specification", "Results against the specification of the recipe.",
        ("Attribute", "Specification", "Method", "Result", "Verdict", "Needed"), (4, 4, 5, 4, 2, 4), rows,
    )  # fmt: skip


# --- labels, signatures, equipment ----------------------------------------------------------------


def labels(state: BatchState) -> Table:
    """Labels printed, and what became of each."""
    return Table(
        "Labels", "Reconciliation: printed is used, destroyed and returned together.",
        ("Material", "Printed", "Used", "Destroyed", "Returned", "Reconciled"), (5, 2, 2, 2, 2, 3),
        [_label_row(material, reply) for material, reply in state.labels.items()],
    )  # fmt: skip


def _label_row(material: str, reply: PlainDict) -> Row:
    try:
        count = counted(cast("Mapping[str, Value]", decode(reply)))
    except BadInput as error:
        return plainly(material), "", "", "", "", str(error)
    missing = "yes" if count.reconciled else f"no: {count.missing} missing"
    return (
        plainly(material),
        str(count.printed),
        str(count.used),
        str(count.destroyed),
        str(count.returned),
        missing,
    )


def signatures(bundle: Bundle) -> Table:
    """Every signature, with what 21 CFR 11.50 asks a print to show."""
    rows = [row for copy in bundle.streams for entry in copy.entries for row in _signed(entry, copy, bundle)]
    return Table(
        "Signatures", "Printed name, user name, role, meaning, date and time (UTC) and zone of each signature.",
        ("Name", "User", "Role", "Meaning", "Date and time", "Zone", "Entry signed"), (4, 2, 2, 2, 4, 3, 4), rows,
    )  # fmt: skip


def _signed(entry: Entry, copy: StreamCopy, bundle: Bundle) -> Iterator[Row]:
    if entry.body is None:
        return
    found = extras(entry.body).get("signature")
    if isinstance(found, Mapping):
        name, user, role, meaning, zone = (
            shown(found.get(key)) for key in ("name", "user_name", "role", "meaning", "zone")
        )
    elif found is not None or entry.kind == "signed":
        person = bundle.person(entry.actor.id)
        name, user, role, meaning, zone = (
            person.name,
            person.user_name,
            entry.actor.role,
            shown(entry.body.get("meaning")) or plainly(entry.kind),
            "",
        )
    else:
        return
    yield name, user, role, meaning, clock(entry.recorded_at), zone, f"{copy.stream} {entry.number}"


def equipment(bundle: Bundle) -> Table:
    """Every unit the batch had, from when to when, and in which phases it acted."""
    begun: dict[str, Entry] = {}
    rows: list[Row] = []
    for entry in bundle.entries:
        role = "" if entry.body is None else shown(entry.body.get("role"))
        if entry.kind == "unit_bound":
            begun[role] = entry
        elif entry.kind == "unit_unbound" and role in begun:
            rows.append(_unit_row(begun.pop(role), clock(entry.recorded_at), bundle))
    rows += [_unit_row(entry, "still bound", bundle) for entry in begun.values()]
    return Table(
        "Equipment", "Units the batch was given.",
        ("Unit", "Class", "Role", "From", "To", "Unit procedures"), (3, 4, 3, 4, 4, 5), rows,
    )  # fmt: skip


def _unit_row(bound: Entry, until: str, bundle: Bundle) -> Row:
    unit, role = text_in(bound.content(), "unit"), text_in(bound.content(), "role")
    return (
        unit,
        _class_of(bundle, unit),
        plainly(role),
        clock(bound.recorded_at),
        until,
        ", ".join(_used_in(bundle, unit)),
    )


def _class_of(bundle: Bundle, unit: str) -> str:
    for copy in bundle.streams:
        if copy.stream == f"equipment/{unit}":
            return next(
                (
                    shown(e.body.get("class"))
                    for e in copy.entries
                    if e.kind == "unit_commissioned" and e.body
                ),
                "",
            )
    return ""


def _used_in(bundle: Bundle, unit: str) -> Iterator[str]:
    for entry in bundle.entries:
        if entry.kind == "unit_procedure_started" and unit in dict_in(entry.content(), "units").values():
            yield text_in(entry.content(), "path")
