"""Limits: whether a value lies where it should, and when that becomes an excursion.

An excursion is a tag outside its alarm limit for at least the limit's delay; it ends with the first
good reading inside, by its dead band and for its off-delay where the recipe gives them. Only a good reading acquits: an uncertain one may accuse, a stale or bad one says
nothing, and too long without a good reading is an event of its own, because a value that nobody
knows is not a good value.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from batches.errors import BadInput
from batches.quantities import Quantity, duration
from batches.recipe import Limit

Side: TypeAlias = Literal["", "low", "high"]
Quality: TypeAlias = Literal["good", "uncertain", "stale", "bad"]
EventKind: TypeAlias = Literal["excursion_started", "excursion_ended", "silence_started", "silence_ended"]


def side(value: Quantity, low: Quantity | None, high: Quantity | None) -> Side:
    """On which side of [low, high] a value lies; '' inside (the limits belong to the range).

    Raises BadInput if they measure different things.
    """
    if low is not None and value < low:
        return "low"
    return "high" if high is not None and value > high else ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A reading as the judge needs it: `at` is when it was measured."""

    value: Quantity
    at: datetime
    quality: Quality = "good"


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched: a tag with its limit, and how long it may be silent (None: for ever)."""

    limit: Limit
    silent_after: timedelta | None = None

    @property
    def delay(self) -> timedelta:
        return timedelta(0) if self.limit.delay is None else duration(self.limit.delay)

    @property
    def off_delay(self) -> timedelta:
        return timedelta(0) if self.limit.off_delay is None else duration(self.limit.off_delay)


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of one tag of one unit procedure. `since` is when the watch began or was resumed.

    `outside`: since when it is outside its limit, on which `side`, and `worst`, the value furthest
    out; `excursion`: that became an excursion, which is open; `good_at`: the last good reading;
    `silent`: that was too long ago; `inside`: since when an open excursion is back inside its dead band.
    """

    since: datetime
    last_at: datetime | None = None
    value: Quantity | None = None
    side: Side = ""
    outside: datetime | None = None
    worst: Quantity | None = None
    excursion: bool = False
    good_at: datetime | None = None
    silent: bool = False
    inside: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something to record. `at`: when it came about; `since`: when the tag left its limit, or was last
    good; `side`: low or high ('' for silence); `value`: the last one seen; `worst`: furthest out."""

    kind: EventKind
    tag: str
    at: datetime
    since: datetime
    side: Side = ""
    value: Quantity | None = None
    worst: Quantity | None = None


AHEAD = timedelta(seconds=2)
"""How far a device's clock may be ahead before its times are doubted (assumed; between 1 s and 10 s)."""


def trusted(reading: Seen, received_at: datetime, low: Quantity, high: Quantity) -> Quality:
    """The quality a reading deserves, never better than the device says.

    bad: it measures something else than its tag, or lies outside the plausible range [low, high];
    uncertain at best: its device's clock is ahead of ours, so that nobody knows when it was measured.
    """
    try:
        implausible = side(reading.value, low, high) != ""
    except BadInput:
        return "bad"
    if implausible:
        return "bad"
    ahead = reading.at - received_at > AHEAD
    return "uncertain" if ahead and reading.quality == "good" else reading.quality


def resumed(now: datetime, excursion: datetime | None) -> Watched:
    """The state after a restart: `excursion` is since when an excursion recorded before is open."""
    return Watched(now, outside=excursion, excursion=excursion is not None)


def judge(
    watch: Watch, state: Watched, reading: Seen | None, now: datetime
) -> tuple[Watched, tuple[Event, ...]]:
    """The state after a reading, or after time alone (None), and what started or ended by `now`.

    A reading from before the last one, or before the watch, changes nothing. A value stands until the
    next one, so that a device which reports only changes is judged too, and how often time alone is
    judged makes no difference. Raises BadInput for a value that measures something else.
    """
    if reading is None or min(reading.at, now) < (state.last_at or state.since):
        return _pass_time(watch, state, now)
    at = min(reading.at, now)  # a device whose clock is ahead does not report from the future
    passed, first = _pass_time(watch, state, at)
    looked, ended = _look(watch, passed, replace(reading, at=at))
    after, then = _pass_time(watch, looked, now)
    return after, first + ended + then


def _pass_time(watch: Watch, state: Watched, now: datetime) -> tuple[Watched, tuple[Event, ...]]:
    """What starts because nothing has changed for long enough."""
    events: list[Event] = []
    tag, last = watch.limit.tag, state.good_at or state.since
    if not state.excursion and state.outside is not None and now - state.outside >= watch.delay:
        at = state.outside + watch.delay
        events.append(
            Event("excursion_started", tag, at, state.outside, state.side, state.value, state.worst)
        )
        state = replace(state, excursion=True)
    if not state.silent and watch.silent_after is not None and now - last > watch.silent_after:
        events.append(Event("silence_started", tag, last + watch.silent_after, last))
        state = replace(state, silent=True)
    return state, tuple(sorted(events, key=lambda event: event.at))


def _look(watch: Watch, state: Watched, reading: Seen) -> tuple[Watched, tuple[Event, ...]]:
    """What a reading changes at the moment it was measured."""
    found = side(reading.value, watch.limit.low, watch.limit.high)
    if reading.quality in ("stale", "bad") or (reading.quality == "uncertain" and not found):
        return state, ()
    seen = replace(state, last_at=reading.at, value=reading.value)
    seen, heard = _hear(watch, seen, reading)
    if found:
        worst = _further(found, state.worst if found == state.side else None, reading.value)
        return replace(seen, side=found, outside=state.outside or reading.at, worst=worst, inside=None), heard
    ended: tuple[Event, ...] = ()
    if state.excursion:
        inside = (state.inside or reading.at) if _back(watch.limit, state.side, reading.value) else None
        if inside is None or reading.at - inside < watch.off_delay:
            return replace(seen, inside=inside), heard
        since = state.outside or state.since
        ended = (
            Event(
                "excursion_ended", watch.limit.tag, reading.at, since, state.side, reading.value, state.worst
            ),
        )
    return replace(seen, side="", outside=None, worst=None, excursion=False, inside=None), heard + ended


def _back(limit: Limit, left: Side, value: Quantity) -> bool:
    """Whether a value inside the limits is inside by the dead band too, on the `left` side (after a restart
    nobody knows which: then on both)."""
    if limit.dead_band is None:
        return True
    low_enough = left == "low" or limit.high is None or value <= limit.high - limit.dead_band
    high_enough = left == "high" or limit.low is None or value >= limit.low + limit.dead_band
    return low_enough and high_enough


def _hear(watch: Watch, state: Watched, reading: Seen) -> tuple[Watched, tuple[Event, ...]]:
    if reading.quality != "good":
        return state, ()
    ended: tuple[Event, ...] = ()
    if state.silent:
        ended = (Event("silence_ended", watch.limit.tag, reading.at, state.good_at or state.since),)
    return replace(state, good_at=reading.at, silent=False), ended


def _further(found: Side, worst: Quantity | None, value: Quantity) -> Quantity:
    if worst is None:
        return value
    return min(worst, value) if found == "low" else max(worst, value)
