"""Queueing networks as scenario files: each mistake is one finding, with its line and a sentence."""

import pytest

from simulations.experiment import Experiment
from simulations.queueing import QueueingModel
from simulations.queueing_reader import is_queueing, read
from simulations.scenario import ScenarioError

GOOD = """\
scenario: counter
kind: queueing
title: A counter and a back office
horizon: {warm_up: 10 h, length: 200 h}
stations:
  counter:
    servers: {value: 2, assumed: true, range: [1, 4]}
    service: {value: {exponential: 5 min}, source: "measured in March"}
    to: {office: {value: 0.3, source: "measured in March"}}
    breakdown:
      after: {value: {exponential: 20 h}, assumed: true, range: [10 h, 40 h]}
      repair: {value: 1 h, assumed: true, range: [0.5 h, 2 h]}
  office:
    servers: {value: 1, assumed: true, range: [1, 2]}
    service: {value: {triangular: [5 min, 10 min, 30 min]}, source: "measured in March"}
    room: {value: 5, assumed: true, range: [3, 8]}
    patience: {value: {exponential: 1 h}, assumed: true, range: [0.5 h, 2 h]}
sources:
  visitors: {to: counter, every: {value: {exponential: 4 min}, source: "measured in March"}, priority: 1}
populations:
  machines: {size: {value: 3, source: inventory}, to: office, outside: {value: 8 h, source: log}}
"""


def test_a_network_is_read_and_runs() -> None:
    assert is_queueing(GOOD)
    assert not is_queueing(GOOD.replace("kind: queueing", "# kind: queueing"))
    network = read(GOOD, "counter.yaml").network
    assert network.stations["counter"].servers == 2
    assert network.stations["office"].room == 5
    found = Experiment(count=3).run(QueueingModel(network))
    assert found.interval("busy.counter").estimate == pytest.approx(5 / 4 / 2 * (1 + 1 / 20), rel=0.1)


BROKEN = {
    "schema": (("to: {office: {value: 0.3", "too: {office: {value: 0.3"), 9),
    "unknown-place": (("{to: counter,", "{to: conter,"), 1),
    "probability": (("value: 0.3", "value: 1.3"), 9),
    "negative": (("{exponential: 4 min}", "{constant: -4 min}"), 19),
    "source": ((', source: "measured in March"}}', "}}"), 9),
    "overload": (("{exponential: 4 min}", "{exponential: 1 min}"), 6),
    "endless": (("{value: 0.3, source", "{value: 1, source"), 1),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_mistake_fires_its_rule_and_no_other(rule: str) -> None:
    (old, new), line = BROKEN[rule]
    text = GOOD.replace(old, new, 1)
    if rule == "endless":
        text = text.replace("    room:", '    to: {counter: {value: 1, source: "measured"}}\n    room:')
    with pytest.raises(ScenarioError) as caught:
        read(text, "counter.yaml")
    assert [(finding.rule, finding.line) for finding in caught.value.findings] == [(rule, line)]
    assert caught.value.findings[0].sentence.endswith(".")
