"""The stream 'equipment/<unit>': who has a unit, and whether it is clean and in service.

The state is the fold of the unit's entries; the commands below decide what may be added. A unit
that is not clean or not in service is never given to a batch (21 CFR 211.67, 211.68).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from batches.allocation import Status, Unit
from batches.entries import SYSTEM, Actor, Draft, Entry
from batches.errors import BadInput, NotPermitted, RecordError, Refused
from batches.plain import PlainDict, text_in, whole_in


@dataclass(frozen=True, slots=True)
class Holder:
    """The batch on a unit: its number, and the path and role it was allocated for."""

    batch: str
    path: str
    role: str


@dataclass(frozen=True, slots=True)
class UnitState:
    """The fold of one unit's stream. `holders` by position ('' for an exclusive unit).
    `service` and `clean` are apart, so that a repair does not make a dirty unit clean."""

    id: str = ""
    unit_class: str = ""
    positions: int = 0
    holders: Mapping[str, Holder] = field(default_factory=dict[str, Holder])
    clean: bool = True
    in_service: bool = True
    cleaned_at: datetime | None = None
    entries: int = 0

    @property
    def status(self) -> Status:
        if not self.in_service:
            return "out_of_service"
        return "available" if self.clean else "to_be_cleaned"

    def unit(self) -> Unit:
        """The unit as the arbiter sees it."""
        if self.positions:
            taken = {position: holder.batch for position, holder in self.holders.items()}
            return Unit(self.id, self.unit_class, self.status, "", self.positions, taken)
        held_by = next((holder.batch for holder in self.holders.values()), "")
        return Unit(self.id, self.unit_class, self.status, held_by)


NOT_COMMISSIONED = UnitState()


def apply(state: UnitState, entry: Entry) -> UnitState:
    """The state after an entry. Raises RecordError naming an entry that cannot stand here."""
    if entry.number != state.entries + 1:
        raise RecordError(
            f"Entry {state.entries + 1} of {entry.stream} is missing: {entry.number} stands there."
        )
    if (entry.kind == "unit_commissioned") != (state.entries == 0):
        raise RecordError(
            f"Entry {entry.number} of {entry.stream} is {entry.kind}: commissioning stands first and once."
        )
    return replace(_after(state, entry, entry.content()), entries=entry.number)


def fold(entries: Iterable[Entry]) -> UnitState:
    """The state after all entries. Raises RecordError at the first that cannot stand."""
    state = NOT_COMMISSIONED
    for entry in entries:
        state = apply(state, entry)
    return state


def _after(state: UnitState, entry: Entry, body: PlainDict) -> UnitState:
    match entry.kind:
        case "unit_commissioned":
            return UnitState(text_in(body, "unit"), text_in(body, "class"), whole_in(body, "positions"))
        case "unit_allocated":
            return _allocated(state, entry, body)
        case "unit_released":
            return _released(state, entry, body)
        case "unit_cleaned":
            return replace(state, clean=True, cleaned_at=entry.happened_at or entry.recorded_at)
        case "unit_out_of_service":
            return replace(state, in_service=False)
        case "unit_in_service":
            return replace(state, in_service=True, clean=body.get("clean") is True)
        case "excursion_started" | "excursion_ended" | "tag_silent" | "tag_heard":
            return state
        case "alarm_acknowledged" | "alarm_reset" | "alarm_shelved" | "alarm_unshelved":
            return state  # what stands of alarms changes nothing of the unit's fitness: batches/alarms.py
        case kind:
            raise RecordError(f"Entry {entry.number} of {entry.stream} is of the unknown kind '{kind}'.")


def _allocated(state: UnitState, entry: Entry, body: PlainDict) -> UnitState:
    position = text_in(body, "position")
    if position in state.holders:
        raise RecordError(
            f"Entry {entry.number} of {entry.stream} allocates what {state.holders[position].batch} has."
        )
    holder = Holder(text_in(body, "batch"), text_in(body, "path"), text_in(body, "role"))
    return replace(state, holders={**state.holders, position: holder})


def _released(state: UnitState, entry: Entry, body: PlainDict) -> UnitState:
    position, batch = text_in(body, "position"), text_in(body, "batch")
    holder = state.holders.get(position)
    if holder is None or holder.batch != batch:
        raise RecordError(f"Entry {entry.number} of {entry.stream} releases what {batch} does not have.")
    others = {place: each for place, each in state.holders.items() if place != position}
    return replace(state, holders=others, clean=state.clean and body.get("to_be_cleaned") is not True)


# -- commands: each returns the drafts for the unit's stream, or raises --------------------------------


def commission(
    state: UnitState, unit: str, unit_class: str, positions: int, actor: Actor
) -> tuple[Draft, ...]:
    """A unit of the plant file enters the record. `positions` 0: exclusive."""
    if state.entries:
        raise Refused(f"{unit} was commissioned before; its status is kept.")
    if not unit or not unit_class or positions < 0:
        raise BadInput(f"The unit '{unit}' needs an id, a class and 0 or more positions.")
    return (Draft("unit_commissioned", {"unit": unit, "class": unit_class, "positions": positions}, actor),)


def allocate(
    state: UnitState, batch: str, path: str, role: str, position: str = "", actor: Actor = SYSTEM
) -> tuple[Draft, ...]:
    """A batch gets the unit, or one `position` ('1', '2', …) of a shared one."""
    _check_commissioned(state)
    if state.status != "available":
        raise Refused(f"{state.id} is {state.status.replace('_', ' ')}; it cannot be given to {batch}.")
    if position in state.holders:
        where = f"position {position} of {state.id}" if position else state.id
        raise Refused(f"{where} is held by {state.holders[position].batch}; it cannot be given to {batch}.")
    if position not in _positions(state):
        raise BadInput(
            f"{state.id} has no position '{position}'; it has {', '.join(_positions(state)) or 'none'}."
        )
    return (
        Draft("unit_allocated", {"batch": batch, "path": path, "role": role, "position": position}, actor),
    )


def release(
    state: UnitState, batch: str, to_be_cleaned: bool, position: str = "", actor: Actor = SYSTEM
) -> tuple[Draft, ...]:
    """The batch gives the unit back; `to_be_cleaned`: nobody gets it before it is cleaned."""
    holder = state.holders.get(position)
    if holder is None or holder.batch != batch:
        by = f"held by {holder.batch}" if holder else "free"
        raise Refused(f"{batch} does not have {state.id}: it is {by}.")
    return (
        Draft("unit_released", {"batch": batch, "position": position, "to_be_cleaned": to_be_cleaned}, actor),
    )


def clean(state: UnitState, performed: Actor, verified: Actor, method: str = "") -> tuple[Draft, ...]:
    """Two people clean and check the unit (cleared for the next batch)."""
    _check_commissioned(state)
    _check_two(performed, verified, f"cleaning of {state.id}")
    if state.holders and not state.positions:
        raise Refused(
            f"{state.id} is held by {_batches(state)}; it is cleaned after the batch has given it back."
        )
    return (Draft("unit_cleaned", {"verified_by": verified.plain(), "method": method}, performed),)


def take_out(state: UnitState, reason: str, actor: Actor) -> tuple[Draft, ...]:
    """The unit goes out of service (fault, calibration, maintenance). A batch on it stays on it."""
    _check_commissioned(state)
    if not state.in_service:
        raise Refused(f"{state.id} is out of service already.")
    return (Draft("unit_out_of_service", {"reason": _reason(reason, state.id)}, actor),)


def put_back(
    state: UnitState, reason: str, is_clean: bool, performed: Actor, verified: Actor
) -> tuple[Draft, ...]:
    """Two people put the unit back into service, and say whether it is clean."""
    _check_commissioned(state)
    if state.in_service:
        raise Refused(f"{state.id} is in service already.")
    _check_two(performed, verified, f"return of {state.id} to service")
    body: PlainDict = {
        "reason": _reason(reason, state.id),
        "clean": is_clean,
        "verified_by": verified.plain(),
    }
    return (Draft("unit_in_service", body, performed),)


def _check_commissioned(state: UnitState) -> None:
    if not state.entries:
        raise Refused("This unit is not commissioned; add it to the plant file.")


def _check_two(performed: Actor, verified: Actor, what: str) -> None:
    if performed.kind != "person" or verified.kind != "person" or performed.id == verified.id:
        raise NotPermitted(f"The {what} needs two people; ask a second person to check it.")


def _reason(reason: str, unit: str) -> str:
    if not reason.strip():
        raise BadInput(f"A change of the status of {unit} needs a reason; say why in a few words.")
    return reason.strip()


def _positions(state: UnitState) -> tuple[str, ...]:
    return tuple(str(number) for number in range(1, state.positions + 1)) if state.positions else ("",)


def _batches(state: UnitState) -> str:
    return ", ".join(sorted({holder.batch for holder in state.holders.values()}))
