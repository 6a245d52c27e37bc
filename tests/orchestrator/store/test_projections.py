"""Projections say what the entries say, and are the same when they are filled anew."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, select

from batches.entries import Actor, Draft, stamp
from orchestrator.store.database import database_at
from orchestrator.store.port import Item
from orchestrator.store.projections import PROJECTIONS
from orchestrator.store.store import DatabaseStore
from orchestrator.store.tables import audit_index, batch_now, lot_edge, metadata, open_task, projection
from tests.orchestrator.store.conftest import Open
from tests.orchestrator.store.records import AT, draft, note, write, write_drafts

NOW = stamp(AT)
TASK = {
    "id": "B-1-T0001",
    "kind": "ask",
    "role": "operator",
    "content": {"text": "Weigh the bag"},
    "people": 2,
    "option": None,
}
TABLES = [audit_index, lot_edge, batch_now, open_task]


def rows(url: str, table: Table) -> Sequence[Any]:
    database = database_at(url, lease_seconds=1.0)
    with database.reader.connect() as connection:
        found = [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
    database.reader.dispose()
    return found


def all_rows(url: str) -> dict[str, Sequence[Any]]:
    return {table.name: rows(url, table) for table in TABLES}


def created(number: str, simulated: bool = False) -> Draft:
    return draft(
        "batch_created", number=number, recipe="cart", recipe_version=3, product="CAR-T", simulated=simulated
    )


def test_the_audit_index_finds_entries_by_time_person_and_batch(opened: Open, url: str) -> None:
    later = AT + timedelta(minutes=1)
    used = Draft("lot_consumed", {"batch": "B-1", "quantity": "5 mL"}, Actor("device", "BR-01"))
    write(opened(), Item([("batch/B-1", note()), ("lot/L-1", used)], AT), Item([("site", note())], later))
    assert rows(url, audit_index) == [
        ("batch/B-1", 1, NOW, "note_added", "p-0007", "B-1"),
        ("lot/L-1", 1, NOW, "lot_consumed", "BR-01", "B-1"),
        ("site", 1, stamp(later), "note_added", "p-0007", None),
    ]


def test_lot_edges_are_the_genealogy(opened: Open, url: str) -> None:
    store = opened()
    write_drafts(store, "lot/L-9", draft("lot_produced", lot="L-9", parents=["L-2", "L-1"], batch="B-1"))
    write_drafts(store, "lot/L-10", draft("lot_produced", lot="L-10", parents=["L-9"], batch="B-1"))
    write_drafts(store, "lot/L-1", draft("lot_received", lot="L-1", parents=[]))
    assert rows(url, lot_edge) == [
        ("L-1", "L-9", "lot/L-9", 1),
        ("L-2", "L-9", "lot/L-9", 1),
        ("L-9", "L-10", "lot/L-10", 1),
    ]


def test_batch_now_follows_the_procedure(opened: Open, url: str) -> None:
    store = opened()
    write_drafts(store, "batch/B-1", created("B-1"))
    write_drafts(store, "batch/B-2", created("B-2", simulated=True))
    assert rows(url, batch_now) == [
        ("B-1", "cart", 3, "CAR-T", "Idle", "", NOW, 0), ("B-2", "cart", 3, "CAR-T", "Idle", "", NOW, 1),
    ]  # fmt: skip
    later = AT + timedelta(hours=1)
    moves = [
        draft("state_changed", path="", **{"from": "Idle", "to": "Running"}),
        draft("phase_started", path="Expansion/Grow/expand"),
        draft("state_changed", path="Expansion", **{"from": "Running", "to": "Holding"}),
    ]
    write(store, Item([("batch/B-1", move) for move in moves], later))
    assert rows(url, batch_now)[0] == (
        "B-1",
        "cart",
        3,
        "CAR-T",
        "Running",
        "Expansion/Grow/expand",
        stamp(later),
        0,
    )


def test_open_tasks_come_and_go(opened: Open, url: str) -> None:
    store = opened()
    other = {**TASK, "id": "B-1-T0002", "kind": "in_doubt", "content": {"question": "What happened?"}}
    write_drafts(
        store, "batch/B-1",
        draft("step_asked", path="Wash/wash", number=1, attempt=1, tasks=[TASK]),
        draft("task_opened", path="Fill/fill", task=other),
    )  # fmt: skip
    both = [
        ("B-1", "B-1-T0001", "ask", "Wash/wash", "operator", "Weigh the bag", 2, NOW, 1),
        ("B-1", "B-1-T0002", "in_doubt", "Fill/fill", "operator", "", 2, NOW, 2),
    ]
    assert rows(url, open_task) == both
    write_drafts(store, "batch/B-1", draft("task_answered", task="B-1-T0002", answer="done", closes=False))
    write_drafts(store, "batch/B-2", draft("step_done", path="Wash/wash"))
    assert rows(url, open_task) == both
    write_drafts(store, "batch/B-1", draft("step_done", path="Wash/wash", number=1, attempt=1))
    assert rows(url, open_task) == both[1:]
    write_drafts(store, "batch/B-1", draft("task_answered", task="B-1-T0002", answer="done", closes=True))
    assert rows(url, open_task) == []


def test_projections_commit_with_their_entries(opened: Open, url: str) -> None:
    write_drafts(opened(), "batch/B-1", created("B-1"), draft("step_asked", path="Wash", tasks=[TASK]))
    assert [len(found) for found in all_rows(url).values()] == [2, 0, 1, 1]


streams = st.sampled_from(["batch/B-1", "batch/B-2", "lot/L-1", "site"])
paths = st.sampled_from(["", "Expansion", "Expansion/Grow"])
names = st.sampled_from(["T1", "T2", "L-1", "L-2", "with \x00 in it", "Löwe"])
tasks = st.fixed_dictionaries(
    {"id": names, "kind": names}, optional={"content": st.none(), "people": st.integers(1, 2)}
)
contents = st.fixed_dictionaries(
    {},
    optional={
        "path": paths, "to": names, "lot": names, "parents": st.lists(names, max_size=2), "task": names | tasks,
        "tasks": st.lists(tasks, max_size=2), "closes": st.booleans(), "batch": names, "simulated": st.booleans(),
    },
)  # fmt: skip
kinds = sorted({"note_added"}.union(*(known.kinds or set() for known in PROJECTIONS)))
drafts = st.lists(
    st.tuples(streams, st.builds(Draft, st.sampled_from(kinds), contents)), min_size=1, max_size=12
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(drafts, min_size=1, max_size=3))
def test_filled_anew_they_are_what_they_were(url: str, batches: list[list[tuple[str, Draft]]]) -> None:
    store = DatabaseStore(url, lease_seconds=1.0)
    write(store, *(Item(batch, AT + timedelta(hours=hour)) for hour, batch in enumerate(batches)))
    store.close()
    before = all_rows(url)
    DatabaseStore(url, lease_seconds=1.0, rebuild=True).close()
    assert all_rows(url) == before


def test_an_outdated_projection_is_filled_at_opening(opened: Open, url: str) -> None:
    store = opened()
    write_drafts(store, "batch/B-1", created("B-1"), draft("step_asked", path="Wash", tasks=[TASK]))
    store.close()
    before = all_rows(url)
    engine = database_at(url, lease_seconds=1.0).owner()
    schema = "kweek" if engine.dialect.name == "postgresql" else None
    with engine.begin() as connection:
        for name in ("open_task", "lot_edge"):
            connection.exec_driver_sql(f"DELETE FROM {f'{schema}.' if schema else ''}{name}")
        connection.exec_driver_sql(
            f"UPDATE {f'{schema}.' if schema else ''}projection SET version = 0 WHERE name = 'open_task'"
        )
    engine.dispose()
    opened().close()
    assert all_rows(url) == before
    assert dict(rows(url, projection)) == {known.name: known.version for known in PROJECTIONS}


def test_every_projection_has_its_table() -> None:
    assert {known.table.name for known in PROJECTIONS} == {table.name for table in TABLES}
    assert {table.name for table in TABLES} < set(metadata.tables)


@pytest.mark.parametrize("known", PROJECTIONS, ids=lambda known: known.name)
def test_an_entry_nobody_looks_at_costs_a_projection_nothing(known: Any) -> None:
    assert known.kinds is None or "note_added" not in known.kinds
