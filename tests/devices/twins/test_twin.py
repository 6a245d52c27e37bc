"""A twin in time: the same whoever looks, runs with ids, memory over a restart."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.twins.bioreactor import Bioreactor
from devices.twins.catalogue import make
from devices.twins.programmes import OutOfRange, WrongState, event_file
from devices.twins.twin import Twin

START = 1_780_000_000.0
HOUR = 3600.0
ENVIRONMENT = {"temperature": 37.0, "agitation": 60.0, "ph": 7.2, "dissolved_oxygen": 40.0}
CELLS = {"cells": "4e7 cell", "volume": "400 mL"}


def about(value: Any, unit: str, digits: int = 1) -> Any:
    """An Amount that is nearly right."""
    return value, unit, digits


def reactor(seed: int = 1) -> Twin:
    twin = Twin("BR-01", Bioreactor("vertical_wheel"), START, seed)
    twin.update(START, ENVIRONMENT)
    return twin


def processor() -> Twin:
    return make("closed_cell_processor", "CP-01", START)


def story(twin: Twin, looks: list[float]) -> list[dict[str, float]]:
    """The same commands for every twin; `looks` are extra moments (hours) at which somebody looks."""
    shown = []
    commands: list[tuple[float, Callable[[float], object]]] = [
        (1.0, lambda at: twin.start(at, "inoculate", CELLS, "c1")),
        (30.3, lambda at: twin.start(at, "feed", {"volume": "8 mL"}, "c2")),
        (44.4, lambda at: twin.update(at, {"perfusion_rate": 5.0})),
        (50.0, lambda at: twin.start(at, "exchange_medium", {"fraction": "40 %"}, "c3")),
    ]
    moments = [(hours, None) for hours in looks] + commands
    for hours, command in sorted(moments, key=lambda each: each[0]):
        twin.update(START + hours * HOUR)
        if command is not None:
            command(START + hours * HOUR)
            shown.append(twin.outputs())
    shown.append(twin.update(START + 100.0 * HOUR).outputs)
    return shown


@settings(max_examples=25)
@given(st.lists(st.floats(0.0, 100.0), max_size=12))
def test_looking_changes_nothing(looks: list[float]) -> None:
    assert story(reactor(), looks) == story(reactor(), [])


def test_another_seed_shows_other_noise_on_the_same_truth() -> None:
    one, other = reactor(1), reactor(2)
    assert story(one, []) != story(other, [])
    assert one.truth() == other.truth()


def test_a_long_gap_is_the_same_as_many_short_ones() -> None:
    once, often = reactor(), reactor()
    once.start(START, "inoculate", CELLS, "c1")
    often.start(START, "inoculate", CELLS, "c1")
    for hour in range(72):
        often.update(START + hour * HOUR)
    assert once.update(START + 72 * HOUR) == often.update(START + 72 * HOUR)


def test_time_does_not_go_back() -> None:
    twin = reactor()
    twin.update(START + HOUR)
    with pytest.raises(WrongState, match="time does not go back"):
        twin.update(START)


def test_a_set_point_is_taken_within_its_range_and_its_controller_can_be_switched() -> None:
    twin = Twin("BR-01", Bioreactor("vertical_wheel"), START)
    with pytest.raises(WrongState, match="no set-point for temperature yet"):
        twin.switch(START, "temperature", True)
    twin.aim(START, "temperature", 37.0)
    assert twin.update(START + 5 * HOUR).outputs["temperature"] == pytest.approx(22.0, abs=0.2)
    twin.switch(twin.at, "temperature", True)
    assert twin.update(START + 10 * HOUR).outputs["temperature"] == pytest.approx(37.0, abs=0.2)
    twin.switch(twin.at, "temperature", False)
    assert twin.update(START + 20 * HOUR).outputs["temperature"] == pytest.approx(22.0, abs=0.2)
    for tag, value in (
        ("temperature", 60.0),
        ("temperature", float("nan")),
        ("glucose", 2.0),
        ("unknown", 1.0),
    ):
        with pytest.raises(OutOfRange):
            twin.aim(twin.at, tag, value)


def test_a_run_has_stages_an_outcome_and_an_event_file() -> None:
    twin = reactor()
    twin.start(START, "inoculate", CELLS, "c1", "B-0001")
    assert twin.wake_at == START + 480.0
    twin.update(START + 480.0)
    run = twin.start(twin.at, "exchange_medium", {"fraction": "50 %"}, "c2", "B-0001")
    names = [stage.name for stage in run.stages]
    assert names == ["settle", "pump out 200.0 mL", "pump in 200.0 mL"]
    twin.update(START + 2 * HOUR)
    assert (run.status, twin.active, twin.wake_at) == ("done", None, float("inf"))
    assert run.results == {
        "removed": about(pytest.approx(200.0), "mL"),
        "added": about(pytest.approx(200.0), "mL"),
    }
    lines = event_file(run, "BR-01").decode().splitlines()
    assert lines[0] == "time,unit,run,event,detail"
    assert lines[1] == "2026-05-28T20:34:40.000+00:00,BR-01,BR-01-0002,programme started,exchange_medium"
    assert lines[-1].endswith("BR-01-0002,programme ended,done")
    assert [line.split(",")[3] for line in lines[1:]] == [
        "programme started", "parameter", "stage", "stage", "stage", "result", "result", "programme ended",
    ]  # fmt: skip


def test_the_same_command_acts_once_and_its_id_serves_no_other() -> None:
    twin = reactor()
    twin.start(START, "inoculate", CELLS, "c1")
    twin.update(START + HOUR)
    volume = twin.truth()["volume"]
    first = twin.start(twin.at, "feed", {"volume": "10 mL"}, "c2")
    assert twin.start(twin.at, "feed", {"volume": "10 mL"}, "c2") is first
    twin.update(START + 2 * HOUR)
    assert twin.start(twin.at, "feed", {"volume": "10 mL"}, "c2") is first
    twin.update(START + 3 * HOUR)
    assert twin.truth()["volume"] == volume + 10.0
    with pytest.raises(WrongState, match="as another one"):
        twin.start(twin.at, "feed", {"volume": "20 mL"}, "c2")


@pytest.mark.parametrize(
    ("programme", "given_", "sentence"),
    [
        ("dance", {}, "has no programme 'dance'; it has: inoculate"),
        ("feed", {"volum": "1 mL"}, "no parameter 'volum'"),
        ("feed", {"volume": "1 degC"}, "cannot take volume = '1 degC'"),
        ("feed", {"volume": "NaN mL"}, "cannot take volume"),
        ("feed", {"volume": "0 mL"}, "it takes 0.1 to 550 mL"),
        ("feed", {"volume": "300 mL"}, "do not fit"),
        ("add", {"volume": "1 mL"}, "needs the parameter 'material'"),
        ("inoculate", {"volume": "1 mL"}, "either 'cells' or 'aggregates'"),
        ("inoculate", {"volume": "1 mL", "cells": "1e6 cell", "kind": "moss"}, "knows the kinds"),
        ("exchange_medium", {"volume": "1 mL", "fraction": "10 %"}, "not both"),
        ("exchange_medium", {"volume": "399 mL"}, "at most 95 %"),
    ],
)
def test_what_makes_no_sense_is_refused(programme: str, given_: dict[str, str], sentence: str) -> None:
    twin = reactor()
    twin.start(START, "inoculate", CELLS, "c1")
    twin.update(START + HOUR)
    before = twin.snapshot()
    with pytest.raises(OutOfRange, match=sentence):
        twin.start(twin.at, programme, given_, "c2")
    assert twin.snapshot() == before
    assert "c2" not in twin.runs


def test_a_busy_or_empty_unit_refuses() -> None:
    twin = reactor()
    with pytest.raises(WrongState, match="The vessel is empty"):
        twin.start(START, "harvest", {}, "c1")
    twin.start(START, "inoculate", CELLS, "c2")
    with pytest.raises(WrongState, match="busy with 'inoculate'"):
        twin.start(START, "feed", {"volume": "1 mL"}, "c3")


def test_a_hold_stops_the_stage_and_not_the_cells() -> None:
    twin = reactor()
    twin.start(START, "inoculate", CELLS, "c1")
    twin.update(START + HOUR)
    viable = twin.truth()["viable"]
    run = twin.start(twin.at, "settle", {"duration": "10 min"}, "c2")
    twin.update(twin.at + 300.0)
    twin.hold(twin.at)
    with pytest.raises(WrongState, match="held already"):
        twin.hold(twin.at)
    twin.update(twin.at + 24 * HOUR)
    assert (run.status, twin.wake_at) == ("running", float("inf"))
    assert twin.truth()["viable"] != viable
    twin.unhold(twin.at)
    assert twin.wake_at == twin.at + 300.0
    assert run.paused == 24 * HOUR
    twin.update(twin.at + 300.0)
    assert run.status == "done"
    with pytest.raises(WrongState, match="runs no programme"):
        twin.unhold(twin.at)


def test_a_run_that_is_ended_has_moved_what_it_moved() -> None:
    twin = reactor()
    run = twin.start(START, "inoculate", CELLS, "c1")
    twin.update(START + 120.0)
    twin.end(twin.at, "stopped")
    assert (run.status, run.text) == ("failed", "stopped during 'pump in 400.0 mL'")
    assert twin.truth()["volume"] == pytest.approx(100.0)
    assert run.results == {"volume": about(pytest.approx(100.0), "mL")}


def test_a_prompt_waits_for_its_answer_and_takes_no_other() -> None:
    twin = processor()
    run = twin.start(START, "install_set", {}, "c1")
    twin.update(START + 100 * HOUR)
    asked = run.prompt
    assert asked.startswith("Load the tubing set")
    for task, prompt, answer in (("c1", "Something else?", "yes"), ("c1", asked, " "), ("c9", asked, "yes")):
        with pytest.raises((WrongState, OutOfRange)):
            twin.answer(twin.at, task, prompt, answer)
    twin.answer(twin.at, "c1", asked, "done")
    twin.answer(twin.at, "c1", asked, "done")
    twin.update(twin.at + HOUR)
    assert (run.status, run.answers, run.results) == ("done", {asked: "done"}, {"integrity_test": "pass"})


def test_another_process_goes_on_where_the_snapshot_was_taken() -> None:
    one = reactor()
    story(one, [])
    one.start(one.at, "take_sample", {"volume": "5 mL"}, "c9")
    kept = json.loads(
        json.dumps({"state": one.snapshot(), "runs": [run.plain() for run in one.runs.values()]})
    )
    other = Twin("BR-01", Bioreactor("vertical_wheel"), START)
    other.restore(kept["state"], kept["runs"])
    assert other.active is not None
    assert one.update(one.at + 50 * HOUR) == other.update(other.at + 50 * HOUR)
    assert {task: run.plain() for task, run in one.runs.items()} == {
        task: run.plain() for task, run in other.runs.items()
    }
    with pytest.raises(WrongState, match="as another one"):
        other.start(other.at, "feed", {"volume": "1 mL"}, "c9")


@pytest.mark.parametrize(
    "unit_class",
    ["bioreactor/stirred_tank", "closed_cell_processor", "controlled_rate_freezer", "ln2_store", "incubator"],
)
def test_every_kind_of_twin_survives_its_snapshot(unit_class: str) -> None:
    one, other = make(unit_class, "U-1", START, seed=3), make(unit_class, "U-1", START, seed=3)
    one.update(START + 10 * HOUR, {"temperature": 30.0} if "temperature" in _settable(one) else None)
    other.restore(json.loads(json.dumps(one.snapshot())), [])
    assert one.update(START + 30 * HOUR) == other.update(START + 30 * HOUR)


def _settable(twin: Twin) -> set[str]:
    return {name for name, tag in twin.model.tags.items() if tag.settable}
