"""The simulated Opentrons robot: the endpoints that Kweek uses, in the shapes of recorded exchanges.

It runs JSON protocols (schema 8) on the time it is given, keeps protocols and runs in a file, and has
faults on demand at `POST /simulation/faults` `{"data": {"fault": …, "argument": …}}`, which no real robot
has. Faults of commands (refuse, delay, lose_reply) hit the actions of runs: play, pause, stop.
Like the real one it checks no volumes in wells. It listens where it is told, without sign-in.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from batches.errors import BadInput, KweekError
from devices.opentrons_deck import ROBOTS, Robot
from devices.servers.faults import UnitFaults, number_in
from devices.servers.opentrons_run import SimulatedRun
from devices.unit import Unit

SOFTWARE = "8.1.0"
"""The generation whose exchanges were recorded."""
PAGE = 20


class RobotServer:
    """One robot for the unit with the driver `opentrons`. `now`: process time; `memory`: what survives."""

    def __init__(self, unit: Unit, host: str, port: int, now: Callable[[], datetime], memory: Path) -> None:
        self._unit, self._now = unit, now
        self.name = str(unit.options.get("robot", "Flex"))
        self.robot: Robot = ROBOTS[self.name]
        options = unit.options.get("pipettes", {})
        self.mounted = {str(m): str(p) for m, p in options.items()} if isinstance(options, Mapping) else {}
        self.faults = UnitFaults()
        self.silent_until = 0.0
        self.door, self.estop = "closed", "disengaged"
        self.protocols: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, SimulatedRun] = {}
        self._memory = memory
        self._remember()
        self._address = (host, port)
        self._server: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None
        self.port = port

    async def start(self) -> None:
        """Listen. Raises BadInput if the port is taken."""
        found = socket.socket()
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(self._address)
        except OSError as error:
            found.close()
            host, port = self._address
            raise BadInput(
                f"The robot of {self._unit.id} cannot listen on {host}:{port} ({error.strerror}); stop what uses that "
                "port, or move it with KWEEK_PORTS."
            ) from error
        self.port = found.getsockname()[1]
        config = uvicorn.Config(
            Faulty(application(self), self), log_config=None, access_log=False, log_level="critical"
        )
        self._server = _Uvicorn(config)
        self._serving = asyncio.create_task(self._server.serve([found]))
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110  uvicorn sets no event
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._serving
            self._server = None

    def now(self) -> datetime:
        return self._now()

    def current(self) -> SimulatedRun | None:
        return next(reversed(self.runs.values()), None)

    def inject(self, fault: str, argument: str) -> None:
        """Bring about a fault. Raises OutOfRange."""
        match fault:
            case "door":
                self.door = argument or "open"
            case "estop":
                self.estop = argument or "logicallyEngaged"
            case "disconnect":
                self.silent_until = asyncio.get_running_loop().time() + number_in(fault, [argument], 0)
            case "die":
                os._exit(1)
            case _:
                if fault == "clear":
                    self.door, self.estop, self.silent_until = "closed", "disengaged", 0.0
                self.faults.inject(fault, argument, {}, self._now().timestamp())

    def take(self, name: str, text: str) -> dict[str, Any]:
        """A protocol; the same bytes again are the same protocol. Raises BadInput."""
        id_ = str(uuid5(NAMESPACE_URL, hashlib.sha256(text.encode()).hexdigest()))
        if id_ not in self.protocols:
            self.protocols[id_] = {"name": name, "text": text, "at": self._now().isoformat(), **_read(text)}
            self.keep()
        return self.told_protocol(id_)

    def told_protocol(self, id_: str) -> dict[str, Any]:
        kept = self.protocols[id_]
        return {
            "id": id_,
            "createdAt": kept["at"],
            "files": [{"name": kept["name"], "role": "main"}],
            "protocolType": "json",
            "robotType": kept["robot"],
            "metadata": kept["metadata"],
            "analyses": [],
            "analysisSummaries": [{"id": _analysis(id_), "status": "completed", "runTimeParameters": []}],
            "protocolKind": "standard",
        }

    def analysis(self, id_: str) -> dict[str, Any]:
        """The twin's analysis: the right robot, or not."""
        kept = self.protocols[id_]
        wrong = kept["robot"] != self.robot.model
        detail = f"This protocol is for a {kept['robot']} and the robot is a {self.robot.model}."
        error = {"errorType": "RobotMismatch", "errorCode": "4000", "detail": detail, "wrappedErrors": []}
        return {
            "id": _analysis(id_), "status": "completed", "result": "not-ok" if wrong else "ok",
            "robotType": kept["robot"], "runTimeParameters": [], "commands": [], "labware": [], "pipettes": [],
            "modules": [], "liquids": [], "errors": [error] if wrong else [],
        }  # fmt: skip

    def new_run(self, protocol: str) -> SimulatedRun:
        run = SimulatedRun(
            str(uuid4()), protocol, self._now(), _commands(self.protocols[protocol]["text"]), self.mounted
        )
        self.runs[run.id] = run
        self.keep()
        return run

    def act(self, run: SimulatedRun, kind: str) -> dict[str, Any]:
        at = self._now()
        made = (str(uuid4()), at, kind)
        run.actions.append(made)
        self.keep()
        return {"id": made[0], "createdAt": at.isoformat(), "actionType": kind}

    def keep(self) -> None:
        runs = [
            [
                run.id,
                run.protocol,
                run.created.isoformat(),
                [[i, at.isoformat(), k] for i, at, k in run.actions],
            ]
            for run in self.runs.values()
        ]
        fresh = self._memory.with_suffix(".new")
        fresh.write_text(json.dumps({"protocols": self.protocols, "runs": runs}), encoding="utf-8")
        fresh.replace(self._memory)

    def _remember(self) -> None:
        """What was before a restart; a run that ran then was stopped by it, as the power went."""
        if not self._memory.exists():
            return
        kept = json.loads(self._memory.read_text(encoding="utf-8"))
        self.protocols = kept["protocols"]
        for id_, protocol, created, actions in kept["runs"]:
            commands = _commands(self.protocols[protocol]["text"])
            run = SimulatedRun(id_, protocol, datetime.fromisoformat(created), commands, self.mounted)
            run.actions = [(i, datetime.fromisoformat(at), kind) for i, at, kind in actions]
            self.runs[id_] = run
            if run.status(self._now()) not in ("succeeded", "failed", "stopped"):
                run.actions.append((str(uuid4()), self._now(), "stop"))


def _analysis(protocol: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{protocol}/analysis"))


def _read(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
        return {"metadata": read["metadata"], "robot": read["robot"]["model"], "steps": len(read["commands"])}
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"The simulated robot reads JSON protocols of schema 8 ({error!r}); send one."
        ) from error


def _commands(text: str) -> list[Mapping[str, Any]]:
    """The commands of a protocol; the robot homes first, whether it is asked to or not."""
    home = {
        "commandType": "home",
        "key": hashlib.md5(b"home", usedforsecurity=False).hexdigest(),
        "params": {},
    }
    return [home, *json.loads(text)["commands"]]


class _Uvicorn(uvicorn.Server):
    """A server that leaves signals to the process around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class Faulty:
    """Puts the faults of links and commands around the application."""

    def __init__(self, app: ASGIApp, robot: RobotServer) -> None:
        self._app, self._robot = app, robot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        if scope["type"] != "http" or scope["path"].startswith("/simulation"):
            await self._app(scope, receive, send)
        elif loop.time() < self._robot.silent_until:
            await _break(send)
        elif scope["path"].endswith("/actions"):
            await self._command(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _command(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._robot.faults.check()
        except KweekError as error:
            refusal = _problem(409, "RunActionNotAllowed", str(error))
            await refusal(scope, receive, send)
            return
        late, lost = self._robot.faults.late(), self._robot.faults.lost()
        held: list[Any] = []

        async def hold(message: Any) -> None:
            held.append(message)

        await self._app(scope, receive, hold)
        if lost:
            await _break(send)
            return
        await asyncio.sleep(late)
        for message in held:
            await send(message)


async def _break(send: Send) -> None:
    """Break the link: an answer that says it is longer than it is makes uvicorn hang up."""
    headers = [(b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def _problem(status: int, id_: str, detail: str) -> JSONResponse:
    error = {"id": id_, "title": id_, "detail": detail, "errorCode": "4000"}
    return JSONResponse({"errors": [error]}, status)


def _page(found: list[Any], cursor: int, length: int, **more: Any) -> dict[str, Any]:
    return {
        "data": found[cursor : cursor + length],
        **more,
        "meta": {"cursor": cursor, "totalLength": len(found)},
    }


def _file_in(kind: str, body: bytes) -> tuple[str, str]:
    """Name and text of the first file of a multipart form; '' for what is none."""
    form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=HTTP)
    for part in form.iter_parts():
        content = part.get_payload(decode=True)
        if part.get_filename() and isinstance(content, bytes):
            return str(part.get_filename()), content.decode("utf-8", "replace")
    return "", ""


def application(robot: RobotServer) -> FastAPI:
    """The HTTP API over one robot."""
    app = FastAPI(title=f"Simulated Opentrons {robot.name}")
    _add_robot(app, robot)
    _add_protocols(app, robot)
    _add_runs(app, robot)
    return app


def _add_robot(app: FastAPI, robot: RobotServer) -> None:
    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {
            "name": "kweek-simulated", "robot_model": robot.robot.model, "api_version": SOFTWARE, "fw_version": "0",
            "board_revision": "UNKNOWN", "logs": [], "system_version": "0.0.0",
            "maximum_protocol_api_version": [2, 20], "minimum_protocol_api_version": [2, 15],
            "robot_serial": f"SIM-{robot._unit.id}", "links": {"apiSpec": "/openapi.json"},  # noqa: SLF001  its own API
        }  # fmt: skip

    @app.get("/instruments")
    async def instruments() -> dict[str, Any]:
        found = [
            {
                "mount": mount,
                "instrumentType": "pipette",
                "instrumentName": name,
                "ok": True,
                "serialNumber": "SIM",
            }
            for mount, name in robot.mounted.items()
        ]
        return _page(found, 0, len(found))

    @app.get("/modules")
    async def modules() -> dict[str, Any]:
        return _page([], 0, 0)

    @app.get("/robot/door/status")
    async def door() -> dict[str, Any]:
        needed = robot.name == "Flex"
        return {"data": {"status": robot.door, "doorRequiredClosedForProtocol": needed}}

    if robot.name == "Flex":

        @app.get("/robot/control/estopStatus")
        async def estop() -> dict[str, Any]:
            return {"data": {"status": robot.estop, "leftEstopPhysicalStatus": "disengaged", "rightEstopPhysicalStatus": "notPresent"}}  # fmt: skip

    @app.post("/simulation/faults")
    async def fault(request: Request) -> Response:
        asked = (await request.json())["data"]
        try:
            robot.inject(asked["fault"], asked.get("argument", ""))
        except KweekError as error:
            return _problem(422, "BadFault", str(error))
        return JSONResponse({"data": asked}, 201)


def _add_protocols(app: FastAPI, robot: RobotServer) -> None:
    @app.get("/protocols")
    async def protocols() -> dict[str, Any]:
        return _page([robot.told_protocol(id_) for id_ in robot.protocols], 0, len(robot.protocols))

    @app.post("/protocols")
    async def upload(request: Request) -> Response:
        name, text = _file_in(request.headers.get("content-type", ""), await request.body())
        try:
            return JSONResponse({"data": robot.take(name, text)}, 201)
        except BadInput as error:
            return _problem(422, "ProtocolFilesInvalid", str(error))

    @app.get("/protocols/{protocol}/analyses/{analysis}")
    async def analysis(protocol: str, analysis: str) -> Response:
        if protocol not in robot.protocols or analysis != _analysis(protocol):
            return _problem(404, "AnalysisNotFound", f"There is no analysis {analysis}.")
        return JSONResponse({"data": robot.analysis(protocol)})


def _add_runs(app: FastAPI, robot: RobotServer) -> None:
    def told(run: SimulatedRun) -> dict[str, Any]:
        return run.told(robot.now(), current=run is robot.current())

    @app.get("/runs")
    async def runs() -> dict[str, Any]:
        current = robot.current()
        links = {"current": {"href": f"/runs/{current.id}"}} if current else {}
        return _page([told(run) for run in robot.runs.values()], 0, len(robot.runs), links=links)

    @app.post("/runs")
    async def new_run(request: Request) -> Response:
        protocol = (await request.json()).get("data", {}).get("protocolId", "")
        if protocol not in robot.protocols:
            return _problem(404, "ProtocolNotFound", f"There is no protocol {protocol}.")
        current = robot.current()
        if current and current.status(robot.now()) in ("running", "paused"):
            return _problem(409, "RunAlreadyActive", "There is already an active run. Stop it first.")
        return JSONResponse({"data": told(robot.new_run(protocol))}, 201)

    @app.get("/runs/{run}")
    async def run_(run: str) -> Response:
        if run not in robot.runs:
            return _problem(404, "RunNotFound", f"Run {run} was not found.")
        return JSONResponse({"data": told(robot.runs[run])})

    @app.post("/runs/{run}/actions")
    async def act(run: str, request: Request) -> Response:
        kind = (await request.json())["data"]["actionType"]
        if run not in robot.runs:
            return _problem(404, "RunNotFound", f"Run {run} was not found.")
        found = robot.runs[run]
        status = found.status(robot.now())
        if status in ("succeeded", "failed", "stopped"):
            return _problem(409, "RunActionNotAllowed", "The run has already stopped.")
        if kind not in ("play", "pause", "stop") or kind == {"running": "play", "paused": "pause"}.get(
            status
        ):
            return _problem(409, "RunActionNotAllowed", f"A run that is {status} takes no {kind}.")
        return JSONResponse({"data": robot.act(found, kind)}, 201)

    @app.get("/runs/{run}/commands")
    async def commands(run: str, cursor: int = 0, pageLength: int = PAGE) -> Response:
        if run not in robot.runs:
            return _problem(404, "RunNotFound", f"Run {run} was not found.")
        log = robot.runs[run].log(robot.now())
        links = {"current": {"href": f"/runs/{run}/commands/{log[-1]['id']}"}} if log else {}
        return JSONResponse(_page(log, cursor, pageLength, links=links))
