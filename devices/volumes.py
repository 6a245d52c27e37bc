"""The volume ledger: what every vessel of a deck holds, in decimal microlitres. Pure.

It is kept beside whatever a library or an instrument believes. Over-draw and over-fill are refused
before anything is sent. A vessel in doubt (a command that touched it had no definite end) serves
nothing until a person has looked and declared what it holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, Decimal

from batches.quantities import Quantity
from devices.base import DeviceRefused

STEP = Decimal("0.1")
"""Microlitres: volumes are whole multiples of it, so that sums are exact. Assumed pipette resolution."""


@dataclass(frozen=True, slots=True)
class Vessel:
    """What a vessel can hold, and what no tip can draw from it (µL)."""

    capacity: Decimal
    dead: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Move:
    """`volume` µL from one vessel to another, by one channel."""

    source: str
    target: str
    volume: Decimal


@dataclass(frozen=True, slots=True)
class Ledger:
    """Volumes by vessel. Every change gives a new ledger; a refused change gives none."""

    vessels: Mapping[str, Vessel]
    held: Mapping[str, Decimal]
    doubted: frozenset[str] = field(default_factory=frozenset[str])

    def drawable(self, name: str) -> Decimal:
        """What can be drawn from a vessel (µL)."""
        return max(self.held[name] - self.vessels[name].dead, Decimal(0))

    def moved(self, moves: Sequence[Move]) -> "Ledger":
        """The ledger after `moves`, in their order. Raises DeviceRefused if one of them cannot be."""
        held = dict(self.held)
        for move in moves:
            self._check_certain(move.source, move.target)
            if held[move.source] - move.volume < self.vessels[move.source].dead:
                raise self._too_little(move.source, moves)
            held[move.source] -= move.volume
            if held[move.target] + move.volume > self.vessels[move.target].capacity:
                raise self._too_much(move.target, moves)
            held[move.target] += move.volume
        return replace(self, held=held)

    def declared(self, name: str, volume: Decimal) -> "Ledger":
        """The ledger after a person said what a vessel holds. Raises DeviceRefused if it cannot hold that."""
        self.known(name)
        if not 0 <= volume <= self.vessels[name].capacity:
            most = shown(self.vessels[name].capacity)
            raise DeviceRefused(f"'{name}' cannot hold {shown(volume)}, at most {most}; check the volume.")
        return replace(self, held={**self.held, name: volume}, doubted=self.doubted - {name})

    def in_doubt(self, names: Iterable[str]) -> "Ledger":
        """The ledger after a command that touched these vessels ended without an answer."""
        return replace(self, doubted=self.doubted | {name for name in names if name in self.vessels})

    def known(self, *names: str) -> None:
        """Raise DeviceRefused for a vessel that is not on the deck."""
        for name in names:
            if name not in self.vessels:
                raise DeviceRefused(
                    f"There is no vessel '{name}' on the deck; look up its name in the plant file."
                )

    def _check_certain(self, *names: str) -> None:
        self.known(*names)
        for name in names:
            if name in self.doubted:
                raise DeviceRefused(
                    f"Nobody knows what '{name}' holds, because a command ended without an answer; "
                    "look, and declare it with the action 'load'."
                )

    def _too_little(self, name: str, moves: Sequence[Move]) -> DeviceRefused:
        needed = sum((move.volume for move in moves if move.source == name), Decimal(0))
        dead = self.vessels[name].dead
        return DeviceRefused(
            f"'{name}' holds {shown(self.held[name])}, of which {shown(dead)} cannot be drawn, and {shown(needed)} "
            "are needed; fill it up, declare it with the action 'load' and repeat."
        )

    def _too_much(self, name: str, moves: Sequence[Move]) -> DeviceRefused:
        added = sum((move.volume for move in moves if move.target == name), Decimal(0))
        most = shown(self.vessels[name].capacity)
        return DeviceRefused(
            f"'{name}' holds {shown(self.held[name])} of at most {most}, and {shown(added)} more do not fit; "
            "empty it, declare it with the action 'load' and repeat, or use less."
        )


def microlitres(amount: Quantity) -> Decimal:
    """A volume as a multiple of STEP, rounded down. Raises BadInput if it is no volume."""
    return amount.to("uL").value.quantize(STEP, ROUND_DOWN)


def shown(volume: Decimal) -> str:
    """A volume for a sentence, in mL from 1 mL on."""
    number = volume / 1000 if abs(volume) >= 1000 else volume
    return f"{number.normalize():f} {'mL' if abs(volume) >= 1000 else 'µL'}"


def split(total: Decimal, parts: int) -> list[Decimal]:
    """`total` (a multiple of STEP) in equal parts that are multiples of STEP and add up to it exactly."""
    steps, rest = divmod(int(total / STEP), parts)
    return [(steps + (1 if n < rest else 0)) * STEP for n in range(parts)]
