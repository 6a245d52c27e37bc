"""Whatever people send, they get one sentence, and the batch goes on as if they had not.

The tests share a batch and bring it forward, each to the task it needs; the last one ends it.
"""

import functools
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from batches.entries import moment, stamp
from tests.stories.place import PASSWORD, sentence
from tests.stories.recipes import TUTORIAL
from tests.stories.staff import IDENTITY, Staff

pytestmark = pytest.mark.timeout(180)


class Batch:
    """A batch and its people."""

    def __init__(self, staff: Staff, number: str) -> None:
        self.staff, self.number = staff, number

    def at(self, kind: str) -> dict[str, Any]:
        """The batch brought forward to a task."""
        self.staff.work(self.number, kind)
        return self.staff.task(self.number, kind)

    def refuses(self, act: Callable[[], httpx.Response], status: int, *words: str, kept: int = 0) -> None:
        """The act is refused in a sentence; nothing changes, and `kept` refusals enter the record."""
        before, entries = self.staff.batch(self.number), self.staff.record(self.number)
        said = sentence(act(), status)
        assert [word for word in words if word not in said] == [], said
        after, now = self.staff.batch(self.number), self.staff.record(self.number)
        assert now[: len(entries)] == entries
        assert [(entry["kind"], entry["body"]["sentence"]) for entry in now[len(entries) :]] == [
            ("refused", said)
        ] * kept
        assert after == before | {"entries": len(entries) + kept}


@pytest.fixture(scope="module")
def batch(staff: Staff) -> Batch:
    return Batch(staff, staff.begin(staff.approve(TUTORIAL)))


def test_an_unknown_recipe(staff: Staff, batch: Batch) -> None:
    batch.at("ask")
    body = {"recipe": "eternal-youth", "identity": IDENTITY}
    batch.refuses(lambda: staff.post("sam", "/batches", body), 404, "eternal-youth")


def test_a_second_signature_by_the_same_person(staff: Staff, batch: Batch) -> None:
    task = batch.at("ask")
    assert task["people"] == 2
    staff.give("olga", task, staff.right(batch.number, task), 200)
    batch.refuses(lambda: staff.give("olga", task, {"verified": True}), 403, "second person", kept=1)
    staff.give("otto", task, {"verified": True}, 200)


def test_a_scan_of_the_wrong_patient(staff: Staff, batch: Batch) -> None:
    task = batch.at("scan")
    other = IDENTITY[:-2] + "2U"
    for _ in range(2):  # however often
        batch.refuses(
            lambda: staff.give("olga", task, {"scan": other}), 409, other, "set the material aside", kept=1
        )
    staff.give("olga", task, {"scan": IDENTITY}, 200)


def test_a_task_that_does_not_exist(staff: Staff, batch: Batch) -> None:
    batch.at("consume")
    for task in (f"{batch.number}-T9999", "B-26-9999-T0001", "nonsense"):
        body = {"answer": {"confirmed": True}}
        batch.refuses(
            functools.partial(staff.post, "olga", f"/tasks/{task}/answer", body), 404, "look at the list of"
        )


def test_a_command_in_the_wrong_state(staff: Staff, batch: Batch) -> None:
    batch.at("consume")
    for command, says in (("start", "was run before"), ("restart", "Running"), ("reset", "Running")):
        body = {"command": command, "path": "", "reason": "impatience"}
        order = functools.partial(staff.post, "sam", f"/batches/{batch.number}/commands", body)
        batch.refuses(order, 409, says, kept=1)
    body = {"command": "explode", "path": "", "reason": "impatience"}
    batch.refuses(lambda: staff.post("sam", f"/batches/{batch.number}/commands", body), 422, "command")


@pytest.mark.parametrize(
    "data", [b"clear the line", b'{"answer": ', b"\xff\xfe", b'{"answer": {"values": {"n": NaN}}}']
)
def test_a_body_that_is_not_json(staff: Staff, batch: Batch, data: bytes) -> None:
    task = batch.at("consume")
    headers = {**staff.bearer("olga"), "Idempotency-Key": "raw", "Content-Type": "application/json"}
    path = f"/api/v1/tasks/{task['id']}/answer"
    batch.refuses(lambda: staff.place.http.post(path, content=data, headers=headers), 400, "JSON")


def test_an_expired_sign_in(staff: Staff, batch: Batch) -> None:
    """While the server is down its file is made to say that the sign-in was last used 16 minutes ago."""
    task = batch.at("consume")
    assert staff.place.stop_server() == 0
    with sqlite3.connect(staff.place.folder / "kweek-people.db") as people:
        for token, who, used in people.execute("SELECT token, person, used_at FROM login").fetchall():
            if who == staff.ids["olga"]:
                earlier = stamp(moment(used) - timedelta(minutes=16))
                people.execute("UPDATE login SET used_at = ? WHERE token = ?", (earlier, token))
    people.close()
    staff.place.start_server()
    right = staff.right(batch.number, task)
    batch.refuses(lambda: staff.give("olga", task, right), 401, "sign in again")
    batch.refuses(lambda: staff.place.http.get(f"/api/v1/batches/{batch.number}"), 401, "Sign in first")
    staff.sign_in("olga")
    staff.give("olga", task, right, 200)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("5e6 cell", "is measured in cell/mL"), ("37 degC", "is measured in cell/mL"), ("5e6 smoots/mL", "smoots"),
        ("1e12 cell/mL", "is not plausible"), ("-1 cell/mL", "is not plausible"), ("NaN cell/mL", "NaN"),
        ("Infinity cell/mL", "Inf"), ("5000000", "cell/mL"), (5000000, "needs a number with its unit of measure"),
        ({"value": "NaN", "unit": "cell/mL"}, "NaN"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_taken(staff: Staff, batch: Batch, value: object, says: str) -> None:
    task = batch.at("result")
    wrong = {"values": {"viable_cells": value}}
    # What is no quantity at all is refused before it is an answer; what is one is kept as a refused answer.
    kept = isinstance(value, int | str)
    batch.refuses(lambda: staff.give("cato", task, wrong), 422, says, kept=int(kept))


def test_a_signature_with_the_wrong_password(staff: Staff, batch: Batch) -> None:
    task = batch.at("decide")
    body = {"answer": {"choice": "harvest"}, "signature": {"password": "a guess"}}
    batch.refuses(lambda: staff.post("sam", f"/tasks/{task['id']}/answer", body), 401, "password")
    batch.refuses(
        lambda: staff.post("sam", f"/tasks/{task['id']}/answer", {"answer": {"choice": "harvest"}}),
        403,
        "password",
        kept=1,
    )
    batch.refuses(lambda: staff.give("olga", task, {"choice": "harvest"}), 403, "supervisor", kept=1)


def test_after_all_of_it_the_batch_ends_and_its_record_verifies(staff: Staff, batch: Batch) -> None:
    staff.complete(batch.number)
    said = staff.post(
        "sam", f"/batches/{batch.number}/commands", {"command": "hold", "path": "", "reason": "late"}
    )
    assert "Complete" in sentence(said, 409)
    assert PASSWORD not in staff.place.log("serve")
