"""The device protocol: what the executor may ask of any piece of equipment, and how it fails.

A driver is one plain class in one file with the members of `Device`. It is asynchronous, never
blocks the event loop for more than 50 ms, takes its time from the given `Clock`, and keeps quiet
about nothing: what it cannot promise it declares in `repeatability`.

DeviceError
├── DeviceRefused     the device answered no (range, state, precondition): nothing happened
├── DeviceFault       the device reported a fault of its own: a person must look
├── DeviceUnreachable the request was never sent: nothing happened, it may be tried again
├── OutcomeUnknown    sent, but no definite answer: query by command id, or ask a person
└── DeviceProtocol    the answer makes no sense (malformed, another identity, wrong version)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from batches.errors import DeviceError
from batches.quantities import Quantity

Quality: TypeAlias = Literal["good", "uncertain", "stale", "bad"]
Repeatability: TypeAlias = Literal["idempotent", "queryable", "non_repeatable"]
Results: TypeAlias = Mapping[str, "Quantity | str | bool | int"]


class DeviceRefused(DeviceError):
    """The device refused the command; nothing happened."""


class DeviceFault(DeviceError):
    """The device reports a fault; a person must look at it."""


class DeviceUnreachable(DeviceError):
    """The device could not be reached; the command was never sent."""


class OutcomeUnknown(DeviceError):
    """The command was sent and no definite answer came; nobody knows yet whether it happened."""


class DeviceProtocolError(DeviceError):
    """The device's answer does not make sense."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a tag. `at` is when it was measured (process time, UTC)."""

    value: Quantity
    at: datetime
    quality: Quality = "good"
    source: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a device says of a command: `not_seen` (definitely never received), `running`, `done`
    (with results), `failed` (definitely, with text), or `unknown` (it cannot tell)."""

    status: Literal["not_seen", "running", "done", "failed", "unknown"]
    results: Results = field(default_factory=dict[str, "Quantity | str | bool | int"])
    text: str = ""
    evidence: bytes = b""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered at the address: compared with the qualified equipment of the plant file."""

    vendor: str
    model: str
    serial: str
    software: str


class Clock(Protocol):
    """Process time. `sleep_until` may be virtual; nothing else in a driver tells the time."""

    def now(self) -> datetime: ...
    async def sleep_until(self, when: datetime) -> None: ...


class Device(Protocol):
    """One unit of equipment behind its real protocol.

    `command_id` is a UUID text given by the caller; the same id acts once where the device keeps
    ids. Every method may raise a DeviceError. A call that may have acted and got no definite
    answer raises OutcomeUnknown.
    """

    async def connect(self) -> Identity: ...
    async def close(self) -> None: ...
    async def read(self, tag: str) -> Reading: ...
    async def set(self, tag: str, value: Quantity, command_id: str) -> None: ...
    async def do(self, action: str, command_id: str, parameters: Mapping[str, object]) -> Outcome:
        """Carry out an action or, as `program:<name>`, the device's own programme, to its end.

        Returns Outcome done or failed. `parameters` are quantities, text, whole numbers or booleans;
        the keys 'batch' and 'command' of a programme are taken from the caller (LADS supervisory ids).
        """
        ...

    async def command_status(self, command_id: str) -> Outcome: ...
    async def safe(self, state: str, command_id: str) -> None:
        """Bring the unit to a named safe state (`keep_environment`, `stop_feeds`, `stand_still`)."""
        ...

    async def stop(self) -> None:
        """End what the unit does now, in order; `do` then returns how it ended. Nothing to end is no error."""
        ...

    def repeatability(self, action: str) -> Repeatability:
        """For 'set', 'safe', an action name, 'program:<name>' or 'transfer'."""
        ...


@runtime_checkable
class Prompting(Protocol):
    """A device whose programmes may ask a person something while they run.

    While `do('program:…')` runs, the caller looks at `prompt` now and then, shows the text to a
    person, and gives the answer. Both may raise a DeviceError like any other call.
    """

    async def prompt(self, command_id: str) -> str | None:
        """What the command's programme asks at present; None if it asks nothing."""
        ...

    async def answer_prompt(self, command_id: str, text: str) -> None:
        """Answer the prompt last read for this command. The same answer twice is taken once."""
        ...
