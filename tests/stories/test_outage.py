"""The system is down for two hours on day seven, and people work from paper."""

import shutil
import subprocess
from datetime import datetime, timedelta

import pytest

from batches.entries import moment, stamp
from tests.stories.place import sentence
from tests.stories.recipes import changed
from tests.stories.staff import Staff

pytestmark = pytest.mark.timeout(180)
HOUR = timedelta(hours=1)


def test_paper_is_typed_in_late_and_nothing_done_by_hand_is_done_again(staff: Staff) -> None:
    staff.clean(*(unit for unit in ("BR-01", "BR-02") if not _clean(staff, unit)))
    recipe = changed("seven-days", ("duration: 24 h, look_every: 16 h", "duration: 169 h, look_every: 168 h"))
    number = staff.begin(staff.approve(recipe))
    batch = staff.work(number, lambda batch: any(task["path"].endswith("/day") for task in batch["tasks"]))
    unit, before = batch["units"]["reactor"], _now(staff)
    assert before - moment(batch["created_at"]) > timedelta(days=7)

    staff.place.kill_server()
    said = staff.place.kweek("clock", "advance", "2 h", "--clock", staff.place.clock)
    assert said.startswith("It is ")
    staff.place.start_server()

    # People look at the equipment and the paper before anything moves.
    batch = staff.batch(number)
    assert {e["path"]: e["state"] for e in batch["elements"]}["Culture"] in ("Holding", "Held")
    reconcile, look = staff.task(number, "reconcile"), staff.task(number, "ask")
    (recovered,) = staff.entries(number, "engine_recovered")
    since, until = (moment(recovered["body"][name]) for name in ("away_since", "away_until"))
    assert until - since == 2 * HOUR
    assert (since >= before, reconcile["people"]) == (True, 2)
    assert stamp(since) in reconcile["text"]
    refused = staff.place.kweek("clock", "advance", "2 h", "--clock", staff.place.clock, code=1)
    assert "stop it first" in refused

    _type_in_the_look(staff, look, since)
    happened = since + HOUR
    by_hand = {
        "path": "Culture", "unit": unit, "action": "exchange_medium", "parameters": {"fraction": "50 %"}, "results": {},
        "late": _late(happened),
    }  # fmt: skip
    staff.post("otto", f"/batches/{number}/work-by-hand", by_hand, 201)

    staff.give("olga", reconcile, {"confirmed": True}, 200)
    assert "second person" in sentence(staff.give("olga", reconcile, {"confirmed": True}), 403)
    assert {e["path"]: e["state"] for e in staff.batch(number)["elements"]}["Culture"] == "Held"
    staff.give("otto", reconcile, {"confirmed": True}, 200)

    assert staff.work(number)["state"] == "Complete"
    done = [run["programme"] for run in staff.place.runs(unit) if run["job"] == number]
    assert done == ["inoculate", "take_sample", "harvest"], "the exchange was done by hand, and only then"
    (entry,) = staff.entries(number, "by_hand")
    assert (moment(entry["happened_at"]), moment(entry["recorded_at"]) >= until) == (happened, True)
    late = entry["body"]["late"]
    people = {name: staff.names[late[name]] for name in ("performer", "checker", "transcriber")}
    assert people == {"performer": "olga", "checker": "sam", "transcriber": "otto"}
    _printed(staff, number, happened, moment(entry["recorded_at"]))


def _type_in_the_look(staff: Staff, look: dict[str, object], since: datetime) -> None:
    """The look at the culture that fell into the outage; what cannot be is refused first."""
    right = {"values": {"normal": True}}
    future = staff.give("otto", look, right, late=_late(_now(staff) + HOUR))
    assert "future" in sentence(future, 422)
    same = staff.give("otto", look, right, late={**_late(since), "checker": "olga"})
    assert "another person" in sentence(same, 403)
    nobody = staff.give("otto", look, right, late={**_late(since), "performer": "nobody"})
    assert "nobody" in sentence(nobody, 422)
    staff.give("otto", look, right, 200, late=_late(since + timedelta(minutes=20)))


def _late(happened: datetime) -> dict[str, str]:
    return {
        "happened_at": happened.isoformat(), "performer": "olga", "checker": "sam",
        "reason": "the system was down; from paper form 12",
    }  # fmt: skip


def _now(staff: Staff) -> datetime:
    return moment(staff.place.health()["process_time"])


def _clean(staff: Staff, unit: str) -> bool:
    return staff.get(f"/equipment/{unit}").json()["clean"]


def _printed(staff: Staff, number: str, *times: datetime) -> None:
    """The PDF that verifies shows every time."""
    pdf = staff.place.verified(number)
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils), which is not on this machine")
    text = subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], capture_output=True, check=True, text=True
    ).stdout
    flat = " ".join(text.split())
    for time in times:
        assert time.strftime("%H:%M:%S") in flat, time
    assert "happened" in flat
