"""Qualifications: what they cover, when they are current, and who may grant them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.entries import Actor
from batches.errors import BadInput, KweekError, NotFound, NotPermitted, Refused
from batches.qualifications import EVERY, Qualification, grant, relied_on, withdraw

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)
QA, OPERATOR = Actor("person", "p-0002", "qa"), Actor("person", "p-0003", "operator")
WASH = Qualification("Q-p-0003-1", "cart", "wash", "SC-01", NOW - DAY, NOW + DAY, "p-0002")
ASK = "have it granted by quality assurance or a supervisor, or let somebody else answer."


def refusal(*has: Qualification, task: str = "wash", rooms: tuple[str, ...] = ("SC-01",)) -> str:
    with pytest.raises(NotPermitted) as refused:
        relied_on(has, "cart", task, rooms, NOW)
    return str(refused.value)


def test_a_current_one_for_recipe_task_and_room_is_relied_on() -> None:
    assert relied_on([WASH], "cart", "wash", ("SC-01",), NOW) == ["Q-p-0003-1"]
    both = [WASH, replace(WASH, id="Q-p-0003-2", room="R-02")]
    assert relied_on(both, "cart", "wash", ("SC-01", "R-02"), NOW) == ["Q-p-0003-1", "Q-p-0003-2"]


def test_what_is_missing_is_said() -> None:
    none = f"You have no current qualification for the recipe cart, the task wash, the room SC-01; {ASK}"
    assert refusal() == none
    assert refusal(replace(WASH, recipe="organoid")) == none
    assert refusal(replace(WASH, task="fill")) == none
    assert refusal(replace(WASH, room="R-02")) == none
    assert refusal(replace(WASH, withdrawn=True)) == none
    assert refusal(WASH, rooms=("SC-01", "R-02")).endswith(f"the task wash, the room R-02; {ASK}")
    assert refusal(replace(WASH, recipe="x"), task="", rooms=()) == (
        f"You have no current qualification for the recipe cart; {ASK}"
    )


def test_it_begins_and_ends() -> None:
    what = "for the recipe cart, the task wash, the room SC-01"
    assert refusal(replace(WASH, until=NOW)) == (
        f"Your qualification Q-p-0003-1 {what} ended at 2026-12-01T08:00:00.000000Z; {ASK}"
    )
    assert refusal(replace(WASH, since=NOW + DAY / 2)) == (
        f"Your qualification Q-p-0003-1 {what} begins at 2026-12-01T20:00:00.000000Z; {ASK}"
    )
    assert relied_on([replace(WASH, since=NOW)], "cart", "wash", ("SC-01",), NOW) == ["Q-p-0003-1"]


@given(st.sampled_from(["cart", EVERY]), st.sampled_from(["wash", EVERY]), st.sampled_from(["SC-01", EVERY]))
def test_every_stands_for_each(recipe: str, task: str, room: str) -> None:
    has = [replace(WASH, recipe=recipe, task=task, room=room)]
    assert relied_on(has, "cart", "wash", ("SC-01",), NOW) == ["Q-p-0003-1"]
    assert relied_on(has, "cart", "", (), NOW) == ["Q-p-0003-1"]


def test_another_person_grants_it_with_its_evidence() -> None:
    draft = grant("p-0003", [WASH], ("cart", EVERY, EVERY), NOW, NOW + DAY, "SOP-7, 2026-11-30", QA)
    assert (draft.kind, draft.actor, draft.body) == ("qualified", QA, {
        "id": "Q-p-0003-2", "recipe": "cart", "task": "*", "room": "*", "since": "2026-12-01T08:00:00.000000Z",
        "until": "2026-12-02T08:00:00.000000Z", "evidence": "SOP-7, 2026-11-30",
    })  # fmt: skip


@pytest.mark.parametrize(
    ("person", "until", "evidence", "actor", "error", "says"),
    [
        ("p-0003", NOW + DAY, "x", OPERATOR, NotPermitted, "granted by qa or supervisor; your role is operator"),
        ("p-0002", NOW + DAY, "x", QA, NotPermitted, "Nobody qualifies themselves"),
        ("p-0003", NOW, "x", QA, BadInput, "ends before it begins"),
        ("p-0003", NOW + DAY, " ", QA, BadInput, "what the qualification rests on"),
    ],
)  # fmt: skip
def test_what_is_not_granted(
    person: str, until: datetime, evidence: str, actor: Actor, error: type[KweekError], says: str
) -> None:
    with pytest.raises(error, match=says):
        grant(person, [], ("cart", EVERY, EVERY), NOW, until, evidence, actor)


def test_it_is_withdrawn_once_by_another_and_with_a_reason() -> None:
    draft = withdraw("p-0003", [WASH], WASH.id, "left the suite", QA)
    assert (draft.kind, draft.body) == (
        "qualification_withdrawn",
        {"id": WASH.id, "reason": "left the suite"},
    )
    with pytest.raises(NotFound, match="no qualification Q-9"):
        withdraw("p-0003", [WASH], "Q-9", "x", QA)
    with pytest.raises(Refused, match="withdrawn before"):
        withdraw("p-0003", [replace(WASH, withdrawn=True)], WASH.id, "x", QA)
    with pytest.raises(BadInput, match="with a reason"):
        withdraw("p-0003", [WASH], WASH.id, " ", QA)
    with pytest.raises(NotPermitted, match="your role is operator"):
        withdraw("p-0003", [WASH], WASH.id, "x", OPERATOR)
