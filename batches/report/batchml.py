"""record.xml: the record as a BatchML V0701 BatchProductionRecord.

Every entry of the batch is an Event with the entry's number as EntryID; signatures, corrections and
notes stand a second time where BatchML has a place for them, and refer to their entry. The proof stays
in record.json. The Business To Manufacturing Markup Language (B2MML) is used courtesy of MESA
International; none of its schemas is part of Kweek.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping

from batches.entries import Entry, leaf_hash, stamp
from batches.plain import PlainDict, text_in
from batches.record import BatchState
from batches.report.batchml_batch import recipe_elements, samples
from batches.report.batchml_parts import attribute, head, named_values, put, time, value
from batches.report.bundle import Bundle
from batches.report.sentences import Known, say
from batches.report.story import extras
from batches.report.words import NBSP, shown

NAMESPACE = "http://www.mesa.org/xml/B2MML"
Kind = tuple[str, str, str]
"""EventType, EventSubType, and the word that Other stands for."""


def record_xml(bundle: Bundle, state: BatchState) -> bytes:
    """The record as BatchML, UTF-8. `state`: the fold of the batch's entries."""
    known = Known(bundle.entries)
    root = ET.Element("BatchProductionRecord", {"xmlns": NAMESPACE})
    _head(root, bundle, state)
    _changes(ET.SubElement(root, "ChangeHistory"), bundle, known)
    _comments(ET.SubElement(root, "Comments"), bundle)
    _events(ET.SubElement(root, "Events"), bundle, known)
    _signers(ET.SubElement(root, "PersonnelIdentification"), bundle)
    recipe_elements(ET.SubElement(root, "RecipeElements"), bundle, state)
    samples(ET.SubElement(root, "Samples"), bundle, state)
    for empty in [part for part in root if len(part) == 0 and part.text is None]:
        root.remove(empty)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _head(root: ET.Element, bundle: Bundle, state: BatchState) -> None:
    put(root, "ID", f"EBR-{bundle.batch}")
    simulated = "SIMULATED, not for GMP use" if state.simulated else ""
    head(root, "record", "Batch Production Record", bundle.exported_at, simulated)
    put(root, "PublishedDate", time(bundle.exported_at))
    if state.created_at is not None:
        put(root, "CreationDate", time(state.created_at))
    put(root, "BatchID", bundle.batch)
    if state.expiry is not None:
        put(root, "ExpirationDate", time(state.expiry))
    put(root, "MaterialDefinitionID", state.known_recipe().product.name)
    put(root, "RecordStatus", state.state)
    put(root, "Version", str(len(bundle.entries)))


# --- changes, comments ----------------------------------------------------------------------------


def _changes(parent: ET.Element, bundle: Bundle, known: Known) -> None:
    for entry in bundle.entries:
        if entry.kind == "corrected" and entry.body is not None:
            made = put(parent, "Change")
            head(made, f"change-{entry.number}", "Change", entry.recorded_at)
            put(made, "RecordReference", str(entry.body.get("entry")))
            value(made, "PrechangeData", known.replaced(entry.body))
            put(made, "Reason", text_in(entry.body, "reason"))


def _comments(parent: ET.Element, bundle: Bundle) -> None:
    for entry in bundle.entries:
        if entry.kind == "note_added" and entry.body is not None:
            made = put(parent, "Comment")
            head(made, f"comment-{entry.number}", "Comment", entry.recorded_at)
            put(made, "RecordReference", str(entry.number))
            put(made, "CommentText", text_in(entry.body, "text"))
            if entry.actor.kind == "person":
                put(made, "PersonID", entry.actor.id)


# --- events ---------------------------------------------------------------------------------------


def _events(parent: ET.Element, bundle: Bundle, known: Known) -> None:
    for entry in bundle.entries:
        _event(parent, entry, known)
        for signed in _signatures(entry):
            _signature(parent, entry, signed, bundle)


def _event(parent: ET.Element, entry: Entry, known: Known) -> None:
    body, said = entry.body or {}, say(entry, known)
    made = put(parent, "Event")
    head(made, str(entry.number), "Event", entry.recorded_at, said.what.replace(NBSP, " "))
    event, subtype, other = _kind(entry, known)
    put(made, "EventType", event)
    put(made, "EventSubType", subtype, **({"OtherValue": other} if subtype == "Other" else {}))
    if body.get("unit"):
        put(made, "EquipmentID", shown(body["unit"]))
    _values(made, entry.kind, body)
    if said.reason:
        put(made, "MessageText", said.reason.replace(NBSP, " "))
    put(made, "PersonID" if entry.actor.kind == "person" else "ComputerID", entry.actor.id)
    if said.where:
        put(made, "ProceduralElementReference", said.where)
    _alarm(made, entry)
    for name, text in _attributes(entry):
        attribute(made, name, text)


def _values(made: ET.Element, kind: str, body: PlainDict) -> None:
    """Value and PreviousValue, in this order."""
    now, before = _VALUES.get(kind, ("", ""))
    if now and body.get(now) is not None:
        named_values(made, "Value", body[now], text_in(body, "tag") if "tag" in body else "")
    if before and body.get(before) is not None:
        named_values(made, "PreviousValue", body[before])


_VALUES: Mapping[str, tuple[str, str]] = {
    "state_changed": ("to", "from"),
    "phase_started": ("parameters", ""),
    "phase_finished": ("results", ""),
    "step_done": ("reply", ""),
    "task_answered": ("answer", ""),
    "calculated": ("value", "inputs"),
    "chosen": ("option", "inputs"),
    "iterated": ("iteration", ""),
    "repeat_finished": ("iterations", "inputs"),
    "corrected": ("new", "old"),
    "excursion_started": ("value", ""),
    "excursion_ended": ("value", ""),
    "expiry_set": ("expires", ""),
    "set_restored": ("value", ""),
    "departure_decided": ("status", ""),
}
"""Which member of the body is the value of an event, and which the value before."""


def _alarm(made: ET.Element, entry: Entry) -> None:
    if (
        entry.kind in ("excursion_started", "excursion_ended", "tag_silent", "tag_heard")
        and entry.body is not None
    ):
        alarm = put(made, "AlarmData")
        put(
            alarm, "AlarmEvent", "Active" if entry.kind in ("excursion_started", "tag_silent") else "Inactive"
        )
        put(alarm, "AlarmType", shown(entry.body.get("side")) or "silent")
        for limit in ("low", "high"):
            if entry.body.get(limit) is not None:
                value(alarm, "AlarmLimit", entry.body[limit], limit)


def _attributes(entry: Entry) -> Iterator[tuple[str, str]]:
    yield "EntryKind", entry.kind
    yield "LeafHash", f"sha-256:{leaf_hash(entry.leaf())}"
    yield "ActorKind", entry.actor.kind
    if entry.actor.role:
        yield "ActorRole", entry.actor.role
    if entry.happened_at is not None:
        yield "HappenedAt", stamp(entry.happened_at)


def _kind(entry: Entry, known: Known) -> Kind:
    if entry.kind == "step_done" and entry.body is not None:
        step = known.step(entry.body) or {}
        return _DONE.get(str(step.get("step")), ("Operator", "Prompt Response", ""))
    if entry.kind == "step_asked" and entry.body is not None:
        step = entry.body.get("step")
        kind = str(step.get("step")) if isinstance(step, Mapping) else ""
        return _ASKED.get(kind, ("Operator", "Prompt", ""))
    return _KINDS.get(entry.kind, ("Other", "Other", entry.kind))


_PROCESS: Kind = ("Procedural Execution", "Process", "")
_DATA: Kind = ("Procedural Execution", "Process Data", "")
_SETTING: Kind = ("Procedural Execution", "Parameter Data", "")
_ASKED: Mapping[str, Kind] = {
    "Set": _SETTING, "Read": _PROCESS, "Until": _PROCESS, "Wait": _PROCESS, "First": _PROCESS, "Do": _PROCESS,
    "Program": _PROCESS, "Transfer": _PROCESS, "Produce": _PROCESS,
}  # fmt: skip
_DONE: Mapping[str, Kind] = {
    "Set": _SETTING, "Read": _DATA, "Until": _DATA, "Wait": _PROCESS, "First": _PROCESS, "Do": _PROCESS,
    "Program": _PROCESS, "Transfer": ("Material", "Movement", ""), "Consume": ("Material", "Consume", ""),
    "Produce": ("Material", "Produce", ""), "Label": ("Material", "Reconciliation", ""), "Result": _DATA,
}  # fmt: skip
_KINDS: Mapping[str, Kind] = {
    "batch_created": ("Control Recipe", "Other", "Creation"),
    "state_changed": ("Procedural Execution", "State Change", ""),
    "unit_bound": ("Equipment", "Allocation", ""),
    "unit_unbound": ("Equipment", "Deallocation", ""),
    "unit_procedure_started": _PROCESS,
    "unit_procedure_finished": _PROCESS,
    "phase_started": _SETTING,
    "phase_finished": _DATA,
    "step_latched": _DATA,
    "phase_discarded": ("Alarm", "Process", ""),
    "step_failed": ("Equipment", "Other", "Failed"),
    "step_in_doubt": ("Equipment", "Other", "In doubt"),
    "step_repeated": ("Equipment", "Other", "Repeated"),
    "calculated": _DATA,
    "chosen": _PROCESS,
    "iterated": _PROCESS,
    "repeat_finished": _PROCESS,
    "task_opened": ("Operator", "Prompt", ""),
    "task_answered": ("Operator", "Prompt Response", ""),
    "deviation_opened": ("General", "Other", "Deviation"),
    "deviation_closed": ("General", "Other", "Deviation"),
    "departure_requested": ("General", "Other", "Departure"),
    "departure_decided": ("General", "Other", "Departure"),
    "departure_overdue": ("General", "Other", "Departure"),
    "corrected": ("Operator", "Modification", ""),
    "excursion_started": ("Alarm", "Process", ""),
    "excursion_ended": ("Alarm", "Process", ""),
    "tag_silent": ("Alarm", "Process", ""),
    "tag_heard": ("Alarm", "Process", ""),
    "alarm_acknowledged": ("Alarm", "Process", ""),
    "alarm_reset": ("Alarm", "Process", ""),
    "alarm_shelved": ("Alarm", "Process", ""),
    "alarm_unshelved": ("Alarm", "Process", ""),
    "by_hand": ("Operator", "Process", ""),
    "by_hand_voided": ("General", "Other", "Deviation"),
    "expiry_set": ("General", "Property Value Change", ""),
    "signed": ("Operator", "Other", "Signed"),
    "refused": ("Message", "Message", ""),
    "time_limit_exceeded": ("Alarm", "Process", ""),
    "time_limit_undercut": ("Alarm", "Process", ""),
    "hold_overrun": ("Alarm", "Process", ""),
    "evidence_kept": _DATA,
    "safe_asked": ("Equipment", "Mode Command", ""),
    "safe_reached": ("Equipment", "Mode Change", ""),
    "safe_failed": ("Equipment", "Other", "Failed"),
    "set_restored": _SETTING,
    "engine_recovered": ("General", "System", ""),
    "disposed": ("Material", "Other", "Disposed"),
    "note_added": ("Operator", "Message", ""),
}


# --- signatures -----------------------------------------------------------------------------------


def _signatures(entry: Entry) -> Iterator[PlainDict]:
    found = None if entry.body is None else extras(entry.body).get("signature")
    if isinstance(found, Mapping):
        yield found


def _signature(parent: ET.Element, entry: Entry, signed: PlainDict, bundle: Bundle) -> None:
    """BatchML has no element for a signature: it is an event of the kind 'Other', named."""
    made = put(parent, "Event")
    head(made, f"signature-{entry.number}", "Event", entry.recorded_at)
    put(made, "EventType", "Operator")
    put(made, "EventSubType", "Other", OtherValue="Signature")
    put(made, "PersonID", entry.actor.id)
    put(made, "AssociatedEventID", str(entry.number))
    for name, key in _SIGNER:
        attribute(made, name, shown(signed.get(key)))
    attribute(made, "SignedRecord", f"EBR-{bundle.batch}#{entry.number}")
    attribute(made, "SignedDigest", f"sha-256:{leaf_hash(entry.leaf())}")


_SIGNER = (
    ("SignerFullName", "name"), ("SignerUserName", "user_name"), ("SignerRole", "role"),
    ("SignatureMeaning", "meaning"), ("SignatureTimeZone", "zone"),
)  # fmt: skip


def _signers(parent: ET.Element, bundle: Bundle) -> None:
    """The plain register of signers, one entry for each signature."""
    for entry in bundle.entries:
        for signed in _signatures(entry):
            made = put(parent, "PersonnelIdentificationManifest")
            head(made, f"signer-{entry.number}", "Personnel Identification Manifest", entry.recorded_at)
            put(made, "RecordReference", f"signature-{entry.number}")
            put(made, "Name", shown(signed.get("name")) or entry.actor.id)
            put(made, "ChangeIndication", "Add")
            put(made, "Reason", shown(signed.get("meaning")))
