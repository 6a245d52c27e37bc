from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.allocation import Unit
from batches.entries import Actor, Draft
from batches.equipment import (
    NOT_COMMISSIONED,
    Holder,
    UnitState,
    allocate,
    apply,
    clean,
    commission,
    fold,
    put_back,
    release,
    take_out,
)
from batches.errors import BadInput, KweekError, NotPermitted, RecordError, Refused
from tests.batches.record_helpers import START, sealed

ANNA, BEN = Actor("person", "p-1", "operator"), Actor("person", "p-2", "operator")
Command = Callable[[UnitState], tuple[Draft, ...]]


def after(*commands: Command) -> UnitState:
    """The state after the commands, each decided on the fold of the drafts before it."""
    drafts: list[Draft] = []
    for command in commands:
        drafts += command(fold(sealed("equipment/BR-01", drafts)))
    return fold(sealed("equipment/BR-01", drafts))


def exclusive(state: UnitState) -> tuple[Draft, ...]:
    return commission(state, "BR-01", "bioreactor", 0, ANNA)


def given_to(batch: str, position: str = "") -> Command:
    return lambda state: allocate(state, batch, "Expansion", "reactor", position)


def back_from(batch: str, dirty: bool = True, position: str = "") -> Command:
    return lambda state: release(state, batch, dirty, position)


def test_a_unit_goes_to_a_batch_and_comes_back_to_be_cleaned() -> None:
    held = after(exclusive, given_to("B-1"))
    assert held.holders == {"": Holder("B-1", "Expansion", "reactor")}
    assert held.unit() == Unit("BR-01", "bioreactor", "available", "B-1")
    back = after(exclusive, given_to("B-1"), back_from("B-1"))
    assert back.unit() == Unit("BR-01", "bioreactor", "to_be_cleaned")
    cleaned = after(exclusive, given_to("B-1"), back_from("B-1"), lambda state: clean(state, ANNA, BEN))
    assert (cleaned.status, cleaned.cleaned_at) == ("available", START.replace(second=4))


def test_a_unit_is_never_given_twice_nor_dirty_nor_out_of_service() -> None:
    with pytest.raises(Refused, match=r"BR-01 is held by B-1; it cannot be given to B-2\."):
        given_to("B-2")(after(exclusive, given_to("B-1")))
    with pytest.raises(Refused, match="BR-01 is to be cleaned"):
        given_to("B-2")(after(exclusive, given_to("B-1"), back_from("B-1")))
    with pytest.raises(Refused, match="BR-01 is out of service"):
        given_to("B-2")(after(exclusive, lambda state: take_out(state, "pump fault", ANNA)))


def test_a_shared_unit_gives_its_positions() -> None:
    store = after(lambda state: commission(state, "LN2-1", "ln2_store", 2, ANNA), given_to("B-1", "2"))
    assert store.unit() == Unit("LN2-1", "ln2_store", "available", "", 2, {"2": "B-1"})
    with pytest.raises(Refused, match="position 2 of LN2-1 is held by B-1"):
        given_to("B-2", "2")(store)
    with pytest.raises(BadInput, match="has no position '3'; it has 1, 2"):
        given_to("B-2", "3")(store)
    with pytest.raises(BadInput, match="has no position ''"):
        given_to("B-2")(store)


def test_only_the_batch_that_has_a_unit_gives_it_back() -> None:
    with pytest.raises(Refused, match="B-2 does not have BR-01: it is held by B-1"):
        back_from("B-2")(after(exclusive, given_to("B-1")))
    with pytest.raises(Refused, match="B-2 does not have BR-01: it is free"):
        back_from("B-2")(after(exclusive))


def test_a_repair_does_not_make_a_dirty_unit_clean() -> None:
    def out(state: UnitState) -> tuple[Draft, ...]:
        return take_out(state, "pump fault", ANNA)

    dirty = after(
        exclusive,
        given_to("B-1"),
        back_from("B-1"),
        out,
        lambda state: put_back(state, "pump changed", False, ANNA, BEN),
    )
    assert dirty.status == "to_be_cleaned"
    assert (
        after(exclusive, out, lambda state: put_back(state, "pump changed", True, ANNA, BEN)).status
        == "available"
    )


def test_a_unit_with_a_batch_on_it_may_go_out_of_service_but_is_not_cleaned() -> None:
    held = after(exclusive, given_to("B-1"), lambda state: take_out(state, "pump fault", ANNA))
    assert held.unit() == Unit("BR-01", "bioreactor", "out_of_service", "B-1")
    with pytest.raises(Refused, match="BR-01 is held by B-1"):
        clean(held, ANNA, BEN)


@pytest.mark.parametrize(
    ("first", "second"), [(ANNA, ANNA), (ANNA, Actor("device", "BR-01")), (Actor("system", "x"), BEN)]
)
def test_cleaning_and_return_to_service_need_two_people(first: Actor, second: Actor) -> None:
    with pytest.raises(NotPermitted, match="needs two people"):
        clean(after(exclusive), first, second)
    with pytest.raises(NotPermitted, match="needs two people"):
        put_back(
            after(exclusive, lambda state: take_out(state, "fault", ANNA)), "mended", True, first, second
        )


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(Refused, match="commissioned before"):
        exclusive(after(exclusive))
    with pytest.raises(Refused, match="not commissioned"):
        given_to("B-1")(NOT_COMMISSIONED)
    with pytest.raises(BadInput, match="needs an id"):
        commission(NOT_COMMISSIONED, "", "bioreactor", 0, ANNA)
    with pytest.raises(BadInput, match="needs a reason"):
        take_out(after(exclusive), " ", ANNA)
    with pytest.raises(Refused, match="in service already"):
        put_back(after(exclusive), "mended", True, ANNA, BEN)
    with pytest.raises(Refused, match="out of service already"):
        take_out(after(exclusive, lambda state: take_out(state, "fault", ANNA)), "fault", ANNA)


def test_an_entry_that_cannot_stand_is_named() -> None:
    good = sealed(
        "equipment/BR-01",
        [
            *exclusive(NOT_COMMISSIONED),
            Draft("unit_allocated", {"batch": "B-1", "path": "", "role": "r", "position": ""}),
        ],
    )
    with pytest.raises(RecordError, match="Entry 2 of equipment/BR-01 is missing: 3 stands there"):
        apply(fold(good[:1]), sealed("equipment/BR-01", [good_draft() for _ in range(3)])[2])
    for wrong, complaint in (
        (
            Draft("unit_allocated", {"batch": "B-2", "path": "", "role": "r", "position": ""}),
            "Entry 3 .* allocates what B-1 has",
        ),
        (
            Draft("unit_released", {"batch": "B-2", "position": ""}),
            "Entry 3 .* releases what B-2 does not have",
        ),
        (Draft("unit_painted", {}), "Entry 3 .* unknown kind 'unit_painted'"),
        (good_draft(), "Entry 3 .* commissioning stands first and once"),
    ):
        with pytest.raises(RecordError, match=complaint):
            fold(sealed("equipment/BR-01", [wrong], after=good))
    with pytest.raises(RecordError, match="commissioning stands first"):
        fold(sealed("equipment/BR-01", [Draft("unit_cleaned", {})]))


def good_draft() -> Draft:
    return exclusive(NOT_COMMISSIONED)[0]


def possible_commands(batch: str) -> Iterator[Command]:
    yield given_to(batch)
    yield back_from(batch, dirty=True)
    yield back_from(batch, dirty=False)
    yield lambda state: clean(state, ANNA, BEN)
    yield lambda state: take_out(state, "fault", ANNA)
    yield lambda state: put_back(state, "mended", False, ANNA, BEN)


@given(st.lists(st.tuples(st.sampled_from(["B-1", "B-2"]), st.integers(0, 5)), max_size=30))
def test_no_sequence_of_commands_gives_a_unit_to_two_batches_or_unclean(picks: list[tuple[str, int]]) -> None:
    drafts = list(exclusive(NOT_COMMISSIONED))
    for batch, pick in picks:
        before = fold(sealed("equipment/BR-01", drafts))
        try:
            drafts += list(possible_commands(batch))[pick](before)
        except KweekError:
            continue
        if pick == 0:
            assert (before.status, before.holders) == ("available", {})
    assert len(fold(sealed("equipment/BR-01", drafts)).holders) <= 1
