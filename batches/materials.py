"""The stream 'lot/<number>': what a lot is, how much is left, and whether a batch may use it.

A lot arrives in quarantine and is released, rejected or, patient and donor material only, accepted
conditionally under signature. Every use and every lot made names its batch and path,
so that genealogy has no anonymous input (21 CFR 211.188(b)(3), 1271.290(b)).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, TypeAlias, cast, get_args

from batches.entries import SYSTEM, Actor, Draft, Entry, moment, stamp
from batches.errors import BadInput, IdentityMismatch, KweekError, NotPermitted, RecordError, Refused
from batches.plain import Plain, PlainDict, list_in, text_in, whole_in
from batches.quantities import Quantity, duration, from_plain
from batches.recipe import Material

LotStatus: TypeAlias = Literal["quarantine", "released", "rejected", "conditional", "in_process"]
"""in_process: made by a batch for its own further use."""

ACCEPTABLE: Mapping[str, frozenset[LotStatus]] = {
    "released": frozenset({"released"}),
    "quarantine": frozenset({"quarantine", "conditional", "released"}),
}
"""Which lots serve a material, by the status its recipe asks for."""
DECIDERS = ("qa", "qp")


@dataclass(frozen=True, slots=True)
class Taken:
    """A use of the lot: how much, by which batch, in which phase, in which entry."""

    batch: str
    path: str
    quantity: Quantity
    entry: int


@dataclass(frozen=True, slots=True)
class LotState:
    """The fold of one lot's stream. `quantity` is what is left. `identity` is the chain-of-identity
    number of patient or donor material, '' for any other. `use_by` counts from opening or thawing."""

    number: str = ""
    material: str = ""
    quantity: Quantity | None = None
    status: LotStatus = "quarantine"
    expires: datetime | None = None
    identity: str = ""
    supplier_lot: str = ""
    made_by: str = ""
    containers: int = 1
    parents: tuple[str, ...] = ()
    opened_at: datetime | None = None
    use_by: datetime | None = None
    uses: tuple[Taken, ...] = ()
    corrections: Mapping[int, int] = field(default_factory=dict[int, int])
    """Correcting entry by corrected entry."""
    entries: int = 0

    def left(self) -> Quantity:
        if self.quantity is None:
            raise RecordError("This lot was never received or produced; scan another label.")
        return self.quantity


NO_LOT = LotState()


def apply(state: LotState, entry: Entry) -> LotState:
    """The state after an entry. Raises RecordError naming an entry that cannot stand here."""
    if entry.number != state.entries + 1:
        raise RecordError(
            f"Entry {state.entries + 1} of {entry.stream} is missing: {entry.number} stands there."
        )
    if (entry.kind in ("lot_received", "lot_produced")) != (state.entries == 0):
        raise RecordError(
            f"Entry {entry.number} of {entry.stream} is {entry.kind}: receipt or production stands first and once."
        )
    try:
        return replace(_after(state, entry, entry.content()), entries=entry.number)
    except KweekError as error:
        raise RecordError(
            f"Entry {entry.number} of {entry.stream} ({entry.kind}) cannot stand here: {error}"
        ) from error


def fold(entries: Iterable[Entry]) -> LotState:
    """The state after all entries. Raises RecordError at the first that cannot stand."""
    state = NO_LOT
    for entry in entries:
        state = apply(state, entry)
    return state


def _after(state: LotState, entry: Entry, body: PlainDict) -> LotState:
    match entry.kind:
        case "lot_received" | "lot_produced":
            return _begun(body)
        case "lot_released":
            return replace(state, status="released")
        case "lot_rejected":
            return replace(state, status="rejected")
        case "lot_conditionally_accepted":
            return replace(state, status="conditional")
        case "lot_opened" | "lot_thawed":
            return replace(
                state, opened_at=entry.happened_at or entry.recorded_at, use_by=_moment(body, "use_by")
            )
        case "lot_consumed":
            return _consumed(state, entry, body)
        case "lot_adjusted":
            return replace(state, quantity=from_plain(body.get("quantity")))
        case "lot_corrected":
            return _corrected(state, entry, body)
        case kind:
            raise RecordError(f"the kind '{kind}' is unknown")


def _begun(body: PlainDict) -> LotState:
    status = text_in(body, "status")
    if status not in get_args(LotStatus):
        raise RecordError(f"a lot cannot be '{status}'")
    return LotState(
        text_in(body, "lot"), text_in(body, "material"), from_plain(body.get("quantity")), cast("LotStatus", status),
        _moment(body, "expires"), text_in(body, "identity"), text_in(body, "supplier_lot"), text_in(body, "batch"),
        whole_in(body, "containers"), tuple(cast("Sequence[str]", list_in(body, "parents"))),
    )  # fmt: skip


def _consumed(state: LotState, entry: Entry, body: PlainDict) -> LotState:
    quantity = from_plain(body.get("quantity"))
    if quantity > state.left():
        raise RecordError(f"{quantity} is more than the {state.left()} left")
    taken = Taken(text_in(body, "batch"), text_in(body, "path"), quantity, entry.number)
    return replace(state, quantity=state.left() - quantity, uses=(*state.uses, taken))


def _corrected(state: LotState, entry: Entry, body: PlainDict) -> LotState:
    old = whole_in(body, "entry")
    if not 0 < old < entry.number:
        raise RecordError(f"it corrects entry {old}, which does not stand before it")
    return replace(
        state,
        expires=_moment(body, "expires"),
        supplier_lot=text_in(body, "supplier_lot"),
        corrections={**state.corrections, old: entry.number},
    )


def _moment(body: PlainDict, key: str) -> datetime | None:
    return None if body.get(key) is None else moment(text_in(body, key))


# -- may a batch use it? -------------------------------------------------------------------------------


def eligible(
    lot: LotState, material: Material, quantity: Quantity, identity: str, now: datetime, batch: str = ""
) -> None:
    """Raise unless a batch of this `identity` may use `quantity` of the lot as `material` now.

    Raises IdentityMismatch (never overridden) or Refused, each with one sentence. `batch`: the batch
    that asks: it may use the lots it made itself before they are released.
    """
    _check_identity(lot, material, identity)
    if lot.material != material.name:
        raise Refused(
            f"Lot {lot.number} is {lot.material}, not {material.name}; scan a lot of {material.name}."
        )
    _check_status(lot, material, batch)
    _check_age(lot, material, now)
    if quantity.value <= 0:
        raise BadInput(f"{quantity} of lot {lot.number} cannot be used; the quantity must be above zero.")
    if quantity > lot.left():
        raise Refused(
            f"Lot {lot.number} is short: {lot.left()} are left, {quantity} are needed; scan another lot."
        )


def _check_identity(lot: LotState, material: Material, identity: str) -> None:
    if lot.identity and lot.identity != identity:
        raise IdentityMismatch(
            f"Lot {lot.number} belongs to the chain of identity {lot.identity}, not {identity or 'none'}: stop, put it aside and call QA."
        )
    if material.identity and not lot.identity:
        raise IdentityMismatch(
            f"Lot {lot.number} carries no chain of identity, and {material.name} must be {material.identity} material {identity}: stop, put it aside and call QA."
        )


def _check_status(lot: LotState, material: Material, batch: str) -> None:
    if lot.status in ACCEPTABLE.get(material.status, ACCEPTABLE["released"]):
        return
    if lot.made_by and lot.made_by == batch and lot.status in ("in_process", "quarantine"):
        return
    if lot.status == "conditional":
        if material.conditional:
            return
        raise Refused(
            f"Lot {lot.number} is accepted conditionally only, and the recipe does not take {material.name} so; QA must release it."
        )
    if lot.status == "in_process":
        raise Refused(f"Lot {lot.number} is in process in batch {lot.made_by}; only that batch may use it.")
    if lot.status == "rejected":
        raise Refused(f"Lot {lot.number} is rejected; scan another lot.")
    also = ", or accept it conditionally under signature" if material.conditional else ""
    raise Refused(f"Lot {lot.number} is in quarantine, not released; QA must release it{also}.")


def _check_age(lot: LotState, material: Material, now: datetime) -> None:
    if lot.expires is not None and now >= lot.expires:
        raise Refused(f"Lot {lot.number} expired at {stamp(lot.expires)}; scan another lot.")
    use_by = _use_by(lot.opened_at, material)
    for due in (lot.use_by, use_by):
        if due is not None and now >= due:
            raise Refused(
                f"Lot {lot.number} was opened or thawed too long ago, to be used before {stamp(due)}; scan another lot."
            )


def _use_by(opened_at: datetime | None, material: Material) -> datetime | None:
    if opened_at is None or material.use_within is None:
        return None
    return opened_at + duration(material.use_within)


# -- commands: each returns the drafts for the lot's stream, or raises ----------------------------------


def receive(
    number: str,
    material: Material,
    quantity: Quantity,
    expires: datetime | None,
    identity: str,
    supplier_lot: str,
    actor: Actor,
) -> tuple[Draft, ...]:
    """A lot arrives, into quarantine. Patient and donor material needs its chain-of-identity number."""
    if material.identity and not identity:
        raise BadInput(f"{material.name} is {material.identity} material; give its chain-of-identity number.")
    if identity and not material.identity:
        raise BadInput(
            f"{material.name} is not patient or donor material; leave the chain of identity empty."
        )
    if not supplier_lot.strip():
        raise BadInput(f"Lot {number} of {material.name} needs the supplier's or collection's lot number.")
    body = _beginning(number, material, quantity, identity) | {
        "expires": _stamp(expires), "supplier_lot": supplier_lot.strip(), "status": "quarantine",
    }  # fmt: skip
    return (Draft("lot_received", body, actor),)


def produce(
    number: str, material: Material, quantity: Quantity, containers: int, batch: str, path: str, parents: Iterable[str],
    identity: str, expires: datetime | None = None, actor: Actor = SYSTEM,
) -> tuple[Draft, ...]:  # fmt: skip
    """A batch makes a lot from `parents`: a product goes into quarantine, an intermediate stays in process."""
    if containers < 1:
        raise BadInput(f"Lot {number} needs at least one container; it has {containers}.")
    body = _beginning(number, material, quantity, identity) | {
        "expires": _stamp(expires), "status": "quarantine" if material.kind == "product" else "in_process",
        "batch": batch, "path": path, "containers": containers, "parents": sorted(set(parents)),
    }  # fmt: skip
    return (Draft("lot_produced", body, actor),)


def _beginning(number: str, material: Material, quantity: Quantity, identity: str) -> dict[str, Plain]:
    if quantity.value <= 0:
        raise BadInput(f"Lot {number} of {material.name} holds {quantity}; the quantity must be above zero.")
    quantity.to(material.unit)  # raises BadInput where the recipe measures something else
    return {
        "lot": number, "material": material.name, "quantity": quantity.plain(), "identity": identity,
        "supplier_lot": "", "batch": "", "containers": 1, "parents": [],
    }  # fmt: skip


def release(lot: LotState, signature: str, reason: str, actor: Actor) -> tuple[Draft, ...]:
    """QA releases a lot for use."""
    if lot.status not in ("quarantine", "conditional"):
        raise Refused(f"Lot {lot.number} is {_words(lot.status)}; only a lot in quarantine can be released.")
    return (Draft("lot_released", _decision(lot, signature, reason, actor), actor),)


def reject(lot: LotState, signature: str, reason: str, actor: Actor) -> tuple[Draft, ...]:
    """QA rejects a lot, also one that was released before."""
    if lot.status == "rejected":
        raise Refused(f"Lot {lot.number} is rejected already.")
    return (Draft("lot_rejected", _decision(lot, signature, reason, actor), actor),)


def accept_conditionally(lot: LotState, signature: str, reason: str, actor: Actor) -> tuple[Draft, ...]:
    """QA accepts irreplaceable material before all results are in; its recipe must allow it."""
    if not lot.identity:
        raise Refused(f"Lot {lot.number} is neither patient nor donor material; it must be released.")
    if lot.status != "quarantine":
        raise Refused(
            f"Lot {lot.number} is {_words(lot.status)}; only a lot in quarantine can be accepted conditionally."
        )
    return (Draft("lot_conditionally_accepted", _decision(lot, signature, reason, actor), actor),)


def _decision(lot: LotState, signature: str, reason: str, actor: Actor) -> PlainDict:
    if actor.kind != "person" or actor.role not in DECIDERS:
        raise NotPermitted(f"The status of lot {lot.number} is decided by QA or a QP; ask one.")
    if not signature:
        raise BadInput(f"The decision on lot {lot.number} needs a signature; sign it first.")
    return {"signature": signature, "reason": _reason(lot, reason)}


def open_lot(
    lot: LotState, material: Material, how: Literal["opened", "thawed"], at: datetime, actor: Actor
) -> tuple[Draft, ...]:
    """A lot is opened or thawed: from now on the recipe's `use_within` counts."""
    if lot.opened_at is not None:
        raise Refused(
            f"Lot {lot.number} was opened or thawed at {stamp(lot.opened_at)}; its time already counts."
        )
    _check_age(lot, material, at)
    return (Draft(f"lot_{how}", {"use_by": _stamp(_use_by(at, material))}, actor),)


def consume(
    lot: LotState,
    material: Material,
    quantity: Quantity,
    batch: str,
    path: str,
    identity: str,
    now: datetime,
    actor: Actor,
) -> tuple[Draft, ...]:
    """A batch uses some of the lot. Raises as `eligible` does."""
    eligible(lot, material, quantity, identity, now, batch)
    body: PlainDict = {"batch": batch, "path": path, "quantity": quantity.to(lot.left().unit).plain()}
    return (Draft("lot_consumed", body, actor),)


def adjust(lot: LotState, counted: Quantity, reason: str, actor: Actor) -> tuple[Draft, ...]:
    """The stock was counted and differs from the record: `counted` is what is there."""
    if counted.value < 0:
        raise BadInput(f"Lot {lot.number} cannot hold {counted}; count again.")
    body: PlainDict = {
        "quantity": counted.to(lot.left().unit).plain(), "before": lot.left().plain(), "reason": _reason(lot, reason),
    }  # fmt: skip
    return (Draft("lot_adjusted", body, actor),)


def correct(
    lot: LotState, entry: int, expires: datetime | None, supplier_lot: str, reason: str, actor: Actor
) -> tuple[Draft, ...]:
    """Correct the expiry or supplier's lot of an entry. A wrong identity or material is never
    corrected: the lot is rejected and received anew."""
    if not 0 < entry <= lot.entries:
        raise BadInput(f"Lot {lot.number} has no entry {entry}; it has {lot.entries}.")
    if (expires, supplier_lot) == (lot.expires, lot.supplier_lot):
        raise BadInput(f"Nothing of lot {lot.number} would change; say what is right.")
    body: PlainDict = {
        "entry": entry, "expires": _stamp(expires), "supplier_lot": supplier_lot, "reason": _reason(lot, reason),
        "before": {"expires": _stamp(lot.expires), "supplier_lot": lot.supplier_lot},
    }  # fmt: skip
    return (Draft("lot_corrected", body, actor),)


def _reason(lot: LotState, reason: str) -> str:
    if not reason.strip():
        raise BadInput(f"A change of lot {lot.number} needs a reason; say why in a few words.")
    return reason.strip()


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else stamp(at)


def _words(status: LotStatus) -> str:
    return (
        status.replace("_", " ")
        .replace("quarantine", "in quarantine")
        .replace("conditional", "accepted conditionally")
    )


# -- genealogy -----------------------------------------------------------------------------------------


def ancestors(lot: str, edges: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Every lot that `lot` was made from, nearest first. `edges` are (parent, child); cycles are safe."""
    return _reached(lot, [(child, parent) for parent, child in edges])


def descendants(lot: str, edges: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Every lot made from `lot`, nearest first. `edges` are (parent, child); cycles are safe."""
    return _reached(lot, list(edges))


def _reached(start: str, edges: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    following: dict[str, set[str]] = {}
    for before, after in edges:
        following.setdefault(before, set()).add(after)
    found, level = {start: None}, [start]
    while level:
        level = sorted({after for each in level for after in following.get(each, ())} - found.keys())
        found |= dict.fromkeys(level)
    return tuple(found)[1:]
