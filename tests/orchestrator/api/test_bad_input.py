"""What cannot be taken is refused in one sentence, and nothing is lost by it."""

import pytest

from batches.errors import StoreError
from tests.orchestrator.api.town import BENCH, Town

LOT = {"material": "buffer", "quantity": "5 mL", "supplier_lot": "S-1"}


def raw(town: Town, data: bytes, path: str = "/api/v1/lots", **headers: str) -> tuple[int, str]:
    sent = {"Idempotency-Key": "raw", "Content-Type": "application/json", **town.bearer("lou"), **headers}
    answer = town.run(town.client.post(path, content=data, headers=sent))
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"].endswith(".")
    return answer.status_code, problem["detail"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"not json", "not plain JSON"), (b'{"a": 1', "not plain JSON"), (b"\xff\xfe{}", "not plain JSON"),
        (b'{"a": 1.5}', "has a fraction"), (b'{"a": 1e3}', "has a fraction"), (b'{"a": NaN}', "not finite"),
        (b'{"a": -Infinity}', "not finite"), (b'{"a": 1, "a": 2}', "twice"), (b'{"\xc3\xbc": 1}', "ASCII"),
        (b'{"a": 9007199254740993}', "2^53"), (b'{"a": "\\u0000"}', "NUL"), (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": "e\\u0301"}', "NFC"), (b"[" * 100 + b"]" * 100, "nested"), (b"[" * 100_000, "JSON"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_plain_json(town: Town, data: bytes, says: str) -> None:
    status, detail = raw(town, data)
    assert (status, says in detail) == (400, True), detail


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"quantity": "5"}, "different things"), ({"quantity": "5 smoots"}, "smoots"), ({"quantity": "NaN mL"}, "NaN"),
        ({"quantity": 5}, "quantity"), ({"quantity": {"value": "5"}}, "quantity"), ({"quantity": "-5 mL"}, "above zero"),
        ({"quantity": "5 degC"}, "degC"), ({"quantity": {"value": 5, "unit": "mL"}}, "value"),
        ({"quantity": "1e999999999 mL"}, "beyond any plausible size"), ({"quantity": "5 mL " + "x" * 200}, "128"),
        ({"expires": "tomorrow"}, "expires"), ({"expires": "2026-01-01T00:00:00"}, "expires"),
        ({"expires": "0001-01-01T00:00:00+14:00"}, "1900 and 2200"), ({"expires": 1e300}, "fraction"),
        ({"identity": "KWX"}, "chain-of-identity number"), ({"identity": "KWDEMO1260000014"}, "chain of identity"), ({"supplier_lot": ""}, "supplier_lot"), ({"supplier_lot": " "}, "supplier"),
        ({"colour": "red"}, "'colour' is not known here"), ({"material": None}, "material"), ({"material": "x" * 201}, "200"),
    ],
)  # fmt: skip
def test_a_lot_that_cannot_be_received_so(town: Town, change: dict[str, object], says: str) -> None:
    answer = town.post("lou", "/lots", {**LOT, **change})
    assert answer.status_code in (400, 422), answer.text
    assert says in answer.json()["detail"]


PERSONAL = (
    "Jan Jansen", "JANSEN", "jan.jansen@example.org", "1980-03-12", "12031980", "19800312", "123456782", "MRN 0042",
    "kwdemo126000001u", "KWDEMO126000001U", " KWDEMO1260000014", "KW", "KWJANSEN19800312",
)  # fmt: skip


@pytest.mark.parametrize("text", PERSONAL)
def test_what_could_be_a_person_is_no_chain_of_identity_and_stands_nowhere(town: Town, text: str) -> None:
    says = (
        "What was given is not a chain-of-identity number of this site (KW, 13 characters, a check character); scan "
        "or type the one on the label, never a name, an address or a date of birth."
    )
    before = {*town.house.site.lots}, {*town.house.site.batches}
    lot = town.post("lou", "/lots", {**LOT, "identity": text}, status=422)
    assert lot.json()["detail"] == says
    batch = town.post("sam", "/batches", {"recipe": "bench", "identity": text}, status=422)
    assert batch.json()["detail"] == says
    assert ({*town.house.site.lots}, {*town.house.site.batches}) == before


def test_a_recipe_that_not_every_database_can_keep(town: Town) -> None:
    text = BENCH.replace("recipe: bench", "recipe: nul").replace("Nothing much", '"a\\0b"')
    assert "NUL" in town.post("erik", "/recipes", {"text": text}, status=422).json()["detail"]


def test_what_is_missing_is_named(town: Town) -> None:
    assert town.post("lou", "/lots", {}, status=422).json()["detail"] == (
        "'material' is missing. 'quantity' is missing. 'supplier_lot' is missing."
    )
    assert "missing" in town.post("lou", "/lots", None, status=422).json()["detail"]
    assert town.post("lou", "/lots", [], status=422).json()["detail"]
    assert "unknown" in town.post("lou", "/lots", {**LOT, "material": "unknown"}, status=404).json()["detail"]


def test_a_body_that_is_too_large(town: Town) -> None:
    status, detail = raw(town, b'{"text": "' + b"x" * 1_000_001 + b'"}', "/api/v1/recipes")
    assert (status, detail) == (413, "The body is larger than 1000000 bytes; send less.")


def test_an_address_or_method_that_does_not_exist(town: Town) -> None:
    assert town.get("sam", "/nothing", status=404)["type"] == "urn:kweek:problem:not-found"
    assert town.get("sam", "/batches/%00", status=404)["status"] == 404
    answer = town.run(town.client.delete("/api/v1/batches", headers=town.bearer("sam")))
    assert (answer.status_code, answer.json()["detail"]) == (
        405,
        "DELETE is not possible here; see docs/reference/api.md.",
    )


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=" + "x" * 301])
def test_a_page_that_cannot_be(town: Town, query: str) -> None:
    town.get("sam", f"/batches?{query}", status=422)


@pytest.mark.parametrize("cursor", ["zzz", "-1", "%E2%98%83", "9" * 100])
def test_a_cursor_that_is_none(town: Town, cursor: str) -> None:
    number = town.batch(start=False)
    town.get("sam", f"/batches?cursor={cursor}")
    town.get("sam", f"/batches/{number}/record?cursor={cursor}")


@pytest.mark.parametrize(
    "answer",
    [{}, {"values": {}}, {"values": []}, {"values": {"nothing_left": "yes", "cleaned": True, "in_order": True}},
     {"values": {"nothing_left": True, "cleaned": True, "in_order": True, "more": 1}}, {"scan": "x"}, {"values": None}],
)  # fmt: skip
def test_an_answer_that_is_none_is_refused_and_kept(town: Town, answer: dict[str, object]) -> None:
    number = town.batch()
    task = town.task(number, "ask")["id"]
    detail = town.answer("olga", task, answer, status=422).json()["detail"]
    assert task in detail or "'nothing_left' is answered with true or false" in detail
    assert town.record(number)[-1]["kind"] == "refused"
    town.clear(number)


def test_a_stopped_engine_says_so_and_is_read_on(new_town: Town) -> None:
    new_town.found()
    new_town.approve()
    new_town.house.site.engine.broken = (
        "The engine stopped, because the disk is full; free space, then start Kweek again."
    )
    refused = new_town.post("sam", "/batches", {"recipe": "bench"}, status=503).json()
    assert (
        refused["detail"]
        == "The engine stopped, because the disk is full; free space, then start Kweek again."
    )
    health = new_town.run(new_town.client.get("/healthz"))
    assert (health.status_code, health.json()["problem"]) == (503, refused["detail"])
    assert "kweek_up 0" in new_town.run(new_town.client.get("/metrics")).text
    assert new_town.get("pat", "/recipes")["items"][0]["status"] == "approved"
    assert new_town.sign_in("sam").status_code == 503


def test_while_the_disk_is_far_behind_requests_are_refused_and_nothing_is_lost(
    new_town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_town.found()
    new_town.approve()
    engine = new_town.house.site.engine
    monkeypatch.setattr(engine.store, "pending", lambda: 5_000)
    refused = new_town.post("sam", "/batches", {"recipe": "bench"}, status=503)
    assert (refused.headers["retry-after"], refused.json()["type"], refused.json()["detail"]) == (
        "1",
        "urn:kweek:problem:busy",
        "5000 commits wait for the disk; nothing of this request was begun, send it again in a moment.",
    )
    assert (engine.broken, [*engine.batches], new_town.get("sam", "/batches")["items"]) == ("", [], [])
    monkeypatch.undo()
    number = new_town.batch()
    assert [*engine.batches] == [number]
    new_town.clear(number)


def test_a_stopped_engine_tells_why_before_anything_of_the_database_fails(new_town: Town) -> None:
    new_town.found()
    engine = new_town.house.site.engine
    engine.broken = "The engine stopped: the database is gone; start it, then start Kweek again."

    def gone(token: str) -> object:
        raise StoreError("The people cannot be read.")

    new_town.house.people.signed_in = gone  # pyright: ignore[reportAttributeAccessIssue]  # a database that is gone
    for answer in (
        new_town.run(new_town.client.get("/api/v1/batches", headers={"Authorization": "Bearer x"})),
        new_town.run(new_town.client.post("/api/v1/batches", json={})),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (503, engine.broken)
