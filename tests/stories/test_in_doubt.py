"""The server is killed while a device that forgets its orders is at work: a person says what happened."""

import time

import pytest

from tests.stories.place import eventually
from tests.stories.recipes import changed
from tests.stories.staff import Batch, Staff, Task

pytestmark = pytest.mark.timeout(180)
UNIT = "ST-01"  # the plant file says that it remembers no orders


@pytest.fixture(scope="module")
def number(staff: Staff) -> str:
    recipe = changed("forgetful", ("bioreactor/vertical_wheel", "bioreactor/stirred_tank"))
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
    batch = staff.batch(number)
    states = {
        element["path"]: element["state"] for element in batch["elements"] if element["state"] != "Complete"
    }
    assert {path: state for path, state in states.items() if path} == {"Culture": "Held"}
    assert [open_["kind"] for open_ in batch["tasks"]] == ["in_doubt"]
    return task


def test_it_happened_and_is_not_done_again(staff: Staff, number: str) -> None:
    staff.work(number, "consume")
    staff.inject(UNIT, "delay", "20")
    staff.answer(number, staff.task(number, "consume"))
    eventually(lambda: ran(staff, "inoculate"), "the device's work")
    staff.place.kill_server()
    task = doubted(staff, number, "inoculate")
    assert "reason" in staff.give("sam", task, {"choice": "it happened"}, 422).json()["detail"]
    answer = {"choice": "it happened", "reason": "the vessel is full; its counter says 100 mL", "values": {}}
    staff.give("sam", task, answer, 200)
    staff.work(number, lambda batch: any(phase["path"].endswith("/day") for phase in batch["running"]))
    assert ran(staff, "inoculate") == 1


def test_it_did_not_happen_and_is_done_once(staff: Staff, number: str) -> None:
    """Plant and server both die between the intent and the device."""
    staff.work(number, "consume")
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
