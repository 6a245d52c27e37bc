"""The life cycle of ISA-18.2: no way through it loses an alarm that nobody has seen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.alarms import (
    ASKING,
    FLOOD,
    LONGEST_SHELF,
    Alarm,
    AlarmList,
    acknowledge,
    acknowledged,
    cleared,
    flooded,
    folded,
    let_go,
    raised,
    reset,
    shelve,
    shelved,
    unshelve,
    unshelved,
)
from batches.entries import SYSTEM, Actor, Draft, Entry, seal, stamp
from batches.errors import BadInput, KweekError, NotFound, NotPermitted, Refused
from batches.plain import Plain

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OLGA = Actor("person", "p-1", "operator")
moves = st.lists(
    st.sampled_from(["raise", "clear", "acknowledge", "reset", "shelve", "unshelve"]), max_size=30
)


def moved(alarm: Alarm, move: str, now: datetime) -> Alarm:
    """The alarm after a move; a refused one changes nothing."""
    try:
        match move:
            case "raise":
                return raised(alarm, now)
            case "clear":
                return cleared(alarm)
            case "acknowledge":
                return acknowledged(alarm)
            case "reset":
                return reset(alarm)
            case "shelve":
                return shelved(alarm, now, now + 3 * MINUTE)
            case _:
                return unshelved(alarm, now)
    except KweekError:
        return alarm


@given(moves, st.booleans())
def test_an_alarm_that_nobody_has_seen_is_never_forgotten(ways: list[str], latching: bool) -> None:
    alarm, seen, latched, on = Alarm("a", latching=latching), True, False, False
    for minute, move in enumerate(ways):
        now = AT + minute * MINUTE
        alarm = moved(alarm, move, now)
        match move:  # a second, simpler account of what must hold
            case "raise" if not on:
                on, seen, latched = True, False, latching
            case "clear":
                on = False
            case "acknowledge":
                seen = True
            case "reset" if not on and seen:
                latched = False
            case _:
                pass
        assert (alarm.active, alarm.acknowledged, alarm.latched) == (on, seen, latched)
        late = now + LONGEST_SHELF
        assert (alarm.state(late) in ASKING) == (not seen), "once no shelf hides it"
        assert (alarm.state(late) == "normal") == (seen and not on and not latched)


@given(moves)
def test_a_shelf_hides_and_never_changes(ways: list[str]) -> None:
    alarm = Alarm("a")
    for minute, move in enumerate(ways):
        alarm = moved(alarm, move, AT + minute * MINUTE)
    now = AT + len(ways) * MINUTE
    on_it = shelved(alarm, now, now + MINUTE)
    assert on_it.state(now) == "shelved"
    assert on_it.state(now + MINUTE) == alarm.state(now + LONGEST_SHELF)
    assert unshelved(on_it, now).state(now) == alarm.state(now + LONGEST_SHELF)


def test_each_state_is_reached() -> None:
    on = raised(Alarm("a", latching=True), AT)
    off = cleared(on)
    simple = raised(Alarm("a"), AT)
    assert [one.state(AT) for one in (
        Alarm("a"), on, acknowledged(on), cleared(simple), off, acknowledged(off), shelved(on, AT, AT + MINUTE),
        Alarm("a", suppressed=True, active=True), Alarm("a", out_of_service=True, suppressed=True),
        reset(acknowledged(off)),
    )] == [
        "normal", "unacknowledged", "acknowledged", "returned_unacknowledged", "latched_unacknowledged",
        "latched_acknowledged", "shelved", "suppressed_by_design", "out_of_service", "normal",
    ]  # fmt: skip


def test_what_may_not_be_done_is_said() -> None:
    on = raised(Alarm("a", "BR-01", "ph", latching=True), AT)
    with pytest.raises(Refused, match="The alarm of ph of BR-01 waits for no acknowledgement"):
        acknowledge(Alarm("a", "BR-01", "ph"), OLGA, "seen")
    with pytest.raises(Refused, match="cannot be reset while its condition holds"):
        let_go(on, OLGA, "why not")
    with pytest.raises(Refused, match="acknowledge it, then reset it"):
        let_go(cleared(on), OLGA, "why not")
    with pytest.raises(Refused, match="is critical; it cannot be shelved"):
        shelve(Alarm("a", priority="critical"), AT, AT + MINUTE, OLGA, "noisy")
    for until in (AT, AT - MINUTE, AT + LONGEST_SHELF + MINUTE):
        with pytest.raises(BadInput, match="at most 12 h"):
            shelve(on, AT, until, OLGA, "noisy")
    with pytest.raises(Refused, match="is not shelved"):
        unshelve(on, AT, OLGA, "back")
    with pytest.raises(BadInput, match="Say in a few words why"):
        acknowledge(on, OLGA, "  ")
    with pytest.raises(NotPermitted, match="Only a person"):
        acknowledge(on, SYSTEM, "seen")


def test_more_than_ten_in_ten_minutes_are_a_flood() -> None:
    times = [AT + timedelta(seconds=30 * n) for n in range(FLOOD + 1)]
    assert flooded(times, AT + 6 * MINUTE)
    assert not flooded(times[1:], AT + 6 * MINUTE)
    assert not flooded(times, AT + 6 * MINUTE, operators=2)
    assert not flooded(times, AT + 10 * MINUTE), "the first is ten minutes old"


# --- the list -------------------------------------------------------------------------------------

IDENTITY = "batch/B-26-0001 Expansion temperature limit"


def entries(*drafts: tuple[str, Draft]) -> list[Entry]:
    return [
        seal(draft, stream, number, AT + number * MINUTE, "0" * 64, "00" * 16)
        for number, (stream, draft) in enumerate(drafts, 1)
    ]


def started(tag: str = "temperature", kind: str = "excursion_started", **more: Plain) -> tuple[str, Draft]:
    body: dict[str, Plain] = {
        "path": "Expansion",
        "tag": tag,
        "unit": "BR-01",
        "since": stamp(AT),
        "side": "high",
    }
    return "batch/B-26-0001", Draft(kind, body | more)


def states(found: AlarmList, now: datetime = AT + 30 * MINUTE) -> dict[str, str]:
    return {identity: alarm.state(now) for identity, alarm in found.alarms.items()}


def test_the_list_is_the_fold_of_the_record() -> None:
    found = folded(entries(started(priority="low"), started(kind="tag_silent")))
    silence = IDENTITY.replace("limit", "silence")
    assert states(found) == {IDENTITY: "unacknowledged", silence: "unacknowledged"}
    assert [alarm.priority for alarm in found.shown(AT)] == ["high", "low"]
    seen = acknowledge(found.find(IDENTITY), OLGA, "medium was cold")
    for entry in entries(("batch/B-26-0001", seen), started(kind="tag_heard")):
        found.apply(entry)
    assert states(found) == {IDENTITY: "acknowledged", silence: "returned_unacknowledged"}
    assert [alarm.kind for alarm in found.shown(AT)] == ["silence", "limit"], "what asks comes first"
    with pytest.raises(NotFound, match="There is no alarm 'x'"):
        found.find("x")


def test_a_shelf_and_its_early_end_are_entries() -> None:
    found = folded(entries(started()))
    put = shelve(found.find(IDENTITY), AT, AT + 60 * MINUTE, OLGA, "known")
    found.apply(entries(("batch/B-26-0001", put))[0])
    assert (states(found), states(found, AT + 60 * MINUTE)) == (
        {IDENTITY: "shelved"},
        {IDENTITY: "unacknowledged"},
    )
    found.apply(entries(("batch/B-26-0001", unshelve(found.find(IDENTITY), AT, OLGA, "solved")))[0])
    assert states(found) == {IDENTITY: "unacknowledged"}


def test_a_latching_alarm_stays_until_it_is_reset() -> None:
    found = folded(entries(started(latching=True), started(kind="excursion_ended")))
    assert states(found) == {IDENTITY: "latched_unacknowledged"}
    found.apply(entries(("batch/B-26-0001", acknowledge(found.find(IDENTITY), OLGA, "seen")))[0])
    found.apply(entries(("batch/B-26-0001", let_go(found.find(IDENTITY), OLGA, "probe changed")))[0])
    assert states(found) == {IDENTITY: "normal"}
    assert found.shown(AT) == []


@pytest.mark.parametrize("over", [
    Draft("unit_procedure_finished", {"path": "Expansion"}),
    Draft("state_changed", {"path": "", "from": "Aborting", "to": "Aborted"}),
])  # fmt: skip
def test_what_is_no_longer_watched_is_not_active_and_still_asks(over: Draft) -> None:
    found = folded(entries(started(), ("batch/B-26-0001", over)))
    assert states(found) == {IDENTITY: "returned_unacknowledged"}


def test_a_unit_out_of_service_raises_nothing_that_asks() -> None:
    out, back = Draft("unit_out_of_service", {"reason": "pump"}), Draft("unit_in_service", {"clean": True})
    found = folded(entries(("equipment/BR-01", out), started()))
    assert states(found) == {IDENTITY: "out_of_service"}
    found.apply(entries(("equipment/BR-01", back))[0])
    assert states(found) == {IDENTITY: "unacknowledged"}
