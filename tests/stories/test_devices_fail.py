"""Equipment that is absent, vanishes, loses an answer or stands still: one batch through all of it.

The tests share the batch and bring it forward, in order.
"""

import pytest

from tests.stories.place import eventually, sentence
from tests.stories.recipes import changed
from tests.stories.staff import Staff

pytestmark = pytest.mark.timeout(180)
REACTORS = ("BR-01", "BR-02")


class Run:
    """The batch, and the reactor it was given."""

    def __init__(self, staff: Staff) -> None:
        self.staff = staff
        self.name = staff.approve(changed("through-faults"))
        self.number = self.unit = ""

    def begin(self) -> None:
        self.number = self.staff.begin(self.name)
        units = eventually(lambda: self.staff.batch(self.number)["units"], "the reactor")
        self.unit = units["reactor"]

    def done_by_the_device(self, programme: str) -> int:
        """How often, by the device's own log, this batch had something done."""
        runs = self.staff.place.runs(self.unit)
        return sum(run["programme"] == programme and run["job"] == self.number for run in runs)


@pytest.fixture(scope="module")
def run(staff: Staff) -> Run:
    return Run(staff)


def test_a_device_that_is_absent_at_the_start(staff: Staff, run: Run) -> None:
    staff.clean(*REACTORS)
    for unit in REACTORS:
        staff.inject(unit, "freeze_value", "temperature")  # for the next test
    staff.inject("", "disconnect", "15")
    run.begin()
    task = staff.task(run.number, "failed")
    assert task["text"].startswith(f"{run.unit} could not be reached: ")
    assert task["role"] == "supervisor"
    eventually(lambda: _element(staff, run) == "Held", "the hold")
    assert staff.place.health()["ok"] is True, "the server is well; it is a device that is not"
    reading = staff.get(f"/equipment/{run.unit}/readings/temperature")
    if reading.status_code != 200:  # it may be back by now
        assert run.unit in sentence(reading, 503)

    def back() -> bool:
        return staff.get(f"/equipment/{run.unit}/readings/temperature").status_code == 200

    eventually(back, "the device")
    staff.give("sam", task, {"choice": "retry", "reason": "its cable is in again"}, 200)


def test_a_value_that_stands_still_is_never_taken_as_good(staff: Staff, run: Run) -> None:
    """The probe shows a value that no longer changes: for six hours of warming up, then when it is read."""
    task = staff.task(run.number, "failed")
    assert "gives no good value of temperature" in task["text"]
    reading = staff.get(f"/equipment/{run.unit}/readings/temperature").json()
    assert reading["quality"] == "stale"
    # answered by people before it was known that the probe stands still, nothing was taken from it
    replies = [
        entry["body"] for entry in staff.entries(run.number, "step_done") if "measured" in entry["body"]
    ]
    assert replies == []
    for unit in REACTORS:
        staff.inject(unit, "clear")
    staff.give("sam", task, {"choice": "retry", "reason": "the probe was exchanged"}, 200)
    decide = staff.task(run.number, "decide")
    assert "did not reach 36.5 degC within 6 h" in decide["text"]
    assert float(decide["content"]["given"]["temperature"]["value"]) > 36.5
    staff.give("sam", decide, {"choice": "go on"}, 200)


def test_a_lost_reply_is_asked_for_and_not_repeated(staff: Staff, run: Run) -> None:
    staff.work(run.number, "consume")
    staff.inject(run.unit, "lose_reply")
    staff.answer(run.number, staff.task(run.number, "consume"))
    staff.work(run.number, lambda batch: any("Grow" in phase["path"] for phase in batch["running"]))
    assert run.done_by_the_device("inoculate") == 1
    said = [
        entry["kind"]
        for kind in ("step_done", "step_repeated")
        for entry in staff.entries(run.number, kind)
        if entry["body"]["path"].endswith("/inoculate") and {"reconciled", "why"} & entry["body"].keys()
    ]
    assert len(said) == 1, (
        "the record says that the reply was lost, and what the device told when it was asked"
    )


def test_a_plant_that_dies_in_mid_phase_and_comes_back(staff: Staff, run: Run) -> None:
    """People go on answering; what needs the device waits, and is done once when it is back."""
    staff.work(run.number, lambda batch: any(task["path"].endswith("/day") for task in batch["tasks"]))
    staff.inject("", "die")
    staff.place.wait_for_plants_end()
    trouble = eventually(lambda: staff.place.health()["clock_trouble"], "the trouble with the clock")
    assert "plant" in trouble
    said = sentence(staff.get(f"/equipment/{run.unit}/readings/temperature"), 503)
    assert run.unit in said
    look = staff.task(run.number, "ask")
    staff.answer(run.number, look)  # is recorded all the same
    staff.place.start_plant()
    eventually(lambda: not staff.place.health()["clock_trouble"], "the clock")
    staff.work(run.number, "consume")
    staff.answer(run.number, staff.task(run.number, "consume"))
    staff.inject("", "disconnect", "1")  # in the middle of the exchange or of what follows it
    staff.complete(run.number)
    assert [
        run.done_by_the_device(name) for name in ("inoculate", "exchange_medium", "take_sample", "harvest")
    ] == [1] * 4


def _element(staff: Staff, run: Run) -> str:
    return {element["path"]: element["state"] for element in staff.batch(run.number)["elements"]}["Prepare"]
