"""Whatever values people send where plain JSON is free, the engine goes on."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.orchestrator.api.town import SECRET, Town

NAMES = [
    "Bench/Work/clear_line",
    "Bench/Work/perform",
    "Bench/Work/decided",
    "Bench",
    "",
    "share",
    "area",
    "decided",
]
LATE = {"happened_at": "2026-01-01T00:00:00Z", "performer": "olga", "checker": "otto", "reason": "no power"}

quantities = st.fixed_dictionaries(
    {
        "value": st.sampled_from(["1", "60", "x", "NaN", "1e400"]),
        "unit": st.sampled_from(["%", "mL", "", "zz"]),
    }
)
fired = st.fixed_dictionaries({"fired": st.none() | st.integers(0, 2), "reply": st.none()})
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(NAMES)
    | st.text(max_size=6)
    | quantities
    | fired
)
keys = st.sampled_from(
    ["decide@1", "perform@1", "as", "hold", "safe", "question", "options", "path", "values"]
)
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=2) | st.dictionaries(keys, v, max_size=4), max_leaves=6
)
objects = st.dictionaries(keys, values, max_size=4)
changes = st.fixed_dictionaries(
    {"kind": st.sampled_from(["skip", "repeat", "add", "parameter", "formula"]) | values},
    optional={
        name: st.sampled_from(NAMES) | values
        for name in ("path", "after", "phase", "name", "value", "values")
    },
)
answers = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("scan", "choice", "values", "confirmed", "verified", "text", "reason"), values),
)


@pytest.fixture(scope="module")
def numbers(town: Town) -> list[str]:
    """Batches that wait for a check, a scan and a decision."""
    found = [town.batch() for _ in range(3)]
    for number in found[1:]:
        town.clear(number)
    town.image(found[2])
    return found


@settings(max_examples=120, derandomize=True, deadline=None, database=None)
@given(st.data())
def test_no_value_stops_the_engine(town: Town, numbers: list[str], data: st.DataObject) -> None:
    number = data.draw(st.sampled_from(numbers))
    who, path, body = data.draw(st.one_of(*requests(town, number)))
    answer = town.post(who, path, body)
    assert answer.status_code < 500, answer.text
    if path.endswith("/departures") and answer.status_code == 201:
        decision = f"{path}/{answer.json()['departure']}/decision"
        assert town.post("quinn", decision, {"approve": True, "reason": "seen"}).status_code < 500
    assert town.house.site.engine.broken == ""


def requests(town: Town, number: str) -> list[st.SearchStrategy[tuple[str, str, dict[str, Any]]]]:
    """Requests whose values are free, at a batch."""
    tasks = [task["id"] for task in town.get("sam", f"/batches/{number}")["tasks"]] or [f"{number}-T0001"]
    signature, reason = {"password": SECRET}, "because"
    by_hand = {"path": "Bench", "unit": "IM-01", "action": "image", "late": LATE}
    batch = f"/batches/{number}"
    return [
        st.builds(lambda change: ("olga", f"{batch}/departures", {"change": change, "reason": reason}), changes),
        st.builds(lambda task, given: ("sam", f"/tasks/{task}/answer", {"answer": given, "signature": signature}),
                  st.sampled_from(tasks), answers),
        st.builds(lambda entry, new: ("sam", f"{batch}/corrections", {"entry": entry, "new": new, "reason": reason}),
                  st.integers(-2, 20), values),
        st.builds(lambda given, came: ("sam", f"{batch}/work-by-hand", {**by_hand, "parameters": given, "results": came}),
                  objects, objects),
    ]  # fmt: skip
