"""The words between the plant's clock and those who live by it: one JSON object a line.

A participant says hello and is welcomed. Whenever it comes to rest it reports; when all have, the
clock asks each to confirm; when all confirm, it tells the new time. See
docs/decisions/0020-process-time.md for why this is enough.
"""

import asyncio
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from batches.errors import BadInput

VERSION = 1
LINE_LIMIT = 4096  # bytes; the longest word is under 400

Kind: TypeAlias = Literal["engine", "people"]
Number = Annotated[int, Field(ge=0, lt=2**63)]
Mark = Annotated[str, Field(max_length=100)]


class _Word(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Hello(_Word):
    """The first word of a participant. `floor`: the latest time it knows; time never goes back."""

    word: Literal["hello"] = "hello"
    version: Number = VERSION
    kind: Kind
    name: Annotated[str, Field(min_length=1, max_length=100)]
    floor: AwareDatetime | None = None


class Advance(_Word):
    """'Let time pass': for training, while no engine runs. It is said instead of a hello; the answer is the
    new time, and the end of the connection."""

    word: Literal["advance"] = "advance"
    version: Number = VERSION
    by: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(days=366))]


class Report(_Word):
    """'I am at rest.' With a `round`, it confirms, and is a promise; with 0 it is only news.

    `next` is the first wake-up. `mark` names the last event that an engine published, or that people
    have processed. `asks`: a task of the engine waits for a person.
    """

    word: Literal["report"] = "report"
    round: Number = 0
    next: AwareDatetime | None = None
    mark: Mark = ""
    asks: bool = False


class Busy(_Word):
    """'Something is under way': the answer to a `Confirm` that cannot be confirmed."""

    word: Literal["busy"] = "busy"
    round: Number


class Welcome(_Word):
    """The answer to `Hello`. `alone_since`: for an engine, when the one before it left, if this clock saw it."""

    word: Literal["welcome"] = "welcome"
    version: Number = VERSION
    now: AwareDatetime
    alone_since: AwareDatetime | None = None


class Confirm(_Word):
    """'Everybody is at rest: are you still?' Who confirms starts nothing until tick or release."""

    word: Literal["confirm"] = "confirm"
    round: Number


class Release(_Word):
    """'No jump this time.' Everybody reports again when at rest."""

    word: Literal["release"] = "release"


class Tick(_Word):
    """The time is now `now`; the plant is already there."""

    word: Literal["tick"] = "tick"
    now: AwareDatetime


class Refusal(_Word):
    """The last word before the clock hangs up."""

    word: Literal["refusal"] = "refusal"
    text: str


FromParticipant: TypeAlias = Hello | Advance | Report | Busy
FromClock: TypeAlias = Welcome | Confirm | Release | Tick | Refusal

FROM_PARTICIPANT: TypeAdapter[FromParticipant] = TypeAdapter(
    Annotated[FromParticipant, Field(discriminator="word")]
)
FROM_CLOCK: TypeAdapter[FromClock] = TypeAdapter(Annotated[FromClock, Field(discriminator="word")])


def encode(word: BaseModel) -> bytes:
    """Give the line of a word, with its newline."""
    return word.model_dump_json(exclude_none=True).encode() + b"\n"


def decode(adapter: "TypeAdapter[Any]", line: bytes) -> Any:
    """Read one line. Raises BadInput, in one sentence, on anything else than a word of this protocol."""
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise BadInput(
            f"The line {line[:60]!r} is no word of the clock's protocol version {VERSION}: {where}: {first['msg']}."
        ) from error


class Lines(asyncio.Protocol):
    """One end of a connection. Subclasses say what to do with a word, with garbage, and at the end."""

    adapter: "TypeAdapter[Any]"

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            for line in lines:
                if not self.closing:
                    self._take(line)
            if len(self._rest) > LINE_LIMIT:
                raise BadInput(f"A line of the clock's protocol is at most {LINE_LIMIT} bytes long.")
        except BadInput as error:
            self.garbage(str(error))

    def _take(self, line: bytes) -> None:
        if len(line) > LINE_LIMIT:
            raise BadInput(f"A line of the clock's protocol is at most {LINE_LIMIT} bytes long.")
        self.received(decode(self.adapter, line))

    @property
    def closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def send(self, word: BaseModel) -> None:
        """Send a word; nothing happens on a connection that is closing (its end is told apart)."""
        self.send_line(encode(word))

    def send_line(self, line: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line)

    def hang_up(self) -> None:
        """Close after what was sent."""
        if self._transport is not None:
            self._transport.close()

    def received(self, word: Any) -> None:
        raise NotImplementedError

    def garbage(self, text: str) -> None:
        raise NotImplementedError
