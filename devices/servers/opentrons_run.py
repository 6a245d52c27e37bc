"""A run of the simulated Opentrons robot: its state is a fold of its protocol, its actions and the time.

Durations are assumed. A pause stops the clock of the run; a stop fails the command that runs, as does a
pipette that is not mounted. Nothing here tells the time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from devices.pipetting import DROP, GO_AND_DIP, PICK_UP

HOME = timedelta(seconds=10)


@dataclass(slots=True)
class SimulatedRun:
    """One run. `actions`: id, time and type, in order. `mounted`: pipettes by mount."""

    id: str
    protocol: str
    created: datetime
    commands: Sequence[Mapping[str, Any]]
    mounted: Mapping[str, str]
    actions: list[tuple[str, datetime, str]] = field(default_factory=list[tuple[str, datetime, str]])

    def started(self) -> datetime | None:
        return next((at for _, at, kind in self.actions if kind == "play"), None)

    def log(self, now: datetime) -> list[dict[str, Any]]:
        """The commands that were begun by `now`, as `/runs/{r}/commands` gives them."""
        if self.started() is None:
            return []
        lines: list[dict[str, Any]] = []
        passed = timedelta()
        for number, command in enumerate(self.commands):
            began, ended = self._at(passed, now), self._at(passed + lasts(command), now)
            if began is None or (self._stopped() and began >= self.actions[-1][1]):
                break
            error = self._mistake(command, ended)
            if error is None and ended is None and self._stopped():
                error = _error("RunStoppedError", "4000", "The run was stopped.", self.actions[-1][1])
                ended = self.actions[-1][1]
            lines.append(self._line(number, command, began, ended, error))
            if error is not None or ended is None:
                break
            passed += lasts(command)
        return lines

    def status(self, now: datetime) -> str:
        log = self.log(now)
        if log and log[-1]["status"] == "failed" and "RunStoppedError" not in str(log[-1]["error"]):
            return "failed"
        if len(log) == len(self.commands) and log and log[-1]["status"] == "succeeded":
            return "succeeded"
        if self._stopped():
            return "stopped"
        if not self.actions:
            return "idle"
        return "paused" if self.actions[-1][2] == "pause" else "running"

    def told(self, now: datetime, *, current: bool) -> dict[str, Any]:
        """The run as `/runs/{r}` gives it."""
        log, status = self.log(now), self.status(now)
        body: dict[str, Any] = {
            "id": self.id,
            "ok": True,
            "createdAt": self.created.isoformat(),
            "status": status,
            "current": current,
            "actions": [
                {"id": id_, "createdAt": at.isoformat(), "actionType": kind} for id_, at, kind in self.actions
            ],
            "errors": [_wrapped(log[-1]["error"])] if status == "failed" else [],
            "hasEverEnteredErrorRecovery": False,
            "pipettes": _loaded(log, "loadPipette", _pipette),
            "modules": [],
            "labware": _loaded(log, "loadLabware", _labware),
            "liquids": [],
            "labwareOffsets": [],
            "runTimeParameters": [],
            "protocolId": self.protocol,
        }
        if status in ("succeeded", "failed", "stopped") and log:
            body["completedAt"] = log[-1]["completedAt"]
        if (started := self.started()) is not None:
            body["startedAt"] = started.isoformat()
        return body

    def _stopped(self) -> bool:
        return bool(self.actions) and self.actions[-1][2] == "stop"

    def _at(self, passed: timedelta, now: datetime) -> datetime | None:
        """When the run had worked for so long; None if it has not yet."""
        worked = timedelta()
        for n, (_, at, kind) in enumerate(self.actions):
            until = self.actions[n + 1][1] if n + 1 < len(self.actions) else now
            if kind != "play":
                continue
            if worked + (until - at) >= passed:
                return at + (passed - worked)
            worked += until - at
        return None

    def _mistake(self, command: Mapping[str, Any], ended: datetime | None) -> dict[str, Any] | None:
        if command["commandType"] != "loadPipette" or ended is None:
            return None
        params = command["params"]
        mounted = self.mounted.get(params["mount"], "None")
        if mounted == params["pipetteName"]:
            return None
        detail = (
            f"mount {params['mount'].upper()}: expected instrument {params['pipetteName']} but got {mounted}"
        )
        return _error("FailedToLoadPipetteError", "3010", detail, ended)

    def _line(
        self,
        number: int,
        command: Mapping[str, Any],
        began: datetime,
        ended: datetime | None,
        error: dict[str, Any] | None,
    ) -> dict[str, Any]:
        line: dict[str, Any] = {
            "id": str(uuid5(NAMESPACE_URL, f"{self.id}/{number}")),
            "key": command["key"],
            "commandType": command["commandType"],
            "createdAt": began.isoformat(),
            "startedAt": began.isoformat(),
            "status": "failed" if error else "succeeded" if ended else "running",
            "params": command["params"],
            "notes": [],
        }
        if ended is not None:
            line["completedAt"] = ended.isoformat()
        if error is not None:
            line["error"] = error
        return line


def lasts(command: Mapping[str, Any]) -> timedelta:
    """How long the simulated robot takes for a command."""
    params = command["params"]
    match command["commandType"]:
        case "home":
            return HOME
        case "pickUpTip":
            return PICK_UP
        case "dropTipInPlace":
            return DROP
        case "aspirate" | "dispense":
            return GO_AND_DIP + timedelta(seconds=params["volume"] / params["flowRate"])
        case _:
            return timedelta()


def _error(kind: str, code: str, detail: str, at: datetime, inner: Sequence[Any] = ()) -> dict[str, Any]:
    return {
        "id": str(uuid5(NAMESPACE_URL, f"{kind}/{detail}/{at.isoformat()}")),
        "createdAt": at.isoformat(),
        "isDefined": False,
        "errorType": kind,
        "errorCode": code,
        "detail": detail,
        "errorInfo": {},
        "wrappedErrors": list(inner),
    }


def _wrapped(error: dict[str, Any]) -> dict[str, Any]:
    at = datetime.fromisoformat(error["createdAt"])
    told = f"{error['errorType']}: {error['detail']}"
    return _error("ProtocolCommandFailedError", "4000", told, at, [error])


def _loaded(log: Sequence[Mapping[str, Any]], kind: str, shown: Any) -> list[dict[str, Any]]:
    return [
        shown(line["params"]) for line in log if line["commandType"] == kind and line["status"] == "succeeded"
    ]


def _pipette(params: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": params["pipetteId"], "pipetteName": params["pipetteName"], "mount": params["mount"]}


def _labware(params: Mapping[str, Any]) -> dict[str, Any]:
    name = params["loadName"]
    uri = f"{params['namespace']}/{name}/{params['version']}"
    return {
        "id": params["labwareId"],
        "loadName": name,
        "definitionUri": uri,
        "location": params["location"],
    }
