"""Driver for equipment that speaks SiLA 2 with the features of `devices/sila_features`.

The command id is a parameter of every command, by which the server knows a repeated one and can be
asked after a lost reply. A server names its memory of commands; as soon as another memory answers than
the one this driver met first (a restart lost it), a command it does not know is 'unknown', never
'not seen'. The library and its links live in a device host; waiting for a programme is done here.

Options of the plant file: `limit` (longest answer), `patience` (how long a broken link is mended while
a programme runs), `stale_after`, `slowest_look`, `authority` (PEM file of the certificate authority:
TLS; without it links are not encrypted), `server_name` (found by discovery instead of the address).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from batches.quantities import Quantity, duration, parse
from devices.base import (
    Clock,
    Device,
    DeviceRefused,
    DeviceUnreachable,
    Identity,
    Outcome,
    OutcomeUnknown,
    Reading,
    Repeatability,
)
from devices.unit import Unit

T = TypeVar("T")
SAFE_STATES: Mapping[str, tuple[str, ...]] = {
    "keep_environment": (),
    "stop_feeds": ("perfusion_rate",),
    "stand_still": (),
}
"""Tags set to zero in a safe state; whatever else stands at its set-point stays there."""
LOOK_FIRST = timedelta(seconds=1)
LOOK_AGAIN = 0.1  # s, real time, after a look that found no link


def repeatability(action: str) -> Repeatability:
    """Set-points are idempotent; whatever else is done has an id that the server keeps."""
    return "idempotent" if action in ("set", "safe") else "queryable"


class SilaDriver:
    """One SiLA 2 server at sila://host:port. See `devices.base.Device` and `Prompting`.

    `hosted`: the device host that speaks with it (devices/sila_client.py); `folder` keeps the names of
    the memories that were met.
    """

    def __init__(self, unit: Unit, clock: Clock, folder: Path, hosted: Device) -> None:
        self._unit, self._clock, self._hosted = unit, clock, hosted
        self._patience = self._time("patience", "60 s").total_seconds()
        self._slowest = self._time("slowest_look", "60 s")
        self._memories = folder / f"sila-{unit.id}.json"
        self._asked: dict[str, str] = {}

    def _time(self, option: str, default: str) -> timedelta:
        return duration(parse(str(self._unit.options.get(option, default))))

    def repeatability(self, action: str) -> Repeatability:
        return repeatability(action)

    # -- the link and values ---------------------------------------------------------------------

    async def connect(self) -> Identity:
        """Reach the server and learn who it is. Raises DeviceUnreachable, DeviceProtocolError."""
        return await self._hosted.connect()

    async def close(self) -> None:
        """Leave the server; what it runs goes on."""
        await self._hosted.close()

    async def read(self, tag: str) -> Reading:
        """The value of a tag. Quality from the server and age; a failed probe shows its last value as bad."""
        return await self._hosted.read(tag)

    async def set(self, tag: str, value: Quantity, command_id: str) -> None:
        """Give a set-point, start its controller and read it back."""
        await self._hosted.set(tag, value, command_id)

    # -- programmes ------------------------------------------------------------------------------

    async def do(self, action: str, command_id: str, parameters: Mapping[str, object]) -> Outcome:
        """Run an action or programme to its end. The same command again waits for the same run."""
        given = {
            name: written(name, value)
            for name, value in parameters.items()
            if name not in ("batch", "command")
        }
        looked = await self._look(command_id)
        asked = {
            "programme": action.removeprefix("program:"),
            "batch": str(parameters.get("batch", "")),
            "memory": looked.results["memory"],
            "given": given,
        }
        await self._hosted.do("start", command_id, asked)
        return await self._ended(command_id)

    async def _ended(self, command: str) -> Outcome:
        pause = LOOK_FIRST
        while True:
            now = await self._patiently(lambda: self._look(command))
            if now.status in ("done", "failed"):
                return await self._patiently(lambda: self._hosted.do("result", command, {}))
            if now.status != "running":
                raise OutcomeUnknown(
                    f"{self._unit.id} no longer knows a command that it began; look at the unit."
                )
            left = now.results["remaining"]
            wait = duration(left) if isinstance(left, Quantity) and left.value > 0 else pause
            await self._clock.sleep_until(self._clock.now() + max(min(wait, self._slowest), LOOK_FIRST))
            pause = min(pause * 2, self._slowest)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, mending the link for as long as patience lasts. Raises OutcomeUnknown then."""
        give_up = asyncio.get_running_loop().time() + self._patience
        while True:
            try:
                return await ask()
            except DeviceUnreachable as error:
                if asyncio.get_running_loop().time() >= give_up:
                    raise OutcomeUnknown(f"{error} What it ran may have gone on.") from error
                await asyncio.sleep(LOOK_AGAIN)

    async def _look(self, command: str) -> Outcome:
        """What the server says of a command now; its memory is noted before anything relies on it."""
        looked = await self._hosted.command_status(command)
        memory = str(looked.results["memory"])
        if memory not in (known := self._known_memories()):
            self._note([*known, memory])
        return looked

    def _known_memories(self) -> list[str]:
        return json.loads(self._memories.read_text()) if self._memories.exists() else []

    def _note(self, memories: list[str]) -> None:
        self._memories.parent.mkdir(parents=True, exist_ok=True)
        new = self._memories.with_suffix(".new")
        new.write_text(json.dumps(memories))
        new.replace(self._memories)

    async def command_status(self, command_id: str) -> Outcome:
        """What became of a programme or action. For a set-point this says nothing: give it again."""
        looked = await self._look(command_id)
        match looked.status:
            case "done" | "failed":
                return await self._hosted.do("result", command_id, {})
            case "not_seen" if len(self._known_memories()) > 1:
                return Outcome("unknown", text=f"{self._unit.id} was restarted and may have forgotten it.")
            case status:
                return Outcome(status, text=looked.text)

    async def progress(self, command_id: str) -> Quantity | None:
        """How far a running command is, from 0 to 1; None if it does not run."""
        looked = await self._look(command_id)
        done = looked.results["progress"]
        return done if looked.status == "running" and isinstance(done, Quantity) else None

    async def prompt(self, command_id: str) -> str | None:
        """What the command's programme asks a person at present."""
        asked = str((await self._look(command_id)).results["prompt"])
        if asked:
            self._asked[command_id] = asked
        return asked or None

    async def answer_prompt(self, command_id: str, text: str) -> None:
        """Answer the prompt last read for this command; never a later one."""
        asked = self._asked.get(command_id) or await self.prompt(command_id)
        if not asked:
            raise DeviceRefused(f"{self._unit.id} asks nothing for this command.")
        await self._hosted.do("answer", command_id, {"prompt": asked, "answer": text})

    # -- states ----------------------------------------------------------------------------------

    async def safe(self, state: str, command_id: str) -> None:
        """Bring about a safe state of SAFE_STATES; the server must answer for it to count."""
        if state not in SAFE_STATES:
            raise DeviceRefused(
                f"{self._unit.id} has no safe state '{state}'; it has: {', '.join(SAFE_STATES)}."
            )
        await self._look(command_id)
        for tag in SAFE_STATES[state]:
            known = self._unit.tags.get(tag)
            if known is not None and known.settable:
                await self.set(tag, Quantity(0 * known.low.value, known.unit), command_id)

    async def stop(self) -> None:
        """End what runs, in order. A unit at which nothing runs is left as it is."""
        await self._order("Stop")

    async def abort(self) -> None:
        """End what runs, at once."""
        await self._order("Abort")

    async def hold(self) -> None:
        """Let the programme stand still."""
        await self._order("Hold")

    async def unhold(self) -> None:
        """Let the programme go on."""
        await self._order("Resume")

    async def _order(self, order: str) -> None:
        await self._hosted.do("order", "", {"order": order})


def written(name: str, value: object) -> str:
    """A parameter as text. Raises DeviceRefused for what has none."""
    match value:
        case bool():
            return "true" if value else "false"
        case Quantity() | int() | str():
            return str(value)
        case _:
            raise DeviceRefused(
                f"The parameter '{name}' is a {type(value).__name__}; a device takes amounts and texts."
            )
