"""Nothing is open without sign-in, and no role may do what is not its own: both over the whole document."""

from typing import Any

import pytest

from batches.commands import AUTHORITY
from batches.states import COMMANDS, Command
from orchestrator.api.gate import OPEN, OWN_RULE
from orchestrator.person import ROLES
from tests.orchestrator.api.town import CREW, SECRET, Town

SIGNED_IN = CREW | {"anna": "admin"}
NOBODY: dict[str, Any] = {}
EVERYBODY = frozenset(ROLES)
WORKERS = EVERYBODY - {"admin", "planner"}
LATE = {"happened_at": "2026-01-01T00:00:00Z", "performer": "olga", "checker": "otto", "reason": "no power"}

MATRIX: dict[str, tuple[frozenset[str], dict[str, Any]]] = {
    "change_my_password": (EVERYBODY, {"old_password": SECRET, "new_password": SECRET}),
    "acknowledge_policy": (EVERYBODY, {"policy": 1}),
    "add_person": (frozenset({"admin"}), {
        "user_name": "x", "full_name": "X Y", "roles": [], "password": "short", "identity_check": "seen",
    }),
    "set_roles": (frozenset({"admin"}), {"roles": []}),
    "reset_password": (frozenset({"admin"}), {"password": "short"}),
    "person_leaves": (frozenset({"admin"}), NOBODY),
    "qualify_person": (frozenset({"qa", "supervisor"}), {
        "recipe": "*", "until": "2001-01-01T00:00:00Z", "evidence": "x",
    }),
    "withdraw_qualification": (frozenset({"qa", "supervisor"}), {"reason": "x"}),
    "check_recipe": (EVERYBODY, {"text": "recipe: x"}),
    "submit_recipe": (frozenset({"engineer", "supervisor", "qa"}), {"text": "recipe: x"}),
    "approve_recipe": (frozenset({"qa"}), NOBODY),
    "withdraw_recipe": (frozenset({"qa"}), {"reason": "an error"}),
    "create_batch": (frozenset({"supervisor", "planner", "operator"}), {"recipe": "nothing"}),
    "request_departure": (frozenset({"operator", "supervisor", "qa"}), {"change": {"kind": "nothing"}, "reason": "x"}),
    "decide_departure": (frozenset({"operator", "supervisor", "qa", "qp"}), {"approve": False}),
    "correct_entry": (WORKERS, {"entry": 9999, "new": "x", "reason": "x"}),
    "add_note": (WORKERS, {"text": "x"}),
    "record_work_by_hand": (frozenset({"operator", "supervisor"}), {
        "path": "nothing", "unit": "IM-01", "action": "image", "late": LATE,
    }),
    "close_deviation": (frozenset({"qa", "qp"}), {"conclusion": "harmless"}),
    "answer_task": (frozenset({"operator", "supervisor"}), {"answer": {}}),
    "receive_lot": (frozenset({"logistics", "operator", "supervisor", "qa"}), {
        "material": "nothing", "quantity": "1 mL", "supplier_lot": "S",
    }),
    "decide_lot": (frozenset({"qa", "qp"}), {"decision": "release", "reason": "x", "password": SECRET}),
    "acknowledge_alarm": (frozenset({"operator", "supervisor"}), {"alarm": "none", "reason": "x"}),
    "reset_alarm": (frozenset({"operator", "supervisor"}), {"alarm": "none", "reason": "x"}),
    "shelve_alarm": (frozenset({"operator", "supervisor"}), {
        "alarm": "none", "reason": "x", "until": "2001-01-01T00:00:00Z",
    }),
    "unshelve_alarm": (frozenset({"operator", "supervisor"}), {"alarm": "none", "reason": "x"}),
    "clean_unit": (frozenset({"operator", "supervisor"}), {
        "method": "wiped", "verifier": "otto", "verifier_password": SECRET,
    }),
}  # fmt: skip
"""Who may, and a body that gets no further than the question whether they may, or does no harm."""
OWN_WORK = {("decide_departure", "olga"), ("clean_unit", "otto")}
"""Here the person is the first of two, and would be the second."""
NOT_HERE = {"sign_in", "sign_out", "command_batch"}


def operations(town: Town) -> list[tuple[str, str, str]]:
    """Every path, method and operation id of the document."""
    document = town.get("anna", "/openapi.json")
    return [
        (path, method.upper(), operation["operationId"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def filled(path: str, number: str = "B-99-0001", task: str = "") -> str:
    """The path with its parameters filled in."""
    given = {
        "number": number, "task": task or f"{number}-T0001", "name": "bench", "version": "9", "unit": "SC-01",
        "tag": "temperature", "departure": "C-1", "deviation": "D-1",
        "qualification": "Q-1",
    }  # fmt: skip
    return path.format(**given)


def test_nothing_is_open_without_sign_in(town: Town) -> None:
    found = operations(town)
    assert len(found) > 40
    for path, method, _ in found:
        if (method, path) in OPEN or (method, path) in OWN_RULE:
            continue
        for headers in (
            {},
            {"Authorization": "Bearer nonsense"},
            {"Authorization": "Basic YTpi"},
            {"Cookie": "__Host-kweek=x"},
        ):
            answer = town.run(town.client.request(method, filled(path), headers=headers))
            assert (method, path, answer.status_code) == (method, path, 401)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.headers["Content-Type"] == "application/problem+json"


def test_what_is_open_is_known_by_name() -> None:
    assert {("GET", "/healthz"), ("GET", "/metrics"), ("POST", "/api/v1/sign-in")} == OPEN | OWN_RULE


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/redoc", "/openapi.json", "/api/v1/openapi.json", "/api/v1/nothing", "/metricsx"]
)
def test_what_does_not_exist_is_closed_too(town: Town, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"):
        assert town.run(town.client.request(method, path)).status_code == 401


def test_every_operation_declares_its_security(town: Town) -> None:
    document = town.get("anna", "/openapi.json")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            closed = (method.upper(), path) not in OPEN | OWN_RULE
            assert (path, bool(operation.get("security"))) == (path, closed)


def test_every_acting_operation_is_in_the_matrix(town: Town) -> None:
    acting = {operation for _, method, operation in operations(town) if method != "GET"}
    assert acting == MATRIX.keys() | NOT_HERE


def test_each_role_may_do_what_is_its_own_and_nothing_else(town: Town) -> None:
    number = town.batch()
    task = town.task(number, "ask")["id"]
    ask = {"change": {"kind": "formula", "name": "share", "value": "60 %"}, "reason": "cells are slow"}
    for path, _, operation in operations(town):
        if operation not in MATRIX:
            continue
        allowed, body = MATRIX[operation]
        for who, role in SIGNED_IN.items():
            target = filled(path, number, task)
            if operation == "decide_departure":
                departure = town.post("olga", f"/batches/{number}/departures", ask, status=201).json()[
                    "departure"
                ]
                target = target.replace("C-1", departure)
            if (operation, who) in OWN_WORK:
                continue
            if operation == "change_my_password":
                continue  # ends the sign-in: test_sign_in.py
            answer = town.post(who, target.removeprefix("/api/v1"), body)
            assert answer.status_code < 500
            assert (operation, role, answer.status_code == 403) == (operation, role, role not in allowed), (
                answer.text
            )


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_roles(town: Town, command: Command) -> None:
    number = town.batch(start=False)
    for who, role in SIGNED_IN.items():
        if command in ("start", "abort") and role in AUTHORITY[command]:
            continue  # would change the state for the others: test_batches.py
        answer = town.post(who, f"/batches/{number}/commands", {"command": command, "reason": "to see"})
        assert (role, answer.status_code) == (role, 409 if role in AUTHORITY[command] else 403)


def test_a_person_acts_in_a_role_they_have(town: Town) -> None:
    refused = town.post("olga", "/batches", {"recipe": "bench"}, role="supervisor")
    assert (refused.status_code, refused.json()["detail"]) == (
        403, "You do not have the role supervisor; yours are operator.",
    )  # fmt: skip
    town.add("wim", "operator", "qa")
    assert town.post("wim", "/batches", {"recipe": "bench"}, role="qa").status_code == 403
    number = town.post("wim", "/batches", {"recipe": "bench"}, status=201).json()["number"]
    assert town.record(number)[0]["actor"]["role"] == "operator"


def test_metrics_are_for_this_machine_and_for_administrators(town: Town) -> None:
    import httpx

    assert "kweek_up 1" in town.run(town.client.get("/metrics")).text
    transport = httpx.ASGITransport(town.client._transport.app, client=("10.0.0.7", 1))  # pyright: ignore[reportAttributeAccessIssue]
    far = httpx.AsyncClient(transport=transport, base_url="http://kweek")
    for who, status in (("", 403), ("olga", 403), ("anna", 200)):
        assert town.run(far.get("/metrics", headers=town.bearer(who))).status_code == status
    assert town.run(far.get("/healthz")).json()["ok"] is True
    town.run(far.aclose())


def test_an_administrator_signs_nothing(town: Town) -> None:
    number = town.batch()
    town.clear(number)
    town.image(number)
    task = town.task(number, "decide")["id"]
    refused = town.answer("anna", task, {"choice": "go"}, signature={"password": SECRET}, status=403)
    assert "administrator cannot sign" in refused.json()["detail"]
