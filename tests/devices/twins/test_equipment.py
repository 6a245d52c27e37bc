"""Each kind of equipment: what it does, what published figures it meets, what it refuses."""

from typing import Any

import pytest

from batches.errors import BadInput, NotFound
from devices.plant import DEMO, load
from devices.twins.bioreactor import VESSELS, Bioreactor
from devices.twins.catalogue import MODELS, make
from devices.twins.cold import FREEZER, STORE
from devices.twins.culture import Culture, added, seeded
from devices.twins.incubator import NUMBERS as INCUBATOR
from devices.twins.kinetics import KINETICS
from devices.twins.laboratory import METHODS, WORDS, measured
from devices.twins.processor import NUMBERS as PROCESSOR
from devices.twins.processor import STAGES
from devices.twins.programmes import Amount, OutOfRange, Run, WrongState
from devices.twins.twin import Twin
from tests.devices.twins.reference import MARK, PAGE, tables

START = 1_780_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
ENVIRONMENT = {"temperature": 37.0, "agitation": 60.0, "ph": 7.2, "dissolved_oxygen": 40.0}


def about(value: Any, unit: str, digits: int = 1) -> Any:
    """An Amount that is nearly right."""
    return value, unit, digits


def run(twin: Twin, programme: str, **given: str) -> Run:
    """Run a programme to its end, answering whatever it asks."""
    task = f"run {len(twin.runs)}"
    started = twin.start(twin.at, programme, given, task)
    while started.status == "running":
        if started.prompt:
            twin.answer(twin.at, task, started.prompt, "done")
        else:
            twin.update(started.due)
    return started


def reactor(vessel: str = "vertical_wheel", at: float = START) -> Twin:
    twin = Twin("BR-01", Bioreactor(vessel, capacitance=True), at)
    twin.update(at, ENVIRONMENT)
    twin.update(at + HOUR)
    return twin


# -- bioreactor ------------------------------------------------------------------------------------


def test_stem_cells_in_the_vertical_wheel_meet_the_published_density_and_diameter() -> None:
    """2.3e6/mL and 346 um at day 5, doi 10.1186/s13036-019-0204-1; seeding at 1e5/mL is assumed."""
    twin = reactor()
    run(twin, "inoculate", cells="1e7 cell", volume="100 mL")
    begun = twin.at
    twin.update(begun + 4 * DAY)
    run(twin, "exchange_medium")
    twin.update(begun + 5 * DAY)
    truth = twin.truth()
    assert truth["viable"] == pytest.approx(2.3e6, rel=0.1)
    assert truth["diameter"] == pytest.approx(346.0, rel=0.05)
    assert truth["viability"] > 90.0


def test_organoids_grow_slowly() -> None:
    twin = reactor()
    run(twin, "inoculate", aggregates="20000 aggregate", volume="400 mL")
    begun, diameter = twin.at, twin.truth()["diameter"]
    for day in range(1, 12):
        twin.update(begun + day * DAY)
        if day % 3 == 0:
            run(twin, "exchange_medium")
    assert diameter == pytest.approx(200.0, rel=0.05)
    assert 270.0 < twin.truth()["diameter"] < 330.0


def test_controlled_values_reach_their_set_points_and_stay_there() -> None:
    twin = reactor("stirred_tank")
    run(twin, "inoculate", cells="1e9 cell", volume="2000 mL")
    shown = twin.update(twin.at + 2 * DAY).outputs
    assert shown["temperature"] == pytest.approx(37.0, abs=0.2)
    assert shown["ph"] == pytest.approx(7.2, abs=0.05)
    assert shown["dissolved_oxygen"] == pytest.approx(40.0, abs=2.0)
    assert shown["agitation"] == pytest.approx(60.0, abs=1.0)
    assert shown["viable_cells"] == pytest.approx(twin.truth()["viable"], abs=2e5)


@pytest.mark.parametrize("target", [None, 40.0])
@pytest.mark.parametrize("density", [0.0, 1.0, 30.0])
def test_oxygen_rests_where_transfer_and_uptake_balance(target: float | None, density: float) -> None:
    model, kinetics = Bioreactor("stirred_tank"), KINETICS["t_cell"]
    culture = seeded(added(Culture(), 1000.0, 22.0), density * 1000.0, 95.0, "t_cell")
    level = model.reachable_oxygen(culture, 100.0, target)
    kla = model.vessel.kla_still + model.vessel.kla_per_rpm * 100.0
    gas = 20.9 if target is None else model.vessel.richest_gas
    spare = kla * (gas / 20.9 * 100.0 - level) - kinetics.oxygen_uptake * density * level / (level + 2.0)
    assert spare >= -1e-6
    assert (
        level == pytest.approx(target) if target and spare > 1e-6 else spare == pytest.approx(0.0, abs=1e-6)
    )


def test_a_dense_culture_without_agitation_lacks_oxygen() -> None:
    twin = reactor("stirred_tank")
    run(twin, "inoculate", cells="4e9 cell", volume="1000 mL")
    twin.update(twin.at + HOUR, {"agitation": 0.0})
    assert twin.update(twin.at + 3 * HOUR).outputs["dissolved_oxygen"] < 10.0


def test_lactate_pulls_the_ph_away_when_control_is_at_its_end() -> None:
    model = Bioreactor("vertical_wheel")
    sour = Culture(volume=100.0, lactate=3000.0)
    assert model.reachable_ph(sour, 7.2) == pytest.approx(7.35 - 0.022 * 30.0 + 0.25)
    assert model.reachable_ph(Culture(volume=100.0), 7.2) == 7.2


def test_feeding_sampling_adding_and_harvesting_keep_the_books() -> None:
    twin = reactor()
    run(twin, "inoculate", cells="4e7 cell", volume="400 mL")
    assert twin.outputs()["volume"] == pytest.approx(400.0, abs=1.0)
    glucose = twin.truth()["glucose"]
    run(twin, "feed", volume="10 mL", glucose="45 g/L")
    assert twin.truth()["glucose"] == pytest.approx((glucose * 400.0 + 45.0 * 10.0) / 410.0, rel=0.01)
    run(twin, "take_sample", volume="5 mL")
    run(twin, "add", material="CHIR99021", volume="2 mL")
    assert twin.truth()["volume"] == pytest.approx(407.0)
    density = twin.truth()["viable"]
    harvested = run(twin, "harvest").results
    assert harvested["volume"] == about(pytest.approx(407.0), "mL")
    assert harvested["viable_cells"] == about(pytest.approx(density, rel=0.01), "cell/mL", 0)
    assert twin.outputs()["volume"] == 0.0
    assert twin.truth()["viable"] == pytest.approx(density, rel=0.01), "the laboratory still has the product"
    assert run(twin, "inoculate", cells="1e7 cell", volume="100 mL").status == "done"


def test_a_feed_without_a_volume_is_five_percent_of_concentrate() -> None:
    twin = reactor()
    with pytest.raises(WrongState, match="The vessel is empty"):
        twin.start(twin.at, "feed", {}, "x")
    run(twin, "inoculate", cells="4e7 cell", volume="400 mL")
    glucose = twin.truth()["glucose"]
    assert run(twin, "feed").results["volume"] == about(pytest.approx(20.0), "mL")
    assert twin.truth()["glucose"] > glucose + 1.5


def test_agitation_rests_while_cells_settle() -> None:
    twin = reactor()
    run(twin, "inoculate", cells="4e7 cell", volume="400 mL")
    twin.update(twin.at + HOUR)
    twin.start(twin.at, "settle", {"duration": "10 min"}, "s")
    assert twin.update(twin.at + 5 * MINUTE).outputs["agitation"] < 1.0
    assert twin.update(twin.at + 10 * MINUTE).outputs["agitation"] == pytest.approx(60.0, abs=1.0)


# -- closed cell processor -------------------------------------------------------------------------


def cart(days: int = 12) -> tuple[Twin, dict[str, float]]:
    """The published process: seed 1e8, transduce on day 1, wash on day 3, exchanges from day 5."""
    twin = make("closed_cell_processor", "CP-01", START)
    for programme in ("install_set", "enrich", "activate_culture"):
        run(twin, programme)
    begun = twin.at
    for day in range(1, days + 1):
        twin.update(begun + day * DAY)
        if day == 1:
            run(twin, "transduce", vector_volume="5 mL", volume="100 mL")
        elif day == 3:
            run(twin, "wash_feed", volume="230 mL")
        elif 5 <= day < days:
            run(twin, "exchange_medium")
    return twin, twin.truth()


def test_t_cells_expand_as_published() -> None:
    """30-fold in 12 days, 37 % transduced, product 82-100 % CD3: Zhu 2018."""
    twin, truth = cart()
    assert truth["viable"] * truth["volume"] / 1e8 == pytest.approx(30.0, rel=0.1)
    assert truth["car_positive"] == pytest.approx(37.0, abs=1.0)
    assert 82.0 <= truth["cd3"] <= 100.0
    assert truth["viability"] > 80.0
    assert truth["lactate"] < 20.0 < twin.update(twin.at).outputs["temperature"]


def test_enrichment_recovers_what_is_published() -> None:
    """55 ± 6 % of 2.6e9 cells: Zhu 2018, s41408-024-01038-2."""
    recovered = []
    for seed in range(40):
        twin = make("closed_cell_processor", "CP-01", START, seed=seed)
        run(twin, "install_set")
        run(twin, "enrich", volume="200 mL")
        truth = twin.truth()
        recovered.append(truth["viable"] * truth["volume"] / 2.6e9)
    assert sum(recovered) / 40 == pytest.approx(0.55, abs=0.03)
    assert len(set(recovered)) == 40


def test_harvest_and_formulation_leave_the_product_in_the_bag() -> None:
    twin, _ = cart(6)
    cells = twin.truth()["viable"] * twin.truth()["volume"]
    assert run(twin, "harvest").results == {"volume": Amount(100.0, "mL")}
    assert twin.outputs()["volume"] == 0.0
    with pytest.raises(WrongState, match="culture chamber is empty"):
        twin.start(twin.at, "exchange_medium", {}, "x")
    run(twin, "formulate", volume="80 mL")
    bagged = twin.truth()
    assert bagged["volume"] == 80.0
    assert bagged["viable"] * 80.0 == pytest.approx(cells * 0.92**2, rel=0.02)
    twin.update(twin.at + 3 * DAY)
    assert twin.truth()["viable"] == bagged["viable"]
    assert run(twin, "install_set").status == "done"
    assert twin.truth()["viable"] == bagged["viable"], (
        "until new cells come, the laboratory has the old product"
    )


@pytest.mark.parametrize(
    ("before", "programme", "given", "sentence"),
    [
        ((), "enrich", {}, "No tubing set"),
        (("install_set",), "activate_culture", {}, "not enough enriched cells"),
        (("install_set",), "transduce", {}, "chamber is empty"),
        (("install_set",), "formulate", {}, "nothing to formulate"),
        (("install_set", "enrich"), "enrich", {}, "enriches once"),
        (("install_set", "enrich"), "install_set", {}, "cells in the installed set"),
        (("install_set", "enrich"), "activate_culture", {"cells": "9e9 cell"}, "not enough enriched cells"),
        (("install_set", "enrich", "activate_culture"), "activate_culture", {}, "runs already"),
        (("install_set", "enrich", "activate_culture"), "wash_feed", {"volume": "20 mL"}, "too small"),
    ],
)
def test_the_processor_keeps_its_order(
    before: tuple[str, ...], programme: str, given: dict[str, str], sentence: str
) -> None:
    twin = make("closed_cell_processor", "CP-01", START)
    for each in before:
        run(twin, each)
    with pytest.raises((WrongState, OutOfRange), match=sentence):
        twin.start(twin.at, programme, given, "x")


def test_a_programme_asks_each_thing_once() -> None:
    for stages in STAGES.values():
        prompts = [stage.prompt for stage in stages if stage.prompt]
        assert len(prompts) == len(set(prompts))


def test_a_programme_that_is_aborted_before_its_effect_has_none() -> None:
    twin = make("closed_cell_processor", "CP-01", START)
    started = twin.start(START, "install_set", {}, "c1")
    twin.answer(START, "c1", started.prompt, "done")
    twin.update(started.due - 10.0)
    twin.end(twin.at, "aborted")
    assert (started.status, started.results) == ("failed", {})
    with pytest.raises(WrongState, match="No tubing set"):
        twin.start(twin.at, "enrich", {}, "c2")


# -- cold equipment and incubator ------------------------------------------------------------------


def test_the_freezer_cools_by_one_degree_a_minute_and_writes_its_curve() -> None:
    twin = make("controlled_rate_freezer", "CR-01", START)
    frozen = run(twin, "freeze", rate="-1 delta_degC/min", to="-85 degC")
    chamber = [
        (at, float(detail.split()[0])) for at, event, detail in frozen.events if event == "temperature"
    ]
    cooling = [(at, value) for at, value in chamber if -80.0 < value < 0.0]
    slope = (cooling[-1][1] - cooling[0][1]) / ((cooling[-1][0] - cooling[0][0]) / MINUTE)
    assert slope == pytest.approx(-1.0, abs=0.05)
    assert len(chamber) > 100
    assert twin.outputs()["temperature"] == pytest.approx(-85.0, abs=1.0)
    assert frozen.results["end_temperature"] == about(pytest.approx(-85.0, abs=1.0), "degC")


def test_freezing_water_gives_off_its_heat() -> None:
    twin = make("controlled_rate_freezer", "CR-01", START)
    frozen = run(twin, "freeze")
    sample = [float(detail.split()[0]) for _, event, detail in frozen.events if event == "sample_temperature"]
    in_plateau = sum(-12.0 <= value <= -5.0 for value in sample)
    below = sum(-27.0 <= value <= -20.0 for value in sample)
    assert in_plateau > 1.5 * below


def test_a_freezer_that_is_stopped_keeps_what_it_has() -> None:
    twin = make("controlled_rate_freezer", "CR-01", START)
    twin.start(START, "freeze", {}, "c1")
    twin.update(START + HOUR)
    twin.end(twin.at, "stopped")
    reached = twin.outputs()["temperature"]
    assert twin.update(twin.at + 5 * HOUR).outputs["temperature"] == pytest.approx(reached, abs=1.0)
    run(twin, "warm_up")
    assert twin.update(twin.at + HOUR).outputs["temperature"] == pytest.approx(22.0, abs=1.0)


def test_the_store_stays_below_its_limit_and_fills_itself() -> None:
    twin = make("ln2_store", "LN-01", START)
    levels = []
    for day in range(120):
        shown = twin.update(START + day * DAY).outputs
        assert shown["temperature"] < -150.0
        levels.append(shown["level"])
    assert min(levels) > 55.0
    assert max(levels) > 90.0


def test_an_open_lid_warms_the_store() -> None:
    twin = make("ln2_store", "LN-01", START)
    before = twin.update(START + DAY).outputs["temperature"]
    run(twin, "store", position="R1-A")
    opened = twin.outputs()["temperature"]
    assert before + 3.0 < opened < -150.0
    with pytest.raises(WrongState, match="is taken"):
        twin.start(twin.at, "store", {"position": "R1-A"}, "x")
    run(twin, "retrieve", position="R1-A")
    with pytest.raises(OutOfRange, match="Nothing is stored"):
        twin.start(twin.at, "retrieve", {"position": "R1-A"}, "x")
    assert twin.update(twin.at + 5 * HOUR).outputs["temperature"] == pytest.approx(before, abs=2.0)


def test_the_incubator_follows_its_set_points() -> None:
    twin = make("incubator", "IN-01", START)
    twin.update(START, {"temperature": 37.0, "co2": 5.0, "o2": 5.0})
    shown = twin.update(START + 6 * HOUR).outputs
    assert (shown["temperature"], shown["co2"], shown["o2"]) == pytest.approx((37.0, 5.0, 5.0), abs=0.3)


# -- laboratory, catalogue, sources ----------------------------------------------------------------


def test_the_laboratory_measures_the_truth_with_its_error() -> None:
    twin, truth = cart(6)
    found = [measured(twin.truth(), "viable_cells", "cell/mL", "CP-01", seed, twin.at) for seed in range(60)]
    counts = [each.value for each in found if isinstance(each, Amount)]
    assert sum(counts) / 60 == pytest.approx(truth["viable"], rel=0.03)
    assert max(counts) > 1.05 * truth["viable"] > truth["viable"] * 0.95 > min(counts)
    in_all = measured(truth, "viable_cells", "cell", "CP-01", 1, twin.at)
    per_volume = measured(truth, "viable_cells", "", "CP-01", 1, twin.at)
    assert isinstance(in_all, Amount)
    assert isinstance(per_volume, Amount)
    assert (in_all.unit, per_volume.unit) == ("cell", "cell/mL")
    assert in_all.value == pytest.approx(per_volume.value * truth["volume"], rel=1e-9)


def test_the_same_sample_gives_the_same_result() -> None:
    _, truth = cart(3)
    assert measured(truth, "viability", "%", "CP-01", 1, START) == measured(
        truth, "viability", "%", "CP-01", 1, START
    )
    assert measured(truth, "viability", "%", "CP-01", 1, START) != measured(
        truth, "viability", "%", "CP-02", 1, START
    )


@pytest.mark.parametrize("attribute", [*METHODS, *WORDS])
def test_every_attribute_has_a_typical_value(attribute: str) -> None:
    found = measured({}, attribute, "", "", 1, START)
    if isinstance(found, Amount):
        assert METHODS[attribute][0].low <= found.value <= METHODS[attribute][0].high
    else:
        assert found == WORDS[attribute]


def test_an_unknown_attribute_is_refused_with_what_is_known() -> None:
    with pytest.raises(NotFound, match="no method for 'charm'; it measures: viable_cells"):
        measured({}, "charm", "", "", 1, START)


def test_every_lads_unit_of_the_demo_has_a_twin_with_its_tags_and_actions() -> None:
    for unit in load(DEMO, {}).units:
        if unit.driver != "lads":
            continue
        model = make(unit.unit_class, unit.id, START).model
        assert unit.tags.keys() <= model.tags.keys(), unit.id
        assert {name.removeprefix("program:") for name in unit.actions} <= model.programmes.keys(), unit.id
        for name, tag in unit.tags.items():
            assert (tag.unit, tag.settable) == (model.tags[name].unit, model.tags[name].settable is not None)


def test_a_class_without_a_twin_is_refused() -> None:
    with pytest.raises(
        BadInput, match="no twin for the class 'centrifuge' of CF-01; there is one for: bioreactor/"
    ):
        make("centrifuge", "CF-01", START)
    assert make("closed_cell_processor/tct", "CP-9", START).model.name == "closed cell processor"
    assert len(MODELS) == 6


def test_every_number_says_where_it_comes_from() -> None:
    tables = [*VESSELS.values(), PROCESSOR, FREEZER, STORE, INCUBATOR]
    assert all(known.source and known.unit for table in tables for known in table.values())


def test_the_reference_page_shows_the_code() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written.partition(MARK)[2] == f"\n{tables()}", "run: python -m tests.devices.twins.reference"
