"""Alarms: which there are, what people do with them, and what was of a batch or a unit."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from batches import alarms
from batches.alarms import Alarm, flooded
from batches.entries import Actor, stamp
from batches.errors import BadInput
from orchestrator.alarm_list import LiveAlarms
from orchestrator.api.common import (
    ActOnce,
    AsRole,
    Body,
    Long,
    Moment,
    PlainObject,
    TheHouse,
    ThePerson,
    maybe_stamp,
    permitted,
    wire,
)
from orchestrator.api.house import House
from orchestrator.api.sign_in import Done
from orchestrator.person import Person

router = APIRouter(prefix="/alarms", tags=["alarms"])
ANSWERERS = ("operator", "supervisor")
KINDS = frozenset({
    "excursion_started", "excursion_ended", "tag_silent", "tag_heard", "alarm_acknowledged", "alarm_reset",
    "alarm_shelved", "alarm_unshelved", "unit_out_of_service", "unit_in_service",
})  # fmt: skip
"""Entries that say something of alarms."""


class AlarmShown(BaseModel):
    """An alarm that is not normal (ANSI/ISA-18.2). `kind`: limit, or silence of a tag. `says`: what its record
    says: the value, the side, the limits."""

    id: str
    state: str
    asks: bool
    priority: str
    kind: str
    unit: str
    tag: str
    path: str
    since: str | None
    latching: bool
    shelved_until: str | None
    says: PlainObject


class AlarmsShown(BaseModel):
    """The list: those that ask first, then by priority and age. `flood`: more than ten came in ten minutes;
    look at `units` then, which counts those that ask by unit."""

    items: list[AlarmShown]
    flood: bool
    units: dict[str, int]


class HistoryShown(BaseModel):
    """An entry that says something of an alarm."""

    stream: str
    number: int
    kind: str
    recorded_at: str
    actor: str
    body: PlainObject


class Answered(Body):
    """What a person does with an alarm, and why. `alarm`: its id in the list."""

    alarm: Long
    reason: Long


class Shelved(Answered):
    """An alarm put aside until a time, at most 12 h from now."""

    until: Moment


@router.get("", operation_id="list_alarms")
async def list_alarms(house: TheHouse) -> AlarmsShown:
    """Every alarm that is not normal."""
    live, now = _live(house), house.clock.now()
    found = live.list.shown(now)
    asking = [alarm.unit for alarm in found if alarm.state(now) in alarms.ASKING]
    counted = {unit: asking.count(unit) for unit in sorted(set(asking))}
    return AlarmsShown(
        items=[_shown(house, one) for one in found], flood=flooded(live.list.times, now), units=counted
    )


@router.get("/history", operation_id="alarm_history")
async def alarm_history(
    house: TheHouse, batch: Annotated[str, Query(max_length=100)] = "", unit: Annotated[str, Query(max_length=100)] = ""
) -> list[HistoryShown]:  # fmt: skip
    """All that was recorded of the alarms of a batch or of a unit outside batches."""
    if bool(batch) == bool(unit):
        raise BadInput("Name a batch or a unit, one of the two.")
    if batch:
        house.site.engine.known(batch)
    else:
        house.site.engine.plant.unit(unit)
    entries = await house.site.entries(f"batch/{batch}" if batch else f"equipment/{unit}")
    return [
        HistoryShown(
            stream=one.stream, number=one.number, kind=one.kind, recorded_at=stamp(one.recorded_at), actor=one.actor.id,
            body=wire(one.body or {}),
        )
        for one in entries if one.kind in KINDS
    ]  # fmt: skip


@router.post("/acknowledgements", operation_id="acknowledge_alarm", status_code=201, response_model=Done)
async def acknowledge_alarm(
    body: Answered, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Say that you have seen an alarm, and what you make of it."""
    live, actor = _live(house), _actor(person, role)
    return await once.act(
        lambda reply: live.act(
            body.alarm, lambda: alarms.acknowledge(live.list.find(body.alarm), actor, body.reason), reply
        ),
        lambda _: {"status": "done"},
        201,
    )


@router.post("/resets", operation_id="reset_alarm", status_code=201, response_model=Done)
async def reset_alarm(
    body: Answered, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Let a latched alarm go, after its condition is over."""
    live, actor = _live(house), _actor(person, role)
    return await once.act(
        lambda reply: live.act(
            body.alarm, lambda: alarms.let_go(live.list.find(body.alarm), actor, body.reason), reply
        ),
        lambda _: {"status": "done"},
        201,
    )


@router.post("/shelvings", operation_id="shelve_alarm", status_code=201, response_model=Done)
async def shelve_alarm(
    body: Shelved, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Put an alarm aside for a while; a critical one cannot be."""
    live, actor, now = _live(house), _actor(person, role), house.clock.now()
    return await once.act(
        lambda reply: live.act(
            body.alarm,
            lambda: alarms.shelve(live.list.find(body.alarm), now, body.until, actor, body.reason),
            reply,
        ),
        lambda _: {"status": "done"},
        201,
    )


@router.post("/unshelvings", operation_id="unshelve_alarm", status_code=201, response_model=Done)
async def unshelve_alarm(
    body: Answered, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Show a shelved alarm again before its time."""
    live, actor, now = _live(house), _actor(person, role), house.clock.now()
    return await once.act(
        lambda reply: live.act(
            body.alarm, lambda: alarms.unshelve(live.list.find(body.alarm), now, actor, body.reason), reply
        ),
        lambda _: {"status": "done"},
        201,
    )


def _actor(person: Person, role: str) -> Actor:
    return permitted(person, ANSWERERS, role)


def _live(house: House) -> LiveAlarms:
    if house.alarms is None:
        raise BadInput("No list of alarms is open here.")
    return house.alarms


def _shown(house: House, alarm: Alarm) -> AlarmShown:
    state = alarm.state(house.clock.now())
    shelved = maybe_stamp(alarm.shelved_until) if state == "shelved" else None
    return AlarmShown(
        id=alarm.id, state=state, asks=state in alarms.ASKING, priority=alarm.priority, kind=alarm.kind, unit=alarm.unit,
        tag=alarm.tag, path=alarm.path, since=maybe_stamp(alarm.since), latching=alarm.latching, shelved_until=shelved,
        says=wire(alarm.says),
    )  # fmt: skip
