"""The server is killed while a device that forgets its orders is at work: a person says what happened."""

import time

import pytest

from tests.stories.place import eventually, sentence
from tests.stories.recipes import changed
from tests.stories.staff import Batch, Staff, Task

pytestmark = pytest.mark.timeout(180)
UNIT = "ST-01"  # the plant file says that it remembers no orders


PAUSE = """\
          - clear_line@1: {area: the bench at the reactor}
            hold: {safe: keep_environment, longest: 12 h}
          - sample@1:
"""


@pytest.fixture(scope="module")
def number(staff: Staff) -> str:
    pause = ("          - sample@1:\n", PAUSE)  # a task at which a test may step in
    recipe = changed("forgetful", ("bioreactor/vertical_wheel", "bioreactor/stirred_tank"), pause)
    return staff.begin(staff.approve(recipe))


def ran(staff: Staff, programme: str) -> int:
    return sum(run["programme"] == programme for run in staff.place.runs(UNIT))


def doubted(staff: Staff, number: str, action: str) -> Task:
    """The server is back: one unit procedure stands held, and a task asks about the action."""
    staff.place.start_server()
    task = staff.task(number, "in_doubt")
    assert task["text"].startswith(f"Nobody knows whether {UNIT} carried out ")
    assert action in task["text"]
    assert task["content"]["options"] == ["it happened", "it did not happen", "substitute"]
    eventually(lambda: _standing(staff.batch(number)) == {"Culture": "Held"}, "the hold")
    batch = staff.batch(number)
    assert [open_["kind"] for open_ in batch["tasks"]] == ["in_doubt"]
    return task


def test_it_did_not_happen_and_is_done_once(staff: Staff, number: str) -> None:
    """Plant and server both die between the intent and the device."""
    staff.work(number, lambda batch: any(task["path"].endswith("/exchange") for task in batch["tasks"]))
    staff.inject("", "die")
    staff.place.wait_for_plants_end()
    staff.answer(number, staff.task(number, "consume"))
    eventually(lambda: _asked(staff.batch(number), "exchange_medium"), "the intent")
    time.sleep(0.2)  # the device is tried
    staff.place.kill_server()
    staff.place.start_plant()
    task = doubted(staff, number, "exchange_medium")
    assert ran(staff, "exchange_medium") == 0
    staff.give("sam", task, {"choice": "it did not happen", "reason": "the medium is still in its bag"}, 200)
    staff.task(number, "ask")
    assert ran(staff, "exchange_medium") == 1


def test_it_happened_and_is_not_done_again(staff: Staff, number: str) -> None:
    """The server dies while the device is at it."""
    staff.work(number, "ask")
    staff.inject(UNIT, "delay", "20")
    staff.answer(number, staff.task(number, "ask"))
    eventually(lambda: ran(staff, "take_sample"), "the device's work")
    staff.place.kill_server()
    staff.place.kweek(
        "clock", "advance", "5 min", "--clock", staff.place.clock
    )  # the device ends its work meanwhile
    task = doubted(staff, number, "take_sample")
    assert "reason" in sentence(staff.give("sam", task, {"choice": "it happened", "values": {}}), 422)
    answer = {"choice": "it happened", "reason": "the tube is full", "values": {}}
    staff.give("sam", task, answer, 200)
    staff.complete(number)
    assert [ran(staff, each) for each in ("inoculate", "exchange_medium", "take_sample", "harvest")] == [
        1
    ] * 4
    decisions = [
        entry["actor"]["id"]
        for entry in staff.entries(number, "task_answered")
        if entry["body"].get("goes_on")
    ]
    assert decisions == [staff.ids["sam"]] * 2


def _asked(batch: Batch, action: str) -> bool:
    return any((phase["step"] or {}).get("action") == action for phase in batch["running"])


def _standing(batch: Batch) -> dict[str, str]:
    """The unit procedures that have begun and not ended, with their states."""
    return {e["path"]: e["state"] for e in batch["elements"] if e["path"] and e["state"] != "Complete"}
