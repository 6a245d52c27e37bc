"""Working time: shifts, breaks, holidays and changes of the clock, against hand-made answers."""

from datetime import date
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.calendars import ALWAYS, WorkTime, compile_calendar, midnight
from simulations.scenario import Calendar, Horizon, Shift

DAY, HOUR = 86400.0, 3600.0
WEEK = Horizon("2027-01-04", "Europe/Amsterdam", 0.0, 7 * DAY)  # 4 January 2027 is a Monday
MORNING = Shift((0, 1, 2, 3, 4), 480, 960, ((720, 750),))


def hours(time: WorkTime, count: int) -> list[tuple[float, float]]:
    return [(start / HOUR, end / HOUR) for start, end in time.stretches[:count]]


def test_a_week_of_shifts_with_breaks() -> None:
    found = compile_calendar(Calendar("day", (MORNING,)), WEEK)
    assert hours(found, 3) == [(8, 12), (12.5, 16), (32, 36)]
    assert found.shifts[:3] == [1, 1, 2]
    monday = [pair for pair in hours(found, 20) if pair[0] >= 96][:3]
    assert monday == [(104, 108), (108.5, 112), (176, 180)]  # Friday, then Monday


def test_nobody_comes_on_a_holiday() -> None:
    found = compile_calendar(Calendar("day", (MORNING,), ("2027-01-05",)), WEEK)
    assert hours(found, 3) == [(8, 12), (12.5, 16), (56, 60)]


def test_a_night_shift_goes_over_midnight_with_its_break() -> None:
    night = Shift((6, 0), 22 * 60, 6 * 60, ((120, 150),))
    found = compile_calendar(Calendar("night", (night,)), WEEK)
    assert hours(found, 4) == [(0, 2), (2.5, 6), (22, 26), (26.5, 30)]


def test_shifts_that_touch_are_one_stretch() -> None:
    early, late = Shift((0,), 360, 840), Shift((0,), 840, 1320)
    assert hours(compile_calendar(Calendar("two", (late, early)), WEEK), 2) == [(6, 22), (174, 190)]
    always = Shift(tuple(range(7)), 0, 1440)
    assert len(compile_calendar(Calendar("always", (always,)), WEEK).stretches) == 1


@pytest.mark.parametrize(
    ("start", "length"),
    [("2027-03-28", 7.0), ("2027-10-31", 9.0)],  # 02:00 becomes 03:00; 03:00 becomes 02:00
)
def test_a_night_is_shorter_or_longer_when_the_clock_changes(start: str, length: float) -> None:
    sunday = Horizon(start, "Europe/Amsterdam", 0.0, DAY)
    night = Shift((6,), 0, 480)
    assert hours(compile_calendar(Calendar("night", (night,)), sunday), 1) == [(0, length)]
    day = Shift((0,), 480, 960)
    assert hours(compile_calendar(Calendar("day", (day,)), sunday), 1) == [(length + 24, length + 32)]


def test_the_hour_that_is_left_out_and_the_hour_that_comes_twice() -> None:
    spring, autumn = (Horizon(each, "Europe/Amsterdam", 0.0, DAY) for each in ("2027-03-28", "2027-10-31"))
    assert midnight(date(2027, 3, 28), spring, 150) == 2.5 * HOUR  # 02:30 is 03:30
    assert midnight(date(2027, 3, 28), spring, 240) == 3 * HOUR
    assert midnight(date(2027, 10, 31), autumn, 150) == 2.5 * HOUR
    assert midnight(date(2027, 10, 31), autumn, 240) == 5 * HOUR


def test_questions_to_working_time() -> None:
    time = WorkTime([(8.0, 12.0), (13.0, 17.0), (32.0, 36.0)])
    assert [time.open_until(at) for at in (7.9, 8, 12, 12.5, 13, 40)] == [-inf, 12, -inf, -inf, 17, -inf]
    assert [time.next_open(at) for at in (0, 9, 12, 17, 36)] == [8, 9, 13, 32, inf]
    assert [time.worked_until(at, 4) for at in (0, 9, 12, 17, 33)] == [12, 14, 17, 36, inf]
    assert time.worked_until(12.5, 0) == 12.5
    assert (time.worked(9, 14), time.worked(0, 100), time.worked(12, 13), time.worked(3, 2)) == (4, 12, 0, 0)
    assert time.longest == 4
    assert (ALWAYS.next_open(5), ALWAYS.worked_until(5, 2), ALWAYS.worked(2, 7)) == (5, 7, 5)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=20),
    st.integers(0, 500),
    st.integers(1, 100),
)
def test_work_takes_as_much_working_time_as_it_is_long(
    gaps: list[tuple[int, int]], at: int, work: int
) -> None:
    stretches, clock = list[tuple[float, float]](), 0.0
    for gap, length in gaps:
        stretches.append((clock + gap + 1, clock + gap + 1 + length))
        clock += gap + 1 + length
    time = WorkTime(stretches)
    done = time.worked_until(at, work)
    assert (done == inf) == (time.worked(at, clock) < work)
    if done < inf:
        assert time.worked(at, done) == work
        assert time.worked(at, done - 0.5) < work
