"""What an action comes to: cycles that fit the channels and the tips, and the volumes asked."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.quantities import Quantity, parse
from devices.base import DeviceRefused
from devices.deck_state import DeckState
from devices.pipetting import Layout, Plan, plan
from devices.volumes import Ledger, Vessel

ROWS, COLUMNS = "ABCDEFGH", range(1, 13)


def columns(plate: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(f"{plate}/{row}{column}" for row in ROWS) for column in COLUMNS)


PLATES = {"plate": columns("plate"), "other": columns("other")}
WELLS = [well for plate in PLATES.values() for column in plate for well in column]
RESERVOIRS = ("suspension", "medium", "waste", "pool")
VESSELS = {name: Vessel(Decimal(200_000), Decimal(2000)) for name in RESERVOIRS} | {
    well: Vessel(Decimal(2000), Decimal(20)) for well in WELLS
}
LAYOUT = Layout(frozenset(RESERVOIRS), PLATES, 8, Decimal(1000))


def deck(wells: str = "0", **held: str) -> Ledger:
    volumes = {name: Decimal(held.get(name, "100000")) for name in RESERVOIRS}
    return Ledger(VESSELS, volumes | dict.fromkeys(WELLS, Decimal(wells)))


def planned(action: str, ledger: Ledger | None = None, layout: Layout = LAYOUT, **asked: object) -> Plan:
    given_ = {
        name: parse(value) if isinstance(value, str) and value[0].isdigit() else value
        for name, value in asked.items()
    }
    return plan(action, given_, layout, ledger or deck())


def refusal(action: str, ledger: Ledger | None = None, **asked: Any) -> str:
    with pytest.raises(DeviceRefused) as refused:
        planned(action, ledger, **asked)
    return str(refused.value)


microlitres = st.integers(1, 18_000).map(lambda steps: f"{Decimal(steps) / 10} uL")
layouts = st.builds(
    Layout,
    st.just(LAYOUT.reservoirs),
    st.just(PLATES),
    st.integers(1, 8),
    st.sampled_from([Decimal(200), Decimal(300), Decimal(1000)]),
)


@given(
    layouts,
    st.sampled_from(["dispense", "pool", "transfer", "exchange_medium"]),
    microlitres,
    st.integers(0, 96),
    st.booleans(),
)
def test_every_cycle_fits_the_channels_and_the_tips(
    layout: Layout, action: str, volume: str, wells: int, new_tips: bool
) -> None:
    ledger = deck("0" if action == "dispense" else "1900", medium="200000", waste="0", pool="0")
    vessels = {
        "dispense": {"source": "medium", "target": "plate"},
        "pool": {"source": "plate", "target": "pool"},
        "transfer": {"source": "plate", "target": "pool"},
        "exchange_medium": {"plate": "plate"},
    }[action]
    made = planned(action, ledger, layout, volume=volume, wells=wells, new_tips=new_tips, **vessels)
    for cycle in (cycle for stage in made.stages for cycle in stage.cycles):
        assert 0 < len(cycle) <= layout.channels
        assert all(0 < move.volume <= layout.tip for move in cycle)
        touched = Counter(name for move in cycle for name in (move.source, move.target) if name in WELLS)
        assert not touched or max(touched.values()) == 1
    assert all(0 < width <= layout.channels for width in made.widths)


@given(microlitres.filter(lambda text: parse(text).value <= 1000), st.integers(1, 96))
def test_every_well_gets_what_was_asked(volume: str, wells: int) -> None:
    made = planned("dispense", source="medium", target="plate", volume=volume, wells=wells)
    got: Counter[str] = Counter()
    for move in made.moves:
        got[move.target] += move.volume  # pyright: ignore[reportArgumentType]
    first = [well for column in columns("plate") for well in column][:wells]
    assert got == dict.fromkeys(first, parse(volume).value)


def test_seeding_serves_a_plate_column_by_column_with_one_set_of_tips() -> None:
    made = planned(
        "seed_microwells", source="suspension", target="plate", volume="150 uL", cells_per_well="1000 cell"
    )
    (stage,) = made.stages
    assert [len(cycle) for cycle in stage.cycles] == [8] * 12
    assert [move.target for move in stage.cycles[1]] == [f"plate/{row}2" for row in ROWS]
    assert {move.source for move in made.moves} == {"suspension"}
    assert (stage.mix, made.widths) == (True, [8])
    assert made.results == {
        "wells": 96,
        "volume_per_well": parse("150.0 uL"),
        "volume": parse("14.4 mL"),
        "cells_per_well": parse("1000 cell"),
        "cells": parse("96000 cell"),
    }
    assert made.duration == timedelta(seconds=6 + 4 + 12 * (6 + 3 + 18))


def test_the_seeding_volume_follows_from_cells_and_concentration() -> None:
    asked: dict[str, Any] = {
        "target": "plate",
        "wells": 8,
        "cells_per_well": "1000 cell",
        "concentration": "8e3 cell/mL",
    }
    assert planned("seed_microwells", **asked).results["volume_per_well"] == parse("125.0 uL")
    agreeing = planned("seed_microwells", volume="124 uL", **asked)
    assert agreeing.results["volume_per_well"] == parse("124.0 uL")
    assert refusal("seed_microwells", volume="150 uL", **asked) == (
        "The action 'seed_microwells' is given 150 µL per well, but 1000 cell at 8 cell/uL are 125 µL; "
        "correct the recipe or the command."
    )


def test_a_volume_larger_than_the_tip_goes_in_rounds() -> None:
    made = planned("dispense", source="medium", target="plate/B3", volume="1500.1 uL")
    assert [[move.volume for move in cycle] for cycle in made.stages[0].cycles] == [
        [Decimal("750.1")], [Decimal("750.0")],
    ]  # fmt: skip


def test_an_exchange_never_brings_a_used_tip_into_fresh_medium() -> None:
    ledger = deck()
    ledger = replace(ledger, held={**ledger.held, "plate/A1": Decimal(200), "plate/B1": Decimal("100.1")})
    made = planned("exchange_medium", ledger, plate="plate", fraction="50 %", source="medium")
    out, back = made.stages
    assert [(move.source, move.target, move.volume) for (cycle,) in [out.cycles] for move in cycle] == [
        ("plate/A1", "waste", Decimal("100.0")), ("plate/B1", "waste", Decimal("50.0")),
    ]  # fmt: skip
    assert [(move.source, move.target) for (cycle,) in [back.cycles] for move in cycle] == [
        ("medium", "plate/A1"), ("medium", "plate/B1"),
    ]  # fmt: skip
    assert made.widths == [2, 2]
    assert made.results == {"wells": 2, "volume": parse("0.15 mL")}


def test_pooling_takes_all_that_can_be_drawn() -> None:
    made = planned("pool", deck("150"), source="plate", wells=9, new_tips=True)
    assert {move.volume for move in made.moves} == {Decimal(130)}
    assert made.results == {"wells": 9, "volume": parse("1.17 mL")}
    assert made.widths == [8, 1]


def test_a_transfer_counts_per_well_only_where_wells_are_counted() -> None:
    between = planned("transfer", source="medium", target="pool", volume="9.5 mL")
    assert [len(cycle) for cycle in between.stages[0].cycles] == [8, 2]
    assert between.results == {"volume": parse("9.5 mL")}
    counted = planned("transfer", source="medium", target="plate", volume="0.1 mL", wells=10)
    assert counted.results == {"volume": parse("1 mL")}
    whole = planned("transfer", source="medium", target="plate", volume="9.6 mL")
    assert {move.volume for move in whole.moves} == {Decimal(100)}
    paired = planned("transfer", deck("150"), source="plate", target="other", volume="50 uL", wells=3)
    assert [(move.source, move.target) for move in paired.moves] == [
        (f"plate/{row}1", f"other/{row}1") for row in "ABC"
    ]


def test_parameters_added_for_other_devices_are_passed_over() -> None:
    assert planned("pool", deck("150"), source="plate", batch="B-0001", command="1")


REFUSED = [
    ("spin", {}, "A liquid handler has no action 'spin'; correct the recipe."),
    ("dispense", {"target": "plate"}, "needs 'volume'"),
    ("dispense", {"target": "plate", "volume": "1 g"}, "needs a quantity in uL for 'volume': 'g' cannot be turned into 'uL'"),
    ("dispense", {"target": "plate", "volume": 5}, "needs a quantity in uL for 'volume', not '5'"),
    ("dispense", {"target": "plate", "volume": "0 uL"}, "needs more than 0 uL for 'volume'"),
    ("dispense", {"target": "plate", "volume": "0.01 uL"}, "needs at least 0.1 µL for 'volume', not 0.01 uL"),
    ("dispense", {"volume": "1 uL"}, "needs 'target', the name of a vessel or plate of the deck"),
    ("dispense", {"target": "pool", "volume": "1 uL"}, "needs a plate, not 'pool'; the plates are 'plate' and 'other'"),
    ("dispense", {"target": "plate", "volume": "1 uL", "wells": 97}, "counts 97 wells, but 'plate' has 96"),
    ("dispense", {"target": "plate", "volume": "1 uL", "wells": -1}, "needs a whole number for 'wells', not '-1'"),
    ("dispense", {"target": "plate", "volume": "1 uL", "wells": True}, "needs a whole number for 'wells', not 'True'"),
    ("dispense", {"target": "plate", "volume": "1 uL", "speed": 3}, "knows nothing of 'speed'"),
    ("dispense", {"target": "plate", "volume": "1 uL", "new_tips": "no"}, "needs true or false for 'new_tips', not 'no'"),
    ("dispense", {"target": "plate", "source": "other", "volume": "1 uL"}, "needs a reservoir or a well, not the whole plate 'other'"),
    ("dispense", {"target": "plate", "source": "wash", "volume": "1 uL"}, "There is no vessel 'wash' on the deck; "),
    ("dispense", {"target": "plate", "volume": "1.1 mL"}, "'medium' holds 100 mL, of which 2 mL cannot be drawn, and 105.6 mL are needed; "),
    ("dispense", {"target": "plate", "volume": "2.1 mL", "wells": 1}, "'plate/A1' holds 0 µL of at most 2 mL, and 2.1 mL more do not fit; "),
    ("exchange_medium", {"plate": "plate"}, "needs either 'volume' per well or 'fraction'"),
    ("exchange_medium", {"plate": "plate", "fraction": "120 %"}, "cannot exchange more than all of it, 1.2"),
    ("exchange_medium", {"plate": "plate", "fraction": "50 %"}, "moves nothing: the wells it would draw from hold no liquid"),
    ("pool", {"source": "plate"}, "moves nothing: the wells it would draw from hold no liquid"),
    ("seed_microwells", {"target": "plate", "cells_per_well": "5 cell"}, "needs 'volume' per well, or 'cells_per_well' with 'concentration'"),
    ("transfer", {"source": "medium", "target": "pool", "volume": "1 mL", "wells": 2}, "counts no wells between two reservoirs"),
    ("transfer", {"source": "plate", "target": "other/A1", "volume": "1 uL"}, "cannot pair the wells of 'plate' with those of 'other/A1'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "asked", "sentence"), REFUSED, ids=[sentence[:50] for *_, sentence in REFUSED]
)
def test_what_cannot_be_is_refused_with_its_reason(action: str, asked: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(action, **asked)


RACKS = {
    name: tuple(f"{name}/{row}{column}" for column in COLUMNS for row in ROWS) for name in ("one", "two")
}
TIPS = DeckState(deck(), RACKS)


def test_tips_are_taken_from_one_column_while_there_is_one() -> None:
    state = replace(TIPS, used=frozenset({"one/A1"}))
    assert state.pick(8) == tuple(f"one/{row}2" for row in ROWS)
    assert state.pick(7) == tuple(f"one/{row}1" for row in ROWS[1:])
    scattered = replace(
        TIPS, used=frozenset(tip for rack in RACKS.values() for tip in rack if tip[4] in "ABCDEFG")
    )
    assert scattered.pick(2) == ("one/H1", "one/H2")


@given(st.lists(st.integers(1, 8), max_size=60))
def test_no_tip_is_used_twice(widths: list[int]) -> None:
    if sum(widths) > 192:
        with pytest.raises(DeviceRefused) as refused:
            TIPS.plan_tips(widths)
        assert str(refused.value) == (
            f"192 tips are left and {sum(widths)} are needed; put in full racks and confirm with the action 'load_tips'."
        )
        return
    picked = TIPS.plan_tips(widths)
    used = [tip for tips in picked for tip in tips]
    assert len(set(used)) == len(used) == sum(widths)


def test_results_are_quantities_with_a_unit_of_measure() -> None:
    assert isinstance(planned("pool", deck("150"), source="plate").results["volume"], Quantity)
