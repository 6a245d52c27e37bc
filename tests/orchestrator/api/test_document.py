"""The OpenAPI document: current, fit for a generated client, and true of what the server does."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok

from orchestrator.api.problems import KINDS
from orchestrator.app import create_app
from tests.conftest import ROOT
from tests.orchestrator.api.town import CREW, Town

COMMITTED = ROOT / "docs/reference/openapi.json"
NOT_FOR_CHANCE = {
    "stream_events",
    "sign_out",
    "sign_in",
    "change_my_password",
    "person_leaves",
    "reset_password",
}
"""A stream has no end; the others would end the sign-ins, or wait after failures. Tested by hand elsewhere."""
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app().openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for item in document["paths"].values() for operation in item.values()]


def test_the_committed_document_is_current(document: dict[str, Any]) -> None:
    assert json.loads(COMMITTED.read_text()) == document, (
        "run: python -m orchestrator.api.document > docs/reference/openapi.json"
    )


def test_every_operation_has_a_name_of_its_own_a_sentence_and_a_tag(document: dict[str, Any]) -> None:
    found = operations(document)
    names = [operation["operationId"] for operation in found]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)+", name) for name in names)
    assert all(operation["description"].endswith(".") and operation["tags"] for operation in found)


def test_every_success_says_what_comes_back(document: dict[str, Any]) -> None:
    for operation in operations(document):
        success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
        assert (operation["operationId"], bool(success["content"])) == (operation["operationId"], True)


def test_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for status in ("4XX", "5XX"):
            assert list(operation["responses"][status]["content"]) == ["application/problem+json"]


def test_whatever_fits_the_document_is_answered_as_it_says(town: Town, document: dict[str, Any]) -> None:
    chance(town, document, 300)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_fits_the_document_is_answered_as_it_says_at_length(
    town: Town, document: dict[str, Any]
) -> None:
    chance(town, document, 10_000)


def chance(town: Town, document: dict[str, Any], examples: int) -> None:
    """Requests at random, most of them at things that exist, each by somebody who is signed in."""
    schema = schemathesis.openapi.from_dict(document)
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    cases = [each.as_strategy() for each in found if each.definition.raw["operationId"] not in NOT_FOR_CHANCE]
    assert len(cases) > 35
    real, seen = things(town), Counter[int]()

    @settings(
        max_examples=examples,
        suppress_health_check=QUIET,
        database=None,
        derandomize=examples < 1000,
    )
    @given(case=st.one_of(cases), who=st.sampled_from([*CREW, "anna"]), place=st.none() | st.integers(0, 5))
    def answered(case: schemathesis.Case, who: str, place: int | None) -> None:
        if place is not None:
            case.path_parameters = {
                name: real[name][place % len(real[name])] for name in case.path_parameters or {}
            }  # fmt: skip
        answer = town.run(sent(town, case, who))
        seen[answer.status_code] += 1
        if answer.status_code not in (502, 503):  # equipment that is not there
            case.validate_response(answer, checks=CHECKS)

    answered()
    assert {200, 403, 404, 409, 422} <= seen.keys()
    assert town.run(town.client.get("/healthz")).json()["ok"] is True


def things(town: Town) -> dict[str, list[str]]:
    """What there is, by the name of the path parameter."""
    numbers = [town.batch() for _ in range(4)]
    tasks = [town.task(number)["id"] for number in numbers[:3]]
    ask = {"change": {"kind": "formula", "name": "share", "value": "60 %"}, "reason": "cells are slow"}
    made = [town.post("olga", f"/batches/{numbers[0]}/departures", ask).json()["departure"] for _ in range(2)]
    town.post("quinn", f"/batches/{numbers[0]}/departures/{made[0]}/decision", {"approve": True}, status=200)
    deviations = [found["id"] for found in town.get("sam", f"/batches/{numbers[0]}/deviations")]
    return {
        "number": [*numbers, town.lot(release=False), town.lot()], "task": tasks, "departure": made, "unit": ["SC-01", "IM-01", "BR-01"],
        "deviation": deviations, "name": ["bench", "olga"], "version": ["1", "2"],
        "qualification": ["Q-none-1"], "tag": ["temperature", "ph"],
    }  # fmt: skip


async def sent(town: Town, case: schemathesis.Case, who: str) -> httpx.Response:
    """A generated request, sent by somebody who is signed in."""
    given = case.as_transport_kwargs(headers=town.bearer(who))
    body: dict[str, Any] = (
        {"json": given["json"]} if "json" in given else {"content": given.get("data") or b""}
    )
    headers = {name: str(value).encode("utf-8", "replace") for name, value in given["headers"].items()}
    return await town.client.request(
        case.method, case.formatted_path, params=given.get("params"), headers=headers, **body
    )


def test_it_is_written_where_the_documentation_says(document: dict[str, Any]) -> None:
    said = Path(ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    missing = [path for path in document["paths"] if f"`{path}`" not in said]
    assert missing == []


def test_every_problem_is_written_there_too() -> None:
    said = Path(ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    assert [name for _, _, name, _ in KINDS if f"`{name}`" not in said] == []
    assert [str(status) for _, status, _, _ in KINDS if str(status) not in said] == []
