"""Alarms over HTTP: seen, acknowledged, shelved and shown again, each in the record of its unit or batch."""

from datetime import timedelta
from typing import Any

import pytest

from batches.entries import Draft, stamp
from orchestrator.clock import RealClock
from tests.orchestrator.api.town import Town


def identity(tag: str, kind: str = "limit") -> str:
    return f"equipment/BR-01  {tag} {kind}"


@pytest.fixture(scope="module")
def alarmed(town: Town) -> Town:
    """BR-01 has left the limits of its temperature and its pH, and its oxygen gives no value."""
    started = RealClock().now()
    bodies = [("temperature", "excursion_started", "critical"), ("ph", "excursion_started", "low"), ("dissolved_oxygen", "tag_silent", "high")]  # fmt: skip

    async def commit() -> None:
        for tag, kind, priority in bodies:
            body = {
                "path": "",
                "tag": tag,
                "unit": "BR-01",
                "since": stamp(started),
                "side": "high",
                "priority": priority,
            }
            await town.house.site.engine.commit(("equipment/BR-01", iter((Draft(kind, body),)))).wait()

    town.run(commit())
    return town


def listed(town: Town) -> dict[str, str]:
    return {item["id"]: item["state"] for item in town.get("olga", "/alarms")["items"]}


def test_the_list_asks_by_priority_and_counts_by_unit(alarmed: Town) -> None:
    found = alarmed.get("olga", "/alarms")
    assert [(item["priority"], item["tag"], item["state"], item["asks"]) for item in found["items"]] == [
        ("critical", "temperature", "unacknowledged", True), ("high", "dissolved_oxygen", "unacknowledged", True),
        ("low", "ph", "unacknowledged", True),
    ]  # fmt: skip
    assert (found["flood"], found["units"]) == (False, {"BR-01": 3})


def test_what_a_person_does_is_recorded_and_survives_a_restart(alarmed: Town) -> None:
    silence, ph = identity("dissolved_oxygen", "silence"), identity("ph")
    until = stamp(RealClock().now() + timedelta(hours=1))
    alarmed.post(
        "olga", "/alarms/acknowledgements", {"alarm": silence, "reason": "probe unplugged"}, status=201
    )
    alarmed.post("olga", "/alarms/shelvings", {"alarm": ph, "reason": "known", "until": until}, status=201)
    expected = {identity("temperature"): "unacknowledged", silence: "acknowledged", ph: "shelved"}
    assert listed(alarmed) == expected
    alarmed.close()
    alarmed.open()
    alarmed.sign_in("olga")
    assert listed(alarmed) == expected
    alarmed.post("olga", "/alarms/unshelvings", {"alarm": ph, "reason": "solved"}, status=201)
    assert listed(alarmed) == expected | {ph: "unacknowledged"}
    history: list[dict[str, Any]] = alarmed.get("olga", "/alarms/history?unit=BR-01")
    assert [(one["kind"], one["body"].get("reason", "")) for one in history[3:]] == [
        ("alarm_acknowledged", "probe unplugged"), ("alarm_shelved", "known"), ("alarm_unshelved", "solved"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("who", "act", "alarm", "status", "says"),
    [
        ("olga", "acknowledgements", "equipment/BR-09  ph limit", 404, "There is no alarm"),
        ("olga", "resets", identity("temperature"), 409, "not latched"),
        ("olga", "unshelvings", identity("temperature"), 409, "is not shelved"),
        ("lou", "acknowledgements", identity("temperature"), 403, "operator or supervisor"),
    ],
)
def test_what_may_not_be_done_is_refused(
    alarmed: Town, who: str, act: str, alarm: str, status: int, says: str
) -> None:
    alarmed.sign_in(who)
    found = alarmed.post(who, f"/alarms/{act}", {"alarm": alarm, "reason": "because"}, status=status)
    assert says in found.json()["detail"]


def test_a_critical_alarm_is_not_shelved(alarmed: Town) -> None:
    body = {
        "alarm": identity("temperature"),
        "reason": "noisy",
        "until": stamp(RealClock().now() + timedelta(hours=1)),
    }
    assert "critical" in alarmed.post("olga", "/alarms/shelvings", body, status=409).json()["detail"]
    assert "one of the two" in alarmed.get("olga", "/alarms/history", 422)["detail"]
