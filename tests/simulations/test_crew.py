"""People: hand-calculated schedules for each rule, and what holds whatever the work is. Times in hours."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput
from simulations.calendars import WorkTime
from simulations.crew import Crew
from simulations.distributions import Constant, Uniform
from simulations.scenario import SHIFT_ENDS, Need, PeopleGroup, ShiftEnd, Site
from simulations.streams import Streams

DAYS = WorkTime([(24.0 * day + start, 24.0 * day + end) for day in range(40) for start, end in ((8, 12), (13, 17))], [day for day in range(40) for _ in (0, 1)])  # fmt: skip
LATE = WorkTime([(24.0 * day + 12, 24.0 * day + 20) for day in range(40)])
CALENDARS: Mapping[str, WorkTime] = {"day": DAYS, "late": LATE}


@dataclass
class Plant:
    """A crew, and everything that happens to it."""

    groups: tuple[PeopleGroup, ...]
    seed: int = 0
    parts: list[tuple[str, int, float, float]] = field(default_factory=list[tuple[str, int, float, float]])
    done: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def __post_init__(self) -> None:
        self.env = simpy.Environment()
        people = {group.name: group for group in self.groups}
        site = Site("site", "", {}, people, None, {}, {}, {}, {})
        self.crew = Crew(self.env, site, CALENDARS, Streams(self.seed, 0), self.busy)

    def busy(self, site: str, group: str, count: int, start: float, end: float) -> None:
        self.parts.append((group, count, start, end))

    def ask(self, name: str, at: float, hours: float, rule: ShiftEnd = "interrupt", people: int = 1,
            priority: int = 0, skill: str = "", role: str = "operator") -> None:  # fmt: skip
        self.env.process(self._ask(name, at, hours, rule, Need(role, people, skill), priority))

    def _ask(self, name: str, at: float, hours: float, rule: ShiftEnd, need: Need, priority: int):
        yield self.env.timeout(at)
        began = yield self.crew.work(need, hours, rule, priority)
        self.done[name] = (began, self.env.now)

    def run(self) -> dict[str, tuple[float, float]]:
        self.env.run(until=900)
        return self.done


def operators(count: int, calendar: str = "day", *skills: str, name: str = "operators") -> PeopleGroup:
    return PeopleGroup(name, "operator", count, calendar, skills)


def test_work_waits_for_the_shift() -> None:
    plant = Plant((operators(1),))
    plant.ask("a", 3, 2)
    plant.ask("b", 12.5, 1)
    assert plant.run() == {"a": (8, 10), "b": (13, 14)}
    assert plant.parts == [("operators", 1, 8, 10), ("operators", 1, 13, 14)]


@pytest.mark.parametrize(
    ("rule", "times", "parts"),
    [
        ("finish", (11, 14), [(11, 14)]),
        ("interrupt", (11, 15), [(11, 12), (13, 15)]),
        ("hand_over", (11, 15), [(11, 12), (13, 15)]),
        ("fits", (13, 16), [(13, 16)]),
    ],
)
def test_what_a_break_does_to_three_hours_from_eleven(
    rule: ShiftEnd, times: tuple[float, float], parts: list[tuple[float, float]]
) -> None:
    plant = Plant((operators(1),))
    plant.ask("a", 11, 3, rule)
    assert plant.run() == {"a": times}
    assert [part[2:] for part in plant.parts] == parts


@pytest.mark.parametrize(
    ("rule", "ends"),
    [("finish", 20), ("interrupt", 35), ("hand_over", 35), ("fits", 36)],
)
def test_what_the_end_of_a_shift_does_to_four_hours_from_sixteen(rule: ShiftEnd, ends: float) -> None:
    plant = Plant((operators(1),))
    plant.ask("a", 16, 4, rule)
    assert plant.run()["a"][1] == ends


@pytest.mark.parametrize(
    ("rule", "done"),
    [("hand_over", {"a": (10, 14), "b": (13, 14)}), ("interrupt", {"b": (12, 13), "a": (10, 15)})],
)
def test_work_handed_over_goes_before_what_waits_and_interrupted_work_does_not(
    rule: ShiftEnd, done: dict[str, tuple[float, float]]
) -> None:
    plant = Plant((operators(1), operators(1, "late", name="others")))
    plant.ask("a", 10, 4, rule)
    plant.ask("b", 11, 1, priority=1)
    assert plant.run() == done


def test_a_free_person_who_stays_is_asked_before_one_who_leaves() -> None:
    plant = Plant((operators(1), operators(1, "late", name="others")))
    plant.ask("a", 16, 2, "interrupt")
    plant.run()
    assert plant.parts == [("others", 1, 16, 18)]


def test_several_people_are_taken_at_once() -> None:
    plant = Plant((operators(2),))
    plant.ask("one", 8, 1)
    plant.ask("two", 8.5, 1, people=2)
    assert plant.run() == {"one": (8, 9), "two": (9, 10)}
    assert plant.parts == [("operators", 1, 8, 9), ("operators", 2, 9, 10)]


def test_short_work_passes_only_where_it_delays_nobody() -> None:
    plant = Plant((operators(2),))
    plant.ask("long", 8, 2)
    plant.ask("both", 8.5, 1, people=2)  # from ten on
    plant.ask("short", 8.75, 1)  # done before ten
    plant.ask("longer", 8.75, 1.5)  # would not be
    assert plant.run() == {"long": (8, 10), "short": (8.75, 9.75), "both": (10, 11), "longer": (11, 12.5 + 1)}


def test_people_whom_older_work_cannot_use_yet_are_free_for_other_work() -> None:
    plant = Plant((operators(2),))
    plant.ask("tomorrow", 14, 3.5, "fits", people=2)
    plant.ask("today", 14.5, 2)
    assert plant.run() == {"today": (14.5, 16.5), "tomorrow": (32, 35.5)}


def test_higher_priority_goes_first_then_age() -> None:
    plant = Plant((operators(1),))
    for name, at, priority in (("first", 1, 0), ("second", 2, 0), ("urgent", 3, 5)):
        plant.ask(name, at, 1, priority=priority)
    assert plant.run() == {"urgent": (8, 9), "first": (9, 10), "second": (10, 11)}


def test_skills_overlap_and_those_with_fewest_are_asked_first() -> None:
    plant = Plant((operators(1, "day", "cart", "msc", name="both"), operators(1, "day", "cart", name="one")))
    plant.ask("any", 8, 1)
    plant.ask("cart", 8, 2, skill="cart")
    plant.ask("msc", 8, 1, skill="msc")
    assert plant.run() == {"any": (8, 9), "cart": (8, 10), "msc": (10, 11)}
    assert [part[0] for part in plant.parts] == ["one", "both", "both"]


def test_gowning_comes_off_each_stretch_and_absence_takes_whole_shifts() -> None:
    gowned = PeopleGroup("operators", "operator", 1, "day", (), Constant(0.5))
    plant = Plant((gowned,))
    plant.ask("a", 0, 4)
    assert plant.run() == {"a": (8.5, 14)}  # 3.5 h before the break, gowning again after it
    ill = PeopleGroup("operators", "operator", 1, "day", (), None, 0.5)
    plant = Plant((ill,))
    for day in range(30):
        plant.ask(f"morning {day}", 24 * day + 8, 0.5)
        plant.ask(f"afternoon {day}", 24 * day + 13, 0.5)
    plant.run()
    worked = {start // 24 for _, _, start, _ in plant.parts}
    assert 8 <= len(worked) <= 22  # of 30 days, half of them absent: whole days are missed
    assert {start % 24 for _, _, start, _ in plant.parts} <= {8, 8.5, 9, 9.5, 10, 10.5, 11, 11.5, 13, 13.5, 14, 14.5, 15, 15.5, 16, 16.5}  # fmt: skip


def test_work_longer_than_any_shift_is_finished_although_it_should_fit() -> None:
    plant = Plant((operators(1),))
    plant.ask("a", 9, 6, "fits")
    assert plant.run() == {"a": (9, 15)}


def test_nobody_is_needed_for_work_of_devices() -> None:
    plant = Plant((operators(1),))
    plant.ask("a", 2, 20, people=0)
    assert plant.run() == {"a": (2, 22)}


@pytest.mark.parametrize(
    ("need", "says"),
    [
        (Need("qa", 1), "site has 0 people of role qa, and work needs 1 at once; add people or change the work."),
        (Need("operator", 2, "cart"), "site has 1 people of role operator with the skill cart, and work needs 2 at once; add people or change the work."),
    ],
)  # fmt: skip
def test_work_that_nobody_can_do_is_refused(need: Need, says: str) -> None:
    plant = Plant((operators(1, "day", "cart"), operators(3, name="others")))
    assert plant.crew.lacks(need) == says
    with pytest.raises(BadInput) as refused:
        plant.crew.work(need, 1)
    assert str(refused.value) == says
    assert plant.crew.lacks(Need("operator", 4)) == ""


def test_work_that_begins_at_once_and_fits_costs_one_event() -> None:
    plant = Plant((operators(3),))
    plant.env.run(until=9)
    before = len(plant.env._queue)
    plant.crew.work(Need("operator", 2), 1, "fits")
    assert len(plant.env._queue) == before + 1


TASK = st.tuples(
    st.integers(0, 60), st.integers(1, 20), st.sampled_from(SHIFT_ENDS), st.integers(1, 3), st.integers(0, 2),
    st.sampled_from(["", "a", "b"]),
)  # fmt: skip


@given(st.lists(TASK, max_size=25))
def test_all_work_is_done_by_people_who_are_there_and_free(
    tasks: list[tuple[int, int, ShiftEnd, int, int, str]],
) -> None:
    gowned = PeopleGroup("early", "operator", 3, "day", ("a", "b"), Uniform(0, 0.4))
    groups = (gowned, operators(2, "late", "a", name="late"), operators(3, "day", "b", name="other"))
    plant = Plant(groups)
    for number, (at, quarters, rule, people, priority, skill) in enumerate(tasks):
        plant.ask(str(number), at / 2, quarters / 4, rule, people, priority, skill)
    done = plant.run()
    assert len(done) == len(tasks)
    worked = sum(count * (end - start) for _, count, start, end in plant.parts)
    assert worked == pytest.approx(sum(task[1] / 4 * task[3] for task in tasks))
    for group in groups:
        mine = [part for part in plant.parts if part[0] == group.name]
        for _, _, start, end in mine:
            time = CALENDARS[group.calendar]
            assert time.open_until(start) > start
            if not any(task[2] == "finish" or task[1] / 4 > 3.5 for task in tasks):
                assert time.worked(start, end) == pytest.approx(end - start)
            at_once = sum(count for _, count, begin, stop in mine if begin <= start < stop - 1e-9)
            assert at_once <= group.count
