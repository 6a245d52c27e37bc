"""The whole server killed with SIGKILL while people run batches on the simulated plant, and started again.

    python -m tests.kill.kills [--kills 50] [--seed 4711] [--recipe cart-autologous] [--postgresql]

Batches follow each other until the server was killed often enough. Then the record is compared with what the
plant itself remembers of its commands, and with what the server acknowledged. Exit code 1 if it differs.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from batches.entries import Entry
from batches.ledger import verify_chain
from batches.plain import dict_in, text_in
from batches.record import BatchState, fold
from orchestrator.demo.crew import Crew
from orchestrator.demo.processes import Processes
from orchestrator.demo.view import View
from orchestrator.recipe_files import recipe_text
from orchestrator.store.store import DatabaseStore
from tests.postgres import PostgresServer

LIFE = (0.1, 4.0)
"""How long a server lives between two kills, in seconds of real time."""


@dataclass
class Found:
    """What the record, the plant and the people say of each other after the kills."""

    kills: int = 0
    took: float = 0.0
    batches: list[BatchState] = field(default_factory=list[BatchState])
    entries: int = 0
    acknowledged: int = 0
    commands: int = 0
    in_doubt: int = 0
    lost: list[str] = field(default_factory=list[str])
    repeated: list[str] = field(default_factory=list[str])
    wrong: list[str] = field(default_factory=list[str])

    @property
    def good(self) -> bool:
        return not (self.lost or self.repeated or self.wrong)


async def run(
    folder: Path, recipe: str, kills: int, seed: int, database: Callable[[], str] | None = None
) -> Found:
    """Run batches under a killer, each on a site of its own, and compare. `database`: gives an empty one."""
    draw, found = random.Random(seed), Found()
    while found.kills < kills:
        site = folder / f"site-{len(found.batches) + 1}"
        await asyncio.to_thread(site.mkdir)
        await _batch(found, site, recipe, kills - found.kills, draw, database() if database else "")
    return found


async def _batch(
    found: Found, folder: Path, recipe: str, at_most: int, draw: random.Random, url: str
) -> None:
    began = time.perf_counter()
    async with Processes(folder, url) as processes:
        async with Crew(processes, View(False), draw.randrange(1_000_000)) as crew:
            await crew.prepare(recipe_text(recipe))
            batch = asyncio.ensure_future(crew.run_batch())
            found.kills += await _kill(processes, batch, draw, at_most)
            await batch
        address, acknowledged = processes.environment["KWEEK_DATABASE_URL"], crew.acknowledged
    found.took += time.perf_counter() - began
    await asyncio.to_thread(_compare, found, address, folder, acknowledged)


async def _kill(processes: Processes, batch: "asyncio.Future[str]", draw: random.Random, at_most: int) -> int:
    """Kill and start the server until the batch has ended, or often enough; how often."""
    struck = 0
    while struck < at_most:
        await asyncio.wait([batch], timeout=draw.uniform(*LIFE))
        if batch.done():
            break
        await processes.kill_server()
        await processes.start_server()
        struck += 1
    return struck


def _compare(found: Found, url: str, folder: Path, acknowledged: Sequence[str]) -> None:
    store = DatabaseStore(url, "comparison")
    try:
        records = {name: [*store.read(name)] for name in store.streams("")}
    finally:
        store.close()
    batches = {name: entries for name, entries in records.items() if name.startswith("batch/")}
    found.entries += sum(map(len, records.values()))
    for name, entries in records.items():
        if (problem := verify_chain(entries)) is not None:
            found.wrong.append(f"{name}: {problem}")
    for entries in batches.values():
        ended = fold(entries)
        found.batches.append(ended)
        found.wrong += [f"{ended.number} is {ended.state}"] if ended.state != "Complete" else []
        found.in_doubt += sum(entry.kind == "step_in_doubt" for entry in entries)
    _compare_commands(found, [entry for entries in batches.values() for entry in entries], executed(folder))
    _compare_answers(found, [entry for entries in batches.values() for entry in entries], acknowledged)


def executed(folder: Path) -> "Counter[str]":
    """How often each command was begun, by the plant's own memory and the liquid handlers' logs."""
    runs: set[tuple[str, str, str]] = set()
    for file in folder.glob("**/lads-*.json"):
        for line in file.read_bytes().splitlines():
            entry = json.loads(line)
            runs |= {(entry["unit"], run["run_id"], run["task"]) for run in entry["runs"]}
    counts = Counter(task for _, _, task in runs)
    for file in folder.glob("drivers/**/*"):
        if file.is_file() and (b'"kind":"started"' in file.read_bytes()):
            lines = [json.loads(line) for line in file.read_bytes().splitlines()]
            counts.update(line["command"] for line in lines if line["kind"] == "started")
    return counts


def _compare_commands(found: Found, record: Sequence[Entry], counts: "Counter[str]") -> None:
    asked = {text_in(e.content(), "command"): e for e in record if e.kind == "step_asked"}
    found.commands += sum(counts[command] > 0 for command in asked)
    found.repeated += [
        f"{command} was executed {count} times" for command, count in counts.items() if count > 1
    ]
    safe = {text_in(e.content(), "command") for e in record if e.kind in ("safe_asked", "set_restored")}
    found.wrong += [
        f"{command} was executed and is not in the record" for command in counts.keys() - asked.keys() - safe
    ]
    done = {
        (e.content()["path"], e.content()["number"], e.content()["attempt"])
        for e in record
        if e.kind == "step_done"
    }
    for command, entry in asked.items():
        body = entry.content()
        step = text_in(dict_in(body, "step"), "step")
        if (
            step in ("Do", "Program", "Transfer") and not body["tasks"] and command not in counts
            and (body["path"], body["number"], body["attempt"]) in done
        ):  # fmt: skip
            found.wrong.append(
                f"{body['path']} step {body['number']} is done on record; {body['unit']} never did it"
            )


def _compare_answers(found: Found, record: Sequence[Entry], acknowledged: Sequence[str]) -> None:
    """Every answer that the server took stands in the record, once for each that it took."""
    taken = Counter(path.split("/")[2] for path in acknowledged if path.startswith("/tasks/"))
    found.acknowledged += sum(taken.values())
    kept: Counter[str] = Counter()
    for entry in record:
        if entry.kind in ("task_answered", "step_done") and isinstance(
            task := entry.content().get("task"), str
        ):
            kept[task] += 1
    found.lost += [
        f"{task}: {n} answers acknowledged, {kept[task]} kept" for task, n in taken.items() if kept[task] < n
    ]


def show(found: Found) -> None:
    for sentence in (*found.lost, *found.repeated, *found.wrong):
        print(f"FOUND {sentence}")
    print(
        f"{found.kills} kill -9 in {found.took:.0f} s, {len(found.batches)} batches: {found.entries} entries, "
        f"{found.commands} commands that devices began, {found.acknowledged} acknowledged answers, "
        f"{found.in_doubt} actions in doubt."
    )
    print(
        f"Acknowledged entries lost: {len(found.lost)}. Commands executed twice: {len(found.repeated)}. Otherwise wrong: {len(found.wrong)}."
    )


def _new_database(server: PostgresServer) -> str:
    return server.url(server.new_database())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--recipe", default="cart-autologous")
    parser.add_argument("--postgresql", action="store_true")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder, database = Path(tempfile.mkdtemp(prefix="kweek-kill-")), None
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if given.postgresql:
            server = PostgresServer()
            server.start()
            stack.callback(shutil.rmtree, server.folder)
            stack.callback(server.stop)
            database = partial(_new_database, server)
        print(
            f"seed {given.seed}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        found = asyncio.run(run(folder, given.recipe, given.kills, given.seed, database))
    show(found)
    return int(not found.good)


if __name__ == "__main__":
    sys.exit(main())
