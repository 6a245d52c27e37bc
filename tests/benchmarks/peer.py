"""DBOS Transact as a peer, in a process of its own: durable steps that do nothing, on SQLite (WAL) or PostgreSQL."""

import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import sqlalchemy as sa

from orchestrator.store.driver import sqlite


class Peer:
    """A child process with DBOS on an empty database. `pace(workflows, steps)` gives steps per second."""

    def __init__(self, url: str) -> None:
        context = get_context("spawn")
        self._mine, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(url, theirs), daemon=True)
        self._process.start()
        self.version = self._mine.recv()

    def pace(self, workflows: int, steps: int) -> float:
        self._mine.send((workflows, steps))
        return float(self._mine.recv())

    def close(self) -> None:
        self._mine.send(None)
        self._process.join(30)


def _engine(url: str) -> sa.Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(url)
    engine = sa.create_engine(url, module=sqlite)
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode=WAL")).scalar() == "wal"
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2  # FULL
    return engine


def _live(url: str, pipe: Connection) -> None:
    import importlib.metadata

    from dbos import DBOS

    config: Any = {
        "name": "peer", "system_database_url": url, "system_database_engine": _engine(url), "log_level": "WARNING",
        "run_admin_server": False,
    }  # fmt: skip
    DBOS(config=config)

    @DBOS.step()
    def step(number: int) -> dict[str, str]:
        return {"value": "37", "unit": "degC"}

    @DBOS.workflow()
    def flow(count: int) -> None:
        for number in range(count):
            step(number)

    DBOS.launch()
    pipe.send(importlib.metadata.version("dbos"))
    while (asked := pipe.recv()) is not None:
        workflows, steps = asked
        began = time.perf_counter()
        for handle in [DBOS.start_workflow(flow, steps) for _ in range(workflows)]:
            handle.get_result()
        pipe.send(workflows * steps / (time.perf_counter() - began))
    DBOS.destroy()
