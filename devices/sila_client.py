"""The end of the SiLA 2 driver that lives in a device host: short exchanges, each within a limit.

The library is synchronous and brings gRPC, which does not share a process with every library of the
engine; so it runs in threads of a host (devices/host.py). Nothing here waits for a programme: `do`
starts one and says `running`, `command_status` looks, and the driver in the engine waits between looks.

`do` knows these actions: `start` (programme, batch, memory, given), `result`, `answer` (prompt,
answer) and `order` (order: Hold, Resume, Stop, Abort).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from batches.errors import BadInput
from batches.quantities import Quantity, duration, parse
from devices.base import (
    Clock,
    DeviceError,
    DeviceProtocolError,
    DeviceRefused,
    DeviceUnreachable,
    Identity,
    Outcome,
    OutcomeUnknown,
    Quality,
    Reading,
    Repeatability,
    Results,
)
from devices.sila_features import UNIT_COMMANDS, UNIT_VALUES
from devices.unit import Unit

T = TypeVar("T")
LOOK = 0.005  # s, real time, between looks at a command that is being accepted
FIRST_PAUSE = 0.05  # s, real time, between attempts to reach a server; doubles
ORDERS = ("Hold", "Resume", "Stop", "Abort")


class SilaClient:
    """One SiLA 2 server with the features of `devices/sila_features`. Options: see the driver."""

    def __init__(self, unit: Unit, clock: Clock) -> None:
        self._unit, self._clock = unit, clock
        self._limit = duration(parse(str(unit.options.get("limit", "5 s")))).total_seconds()
        self._stale_after = duration(parse(str(unit.options.get("stale_after", "60 s"))))
        self._client: Any = None
        self._instances: dict[str, Any] = {}
        """Running and ended executions of this process, with their execution UUIDs, by command id."""
        self._last: dict[str, Reading] = {}
        self._opening = asyncio.Lock()

    def repeatability(self, action: str) -> Repeatability:
        """As the driver declares it."""
        return "idempotent" if action in ("set", "safe") else "queryable"

    # -- the link --------------------------------------------------------------------------------

    async def connect(self) -> Identity:
        """Who answers. Raises DeviceUnreachable, DeviceProtocolError."""
        values = await self._asked(lambda client: client.UnitValues.Identity.get())
        offered = {row[0]: row[2] for row in await self._readings()}
        for tag, wanted in self._unit.tags.items():
            if tag not in offered:
                told = ", ".join(offered) or "none"
                raise DeviceProtocolError(
                    f"{self._unit.id} has no value for the tag '{tag}'; it has: {told}."
                )
            try:
                Quantity(Decimal(0), offered[tag]).to(wanted.unit)
            except BadInput as error:
                raise DeviceProtocolError(
                    f"{self._unit.id}, tag '{tag}' of the plant file: {error}"
                ) from error
        return Identity(*(str(part) for part in values))

    async def close(self) -> None:
        """Leave the server; what it runs goes on."""
        client, self._client = self._client, None
        self._instances.clear()
        if client is not None:
            client.close()

    async def _linked(self) -> Any:
        async with self._opening:
            if self._client is not None and await asyncio.to_thread(_ready, self._client):
                return self._client
            await self.close()
            pause, give_up = FIRST_PAUSE, time.monotonic() + self._limit
            while True:
                try:
                    async with asyncio.timeout(max(give_up - time.monotonic(), LOOK)):
                        self._client = await asyncio.to_thread(self._open)
                    return self._client
                except (OSError, TimeoutError, DeviceUnreachable) as error:
                    if time.monotonic() + pause >= give_up:
                        raise DeviceUnreachable(
                            f"{self._unit.id} does not answer at {self._unit.address} ({error}); "
                            "check that it is switched on and connected."
                        ) from error
                await asyncio.sleep(pause)
                pause *= 2

    def _open(self) -> Any:
        from sila2.client import SilaClient as Library
        from sila2.framework import SilaConnectionError, SilaError

        host, port = self._where()
        authority = self._unit.options.get("authority")
        try:
            if authority:
                client = Library(host, port, root_certs=Path(str(authority)).read_bytes())
            else:
                client = Library(host, port, insecure=True)
        except SilaConnectionError as error:
            raise DeviceUnreachable(str(error)) from error
        except (SilaError, RuntimeError) as error:
            raise DeviceProtocolError(f"{self._unit.id} is no proper SiLA server: {error}") from error
        offered = {each.rsplit("/", 2)[-2] for each in client.SiLAService.ImplementedFeatures.get()}
        if missing := {UNIT_VALUES, UNIT_COMMANDS} - offered:
            client.close()
            raise DeviceProtocolError(
                f"The SiLA server of {self._unit.id} has no feature {min(missing)}; "
                "it needs the features of docs/reference/drivers.md."
            )
        return client

    def _where(self) -> tuple[str, int]:
        """Host and port: those of the address, or those that discovery finds for `server_name`."""
        url = urlsplit(self._unit.address)
        name = self._unit.options.get("server_name")
        if not name:
            return url.hostname or "", url.port or 0
        from sila2.discovery import SilaDiscoveryBrowser

        authority = self._unit.options.get("authority")
        roots = Path(str(authority)).read_bytes() if authority else None
        with SilaDiscoveryBrowser(insecure=not authority, root_certs=roots) as browser:
            found = browser.find_server(server_name=str(name), timeout=self._limit)
            return found.address, found.port

    async def _asked(
        self, ask: Callable[[Any], T], lost: type[DeviceError] = DeviceUnreachable, within: float = 0.0
    ) -> T:
        """One exchange; `lost` is raised if it was sent and not answered in time."""
        client = await self._linked()
        try:
            async with asyncio.timeout(within or self._limit):
                return await asyncio.to_thread(self._answered, ask, client, lost)
        except (TimeoutError, DeviceUnreachable, OutcomeUnknown) as error:
            if client is self._client:
                await self.close()
            if isinstance(error, TimeoutError):
                raise lost(f"{self._unit.id} did not answer within {self._limit:g} s.") from error
            raise

    def _answered(self, ask: Callable[[Any], T], client: Any, lost: type[DeviceError]) -> T:
        from sila2.framework import (
            CommandExecutionNotAccepted,
            DefinedExecutionError,
            InvalidCommandExecutionUUID,
            SilaConnectionError,
            SilaError,
            UndefinedExecutionError,
            ValidationError,
        )

        try:
            return ask(client)
        except DefinedExecutionError as error:
            raise DeviceRefused(f"{self._unit.id}: {error.message}") from error
        except (ValidationError, CommandExecutionNotAccepted) as error:
            raise DeviceRefused(f"{self._unit.id}: {error}") from error
        except (InvalidCommandExecutionUUID, UndefinedExecutionError, SilaConnectionError) as error:
            raise lost(f"{self._unit.id} gave no answer ({error}).") from error
        except SilaError as error:
            raise DeviceProtocolError(
                f"{self._unit.id} answers what cannot be understood ({error})."
            ) from error

    # -- values ----------------------------------------------------------------------------------

    async def _readings(self) -> list[Any]:
        return await self._asked(lambda client: client.UnitValues.Readings.get())

    async def read(self, tag: str) -> Reading:
        """The value of a tag with the server's quality; an old one is stale. Raises DeviceRefused."""
        rows = {row[0]: row for row in await self._readings()}
        if tag not in rows:
            raise DeviceRefused(f"{self._unit.id} has no tag '{tag}'; it has: {', '.join(rows)}.")
        _, value, unit, digits, told, at = rows[tag]
        if told == "bad" and tag in self._last:
            last = self._last[tag]
            return Reading(last.value, last.at, "bad", f"{self._unit.id}: the probe reports a failure")
        amount = _amount(value, unit, digits)
        if tag in self._unit.tags:
            amount = amount.to(self._unit.tags[tag].unit)
        stale = told != "bad" and self._clock.now() - at > self._stale_after
        quality = "stale" if stale else told if told in ("good", "uncertain", "bad") else "uncertain"
        reading = Reading(amount, at, cast("Quality", quality), self._unit.id)
        if told != "bad":
            self._last[tag] = reading
        return reading

    async def set(self, tag: str, value: Quantity, command_id: str) -> None:
        """Give a set-point and read it back. Raises DeviceRefused before it is sent where it cannot be."""
        target = await self._target(tag, value)
        await self._asked(lambda client: client.UnitValues.SetTarget(command_id, tag, target), OutcomeUnknown)
        shown = (await self._set_points(OutcomeUnknown)).get(tag)
        if shown is None or shown[1] != target or not shown[2]:
            raise DeviceProtocolError(f"{self._unit.id} took {tag} {value} but does not show it; look at it.")

    async def _set_points(self, lost: type[DeviceError] = DeviceUnreachable) -> dict[str, Any]:
        rows = await self._asked(lambda client: client.UnitValues.SetPoints.get(), lost)
        return {row[0]: row for row in rows}

    async def _target(self, tag: str, value: Quantity) -> float:
        known = (await self._set_points()).get(tag)
        if known is None:
            raise DeviceRefused(f"{self._unit.id} has no set-point '{tag}'.")
        _, _, _, low, high, unit = known
        try:
            target = float(value.to(unit).value)
        except BadInput as error:
            raise DeviceRefused(f"{self._unit.id} cannot be set to {tag} {value}: {error}") from error
        if not low <= target <= high:
            why = f"it takes {low:g} to {high:g} {unit}"
            raise DeviceRefused(f"{self._unit.id} cannot be set to {tag} {value}; {why}.")
        return target

    # -- commands --------------------------------------------------------------------------------

    async def do(self, action: str, command_id: str, parameters: Mapping[str, object]) -> Outcome:
        """One short exchange; see the module. Raises DeviceError."""
        match action:
            case "start":
                return await self._start(command_id, parameters)
            case "result":
                return await self._result(command_id)
            case "answer":
                prompt, answer = str(parameters["prompt"]), str(parameters["answer"])
                await self._asked(
                    lambda client: client.UnitCommands.AnswerPrompt(command_id, prompt, answer),
                    OutcomeUnknown,
                )
                return Outcome("done")
            case "order":
                order = str(parameters["order"])
                await self._asked(lambda client: _ordered(client, order), OutcomeUnknown)
                return Outcome("done")
            case other:
                raise DeviceRefused(f"{self._unit.id} knows no '{other}'.")

    async def _start(self, command: str, parameters: Mapping[str, object]) -> Outcome:
        given = cast("Mapping[str, object]", parameters["given"])
        pairs = [(name, str(value)) for name, value in given.items()]
        programme, batch = str(parameters["programme"]), str(parameters["batch"])
        if await self._asked(lambda client: client.UnitCommands.MemoryId.get()) != parameters["memory"]:
            raise DeviceUnreachable(f"{self._unit.id} was restarted just now; nothing was sent, try again.")

        def begin(client: Any) -> Any:
            instance = client.UnitCommands.RunProgramme(command, batch, programme, pairs)
            _accepted(client, instance, command, self._limit)
            return instance

        instance = await self._asked(begin, OutcomeUnknown, within=self._limit + 1.0)
        self._instances[command] = instance
        return Outcome("running", {"execution": str(instance.execution_uuid)})

    async def _result(self, command: str) -> Outcome:
        instance = self._instances.pop(command, None)

        def collect(client: Any) -> Any:
            from sila2.framework import CommandExecutionNotFinished

            if instance is not None:
                with suppress(CommandExecutionNotFinished):
                    return instance.get_responses()
            return client.UnitCommands.GetCommandResult(command)

        status, text, rows, file = await self._asked(collect)
        if status not in ("done", "failed"):
            raise DeviceProtocolError(f"{self._unit.id} says of a command that it is '{status}'.")
        return Outcome(status, _results(rows), text, file)

    async def command_status(self, command_id: str) -> Outcome:
        """A look: `results` has remaining, progress, prompt and memory."""

        def look(client: Any) -> Any:
            return client.UnitCommands.GetCommandStatus(command_id), client.UnitCommands.MemoryId.get()

        (status, text, progress, left, prompt), memory = await self._asked(look)
        if status not in ("not_seen", "running", "done", "failed"):
            raise DeviceProtocolError(f"{self._unit.id} says of a command that it is '{status}'.")
        results: Results = {
            "remaining": Quantity(Decimal(repr(round(left, 3))), "s"),
            "progress": Quantity(Decimal(repr(round(progress, 6))), ""),
            "prompt": prompt,
            "memory": memory,
        }
        return Outcome(status, results, text)

    async def safe(self, state: str, command_id: str) -> None:
        """The driver in the engine knows the safe states."""
        raise DeviceRefused(f"{self._unit.id} has no safe state '{state}' ({command_id}).")

    async def stop(self) -> None:
        """End what runs, in order."""
        await self.do("order", "", {"order": "Stop"})


def _ready(client: Any) -> bool:
    """Whether the link stands: a request that is sent now leaves this machine."""
    import grpc
    from sila2.client.utils import is_channel_connected

    try:
        return is_channel_connected(client._channel, timeout=1)  # noqa: SLF001  the library shows it nowhere
    except (grpc.FutureTimeoutError, ValueError):  # ValueError: it was closed meanwhile
        return False


def _accepted(client: Any, instance: Any, command: str, within: float) -> None:
    """Wait until a command has begun. Raises what the server refused it with, SilaConnectionError.

    It is asked for by id, and not waited for in the stream of execution information: the library shows
    `running` in that stream also for a command that was refused.
    """
    from sila2.framework import CommandExecutionNotFinished, SilaConnectionError

    ends = time.monotonic() + within
    while client.UnitCommands.GetCommandStatus(command).Status == "not_seen":
        with suppress(CommandExecutionNotFinished):
            instance.get_responses()
        if time.monotonic() >= ends:
            raise SilaConnectionError("the command was sent, and whether it was begun is not told")
        time.sleep(LOOK)


def _ordered(client: Any, order: str) -> None:
    commands = client.UnitCommands
    match order:
        case "Hold":
            commands.Hold()
        case "Resume":
            commands.Resume()
        case "Stop":
            commands.Stop()
        case "Abort":
            commands.Abort()
        case other:
            raise BadInput(f"There is no order '{other}'; there are: {', '.join(ORDERS)}.")


def _amount(value: float, unit: str, digits: int) -> Quantity:
    try:
        return Quantity(Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-digits)), unit)
    except (BadInput, ArithmeticError) as error:
        raise DeviceProtocolError(f"The value {value} {unit} makes no sense: {error}") from error


def _results(rows: Any) -> Results:
    found: dict[str, Quantity | str | bool | int] = {}
    for name, kind, value, unit in rows:
        match kind:
            case "quantity":
                found[name] = Quantity(Decimal(value), unit)
            case "yes_no":
                found[name] = value == "true"
            case _:
                found[name] = value
    return found
