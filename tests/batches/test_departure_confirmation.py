"""An urgent departure is confirmed by quality assurance, by somebody else, and in time."""

from datetime import timedelta

import pytest

from batches.commands import decide as run
from batches.departures import CONFIRM_WITHIN, decide, overdue
from batches.entries import Actor, stamp
from batches.errors import NotPermitted, Refused
from tests.batches.test_departure_roles import QUALITY, SECOND, asked, decided

OTHER_QUALITY = Actor("person", "p-r", "qa")


def test_who_asked_for_an_urgent_departure_does_not_confirm_it() -> None:
    batch, state, identity = asked(urgent=True, by=QUALITY)
    assert decided(batch, state, identity, SECOND) == "applied_unconfirmed"
    for approve in (True, False):
        with pytest.raises(NotPermitted, match="another person"):
            run(state, decide(state, identity, approve, "seen", QUALITY, batch.now), batch.now)
    assert decided(batch, state, identity, OTHER_QUALITY) == "confirmed"


def test_an_urgent_departure_that_is_not_confirmed_in_time_is_a_deviation_once() -> None:
    batch, state, identity = asked(urgent=True)
    decided(batch, state, identity, SECOND)
    due = batch.now + CONFIRM_WITHIN
    assert [*overdue(state, due - timedelta(seconds=1))] == []
    drafts = run(state, overdue(state, due), due)
    assert [(draft.kind, draft.body.get("id"), draft.body.get("due")) for draft in drafts[:1]] == [
        ("departure_overdue", identity, stamp(due))
    ]
    assert [(d.severity, d.entry) for d in state.deviations.values()][-1] == (
        "major",
        state.entries,
    )
    assert [*overdue(state, due + timedelta(hours=1))] == []
    batch.now = due
    assert decided(batch, state, identity, QUALITY) == "confirmed"


def test_a_confirmed_departure_is_never_overdue() -> None:
    batch, state, identity = asked(urgent=True)
    decided(batch, state, identity, SECOND)
    decided(batch, state, identity, QUALITY)
    assert [*overdue(state, batch.now + 2 * CONFIRM_WITHIN)] == []
    with pytest.raises(Refused, match="cannot be decided again"):
        decided(batch, state, identity, OTHER_QUALITY)
