from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.entries import Actor, Draft
from batches.errors import BadInput, IdentityMismatch, NotPermitted, RecordError, Refused
from batches.materials import (
    NO_LOT,
    LotState,
    Taken,
    accept_conditionally,
    adjust,
    ancestors,
    apply,
    consume,
    correct,
    descendants,
    eligible,
    fold,
    open_lot,
    produce,
    receive,
    reject,
    release,
)
from batches.quantities import Quantity, parse
from batches.recipe import Material
from tests.batches.record_helpers import START, sealed
from tests.conftest import ROOT

ANNA = Actor("person", "p-1", "operator")
QUINN = Actor("person", "p-9", "qa")
MEDIUM = Material("medium", "raw", "mL", use_within=parse("24 h"))
CELLS = Material("leukapheresis", "starting", "mL", identity="patient", conditional=True)
MINE, OTHER = "KWDEMO126000001X", "KWDEMO126000002Y"
EXPIRES = START + timedelta(days=30)
STREAM = "lot/L-1"


def medium(*more: Draft) -> LotState:
    return fold(sealed(STREAM, [*receive("L-1", MEDIUM, parse("500 mL"), EXPIRES, "", "SUP-7", ANNA), *more]))


def cells(*more: Draft, identity: str = MINE) -> LotState:
    return fold(
        sealed(STREAM, [*receive("L-1", CELLS, parse("90 mL"), EXPIRES, identity, "DIN-7", ANNA), *more])
    )


def released(lot: LotState) -> LotState:
    (draft,) = release(lot, "sig-1", "certificate fits", QUINN)
    return apply(lot, sealed(STREAM, [draft] * (lot.entries + 1))[-1])


def folded(lot: LotState, drafts: tuple[Draft, ...]) -> LotState:
    return apply(lot, sealed(STREAM, [drafts[0]] * (lot.entries + 1))[-1])


# -- the life of a lot -------------------------------------------------------------------------------


def test_a_lot_is_received_released_opened_and_used_up() -> None:
    lot = released(medium())
    lot = folded(lot, open_lot(lot, MEDIUM, "opened", START, ANNA))
    lot = folded(lot, consume(lot, MEDIUM, parse("0.2 L"), "B-1", "Grow/feed", "", START, ANNA))
    assert lot == LotState(
        "L-1", "medium", parse("300.0 mL"), "released", EXPIRES, "", "SUP-7",
        opened_at=START + timedelta(seconds=3), use_by=START + timedelta(hours=24),
        uses=(Taken("B-1", "Grow/feed", parse("200.0 mL"), 4),), entries=4,
    )  # fmt: skip


def test_a_product_goes_into_quarantine_and_an_intermediate_stays_in_process() -> None:
    product = Material("product", "product", "cell", identity="patient")
    made = fold(
        sealed(
            STREAM,
            produce("L-1", product, parse("1e8 cell"), 4, "B-1", "Fill", ["L-0", "L-0"], MINE, EXPIRES),
        )
    )
    assert (made.status, made.containers, made.parents, made.made_by, made.identity, made.expires) == (
        "quarantine", 4, ("L-0",), "B-1", MINE, EXPIRES,
    )  # fmt: skip
    between = replace(product, kind="intermediate")
    made = fold(sealed(STREAM, produce("L-1", between, parse("1e8 cell"), 1, "B-1", "Grow", ["L-0"], MINE)))
    assert made.status == "in_process"
    eligible(made, replace(between, name="product"), parse("1e7 cell"), MINE, START, "B-1")
    with pytest.raises(Refused, match=r"in process in batch B-1; only that batch may use it\."):
        eligible(made, between, parse("1e7 cell"), MINE, START, "B-2")


def test_a_count_and_a_correction_keep_what_stood_before() -> None:
    lot = medium()
    (draft,) = adjust(lot, parse("480 mL"), "spilled", ANNA)
    assert draft.body == {
        "quantity": {"value": "480", "unit": "mL"}, "before": {"value": "500", "unit": "mL"}, "reason": "spilled",
    }  # fmt: skip
    assert folded(lot, (draft,)).quantity == parse("480 mL")
    later = EXPIRES + timedelta(days=1)
    corrected = folded(lot, correct(lot, 1, later, "SUP-8", "misread", ANNA))
    assert (corrected.expires, corrected.supplier_lot, corrected.corrections) == (later, "SUP-8", {1: 2})


# -- who may use it ----------------------------------------------------------------------------------


def refusal(
    lot: LotState, material: Material, quantity: str = "1 mL", identity: str = "", now: datetime = START
) -> str:
    with pytest.raises(Refused) as caught:
        eligible(lot, material, parse(quantity), identity, now)
    return str(caught.value)


def test_a_released_lot_may_be_used() -> None:
    eligible(released(medium()), MEDIUM, parse("500 mL"), "", START)
    eligible(released(cells()), CELLS, parse("90 mL"), MINE, START)


def test_a_lot_that_is_not_released_is_refused() -> None:
    assert refusal(medium(), MEDIUM) == "Lot L-1 is in quarantine, not released; QA must release it."
    assert refusal(cells(), CELLS, identity=MINE) == (
        "Lot L-1 is in quarantine, not released; QA must release it, or accept it conditionally under signature."
    )
    bad = folded(medium(), reject(medium(), "sig-2", "leaking", QUINN))
    assert refusal(bad, MEDIUM) == "Lot L-1 is rejected; scan another lot."


def test_conditional_acceptance_serves_only_a_recipe_that_allows_it() -> None:
    lot = folded(cells(), accept_conditionally(cells(), "sig-3", "serology pending", QUINN))
    eligible(lot, CELLS, parse("1 mL"), MINE, START)
    assert refusal(lot, replace(CELLS, conditional=False), identity=MINE) == (
        "Lot L-1 is accepted conditionally only, and the recipe does not take leukapheresis so; QA must release it."
    )


def test_a_recipe_may_ask_for_no_more_than_quarantine() -> None:
    eligible(medium(), replace(MEDIUM, status="quarantine"), parse("1 mL"), "", START)


def test_an_expired_lot_is_refused() -> None:
    assert (
        refusal(released(medium()), MEDIUM, now=EXPIRES)
        == "Lot L-1 expired at 2026-12-23T08:00:00.000000Z; scan another lot."
    )
    eligible(released(medium()), MEDIUM, parse("1 mL"), "", EXPIRES - timedelta(microseconds=1))


@pytest.mark.parametrize("how", ["opened", "thawed"])
def test_a_lot_open_or_thawed_too_long_is_refused(how: str) -> None:
    lot = released(medium())
    lot = folded(lot, open_lot(lot, MEDIUM, "opened" if how == "opened" else "thawed", START, ANNA))
    assert refusal(lot, MEDIUM, now=START + timedelta(hours=24)) == (
        "Lot L-1 was opened or thawed too long ago, to be used before 2026-11-24T08:00:00.000000Z; scan another lot."
    )
    eligible(lot, MEDIUM, parse("1 mL"), "", START + timedelta(hours=23))
    strict = replace(MEDIUM, use_within=parse("1 h"))
    assert "too long ago" in refusal(lot, strict, now=START + timedelta(hours=2))


def test_a_short_or_wrong_lot_is_refused() -> None:
    lot = released(medium())
    assert (
        refusal(lot, MEDIUM, "0.6 L")
        == "Lot L-1 is short: 500 mL are left, 0.6 L are needed; scan another lot."
    )
    assert refusal(lot, replace(MEDIUM, name="wash")) == "Lot L-1 is medium, not wash; scan a lot of wash."
    with pytest.raises(BadInput, match="measure different things"):
        eligible(lot, MEDIUM, parse("1 g"), "", START)
    with pytest.raises(BadInput, match="must be above zero"):
        eligible(lot, MEDIUM, parse("0 mL"), "", START)


def test_material_of_another_patient_is_an_identity_mismatch_before_anything_else() -> None:
    theirs = cells(identity=OTHER)
    for material in (CELLS, MEDIUM):
        with pytest.raises(
            IdentityMismatch, match=f"belongs to the chain of identity {OTHER}, not {MINE}: stop"
        ):
            eligible(theirs, material, parse("1 mL"), MINE, START)
    with pytest.raises(IdentityMismatch, match="not none"):
        eligible(theirs, CELLS, parse("1 mL"), "", START)
    with pytest.raises(IdentityMismatch, match="carries no chain of identity"):
        eligible(released(medium()), CELLS, parse("1 mL"), MINE, START)


# -- refused commands --------------------------------------------------------------------------------


def test_a_receipt_says_what_is_missing() -> None:
    with pytest.raises(BadInput, match="give its chain-of-identity number"):
        cells(identity="")
    with pytest.raises(BadInput, match="leave the chain of identity empty"):
        receive("L-1", MEDIUM, parse("1 mL"), None, MINE, "SUP", ANNA)
    with pytest.raises(BadInput, match="needs the supplier's"):
        receive("L-1", MEDIUM, parse("1 mL"), None, "", " ", ANNA)
    with pytest.raises(BadInput, match="must be above zero"):
        receive("L-1", MEDIUM, parse("0 mL"), None, "", "SUP", ANNA)
    with pytest.raises(BadInput, match="measure different things"):
        receive("L-1", MEDIUM, parse("1 cell"), None, "", "SUP", ANNA)
    with pytest.raises(BadInput, match="at least one container"):
        produce("L-1", MEDIUM, parse("1 mL"), 0, "B-1", "", [], "")


def test_the_status_is_decided_by_qa_with_signature_and_reason() -> None:
    with pytest.raises(NotPermitted, match="decided by QA or a QP"):
        release(medium(), "sig-1", "fits", ANNA)
    with pytest.raises(BadInput, match="needs a signature"):
        release(medium(), "", "fits", QUINN)
    with pytest.raises(BadInput, match="needs a reason"):
        reject(medium(), "sig-1", " ", QUINN)


def test_a_status_changes_only_along_its_ways() -> None:
    rejected = folded(medium(), reject(medium(), "sig-1", "leaking", QUINN))
    with pytest.raises(Refused, match="is rejected; only a lot in quarantine can be released"):
        release(rejected, "sig-2", "mistake", QUINN)
    with pytest.raises(Refused, match="rejected already"):
        reject(rejected, "sig-2", "leaking", QUINN)
    with pytest.raises(Refused, match="neither patient nor donor material"):
        accept_conditionally(medium(), "sig-2", "hurry", QUINN)
    with pytest.raises(Refused, match="is released; only a lot in quarantine can be accepted"):
        accept_conditionally(released(cells()), "sig-2", "hurry", QUINN)
    assert (
        folded(released(medium()), reject(released(medium()), "sig-4", "recall", QUINN)).status == "rejected"
    )


def test_a_lot_is_opened_once_and_not_when_expired() -> None:
    lot = released(medium())
    opened = folded(lot, open_lot(lot, MEDIUM, "opened", START, ANNA))
    with pytest.raises(Refused, match="was opened or thawed at 2026-11-23T08:00:03"):
        open_lot(opened, MEDIUM, "opened", START, ANNA)
    with pytest.raises(Refused, match="expired"):
        open_lot(lot, MEDIUM, "thawed", EXPIRES, ANNA)


def test_a_correction_or_count_that_says_nothing_is_refused() -> None:
    lot = medium()
    with pytest.raises(BadInput, match="has no entry 2; it has 1"):
        correct(lot, 2, None, "SUP-7", "misread", ANNA)
    with pytest.raises(BadInput, match="Nothing of lot L-1 would change"):
        correct(lot, 1, EXPIRES, "SUP-7", "misread", ANNA)
    with pytest.raises(BadInput, match="cannot hold -1 mL"):
        adjust(lot, parse("-1 mL"), "spilled", ANNA)


def test_an_entry_that_cannot_stand_is_named() -> None:
    begun = sealed(STREAM, receive("L-1", MEDIUM, parse("500 mL"), EXPIRES, "", "SUP-7", ANNA))
    too_much = Draft("lot_consumed", {"batch": "B-1", "path": "p", "quantity": parse("501 mL").plain()})
    for wrong, complaint in (
        (
            too_much,
            r"Entry 2 of lot/L-1 \(lot_consumed\) cannot stand here: 501 mL is more than the 500 mL left",
        ),
        (Draft("lot_painted", {}), "Entry 2 .* the kind 'lot_painted' is unknown"),
        (
            Draft("lot_corrected", {"entry": 2}),
            "Entry 2 .* it corrects entry 2, which does not stand before it",
        ),
        (Draft("lot_received", {}), "Entry 2 .* stands first and once"),
    ):
        with pytest.raises(RecordError, match=complaint):
            fold(sealed(STREAM, [wrong], after=begun))
    with pytest.raises(RecordError, match="Entry 1 of lot/L-1 is missing: 2 stands there"):
        fold(sealed(STREAM, [too_much], after=begun)[1:])
    with pytest.raises(RecordError, match="never received or produced"):
        NO_LOT.left()


# -- properties --------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 400), max_size=12))
def test_a_lot_is_never_overdrawn_and_what_is_left_and_used_is_what_came(millilitres: list[int]) -> None:
    lot = released(medium())
    for each in millilitres:
        amount = Quantity(Decimal(each), "mL")
        if amount <= lot.left():
            lot = folded(lot, consume(lot, MEDIUM, amount, "B-1", "feed", "", START, ANNA))
        else:
            with pytest.raises(Refused, match="is short"):
                consume(lot, MEDIUM, amount, "B-1", "feed", "", START, ANNA)
    assert lot.left().value >= 0
    assert lot.left().value + sum(use.quantity.value for use in lot.uses) == 500


lots = st.sampled_from(["L-1", "L-2", "L-3", "L-4", "L-5"])


@given(st.lists(st.tuples(lots, lots), max_size=15), lots, lots)
def test_genealogy_is_the_same_from_both_ends_and_ends_in_cycles(
    edges: list[tuple[str, str]], one: str, other: str
) -> None:
    assert (other in descendants(one, edges)) == (one in ancestors(other, edges))
    found = descendants(one, edges)
    assert one not in found
    assert len(set(found)) == len(found)
    assert all(child in (*found, one) for parent, child in edges if parent in (*found, one))


def test_the_nearest_come_first() -> None:
    edges = [("cells", "bulk"), ("vector", "bulk"), ("bulk", "dose"), ("medium", "cells")]
    assert ancestors("dose", edges) == ("bulk", "cells", "vector", "medium")
    assert descendants("medium", edges) == ("cells", "bulk", "dose")


def test_the_reference_page_lists_every_kind_of_entry_and_every_member_of_its_body() -> None:
    rows = [
        line.split("|")
        for line in (ROOT / "docs/reference/lots.md").read_text().splitlines()
        if line.startswith("| `lot_")
    ]
    page = {row[1].strip(" `"): row[3] for row in rows}
    lot = released(cells())
    drafts = [
        *receive("L-1", MEDIUM, parse("500 mL"), EXPIRES, "", "SUP-7", ANNA),
        *produce("L-1", MEDIUM, parse("500 mL"), 1, "B-1", "Fill", ["L-0"], ""),
        *release(cells(), "sig", "fits", QUINN), *reject(lot, "sig", "leaks", QUINN),
        *accept_conditionally(cells(), "sig", "pending", QUINN),
        *open_lot(lot, CELLS, "opened", START, ANNA), *open_lot(lot, CELLS, "thawed", START, ANNA),
        *consume(lot, CELLS, parse("1 mL"), "B-1", "Wash", MINE, START, ANNA), *adjust(lot, parse("1 mL"), "spilled", ANNA),
        *correct(lot, 1, None, "DIN-8", "misread", ANNA),
    ]  # fmt: skip
    assert page.keys() == {draft.kind for draft in drafts}
    beginning = {"batch", "path", "containers", "parents", "supplier_lot"}
    for draft in drafts:
        said = {word.strip(" ,()").split(" ")[0] for word in page[draft.kind].split(",")}
        optional = beginning if draft.kind in ("lot_received", "lot_produced") else set[str]()
        assert draft.body.keys() - optional <= said <= draft.body.keys(), draft.kind
