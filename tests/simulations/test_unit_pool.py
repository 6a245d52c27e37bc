"""Units in simulated time: the quick way gives what the arbiter gives, and nothing is given twice."""

import simpy
from hypothesis import given
from hypothesis import strategies as st

from batches.allocation import arbitrate
from simulations.scenario import UnitGroup
from simulations.unit_pool import Asked, Claim, PlantUnit, UnitPool, quick
from simulations.upkeep import UnitState

CLASSES = ("bioreactor", "bioreactor/wheel", "bioreactor/tank", "room", "store")


def unit(name: str, unit_class: str, positions: int = 0) -> PlantUnit:
    return PlantUnit(name, unit_class, positions, UnitGroup(name, unit_class, 1), UnitState())


@st.composite
def pools(draw: st.DrawFn) -> UnitPool:
    """A plant with units of several classes, some blocked, some held, and batches that ask."""
    kinds = draw(st.lists(st.sampled_from(CLASSES[1:]), min_size=1, max_size=7))
    units = [unit(f"U{n}", kind, 2 if kind == "store" else 0) for n, kind in enumerate(kinds)]
    for each in units:
        each.blocked = draw(st.sampled_from((0, 0, 0, 1)))
    pool = UnitPool(simpy.Environment(), units)
    roles = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(CLASSES), max_size=3)
    for number in range(draw(st.integers(1, 5))):
        claim = Claim(f"B-{number}", later=draw(roles))
        for each in draw(st.lists(st.sampled_from(units), max_size=2, unique_by=lambda found: found.id)):
            if each.free():
                position = str(len(each.holders) + 1) if each.positions else ""
                each.holders[position] = claim.id
                claim.bound[f"held {each.id}"] = each.id
                pool.holding[claim.id] = claim
        for path in ("x", "y")[: draw(st.integers(0, 2))]:
            needs = draw(roles)
            if needs:
                rank = (-draw(st.integers(0, 1)), float(draw(st.integers(0, 2))), claim.id, path)
                pool.waiting.append(Asked(rank, claim, needs, pool.env.event()))
    pool.waiting.sort()
    return pool


@given(pools())
def test_the_quick_way_gives_what_the_arbiter_gives(pool: UnitPool) -> None:
    given_quickly = quick(pool)
    if given_quickly is not None:
        frozen = [each.frozen() for each in pool.units.values()]
        assert given_quickly == arbitrate(pool.requests(), frozen)


@given(pools(), st.data())
def test_nothing_is_given_twice_and_all_of_it_comes_back(pool: UnitPool, data: st.DataObject) -> None:
    claims = {asked.claim.id: asked.claim for asked in pool.waiting} | pool.holding
    pool.serve()
    while pool.holding:
        for each in pool.units.values():
            assert len(each.holders) <= (each.positions or 1)
            bound = [c.id for c in claims.values() for held in c.bound.values() if held == each.id]
            assert sorted(bound) == sorted(each.holders.values())
        claim = data.draw(st.sampled_from(sorted(pool.holding.values(), key=lambda found: found.id)))
        pool.withdraw(claim)
        claim.later = {}
        pool.give_back(claim, list(claim.bound))
        pool.serve()
    assert all(not each.holders for each in pool.units.values())


def test_the_quick_way_decides_the_usual_cases() -> None:
    env = simpy.Environment()
    pool = UnitPool(env, [unit("U1", "room"), unit("U2", "room"), unit("S", "store", 2)])
    claims = [Claim(f"B-{number}", later={"store": "store"}) for number in range(4)]
    events = [
        pool.ask(claim, {"room": "room", "store": "store"}, 0, float(number), "")
        for number, claim in enumerate(claims)
    ]
    assert [event.triggered for event in events] == [True, True, False, False]
    pool.give_back(claims[0], ["room", "store"])
    pool.serve()
    assert events[2].value == {"room": "U1", "store": "S"}
    assert pool.slow == 0


def test_a_unit_that_is_blocked_is_given_once_it_is_free() -> None:
    pool = UnitPool(simpy.Environment(), [unit("U1", "room")])
    room = pool.units["U1"]
    pool.block(room)
    event = pool.ask(Claim("B-1"), {"room": "room"}, 0, 0.0, "")
    assert not event.triggered
    pool.unblock(room)
    assert event.value == {"room": "U1"}
