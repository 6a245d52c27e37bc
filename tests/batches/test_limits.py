from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput
from batches.limits import Event, Quality, Seen, Watch, Watched, judge, resumed, side, trusted
from batches.quantities import Quantity, parse
from batches.recipe import Limit
from tests.batches.record_helpers import START

LOW, HIGH = parse("36.5 degC"), parse("37.5 degC")
WARM, COLD, GOOD = parse("38 degC"), parse("36 degC"), parse("37 degC")
WATCH = Watch(Limit("temperature", LOW, HIGH, parse("5 min")), silent_after=timedelta(minutes=10))


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def run(watch: Watch, *looks: tuple[float, Quantity | None] | tuple[float, Quantity, Quality]) -> list[Event]:
    """The events of readings at their minutes; no value: time alone."""
    state, events = Watched(START), list[Event]()
    for look in looks:
        quality: Quality = look[2] if len(look) == 3 else "good"
        reading = None if look[1] is None else Seen(look[1], at(look[0]), quality)
        state, found = judge(watch, state, reading, at(look[0]))
        events += found
    return events


def test_the_limits_belong_to_the_range() -> None:
    assert [side(value, LOW, HIGH) for value in (COLD, LOW, GOOD, HIGH, WARM)] == ["low", "", "", "", "high"]
    assert side(parse("310.15 K"), LOW, HIGH) == ""
    assert side(WARM, LOW, None) == side(COLD, None, HIGH) == side(COLD, None, None) == ""
    with pytest.raises(BadInput, match="measure different things"):
        side(parse("7 pH"), LOW, HIGH)


def test_an_excursion_starts_after_its_delay_and_ends_with_the_first_good_reading_inside() -> None:
    assert run(WATCH, (0, GOOD), (1, WARM), (3, parse("39 degC")), (5.9, WARM), (6, WARM), (8, GOOD)) == [
        Event("excursion_started", "temperature", at(6), at(1), "high", WARM, parse("39 degC")),
        Event("excursion_ended", "temperature", at(8), at(1), "high", GOOD, parse("39 degC")),
    ]


def test_a_short_visit_outside_is_no_excursion() -> None:
    assert run(WATCH, (0, GOOD), (1, WARM), (5.9, GOOD), (6, WARM), (10, GOOD)) == []


def test_without_delay_it_starts_at_once() -> None:
    watch = Watch(Limit("temperature", LOW, HIGH))
    assert [event.kind for event in run(watch, (0, WARM), (1, GOOD))] == [
        "excursion_started",
        "excursion_ended",
    ]


def test_from_too_low_to_too_high_is_one_excursion() -> None:
    (event,) = run(WATCH, (0, COLD), (3, WARM), (6, WARM))
    assert (event.since, event.side, event.worst) == (at(0), "high", WARM)


def test_a_value_that_is_not_good_never_ends_an_excursion() -> None:
    events = run(WATCH, (0, WARM), (5, WARM), (6, GOOD, "uncertain"), (7, GOOD, "stale"), (8, GOOD, "bad"))
    assert [event.kind for event in events] == ["excursion_started"]


def test_an_uncertain_value_may_accuse_but_a_bad_one_says_nothing() -> None:
    assert [event.kind for event in run(WATCH, (0, WARM, "uncertain"), (5, WARM, "uncertain"))] == [
        "excursion_started"
    ]
    assert run(WATCH, (0, WARM, "bad"), (5, WARM, "bad"), (9, WARM, "stale")) == []


def test_silence_is_an_event_and_only_a_good_reading_ends_it() -> None:
    events = run(WATCH, (0, GOOD), (5, None), (11, GOOD, "uncertain"), (12, GOOD, "bad"), (13, GOOD))
    assert events == [
        Event("silence_started", "temperature", at(10), at(0)),
        Event("silence_ended", "temperature", at(13), at(0)),
    ]


def test_a_tag_that_never_spoke_is_silent_from_the_start_of_the_watch() -> None:
    assert run(WATCH, (10, None), (11, None)) == [Event("silence_started", "temperature", at(10), at(0))]
    assert run(Watch(WATCH.limit), (10_000, None)) == []


def test_an_old_reading_changes_nothing_and_a_fast_clock_reports_from_now() -> None:
    state, events = judge(WATCH, Watched(START), Seen(WARM, at(-1)), at(1))
    assert (state, events) == (Watched(START), ())
    state, _ = judge(WATCH, Watched(START), Seen(WARM, at(99)), at(1))
    assert (state.outside, state.last_at) == (at(1), at(1))
    assert judge(WATCH, state, Seen(GOOD, at(0.5)), at(2))[0] == state


def test_an_open_excursion_survives_a_restart() -> None:
    state, events = judge(WATCH, resumed(at(60), at(1)), Seen(WARM, at(61)), at(61))
    assert (state.excursion, events) == (True, ())
    state, events = judge(WATCH, state, Seen(GOOD, at(62)), at(62))
    assert events == (Event("excursion_ended", "temperature", at(62), at(1), "high", GOOD, WARM),)
    assert resumed(at(60), None) == Watched(at(60))


# -- properties --------------------------------------------------------------------------------------

values = st.integers(350, 390).map(lambda tenths: Quantity(Decimal(tenths) / 10, "degC"))
qualities = st.sampled_from(["good", "good", "good", "uncertain", "stale", "bad"])
histories = st.lists(st.tuples(st.integers(0, 8), values, qualities), max_size=25)
watches = st.builds(
    lambda delay, silent: Watch(
        Limit("t", LOW, HIGH, Quantity(Decimal(delay), "min")),
        None if silent is None else timedelta(minutes=silent),
    ),
    st.integers(0, 12),
    st.none() | st.integers(1, 15),
)


def judged(watch: Watch, history: list[tuple[int, Quantity, Quality]], ticks: int) -> list[Event]:
    state, events, minute = Watched(START), list[Event](), 0
    for wait, value, quality in history:
        for tick in range(1, ticks + 1):
            state, found = judge(watch, state, None, at(minute + wait * tick / (ticks + 1)))
            events += found
        minute += wait
        state, found = judge(watch, state, Seen(value, at(minute), quality), at(minute))
        events += found
    return events


@given(watches, histories)
def test_starts_and_ends_alternate_and_each_end_names_its_start(
    watch: Watch, history: list[tuple[int, Quantity, Quality]]
) -> None:
    events = judged(watch, history, 0)
    for what in ("excursion", "silence"):
        mine = [event for event in events if event.kind.startswith(what)]
        assert [event.kind for event in mine] == [f"{what}_started", f"{what}_ended"] * (len(mine) // 2) + [
            f"{what}_started"
        ] * (len(mine) % 2)
        assert all(
            end.since == start.since and end.at >= start.at
            for start, end in zip(mine[::2], mine[1::2], strict=False)
        )
    assert [event.at for event in events] == sorted(event.at for event in events)


@given(watches, histories, st.integers(1, 3))
def test_how_often_time_alone_is_judged_makes_no_difference(
    watch: Watch, history: list[tuple[int, Quantity, Quality]], ticks: int
) -> None:
    assert judged(watch, history, ticks) == judged(watch, history, 0)


@given(watches, histories)
def test_an_excursion_is_what_a_plain_look_at_the_history_says(
    watch: Watch, history: list[tuple[int, Quantity, Quality]]
) -> None:
    minute, outside, expected = 0, None, list[tuple[str, datetime]]()
    for wait, value, quality in history:
        minute += wait
        bad = not LOW <= value <= HIGH
        if quality in ("stale", "bad") or (quality == "uncertain" and not bad):
            continue
        if not bad:
            if outside is not None and at(minute) - outside >= watch.delay:
                expected += [("excursion_started", outside + watch.delay), ("excursion_ended", at(minute))]
            outside = None
        elif outside is None:
            outside = at(minute)
    if outside is not None and at(minute) - outside >= watch.delay:
        expected.append(("excursion_started", outside + watch.delay))
    found = [
        (event.kind, event.at) for event in judged(watch, history, 0) if event.kind.startswith("excursion")
    ]
    assert found == expected


BAND = Watch(Limit("temperature", LOW, HIGH, dead_band=parse("0.2 delta_degC"), off_delay=parse("3 min")))


def test_an_excursion_is_over_when_the_value_is_inside_by_the_dead_band_for_the_off_delay() -> None:
    edge = parse("37.4 degC")
    events = run(
        BAND, (0, WARM), (1, edge), (9, edge), (10, GOOD), (12, edge), (13, GOOD), (15.9, GOOD), (16, GOOD)
    )
    assert [(event.kind, event.at) for event in events] == [
        ("excursion_started", at(0)), ("excursion_ended", at(16)),
    ]  # fmt: skip
    assert run(BAND, (0, COLD), (5, parse("36.6 degC")), (10, parse("37.5 degC")), (13, GOOD))[1:] == [
        Event("excursion_ended", "temperature", at(13), at(0), "low", GOOD, COLD)
    ], "the dead band lies at the limit that was left"


@given(st.lists(st.tuples(st.integers(1, 5), st.decimals("35", "39", places=1)), max_size=40))
def test_starts_and_ends_alternate_and_an_end_has_been_inside_long_enough(
    drawn: list[tuple[int, Decimal]],
) -> None:
    minute, looks = 0, list[tuple[float, Quantity | None]]()
    for step, value in drawn:
        minute += step
        looks.append((minute, parse(f"{value} degC")))
    events = run(BAND, *looks)
    kinds = [event.kind for event in events]
    assert kinds == [("excursion_started", "excursion_ended")[place % 2] for place in range(len(kinds))]
    for event in events[1::2]:
        last = [value for when, value in looks if timedelta(0) <= event.at - at(when) <= timedelta(minutes=3)]
        assert all(value is not None and not side(value, LOW, HIGH) for value in last)


def test_trust_is_never_better_than_the_device_says() -> None:
    def trust(text: str, seconds: float = 0, quality: Quality = "good") -> Quality:
        reading = Seen(parse(text), START + timedelta(seconds=seconds), quality)
        return trusted(reading, START, parse("0 degC"), parse("60 degC"))

    assert [trust("37 degC"), trust("37 degC", quality="stale"), trust("-1 degC"), trust("37 pH"), trust("37")] == [
        "good", "stale", "bad", "bad", "bad",
    ]  # fmt: skip
    assert [trust("37 degC", 1.9), trust("37 degC", 2.1), trust("37 degC", 600, "stale")] == [
        "good", "uncertain", "stale",
    ]  # fmt: skip
