"""Live events over a real socket: what httpx's in-process transport cannot show."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from orchestrator.api import events
from orchestrator.api.gate import Gate
from tests.orchestrator.api.town import Town


@asynccontextmanager
async def listening(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    """The town's application served by uvicorn."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        app = town.client._transport.app  # pyright: ignore[reportAttributeAccessIssue] httpx's transport of an application
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        )
        serving = asyncio.ensure_future(server._serve([found]))
        address = f"http://127.0.0.1:{found.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=address, timeout=10) as client:
            try:
                yield client
            finally:
                server.should_exit = True
                await serving


class Stream:
    """The events of one listener, read one at a time."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def next(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        async for line in self._lines:
            if not line:
                return found
            name, _, value = line.partition(": ")
            found[name] = json.loads(value) if name == "data" else value
        raise EOFError

    async def until(self, event: str) -> dict[str, Any]:
        while (found := await self.next())["event"] != event:
            pass
        return found


@asynccontextmanager
async def joined(client: httpx.AsyncClient, town: Town, who: str) -> AsyncIterator[Stream]:
    async with client.stream("GET", "/api/v1/events", headers=town.bearer(who)) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(answer.aiter_lines())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT", 0.1)


def test_a_snapshot_comes_first_then_every_entry_with_its_mark(town: Town) -> None:
    number = town.batch()
    task = town.task(number, "ask")["id"]

    async def look() -> None:
        async with listening(town) as client, joined(client, town, "olga") as stream:
            snapshot = await stream.next()
            assert snapshot["event"] == "snapshot"
            assert snapshot["id"] == snapshot["data"]["published"] == town.house.clock.published
            assert number in [batch["number"] for batch in snapshot["data"]["batches"]]
            assert task in [each["id"] for each in snapshot["data"]["tasks"]]
            await town.posting("olga", f"/batches/{number}/notes", {"text": "look"}, status=201)
            entry = await stream.until("entry")
            assert entry["data"]["stream"] == f"batch/{number}"
            assert (entry["data"]["kind"], entry["data"]["body"]) == ("note_added", {"text": "look"})
            assert entry["id"] == town.house.clock.published

    town.run(look())


def test_marks_count_up_without_a_gap_and_hide_what_is_nobodys_business(town: Town) -> None:
    number = town.batch()

    async def look() -> None:
        async with listening(town) as client, joined(client, town, "olga") as stream:
            marks = [(await stream.next())["id"]]
            body = {"user_name": "olga", "password": "wrong"}
            for _ in range(2):
                await town.posting("olga", f"/batches/{number}/notes", {"text": "x"}, status=201)
                assert (await town.client.post("/api/v1/sign-in", json=body)).status_code == 401
            kinds = []
            while len(kinds) < 4:
                event = await stream.next()
                if "id" in event:
                    kinds.append((event["event"], event["data"] == {}))
                    marks.append(event["id"])
            assert kinds == [("entry", False), ("mark", True)] * 2
            numbers = [int(mark.rpartition("-")[2]) for mark in marks]
            assert numbers == list(range(numbers[0], numbers[0] + 5))

    town.run(look())


def test_a_heartbeat_comes_when_nothing_else_does(town: Town) -> None:
    async def look() -> None:
        async with listening(town) as client, joined(client, town, "pat") as stream:
            await stream.next()
            beat = await stream.next()
            assert (beat["event"], list(beat["data"])) == ("heartbeat", ["server_time"])
            assert "id" not in beat

    town.run(look())


def test_the_stream_ends_with_the_sign_in(town: Town) -> None:
    town.add("gus", "operator")

    async def look() -> None:
        async with listening(town) as client, joined(client, town, "gus") as stream:
            await stream.next()
            await town.posting("gus", "/sign-out", status=200)
            assert "sign in" in (await stream.until("end"))["data"]["detail"]
            with pytest.raises(EOFError):
                await stream.next()

    town.run(look())


def test_a_listener_that_left_is_forgotten(town: Town) -> None:
    async def look() -> None:
        listeners = town.house.site.engine._listeners
        before = len(listeners)  # the list of alarms listens too
        async with listening(town) as client:
            async with joined(client, town, "olga") as stream:
                await stream.next()
                assert len(listeners) == before + 1
            for _ in range(100):
                if len(listeners) == before:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError("still listened for")

    town.run(look())


def test_a_stream_does_not_stop_the_clock_but_a_request_does(town: Town) -> None:
    activity = town.house.clock.activity
    seen: list[bool] = []
    scope = {"type": "http", "method": "GET", "headers": [], "query_string": b"", "client": ("127.0.0.1", 1)}

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        seen.append(activity.busy)

    async def nothing(*_: object) -> Any:
        return {"type": "http.request", "body": b""}

    async def look() -> None:
        app = town.client._transport.app  # pyright: ignore[reportAttributeAccessIssue] httpx's transport of an application
        headers = [(b"authorization", f"Bearer {town.tokens['olga']}".encode())]
        for path in ("/api/v1/events", "/api/v1/tasks"):
            await Gate(watched)({**scope, "path": path, "headers": headers, "app": app}, nothing, nothing)
        assert not activity.busy

    town.run(look())
    assert seen == [False, True]
