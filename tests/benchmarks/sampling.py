"""Many tags at one reading a second each, through a real server process and real sockets.

    python -m tests.benchmarks.sampling [--seconds 600] [--tags 500] [--postgresql]

Prints points lost (of all that were due), the processor's time and the peak memory of the server, and how
long an operator's requests took meanwhile.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from orchestrator.historian import Historian, historian_url
from tests.benchmarks.load_server import SECRET, USER
from tests.postgres import PostgresServer

OF_UNIT = 50
ASK_EVERY = 0.25
REQUESTS = ("/api/v1/equipment", "/api/v1/tasks", "/api/v1/readings/latest?unit=U-01", "/api/v1/batches")


def plant(tags: int, port: int) -> str:
    """A plant file with as many units as the tags need."""
    head = "format: 1\nsite: Load\nsimulated: true\nareas:\n  - area: A\n    process_cells:\n      - process_cell: C\n        units:\n"
    units = ""
    for number in range(1, -(-tags // OF_UNIT) + 1):
        count = min(OF_UNIT, tags - (number - 1) * OF_UNIT)
        units += f"          - id: U-{number:02}\n            class: rack\n            driver: lads\n"
        units += f"            address: opc.tcp://127.0.0.1:{port}/U-{number:02}\n            tags:\n"
        for tag in range(count):
            units += f"              t{tag}: {{unit: degC, low: 0 degC, high: 60 degC}}\n"
    return head + units


@contextmanager
def process(
    module: str, environment: dict[str, str] | None = None
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A process of ours with the first line it prints; ended afterwards."""
    found = subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert found.stdout is not None
    assert found.stdin is not None
    try:
        yield found, found.stdout.readline().strip()
    finally:
        found.stdin.close()
        found.terminate()
        found.wait()


def used(pid: int) -> tuple[float, float]:
    """Seconds of the processor and peak memory in MB of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    peak = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) / 1024


def operate(base: str, seconds: float) -> tuple[list[float], list[dict[str, object]]]:
    """An operator's requests for so long: how long each took, and how sampling went in the end."""
    with httpx.Client(base_url=base, timeout=60) as client:
        answer = client.post("/api/v1/sign-in", json={"user_name": USER, "password": SECRET})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['token']}"
        took: list[float] = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            client.get(REQUESTS[len(took) % len(REQUESTS)]).raise_for_status()
            took.append(time.monotonic() - began)
            time.sleep(max(0.0, ASK_EVERY - took[-1]))
        return took, client.get("/api/v1/readings/sampling").raise_for_status().json()["units"]


def stored(url: str, tags: int) -> int:
    """How many readings the historian holds."""
    historian, now = Historian(historian_url(url)), datetime.now(UTC)
    day = timedelta(days=1)
    try:
        return sum(
            historian.series(
                f"U-{tag // OF_UNIT + 1:02}", f"t{tag % OF_UNIT}", now - day, now + day, 10, day
            ).total
            for tag in range(tags)
        )
    finally:
        historian.close()


def measure(seconds: float, tags: int, postgresql: bool) -> bool:
    """Run, print, and say whether no point was lost."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'kweek.db'}"
        if postgresql:
            server = PostgresServer()
            server.start()
            stack.callback(shutil.rmtree, server.folder)
            stack.callback(server.stop)
            url = server.url(server.new_database())
        _, port = stack.enter_context(process("tests.benchmarks.load_device"))
        (folder / "plant.yaml").write_text(plant(tags, int(port)), encoding="utf-8")
        settings = {
            "KWEEK_DATABASE_URL": url, "KWEEK_PLANT": str(folder / "plant.yaml"), "KWEEK_FOLDER": str(folder),
            "KWEEK_SAMPLE_EVERY": "1 s",
        }  # fmt: skip
        with process("tests.benchmarks.load_server", settings) as (running, line):
            base = line.split()[3].rstrip(".")
            began, (before, _) = time.monotonic(), used(running.pid)
            took, units = operate(base, seconds)
            (after, peak), lasted = used(running.pid), time.monotonic() - began
        # The server is closed now: what it sampled after the last look is written too, and never less.
        taken, missed = (sum(int(str(unit[what])) for unit in units) for what in ("taken", "missed"))
        lost = missed + max(0, taken - stored(url, tags))
    hundredths = statistics.quantiles(took, n=100)
    print(
        f"{'PostgreSQL' if postgresql else 'SQLite'}: {tags} tags at 1 Hz for {lasted:.0f} s, load {os.getloadavg()[0]:.1f}:"
        f" {taken + missed:,} points due, lost {lost} (of these {missed} ticks missed);"
        f" processor {(after - before) / lasted:.0%} of a core, peak memory {peak:.0f} MB;"
        f" {len(took)} requests of an operator: median {hundredths[49] * 1e3:.0f} ms,"
        f" 95 % {hundredths[94] * 1e3:.0f} ms, 99 % {hundredths[98] * 1e3:.0f} ms, longest {max(took) * 1e3:.0f} ms",
        flush=True,
    )
    return lost == 0


def main() -> int:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--tags", type=int, default=500)
    parser.add_argument("--postgresql", action="store_true")
    given = parser.parse_args()
    return 0 if measure(given.seconds, given.tags, given.postgresql) else 1


if __name__ == "__main__":
    raise SystemExit(main())
