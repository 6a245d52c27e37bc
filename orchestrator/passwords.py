"""Passwords: argon2id in a pool of two threads, so that many sign-ins at once cannot take the machine.

Parameters: m 64 MiB, t 3, p 4 (about 0.4 s on two cores); pwdlib. Length and common passwords are
checked, composition is not (NIST SP 800-63B, 5.1.1.2).
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

from batches.errors import BadInput, RecordError
from orchestrator.settings import PasswordCost

SHORTEST, LONGEST = 12, 200
COMMON = frozenset({
    "123456789012", "1234567890123", "password1234", "passwordpassword", "qwertyuiop12", "qwertyuiopas",
    "administrator", "changemechangeme", "letmeinletmein", "iloveyou1234", "welcome12345", "abcdefghijkl",
})  # fmt: skip
"""Passwords of the allowed length that stand at the top of published breach lists."""
WORKERS = 2


class Passwords:
    """Makes and checks password hashes. `close` ends its threads."""

    def __init__(self, cost: PasswordCost) -> None:
        self._hash = PasswordHash((Argon2Hasher(cost.passes, cost.memory, cost.lanes),))
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="passwords")
        self._nobody = self._pool.submit(self._hash.hash, "nobody has this password")

    async def make(self, password: str) -> str:
        """The hash to keep of a new password."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hash.hash, password)

    async def check(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """Whether the password is the kept one, and a new hash if the cost has changed since.

        With nothing kept (unknown person) it takes as long and says no.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._check, password, kept)

    def _check(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        try:
            right, newer = self._hash.verify_and_update(password, kept or self._nobody.result())
        except PwdlibError as error:
            raise RecordError("A stored password hash cannot be read; set a new password.") from error
        return (right, newer) if kept is not None else (False, None)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def check_new(password: str, user_name: str) -> None:
    """Raises BadInput for a password that is too easily guessed."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(f"A password has {SHORTEST} to {LONGEST} characters; a sentence is a good one.")
    low = password.casefold()
    if low in COMMON or len(set(low)) < 5 or user_name.casefold() in low:
        raise BadInput(
            "This password is easily guessed (common, repetitive, or holds the user name); choose another."
        )
