"""`kweek simulate`, as the planner types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import app
from tests.simulations.test_queueing_reader import GOOD


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "counter.yaml").write_text(GOOD)
    return "counter.yaml"


def kweek(*arguments: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(app, ["simulate", *arguments])
    assert done.exit_code == exit_code, done.output
    return done.output


def test_a_scenario_is_run_by_its_name_alone_and_the_seed_decides(counter: str) -> None:
    said = kweek(counter, "--replications", "3", "--jobs", "1")
    assert "A counter and a back office: 3 replications, seed 1." in said
    assert "It rests on 12 figures, 6 of them assumed." in said
    assert Path("plan-out/counter/report.html").exists()
    first = json.loads(kweek("run", counter, "--replications", "3", "--jobs", "1", "--json"))
    other = json.loads(kweek(counter, "--replications", "3", "--jobs", "1", "--json", "--seed", "2"))
    assert first == json.loads(Path("plan-out/counter/results.json").read_text()) or other["seed"] == 2
    assert first["measures"] != other["measures"]


def test_precision_runs_as_many_as_it_takes(counter: str) -> None:
    found = json.loads(kweek(counter, "--precision", "wait.counter=20%", "--jobs", "1", "--json"))
    wait = found["measures"]["wait.counter"]
    assert found["precise"]
    assert wait["high"] - wait["mean"] <= 0.2 * wait["mean"]
    assert "is not clear" in kweek(counter, "--precision", "wait.counter", exit_code=2)


def test_two_scenarios_are_compared(counter: str) -> None:
    Path("more.yaml").write_text(
        GOOD.replace("counter\nkind", "more\nkind").replace("{value: 2,", "{value: 3,")
    )
    said = kweek(
        "compare", counter, "more.yaml", "--replications", "4", "--jobs", "1", "--measure", "wait.counter"
    )
    assert "more less counter:" in said
    assert "wait at: counter" in said
    assert "needs two scenarios" in kweek(
        "compare", counter, "--replications", "2", "--jobs", "1", exit_code=2
    )


def test_a_sweep_says_which_points_cannot_be(counter: str) -> None:
    said = kweek(
        "sweep", counter, "--vary", "stations.counter.servers=1..3", "--replications", "3", "--jobs", "1"
    )
    assert "stations.counter.servers=1 cannot be run: The station 'counter' gets work for" in said
    assert "stations.counter.servers=3" in said
    assert "is no figure of the scenario" in kweek("sweep", counter, "--vary", "units.x=1..2", exit_code=2)


def test_the_cheapest_that_meets_a_goal_is_found(counter: str) -> None:
    said = kweek(
        "optimise", counter, "--vary", "stations.counter.servers=2..4", "--goal", "wait.counter <= 2 min",
        "--cost", "served.counter", "--tolerance", "0.5", "--jobs", "1",
    )  # fmt: skip
    assert "The cheapest that meets wait.counter <= 2 min:" in said
    assert "compares nothing" in kweek(
        "optimise", counter, "--vary", "stations.counter.servers=2..3", "--goal", "fast", exit_code=2
    )


def test_scenarios_are_checked_and_listed(counter: str) -> None:
    assert "1 scenario checked, 0 finding(s)." in kweek("check", counter)
    Path("bad.yaml").write_text(GOOD.replace("{to: counter,", "{to: conter,"))
    assert "[unknown-place] The source 'visitors' sends customers to 'conter'" in kweek(
        "check", "bad.yaml", exit_code=1
    )
    assert "cart-hospital" in kweek("list")
    assert "There is no scenario 'nowhere'" in kweek("nowhere", exit_code=1)
