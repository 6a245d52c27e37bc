"""Replies passed off as work done by hand: a record is judged, and never brings down who judges it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from batches.conformance import conform
from batches.entries import Entry
from batches.errors import RecordError
from batches.plain import Plain
from batches.record import fold
from devices.base import DeviceUnreachable
from tests.batches.eventful import small
from tests.batches.tampering import changed, first, resealed, saying
from tests.orchestrator.stories import HOUR, Town, phases_of
from tests.orchestrator.test_by_hand import enter, feeds, reconcile, until_begun, world


@cache
def told() -> Sequence[Entry]:
    """A batch whose open feed people did by hand, entered between two other notes of such work."""
    found, entries = world("feeds"), list[Entry]()
    found.shop.away = {"BR-01": DeviceUnreachable("no power")}

    async def after(town: Town) -> None:
        found.shop.away = {}
        await enter(town, "feed", {"volume": "50 mL"}, {"volume": "48 mL"})
        await enter(town, "stir", {}, {"volume": "48 mL"})
        await reconcile(town)
        await town.to_the_end()
        entries.extend(town.entries)

    found.run(until_begun, after, away=2 * HOUR)
    return tuple(entries)


def sentences(entries: Sequence[Entry]) -> list[str]:
    return [one.sentence for one in conform(entries, phases_of({"feeds": feeds})).findings]


def credited() -> Entry:
    return next(entry for entry in told() if entry.kind == "step_done" and "by_hand" in entry.content())


def test_the_record_as_it_was_told_conforms() -> None:
    assert sentences(told()) == []


@pytest.mark.parametrize("credit", ["x", True, None, 0, 2, 10**9, {"entry": 1}])
def test_a_reply_that_names_no_work_by_hand_is_found(credit: Plain) -> None:
    entry = credited()
    assert sentences(changed(told(), entry.number, saying(by_hand=credit))) != []


def test_a_reply_that_is_not_what_was_entered_is_found() -> None:
    forged = changed(told(), credited().number, saying(reply={"volume": {"value": "50", "unit": "mL"}}))
    assert sentences(forged)[0] == "The reply to step 1 is not what was entered as done by hand."


def test_a_reply_that_names_other_work_is_found() -> None:
    other = [entry.number for entry in told() if entry.kind == "by_hand"][1]
    found = sentences(changed(told(), credited().number, saying(by_hand=other)))
    assert (
        found[0] == f"Step 1 is recorded as done by hand, but entry {other} is other work than it asks for."
    )


def test_a_scan_of_another_patient_is_found_although_it_says_by_hand() -> None:
    scan = next(
        entry
        for entry in small().entries
        if entry.kind == "step_done" and entry.content()["reply"] == small().state.identity
    )
    for credit in ("x", 1):
        forged = changed(small().entries, scan.number, saying(reply="WRONG-PATIENT", by_hand=credit))
        assert [one.entry for one in conform(forged).findings][0] == scan.number


def test_work_by_hand_that_was_entered_outside_a_reconciliation_is_found() -> None:
    entry, before = first(told(), "by_hand"), first(told(), "engine_recovered")
    rest = [one for one in told() if one is not entry]
    rest.insert(before.number - 1, replace(entry, recorded_at=before.recorded_at))
    assert any("is entered while 'Grow' is reconciled" in found for found in sentences(resealed(rest)))


def test_a_void_while_the_work_still_counted_is_found() -> None:
    voided = first(told(), "by_hand_voided")
    rest = [one for one in told() if one is not voided and one.number != voided.number + 1]
    rest.insert(credited().number - 1, replace(voided, recorded_at=credited().recorded_at))
    assert (
        f"The work by hand of entry {voided.content()['entry']} still counted when it was voided."
        in sentences(resealed(rest))
    )


@pytest.mark.parametrize("credit", ["x", None, 1, 10**9])
def test_the_fold_refuses_what_is_no_work_by_hand(credit: Plain) -> None:
    with pytest.raises(RecordError, match="step_done"):
        fold(changed(told(), credited().number, saying(by_hand=credit)))
