"""Open sign-ins and failed attempts. Times here are real time, whatever a simulated plant's clock says."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar
from weakref import WeakValueDictionary

import structlog

from batches.errors import StoreError
from orchestrator.clock import RealClock
from orchestrator.engine import Engine
from orchestrator.passwords import Passwords
from orchestrator.people_store import Login, PeopleStore
from orchestrator.person import NotSignedIn, Person, WaitFirst

IDLE, LONGEST = timedelta(minutes=15), timedelta(hours=12)
"""How long a sign-in lasts without use, and at most (a shift)."""
TOUCH = timedelta(minutes=1)
"""How exactly the last use of a sign-in is kept on disk."""
FREE_FAILURES, LONGEST_DELAY = 3, timedelta(minutes=15)
"""After so many failures in a row each further one doubles the wait, from 2 s up to 15 minutes: nobody can
lock somebody else out for good."""
T = TypeVar("T")


class SignIns:
    """Who is signed in, and who may try. A token is kept only as its SHA-256."""

    def __init__(self, engine: Engine, store: PeopleStore, passwords: Passwords) -> None:
        self._engine, self._store, self._passwords = engine, store, passwords
        self.now: Callable[[], datetime] = RealClock().now
        self.failed_attempts = 0
        self._open: dict[str, Login] = {}
        self._trying: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def load(self) -> None:
        """Read the sign-ins that are open. Blocking."""
        self._open = {login.token: login for login in self._store.logins()}

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do what blocks beside the event loop; process time waits for it."""
        with self._engine.clock.activity.call():
            return await asyncio.to_thread(work)

    # --- attempts -----------------------------------------------------------------------------------

    async def prove(self, user_name: str, password: str, person: Person | None, *, at_the_door: bool) -> int:
        """Whether the password is the person's (`person` None: an unknown name, which takes as long).

        Gives 0, or how many attempts under this name have now failed in a row. Attempts under one name
        are made one after the other, so that many at once do not slip past the wait. `at_the_door`: nobody is
        signed in yet who makes the attempt. Raises WaitFirst.
        """
        name = _digest(user_name.casefold())
        async with self._trying.setdefault(name, asyncio.Lock()):
            await self._check_wait(name)
            if await self._is_right(password, person, at_the_door):
                await self.in_thread(lambda: self._store.succeeded(name))
                return 0
            self.failed_attempts += 1
            now = self.now()
            return await self.in_thread(lambda: self._store.failed(name, now))

    async def _check_wait(self, name: str) -> None:
        found = await self.in_thread(lambda: self._store.failures(name))
        if found is None:
            return
        left = found[1] + delay(found[0]) - self.now()
        if left > timedelta(0):
            seconds = int(left.total_seconds()) + 1
            raise WaitFirst(f"Too many attempts failed under this name; try again in {seconds} s.", seconds)

    async def _is_right(self, password: str, person: Person | None, at_the_door: bool) -> bool:
        kept = None
        if person is not None and not person.left:
            found = await self.in_thread(lambda: self._store.credential(person.id))
            kept = None if found is None else found[0]
        check = self._passwords.check_at_the_door if at_the_door else self._passwords.check
        right, newer = await check(password, kept)
        if newer is not None and person is not None:
            renewed, must = newer, person.must_change
            await self.in_thread(lambda: self._store.set_credential(person.id, renewed, must_change=must))
        return right

    # --- sign-ins -----------------------------------------------------------------------------------

    async def begin(self, person: Person) -> tuple[str, datetime]:
        """A new sign-in: its token, and when it ends at the latest."""
        token, now = secrets.token_urlsafe(32), self.now()
        login = Login(_digest(token), person.id, now, now)
        await self.in_thread(lambda: self._store.begin_login(login))
        self._open[login.token] = login
        return token, now + LONGEST

    def holder(self, token: str, *, touch: bool) -> str:
        """The id of the person who holds the token. Raises NotSignedIn."""
        login, now = self._open.get(_digest(token)), self.now()
        if login is None:
            raise NotSignedIn("You are not signed in, or your sign-in has ended; sign in.")
        if now - login.used_at > IDLE or now - login.began_at > LONGEST:
            raise NotSignedIn("Your sign-in has ended (15 minutes without use, or 12 hours); sign in again.")
        if touch:
            self._touch(login, now)
        return login.person

    def _touch(self, login: Login, now: datetime) -> None:
        self._open[login.token] = used = replace(login, used_at=now)
        if now.timestamp() // TOUCH.total_seconds() != login.used_at.timestamp() // TOUCH.total_seconds():
            self._engine.spawn(self._keep_touch(used), "sign-in used")

    async def _keep_touch(self, login: Login) -> None:
        try:
            await self.in_thread(lambda: self._store.touch_login(login.token, login.used_at))
        except (
            StoreError
        ) as error:  # the sign-in ends a little early after a restart; no batch stops for that
            structlog.get_logger().warning("the use of a sign-in was not kept", problem=str(error))

    async def end(self, token: str) -> None:
        """End one sign-in."""
        await self._end([_digest(token)])

    async def end_all(self, person: Person) -> None:
        """End every sign-in of a person."""
        await self._end([token for token, login in self._open.items() if login.person == person.id])

    async def _end(self, tokens: list[str]) -> None:
        for token in tokens:
            self._open.pop(token, None)
        await self.in_thread(lambda: self._store.end_logins(tokens))


def delay(failures: int) -> timedelta:
    """How long to wait after so many failures in a row."""
    if failures < FREE_FAILURES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES + 1, 20)), LONGEST_DELAY)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
