import asyncio
from datetime import UTC, datetime

from orchestrator.clock import RealClock
from tests.orchestrator.api.town import BENCH, SECRET, Town

CLEARED = {"values": {"nothing_left": True, "cleaned": True, "in_order": True}}


def test_a_whole_batch_is_run_through_the_api(town: Town) -> None:
    number = town.batch()
    town.clear(number)
    town.image(number)
    decision = town.task(number, "decide")
    assert (decision["signed"], decision["roles"]) == (True, ["supervisor"])
    town.answer("sam", decision["id"], {"choice": "go"}, signature={"password": SECRET})
    town.clear(number)

    found = town.state(number, "Complete")
    lot = found["used"][0]["lot"]
    assert found["tasks"] == found["running"] == []
    signed = next(e for e in town.record(number) if "signature" in (e["body"] or {}))
    assert signed["body"]["signature"] == {
        "name": "Sam Person", "user_name": "sam", "role": "supervisor", "meaning": "approved", "zone": "Europe/Amsterdam",
    }  # fmt: skip
    assert {
        "batch": number,
        "path": "Bench/Work/perform",
        "quantity": {"value": "5", "unit": "mL"},
    } in town.get("sam", f"/lots/{lot}")["uses"]
    assert number in town.get("sam", f"/lots/{lot}/genealogy")["batches"]


def test_of_two_simultaneous_answers_one_wins_and_the_other_is_told_who(town: Town) -> None:
    number = town.batch()
    task = town.task(number, "ask")["id"]
    town.answer("olga", task, CLEARED)

    async def both() -> list[int]:
        found = await asyncio.gather(
            town.posting("otto", f"/tasks/{task}/answer", {"answer": {"verified": True}}),
            town.posting("sam", f"/tasks/{task}/answer", {"answer": {"verified": True}}),
        )
        for each in found:
            if each.status_code == 409:
                assert f"Task {task} was answered by p-" in each.json()["detail"]
        return sorted(each.status_code for each in found)

    assert town.run(both()) == [200, 409]


def test_who_answered_first_cannot_verify_and_it_is_recorded(town: Town) -> None:
    number = town.batch()
    task = town.task(number, "ask")["id"]
    assert town.answer("olga", task, CLEARED).json() == {"task": task, "status": "awaiting_verification"}
    refused = town.answer("olga", task, {"verified": True}, status=403)
    assert "second person" in refused.json()["detail"]
    assert [e["kind"] for e in town.record(number)].count("refused") == 1
    assert task not in [t["id"] for t in town.get("olga", "/tasks")["items"]]
    assert task in [t["id"] for t in town.get("otto", "/tasks")["items"]]
    assert town.answer("otto", task, {"verified": True}).json() == {"task": task, "status": "done"}


def test_an_unknown_task_and_one_of_no_batch(town: Town) -> None:
    number = town.batch()
    assert "has no task" in town.answer("olga", f"{number}-T9999", {}, status=404).json()["detail"]
    assert "no batch" in town.answer("olga", "B-99-0001-T0001", {}, status=404).json()["detail"]
    assert "no batch" in town.answer("olga", "nonsense", {}, status=404).json()["detail"]
    town.get("olga", f"/tasks/{number}-T9999", status=404)


def test_a_late_answer_says_when_by_whom_and_who_typed_it_in(town: Town) -> None:
    number = town.batch()
    task = town.task(number, "ask")["id"]
    happened = RealClock().now().astimezone(UTC)
    late = {
        "happened_at": happened.isoformat(),
        "performer": "olga",
        "checker": "otto",
        "reason": "the system was down",
    }
    assert (
        "another person"
        in town.answer("sam", task, CLEARED, late={**late, "checker": "olga"}, status=403).json()["detail"]
    )
    assert (
        "nobody"
        in town.answer("sam", task, CLEARED, late={**late, "performer": "nobody"}, status=422).json()[
            "detail"
        ]
    )
    future = {**late, "happened_at": "2199-01-01T00:00:00Z"}
    assert "future" in town.answer("sam", task, CLEARED, late=future, status=422).json()["detail"]
    long_ago = {**late, "happened_at": "2001-01-01T00:00:00Z"}
    assert "was made" in town.answer("sam", task, CLEARED, late=long_ago, status=422).json()["detail"]
    town.answer("sam", task, CLEARED, late=late)
    entry = next(e for e in town.record(number) if e["kind"] == "task_answered")
    people = {name: town.get("sam", f"/people/{name}")["id"] for name in ("olga", "otto", "sam")}
    assert datetime.fromisoformat(entry["happened_at"]) == happened
    assert entry["body"]["late"] | {"happened_at": ""} == {
        "happened_at": "", "performer": people["olga"], "checker": people["otto"], "transcriber": people["sam"],
        "reason": "the system was down",
    }  # fmt: skip


def test_a_signed_answer_needs_the_password_again(town: Town) -> None:
    number = town.batch()
    town.clear(number)
    town.image(number)
    task = town.task(number, "decide")["id"]
    assert "send your password" in town.answer("sam", task, {"choice": "go"}, status=403).json()["detail"]
    wrong = town.answer("sam", task, {"choice": "go"}, signature={"password": "not mine at all"}, status=401)
    assert wrong.json()["detail"] == "The user name or the password is wrong; try again."
    town.answer("sam", task, {"choice": "go"}, signature={"password": SECRET})


def test_hold_needs_a_reason_and_restart_a_confirmation(town: Town) -> None:
    number = town.batch()
    town.task(number, "ask")
    commands = f"/batches/{number}/commands"
    assert "reason" in town.post("olga", commands, {"command": "hold"}, status=422).json()["detail"]
    town.post("olga", commands, {"command": "hold", "reason": "a spill"}, status=200)
    town.state(number, "Held")
    refused = town.post("sam", commands, {"command": "pause"}, status=409).json()
    assert refused["type"] == "urn:kweek:problem:refused"
    assert "is Held: 'pause' is not possible" in refused["detail"]
    town.post("sam", commands, {"command": "restart"}, status=200)
    town.answer("sam", town.task(number, "restart")["id"], {"confirmed": True})
    town.state(number, "Running")


def test_an_aborted_batch_is_disposed_of_by_two(town: Town) -> None:
    number = town.batch()
    town.task(number, "ask")
    town.post(
        "sam", f"/batches/{number}/commands", {"command": "abort", "reason": "contaminated"}, status=200
    )
    task = town.task(number, "dispose")["id"]
    town.answer("sam", task, {"confirmed": True}, signature={"password": SECRET})
    assert town.get("sam", f"/batches/{number}")["state"] == "Aborted"
    refused = town.answer("sam", task, {"confirmed": True}, signature={"password": SECRET}, status=403)
    assert "second person" in refused.json()["detail"]


def test_notes_departures_corrections_and_deviations(town: Town) -> None:
    number = town.batch()
    task = town.task(number, "ask")["id"]
    town.post("olga", f"/batches/{number}/notes", {"text": "the hood hums"}, status=201)
    note = next(e for e in town.record(number) if e["kind"] == "note_added")
    body = {"entry": note["number"], "new": "the hood whistles", "reason": "heard better"}
    town.post("olga", f"/batches/{number}/corrections", body, status=201)
    assert town.get("sam", f"/batches/{number}")["corrected_entries"] == [note["number"]]

    ask = {
        "change": {"kind": "formula", "name": "share", "value": "60 %"},
        "reason": "cells are slow",
        "urgent": False,
    }
    departure = town.post("olga", f"/batches/{number}/departures", ask, status=201).json()["departure"]
    decide = f"/batches/{number}/departures/{departure}/decision"
    town.post("quinn", decide, {"approve": True, "reason": "seen"}, status=200)
    assert (
        "cannot be decided again"
        in town.post("quinn", decide, {"approve": True}, status=409).json()["detail"]
    )

    deviations = town.get("sam", f"/batches/{number}/deviations?status=open")
    assert departure in deviations[0]["text"]
    closing = f"/batches/{number}/deviations/{deviations[0]['id']}/closing"
    town.post("olga", closing, {"conclusion": "harmless"}, status=403)
    town.post("quinn", closing, {"conclusion": "harmless"}, status=200)
    assert town.get("sam", f"/batches/{number}/deviations?status=open") == []
    town.answer("olga", task, CLEARED)


def test_work_by_hand_outside_a_reconciliation_is_refused_and_kept(town: Town) -> None:
    number = town.batch()
    town.task(number, "ask")
    late = {
        "happened_at": "2026-01-01T00:00:00Z",
        "performer": "olga",
        "checker": "otto",
        "reason": "no power",
    }
    body = {"path": "Bench", "unit": "IM-01", "action": "image", "results": {"volume": "5 mL"}, "late": late}
    town.post("sam", f"/batches/{number}/work-by-hand", {**body, "unit": "BR-01"}, status=422)
    refused = town.post("sam", f"/batches/{number}/work-by-hand", body, status=409)
    assert "while 'Bench' is reconciled" in refused.json()["detail"]
    entry = town.record(number)[-1]
    assert (entry["kind"], entry["body"]["what"]) == ("refused", "work by hand")


def test_the_record_comes_in_pages_without_a_gap(town: Town) -> None:
    number = town.batch()
    town.clear(number)
    whole, cursor, seen = town.record(number), "", []
    while cursor is not None:
        page = town.get("sam", f"/batches/{number}/record?limit=3&cursor={cursor}")
        seen += page["items"]
        cursor = page["next"]
    assert len(whole) > 6
    assert [entry["leaf_hash"] for entry in seen[: len(whole)]] == [entry["leaf_hash"] for entry in whole]
    assert [entry["number"] for entry in seen] == list(range(1, len(seen) + 1))
    assert all(
        after["previous"] == before["leaf_hash"] for before, after in zip(whole, whole[1:], strict=False)
    )


def test_the_list_of_batches_comes_in_pages(town: Town) -> None:
    made = [town.batch(start=False) for _ in range(3)]
    first = town.get("pat", "/batches?limit=2")
    rest = town.get("pat", f"/batches?limit=500&cursor={first['next']}")
    numbers = [batch["number"] for batch in first["items"] + rest["items"]]
    assert numbers == sorted(numbers)
    assert set(made) < set(numbers)
    assert rest["next"] is None
    assert {b["state"] for b in town.get("pat", "/batches?state=Idle&limit=500")["items"]} == {"Idle"}


def test_a_recipe_is_approved_by_another_person_and_superseded_by_the_next(town: Town) -> None:
    text = BENCH.replace("recipe: bench", "recipe: bench-two")
    town.post("quinn", "/recipes", {"text": text}, status=201)
    own = town.post("quinn", "/recipes/bench-two/1/approval", status=403).json()
    assert own["detail"] == "The person who submitted a recipe cannot approve it; ask a second person."
    assert "approved" in town.post("sam", "/batches", {"recipe": "bench-two"}, status=404).json()["detail"]
    town.post("anna", "/people", status=422)
    other = text.replace("version: 1\ntitle", "version: 2\ntitle")
    town.post("erik", "/recipes", {"text": other}, status=201)
    town.post("quinn", "/recipes/bench-two/2/approval", status=200)
    assert town.get("pat", "/recipes/bench-two")["version"] == 2
    third = text.replace("version: 1\ntitle", "version: 3\ntitle")
    town.post("erik", "/recipes", {"text": third}, status=201)
    town.post("quinn", "/recipes/bench-two/3/approval", status=200)
    status = {
        r["version"]: r["status"] for r in town.get("pat", "/recipes")["items"] if r["recipe"] == "bench-two"
    }
    assert status == {1: "submitted", 2: "superseded", 3: "approved"}
    town.post("quinn", "/recipes/bench-two/3/withdrawal", {"reason": "an error in it"}, status=200)
    assert (
        "withdrawn"
        in town.post("sam", "/batches", {"recipe": "bench-two", "version": 3}, status=409).json()["detail"]
    )


def test_a_broken_recipe_is_refused_with_every_finding(town: Town) -> None:
    broken = BENCH.replace("action: image", "action: sing").replace("recipe: bench", "recipe: broken")
    checked = town.post("erik", "/recipes/check", {"text": broken}).json()
    refused = town.post("erik", "/recipes", {"text": broken}, status=422).json()
    assert checked["ok"] is False
    assert [f["sentence"] for f in refused["findings"]] == [f["sentence"] for f in checked["findings"]]
    assert refused["type"] == "urn:kweek:problem:recipe"
    unread = town.post("erik", "/recipes", {"text": "recipe: [unclosed"}, status=422).json()
    assert unread["findings"][0]["rule"] == "yaml"
    assert town.post("erik", "/recipes/check", {"text": BENCH}).json() == {"ok": True, "findings": []}


def test_a_lot_is_used_only_when_quality_assurance_has_released_it(town: Town) -> None:
    lot = town.lot(release=False)
    assert town.get("sam", f"/lots/{lot}")["status"] == "quarantine"
    decision = {"decision": "release", "reason": "certificate seen", "password": SECRET}
    town.post("olga", f"/lots/{lot}/decision", decision, status=403)
    town.post("quinn", f"/lots/{lot}/decision", {**decision, "password": "not mine at all"}, status=401)
    town.post("quentin", f"/lots/{lot}/decision", decision, status=200)
    entry = town.run(town.house.site.entries(f"lot/{lot}"))[-1].content()
    assert str(entry["signature"]).startswith("Quentin Person (quentin), qp, released, 2")
    town.post("quinn", f"/lots/{lot}/decision", {**decision, "decision": "accept"}, status=409)
    town.post("quinn", f"/lots/{lot}/decision", {**decision, "decision": "reject"}, status=200)
    assert town.get("sam", f"/lots/{lot}")["status"] == "rejected"
    town.get("sam", "/lots/L-99-00001", status=404)
    town.get("sam", "/lots/L-99-00001/genealogy", status=404)


def test_equipment_tells_its_state_and_that_a_device_is_absent(town: Town) -> None:
    units = {unit["id"]: unit for unit in town.get("pat", "/equipment")["items"]}
    assert units["BR-01"]["tags"]["temperature"] == "degC"
    absent = town.get("pat", "/equipment/BR-01/readings/temperature", status=503)
    assert absent["type"] == "urn:kweek:problem:device-unreachable"
    town.get("pat", "/equipment/BR-01/readings/mood", status=404)
    town.get("pat", "/equipment/XX-01", status=404)


def test_a_unit_is_cleaned_by_two(town: Town) -> None:
    body = {"method": "wiped with alcohol", "verifier": "otto", "verifier_password": SECRET}
    town.post("olga", "/equipment/SC-01/cleanings", {**body, "verifier": "olga"}, status=403)
    town.post("olga", "/equipment/SC-01/cleanings", {**body, "verifier_password": "x"}, status=401)
    town.post("olga", "/equipment/SC-01/cleanings", {**body, "verifier": "pat"}, status=403)
    town.post("olga", "/equipment/SC-01/cleanings", body)
    town.post("olga", "/equipment/XX-01/cleanings", body, status=404)
