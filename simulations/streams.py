"""Independent random streams, one per purpose and entity, so that common random numbers hold.

A draw depends on (seed, replication, purpose, entity) and on nothing else: a new batch, unit or purpose
shifts no other draw, on any machine and in any order. Fate is best drawn by `uniform` at the birth of
the entity; long sequences (time between failures of one unit) by `draws`.

Source: `numpy.random.SeedSequence` for the sequences; Law, Simulation Modeling and Analysis, 11.2.
"""

import hashlib
from collections.abc import Callable
from functools import cached_property

from numpy.random import PCG64, Generator, SeedSequence

from batches.errors import BadInput

_LARGEST_SEED = 2**63 - 1
_STEP = 2.0**-52


class Streams:
    """The random numbers of one replication. Raises BadInput for a seed or replication below zero or
    beyond 2^63 - 1."""

    def __init__(self, seed: int, replication: int) -> None:
        for name, number in (("seed", seed), ("replication", replication)):
            if not 0 <= number <= _LARGEST_SEED:
                raise BadInput(
                    f"The {name} {number} is not a whole number from 0 to 2^63 - 1; choose another."
                )
        self.seed = seed
        self.replication = replication

    @cached_property
    def _prefix(self) -> "hashlib._Hash":
        return hashlib.sha256(f"{self.seed}/{self.replication}/".encode())

    def uniform(self, purpose: str, entity: str) -> float:
        """The one number in the open interval (0, 1) of this purpose and entity: the same however often
        it is asked."""
        # 52 bits, in the middle of each cell: never 0 and never 1, exactly representable
        return (int.from_bytes(self._digest(purpose, entity)[:8], "big") >> 12) * _STEP + _STEP / 2

    def generator(self, purpose: str, entity: str) -> Generator:
        """A generator of its own for a purpose and entity; it begins anew each time it is asked for."""
        return Generator(PCG64(SeedSequence(int.from_bytes(self._digest(purpose, entity), "big"))))

    def draws(self, purpose: str, entity: str) -> Callable[[], float]:
        """The next number in [0, 1) of a sequence of its own, at each call."""
        return self.generator(purpose, entity).random

    def _digest(self, purpose: str, entity: str) -> bytes:
        found = self._prefix.copy()
        found.update(f"{len(purpose)}:{purpose}{entity}".encode())
        return found.digest()
