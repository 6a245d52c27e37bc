"""Files, frames and the page of a run: everything said, nothing fetched, the same bytes each time."""

import csv
import json
from pathlib import Path

import pytest

from batches.errors import StoreError
from simulations import frames, queueing_reader
from simulations.experiment import Experiment, Result, compare
from simulations.planned import Planned, from_content, load
from simulations.report import files, words
from simulations.report.words import quantity, ranged
from simulations.statistics import Interval
from tests.simulations.test_queueing_reader import GOOD


@pytest.fixture(scope="module")
def hospital() -> tuple[Planned, Result]:
    planned = load("cart-hospital")
    return planned, Experiment(count=3).run(planned.model)


@pytest.fixture(scope="module")
def counter() -> Planned:
    return from_content(queueing_reader.read(GOOD, "counter.yaml").content)


def test_the_files_of_a_run_say_the_same_and_fetch_nothing(
    hospital: tuple[Planned, Result], tmp_path: Path
) -> None:
    written = files.write_run(*hospital, tmp_path / "one")
    found = json.loads((tmp_path / "one/results.json").read_text())
    vein = found["measures"]["vein_to_vein.cart.median"]
    assert vein["low"] < vein["mean"] < vein["high"]
    assert found["replications"] == vein["n"] == 3
    with (tmp_path / "one/measures.csv").open() as file:
        rows = {row["measure"]: row for row in csv.DictReader(file)}
    assert float(rows["vein_to_vein.cart.median"]["mean"]) == vein["mean"]
    page = (tmp_path / "one/report.html").read_text()
    assert quantity("vein_to_vein.cart.median", vein["mean"]) in page
    assert page.count("<svg") >= 6
    assert "http://" not in page.replace('"http://www.w3.org', "").replace("http://purl.org", "").replace(
        "http://creativecommons", ""
    )
    assert "<script" not in page
    assert page.count('class="assumed"') == sum(each.assumed for each in hospital[0].figures)
    again = files.write_run(*hospital, tmp_path / "two")
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]


def test_frames_hold_every_replication(hospital: tuple[Planned, Result]) -> None:
    _, result = hospital
    assert frames.replications(result).height == 3
    assert frames.table(result, "batches").height == sum(1 for _ in result.rows("batches"))
    assert set(frames.measures(result)["measure"]) == set(result.names)
    assert frames.table(result, "nothing").is_empty() or frames.table(result, "nothing").width == 0


def test_a_comparison_and_a_sweep_are_written(counter: Planned, tmp_path: Path) -> None:
    experiment = Experiment(count=3)
    plans = {"two": counter, "four": counter.varied({"stations.counter.servers": 4})}
    results = {name: experiment.run(each.model) for name, each in plans.items()}
    written = files.write_comparison(plans, results, compare(results), tmp_path / "c")
    assert "four against two" in written[-1].read_text()
    found = json.loads(written[0].read_text())["differences"]["four"]["wait.counter"]["difference"]
    assert found["mean"] < 0
    swept = files.write_sweep(
        counter, results, ["wait.counter"], {"one": "too few"}, tmp_path / "s", "Take four."
    )
    page = swept[-1].read_text()
    assert "Take four." in page
    assert "too few" in page
    assert json.loads(swept[0].read_text())["refused"] == {"one": "too few"}


def test_a_folder_that_cannot_be_written_is_a_sentence(
    hospital: tuple[Planned, Result], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="results cannot be written"):
        files.write_run(*hospital, tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("vein_to_vein.cart.median", 21.3 * 86400, "21.3 d"),
        ("queue.people.mean", 5400.0, "90 min"),
        ("queue.q", 1.5, "1.5"),
        ("success.cart", 0.893, "89.3 %"),
        ("cost.total", 1234567.0, "1,234,567"),
    ],
)
def test_measures_are_shown_in_quantities_people_read(name: str, value: float, says: str) -> None:
    assert quantity(name, value) == says


def test_an_interval_of_a_share_stays_a_share_and_an_endless_one_is_left_out() -> None:
    assert ranged("fate.x.lost", Interval(0.01, -0.01, 0.03, 5)) == "1 % (0 to 3)"
    assert ranged("throughput.x", Interval(5.0, float("-inf"), float("inf"), 1)) == "5"
    assert words.title("vein_to_vein.cart.p90") == "vein to vein: cart, p90"
