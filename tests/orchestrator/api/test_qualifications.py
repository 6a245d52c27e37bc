"""Nobody answers a task without a current qualification for its recipe, its task and its rooms."""

import pytest

from batches.entries import stamp
from tests.orchestrator.api.town import Town

CLEARED = {"values": {"nothing_left": True, "cleaned": True, "in_order": True}}


def test_an_answer_needs_a_current_qualification_and_names_it(town: Town) -> None:
    newcomer, number = town.add("nina", "operator"), town.batch()
    task = town.task(number, "ask")["id"]
    refused = town.answer("nina", task, CLEARED, status=403).json()["detail"]
    assert refused == (
        "You have no current qualification for the recipe bench, the task clear_line, the room SC-01; have it granted by "
        "quality assurance or a supervisor, or let somebody else answer."
    )
    kept = [e["body"] for e in town.record(number) if e["kind"] == "refused"]
    assert kept == [{"what": f"answer to {task}", "path": "Bench/Work/clear_line", "sentence": refused}]
    moment = town.house.clock.now()
    town.qualify("nina", recipe="bench", since="2001-01-01T00:00:00Z", until=moment.isoformat())
    ended = town.answer("nina", task, CLEARED, status=403).json()["detail"]
    assert ended.startswith(
        f"Your qualification Q-{newcomer}-1 for the recipe bench, the task clear_line, the room"
    )
    assert f" ended at {stamp(moment)}; " in ended
    second = town.qualify("nina", recipe="bench", task="clear_line").json()["qualification"]
    town.answer("nina", task, CLEARED)
    town.answer("otto", task, {"verified": True})
    relied = {
        e["actor"]["id"]: e["body"]["qualifications"]
        for e in town.record(number)
        if "qualifications" in (e["body"] or {})
    }
    other = town.get("sam", "/people/otto")
    assert relied == {newcomer: [second], other["id"]: [other["qualifications"][0]["id"]]}


def test_one_that_is_withdrawn_no_longer_counts_nor_after_a_restart(new_town: Town) -> None:
    new_town.found()
    new_town.approve()
    task = new_town.task(new_town.batch(), "ask")["id"]
    (has,) = new_town.get("sam", "/people/olga")["qualifications"]
    assert (has["recipe"], has["task"], has["room"], has["withdrawn"]) == ("*", "*", "*", False)
    path = f"/people/olga/qualifications/{has['id']}/withdrawal"
    new_town.post("olga", path, {"reason": "tired"}, status=403)
    new_town.post("quinn", path, {"reason": "the SOP changed"}, status=200)
    assert "no current" in new_town.answer("olga", task, CLEARED, status=403).json()["detail"]
    assert (
        "withdrawn before" in new_town.post("quinn", path, {"reason": "again"}, status=409).json()["detail"]
    )
    new_town.close()
    new_town.open()
    assert new_town.get("olga", "/people/olga")["qualifications"] == [{**has, "withdrawn": True}]
    assert "no current" in new_town.answer("olga", task, CLEARED, status=403).json()["detail"]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"recipe": "nonsuch"}, 422, "There is no recipe 'nonsuch'"), ({"task": "stir"}, 422, "no phase class 'stir'"),
        ({"room": "the attic"}, 422, "There is no room 'the attic'"), ({"until": "2001-01-01T00:00:00Z"}, 422, "before it begins"),
        ({"evidence": " "}, 422, "what the qualification rests on"),
    ],
)  # fmt: skip
def test_what_cannot_be_granted(town: Town, change: dict[str, object], status: int, says: str) -> None:
    assert says in town.qualify("otto", status=status, **change).json()["detail"]


def test_who_may_grant(town: Town) -> None:
    body = {"recipe": "*", "until": "2199-01-01T00:00:00Z", "evidence": "I know it"}
    assert (
        "Nobody qualifies themselves"
        in (town.post("quinn", "/people/quinn/qualifications", body, status=403).json()["detail"])
    )
    for who in ("anna", "olga", "erik", "pat", "lab", "lou", "quentin"):
        town.post(who, "/people/otto/qualifications", body, status=403)
