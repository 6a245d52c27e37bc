"""A request that acts is done once, however often it is sent."""

import asyncio

import pytest

from tests.orchestrator.api.town import SECRET, Town


def test_the_same_key_and_body_act_once_and_are_answered_the_same(town: Town) -> None:
    first = town.post("sam", "/batches", {"recipe": "bench"}, key="make-1", status=201)
    second = town.post("sam", "/batches", {"recipe": "bench"}, key="make-1", status=201)
    assert (first.content, first.headers["Content-Type"]) == (second.content, second.headers["Content-Type"])
    assert town.post("sam", "/batches", {"recipe": "bench"}, key="make-2").json() != first.json()
    assert len(town.record(first.json()["number"])) == 1


def test_the_answer_outlives_the_server(new_town: Town) -> None:
    new_town.found()
    new_town.approve()
    first = new_town.post("sam", "/batches", {"recipe": "bench"}, key="make-1", status=201)
    new_town.close()
    new_town.open()
    again = new_town.post("sam", "/batches", {"recipe": "bench"}, key="make-1", status=201)
    assert again.content == first.content
    assert len(new_town.get("sam", "/batches")["items"]) == 1


def test_a_request_sent_ten_times_at_once_acts_once(town: Town) -> None:
    before = len(town.get("sam", "/lots?limit=500")["items"])
    body = {"material": "buffer", "quantity": "5 mL", "supplier_lot": "S-2"}

    async def ten() -> set[tuple[int, bytes]]:
        found = await asyncio.gather(*(town.posting("lou", "/lots", body, key="lot-1") for _ in range(10)))
        return {(each.status_code, each.content) for each in found}

    answers = town.run(ten())
    assert {status for status, _ in answers} == {201}
    assert len(answers) == 1
    assert len(town.get("sam", "/lots?limit=500")["items"]) == before + 1
    assert town.get("sam", "/lots")["items"]  # the engine still works
    assert town.run(town.client.get("/healthz")).json()["ok"] is True


def test_the_same_key_with_another_body_is_refused(town: Town) -> None:
    body = {"material": "buffer", "quantity": "5 mL", "supplier_lot": "S-3"}
    town.post("lou", "/lots", body, key="lot-2", status=201)
    refused = town.post("lou", "/lots", {**body, "quantity": "6 mL"}, key="lot-2", status=422).json()
    assert refused["type"] == "urn:kweek:problem:idempotency-key-reused"
    assert refused["detail"] == "The Idempotency-Key 'lot-2' was used for another request; choose a new one."


def test_a_key_belongs_to_one_person_and_one_address(town: Town) -> None:
    body = {"material": "buffer", "quantity": "5 mL", "supplier_lot": "S-4"}
    lots = {
        town.post(who, "/lots", body, key="lot-3", status=201).json()["lot"] for who in ("lou", "sam", "olga")
    }
    assert len(lots) == 3
    numbers = [town.batch(start=False) for _ in range(2)]
    for number in numbers:
        town.post("sam", f"/batches/{number}/notes", {"text": "x"}, key="note-1", status=201)
        assert [entry["kind"] for entry in town.record(number)].count("note_added") == 1


def test_a_refusal_is_judged_anew_when_it_is_sent_again(town: Town) -> None:
    number = town.batch(start=False)
    commands = f"/batches/{number}/commands"
    assert (
        "Idle" in town.post("sam", commands, {"command": "pause"}, key="pause-1", status=409).json()["detail"]
    )
    town.post("sam", commands, {"command": "start"}, status=200)
    town.task(number, "ask")
    town.post("sam", commands, {"command": "pause"}, key="pause-1", status=200)


def test_the_password_is_no_part_of_what_is_kept_of_a_request(town: Town) -> None:
    lot = town.lot(release=False)
    body = {"decision": "release", "reason": "seen", "password": SECRET}
    town.post("quinn", f"/lots/{lot}/decision", body, key="decide-1", status=200)
    kept = town.run(asyncio.to_thread(
        town.house.site.engine.store.reply, f"{town.house.people.find('quinn').id} POST /api/v1/lots/{lot}/decision", "decide-1"
    ))  # fmt: skip
    same = town.post("quinn", f"/lots/{lot}/decision", body, key="decide-1", status=200)
    assert kept is not None
    assert kept.body == same.content
    without = {"decision": "release", "reason": "seen"}
    from hashlib import sha256

    from batches.plain import canonical

    assert kept.request_digest == sha256(canonical(without)).hexdigest()


def test_an_act_without_a_key_is_refused(town: Town) -> None:
    answer = town.run(
        town.client.post("/api/v1/batches", json={"recipe": "bench"}, headers=town.bearer("sam"))
    )
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:kweek:problem:idempotency-key-missing")
    assert "such as a UUID" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["x" * 201, "tab\there", "ünïcode"])
def test_a_key_that_cannot_be_kept_is_refused(town: Town, key: str) -> None:
    sent = {**town.bearer("sam"), "Idempotency-Key": key.encode("latin-1")}
    answer = town.run(town.client.post("/api/v1/batches", json={"recipe": "bench"}, headers=sent))
    assert (answer.status_code, "send a UUID" in answer.json()["detail"]) == (422, True)
