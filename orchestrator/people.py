"""People: who they are, what roles they have, and whether it is really they.

Roles and everything a person did to an account are entries of 'person/<id>'; names and password hashes
lie in `people_store`, open sign-ins and failed attempts are watched by `sign_ins`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from batches import qualifications
from batches.entries import SYSTEM, Actor, Draft
from batches.errors import BadInput, Conflict, NotFound, NotPermitted, Refused
from batches.phases import PHASES
from batches.plain import text_in
from batches.qualifications import EVERY
from batches.record import BatchState
from batches.record_state import Task
from orchestrator.answers import Signature
from orchestrator.engine import Engine
from orchestrator.passwords import Passwords, check_new
from orchestrator.people_store import Named, PeopleStore
from orchestrator.person import POLICY_VERSION, WRONG, NotSignedIn, Person, check_names, check_roles, unnamed
from orchestrator.qualified import ROOM, rooms_of, task_of
from orchestrator.replying import Replying
from orchestrator.sign_ins import SignIns


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new sign-in: the token is shown once and kept nowhere."""

    token: str
    person: Person
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody to be added. `identity_check`: how it was made sure who this is (21 CFR 11.100(b))."""

    user_name: str
    full_name: str
    roles: Sequence[str]
    password: str
    identity_check: str

    def check(self) -> None:
        """Raises BadInput."""
        if not self.identity_check.strip():
            raise BadInput("Say how the person's identity was checked, such as 'passport seen'.")
        check_names(self.user_name, self.full_name)
        check_roles(self.roles)
        check_new(self.password, self.user_name)


class People:
    """The people of a site. `open` first. `zone`: the site's time zone, shown with signatures."""

    def __init__(self, engine: Engine, store: PeopleStore, passwords: Passwords, zone: str = "UTC") -> None:
        self._engine, self._store, self._passwords, self._zone = engine, store, passwords, zone
        self.sign_ins = SignIns(engine, store, passwords)
        self.persons: dict[str, Person] = {}
        self._by_name: dict[str, Person] = {}
        self._adding = asyncio.Lock()

    def open(self) -> None:
        """Read the people and their open sign-ins. Blocking."""
        names = {named.id: named for named in self._store.names()}
        must_change = self._store.must_change()
        for stream in self._engine.store.streams("person/"):
            identity = stream.removeprefix("person/")
            named = names.get(identity)
            person = (
                unnamed(identity) if named is None else Person(identity, named.user_name, named.full_name)
            )
            person.must_change = identity in must_change
            for entry in self._engine.store.read(stream):
                person.apply(entry)
            self._take_up(person)
        self.sign_ins.load()

    def _take_up(self, person: Person) -> None:
        self.persons[person.id] = person
        self._by_name[person.user_name.casefold()] = person

    # --- signing in and signing -------------------------------------------------------------------------

    async def sign_in(self, user_name: str, password: str, source: str, new_password: str = "") -> SignedIn:
        """A new sign-in. `source`: where from, for the record. With `new_password` the password is changed.

        Raises NotSignedIn (one sentence, whatever was wrong), WaitFirst, BadInput.
        """
        person = await self._prove(user_name, password, source, "sign-in")
        if new_password:
            await self._change_password(person, new_password)
        token, ends_at = await self.sign_ins.begin(person)
        await self._commit(person, [Draft("signed_in", {"source": source}, _self(person))])
        return SignedIn(token, person, ends_at)

    async def _prove(self, user_name: str, password: str, source: str, what: str) -> Person:
        """The person of that name, if the password is theirs; a failure is recorded."""
        person = self._by_name.get(user_name.casefold())
        failed = await self.sign_ins.prove(user_name, password, person, at_the_door=what == "sign-in")
        if failed and person is not None:  # a stranger's guesses at names would fill the record
            body = {"source": source, "what": what, "in_a_row": failed}
            await self._commit(person, [Draft("sign_in_failed", body)])
        if failed or person is None:
            raise NotSignedIn(WRONG)
        return person

    def signed_in(self, token: str, *, touch: bool = True) -> Person:
        """Who holds this token. Raises NotSignedIn. With `touch` the sign-in counts as used now."""
        person = self.persons[self.sign_ins.holder(token, touch=touch)]
        if person.left:
            raise NotSignedIn("This account is closed; ask an administrator.")
        return person

    async def sign_out(self, token: str) -> None:
        """End a sign-in."""
        person = self.signed_in(token, touch=False)
        await self.sign_ins.end(token)
        await self._commit(person, [Draft("signed_out", {}, _self(person))])

    async def sign(self, person: Person, password: str, role: str, meaning: str, source: str) -> Signature:
        """Authenticate the same person again for one signature (21 CFR 11.200(a)(1)).

        Raises NotPermitted for administrators and for who has not acknowledged the policy; NotSignedIn
        for a wrong password, which is recorded and counts as a failed attempt.
        """
        person.check_may_sign()
        await self._prove(person.user_name, password, source, "signature")
        return Signature(person.full_name, person.user_name, role, meaning, self._zone)

    async def other_person(self, user_name: str, password: str, source: str) -> Person:
        """A second person who authenticates beside the one signed in. Raises NotSignedIn, WaitFirst."""
        return await self._prove(user_name, password, source, "second person")

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
        """The first administrator, who adds the others; gives the id. Refused once there is anybody."""
        if self.persons:
            raise Refused("There are people already; an administrator adds others.")
        first = NewPerson(user_name, full_name, ("admin",), password, "at installation")
        return await self._add(first, SYSTEM, must_change=False)

    async def add(self, new: NewPerson, actor: Actor, reply: Replying | None = None) -> str:
        """Add a person, whose first password is changed before anything else; gives the id."""
        return await self._add(new, actor, reply, must_change=True)

    async def _add(
        self, new: NewPerson, actor: Actor, reply: Replying | None = None, *, must_change: bool
    ) -> str:
        new.check()
        hashed = await self._passwords.make(new.password)
        drafts = [
            Draft("person_added", {"identity_check": new.identity_check}, actor), Draft("password_set", {}, actor),
            *(Draft("role_given", {"role": role}, actor) for role in sorted(set(new.roles))),
        ]  # fmt: skip
        async with self._adding:
            named = Named(await self._next_id(), new.user_name, new.full_name)
            await self.sign_ins.in_thread(lambda: self._store.add(named, hashed, must_change=must_change))
            person = Person(named.id, new.user_name, new.full_name, must_change=must_change)
            await self._commit(person, drafts, reply)
            self._take_up(person)
        return person.id

    async def _next_id(self) -> str:
        """An id is never given twice, not even where the name or the entry of its person is lost."""
        named = await self.sign_ins.in_thread(self._store.names)
        taken = {*self.persons, *(each.id for each in named)}
        return f"p-{max((int(each.removeprefix('p-')) for each in taken), default=0) + 1:04}"

    async def set_roles(
        self, person: Person, roles: Sequence[str], actor: Actor, reply: Replying | None = None
    ) -> None:
        """Give the person exactly these roles; it acts at once."""
        if person.id == actor.id:
            raise NotPermitted("Nobody changes their own roles; ask another administrator.")
        if person.left:
            raise Refused(f"{person.user_name} has left; a person who returns is added anew.")
        check_roles(roles)
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
        await self.sign_ins.end_all(person)

    def _keep_an_administrator(self, person: Person, roles: Sequence[str]) -> None:
        others = [p for p in self.persons.values() if "admin" in p.roles and p.id != person.id]
        if "admin" in person.roles and "admin" not in roles and not others:
            raise Refused(f"{person.user_name} is the last administrator; add another first.")

    # --- qualifications -----------------------------------------------------------------------------

    async def qualify(
        self, person: Person, what: tuple[str, str, str], since: datetime | None, until: datetime, evidence: str,
        actor: Actor, reply: Replying | None = None,
    ) -> str:  # fmt: skip
        """Grant a qualification for a recipe, a task and a room; gives its id. Process time throughout."""
        if person.left:
            raise Refused(f"{person.user_name} has left; nobody who left is qualified.")
        self._check_known(*what)
        begins = since or self._engine.clock.now()
        draft = qualifications.grant(person.id, person.qualifications, what, begins, until, evidence, actor)
        await self._commit(person, [draft], reply)
        return text_in(draft.body, "id")

    def _check_known(self, recipe: str, task: str, room: str) -> None:
        """A qualification for a name that nothing has would never serve. Raises BadInput."""
        rooms = sorted(unit.id for unit in self._engine.plant.units if unit.fits(ROOM))
        if recipe not in (EVERY, *(name for name, _ in self._engine.recipes.versions)):
            raise BadInput(f"There is no recipe '{recipe}'; submit it first, or write {EVERY} for every one.")
        if task not in (EVERY, *(name for name, _ in PHASES)):
            raise BadInput(f"There is no phase class '{task}'; write its name, or {EVERY} for every one.")
        if room not in (EVERY, *rooms):
            raise BadInput(
                f"There is no room '{room}'; the rooms are {', '.join(rooms) or 'none'}, or {EVERY} for every one."
            )

    async def disqualify(
        self, person: Person, which: str, reason: str, actor: Actor, reply: Replying | None = None
    ) -> None:
        """Withdraw a qualification; it acts at once."""
        draft = qualifications.withdraw(person.id, person.qualifications, which, reason, actor)
        await self._commit(person, [draft], reply)

    def qualified(self, actor: Actor, state: BatchState, task: Task) -> list[str]:
        """The qualifications on which a person's answer to a task relies. Raises NotPermitted."""
        rooms = rooms_of(self._engine.plant, state, task.path)
        recipe, phase = state.known_recipe().name, task_of(state, task)
        has = self.persons[actor.id].qualifications
        return qualifications.relied_on(has, recipe, phase, rooms, self._engine.clock.now())

    # --- passwords ----------------------------------------------------------------------------------

    async def change_password(self, person: Person, old: str, new: str, source: str) -> None:
        """The person's own choice; every other sign-in of theirs ends."""
        await self._prove(person.user_name, old, source, "password change")
        await self._change_password(person, new)

    async def _change_password(self, person: Person, new: str) -> None:
        check_new(new, person.user_name)
        await self._keep_password(person, new, must_change=False)
        await self._commit(person, [Draft("password_set", {}, _self(person))])
        await self.sign_ins.end_all(person)

    async def reset_password(
        self, person: Person, new: str, actor: Actor, reply: Replying | None = None
    ) -> None:
        """An administrator gives a password that must be changed and cannot sign."""
        if person.id == actor.id:
            raise NotPermitted("Change your own password by giving the old one.")
        check_new(new, person.user_name)
        await self._keep_password(person, new, must_change=True)
        await self._commit(person, [Draft("password_set", {"reset": True}, actor)], reply)
        await self.sign_ins.end_all(person)

    async def _keep_password(self, person: Person, new: str, *, must_change: bool) -> None:
        hashed = await self._passwords.make(new)
        await self.sign_ins.in_thread(
            lambda: self._store.set_credential(person.id, hashed, must_change=must_change)
        )
        person.must_change = must_change

    async def _commit(self, person: Person, drafts: Iterable[Draft], reply: Replying | None = None) -> None:
        submission = self._engine.commit((f"person/{person.id}", drafts), reply=reply)
        for entry in submission.entries:
            person.apply(entry)
        await submission.wait()

    def close(self) -> None:
        self._passwords.close()
        self._store.close()


def _self(person: Person) -> Actor:
    return Actor("person", person.id)
