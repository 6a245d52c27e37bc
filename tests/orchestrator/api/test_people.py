import pytest

from batches.errors import Refused
from tests.orchestrator.api.town import FIRST, SECRET, Town


def person(name: str, *roles: str) -> dict[str, object]:
    return {
        "user_name": name, "full_name": f"{name.title()} P", "roles": roles, "password": FIRST, "identity_check": "seen",
    }  # fmt: skip


def test_only_the_first_person_is_added_without_an_administrator(new_town: Town) -> None:
    people = new_town.house.people
    assert new_town.run(people.add_first("anna", "Anna Admin", SECRET)) == "p-0001"
    with pytest.raises(Refused, match="There are people already"):
        new_town.run(people.add_first("eve", "Eve", SECRET))
    new_town.close()
    new_town.open()
    with pytest.raises(Refused, match="There are people already"):
        new_town.run(new_town.house.people.add_first("eve", "Eve", SECRET))


def test_a_user_name_is_never_given_again_in_whatever_letters(town: Town) -> None:
    town.add("hugo", "operator")
    assert "never given again" in town.post("anna", "/people", person("Hugo"), status=409).json()["detail"]
    town.post("anna", "/people/hugo/departure", status=200)
    town.get("hugo", "/me", status=401)
    assert town.sign_in("hugo").status_code == 401
    town.post("anna", "/people", person("HUGO"), status=409)
    assert "has left" in town.post("anna", "/people/hugo/departure", status=409).json()["detail"]
    shown = town.get("olga", "/people/hugo")
    assert (shown["left"], shown["roles"]) == (True, [])


def test_roles_act_at_once_and_are_changed_by_who_has_read_them(town: Town) -> None:
    town.add("ivy", "operator")
    reading = town.run(town.client.get("/api/v1/people/ivy", headers=town.bearer("anna")))
    tag = reading.headers["ETag"]
    missing = town.post("anna", "/people/ivy/roles", {"roles": ["qc"]}, status=428).json()
    assert missing["type"] == "urn:kweek:problem:if-match-missing"
    town.sign_in("ivy")
    town.post("anna", "/people/ivy/roles", {"roles": ["qc"]}, status=200, match=tag)
    assert town.get("ivy", "/me")["roles"] == ["qc"]
    assert town.post("ivy", "/batches", {"recipe": "bench"}).status_code == 403
    stale = town.post("anna", "/people/ivy/roles", {"roles": []}, status=412, match=tag).json()
    assert "read it again" in stale["detail"]
    town.close()
    town.open()
    assert town.get("ivy", "/me")["roles"] == ["qc"]


def test_an_administrator_is_nothing_else_and_never_the_last_to_go(town: Town) -> None:
    town.post("anna", "/people", person("max", "admin", "operator"), status=422)
    unknown = town.post("anna", "/people", person("max", "king"), status=422).json()["detail"]
    assert unknown.startswith("There is no role king; the roles are operator, supervisor")
    town.post("anna", "/people/anna/roles", {"roles": []}, status=403, match='"3"')
    assert "last administrator" in town.post("anna", "/people/anna/departure", status=409).json()["detail"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"user_name": "x"}, "2 to 64"), ({"user_name": "with blank"}, "no blanks"), ({"user_name": "tab\tbed"}, "printable"),
        ({"full_name": "  \t "}, "full name"), ({"identity_check": " "}, "identity"), ({"roles": "operator"}, "roles"),
        ({"password": "short"}, "12 to 200"), ({"more": 1}, "'more' is not known here"), ({"user_name": None}, "user_name"),
    ],
)  # fmt: skip
def test_a_person_that_cannot_be_added_so(town: Town, change: dict[str, object], says: str) -> None:
    assert (
        says
        in town.post("anna", "/people", {**person("zoe", "operator"), **change}, status=422).json()["detail"]
    )
    town.get("anna", "/people/zoe", status=404)


def test_people_are_listed_in_pages(town: Town) -> None:
    first = town.get("olga", "/people?limit=2")
    second = town.get("olga", f"/people?limit=500&cursor={first['next']}")
    ids = [each["id"] for each in first["items"] + second["items"]]
    assert ids == sorted(town.house.people.persons)
    assert "password" not in str(second)


def test_the_account_s_history_is_in_the_record(town: Town) -> None:
    identity = town.add("kim", "operator")
    found = town.run(town.house.site.entries(f"person/{identity}"))
    assert [(entry.kind, entry.actor.role) for entry in found] == [
        ("person_added", "admin"), ("password_set", "admin"), ("role_given", "admin"), ("password_set", ""),
        ("signed_in", ""), ("policy_acknowledged", ""),
    ]  # fmt: skip
