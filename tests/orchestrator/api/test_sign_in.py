import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from batches.entries import SYSTEM
from batches.errors import BadInput, NotPermitted, Refused
from orchestrator.clock import RealClock
from orchestrator.people import NewPerson
from orchestrator.sign_ins import IDLE, LONGEST, LONGEST_DELAY, delay
from tests.orchestrator.api.town import FIRST, SECRET, Town

WRONG = "The user name or the password is wrong; try again."


@pytest.fixture
def small(new_town: Town) -> Town:
    """A site with an administrator and an operator."""
    new_town.run(new_town.house.people.add_first("anna", "Anna Admin", SECRET))
    new_town.sign_in("anna")
    new_town.add("olga", "operator")
    return new_town


def passes(town: Town, time: timedelta) -> None:
    """Real time goes on; process time does not matter here."""
    now = town.house.people.sign_ins.now() + time
    town.house.people.sign_ins.now = lambda: now


def kinds(town: Town, who: str) -> list[str]:
    person = town.house.people.find(who)
    return [entry.kind for entry in town.run(town.house.site.entries(f"person/{person.id}"))]


def test_a_wrong_name_and_a_wrong_password_sound_the_same(small: Town) -> None:
    for who, password in (("olga", "not my password"), ("nobody", SECRET), ("OLGA", "x")):
        found = small.sign_in(who, password)
        assert (found.status_code, found.json()["detail"]) == (401, WRONG)
    assert small.sign_in("Olga").status_code == 200
    assert kinds(small, "olga")[-3:] == ["sign_in_failed", "sign_in_failed", "signed_in"]


def test_an_unknown_name_takes_as_long_as_a_wrong_password(new_town: Town) -> None:
    checked: list[str | None] = []
    passwords = new_town.house.people._passwords
    real = passwords._hash.verify_and_update

    def watched(password: str, kept: str) -> tuple[bool, str | None]:
        checked.append(kept)
        return real(password, kept)

    passwords._hash.verify_and_update = watched  # pyright: ignore[reportAttributeAccessIssue]  the real check, counted
    assert new_town.sign_in("nobody", "whatever it is").status_code == 401
    assert len(checked) == 1
    assert str(checked[0]).startswith("$argon2id$")


def test_after_some_failures_each_one_doubles_the_wait(small: Town) -> None:
    passes(small, timedelta(0))
    for _ in range(3):
        assert small.sign_in("olga", "wrong").status_code == 401
    waiting = small.sign_in("olga")
    assert (waiting.status_code, waiting.headers["Retry-After"]) == (429, "3")
    passes(small, timedelta(seconds=2))
    assert small.sign_in("olga", "wrong").status_code == 401
    passes(small, timedelta(seconds=3))
    assert small.sign_in("olga").status_code == 429
    passes(small, timedelta(seconds=1))
    assert small.sign_in("olga").status_code == 200
    assert small.sign_in("olga", "wrong").status_code == 401
    assert small.sign_in("olga").status_code == 200


def test_the_wait_grows_to_an_end_and_survives_a_restart(small: Town) -> None:
    assert [delay(n).total_seconds() for n in (0, 2, 3, 4, 5, 11)] == [0, 0, 2, 4, 8, 512]
    assert delay(1000) == LONGEST_DELAY
    for _ in range(3):
        small.sign_in("olga", "wrong")
    small.close()
    small.open()
    assert small.sign_in("olga").status_code == 429
    passes(small, LONGEST_DELAY)
    assert small.sign_in("olga").status_code == 200


def test_wrong_passwords_when_signing_count_too(small: Town) -> None:
    small.add("quinn", "qa")
    passes(small, timedelta(0))
    decision = {"decision": "release", "reason": "seen", "password": "wrong"}
    for _ in range(3):
        assert small.post("quinn", "/lots/L-1/decision", decision).status_code == 401
    assert small.post("quinn", "/lots/L-1/decision", {**decision, "password": SECRET}).status_code == 429
    failed = small.run(small.house.site.entries(f"person/{small.house.people.find('quinn').id}"))[-1]
    assert failed.content() == {"source": "127.0.0.1", "what": "signature", "in_a_row": 3}


def test_a_sign_in_ends_when_it_is_not_used(small: Town) -> None:
    passes(small, IDLE - timedelta(seconds=1))
    small.get("olga", "/me")
    passes(small, IDLE - timedelta(seconds=1))
    small.get("olga", "/me")
    passes(small, IDLE + timedelta(seconds=1))
    assert "sign in again" in small.get("olga", "/me", status=401)["detail"]


def test_a_sign_in_ends_after_a_shift_however_busy(small: Town) -> None:
    for _ in range(int(LONGEST / timedelta(minutes=10)) - 1):
        passes(small, timedelta(minutes=10))
        small.get("olga", "/me")
    passes(small, timedelta(minutes=10))
    small.get("olga", "/me", status=401)


def test_a_sign_in_survives_a_restart_and_a_sign_out_too(small: Town) -> None:
    small.get("olga", "/me")
    small.close()
    small.open()
    assert small.get("olga", "/me")["user_name"] == "olga"
    other = small.tokens["olga"]
    small.sign_in("olga")
    small.post("olga", "/sign-out", status=200)
    small.get("olga", "/me", status=401)
    small.tokens["olga"] = other
    small.get("olga", "/me")
    small.post("olga", "/sign-out", status=200)
    small.close()
    small.open()
    small.get("olga", "/me", status=401)
    assert kinds(small, "olga")[-2:] == ["signed_out", "signed_out"]


def test_the_use_of_a_sign_in_is_known_after_a_restart(small: Town) -> None:
    passes(small, IDLE - timedelta(seconds=1))
    small.get("olga", "/me")
    later = small.house.people.sign_ins.now() + IDLE - timedelta(seconds=1)
    small.run(asyncio.sleep(0.1))
    small.close()
    small.open()
    small.house.people.sign_ins.now = lambda: later
    small.get("olga", "/me")


def test_a_given_password_opens_nothing_but_its_own_change(new_town: Town) -> None:
    new_town.run(new_town.house.people.add_first("anna", "Anna Admin", SECRET))
    new_town.sign_in("anna")
    body = {
        "user_name": "olga", "full_name": "Olga Person", "roles": ["operator"], "password": FIRST,
        "identity_check": "passport seen",
    }  # fmt: skip
    new_town.post("anna", "/people", body, status=201)
    assert new_town.sign_in("olga", FIRST).json()["person"]["must_change_password"] is True
    assert "change it first" in new_town.get("olga", "/batches", status=403)["detail"]
    new_town.get("olga", "/me")
    change = {"old_password": FIRST, "new_password": "x"}
    assert new_town.post("olga", "/me/password", change).status_code == 422
    new_town.post("olga", "/me/password", {**change, "new_password": SECRET}, status=200)
    new_town.get("olga", "/me", status=401)
    new_town.sign_in("olga")
    new_town.get("olga", "/batches")


def test_an_administrators_reset_cannot_lead_to_a_signature(small: Town) -> None:
    small.post("anna", "/people/olga/password", {"password": "given by the office again"}, status=200)
    small.get("olga", "/me", status=401)
    small.sign_in("olga", "given by the office again")
    person = small.house.people.find("olga")
    signing = small.house.people.sign(person, "given by the office again", "operator", "performed", "here")
    with pytest.raises(NotPermitted, match="set by somebody else"):
        small.run(signing)
    small.post("anna", "/people/anna/password", {"password": "my own is not reset so"}, status=403)


def test_nobody_signs_before_having_acknowledged_the_policy(new_town: Town) -> None:
    new_town.run(new_town.house.people.add_first("anna", "Anna Admin", SECRET))
    new_town.sign_in("anna")
    body = {
        "user_name": "quinn",
        "full_name": "Quinn Q",
        "roles": ["qa"],
        "password": FIRST,
        "identity_check": "seen",
    }
    new_town.post("anna", "/people", body, status=201)
    new_town.sign_in("quinn", FIRST, new_password=SECRET)
    decision = {"decision": "release", "reason": "seen", "password": SECRET}
    assert "policy" in new_town.post("quinn", "/lots/L-1/decision", decision, status=403).json()["detail"]
    assert new_town.post("quinn", "/me/policy", {"policy": 2}, status=409).status_code == 409
    new_town.post("quinn", "/me/policy", {"policy": 1}, status=200)
    assert new_town.get("quinn", "/me")["policy"]["acknowledged"] is True
    new_town.post("quinn", "/lots/L-1/decision", decision, status=404)


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("too short", "12 to 200"),
        ("x" * 201, "200"),
        ("aaaaaaaaaaaaa", "guessed"),
        ("password1234", "guessed"),
        ("anna is my name", "guessed"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused(new_town: Town, password: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        new_town.run(new_town.house.people.add_first("anna", "Anna Admin", password))
    new_town.run(new_town.house.people.add_first("anna", "Anna Admin", SECRET))


def test_no_secret_and_no_name_lies_where_it_should_not(small: Town) -> None:
    small.post("anna", "/people/olga/password", {"password": "a secret of the office"}, status=200)
    token = small.tokens["anna"]
    small.close()
    found = {path: path.read_bytes() for path in Path(small.settings.folder).iterdir() if path.is_file()}
    for path, data in found.items():
        for secret in (token, SECRET, FIRST, "a secret of the office"):
            assert secret.encode() not in data, path
        if "-people" not in path.name:
            assert b"Olga Person" not in data, path
            assert b"argon2" not in data, path
    small.open()


def test_a_browser_is_known_by_its_cookie_and_only_from_our_own_pages(small: Town) -> None:
    answer = small.sign_in("olga", cookie=True)
    cookie = answer.headers["Set-Cookie"]
    assert answer.json()["token"] == ""
    assert cookie.startswith("__Host-kweek=")
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    small.client.cookies.clear()
    sent = {"Cookie": cookie.split(";")[0], "Idempotency-Key": "one"}

    def note(**headers: str) -> httpx.Response:
        return small.run(
            small.client.post("/api/v1/batches/B-1/notes", json={"text": "x"}, headers={**sent, **headers})
        )

    assert small.run(small.client.get("/api/v1/me", headers=sent)).status_code == 200
    assert note(Origin="http://kweek").status_code == 404
    assert note(Origin="http://elsewhere").status_code == 403
    assert note(Origin="null").status_code == 403
    assert note(**{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert note(**{"Sec-Fetch-Site": "same-origin"}).status_code == 404


def test_many_sign_ins_at_once_do_not_stop_the_site(small: Town) -> None:
    async def rush() -> list[int]:
        body = {"user_name": "olga", "password": SECRET}
        found = await asyncio.gather(*(small.client.post("/api/v1/sign-in", json=body) for _ in range(30)))
        return [each.status_code for each in found]

    assert small.run(rush()) == [200] * 30


def test_many_guesses_at_once_do_not_slip_past_the_wait(small: Town) -> None:
    async def guess() -> list[int]:
        bodies = [{"user_name": "olga", "password": f"guess number {n}"} for n in range(12)]
        found = await asyncio.gather(*(small.client.post("/api/v1/sign-in", json=body) for body in bodies))
        return sorted(each.status_code for each in found)

    passes(small, timedelta(0))
    assert small.run(guess()) == [401] * 3 + [429] * 9


def test_an_id_is_not_given_again_when_the_names_are_lost(small: Town) -> None:
    small.close()
    for path in Path(small.settings.folder).glob("*-people.db*"):
        path.unlink()
    small.open()
    people = small.house.people
    with pytest.raises(Refused, match="There are people already"):
        small.run(people.add_first("eve", "Eve Elsewhere", SECRET))
    assert sorted(people.persons) == ["p-0001", "p-0002"]
    assert small.sign_in("anna").status_code == 401
    new = NewPerson("eve", "Eve Elsewhere", ["operator"], SECRET, "passport seen")
    assert small.run(people.add(new, SYSTEM)) == "p-0003"


def test_times_of_a_sign_in_are_real_times(small: Town) -> None:
    ends = datetime.fromisoformat(small.sign_in("olga").json()["ends_at"])
    assert abs(ends - RealClock().now() - LONGEST) < timedelta(seconds=10)
