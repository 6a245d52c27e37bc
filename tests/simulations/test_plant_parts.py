"""Laboratory, stock, stores, upkeep and lanes in SimPy time, against schedules worked out by hand. Times in hours."""

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput
from simulations import upkeep
from simulations.calendars import ALWAYS, WorkTime
from simulations.crew import Crew
from simulations.distributions import Constant, Exponential, Uniform
from simulations.laboratory import Bench
from simulations.lanes import Network, allocate
from simulations.scenario import (
    Breakdown,
    Changeover,
    Cleaning,
    Contamination,
    Laboratory,
    Lane,
    Maintenance,
    Method,
    Need,
    PeopleGroup,
    ProductPlan,
    Release,
    Site,
    StockItem,
    Store,
    UnitGroup,
    Work,
)
from simulations.stock import Positions, Shelves
from simulations.streams import Streams
from simulations.upkeep import UnitState, Upkeep

DAYS = WorkTime([(24.0 * day + 8, 24.0 * day + 16) for day in range(60)])
ANALYST = PeopleGroup("analysts", "qc", 1, "day")


def hand(hours: float, role: str = "operator", people: int = 1) -> Work:
    return Work(Constant(hours), Need(role, people))


def site(**parts: Any) -> Site:
    return replace(Site("plant", "", {}, {"analysts": ANALYST}, None, {}, {}, {}, {}), **parts)


def crew_of(env: simpy.Environment, place: Site) -> Crew:
    return Crew(env, place, {"day": DAYS, "always": ALWAYS}, Streams(1, 0))


@dataclass
class Diary:
    """When events came, and with which value."""

    env: simpy.Environment
    lines: dict[str, tuple[float, Any]] = field(default_factory=dict[str, tuple[float, Any]])

    def note(self, name: str, at: float, ask: Any) -> None:
        self.env.process(self._note(name, at, ask))

    def _note(self, name: str, at: float, ask: Any) -> Generator[Any, Any, None]:
        yield self.env.timeout(at)
        event = ask()
        value = None if event is None else (yield event)
        self.lines[name] = (self.env.now, value)


# -- laboratory ------------------------------------------------------------------------------------


def bench(env: simpy.Environment, *methods: Method, **instruments: int) -> Bench:
    return Bench(
        env,
        Laboratory({each.name: each for each in methods}, instruments),
        crew_of(env, site()),
        Streams(1, 0),
    )


def test_results_come_after_the_slowest_method() -> None:
    env = simpy.Environment()
    found, diary = bench(env, Method("a", Constant(3)), Method("b", Constant(14))), Diary(env)
    diary.note("one", 1, lambda: found.test(["a"], "S-1"))
    diary.note("both", 1, lambda: found.test(["a", "b"], "S-2"))
    diary.note("none", 1, lambda: found.test([], "S-3"))
    env.run()
    assert diary.lines == {"one": (4, 4), "both": (15, 15), "none": (1, 1)}


def test_samples_wait_for_the_instrument_and_the_analyst() -> None:
    env = simpy.Environment()
    flow = Method("flow", Constant(3), "cytometer", Constant(2), hand(1, "qc"))
    found, diary = bench(env, flow, cytometer=1), Diary(env)
    for number in (1, 2):
        diary.note(f"S-{number}", 6, lambda number=number: found.test(["flow"], f"S-{number}"))
    env.run()
    # the first begins at 8 with the analyst and leaves the instrument at 10; the second begins then
    assert diary.lines == {"S-1": (11, 11), "S-2": (13, 13)}
    assert found.runs == {"flow": 2}


def test_a_run_waits_for_enough_samples_but_not_for_ever() -> None:
    env = simpy.Environment()
    sterility = Method("sterility", Constant(10), batch_of=3, wait_at_most=5)
    found, diary = bench(env, sterility), Diary(env)
    for name, at in (("a", 0), ("b", 1), ("c", 2), ("d", 3)):
        diary.note(name, at, lambda name=name: found.test(["sterility"], name))
    env.run()
    assert {name: line[0] for name, line in diary.lines.items()} == {"a": 12, "b": 12, "c": 12, "d": 18}
    assert found.runs == {"sterility": 2}


def test_an_invalid_test_is_repeated() -> None:
    env = simpy.Environment()
    found, diary = bench(env, Method("a", Constant(1), invalid=0.5)), Diary(env)
    for number in range(400):
        diary.note(str(number), 0, lambda number=number: found.test(["a"], f"S-{number}"))
    env.run()
    attempts = [line[0] for line in diary.lines.values()]
    assert set(attempts) <= set(range(1, 20))
    assert 1.7 < sum(attempts) / 400 < 2.3  # geometric with mean 2, by five standard errors
    assert found.runs["a"] == sum(attempts)


def test_urgent_samples_have_the_instrument_first() -> None:
    env = simpy.Environment()
    found, diary = bench(env, Method("a", Constant(1), "reader", Constant(1)), reader=1), Diary(env)
    for name, at, priority in (("first", 0, 0), ("second", 0.1, 0), ("urgent", 0.2, 9)):
        diary.note(name, at, lambda name=name, priority=priority: found.test(["a"], name, priority))
    env.run()
    assert {name: line[0] for name, line in diary.lines.items()} == {"first": 1, "urgent": 2, "second": 3}


def test_a_method_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match="The laboratory has no method 'x'; it has a."):
        bench(simpy.Environment(), Method("a", Constant(1))).test(["x"], "S-1")


# -- stock -----------------------------------------------------------------------------------------

SETS = StockItem("set", "piece", 5, 2, 4, Constant(24))


def test_a_shortage_waits_for_the_lead_time() -> None:
    env = simpy.Environment()
    shelves, diary = Shelves(env, {"set": SETS}, Streams(1, 0), "plant"), Diary(env)
    for name, at, amount in (("a", 0, 3), ("b", 1, 2), ("c", 2, 1), ("d", 3, 2)):
        diary.note(name, at, lambda amount=amount: shelves.take("set", amount))
    env.run(until=100)
    # after a: 2 left, 4 ordered, come at 24; b takes the last 2, c and d wait for them
    assert {name: line[0] for name, line in diary.lines.items()} == {"a": 0, "b": 1, "c": 24, "d": 24}
    assert shelves.shortages() == {"set": 2}
    assert shelves.level("set") == 4 - 3 + 4  # ordered again when c asked


def test_what_is_out_of_date_is_thrown_away() -> None:
    env = simpy.Environment()
    shelves = Shelves(env, {"set": replace(SETS, keeps=10.0)}, Streams(1, 0), "plant")
    diary = Diary(env)
    diary.note("late", 20, lambda: shelves.take("set", 1))
    env.run(until=50)
    assert diary.lines["late"][0] == 44
    assert shelves.expired() == {"set": 5}


def test_a_material_made_here_is_ordered_and_may_fail() -> None:
    env = simpy.Environment()
    asked = list[float]()
    item = StockItem("bank", "vial", 2, 1, 10, None, made_by="bank_batch")
    shelves = Shelves(env, {"bank": item}, Streams(1, 0), "plant", lambda _: asked.append(env.now))
    assert shelves.take("bank", 1) is None
    assert asked == [0]
    shelves.lost("bank")
    assert asked == [0, 0]
    shelves.deliver("bank")
    assert shelves.level("bank") == 11
    assert shelves.take("other", 5) is None  # what is not kept in stock is always there


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 6)), max_size=30))
def test_nothing_of_a_stock_is_lost(takes: list[tuple[int, int]]) -> None:
    env = simpy.Environment()
    shelves, diary = Shelves(env, {"set": SETS}, Streams(1, 0), "plant"), Diary(env)
    for number, (at, amount) in enumerate(takes):
        diary.note(str(number), at, lambda amount=amount: shelves.take("set", amount))
    env.run(until=10_000)
    assert len(diary.lines) == len(takes)
    delivered = shelves.level("set") + sum(amount for _, amount in takes) - SETS.start
    assert delivered >= 0
    assert delivered % SETS.order == 0
    assert SETS.reorder_at < shelves.level("set") <= SETS.reorder_at + SETS.order + (0 if takes else 5)


def test_positions_of_a_store_are_given_in_order() -> None:
    env = simpy.Environment()
    store, diary = Positions(env, Store("tank", 4)), Diary(env)
    for name, at, count in (("a", 0, 3), ("b", 1, 2), ("c", 2, 1)):
        diary.note(name, at, lambda count=count: store.take(count))
    env.process(_give(env, store))
    env.run()
    assert {name: line[0] for name, line in diary.lines.items()} == {"a": 0, "b": 5, "c": 5}
    assert store.free == 1


def _give(env: simpy.Environment, store: Positions) -> Generator[Any, Any, None]:
    yield env.timeout(5)
    store.give(3)


# -- upkeep ----------------------------------------------------------------------------------------

CLEAN, CLEAR, CHANGE = hand(1), hand(2), hand(24)
CABINET = UnitGroup("cabinet", "room/grade_a", 2, 0, "", Cleaning(CLEAN, 48.0), Changeover(CLEAR, CHANGE, 3))


def test_what_lies_between_two_batches() -> None:
    state = UnitState()
    assert upkeep.before(CABINET, state, "cart", 10) == []
    assert upkeep.after(CABINET, state, 20) == [CLEAN]
    assert upkeep.before(CABINET, state, "cart", 30) == [CLEAR]
    assert upkeep.before(CABINET, state, "cart", 40) == [CLEAR]
    assert upkeep.before(CABINET, state, "cart", 50) == [CHANGE]  # the campaign of three is over
    assert upkeep.before(CABINET, state, "msc", 60) == [CHANGE]
    assert upkeep.before(CABINET, state, "msc", 69) == [CLEAR, CLEAN]  # clean since 20: expired
    assert (state.product, state.in_a_row, state.cleaned_at) == ("msc", 2, 69)
    bare = UnitGroup("cabinet", "room", 1)
    assert (upkeep.before(bare, state, "x", 500), upkeep.after(bare, state, 501)) == ([], [])


@dataclass
class Port:
    """A plant that gives its units at once and writes down what befalls them."""

    env: simpy.Environment
    lines: list[tuple[str, str, float]] = field(default_factory=list[tuple[str, str, float]])

    def wanted(self, unit: str, why: str) -> simpy.Event:
        self.lines.append((why, unit, self.env.now))
        return self.env.timeout(0)

    def back(self, unit: str) -> None:
        self.lines.append(("back", unit, self.env.now))

    def down(self, unit: str, lost: bool) -> None:
        self.lines.append(("lost" if lost else "down", unit, self.env.now))

    def up(self, unit: str) -> None:
        self.lines.append(("up", unit, self.env.now))


def kept(env: simpy.Environment, group: UnitGroup, *plans: Maintenance) -> tuple[Upkeep, Port]:
    place, port = site(units={group.name: group}, upkeep={each.name: each for each in plans}), Port(env)
    return Upkeep(env, place, crew_of(env, place), Streams(1, 0), port, 200.0), port


def test_maintenance_takes_each_unit_in_turn() -> None:
    env = simpy.Environment()
    _, port = kept(env, CABINET, Maintenance("media_fill", ("cabinet",), 96.0, 10.0, hand(4, "qc")))
    env.run(until=120)
    one, two = "plant/cabinet-1", "plant/cabinet-2"
    assert port.lines == [
        ("media_fill", one, 10), ("back", one, 14),
        ("media_fill", two, 58), ("back", two, 62),
        ("media_fill", one, 106), ("back", one, 110),
    ]  # fmt: skip


def test_a_unit_breaks_down_after_its_time_in_use() -> None:
    env = simpy.Environment()
    group = UnitGroup("tank", "bioreactor", 1, breakdown=Breakdown(Constant(10), Constant(5)))
    found, port = kept(env, group)
    unit = "plant/tank-1"
    for at, do in ((0, found.in_use), (6, found.free), (20, found.in_use), (50, found.free)):
        timer = env.timeout(at)
        assert timer.callbacks is not None
        timer.callbacks.append(lambda _, do=do: do(unit))
    env.run(until=23)
    assert found.repaired(unit) is None
    env.run(until=25)
    assert found.repaired(unit) is not None
    env.run(until=200)
    assert port.lines == [("down", unit, 24), ("up", unit, 29), ("down", unit, 39), ("up", unit, 44)]
    assert found.repaired(unit) is None


def test_by_the_calendar_it_breaks_down_unused_and_waits_for_who_repairs_it() -> None:
    env = simpy.Environment()
    breakdown = Breakdown(Constant(20), Constant(2), "calendar", 1.0, Need("qc"))
    _, port = kept(env, UnitGroup("tank", "bioreactor", 1, breakdown=breakdown))
    env.run(until=60)
    assert port.lines == [
        ("down", "plant/tank-1", 20),
        ("up", "plant/tank-1", 34),
        ("down", "plant/tank-1", 54),
        ("up", "plant/tank-1", 58),
    ]


def test_a_share_of_the_batches_is_lost() -> None:
    env = simpy.Environment()
    group = UnitGroup("tank", "bioreactor", 40, breakdown=Breakdown(Exponential(8), Constant(1), lost=0.25))
    found, port = kept(env, group)
    for unit in upkeep.unit_ids(site(), group):
        found.in_use(unit)
    env.run(until=200)
    lost, down = (sum(line[0] == kind for line in port.lines) for kind in ("lost", "down"))
    assert 0.2 < lost / (lost + down) < 0.3
    assert 800 < lost + down < 980  # 40 units, 200 h, one failure in 9 h each


def test_contamination_takes_the_unit_out_of_service() -> None:
    env = simpy.Environment()
    group = UnitGroup("tank", "bioreactor", 1, contamination=Contamination(0.1, Uniform(5, 7)))
    found, _ = kept(env, group)
    times = [found.contaminated(group, f"B-{number}") for number in range(1000)]
    hit = [time for time in times if time]
    assert 70 < len(hit) < 130
    assert all(5 <= time <= 7 for time in hit)
    assert found.contaminated(CABINET, "B-1") == 0


# -- lanes -----------------------------------------------------------------------------------------

LANES = (
    Lane("clinic", "near", Constant(2)),
    Lane("clinic", "far", Constant(9), calendar="day", both_ways=False),
    Lane("near", "far", Constant(4), couriers=1),
)


def network(env: simpy.Environment) -> Network:
    return Network(env, LANES, {"day": DAYS}, Streams(1, 0))


def test_shipments_take_their_time_and_wait_for_departures_and_couriers() -> None:
    env = simpy.Environment()
    found, diary = network(env), Diary(env)
    diary.note("there", 0, lambda: found.send("clinic", "near", "B-1"))
    diary.note("back", 0, lambda: found.send("near", "clinic", "B-1"))
    diary.note("morning", 2, lambda: found.send("clinic", "far", "B-2"))
    diary.note("home", 3, lambda: found.send("far", "far", "B-3"))
    diary.note("first", 0, lambda: found.send("near", "far", "B-4"))
    diary.note("second", 0, lambda: found.send("near", "far", "B-5"))
    env.run()
    assert diary.lines == {
        "there": (2, True), "back": (2, True), "morning": (17, True), "home": (3, True), "first": (4, True),
        "second": (12, True),
    }  # fmt: skip


def test_a_share_of_the_shipments_is_lost_and_always_the_same_ones() -> None:
    def sound(loss: float) -> list[bool]:
        env = simpy.Environment()
        lanes = (Lane("a", "b", Exponential(1), loss),)
        found, diary = Network(env, lanes, {}, Streams(1, 0)), Diary(env)
        for number in range(500):
            diary.note(str(number), 0, lambda number=number: found.send("a", "b", f"B-{number}"))
        env.run()
        return [diary.lines[str(number)][1] for number in range(500)]

    few, many = sound(0.1), sound(0.3)
    assert 25 < few.count(False) < 75
    assert all(not after for before, after in zip(few, many, strict=True) if not before)


def test_a_way_that_does_not_exist_is_refused() -> None:
    found = network(simpy.Environment())
    assert found.mean("far", "clinic") == inf
    with pytest.raises(BadInput, match="There is no lane from far to clinic"):
        found.send("far", "clinic", "B-1")


@pytest.mark.parametrize(
    ("rule", "load", "site_name"),
    [
        ("nearest", {}, "near"),
        ("least_loaded", {"near": 0.5}, "far"),
        ("least_loaded", {}, "near"),
        ("dedicated", {}, "far"),
    ],
)
def test_the_site_is_chosen_by_rule(rule: Any, load: dict[str, float], site_name: str) -> None:
    plan = ProductPlan(
        "cart", "cart", ("far", "near"), rule, (), (), (), (), {}, Release(), None, (), dedicated={"clinic": "far"}
    )  # fmt: skip
    found = network(simpy.Environment())
    assert allocate(plan, "clinic", found, load) == site_name
    with pytest.raises(BadInput, match="No lane leads from moon to a site that makes cart"):
        allocate(plan, "moon", found, load)
