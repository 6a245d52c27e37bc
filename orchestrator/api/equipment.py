"""Units of the plant: who has them, whether they are clean, and what they read now."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from batches.entries import Actor, stamp
from batches.errors import NotFound
from orchestrator.api.common import (
    ActOnce,
    Amount,
    AsRole,
    Body,
    Long,
    Page,
    Source,
    TheHouse,
    ThePerson,
    amount,
    permitted,
)
from orchestrator.api.house import House
from orchestrator.api.sign_in import Done, Password, UserName

router = APIRouter(prefix="/equipment", tags=["equipment"])
CLEANERS = ("operator", "supervisor")


class HolderShown(BaseModel):
    """The batch on a unit or one of its positions."""

    position: str
    batch: str
    path: str
    role: str


class UnitShown(BaseModel):
    """A unit (ISA-88 equipment). `status`: whether it may be given to a batch."""

    id: str
    title: str
    unit_class: str
    area: str
    process_cell: str
    room: str
    driver: str
    status: str
    clean: bool
    in_service: bool
    tags: dict[str, str]
    holders: list[HolderShown]


class ReadingShown(BaseModel):
    """One value of a tag, just read; `quality`: good, uncertain, stale, bad."""

    unit: str
    tag: str
    value: Amount
    at: str
    quality: str


class Cleaned(Body):
    """A cleaning by the person signed in, verified by a second who authenticates here."""

    method: Long
    verifier: UserName
    verifier_password: Password


def shown(house: House, unit_id: str) -> UnitShown:
    """A unit on the wire. Raises NotFound."""
    known, state = house.site.engine.plant.unit(unit_id), house.site.equipment.get(unit_id)
    if state is None:
        raise NotFound(f"There is no unit {unit_id} in the record; look at the list of equipment.")
    return UnitShown(
        id=known.id, title=known.title, unit_class=known.unit_class, area=known.area, process_cell=known.process_cell,
        room=known.room, driver=known.driver, status=state.status, clean=state.clean, in_service=state.in_service,
        tags={name: tag.unit for name, tag in known.tags.items()},
        holders=[
            HolderShown(position=at, batch=holder.batch, path=holder.path, role=holder.role)
            for at, holder in state.holders.items()
        ],
    )  # fmt: skip


@router.get("", operation_id="list_equipment")
async def list_equipment(house: TheHouse) -> Page[UnitShown]:
    """Every unit of the plant file."""
    return Page(items=[shown(house, unit.id) for unit in house.site.engine.plant.units], next=None)


@router.get("/{unit}", operation_id="get_unit")
async def get_unit(unit: str, house: TheHouse) -> UnitShown:
    """One unit."""
    return shown(house, unit)


@router.get("/{unit}/readings/{tag}", operation_id="read_tag")
async def read_tag(unit: str, tag: str, house: TheHouse) -> ReadingShown:
    """Read a tag of a unit now."""
    house.site.engine.plant.unit(unit).tag(tag)
    found = await house.site.reading(unit, tag)
    return ReadingShown(
        unit=unit, tag=tag, value=amount(found.value), at=stamp(found.at), quality=found.quality
    )


@router.post("/{unit}/cleanings", operation_id="clean_unit", status_code=201, response_model=Done)
async def clean_unit(
    unit: str,
    body: Cleaned,
    house: TheHouse,
    person: ThePerson,
    source: Source,
    once: ActOnce,
    role: AsRole = "",
) -> Response:
    """Two people have cleaned a unit; it may be given to the next batch."""
    actor = permitted(person, CLEANERS, role)
    second = await house.people.other_person(body.verifier, body.verifier_password, source)
    verified: Actor = permitted(second, (*CLEANERS, "qa"))
    return await once.act(
        lambda reply: house.site.clean_unit(unit, actor, verified, body.method, reply),
        lambda _: {"status": "done"},
        201,
    )
