"""Projections: tables that answer what the record says now, written in the entry's transaction.

Each projection looks at one stream at a time, so that it can be filled again stream by stream. It never
refuses: what may be recorded was decided before, and what an entry lacks stays empty here.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from sqlalchemy import Table, bindparam, delete, func, literal_column, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT DO NOTHING is SQLite's too

from batches.entries import Entry, stamp
from batches.plain import Plain, PlainDict
from orchestrator.store.database import Transaction
from orchestrator.store.tables import audit_index, batch_now, lot_edge, open_task

BATCH = "batch/"
OF_NO_STEP = ("failed", "in_doubt", "restart", "reconcile", "dispose", "prompt")
"""Kinds of tasks that are opened beside a step."""


def _set(column: str) -> Any:
    return (
        update(batch_now)
        .where(batch_now.c.batch == bindparam("of"))
        .values({column: bindparam("new"), "updated_at": bindparam("at")})
    )


class Projection(Protocol):
    """A table derived from entries. Raise `version` when `apply` changes: the table is then filled anew."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def table(self) -> Table: ...
    @property
    def kinds(self) -> frozenset[str] | None:
        """The kinds of entries it looks at; None: all."""
        ...

    def apply(self, transaction: Transaction, entries: Sequence[Entry]) -> None: ...


class AuditIndex:
    """Where each entry stands by time, person and batch: the audit trail's index."""

    name, version, table, kinds = "audit_index", 1, audit_index, None
    _insert = insert(audit_index).on_conflict_do_nothing()

    def apply(self, transaction: Transaction, entries: Sequence[Entry]) -> None:
        transaction.many(self._insert, [
            (entry.stream, entry.number, stamp(entry.recorded_at), entry.kind, entry.actor.id, _batch_of(entry))
            for entry in entries
        ])  # fmt: skip


class LotEdges:
    """Which lot was made from which."""

    name, version, table = "lot_edge", 1, lot_edge
    kinds = frozenset({"lot_produced"})
    _insert = insert(lot_edge).on_conflict_do_nothing()

    def apply(self, transaction: Transaction, entries: Sequence[Entry]) -> None:
        rows = [
            (parent, _text(body, "lot"), entry.stream, entry.number)
            for entry in entries
            for body in [entry.body or {}]
            for parent in sorted(set(_texts(body.get("parents"))))
        ]
        if rows:
            transaction.many(self._insert, rows)


class BatchNow:
    """Every batch with its state."""

    name, version, table = "batch_now", 1, batch_now
    kinds = frozenset({"batch_created", "state_changed", "phase_started"})
    _insert = insert(batch_now).on_conflict_do_nothing()
    _state = _set("state")
    _phase = _set("phase")

    def apply(self, transaction: Transaction, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._apply(transaction, entry, entry.body or {}, stamp(entry.recorded_at))

    def _apply(self, transaction: Transaction, entry: Entry, body: PlainDict, at: str) -> None:
        batch = entry.stream.removeprefix(BATCH)
        match entry.kind:
            case "batch_created":
                transaction.many(self._insert, [(
                    batch, _text(body, "recipe"), _whole(body, "recipe_version"), _text(body, "product"), "Idle", "",
                    at, int(body.get("simulated") is True),
                )])  # fmt: skip
            case "state_changed" if body.get("path") == "":
                transaction.many(self._state, [(_text(body, "to"), at, batch)])
            case "phase_started":
                transaction.many(self._phase, [(_text(body, "path"), at, batch)])
            case _:
                return


class OpenTasks:
    """What people are asked and have not answered. A step that is done and a phase that is discarded close
    the tasks of the phase; a latched step those it opened; a stop or abort all below it but the disposal."""

    name, version, table = "open_task", 2, open_task
    kinds = frozenset({
        "step_asked", "task_opened", "task_answered", "step_done", "step_latched", "phase_discarded", "state_changed",
    })  # fmt: skip
    _insert = insert(open_task).on_conflict_do_nothing()
    _close = delete(open_task).where(
        open_task.c.batch == bindparam("of"), open_task.c.task == bindparam("what")
    )
    _close_phase = delete(open_task).where(
        open_task.c.batch == bindparam("of"), open_task.c.path == bindparam("at")
    )
    _close_asked = delete(open_task).where(
        open_task.c.batch == bindparam("of"), open_task.c.path == bindparam("at"),
        open_task.c.kind.not_in([literal_column(f"'{kind}'") for kind in OF_NO_STEP]),
    )  # fmt: skip
    _close_restart = delete(open_task).where(
        open_task.c.batch == bindparam("of"), open_task.c.path == bindparam("at"),
        open_task.c.kind == literal_column("'restart'"),
    )  # fmt: skip
    _close_below = delete(open_task).where(
        open_task.c.batch == bindparam("of"),
        func.substr(open_task.c.path + literal_column("'/'"), literal_column("1"), bindparam("long")) == bindparam("at"),
        open_task.c.kind != literal_column("'dispose'"),
    )  # fmt: skip

    def apply(self, transaction: Transaction, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._apply(transaction, entry, entry.body or {})

    def _apply(self, transaction: Transaction, entry: Entry, body: PlainDict) -> None:
        batch, path = entry.stream.removeprefix(BATCH), _text(body, "path")
        match entry.kind:
            case "step_asked":
                self._open(transaction, entry, batch, path, _dicts(body.get("tasks")))
            case "task_opened":
                self._open(transaction, entry, batch, path, _dicts([body.get("task")]))
            case "task_answered" if body.get("closes") is True:
                transaction.many(self._close, [(batch, _text(body, "task"))])
            case "step_done" | "phase_discarded":
                transaction.many(self._close_phase, [(batch, path)])
            case "step_latched":
                transaction.many(self._close_asked, [(batch, path)])
            case "state_changed":
                self._changed(transaction, batch, path, body)
            case _:
                return

    def _changed(self, transaction: Transaction, batch: str, path: str, body: PlainDict) -> None:
        if body.get("from") == "Restarting":
            transaction.many(self._close_restart, [(batch, path)])
        if body.get("to") in ("Stopped", "Aborted"):
            below = f"{path}/" if path else ""
            transaction.many(self._close_below, [(batch, len(below), below)])

    def _open(
        self, transaction: Transaction, entry: Entry, batch: str, path: str, tasks: list[PlainDict]
    ) -> None:
        rows = [
            (
                batch, _text(task, "id"), _text(task, "kind"), path, _text(task, "role"),
                _text(_dict(task.get("content")), "text"), _whole(task, "people"), stamp(entry.recorded_at), entry.number,
            )
            for task in tasks
        ]  # fmt: skip
        if rows:
            transaction.many(self._insert, rows)


PROJECTIONS: tuple[Projection, ...] = (AuditIndex(), LotEdges(), BatchNow(), OpenTasks())


def project(transaction: Transaction, entries: Sequence[Entry]) -> None:
    """Bring every projection up to date with entries that are being committed."""
    for projection in PROJECTIONS:
        kinds = projection.kinds
        wanted = entries if kinds is None else [entry for entry in entries if entry.kind in kinds]
        if wanted:
            projection.apply(transaction, wanted)


def rebuild(transaction: Transaction, projection: Projection, entries: Iterable[Sequence[Entry]]) -> None:
    """Empty a projection's table and fill it from the entries, given in runs, each stream in order."""
    transaction.many(delete(projection.table), [()])
    for run in entries:
        wanted = [entry for entry in run if projection.kinds is None or entry.kind in projection.kinds]
        if wanted:
            projection.apply(transaction, wanted)


def _batch_of(entry: Entry) -> str | None:
    if entry.stream.startswith(BATCH):
        return entry.stream.removeprefix(BATCH)
    return _text(entry.body or {}, "batch") or None


def _text(body: PlainDict, key: str) -> str:
    value = body.get(key)
    return _clean(value) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """The text without the one character that PostgreSQL does not take."""
    return text.replace("\x00", "\ufffd")


def _whole(body: PlainDict, key: str) -> int:
    value = body.get(key)
    return value if isinstance(value, int) else 0


def _texts(value: Plain) -> list[str]:
    return (
        [_clean(part) for part in value if isinstance(part, str)] if isinstance(value, (list, tuple)) else []
    )


def _dict(value: Plain) -> PlainDict:
    return value if isinstance(value, dict) else {}


def _dicts(value: Plain) -> list[PlainDict]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, (list, tuple)) else []
