"""What a notebook types."""

import subprocess
import sys

import pytest

import simulations
from tests.simulations.test_queueing_reader import GOOD


def test_a_notebook_needs_one_import_and_no_server(tmp_path: object) -> None:
    from simulations import Experiment, compare, frames, load

    path = f"{tmp_path}/counter.yaml"
    with open(path, "w") as file:
        file.write(GOOD)
    planned = load(path)
    result = Experiment(count=2).run(planned.model)
    more = Experiment(count=2).run(planned.varied({"stations.counter.servers": 3}).model)
    assert frames.measures(result).height == len(result.names)
    assert frames.differences(compare({"two": result, "three": more}, ["wait.counter"]))["difference"][0] < 0


def test_every_name_is_there_and_an_unknown_one_names_them() -> None:
    assert all(getattr(simulations, name) for name in simulations.__all__)
    with pytest.raises(AttributeError, match="simulations has no forcast; it has Cluster"):
        _ = simulations.forcast


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import simulations, sys; print(sorted({'numpy', 'scipy', 'polars', 'matplotlib', 'distributed', 'simpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
