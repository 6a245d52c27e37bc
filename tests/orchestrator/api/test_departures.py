"""Departures that would stop the batch days later are refused when they are asked for."""

from collections.abc import Mapping

import pytest

from batches.plain import Plain
from tests.orchestrator.api.town import SECRET, Town

DECIDED = "Bench/Work/decided"
AFTER = {"kind": "add", "after": "Bench/Work/perform"}
BAD: list[tuple[dict[str, Plain], str]] = [
    (
        {"kind": "formula", "name": "share", "value": True},
        "'share' is 50 %; give the new value in the same form",
    ),
    ({"kind": "formula", "name": "share"}, "in the same form"),
    ({"kind": "formula", "name": "share", "value": "5 mL"}, "different things"),
    ({"kind": "formula", "name": "share", "value": {"value": "NaN", "unit": "%"}}, "NaN"),
    ({"kind": "formula", "name": "nothing", "value": "5 %"}, "has no value 'nothing'"),
    ({"kind": "parameter", "path": DECIDED, "name": "options", "value": 5}, "should be text"),
    ({"kind": "parameter", "path": DECIDED, "name": "options"}, "should be text"),
    ({"kind": "parameter", "path": DECIDED, "name": "role", "value": "king"}, "should be one of"),
    ({"kind": "parameter", "path": DECIDED, "name": "mood", "value": "good"}, "has no parameter 'mood'"),
    (
        {"kind": "parameter", "path": "Bench/Work/perform", "name": "material", "value": "gold"},
        "no material 'gold'",
    ),
    ({"kind": "parameter", "path": "Bench", "name": "x", "value": 1}, "not a phase"),
    ({**AFTER, "phase": {"decide@1": {"question": 5}, "as": "more"}}, "should be text"),
    (
        {**AFTER, "phase": {"decide@1": {"question": "$nothing", "options": "a | b"}, "as": "more"}},
        "cannot be worked out",
    ),
    ({**AFTER, "phase": {"decide@9": {}, "as": "more"}}, "no phase decide@9"),
    ({**AFTER, "phase": {"clear_line@1": {"area": "x"}, "as": "decided"}}, "choose another name"),
    ({**AFTER, "phase": {"clear_line@1": {"area": "x"}}}, "name of its own"),
    ({"kind": "skip", "path": DECIDED}, "needs 'values'"),
    ({"kind": "repeat"}, "needs 'path'"),
    ({"kind": "dance"}, "is no departure"),
    ({}, "is no departure"),
]


def test_what_cannot_be_run_is_not_approved(town: Town) -> None:
    number = town.batch()
    for change, says in BAD:
        refused = town.post("olga", f"/batches/{number}/departures", {"change": change, "reason": "x"})
        assert refused.status_code in (404, 422), (change, refused.text)
        assert says in refused.json()["detail"], change
    assert town.get("sam", f"/batches/{number}")["departures"] == []


@pytest.mark.parametrize(
    ("change", "recorded"),
    [
        ({"kind": "formula", "name": "share", "value": "60 %"}, {"value": {"value": "60", "unit": "%"}}),
        ({"kind": "parameter", "path": DECIDED, "name": "question", "value": "Well?"}, {"value": "Well?"}),
        (
            {
                **AFTER,
                "phase": {
                    "decide@1": {"question": "Sure?", "options": "yes | no", "share": "$share"},
                    "as": "more",
                },
            },
            {},
        ),
        (
            {"kind": "repeat", "path": "Bench/Work/clear_line", "after": "Bench/Work/perform"},
            {"name": "clear_line+1"},
        ),
        ({"kind": "skip", "path": "Bench/Work/decided", "values": {"decided": {"decision": "go"}}}, {}),
    ],
)
def test_a_departure_is_followed_to_the_end(
    town: Town, change: dict[str, Plain], recorded: Mapping[str, Plain]
) -> None:
    number = town.batch()
    departure = town.post(
        "olga", f"/batches/{number}/departures", {"change": change, "reason": "x"}, status=201
    )
    decision = f"/batches/{number}/departures/{departure.json()['departure']}/decision"
    town.post("quinn", decision, {"approve": True, "reason": "seen"}, status=200)
    assert recorded.items() <= town.get("sam", f"/batches/{number}")["departures"][0]["change"].items()
    town.clear(number)
    town.image(number)
    while (
        town.run(town.client.get(f"/api/v1/batches/{number}", headers=town.bearer("sam"))).json()["state"]
        != "Complete"
    ):
        task = town.task(number)
        if task["kind"] == "decide":
            town.answer(
                "sam", task["id"], {"choice": task["content"]["options"][0]}, signature={"password": SECRET}
            )
        else:
            town.clear(number)
    assert town.run(town.client.get("/healthz")).json()["ok"] is True
