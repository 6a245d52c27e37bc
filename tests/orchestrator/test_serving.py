"""`kweek serve` as a process: it says where it listens, answers, stops when told, and says why it cannot start."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import structlog

from batches.errors import BadInput, KweekError, StoreError
from orchestrator.alive import away
from orchestrator.serving import add_first_person, serve
from tests.orchestrator.api.town import PLANT, SECRET, Town


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """`serve` directs the log of its process; here the process is the tests' own."""
    yield
    structlog.reset_defaults()


KWEEK = [sys.executable, "-c", "from orchestrator.cli import main; main()"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "KWEEK_FOLDER": str(folder),
        "KWEEK_PLANT": str(PLANT),
        "KWEEK_PASSWORD_COST": "low",
        **more,
    }


@contextmanager
def served(folder: Path, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    process = subprocess.Popen(
        [*KWEEK, "serve", "--port", "0"], env=environment(folder, **more), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert found, said
            yield process, found[0]
        finally:
            process.kill()


def test_it_is_killed_starts_again_and_stops_under_an_open_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert add_first_person("anna", "Anna Admin", SECRET) == "p-0001"
    with served(tmp_path) as (process, address), httpx.Client(base_url=address) as client:
        assert client.get("/healthz").json()["ok"] is True
        token = client.post("/api/v1/sign-in", json={"user_name": "anna", "password": SECRET}).json()["token"]
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    found = away(tmp_path, None)
    assert found is not None
    assert found[0] <= found[1]
    with served(tmp_path) as (process, address), httpx.Client(base_url=address, timeout=10) as client:
        with client.stream("GET", "/api/v1/events", headers={"Authorization": f"Bearer {token}"}) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("id: ")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert process.stderr is not None
        log = process.stderr.read()
    assert "Traceback" not in log
    assert '"path": "/api/v1/events"' in log
    assert token not in log


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KWEEK_FOLDER", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInput) as refused:
            serve("127.0.0.1", port)
    assert (
        str(refused.value)
        == f"Nothing can listen on 127.0.0.1:{port} (Address already in use); choose another --port."
    )


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("KWEEK_DATABASE_URL", "nonsense", "The database address cannot be read"),
        ("KWEEK_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/kweek", "127.0.0.1"),
        ("KWEEK_DATABASE_URL", "sqlite:////nowhere/at/all.db", "The folder /nowhere/at does not exist"),
        ("KWEEK_PLANT", "no-such-plant.yaml", "The plant file no-such-plant.yaml cannot be read"),
        ("KWEEK_CLOCK", "nonsense", "'nonsense' is no address of a clock"),
        ("KWEEK_ZONE", "Mars/Olympus", "KWEEK_ZONE='Mars/Olympus' is no time zone"),
        ("KWEEK_PASSWORD_COST", "none", "KWEEK_PASSWORD_COST='none' is unknown"),
    ],
)
def test_what_cannot_be_opened_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv("KWEEK_FOLDER", str(tmp_path))
    monkeypatch.setenv(variable, value)
    with pytest.raises(KweekError, match=re.escape(says)):
        serve("127.0.0.1", 0)


def test_a_second_server_of_the_same_record_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KWEEK_FOLDER", str(tmp_path))
    town = Town(tmp_path)
    with pytest.raises(StoreError, match="stop that first"):
        serve("127.0.0.1", 0)
    town.end()
