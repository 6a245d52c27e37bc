"""Live events: server-sent, every durable entry in order, after a snapshot of what stands.

An event's id is the mark that a person's client has seen so far; a client that lost its connection
joins anew and is given a fresh snapshot, which makes up for all it missed.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from batches.entries import stamp
from batches.errors import KweekError
from batches.plain import Plain, PlainDict, canonical
from orchestrator.api.batches import summary
from orchestrator.api.common import TheHouse, ThePerson
from orchestrator.api.house import House
from orchestrator.api.tasks import for_person
from orchestrator.clock import RealClock
from orchestrator.engine import Event
from orchestrator.person import Person

router = APIRouter(tags=["events"])
HEARTBEAT = 10.0  # s, real time
LARGEST_BODY = 8_192
"""Bytes of an entry's body that go with its event; a larger one is read from the record."""


@router.get("/events", operation_id="stream_events", response_class=StreamingResponse)
async def stream_events(request: Request, house: TheHouse, person: ThePerson) -> StreamingResponse:
    """Server-sent events: 'snapshot' first, then 'entry' for each entry, 'mark' for one that is not shown,
    'heartbeat' every 10 s with the server's time."""
    stream = _stream(house, person, request.state.token)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(house: House, person: Person, token: str) -> AsyncGenerator[bytes]:
    events = house.site.subscribe()
    coming = asyncio.ensure_future(anext(events, None))
    closing = asyncio.ensure_future(house.closing.wait())
    try:
        yield _event("snapshot", _snapshot(house, person), house.clock.published)
        while not closing.done():
            await asyncio.wait((coming, closing), timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                return
            house.people.signed_in(token, touch=False)
            if not coming.done():
                yield _event("heartbeat", {"server_time": stamp(RealClock().now())})
                continue
            if (event := coming.result()) is None:
                return
            coming = asyncio.ensure_future(anext(events, None))
            yield _entry(event)
    except KweekError as error:  # the sign-in has ended: the stream ends with the reason
        yield _event("end", {"detail": str(error)})
    finally:
        closing.cancel()
        coming.cancel()
        with suppress(asyncio.CancelledError):
            await coming
        await events.aclose()


def _snapshot(house: House, person: Person) -> PlainDict:
    return {
        "published": house.clock.published, "server_time": stamp(RealClock().now()),
        "process_time": stamp(house.clock.now()),
        "batches": [summary(state).model_dump() for state in house.site.batches.values()],
        "tasks": [task.model_dump() for task in for_person(house, person)],
    }  # fmt: skip


def _entry(event: Event) -> bytes:
    entry = event.entry
    if entry.stream.startswith("person/"):
        return _event("mark", {}, event.mark)
    shown: dict[str, Plain] = {
        "stream": entry.stream, "number": entry.number, "kind": entry.kind, "recorded_at": stamp(entry.recorded_at),
        "actor": entry.actor.plain(), "body": _small(entry.body),
    }  # fmt: skip
    return _event("entry", shown, event.mark)


def _small(body: PlainDict | None) -> Plain:
    if body is None:
        return None
    rest = {name: part for name, part in body.items() if name not in ("content", "evidence")}
    return rest if len(canonical(rest)) <= LARGEST_BODY else None


def _event(name: str, data: PlainDict, mark: str = "") -> bytes:
    """One event of the HTML standard's event stream (WHATWG HTML, 9.2)."""
    identity = f"id: {mark}\n" if mark else ""
    return f"{identity}event: {name}\ndata: ".encode() + canonical(data) + b"\n\n"
