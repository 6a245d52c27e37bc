"""Signing in and out, one's own password, and the policy on signatures."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StringConstraints

from batches.entries import stamp
from orchestrator.api.common import ActOnce, Body, Source, TheHouse, ThePerson
from orchestrator.api.gate import COOKIE
from orchestrator.person import POLICY, POLICY_VERSION, Person

entrance, router = APIRouter(tags=["people"]), APIRouter(tags=["people"])
Password = Annotated[str, StringConstraints(min_length=1, max_length=200)]
UserName = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class SignIn(Body):
    """`new_password` changes the password at once, as a first sign-in asks for. `cookie`: for browsers."""

    user_name: UserName
    password: Password
    new_password: Password | None = None
    cookie: bool = False


class Policy(BaseModel):
    """The policy on electronic signatures, and whether this person has acknowledged it."""

    version: int
    text: str
    acknowledged: bool


class Me(BaseModel):
    """The person signed in."""

    id: str
    user_name: str
    full_name: str
    roles: list[str]
    must_change_password: bool
    policy: Policy


class Token(BaseModel):
    """A sign-in. `token` is empty where a cookie carries it."""

    token: str
    ends_at: str
    person: Me


class NewPassword(Body):
    """One's own new password."""

    old_password: Password
    new_password: Password


class Acknowledgement(Body):
    """That one accepts accountability for one's signatures."""

    policy: int


class Done(BaseModel):
    """It was done."""

    status: Literal["done"] = "done"


def me(person: Person) -> Me:
    """How a person sees themselves."""
    policy = Policy(version=POLICY_VERSION, text=POLICY, acknowledged=person.policy == POLICY_VERSION)
    return Me(
        id=person.id, user_name=person.user_name, full_name=person.full_name, roles=person.roles,
        must_change_password=person.must_change, policy=policy,
    )  # fmt: skip


@entrance.post("/sign-in", operation_id="sign_in")
async def sign_in(body: SignIn, house: TheHouse, source: Source, response: Response) -> Token:
    """Sign in. The token lasts 15 minutes without use, and 12 hours at most."""
    found = await house.people.sign_in(body.user_name, body.password, source, body.new_password or "")
    if body.cookie:
        response.set_cookie(COOKIE, found.token, secure=True, httponly=True, samesite="strict")
    return Token(
        token="" if body.cookie else found.token, ends_at=stamp(found.ends_at), person=me(found.person)
    )


@router.post("/sign-out", operation_id="sign_out")
async def sign_out(request: Request, house: TheHouse, response: Response) -> Done:
    """End this sign-in."""
    await house.people.sign_out(request.state.token)
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")
    return Done()


@router.get("/me", operation_id="get_me")
async def get_me(person: ThePerson) -> Me:
    """Who is signed in, and the policy on signatures."""
    return me(person)


@router.post("/me/password", operation_id="change_my_password")
async def change_my_password(body: NewPassword, house: TheHouse, person: ThePerson, source: Source) -> Done:
    """Change one's own password. Every sign-in of this person ends, this one included."""
    await house.people.change_password(person, body.old_password, body.new_password, source)
    return Done()


@router.post("/me/policy", operation_id="acknowledge_policy", response_model=Done)
async def acknowledge_policy(
    body: Acknowledgement, house: TheHouse, person: ThePerson, once: ActOnce
) -> Response:
    """Acknowledge the policy on electronic signatures; needed once before the first signature."""
    return await once.act(
        lambda reply: house.people.acknowledge_policy(person, body.policy, reply),
        lambda _: {"status": "done"},
    )
