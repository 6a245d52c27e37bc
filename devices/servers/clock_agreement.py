"""When the virtual clock may jump: the pure half of the clock server.

Who is connected, what each said last, which round runs. `decide` says what to do next; the server
does it. The argument why this never jumps over an activity is in docs/decisions/0020-process-time.md,
and tests/devices/test_clock_agreement.py runs it through random interleavings.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from devices.clock_protocol import Busy, Kind, Report


@dataclass(slots=True)
class Participant:
    """One who lives by the clock. `report` is its last word since the last jump or release."""

    kind: Kind
    name: str
    report: Report | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask everybody to confirm."""

    round: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Tell everybody that the round is off, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Jump:
    """Move the clock."""

    to: datetime


Decision: TypeAlias = Ask | Drop | Jump | None


class Agreement:
    """The two rounds. Keys name connections; nothing here waits, sends or tells the time."""

    def __init__(self) -> None:
        self.participants: dict[Hashable, Participant] = {}
        self.round = 0
        self._asking = False
        self._broken = ""

    def join(self, key: Hashable, kind: Kind, name: str) -> None:
        self.participants[key] = Participant(kind, name)
        self.break_round(f"{name} came")

    def leave(self, key: Hashable) -> None:
        gone = self.participants.pop(key, None)
        if gone is not None:
            self.break_round(f"{gone.name} left")

    def engine(self) -> str | None:
        """The name of the engine that is connected: there is at most one."""
        return next((p.name for p in self.participants.values() if p.kind == "engine"), None)

    def is_engine(self, key: Hashable) -> bool:
        """Whether a participant is the engine."""
        return key in self.participants and self.participants[key].kind == "engine"

    def reported(self, key: Hashable, report: Report) -> None:
        participant = self.participants[key]
        participant.report = report
        if self._asking and report.round == self.round:
            participant.confirmed = True

    def busy(self, key: Hashable, busy: Busy) -> None:
        if busy.round == self.round:
            self.break_round(f"{self.participants[key].name} is busy")

    def break_round(self, why: str) -> None:
        """Let the running round, if any, end without a jump."""
        if self._asking:
            self._broken = why

    def jumped(self) -> None:
        """The clock has moved: nothing that anybody said before counts any more."""
        self._forget()

    def decide(self) -> Decision:
        """Say what to do now. Call it after every change, until it says None."""
        if not self._asking:
            return self._ask() if self._target() is not None else None
        if self._broken:
            return self._drop(self._broken)
        if not all(p.confirmed for p in self.participants.values()):
            return None
        target = self._target()
        if target is None:
            return self._drop("there is nothing to jump to")
        self._asking = False
        return Jump(target)

    def _ask(self) -> Ask:
        self.round += 1
        self._asking = True
        self._broken = ""
        for participant in self.participants.values():
            participant.confirmed = False
        return Ask(self.round)

    def _drop(self, why: str) -> Drop:
        self._forget()
        return Drop(why)

    def _forget(self) -> None:
        self._asking = False
        for participant in self.participants.values():
            participant.report = None
            participant.confirmed = False

    def _target(self) -> datetime | None:
        """The earliest wake-up, if everybody is at rest and everything said has been heard."""
        engine: Report | None = None
        people: list[Report] = []
        due: list[datetime] = []
        for participant in self.participants.values():
            report = participant.report
            if report is None:
                return None
            if participant.kind == "engine":
                engine = report
            else:
                people.append(report)
            if report.next is not None:
                due.append(report.next)
        if engine is None or not due or any(report.mark != engine.mark for report in people):
            return None
        if engine.asks and not people:  # a human answers at a human's pace
            return None
        return min(due)
