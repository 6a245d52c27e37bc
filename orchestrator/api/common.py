"""What the routes share: who asks, as which role, acting once, pages, and the base of all models."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeAlias, TypeVar, cast

from fastapi import Depends, Header, Query, Request, Response
from fastapi.security import HTTPBearer
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, JsonValue, StringConstraints

from batches.entries import Actor, stamp
from batches.errors import BadInput, NotPermitted, RecordError
from batches.plain import Plain, PlainDict, canonical, text_in
from batches.quantities import Quantity, from_plain, parse
from batches.steps import decode
from orchestrator.api.house import House
from orchestrator.api.problems import MissingKey, MissingMatch, ReusedKey, Stale
from orchestrator.person import Person
from orchestrator.replying import Decided, Replying
from orchestrator.store.port import Reply

T = TypeVar("T")
bearer = HTTPBearer(auto_error=False, scheme_name="token", description="The token of POST /api/v1/sign-in.")
"""For the OpenAPI document; the gate does the work (gate.py)."""
SECRETS = frozenset({"password", "verifier_password", "new_password", "old_password"})


class Body(BaseModel):
    """What is sent: a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


def _sane(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 2200:
        raise ValueError("the year should lie between 1900 and 2200")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_sane)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Long = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
MaybeLong = Annotated[str, StringConstraints(max_length=4000)]
Identity = Annotated[str, StringConstraints(max_length=40)]
"""A chain-of-identity number; the site's scheme judges its form (batches/numbers.py)."""
PlainObject: TypeAlias = dict[str, JsonValue]


class Amount(Body):
    """A quantity: the number as text, so that no digit is lost, and its unit of measure."""

    value: Annotated[str, StringConstraints(max_length=64)]
    unit: Annotated[str, StringConstraints(max_length=64)]


AnyAmount: TypeAlias = Annotated[str, StringConstraints(max_length=128)] | Amount
"""'37.0 degC' or {"value": "37.0", "unit": "degC"}."""


def amount(found: Quantity) -> Amount:
    """A quantity on the wire."""
    return Amount.model_validate(found.plain())


def wire(found: PlainDict) -> PlainObject:
    """A plain object on the wire."""
    return cast("PlainObject", dict(found))


def quantity_of(given: "str | Amount") -> Quantity:
    """The quantity that was sent. Raises BadInput."""
    return parse(given) if isinstance(given, str) else from_plain(given.model_dump())


def house_of(request: Request) -> House:
    """The house behind the API."""
    return request.app.state.house


def person_of(request: Request) -> Person:
    """Who asks; the gate has let nobody else in."""
    return request.state.person


def source_of(request: Request) -> str:
    """Where a request comes from, for the record of sign-ins."""
    return request.client.host if request.client else "unknown"


TheHouse = Annotated[House, Depends(house_of)]
ThePerson = Annotated[Person, Depends(person_of)]
Source = Annotated[str, Depends(source_of)]
AsRole = Annotated[
    str, Header(alias="Kweek-Role", description="The role to act in, for a person with several; else one that fits.", max_length=20)
]  # fmt: skip


def as_role(person: Person, fitting: Sequence[str], wanted: str = "") -> Actor:
    """The person in one of their roles, a fitting one if they have it; the core judges what it may do.

    Raises NotPermitted for a role the person does not have.
    """
    if wanted and wanted not in person.roles:
        raise NotPermitted(
            f"You do not have the role {wanted}; yours are {', '.join(person.roles) or 'none'}."
        )
    role = wanted or next((role for role in fitting if role in person.roles), next(iter(person.roles), ""))
    return Actor("person", person.id, role)


def permitted(person: Person, roles: Sequence[str], wanted: str = "") -> Actor:
    """The same, where the API judges: raises NotPermitted unless the role is one of `roles`."""
    actor = as_role(person, roles, wanted)
    if actor.role not in roles:
        raise NotPermitted(f"This needs the role {' or '.join(roles)}; yours is {actor.role or 'none'}.")
    return actor


def sent_plain(found: "JsonValue | PlainObject") -> Plain:
    """Values that were sent, with every quantity in them checked. Raises BadInput."""
    value = cast("Plain", found)
    try:
        decode(value)
    except RecordError as error:
        raise BadInput(str(error.__cause__ or error)) from error
    return value


def sent_object(found: PlainObject) -> PlainDict:
    """The same for an object."""
    return cast("PlainDict", sent_plain(found))


# --- acting once ------------------------------------------------------------------------------------

KEY_TEXT = "A key of your choice for this one act, such as a UUID; a repeated request with it acts once."


class Once:
    """A request that acts: with its key it acts once, and is answered the same when it is sent again."""

    def __init__(self, house: House, scope: str, key: str, digest: str) -> None:
        self._house, self._scope, self._key, self._digest = house, scope, key, digest
        self._kept: Reply | None = None

    async def act(
        self,
        work: Callable[[Replying], Awaitable[object]],
        answer: Callable[[Decided], PlainDict],
        status: int = 200,
    ) -> Response:
        """Do `work`, handing it the reply to keep; `answer` makes the body from what was decided."""
        place = (self._scope, self._key)
        lock = self._house.keys.setdefault(place, asyncio.Lock())
        async with lock:
            store = self._house.site.engine.store
            kept = await asyncio.to_thread(store.reply, *place)
            if kept is None:
                await work(lambda decided: self._keep(decided, answer, status))
                kept = self._kept
            elif kept.request_digest != self._digest:
                raise ReusedKey(
                    f"The Idempotency-Key '{self._key}' was used for another request; choose a new one."
                )
            assert kept is not None, "the work committed nothing with the reply it was handed"
            return Response(kept.body, kept.status, media_type="application/json")

    def _keep(self, decided: Decided, answer: Callable[[Decided], PlainDict], status: int) -> Reply:
        body = canonical(answer(decided))
        self._kept = Reply(self._scope, self._key, self._digest, status, body)
        return self._kept


def once_of(
    request: Request, house: TheHouse, person: ThePerson,
    key: Annotated[str | None, Header(alias="Idempotency-Key", description=KEY_TEXT)] = None,
) -> Once:  # fmt: skip
    """The key of a request that acts. Raises MissingKey or BadInput."""
    if not key:
        raise MissingKey(
            "Send an Idempotency-Key with this request, such as a UUID, so that a repetition acts once."
        )
    if len(key) > 200 or not (key.isascii() and key.isprintable()):
        raise BadInput("An Idempotency-Key is printable ASCII text of at most 200 characters; send a UUID.")
    scope = f"{person.id} {request.method} {request.url.path}"
    digest = hashlib.sha256(canonical(_without_secrets(request.state.body))).hexdigest()
    return Once(house, scope, key, digest)


def _without_secrets(value: Plain) -> Plain:
    """No digest of a password may be kept where it could be guessed from."""
    if isinstance(value, Mapping):
        return {name: _without_secrets(part) for name, part in value.items() if name not in SECRETS}
    if isinstance(value, (list, tuple)):
        return [_without_secrets(part) for part in value]
    return value


ActOnce = Annotated[Once, Depends(once_of)]


def decided_text(decided: Decided, name: str) -> str:
    """The text under `name` in the first draft decided."""
    return text_in(decided[0][1].body, name)


# --- what may change in between ----------------------------------------------------------------------

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The ETag of what you read: you change that, and nothing newer.")
]  # fmt: skip


def check_match(given: str | None, current: str) -> None:
    """Raises MissingMatch without an If-Match, Stale if the thing has changed since it was read."""
    if given is None:
        raise MissingMatch(
            "Send If-Match with the ETag of what you read, so that nobody's change is overwritten."
        )
    if given != current:
        raise Stale(f"This has changed since you read it (it is {current} now); read it again, then decide.")


# --- pages --------------------------------------------------------------------------------------------


class Page(BaseModel, Generic[T]):
    """One page of a list. `next`: the cursor of the next page, null on the last."""

    items: list[T]
    next: str | None


Cursor = Annotated[str, Query(alias="cursor", description="`next` of the page before.", max_length=300)]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]


def page(found: Sequence[T], key: Callable[[T], str], after: str, limit: int) -> Page[Any]:
    """The page after a cursor. `found` is sorted by its `key`, which is unique and never changes."""
    rest = [item for item in found if key(item) > after]
    return Page(items=rest[:limit], next=key(rest[limit - 1]) if len(rest) > limit else None)


def maybe_stamp(moment: datetime | None) -> str | None:
    """The text of a time, if there is one."""
    return None if moment is None else stamp(moment)
