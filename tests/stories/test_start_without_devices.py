"""`kweek serve` is started before the plant, in real time: the batch waits for the device, in sight of people."""

from pathlib import Path

import pytest

from tests.stories.place import Place, eventually, sentence
from tests.stories.recipes import TUTORIAL
from tests.stories.staff import Batch, Staff

pytestmark = pytest.mark.timeout(180)


def test_a_plant_that_is_not_there_at_the_start(tmp_path: Path) -> None:
    place = Place(tmp_path, virtual=False)
    try:
        place.add_admin()
        place.start_server()
        staff = Staff(place)
        staff.gather()
        number = staff.begin(staff.approve(TUTORIAL))
        batch = eventually(lambda: _asked(staff, number), "the first step")
        unit = batch["units"]["reactor"]
        said = sentence(staff.get(f"/equipment/{unit}/readings/temperature"), 503)
        assert unit in said
        assert staff.place.health()["ok"] is True
        place.start_plant()
        eventually(lambda: staff.entries(number, "step_done"), "the first step's outcome")
        staff.command(number, "abort", reason="it was only to see it begin")
        staff.answer(number, staff.task(number, "dispose"))
        assert staff.batch(number)["state"] == "Aborted"
        place.verified(number)
    finally:
        place.close()
    place.look_back()


def _asked(staff: Staff, number: str) -> Batch | None:
    batch = staff.batch(number)
    return batch if any((phase["step"] or {}).get("step") == "Set" for phase in batch["running"]) else None
