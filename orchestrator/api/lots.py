"""Lots of material: receipt, the decision of quality assurance, stock and genealogy."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from batches.entries import stamp
from batches.errors import NotFound
from batches.materials import LotState, ancestors, descendants
from orchestrator.answers import Signature
from orchestrator.api.common import (
    ActOnce,
    Amount,
    AnyAmount,
    AsRole,
    Body,
    Cursor,
    Identity,
    Limit,
    Long,
    Moment,
    Page,
    Short,
    Source,
    TheHouse,
    ThePerson,
    amount,
    decided_text,
    maybe_stamp,
    page,
    permitted,
    quantity_of,
)
from orchestrator.api.sign_in import Password
from orchestrator.clock import RealClock
from orchestrator.site import LotDecision

router = APIRouter(prefix="/lots", tags=["lots"])
RECEIVERS = ("logistics", "operator", "supervisor", "qa")
QUALITY = ("qa", "qp")
MEANINGS: dict[LotDecision, str] = {"release": "released", "accept": "approved", "reject": "rejected"}


class ReceiveLot(Body):
    """A lot that arrives. `identity`: chain-of-identity number of patient or donor material, as issued by the
    site's scheme; any other text, such as a name, is refused."""

    material: Short
    quantity: AnyAmount
    supplier_lot: Short
    expires: Moment | None = None
    identity: Identity = ""


class DecideLot(Body):
    """A decision of quality assurance, signed with the person's password."""

    decision: LotDecision
    reason: Long
    password: Password


class LotNumber(BaseModel):
    """The number on the lot's label."""

    lot: str


class LotUse(BaseModel):
    """A use of a lot by a batch."""

    batch: str
    path: str
    quantity: Amount


class LotShown(BaseModel):
    """A lot. `quantity` is what is left."""

    lot: str
    material: str
    quantity: Amount
    status: str
    expires: str | None
    use_by: str | None
    identity: str
    supplier_lot: str
    made_by: str
    containers: int
    parents: list[str]
    uses: list[LotUse]


class Genealogy(BaseModel):
    """Every lot it was made from, every lot made from it, and the batches that used it."""

    lot: str
    ancestors: list[str]
    descendants: list[str]
    batches: list[str]


def shown(lot: LotState) -> LotShown:
    """A lot on the wire."""
    return LotShown(
        lot=lot.number, material=lot.material, quantity=amount(lot.left()), status=lot.status,
        expires=maybe_stamp(lot.expires), use_by=maybe_stamp(lot.use_by), identity=lot.identity,
        supplier_lot=lot.supplier_lot, made_by=lot.made_by, containers=lot.containers, parents=list(lot.parents),
        uses=[LotUse(batch=u.batch, path=u.path, quantity=amount(u.quantity)) for u in lot.uses],
    )  # fmt: skip


@router.post("", operation_id="receive_lot", status_code=201, response_model=LotNumber)
async def receive_lot(
    body: ReceiveLot, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Receive a lot into quarantine."""
    actor, quantity = permitted(person, RECEIVERS, role), quantity_of(body.quantity)
    return await once.act(
        lambda reply: house.site.receive_lot(
            body.material, quantity, body.expires, body.identity, body.supplier_lot, actor, reply
        ),
        lambda decided: {"lot": decided_text(decided, "lot")},
        201,
    )


@router.post("/{number}/decision", operation_id="decide_lot", response_model=LotNumber)
async def decide_lot(
    number: str, body: DecideLot, house: TheHouse, person: ThePerson, source: Source, once: ActOnce, role: AsRole = ""
) -> Response:  # fmt: skip
    """Release, reject, or accept conditionally, under signature."""
    actor = permitted(person, QUALITY, role)
    signature = await house.people.sign(person, body.password, actor.role, MEANINGS[body.decision], source)
    return await once.act(
        lambda reply: house.site.decide_lot(
            number, body.decision, printed(signature), body.reason, actor, reply
        ),
        lambda _: {"lot": number},
    )


def printed(signature: Signature) -> str:
    """A signature as one line: name, user name, role, meaning, UTC time and the site's zone."""
    at = stamp(RealClock().now())
    return f"{signature.name} ({signature.user_name}), {signature.role}, {signature.meaning}, {at}, {signature.zone}"


@router.get("", operation_id="list_lots")
async def list_lots(
    house: TheHouse, material: str = "", status: str = "", cursor: Cursor = "", limit: Limit = 100
) -> Page[LotShown]:
    """Lots, all or of a material or status."""
    found = [
        shown(lot) for _, lot in sorted(house.site.lots.items())
        if material in ("", lot.material) and status in ("", lot.status)
    ]  # fmt: skip
    return page(found, lambda lot: lot.lot, cursor, limit)


@router.get("/{number}", operation_id="get_lot")
async def get_lot(number: str, house: TheHouse) -> LotShown:
    """One lot."""
    if number not in house.site.lots:
        raise NotFound(f"There is no lot {number}; look at the list of lots.")
    return shown(house.site.lots[number])


@router.get("/{number}/genealogy", operation_id="get_genealogy")
async def get_genealogy(number: str, house: TheHouse) -> Genealogy:
    """Where a lot came from and where it went."""
    lots = house.site.lots
    if number not in lots:
        raise NotFound(f"There is no lot {number}; look at the list of lots.")
    edges = [(parent, lot.number) for lot in lots.values() for parent in lot.parents]
    return Genealogy(
        lot=number, ancestors=list(ancestors(number, edges)), descendants=list(descendants(number, edges)),
        batches=sorted({use.batch for use in lots[number].uses}),
    )  # fmt: skip
