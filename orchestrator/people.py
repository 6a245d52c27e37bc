"""People: who they are, what roles they have, and whether it is really they.

Roles and everything a person did to an account are entries of 'person/<id>'; names and password hashes
lie in `people_store`. Times here are real time: a sign-in ends after 15 minutes without use and after
12 hours, whatever a simulated plant's clock says.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar, get_args

import structlog

from batches.entries import Actor, Draft, Entry
from batches.errors import BadInput, Conflict, NotFound, NotPermitted, Refused, StoreError
from batches.plain import text_in
from batches.steps import Role
from orchestrator.answers import Signature
from orchestrator.clock import RealClock
from orchestrator.engine import Engine
from orchestrator.passwords import Passwords, check_new
from orchestrator.people_store import Login, Named, PeopleStore
from orchestrator.replying import Replying

IDLE, LONGEST = timedelta(minutes=15), timedelta(hours=12)
"""How long a sign-in lasts without use, and at most (a shift)."""
TOUCH = timedelta(minutes=1)
"""How exactly the last use of a sign-in is kept on disk."""
FREE_FAILURES, LONGEST_DELAY = 3, timedelta(minutes=15)
"""After so many failures in a row each further one doubles the wait, from 2 s up to 15 minutes: nobody can
lock somebody else out for good."""
POLICY = (
    "My electronic signature is as binding as my handwritten one. I am accountable for everything done "
    "under my name; I keep my password to myself and report at once when somebody else may know it."
)
POLICY_VERSION = 1
"""21 CFR 11.10(j): nobody signs before having acknowledged this version."""

ROLES: tuple[str, ...] = get_args(Role)
T = TypeVar("T")


class NotSignedIn(NotPermitted):
    """Nobody is signed in, or no longer."""


class WaitFirst(Refused):
    """Too many failed attempts; `seconds` says how long to wait."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(slots=True)
class Person:
    """A person. `policy`: version of the signature policy acknowledged (0: none)."""

    id: str
    user_name: str
    full_name: str
    roles: list[str] = field(default_factory=list[str])
    left: bool = False
    policy: int = 0
    must_change: bool = False
    changes: int = 0
    """The entry that changed roles or presence last."""

    def apply(self, entry: Entry) -> None:
        """Fold one entry of the person's stream."""
        if entry.kind in ("person_added", "role_given", "role_taken", "person_left"):
            self.changes = entry.number
        match entry.kind:
            case "role_given":
                self.roles.append(text_in(entry.content(), "role"))
            case "role_taken":
                self.roles.remove(text_in(entry.content(), "role"))
            case "person_left":
                self.left, self.roles = True, []
            case "policy_acknowledged":
                self.policy = int(str(entry.content()["policy"]))
            case _:
                return


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new sign-in: the token is shown once and kept nowhere."""

    token: str
    person: Person
    ends_at: datetime


class People:
    """The people of a site. `open` first. `zone`: the site's time zone, shown with signatures. `now`: real
    time, whatever process time is."""

    def __init__(
        self, engine: Engine, store: PeopleStore, passwords: Passwords, zone: str = "UTC",
        now: Callable[[], datetime] | None = None,
    ) -> None:  # fmt: skip
        self._engine, self._store, self._passwords, self._zone = engine, store, passwords, zone
        self.now = now or RealClock().now
        self.persons: dict[str, Person] = {}
        self._by_name: dict[str, Person] = {}
        self._logins: dict[str, Login] = {}
        self._adding = asyncio.Lock()
        self.failed_attempts = 0

    def open(self) -> None:
        """Read the people and their open sign-ins. Blocking."""
        names = {named.id: named for named in self._store.names()}
        must_change = self._store.must_change()
        for stream in self._engine.store.streams("person/"):
            named = names.get(stream.removeprefix("person/"))
            if named is not None:
                person = Person(
                    named.id, named.user_name, named.full_name, must_change=named.id in must_change
                )
                for entry in self._engine.store.read(stream):
                    person.apply(entry)
                self._take_up(person)
        self._logins = {login.token: login for login in self._store.logins()}

    def _take_up(self, person: Person) -> None:
        self.persons[person.id] = person
        self._by_name[person.user_name.casefold()] = person

    async def _in_thread(self, work: Callable[[], T]) -> T:
        with self._engine.clock.activity.call():
            return await asyncio.to_thread(work)

    # --- signing in ---------------------------------------------------------------------------------

    async def sign_in(self, user_name: str, password: str, source: str, new_password: str = "") -> SignedIn:
        """A new sign-in. `source`: where from, for the record. With `new_password` the password is changed.

        Raises NotSignedIn (one sentence, whatever was wrong), WaitFirst, BadInput.
        """
        person = self._by_name.get(user_name.casefold())
        await self._check(user_name, password, person, source, "sign-in")
        if person is None:
            raise NotSignedIn(WRONG)
        if new_password:
            await self._change_password(person, new_password)
        token, now = secrets.token_urlsafe(32), self.now()
        login = Login(_digest(token), person.id, now, now)
        await self._in_thread(lambda: self._store.begin_login(login))
        await self._commit(person, [Draft("signed_in", {"source": source}, _self(person))])
        self._logins[login.token] = login
        return SignedIn(token, person, now + LONGEST)

    async def _check(
        self, user_name: str, password: str, person: Person | None, source: str, what: str
    ) -> None:
        """Whether this is the person: the delay after failures, the password, the record of a failure."""
        name = _digest(user_name.casefold())
        await self._check_delay(name)
        kept = None
        if person is not None and not person.left:
            found = await self._in_thread(lambda: self._store.credential(person.id))
            kept = None if found is None else found[0]
        right, newer = await self._passwords.check(password, kept)
        if not right:
            await self._failed(name, person, source, what)
        await self._in_thread(lambda: self._store.succeeded(name))
        if newer is not None and person is not None:
            renewed, must = newer, person.must_change
            await self._in_thread(lambda: self._store.set_credential(person.id, renewed, must_change=must))

    async def _check_delay(self, name: str) -> None:
        found = await self._in_thread(lambda: self._store.failures(name))
        if found is None or found[0] < FREE_FAILURES:
            return
        left = found[1] + delay(found[0]) - self.now()
        if left > timedelta(0):
            seconds = int(left.total_seconds()) + 1
            raise WaitFirst(f"Too many attempts failed under this name; try again in {seconds} s.", seconds)

    async def _failed(self, name: str, person: Person | None, source: str, what: str) -> None:
        self.failed_attempts += 1
        now = self.now()
        count = await self._in_thread(lambda: self._store.failed(name, now))
        if person is not None:  # a stranger's guesses at names would fill the record
            body = {"source": source, "what": what, "in_a_row": count}
            await self._commit(person, [Draft("sign_in_failed", body)])
        raise NotSignedIn(WRONG)

    def signed_in(self, token: str, *, touch: bool = True) -> Person:
        """Who holds this token. Raises NotSignedIn. With `touch` the sign-in counts as used now."""
        login, now = self._logins.get(_digest(token)), self.now()
        if login is None:
            raise NotSignedIn("You are not signed in, or your sign-in has ended; sign in.")
        person = self.persons[login.person]
        if person.left or now - login.used_at > IDLE or now - login.began_at > LONGEST:
            raise NotSignedIn("Your sign-in has ended (15 minutes without use, or 12 hours); sign in again.")
        if touch:
            self._touch(login, now)
        return person

    def _touch(self, login: Login, now: datetime) -> None:
        used = Login(login.token, login.person, login.began_at, now)
        if int(now.timestamp() / TOUCH.total_seconds()) != int(
            login.used_at.timestamp() / TOUCH.total_seconds()
        ):
            self._engine.spawn(self._keep_touch(used), "sign-in used")
        self._logins[login.token] = used

    async def _keep_touch(self, login: Login) -> None:
        try:
            await self._in_thread(lambda: self._store.touch_login(login.token, login.used_at))
        except (
            StoreError
        ) as error:  # after a restart the sign-in ends a little early; no batch stops for that
            structlog.get_logger().warning("the use of a sign-in was not kept", problem=str(error))

    async def sign_out(self, token: str) -> None:
        """End a sign-in."""
        person = self.signed_in(token, touch=False)
        await self._end_logins([_digest(token)])
        await self._commit(person, [Draft("signed_out", {}, _self(person))])

    async def _end_logins(self, tokens: Sequence[str]) -> None:
        for token in tokens:
            self._logins.pop(token, None)
        await self._in_thread(lambda: self._store.end_logins(tokens))

    async def _end_all(self, person: Person) -> None:
        await self._end_logins([token for token, login in self._logins.items() if login.person == person.id])

    # --- signing ------------------------------------------------------------------------------------

    async def sign(self, person: Person, password: str, role: str, meaning: str, source: str) -> Signature:
        """Authenticate the same person again for one signature (21 CFR 11.200(a)(1)).

        Raises NotPermitted for administrators and for who has not acknowledged the policy; NotSignedIn
        for a wrong password, which is recorded and counts as a failed attempt.
        """
        if role == "admin" or "admin" in person.roles:
            raise NotPermitted(
                "An administrator cannot sign in manufacturing; ask a person with a role there."
            )
        if person.must_change:
            raise NotPermitted("Your password was set by somebody else; change it before you sign.")
        if person.policy != POLICY_VERSION:
            raise NotPermitted("Acknowledge the policy on electronic signatures before you sign.")
        await self._check(person.user_name, password, person, source, "signature")
        return Signature(person.full_name, person.user_name, role, meaning, self._zone)

    async def other_person(self, user_name: str, password: str, source: str) -> Person:
        """A second person who authenticates beside the one signed in. Raises NotSignedIn, WaitFirst."""
        person = self._by_name.get(user_name.casefold())
        await self._check(user_name, password, person, source, "second person")
        if person is None or person.left:
            raise NotSignedIn(WRONG)
        return person

    async def acknowledge_policy(self, person: Person, version: int, reply: Replying | None = None) -> None:
        """The person accepts accountability for signatures."""
        if version != POLICY_VERSION:
            raise Conflict(f"The policy in force is version {POLICY_VERSION}; read and acknowledge that one.")
        await self._commit(person, [Draft("policy_acknowledged", {"policy": version}, _self(person))], reply)

    # --- accounts -----------------------------------------------------------------------------------

    def find(self, name: str) -> Person:
        """A person by id or user name. Raises NotFound."""
        found = self.persons.get(name) or self._by_name.get(name.casefold())
        if found is None:
            raise NotFound(f"There is no person '{name}'; look at the list of people.")
        return found

    async def add_first(self, user_name: str, full_name: str, password: str) -> str:
        """The first administrator, who adds the others. Refused once there is anybody."""
        if self.persons:
            raise Refused("There are people already; an administrator adds others.")
        await self._add(
            user_name,
            full_name,
            ["admin"],
            password,
            "at installation",
            Actor("system", "kweek"),
            None,
            False,
        )
        return self._by_name[user_name.casefold()].id

    async def add(
        self, user_name: str, full_name: str, roles: Sequence[str], password: str, identity_check: str, actor: Actor,
        reply: Replying | None = None,
    ) -> None:  # fmt: skip
        """Add a person, whose first password is changed before anything else.

        `identity_check`: how it was made sure who this is (21 CFR 11.100(b)).
        """
        if not identity_check.strip():
            raise BadInput("Say how the person's identity was checked, such as 'passport seen'.")
        await self._add(user_name, full_name, roles, password, identity_check, actor, reply, True)

    async def _add(
        self, user_name: str, full_name: str, roles: Sequence[str], password: str, identity_check: str, actor: Actor,
        reply: Replying | None, must_change: bool,
    ) -> None:  # fmt: skip
        _check_names(user_name, full_name)
        _check_roles(roles)
        check_new(password, user_name)
        hashed = await self._passwords.make(password)
        async with self._adding:
            known = await self._in_thread(self._store.names)
            named = Named(f"p-{len(known) + 1:04}", user_name, full_name)
            await self._in_thread(lambda: self._store.add(named, hashed, must_change=must_change))
            person = Person(named.id, user_name, full_name, must_change=must_change)
            drafts = [
                Draft("person_added", {"identity_check": identity_check}, actor),
                Draft("password_set", {}, actor),
            ]
            drafts += [Draft("role_given", {"role": role}, actor) for role in sorted(set(roles))]
            await self._commit(person, drafts, reply)
            self._take_up(person)

    async def set_roles(
        self, person: Person, roles: Sequence[str], actor: Actor, reply: Replying | None = None
    ) -> None:
        """Give the person exactly these roles; it acts at once."""
        if person.id == actor.id:
            raise NotPermitted("Nobody changes their own roles; ask another administrator.")
        if person.left:
            raise Refused(f"{person.user_name} has left; a person who returns is added anew.")
        _check_roles(roles)
        self._keep_an_administrator(person, roles)
        drafts = [Draft("role_taken", {"role": role}, actor) for role in person.roles if role not in roles]
        drafts += [
            Draft("role_given", {"role": role}, actor) for role in sorted(set(roles) - set(person.roles))
        ]
        await self._commit(person, drafts, reply)

    async def leave(self, person: Person, actor: Actor, reply: Replying | None = None) -> None:
        """The person leaves: no sign-in any more, and the user name is never given again."""
        if person.left:
            raise Refused(f"{person.user_name} has left already.")
        self._keep_an_administrator(person, ())
        await self._commit(person, [Draft("person_left", {}, actor)], reply)
        await self._end_all(person)

    def _keep_an_administrator(self, person: Person, roles: Sequence[str]) -> None:
        others = [p for p in self.persons.values() if "admin" in p.roles and p.id != person.id]
        if "admin" in person.roles and "admin" not in roles and not others:
            raise Refused(f"{person.user_name} is the last administrator; add another first.")

    async def change_password(self, person: Person, old: str, new: str, source: str) -> None:
        """The person's own choice; every other sign-in of theirs ends."""
        await self._check(person.user_name, old, person, source, "password change")
        await self._change_password(person, new)

    async def _change_password(self, person: Person, new: str) -> None:
        check_new(new, person.user_name)
        await self._keep_password(person, new, must_change=False)
        await self._commit(person, [Draft("password_set", {}, _self(person))])
        await self._end_all(person)

    async def reset_password(
        self, person: Person, new: str, actor: Actor, reply: Replying | None = None
    ) -> None:
        """An administrator gives a password that must be changed and cannot sign."""
        if person.id == actor.id:
            raise NotPermitted("Change your own password by giving the old one.")
        check_new(new, person.user_name)
        await self._keep_password(person, new, must_change=True)
        await self._commit(person, [Draft("password_set", {"reset": True}, actor)], reply)
        await self._end_all(person)

    async def _keep_password(self, person: Person, new: str, *, must_change: bool) -> None:
        hashed = await self._passwords.make(new)
        await self._in_thread(lambda: self._store.set_credential(person.id, hashed, must_change=must_change))
        person.must_change = must_change

    async def _commit(self, person: Person, drafts: Iterable[Draft], reply: Replying | None = None) -> None:
        submission = self._engine.commit((f"person/{person.id}", drafts), reply=reply)
        for entry in submission.entries:
            person.apply(entry)
        await submission.durable

    def close(self) -> None:
        self._passwords.close()
        self._store.close()


WRONG = "The user name or the password is wrong; try again."


def delay(failures: int) -> timedelta:
    """How long to wait after so many failures in a row."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES + 1, 20)), LONGEST_DELAY)


def _self(person: Person) -> Actor:
    return Actor("person", person.id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _check_names(user_name: str, full_name: str) -> None:
    if not (
        2 <= len(user_name) <= 64 and user_name.isprintable() and not any(c.isspace() for c in user_name)
    ):
        raise BadInput("A user name has 2 to 64 printable characters and no blanks.")
    if not (2 <= len(full_name.strip()) <= 200 and full_name.isprintable()):
        raise BadInput("The full name is printed with signatures; write it in 2 to 200 characters.")


def _check_roles(roles: Sequence[str]) -> None:
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise BadInput(f"There is no role {', '.join(unknown)}; the roles are {', '.join(ROLES)}.")
    if "admin" in roles and len(set(roles)) > 1:
        raise BadInput("An administrator has no other role: who manages accounts does not make product.")
