"""People and their roles: the administrators' part."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, StringConstraints

from batches.entries import stamp
from batches.qualifications import EVERY, GRANT, Qualification
from orchestrator.api.common import (
    ActOnce,
    AsRole,
    Body,
    Cursor,
    IfMatch,
    Limit,
    Long,
    Moment,
    Page,
    Short,
    TheHouse,
    ThePerson,
    check_match,
    decided_text,
    page,
    permitted,
)
from orchestrator.api.sign_in import Done, Password, UserName
from orchestrator.people import NewPerson
from orchestrator.person import Person
from orchestrator.replying import Replying

router = APIRouter(prefix="/people", tags=["people"])
ADMIN = ("admin",)


class AddPerson(Body):
    """A new person. `identity_check`: how it was made sure who this is (21 CFR 11.100(b))."""

    user_name: UserName
    full_name: Annotated[str, StringConstraints(min_length=2, max_length=200)]
    roles: list[str]
    password: Password
    identity_check: Long


class SetRoles(Body):
    """The roles a person has from now on."""

    roles: list[str]


class GivenPassword(Body):
    """A password that its owner must change before anything else."""

    password: Password


class QualificationShown(BaseModel):
    """A qualification, as granted; '*' stands for every recipe, task or room."""

    id: str
    recipe: str
    task: str
    room: str
    since: str
    until: str
    granted_by: str
    withdrawn: bool


class PersonShown(BaseModel):
    """A person, as others see them. `qualifications`: all ever granted."""

    id: str
    user_name: str
    full_name: str
    roles: list[str]
    left: bool
    qualifications: list[QualificationShown]


class Qualify(Body):
    """What a person is qualified for: a recipe by name, a task (phase class, such as wash), a room by its unit
    id; '*' for every one. `evidence`: what it rests on. Without `since`: from now. Times of the process."""

    recipe: Short
    task: Short = EVERY
    room: Short = EVERY
    since: Moment | None = None
    until: Moment
    evidence: Long


class WithdrawQualification(Body):
    """Why a person is no longer qualified."""

    reason: Long


class Granted(BaseModel):
    """The id of a qualification, which answers name."""

    qualification: str


class PersonAdded(BaseModel):
    """The permanent id of the new person."""

    id: str


def etag(person: Person) -> str:
    """The account as it stands. A sign-in is no change of it."""
    return f'"{person.changes}"'


def shown(person: Person) -> PersonShown:
    """A person, as others see them."""
    return PersonShown(
        id=person.id,
        user_name=person.user_name,
        full_name=person.full_name,
        roles=person.roles,
        left=person.left,
        qualifications=[_qualification(each) for each in person.qualifications],
    )


def _qualification(found: Qualification) -> QualificationShown:
    return QualificationShown(
        id=found.id, recipe=found.recipe, task=found.task, room=found.room, since=stamp(found.since),
        until=stamp(found.until), granted_by=found.granted_by, withdrawn=found.withdrawn,
    )  # fmt: skip


@router.get("", operation_id="list_people")
async def list_people(house: TheHouse, cursor: Cursor = "", limit: Limit = 100) -> Page[PersonShown]:
    """Everybody who is or was here."""
    found = [shown(person) for _, person in sorted(house.people.persons.items())]
    return page(found, lambda person: person.id, cursor, limit)


@router.get("/{name}", operation_id="get_person")
async def get_person(name: str, house: TheHouse, response: Response) -> PersonShown:
    """A person by id or user name. The ETag is what a change of roles names in If-Match."""
    found = house.people.find(name)
    response.headers["ETag"] = etag(found)
    return shown(found)


@router.post("", operation_id="add_person", status_code=201, response_model=PersonAdded)
async def add_person(
    body: AddPerson, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Add a person with a first password, which they change when they first sign in."""
    actor = permitted(person, ADMIN, role)
    new = NewPerson(body.user_name, body.full_name, body.roles, body.password, body.identity_check)
    return await once.act(
        lambda reply: house.people.add(new, actor, reply),
        lambda decided: {"id": decided[0][0].removeprefix("person/")},
        201,
    )


@router.post("/{name}/roles", operation_id="set_roles", response_model=Done)
async def set_roles(
    name: str, body: SetRoles, house: TheHouse, person: ThePerson, once: ActOnce, if_match: IfMatch = None,
    role: AsRole = "",
) -> Response:  # fmt: skip
    """Give a person exactly these roles; it acts at once."""
    actor = permitted(person, ADMIN, role)
    found = house.people.find(name)

    async def work(reply: Replying) -> None:
        check_match(if_match, etag(found))
        await house.people.set_roles(found, body.roles, actor, reply)

    return await once.act(work, lambda _: {"status": "done"})


@router.post("/{name}/password", operation_id="reset_password", response_model=Done)
async def reset_password(
    name: str, body: GivenPassword, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Give a person a password that they must change; it cannot sign."""
    actor = permitted(person, ADMIN, role)
    found = house.people.find(name)
    return await once.act(
        lambda reply: house.people.reset_password(found, body.password, actor, reply),
        lambda _: {"status": "done"},
    )


@router.post("/{name}/departure", operation_id="person_leaves", response_model=Done)
async def person_leaves(
    name: str, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """The person leaves: signed out everywhere, and the user name is never given again."""
    actor = permitted(person, ADMIN, role)
    found = house.people.find(name)
    return await once.act(lambda reply: house.people.leave(found, actor, reply), lambda _: {"status": "done"})


@router.post("/{name}/qualifications", operation_id="qualify_person", status_code=201, response_model=Granted)
async def qualify_person(
    name: str, body: Qualify, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Qualify another person for a recipe, a task and a room, until a day."""
    actor = permitted(person, GRANT, role)
    found, what = house.people.find(name), (body.recipe, body.task, body.room)
    return await once.act(
        lambda reply: house.people.qualify(found, what, body.since, body.until, body.evidence, actor, reply),
        lambda decided: {"qualification": decided_text(decided, "id")},
        201,
    )


@router.post(
    "/{name}/qualifications/{qualification}/withdrawal", operation_id="withdraw_qualification",
    response_model=Done,
)  # fmt: skip
async def withdraw_qualification(
    name: str, qualification: str, body: WithdrawQualification, house: TheHouse, person: ThePerson, once: ActOnce,
    role: AsRole = "",
) -> Response:  # fmt: skip
    """End a qualification at once, with the reason."""
    actor = permitted(person, GRANT, role)
    found = house.people.find(name)
    return await once.act(
        lambda reply: house.people.disqualify(found, qualification, body.reason, actor, reply),
        lambda _: {"status": "done"},
    )
