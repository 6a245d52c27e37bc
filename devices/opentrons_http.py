"""The Opentrons HTTP API, as far as Kweek asks for it, on httpx; errors in our own tree.

Every call has a time limit. What only asks raises DeviceUnreachable when no answer comes; what acts
raises it only if the request was certainly not sent, and OutcomeUnknown otherwise. An answer of 4xx is
DeviceRefused with the robot's own words, of 5xx DeviceFault. Kweek never deletes a run: there is no call
for it here. Shapes: recorded exchanges of software 8.1.0 (docs/reference/opentrons.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import httpx

from devices.base import DeviceFault, DeviceProtocolError, DeviceRefused, DeviceUnreachable, OutcomeUnknown

HEADERS = {"opentrons-version": "*"}
PAGE = 100
ENDED = ("succeeded", "failed", "stopped")
RunAction: TypeAlias = Literal["play", "pause", "stop"]
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the robot tells it."""

    id: str
    status: str
    errors: tuple[str, ...]
    """The cause of each, walked to the leaf."""
    played: bool

    @property
    def ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Command:
    """One line of a run's log."""

    key: str
    kind: str
    status: str
    error: str


class RobotHttp:
    """One robot at `http://host:port/UNIT`; the path is only our name for it. `limit`: seconds of real time."""

    def __init__(self, address: str, unit: str, limit: float) -> None:
        self._unit = unit
        parts = urlsplit(address)
        self._client = httpx.AsyncClient(
            base_url=f"{parts.scheme}://{parts.netloc}",
            headers=HEADERS,
            timeout=limit,
            trust_env=False,
            verify=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def health(self) -> Mapping[str, Any]:
        return await self._asked("/health")

    async def instruments(self) -> list[Mapping[str, Any]]:
        return _list(await self._asked("/instruments"), self._unit)

    async def door_open(self) -> bool:
        return _data(await self._asked("/robot/door/status"), self._unit).get("status") == "open"

    async def estop_engaged(self) -> bool:
        """Whether the emergency stop is pressed. Only a Flex can tell."""
        state = _data(await self._asked("/robot/control/estopStatus"), self._unit)
        return state.get("status") not in ("disengaged", "notPresent")

    async def upload(self, name: str, text: str) -> tuple[str, str]:
        """Ids of the protocol and of its newest analysis. The same bytes again give the same protocol."""
        files = {"files": (name, text.encode(), "application/json")}
        made = _data(await self._sent("/protocols", acts=False, files=files), self._unit)
        try:
            return str(made["id"]), str(made["analysisSummaries"][-1]["id"])
        except (KeyError, IndexError, TypeError) as error:
            raise self._nonsense("/protocols") from error

    async def analysis(self, protocol: str, analysis: str) -> Mapping[str, Any]:
        return _data(await self._asked(f"/protocols/{protocol}/analyses/{analysis}"), self._unit)

    async def protocol_named(self, name: str) -> str | None:
        """The id of the protocol with this name in its metadata."""
        for each in _list(await self._asked("/protocols"), self._unit):
            if each.get("metadata", {}).get("protocolName") == name:
                return str(each["id"])
        return None

    async def runs_of(self, protocol: str) -> list[Run]:
        """The runs of a protocol, oldest first."""
        found = _list(await self._asked("/runs"), self._unit)
        return [run_from(each, self._unit) for each in found if each.get("protocolId") == protocol]

    async def new_run(self, protocol: str) -> Run:
        sent = await self._sent("/runs", json={"data": {"protocolId": protocol}})
        return run_from(_data(sent, self._unit), self._unit)

    async def run(self, run: str) -> Run:
        """A run. Raises DeviceProtocolError if the robot has forgotten it: that is no refusal of anything."""
        try:
            return run_from(_data(await self._asked(f"/runs/{run}"), self._unit), self._unit)
        except DeviceRefused as error:
            raise DeviceProtocolError(
                f"{self._unit} knows its run {run} no more; look what it did."
            ) from error

    async def act(self, run: str, action: RunAction) -> None:
        await self._sent(f"/runs/{run}/actions", json={"data": {"actionType": action}})

    async def commands(self, run: str) -> list[Mapping[str, Any]]:
        """The whole log of a run, page by page, as the robot wrote it."""
        lines: list[Mapping[str, Any]] = []
        while True:
            params = {"cursor": len(lines), "pageLength": PAGE}
            page = await self._asked(f"/runs/{run}/commands", params)
            lines += _list(page, self._unit)
            total = page.get("meta", {}).get("totalLength", 0)
            if not page["data"] or len(lines) >= total:
                return lines

    async def _asked(self, path: str, params: Mapping[str, int] | None = None) -> Mapping[str, Any]:
        try:
            return self._answer(path, await self._client.get(path, params=params))
        except httpx.HTTPError as error:
            raise self._unreachable(path, error) from error

    async def _sent(self, path: str, *, acts: bool = True, **body: Any) -> Mapping[str, Any]:
        try:
            return self._answer(path, await self._client.post(path, **body))
        except NOT_SENT as error:
            raise self._unreachable(path, error) from error
        except httpx.HTTPError as error:
            if not acts:
                raise self._unreachable(path, error) from error
            raise OutcomeUnknown(
                f"{self._unit} gave no answer to {path} ({_kind(error)}); ask it for the command before anything is "
                "done again."
            ) from error

    def _answer(self, path: str, answer: httpx.Response) -> Mapping[str, Any]:
        if answer.status_code >= 500:
            raise DeviceFault(f"{self._unit} failed at {path} ({_told(answer)}); look at the robot.")
        if answer.status_code >= 400:
            raise DeviceRefused(f"{self._unit} refused {path}: {_told(answer)}")
        try:
            body = answer.json()
        except ValueError as error:
            raise self._nonsense(path) from error
        if not isinstance(body, dict):
            raise self._nonsense(path)
        return body

    def _unreachable(self, path: str, error: httpx.HTTPError) -> DeviceUnreachable:
        return DeviceUnreachable(
            f"{self._unit} did not answer {path} ({_kind(error)}); check that the robot is on and connected."
        )

    def _nonsense(self, path: str) -> DeviceProtocolError:
        return nonsense(self._unit, path)


def nonsense(unit: str, path: str) -> DeviceProtocolError:
    """An answer that is not of the Opentrons API."""
    return DeviceProtocolError(
        f"{unit} answers {path} with something that is not the Opentrons API; check the address and its software."
    )


def run_from(data: Mapping[str, Any], unit: str) -> Run:
    """A run from its JSON. Raises DeviceProtocolError."""
    try:
        causes = tuple(cause(error) for error in data["errors"])
        played = any(action["actionType"] == "play" for action in data["actions"])
        return Run(str(data["id"]), str(data["status"]), causes, played)
    except (KeyError, TypeError) as error:
        raise nonsense(unit, "/runs") from error


def command_from(line: Mapping[str, Any]) -> Command:
    """A line of a run's log."""
    error = line.get("error")
    return Command(
        str(line.get("key", "")),
        str(line.get("commandType", "")),
        str(line.get("status", "")),
        cause(error) if error else "",
    )


def cause(error: Mapping[str, Any]) -> str:
    """The innermost reason of an error, with its code: the outer ones only say that a command failed."""
    inner: Sequence[Mapping[str, Any]] = error.get("wrappedErrors", ())
    if inner:
        return cause(inner[0])
    return f"{error.get('errorType', '')} {error.get('errorCode', '')}: {error.get('detail', '')}"


def _told(answer: httpx.Response) -> str:
    try:
        errors = answer.json()["errors"]
        return "; ".join(str(error.get("detail") or error.get("title")) for error in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"HTTP {answer.status_code}"


def _kind(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _data(body: Mapping[str, Any], unit: str) -> Mapping[str, Any]:
    if not isinstance(found := body.get("data"), dict):
        raise nonsense(unit, "a request")
    return found


def _list(body: Mapping[str, Any], unit: str) -> list[Mapping[str, Any]]:
    if not isinstance(found := body.get("data"), list):
        raise nonsense(unit, "a request")
    return found
