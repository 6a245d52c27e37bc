"""The state of a deck as a fold of its command log: volumes, used tips, and what is in doubt. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from batches.errors import RecordError
from batches.plain import Plain, PlainDict, dict_in, list_in, text_in
from devices.base import DeviceRefused
from devices.volumes import Ledger, Move


@dataclass(frozen=True, slots=True)
class DeckState:
    """`racks`: tip positions by rack. `open_vessels` and `open_tips`: what the running command may touch."""

    ledger: Ledger
    racks: Mapping[str, Sequence[str]]
    used: frozenset[str] = field(default_factory=frozenset[str])
    head_in_doubt: bool = False
    """The head may carry tips that nobody vouches for."""
    open_vessels: tuple[str, ...] = ()
    open_tips: tuple[str, ...] = ()

    def after(self, line: PlainDict) -> "DeckState":
        """The state after one line of the log. Vessels and racks that left the deck are passed over."""
        match text_in(line, "kind"):
            case "stocked" | "declared":
                return replace(self, ledger=self._stocked(line))
            case "started":
                return replace(self, open_vessels=_texts(line, "vessels"), open_tips=_texts(line, "tips"))
            case "tips":
                return replace(self, used=self.used | set(_texts(line, "tips")))
            case "moved":
                return replace(self, ledger=self._moved(moves_in(line)))
            case "racked":
                fresh = {tip for rack in _texts(line, "racks") for tip in self.racks.get(rack, ())}
                return replace(self, used=self.used - fresh)
            case "head_emptied":
                return replace(self, head_in_doubt=False)
            case "finished":
                doubted = self.ledger.in_doubt(_texts(line, "doubted"))
                head = self.head_in_doubt or line.get("head_in_doubt") is True
                return replace(self, ledger=doubted, head_in_doubt=head, open_vessels=(), open_tips=())
            case "interrupted":
                return self._interrupted()
            case _:
                return self

    def tips_left(self) -> int:
        return sum(len(spots) for spots in self.racks.values()) - len(self.used)

    def pick(self, width: int) -> tuple[str, ...]:
        """The next `width` unused tips, of one column where there is one. Raises DeviceRefused."""
        rows = 8
        for spots in self.racks.values():
            for start in range(0, len(spots), rows):
                free = [spot for spot in spots[start : start + rows] if spot not in self.used]
                if len(free) >= width:
                    return tuple(free[:width])
        scattered = [spot for spots in self.racks.values() for spot in spots if spot not in self.used]
        if len(scattered) < width:
            raise DeviceRefused(
                f"{len(scattered)} tips are left and {width} are needed at once; put in full racks and confirm "
                "with the action 'load_tips'."
            )
        return tuple(scattered[:width])

    def plan_tips(self, widths: Sequence[int]) -> list[tuple[str, ...]]:
        """The tips of several pick-ups in a row. Raises DeviceRefused if there are not enough."""
        if sum(widths) > self.tips_left():
            raise DeviceRefused(
                f"{self.tips_left()} tips are left and {sum(widths)} are needed; put in full racks and confirm "
                "with the action 'load_tips'."
            )
        state, picked = self, list[tuple[str, ...]]()
        for width in widths:
            picked.append(state.pick(width))
            state = replace(state, used=state.used | set(picked[-1]))
        return picked

    def _stocked(self, line: PlainDict) -> Ledger:
        holds = {name: Decimal(str(volume)) for name, volume in dict_in(line, "holds").items()}
        known = {name: volume for name, volume in holds.items() if name in self.ledger.vessels}
        doubted = self.ledger.doubted - known.keys()
        return replace(self.ledger, held={**self.ledger.held, **known}, doubted=doubted)

    def _moved(self, moves: Sequence[Move]) -> Ledger:
        """What happened is taken as it was logged; it was checked before it was sent."""
        held = dict(self.ledger.held)
        for move in moves:
            for name, change in ((move.source, -move.volume), (move.target, move.volume)):
                if name in held:
                    held[name] += change
        return replace(self.ledger, held=held)

    def _interrupted(self) -> "DeckState":
        return replace(
            self,
            ledger=self.ledger.in_doubt(self.open_vessels),
            used=self.used | set(self.open_tips),
            head_in_doubt=True,
            open_vessels=(),
            open_tips=(),
        )


def plain_moves(moves: Sequence[Move]) -> Plain:
    """Moves for the log: source, target, µL."""
    return [[move.source, move.target, f"{move.volume:f}"] for move in moves]


def moves_in(line: PlainDict) -> list[Move]:
    """The moves of a line. Raises RecordError."""
    return [_move(part) for part in list_in(line, "moves")]


def _move(part: Plain) -> Move:
    match part:
        case [str() as source, str() as target, str() as volume]:
            return Move(source, target, Decimal(volume))
        case _:
            raise RecordError(f"{part!r} is no move of a command log.")


def plain_holds(holds: Mapping[str, Decimal]) -> Plain:
    """Volumes for the log: µL by vessel."""
    return {name: f"{volume:f}" for name, volume in holds.items()}


def _texts(line: PlainDict, key: str) -> tuple[str, ...]:
    return tuple(str(part) for part in list_in(line, key)) if key in line else ()
