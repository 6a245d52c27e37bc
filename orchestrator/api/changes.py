"""What people change in a running batch: departures, corrections, notes, work by hand, deviations."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, JsonValue

from batches.departures import MAY_COUNTERSIGN, MAY_REQUEST
from orchestrator.api.common import (
    ActOnce,
    AsRole,
    Body,
    Long,
    MaybeLong,
    PlainObject,
    Short,
    TheHouse,
    ThePerson,
    as_role,
    decided_text,
    permitted,
    sent_object,
    sent_plain,
)
from orchestrator.api.sign_in import Done
from orchestrator.api.tasks import LateWork, late_of

router = APIRouter(prefix="/batches/{number}", tags=["batches"])
QUALITY = ("qa", "qp")
WORKERS = ("operator", "supervisor", "qc", "qa", "qp", "engineer", "logistics")
BY_HAND = ("operator", "supervisor")


class AskDeparture(Body):
    """A lawful change. `change`, by kind: skip {path, values}; repeat {path, after}; add {after, phase};
    parameter {path, name, value}; formula {name, value}. `urgent`: cells cannot wait for QA."""

    change: PlainObject
    reason: Long
    urgent: bool = False


class DepartureId(BaseModel):
    """The id of a departure."""

    departure: str


class DecideDeparture(Body):
    """A decision on a departure."""

    approve: bool
    reason: MaybeLong = ""


class Correct(Body):
    """What an entry should have said."""

    entry: int
    new: JsonValue
    reason: Long


class Note(Body):
    """A remark."""

    text: Long


class WorkByHand(Body):
    """Work done by hand while the system was down; it will not be done again."""

    path: Short
    unit: Short
    action: Short
    parameters: PlainObject = {}
    results: PlainObject = {}
    late: LateWork


class CloseDeviation(Body):
    """What was found, and what it means for the batch."""

    conclusion: Long


@router.post("/departures", operation_id="request_departure", status_code=201, response_model=DepartureId)
async def request_departure(
    number: str, body: AskDeparture, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Ask for a departure from the recipe."""
    actor, change = as_role(person, MAY_REQUEST, role), sent_object(body.change)
    return await once.act(
        lambda reply: house.site.answers.depart(number, change, body.reason, body.urgent, actor, reply),
        lambda decided: {"departure": decided_text(decided, "id")},
        201,
    )


@router.post("/departures/{departure}/decision", operation_id="decide_departure", response_model=Done)
async def decide_departure(
    number: str, departure: str, body: DecideDeparture, house: TheHouse, person: ThePerson, once: ActOnce,
    role: AsRole = "",
) -> Response:  # fmt: skip
    """Approve, countersign, confirm or reject."""
    actor = as_role(person, (*QUALITY, *MAY_COUNTERSIGN), role)
    return await once.act(
        lambda reply: house.site.answers.decide_departure(
            number, departure, body.approve, actor, body.reason, reply
        ),
        lambda _: {"status": "done"},
    )


@router.post("/corrections", operation_id="correct_entry", status_code=201, response_model=Done)
async def correct_entry(
    number: str, body: Correct, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Correct what an entry says, by a new entry."""
    actor, new = permitted(person, WORKERS, role), sent_plain(body.new)
    return await once.act(
        lambda reply: house.site.answers.correct(number, body.entry, new, body.reason, actor, reply),
        lambda _: {"status": "done"},
        201,
    )


@router.post("/notes", operation_id="add_note", status_code=201, response_model=Done)
async def add_note(
    number: str, body: Note, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Add a remark to the record."""
    actor = permitted(person, WORKERS, role)
    return await once.act(
        lambda reply: house.site.answers.note(number, body.text, actor, reply),
        lambda _: {"status": "done"},
        201,
    )


@router.post("/work-by-hand", operation_id="record_work_by_hand", status_code=201, response_model=Done)
async def record_work_by_hand(
    number: str, body: WorkByHand, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Type in what was done by hand during an outage."""
    actor, late = permitted(person, BY_HAND, role), late_of(house, body.late)
    parameters, results = sent_object(body.parameters), sent_object(body.results)
    return await once.act(
        lambda reply: house.site.answers.record_by_hand(
            number, body.path, body.unit, body.action, parameters, results, late, actor, reply
        ),
        lambda _: {"status": "done"},
        201,
    )


@router.post("/deviations/{deviation}/closing", operation_id="close_deviation", response_model=Done)
async def close_deviation(
    number: str, deviation: str, body: CloseDeviation, house: TheHouse, person: ThePerson, once: ActOnce,
    role: AsRole = "",
) -> Response:  # fmt: skip
    """Close a deviation with its conclusion."""
    actor = as_role(person, QUALITY, role)
    return await once.act(
        lambda reply: house.site.answers.close_deviation(number, deviation, body.conclusion, actor, reply),
        lambda _: {"status": "done"},
    )
