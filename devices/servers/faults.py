"""Faults on demand: what a real unit may do to a driver, asked for by name on the simulation object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from devices.twins.programmes import OutOfRange, WrongState

SensorFault: TypeAlias = Literal["freeze_value", "drift", "jump", "dropout"]

FAULTS: Mapping[str, str] = {
    "refuse": "[times]: the next commands are refused",
    "delay": "seconds [times]: the next commands act at once and answer late, in real time",
    "lose_reply": "[times]: the next commands act, then the link breaks before the answer",
    "disconnect": "seconds: all links of the server break and none is taken for so long, in real time",
    "freeze_value": "tag: value and time stamp of a probe stand still",
    "drift": "tag amount: a probe drifts by so much an hour, in its own unit of measure",
    "jump": "tag amount: a probe shows so much more",
    "dropout": "tag: a probe reports that it has failed",
    "die": ": the process of the server ends at once",
    "clear": ": everything is well again",
}
"""Every fault with its argument; what is in brackets may be left out (one time)."""


@dataclass(slots=True)
class UnitFaults:
    """What is wrong with a unit at present."""

    refusals: int = 0
    delay: float = 0.0
    delays: int = 0
    lost_replies: int = 0
    sensors: dict[str, tuple[SensorFault, float, float]] = field(
        default_factory=dict[str, tuple[SensorFault, float, float]]
    )
    """By tag: kind, amount, since when (seconds)."""

    def check(self) -> None:
        """Refuse a command if that was asked for. Raises WrongState."""
        if self.refusals:
            self.refusals -= 1
            raise WrongState("The unit refuses the command, as it was told to (fault injection).")

    def late(self) -> float:
        """Seconds by which the next answer is late."""
        if not self.delays:
            return 0.0
        self.delays -= 1
        return self.delay

    def lost(self) -> bool:
        """Whether the next answer gets lost."""
        if not self.lost_replies:
            return False
        self.lost_replies -= 1
        return True

    def frozen(self, tag: str) -> bool:
        """Whether a probe stands still."""
        return tag in self.sensors and self.sensors[tag][0] == "freeze_value"

    def failed(self, tag: str) -> bool:
        """Whether a probe reports failure."""
        return tag in self.sensors and self.sensors[tag][0] == "dropout"

    def shown(self, tag: str, value: float, at: float) -> float:
        """What a probe shows instead of `value`."""
        match self.sensors.get(tag):
            case ("drift", amount, since):
                return value + amount * (at - since) / 3600.0
            case ("jump", amount, _):
                return value + amount
            case _:
                return value

    def inject(self, fault: str, argument: str, tags: Mapping[str, object], at: float) -> None:
        """Bring about one of the FAULTS of a unit; those of the whole server are the server's. Raises OutOfRange."""
        words = argument.split()
        match fault:
            case "refuse":
                self.refusals = _count(fault, words, 0)
            case "lose_reply":
                self.lost_replies = _count(fault, words, 0)
            case "delay":
                self.delay, self.delays = number_in(fault, words, 0), _count(fault, words, 1)
            case "drift" | "jump":
                self.sensors[_tag(fault, words, tags)] = (fault, number_in(fault, words, 1), at)
            case "freeze_value" | "dropout":
                self.sensors[_tag(fault, words, tags)] = (fault, 0.0, at)
            case "clear":
                self.refusals = self.delays = self.lost_replies = 0
                self.sensors.clear()
            case _:
                raise OutOfRange(f"There is no fault '{fault}'; there are: {', '.join(FAULTS)}.")


def _word(fault: str, words: list[str], at: int, kind: Callable[[str], float]) -> float:
    try:
        return kind(words[at])
    except (IndexError, ValueError) as error:
        raise OutOfRange(f"'{fault}' is asked as '{fault} {FAULTS[fault]}'.") from error


def number_in(fault: str, words: list[str], at: int) -> float:
    """A number in the argument of a fault. Raises OutOfRange."""
    return _word(fault, words, at, float)


def _count(fault: str, words: list[str], at: int) -> int:
    return int(_word(fault, words, at, int)) if len(words) > at else 1


def _tag(fault: str, words: list[str], tags: Mapping[str, object]) -> str:
    if not words or words[0] not in tags:
        raise OutOfRange(f"'{fault}' is asked as '{fault} {FAULTS[fault]}'; the tags are: {', '.join(tags)}.")
    return words[0]
