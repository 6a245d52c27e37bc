"""A site as its administrator starts it: `kweek plant` and `kweek serve`, each in a process of its own.

Nothing here looks inside the processes: what is known of them is what they answer, what they wrote to
their files, and what they said on standard error.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from devices.plant import DEMO
from orchestrator.demo.processes import free_port

T = TypeVar("T")
PASSWORD = "a sentence only I know"
PATIENCE = 40.0  # s, real time, for anything that is waited for


def eventually(look: Callable[[], T | None], what: str, within: float = PATIENCE) -> T:
    """What `look` gives once it is something; fails saying what did not come."""
    ends = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < ends, f"{what} did not come within {within:g} s"
        time.sleep(0.02)
    return found


class Place:
    """Plant and server with their files in `folder`. `plant_file`: another plant than the demonstration's;
    `database`: an address instead of an SQLite file in the folder; `virtual`: whose clock."""

    def __init__(
        self,
        folder: Path,
        *,
        virtual: bool = True,
        plant_file: Path = DEMO,
        database: str = "",
        port: int = 0,
    ) -> None:
        self.folder, self.plant_file, self._virtual = folder, plant_file, virtual
        self.plant_port, self.clock_port, self.port = free_port(), free_port(), port or free_port()
        self.environment = {
            **os.environ, "KWEEK_PORTS": f"4840={self.plant_port}", "KWEEK_PLANT": str(plant_file),
            "KWEEK_CLOCK": self.clock if virtual else "", "KWEEK_FOLDER": str(folder),
            "KWEEK_DATABASE_URL": database or f"sqlite:///{folder / 'kweek.db'}", "KWEEK_PASSWORD_COST": "low",
            "KWEEK_PASSWORD": PASSWORD, "OT_API_CONFIG_DIR": str(folder / "opentrons"),
        }  # fmt: skip
        self._plant: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self.answers: list[httpx.Response] = []
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=30, event_hooks={"response": [self._keep]}
        )

    @property
    def clock(self) -> str:
        return f"127.0.0.1:{self.clock_port}"

    @property
    def bench(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.plant_port}"

    # --- processes --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Install the first administrator, start both: the server first, which waits for the plant's clock."""
        self.add_admin()
        server, plant = self.launch_server(), self.launch_plant()
        self.listens(plant)
        self.listens(server)

    def add_admin(self) -> None:
        self.kweek("people", "add", "admin", "--full-name", "Anna de Beheerder")

    def launch_plant(self) -> "subprocess.Popen[bytes]":
        clock = ("--virtual", "--clock-port", str(self.clock_port)) if self._virtual else ()
        self._plant = self._launch("plant", str(self.plant_file), *clock, "--folder", str(self.folder))
        return self._plant

    def launch_server(self) -> "subprocess.Popen[bytes]":
        self._server = self._launch("serve", "--port", str(self.port))
        return self._server

    def start_server(self) -> None:
        self.listens(self.launch_server())

    def start_plant(self) -> None:
        self.listens(self.launch_plant())

    def _launch(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "orchestrator", *arguments], env=self.environment, stdout=subprocess.PIPE,
                stderr=log,
            )  # fmt: skip

    def listens(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until a process says that it listens."""
        assert process.stdout is not None  # asked for above
        said = process.stdout.readline()
        assert said, f"it did not start: {self.log('serve')[-2000:]} {self.log('plant')[-2000:]}"

    def log(self, name: str) -> str:
        """What a process said on standard error."""
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def kill_server(self) -> None:
        _end(self._server, signal.SIGKILL)

    def stop_server(self) -> int:
        return _end(self._server, signal.SIGTERM)

    def wait_for_plants_end(self) -> None:
        assert self._plant is not None
        self._plant.wait(PATIENCE)
        _end(self._plant, signal.SIGKILL)

    def close(self) -> None:
        """End both, and look at everything that was answered and said."""
        self.http.close()
        _end(self._server, signal.SIGTERM)
        _end(self._plant, signal.SIGTERM)

    def kweek(self, *arguments: str, code: int = 0) -> str:
        """Run another command to its end; gives what it said."""
        found = subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments], env=self.environment, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
        )  # fmt: skip
        assert found.returncode == code, found.stdout
        return found.stdout.strip()

    # --- what came out ------------------------------------------------------------------------------------

    def _keep(self, response: httpx.Response) -> None:
        response.read()
        self.answers.append(response)

    def look_back(self) -> None:
        """Every answer of the run: no 500, every refusal a problem of one plain sentence; no traceback said."""
        for answer in self.answers:
            assert answer.status_code != 500, f"{answer.request.method} {answer.request.url}: {answer.text}"
            if answer.is_error and answer.request.url.path != "/healthz":
                sentence(answer)
        for name in ("serve", "plant"):
            assert "Traceback" not in self.log(name), self.log(name)[-3000:]

    def verified(self, number: str) -> Path:
        """Export the record and verify it with nothing but the file; gives the PDF."""
        out = self.folder / f"out-{number}"
        pdf = Path(self.kweek("export", number, "--out", str(out)).splitlines()[-1])
        assert self.kweek("verify", str(pdf)).startswith("Verified."), pdf
        return pdf

    def runs(self, unit: str) -> list[dict[str, Any]]:
        """Every run that the simulated plant's own log holds of a unit, by its command, in order."""
        found: dict[str, dict[str, Any]] = {}
        path = self.folder / f"lads-{self.plant_port}.json"
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if entry["unit"] == unit:
                found.update({run["run_id"]: run for run in entry["runs"]})
        return [*found.values()]

    def health(self) -> dict[str, Any]:
        return self.http.get("/healthz").json()


def sentence(answer: httpx.Response, status: int = 0) -> str:
    """The sentence of a problem, which is one that a person can do something with."""
    assert status in (0, answer.status_code), answer.text
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"].endswith("."), body
    assert len(body["detail"]) > 20, body
    assert not {"Error", "Traceback", "None"} & set(re.findall(r"\w+", body["detail"])), body
    assert "\n" not in body["detail"], body
    return body["detail"]


def plant_with(folder: Path, **options: dict[str, Any]) -> Path:
    """The demonstration's plant with other options for some units (BR_01={...})."""
    plant = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    for area in plant["areas"]:
        for cell in area["process_cells"]:
            for unit in cell["units"]:
                given = options.get(unit["id"].replace("-", "_"))
                if given is not None:
                    unit["options"] = {**unit.get("options", {}), **given}
    path = folder / "plant.yaml"
    path.write_text(yaml.safe_dump(plant, sort_keys=False), encoding="utf-8")
    return path


def _end(process: "subprocess.Popen[bytes] | None", how: signal.Signals) -> int:
    if process is None:
        return 0
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return process.returncode
