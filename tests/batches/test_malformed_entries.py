"""Entries of any shape: the record is judged or refused in a sentence, never left with a traceback."""

import contextlib
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.conformance import conform
from batches.entries import Entry
from batches.errors import RecordError
from batches.handlers.table import HANDLERS
from batches.plain import Plain, PlainDict
from batches.record import fold
from tests.batches.eventful import eventful
from tests.batches.tampering import changed, resealed, saying

SHAPES: list[Plain] = [None, True, 0, -1, "", "x", [], [1], {}, {"x": 1}, {"value": "1", "unit": "no"}]


WITHOUT = {kind for kind, handler in HANDLERS.items() if handler is HANDLERS["note_added"]} | {"signed"}
"""Kinds that change nothing that is judged, whatever they say."""


@cache
def events() -> tuple[Entry, ...]:
    return tuple(eventful().entries)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_a_member_of_any_shape_is_found_or_does_no_harm(data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(events()))
    member = data.draw(st.sampled_from(sorted(entry.content()) or ["path"]))
    forged = changed(events(), entry.number, saying(**{member: data.draw(st.sampled_from(SHAPES))}))
    conform(forged[: entry.number + 3])
    with contextlib.suppress(RecordError):
        fold(forged)


@pytest.mark.parametrize("kind", sorted(HANDLERS))
@pytest.mark.parametrize(
    "body", [{}, {"path": "nowhere", "task": {}, "number": 1, "entry": 1, "by_hand": "x"}]
)
def test_an_entry_without_its_members_is_found(kind: str, body: PlainDict) -> None:
    forged = resealed([*events()[:40], replace(events()[40], kind=kind, body=body)])
    found = conform(forged)
    assert body or kind in WITHOUT or found.findings
    with contextlib.suppress(RecordError):
        fold(forged)


def test_a_batch_whose_recipe_is_of_another_shape_is_refused() -> None:
    for shape in SHAPES:
        forged = changed(events(), 1, saying(content=shape))
        assert [*conform(forged).findings, *conform(forged).unknown] != []
        with pytest.raises(RecordError):
            fold(forged)
