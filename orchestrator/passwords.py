"""Passwords: argon2id in two threads, so that many sign-ins at once cannot take the machine.

One thread serves the sign-in, which is open to anybody, the other those who are signed in: however many
knock at the door, signatures do not wait for them.

Parameters: m 64 MiB, t 3, p 4 (about 0.4 s on two cores); pwdlib. Length and common passwords are
checked, composition is not (NIST SP 800-63B, 5.1.1.2).
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

from batches.errors import BadInput, RecordError
from orchestrator.person import WaitFirst
from orchestrator.settings import PasswordCost

SHORTEST, LONGEST = 12, 200
COMMON = frozenset({
    "123456789012", "1234567890123", "password1234", "passwordpassword", "qwertyuiop12", "qwertyuiopas",
    "administrator", "changemechangeme", "letmeinletmein", "iloveyou1234", "welcome12345", "abcdefghijkl",
})  # fmt: skip
"""Passwords of the allowed length that stand at the top of published breach lists."""
MOST_AT_THE_DOOR, BACK_IN = 20, 10
"""How many sign-ins may wait (about 8 s of work), and when, in s, one more may be tried again."""


class Passwords:
    """Makes and checks password hashes. `close` ends its threads."""

    def __init__(self, cost: PasswordCost) -> None:
        self._hash = PasswordHash((Argon2Hasher(cost.passes, cost.memory, cost.lanes),))
        self._inside = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._door = ThreadPoolExecutor(1, thread_name_prefix="sign-ins")
        self._at_the_door = 0
        self._nobody = self._inside.submit(self._hash.hash, "nobody has this password")

    async def make(self, password: str) -> str:
        """The hash to keep of a new password."""
        return await asyncio.get_running_loop().run_in_executor(self._inside, self._hash.hash, password)

    async def check(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """Whether the password is the kept one, and a new hash if the cost has changed since.

        With nothing kept (unknown person) it takes as long and says no.
        """
        return await asyncio.get_running_loop().run_in_executor(self._inside, self._check, password, kept)

    async def check_at_the_door(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """As `check`, for somebody who is not signed in. Raises WaitFirst while too many others wait."""
        if self._at_the_door >= MOST_AT_THE_DOOR:
            raise WaitFirst(f"Too many sign in at this moment; try again in {BACK_IN} s.", BACK_IN)
        self._at_the_door += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._door, self._check, password, kept)
        finally:
            self._at_the_door -= 1

    def _check(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        try:
            right, newer = self._hash.verify_and_update(password, kept or self._nobody.result())
        except PwdlibError as error:
            raise RecordError("A stored password hash cannot be read; set a new password.") from error
        return (right, newer) if kept is not None else (False, None)

    def close(self) -> None:
        for pool in (self._inside, self._door):
            pool.shutdown(wait=True, cancel_futures=True)


def check_new(password: str, user_name: str) -> None:
    """Raises BadInput for a password that is too easily guessed."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"A password has {SHORTEST} to {LONGEST} characters; a sentence is a good one.")
    low = password.casefold()
    if low in COMMON or len(set(low)) < 5 or user_name.casefold() in low:
        raise BadInput(
            "This password is easily guessed (common, repetitive, or holds the user name); choose another."
        )
