from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batches.allocation import Grant, Request, Unit, accepts, allot, arbitrate, free_position, why_not
from batches.errors import BadInput

REACTORS = (Unit("BR-01", "bioreactor/vertical_wheel"), Unit("BR-02", "bioreactor/stirred_tank"))
CABINET = Unit("CAB-1", "room/grade_a")


def ask(
    claim: str, age: int, priority: int = 0, later: Mapping[str, str] | None = None, **needs: str
) -> Request:
    return Request(claim, priority, age, needs, later=later or {})


def test_a_class_takes_its_kinds_and_no_other() -> None:
    assert accepts("bioreactor", "bioreactor/vertical_wheel")
    assert accepts("bioreactor/stirred_tank", "bioreactor/stirred_tank")
    assert not accepts("bioreactor/stirred_tank", "bioreactor")
    assert not accepts("bio", "bioreactor")


def test_all_roles_are_given_at_once_or_none() -> None:
    wants_both = ask("B-1", 1, reactor="bioreactor", cabinet="room/grade_a")
    assert arbitrate([wants_both], REACTORS) == ()
    assert arbitrate([wants_both], [*REACTORS, CABINET]) == (
        Grant("B-1", {"cabinet": "CAB-1", "reactor": "BR-01"}),
    )


def test_priority_goes_before_age_and_age_before_number() -> None:
    asked = [ask("B-1", 1, room="room"), ask("B-2", 2, priority=1, room="room"), ask("B-3", 0, room="room")]
    rooms = [CABINET, Unit("CAB-2", "room/grade_a")]
    assert [grant.claim for grant in arbitrate(asked, rooms)] == ["B-2", "B-3"]


def test_a_batch_takes_the_unit_it_wants_else_the_one_that_others_need_least() -> None:
    picky = ask("B-2", 2, reactor="bioreactor/vertical_wheel")
    assert arbitrate([ask("B-1", 1, reactor="bioreactor"), picky], REACTORS) == (
        Grant("B-1", {"reactor": "BR-02"}),
        Grant("B-2", {"reactor": "BR-01"}),
    )
    fond = replace(ask("B-1", 1, reactor="bioreactor"), wants={"reactor": "BR-01"})
    assert arbitrate([fond, picky], REACTORS) == (Grant("B-1", {"reactor": "BR-01"}),)


def test_a_unit_that_holds_material_or_is_not_clean_is_not_given() -> None:
    held = replace(REACTORS[0], held_by="B-9")
    dirty = replace(REACTORS[1], status="to_be_cleaned")
    waiting = ask("B-1", 1, reactor="bioreactor")
    assert arbitrate([waiting], [held, dirty]) == ()
    assert why_not(waiting, [], [held, dirty]) == (
        "B-1 waits for bioreactor (reactor): BR-01 is held by B-9, BR-02 is to be cleaned."
    )


def test_two_batches_that_would_need_each_others_unit_are_not_both_started() -> None:
    first = ask("B-1", 1, reactor="bioreactor/vertical_wheel", later={"room": "room"})
    second = ask("B-2", 2, room="room", later={"reactor": "bioreactor/vertical_wheel"})
    plant = [REACTORS[0], CABINET]
    assert arbitrate([first, second], plant) == (Grant("B-1", {"reactor": "BR-01"}),)
    assert why_not(second, [first], plant) == (
        "B-2 waits although CAB-1 could be given: it and B-1 could then wait for each other."
    )


def test_a_shared_unit_gives_as_many_positions_as_it_has() -> None:
    store = Unit("LN2-1", "ln2_store", positions=2, taken={"2": "B-0"})
    asked = [ask("B-1", 1, store="ln2_store"), ask("B-2", 2, store="ln2_store")]
    granted = arbitrate(asked, [store])
    assert granted == (Grant("B-1", {"store": "LN2-1"}, positions={"store": "1"}),)
    (after,) = allot([store], granted)
    assert after.taken == {"1": "B-1", "2": "B-0"}
    assert why_not(asked[1], asked, [store]) == "B-2 waits for ln2_store (store): LN2-1 goes to B-1 first."
    with pytest.raises(BadInput, match="All 2 positions of LN2-1 are taken"):
        free_position(after)


def test_two_roles_of_one_batch_get_two_positions_of_a_shared_unit() -> None:
    store = Unit("LN2-1", "ln2_store", positions=3, taken={"1": "B-0"})
    (granted,) = arbitrate([ask("B-1", 1, cells="ln2_store", product="ln2_store")], [store])
    assert granted.positions == {"cells": "2", "product": "3"}


def test_parallel_parts_of_one_batch_share_the_unit_of_a_role() -> None:
    left = replace(ask("B-1", 1, room="room"), path="Left")
    right = replace(ask("B-1", 1, room="room"), path="Right")
    assert arbitrate([left, right], [CABINET]) == (
        Grant("B-1", {"room": "CAB-1"}, "Left"),
        Grant("B-1", {}, "Right"),
    )


def test_units_are_kept_for_a_batch_that_waited_too_long_but_not_from_those_it_waits_for() -> None:
    old = replace(ask("B-1", 1, reactor="bioreactor/vertical_wheel", room="room"), reserves=True)
    young = ask("B-2", 2, room="room")
    holder = ask("B-3", 3, room="room")
    plant = [replace(REACTORS[0], held_by="B-3"), CABINET]
    assert arbitrate([old, young], plant) == ()
    assert why_not(young, [old], plant) == "B-2 waits for room (room): CAB-1 is kept for B-1."
    assert arbitrate([old, holder], plant) == (Grant("B-3", {"room": "CAB-1"}),)


def test_more_than_the_plant_has_is_said_and_reserves_nothing() -> None:
    greedy = replace(ask("B-1", 1, one="room", two="room"), reserves=True)
    assert why_not(greedy, [], [CABINET]) == (
        "B-1 needs room (one) and room (two), which is more than the plant has; change the plant file or the recipe."
    )
    assert arbitrate([greedy, ask("B-2", 2, room="room")], [CABINET]) == (Grant("B-2", {"room": "CAB-1"}),)


def test_an_older_batch_that_is_served_first_is_named() -> None:
    asked = [ask("B-1", 1, room="room"), ask("B-2", 2, room="room")]
    assert why_not(asked[0], asked, [CABINET]) == ""
    assert why_not(asked[1], asked, [CABINET]) == "B-2 waits for room (room): CAB-1 goes to B-1 first."


def test_a_role_served_only_by_a_unit_another_role_takes_is_said() -> None:
    plant = [CABINET, Unit("CAB-2", "room/grade_a", status="out_of_service")]
    assert why_not(ask("B-1", 1, one="room", two="room"), [], plant) == (
        "B-1 needs room (one) and room (two), each a unit of its own, and only CAB-1 can be given now."
    )


def test_what_stands_twice_is_refused() -> None:
    with pytest.raises(BadInput, match="The unit CAB-1 stands twice"):
        arbitrate([], [CABINET, CABINET])
    with pytest.raises(BadInput, match="The request B-1 stands twice"):
        arbitrate([ask("B-1", 1, room="room")] * 2, [CABINET])


# -- properties ------------------------------------------------------------------------------------

CLASSES = ("bioreactor", "bioreactor/vertical_wheel", "bioreactor/stirred_tank", "room", "store")


@st.composite
def plants(draw: st.DrawFn) -> tuple[Unit, ...]:
    kinds = draw(st.lists(st.sampled_from(CLASSES[1:]), min_size=2, max_size=6))
    return tuple(Unit(f"U{n}", kind, positions=2 if kind == "store" else 0) for n, kind in enumerate(kinds))


@dataclass
class Batch:
    """A made-up batch: stages with the classes each adds; after some it gives everything back."""

    name: str
    priority: int
    stages: Sequence[tuple[Sequence[str], bool]]
    at: int = 0
    running: bool = False

    def request(self, units: Mapping[str, str]) -> Request:
        needs = {} if self.running else self._roles(self.at)
        later: dict[str, str] = {}
        for stage in range(self.at, len(self.stages)):
            later |= self._roles(stage)
            if self.stages[stage][1]:
                break
        return Request(self.name, self.priority, 0, needs, bound=units, later=later)

    def _roles(self, stage: int) -> dict[str, str]:
        return {f"{stage}.{n}": wanted for n, wanted in enumerate(self.stages[stage][0])}


@st.composite
def batches(draw: st.DrawFn) -> list[Batch]:
    stage = st.tuples(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=2), st.booleans())
    several = draw(
        st.lists(
            st.tuples(st.integers(0, 2), st.lists(stage, min_size=1, max_size=4)), min_size=2, max_size=6
        )
    )
    return [Batch(f"B-{n}", priority, stages) for n, (priority, stages) in enumerate(several)]


def possible(batch: Batch, plant: tuple[Unit, ...]) -> bool:
    alone = Batch(batch.name, 0, batch.stages)
    for stage in range(len(batch.stages)):
        alone.at = stage
        if "more than the plant has" in why_not(alone.request({}), [], plant):
            return False
    return True


def release(units: tuple[Unit, ...], claim: str) -> tuple[Unit, ...]:
    return tuple(
        replace(
            unit,
            held_by="" if unit.held_by == claim else unit.held_by,
            taken={position: by for position, by in unit.taken.items() if by != claim},
        )
        for unit in units
    )


@given(plants(), batches(), st.data())
def test_every_batch_finishes_and_nothing_is_booked_twice(
    plant: tuple[Unit, ...], several: list[Batch], data: st.DataObject
) -> None:
    several = [batch for batch in several if possible(batch, plant)]
    assume(len(several) > 1)
    units, bound = plant, {batch.name: dict[str, str]() for batch in several}
    open_batches = list(several)
    while open_batches:
        requests = [batch.request(bound[batch.name]) for batch in open_batches]
        granted = arbitrate(data.draw(st.permutations(requests)), units)
        units = allot(units, granted)  # raises where a position is given twice
        for grant in granted:
            (batch,) = (batch for batch in open_batches if batch.name == grant.claim)
            batch.running = True
            bound[batch.name] |= grant.units
        given_out = [unit for roles in bound.values() for unit in roles.values()]
        assert all(given_out.count(unit.id) == len(unit.holders()) for unit in units)
        running = [batch for batch in open_batches if batch.running]
        assert running, "every batch waits: deadlock"
        batch = data.draw(st.sampled_from(running))
        batch.running = False
        gives_back = batch.stages[batch.at][1]
        batch.at += 1
        if batch.at == len(batch.stages):
            open_batches.remove(batch)
        if gives_back or batch.at == len(batch.stages):
            units, bound[batch.name] = release(units, batch.name), {}


@given(plants(), batches())
def test_the_first_in_order_is_served_whenever_all_it_needs_is_free(
    plant: tuple[Unit, ...], several: list[Batch]
) -> None:
    first = min(several, key=lambda batch: (-batch.priority, batch.name))
    assume(possible(first, plant))
    granted = arbitrate([batch.request({}) for batch in several], plant)
    assert first.name in [grant.claim for grant in granted]


@given(plants(), batches())
def test_the_order_of_the_input_does_not_matter(plant: tuple[Unit, ...], several: list[Batch]) -> None:
    requests = [batch.request({}) for batch in several]
    expected = arbitrate(requests, plant)
    assert arbitrate(requests[::-1], plant[::-1]) == expected
    for request in requests:
        granted = any(grant.claim == request.claim for grant in expected)
        assert granted == (why_not(request, requests, plant) == "")
