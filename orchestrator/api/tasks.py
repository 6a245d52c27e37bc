"""Tasks: what people are asked, and their answers."""

from typing import Annotated, cast

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from batches.entries import stamp
from batches.errors import BadInput, NotFound
from batches.plain import text_in
from batches.record import BatchState
from batches.record_state import Task
from batches.tasks import SIGNED
from orchestrator.answers import ANSWERS_FOR, Late, Signature
from orchestrator.api.common import (
    ActOnce,
    AsRole,
    Body,
    Cursor,
    Limit,
    Long,
    Moment,
    Page,
    PlainObject,
    Short,
    Source,
    TheHouse,
    ThePerson,
    as_role,
    page,
    sent_plain,
    wire,
)
from orchestrator.api.house import House
from orchestrator.api.sign_in import Password
from orchestrator.person import Person
from orchestrator.replying import Decided

router = APIRouter(prefix="/tasks", tags=["tasks"])
MEANINGS = {"decide": "approved", "failed": "reviewed", "in_doubt": "reviewed"}


class GivenAnswer(BaseModel):
    """What somebody has answered so far; a second person verifies it."""

    person: str
    answer: PlainObject


class TaskShown(BaseModel):
    """Something a person is asked. `content` is what they see: text, fields, options, given, expects.

    `people`: how many different people answer it; `signed`: the answer carries a signature.
    """

    id: str
    batch: str
    kind: str
    path: str
    role: str
    roles: list[str]
    text: str
    content: PlainObject
    people: int
    answers: list[GivenAnswer]
    signed: bool
    opened_at: str


class PasswordAgain(Body):
    """That the person authenticates again, for this signature."""

    password: Password


class LateWork(Body):
    """Work done on paper while the system was down: when, by whom, checked by whom, why late.

    People by id or user name."""

    happened_at: Moment
    performer: Short
    checker: Short
    reason: Long


class Answer(Body):
    """An answer. scan, sample, consume: {"scan": LABEL}; decide: {"choice": OPTION}; failed, in_doubt:
    {"choice": OPTION, "reason": TEXT}; ask, work, label, result: {"values": {FIELD: VALUE}}; prompt: {"text": TEXT};
    sign and the others: {"confirmed": true}; the second person of two: {"verified": true}, or
    {"verified": false, "reason": TEXT} for the task to be answered anew."""

    answer: PlainObject
    signature: PasswordAgain | None = None
    late: LateWork | None = None


class Answered(BaseModel):
    """done, awaiting_verification, awaiting_second or rejected."""

    task: str
    status: str


def shown(state: BatchState, task: Task) -> TaskShown:
    """A task on the wire."""
    return TaskShown(
        id=task.id, batch=state.number, kind=task.kind, path=task.path, role=task.role,
        roles=list(ANSWERS_FOR.get(task.role, (task.role,))), text=str(task.content.get("text", "")),
        content=wire(task.content), people=task.people,
        answers=[GivenAnswer(person=who, answer=cast("PlainObject", answer)) for who, answer in task.answers],
        signed=task.kind in SIGNED, opened_at=stamp(task.opened_at),
    )  # fmt: skip


def tasks_of(state: BatchState) -> list[TaskShown]:
    """The open tasks of a batch."""
    return [shown(state, task) for task in state.tasks.values()]


def for_person(house: House, person: Person) -> list[TaskShown]:
    """The open tasks that this person may answer now, by id."""
    found = [task for state in house.site.batches.values() for task in tasks_of(state)]
    mine = [
        t
        for t in found
        if set(t.roles) & set(person.roles) and person.id not in {a.person for a in t.answers}
    ]
    return sorted(mine, key=lambda task: task.id)


@router.get("", operation_id="list_tasks")
async def list_tasks(
    house: TheHouse, person: ThePerson, batch: str = "", cursor: Cursor = "", limit: Limit = 100,
    everybody: Annotated[bool, Query(description="Also the tasks of other roles.")] = False,
) -> Page[TaskShown]:  # fmt: skip
    """The open tasks that I may answer, of all batches or of one."""
    if everybody:
        found = sorted(
            (t for s in house.site.batches.values() for t in tasks_of(s)), key=lambda task: task.id
        )
    else:
        found = for_person(house, person)
    return page([task for task in found if batch in ("", task.batch)], lambda task: task.id, cursor, limit)


@router.get("/{task}", operation_id="get_task")
async def get_task(task: str, house: TheHouse) -> TaskShown:
    """An open task."""
    state = house.site.batches.get(task.rpartition("-T")[0])
    if state is None or task not in state.tasks:
        raise NotFound(f"There is no open task {task}; look at the list of open tasks.")
    return shown(state, state.tasks[task])


@router.post("/{task}/answer", operation_id="answer_task", response_model=Answered)
async def answer_task(
    task: str,
    body: Answer,
    house: TheHouse,
    person: ThePerson,
    source: Source,
    once: ActOnce,
    role: AsRole = "",
) -> Response:
    """Answer a task. Of two answers at once one is taken; the other gets a conflict that names the first."""
    number = task.rpartition("-T")[0]
    state = await house.site.batch(number)
    asked = state.tasks.get(task)
    actor = as_role(person, ANSWERS_FOR.get(asked.role, ()) if asked else (), role)
    signature = None
    if asked is not None and body.signature is not None:
        signature = await _signature(house, person, actor.role, asked, body.signature, source)
    late = None if body.late is None else late_of(house, body.late)
    answer = sent_plain(body.answer)
    return await once.act(
        lambda reply: house.site.answers.answer(number, task, actor, answer, signature, late, reply),
        lambda decided: {"task": task, "status": _status(asked, decided)},
    )


async def _signature(
    house: House, person: Person, role: str, task: Task, again: PasswordAgain, source: str
) -> Signature:
    meaning = (
        text_in(task.content, "meaning") if task.kind == "sign" else MEANINGS.get(task.kind, "performed")
    )
    if task.answers:
        meaning = "verified"
    return await house.people.sign(person, again.password, role, meaning, source)


def _status(task: Task | None, decided: Decided) -> str:
    first = decided[0][1]
    if task is None or first.kind != "task_answered" or first.body.get("closes") is not False:
        return "done"
    if first.body.get("rejects") is True:
        return "rejected"
    return "awaiting_verification" if task.step else "awaiting_second"


def late_of(house: House, late: LateWork) -> Late:
    """The late work with its people by id. Raises BadInput for somebody unknown."""
    try:
        performer, checker = house.people.find(late.performer), house.people.find(late.checker)
    except NotFound as error:
        raise BadInput(f"{error} Performer and checker of late work are people of this site.") from error
    return Late(late.happened_at, performer.id, checker.id, late.reason)
