"""Batches: make one, command it, look at it, read its record."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from batches.commands import AUTHORITY
from batches.entries import Entry, leaf_hash, stamp
from batches.record import BatchState, fold
from batches.record_state import Deviation, OpenPhase, Use
from batches.states import Command
from batches.steps import plain
from orchestrator.api.common import (
    ActOnce,
    Amount,
    AsRole,
    Body,
    Cursor,
    Identity,
    Limit,
    MaybeLong,
    Page,
    PlainObject,
    Short,
    TheHouse,
    ThePerson,
    amount,
    as_role,
    decided_text,
    maybe_stamp,
    page,
    permitted,
    wire,
)
from orchestrator.api.house import BatchSummary, House
from orchestrator.api.sign_in import Done
from orchestrator.api.tasks import TaskShown, tasks_of

router = APIRouter(prefix="/batches", tags=["batches"])
MAKERS = ("supervisor", "planner", "operator")


class CreateBatch(Body):
    """A batch of an approved recipe. Without `version`: the newest approved one. `identity`: the
    chain-of-identity number, as issued by the site's scheme."""

    recipe: Short
    version: int | None = None
    identity: Identity = ""
    priority: int = 0


class BatchNumber(BaseModel):
    """The number of a batch; never used again."""

    number: str


class BatchCommand(Body):
    """A command to the batch (path '') or to a unit procedure. Hold, stop and abort need a reason."""

    command: Command
    path: str = ""
    reason: MaybeLong = ""


class ElementShown(BaseModel):
    """State of the procedure (path '') or of a unit procedure."""

    path: str
    state: str
    since: str | None


class PhaseShown(BaseModel):
    """A phase that has begun and not finished. `step`: what it waits for."""

    path: str
    phase: str
    version: int
    parameters: PlainObject
    started_at: str
    step: PlainObject | None
    status: str
    unit: str
    dues: list[str | None]


class WaitShown(BaseModel):
    """A unit procedure that waits for units, and why it does not get them."""

    path: str
    why: str


class UseShown(BaseModel):
    """Material used or made."""

    material: str
    lot: str
    quantity: Amount
    path: str
    entry: int


class DeviationShown(BaseModel):
    """A deviation: a quality record."""

    id: str
    severity: str
    text: str
    path: str
    entry: int
    status: str


class DepartureShown(BaseModel):
    """An authorised change to the running batch."""

    id: str
    change: PlainObject
    reason: str
    requested_by: str
    status: str
    people: list[str]
    confirm_by: str | None


class BatchShown(BatchSummary):
    """A batch as it stands."""

    elements: list[ElementShown]
    running: list[PhaseShown]
    waits: list[WaitShown]
    tasks: list[TaskShown]
    units: dict[str, str]
    used: list[UseShown]
    made: list[UseShown]
    samples: dict[str, list[str]]
    results: PlainObject
    deviations: list[DeviationShown]
    departures: list[DepartureShown]
    corrected_entries: list[int]
    set_points: PlainObject
    expiry: str | None
    in_care: bool
    entries: int


class EntryShown(BaseModel):
    """A line of the record, with the hash of its leaf."""

    stream: str
    number: int
    kind: str
    version: int
    recorded_at: str
    happened_at: str | None
    actor: dict[str, str]
    body: PlainObject | None
    previous: str
    digest: str
    leaf_hash: str


def summary(state: BatchState) -> BatchSummary:
    """A batch in the list."""
    return BatchSummary.model_validate(_summary(state))


def _summary(state: BatchState) -> dict[str, object]:
    recipe = state.known_recipe()
    return {
        "number": state.number, "recipe": recipe.name, "version": recipe.version, "product": recipe.product.name,
        "identity": state.identity, "state": state.state, "simulated": state.simulated,
        "created_at": maybe_stamp(state.created_at), "ended_at": maybe_stamp(state.ended_at),
        "phases": [*state.phases], "open_tasks": len(state.tasks),
    }  # fmt: skip


def shown(house: House, state: BatchState) -> BatchShown:
    """A batch as it stands."""
    engine = house.site.engine
    waiting = [request for (number, _), request in engine.requests.items() if number == state.number]
    return BatchShown(
        **summary(state).model_dump(),
        elements=[
            ElementShown(path=path, state=at, since=maybe_stamp(state.since.get(path)))
            for path, at in state.elements.items()
        ],
        running=[_phase(phase) for phase in state.phases.values()],
        waits=[WaitShown(path=request.path, why=engine.waits_for(request)) for request in waiting],
        tasks=tasks_of(state), units=state.units,
        used=[_use(use) for use in state.used], made=[_use(use) for use in state.made],
        samples=state.samples, results=wire({name: plain(values) for name, values in state.results.items()}),
        deviations=[_deviation(d) for d in state.deviations.values()],
        departures=[
            DepartureShown(
                id=d.id, change=wire(d.change), reason=d.reason, requested_by=d.requested_by, status=d.status,
                people=d.people, confirm_by=maybe_stamp(d.confirm_by),
            )
            for d in state.departures.values()
        ],
        corrected_entries=sorted(state.corrections), expiry=maybe_stamp(state.expiry), in_care=state.in_care,
        set_points=wire({unit: plain(tags) for unit, tags in state.set_points.items()}), entries=state.entries,
    )  # fmt: skip


def _deviation(found: Deviation) -> DeviationShown:
    return DeviationShown.model_validate(found, from_attributes=True)


def _phase(phase: OpenPhase) -> PhaseShown:
    step = phase.open
    return PhaseShown(
        path=phase.path, phase=phase.phase, version=phase.version, parameters=wire(phase.parameters),
        started_at=stamp(phase.started_at), step=None if step is None else wire(step.step),
        status="" if step is None else step.status, unit="" if step is None else step.unit,
        dues=[] if step is None else [maybe_stamp(due) for due in step.dues],
    )  # fmt: skip


def _use(use: Use) -> UseShown:
    return UseShown(
        material=use.material, lot=use.lot, quantity=amount(use.quantity), path=use.path, entry=use.entry
    )


def entry_shown(entry: Entry) -> EntryShown:
    """A line of the record on the wire."""
    return EntryShown(
        stream=entry.stream, number=entry.number, kind=entry.kind, version=entry.version,
        recorded_at=stamp(entry.recorded_at), happened_at=maybe_stamp(entry.happened_at),
        actor={"kind": entry.actor.kind, "id": entry.actor.id, "role": entry.actor.role},
        body=None if entry.body is None else wire(entry.body), previous=entry.previous, digest=entry.digest,
        leaf_hash=leaf_hash(entry.leaf()),
    )  # fmt: skip


@router.post("", operation_id="create_batch", status_code=201, response_model=BatchNumber)
async def create_batch(
    body: CreateBatch, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Make a batch; it waits for its start command."""
    actor = permitted(person, MAKERS, role)
    return await once.act(
        lambda reply: house.site.create_batch(
            body.recipe, body.version, body.identity, actor, reply, body.priority
        ),
        lambda decided: {"number": decided_text(decided, "number")},
        201,
    )


@router.get("", operation_id="list_batches")
async def list_batches(
    house: TheHouse, state: str = "", cursor: Cursor = "", limit: Limit = 50
) -> Page[BatchSummary]:
    """Batches by number, ended ones included. `state`: only those in this ISA-88 state."""
    numbers = page(sorted(house.site.engine.numbers), lambda number: number, cursor, limit)
    found = [await _summary_of(house, number) for number in numbers.items]
    return Page(items=[batch for batch in found if state in ("", batch.state)], next=numbers.next)


async def _summary_of(house: House, number: str) -> BatchSummary:
    """Of a batch that ended in an earlier life of the engine the summary is folded once, beside the loop."""
    if number in house.site.batches:
        return summary(house.site.batches[number])
    if number not in house.ended:
        store = house.site.engine.store
        house.ended[number] = await asyncio.to_thread(lambda: summary(fold(store.read(f"batch/{number}"))))
    return house.ended[number]


@router.get("/{number}", operation_id="get_batch")
async def get_batch(number: str, house: TheHouse) -> BatchShown:
    """A batch as it stands."""
    return shown(house, await house.site.batch(number))


@router.post("/{number}/commands", operation_id="command_batch", response_model=Done)
async def command_batch(
    number: str, body: BatchCommand, house: TheHouse, person: ThePerson, once: ActOnce, role: AsRole = ""
) -> Response:
    """Start, pause, resume, hold, restart, stop, abort, reset."""
    actor = as_role(person, AUTHORITY[body.command], role)
    return await once.act(
        lambda reply: house.site.answers.command(number, body.path, body.command, actor, body.reason, reply),
        lambda _: {"status": "done"},
    )


@router.get("/{number}/record", operation_id="list_entries")
async def list_entries(
    number: str, house: TheHouse, cursor: Cursor = "", limit: Limit = 100
) -> Page[EntryShown]:
    """The batch record, entry by entry."""
    house.site.engine.known(number)
    after = int(cursor) if cursor.isdecimal() and len(cursor) < 16 else 0
    found = await house.site.entries(f"batch/{number}", after, limit + 1)
    items = await asyncio.to_thread(lambda: [entry_shown(entry) for entry in found[:limit]])
    return Page(items=items, next=str(items[-1].number) if len(found) > limit else None)


@router.get("/{number}/deviations", operation_id="list_deviations")
async def list_deviations(
    number: str, house: TheHouse, status: Literal["", "open", "closed"] = ""
) -> list[DeviationShown]:
    """The deviations of a batch."""
    state = await house.site.batch(number)
    return [_deviation(d) for d in state.deviations.values() if status in ("", d.status)]
