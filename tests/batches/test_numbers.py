from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput
from batches.numbers import (
    ALPHABET,
    BATCH_PATTERN,
    SiteScheme,
    check_character,
    check_flag,
    check_value,
    command_id,
    deviation_id,
    is_number_on_a_label,
    next_number,
    number,
    sample_number,
    task_id,
    without_check,
)

# -- serial numbers --------------------------------------------------------------------------------


def test_the_first_batch_of_a_year_has_serial_one_and_the_next_follows_the_highest() -> None:
    assert next_number(BATCH_PATTERN, 2026, []) == "B-26-0001"
    used = ["B-26-0007", "B-26-0002", "B-25-0099", "L-26-0500", "rubbish", "B-26-0040x"]
    assert next_number(BATCH_PATTERN, 2026, used) == "B-26-0008"
    assert next_number(BATCH_PATTERN, 2027, used) == "B-27-0001"


def test_a_serial_may_outgrow_its_width() -> None:
    assert next_number(BATCH_PATTERN, 2026, ["B-26-9999"]) == "B-26-10000"
    assert next_number(BATCH_PATTERN, 2026, ["B-26-9999", "B-26-10000"]) == "B-26-10001"


def test_a_pattern_without_a_year_counts_on_for_ever() -> None:
    assert next_number("CART-{serial:03}", 2027, ["CART-009"]) == "CART-010"


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("B-{year:02}", "needs one"),
        ("B-{serial:04}-{serial:04}", "needs one"),
        ("B-{year:02}{serial:04}", "runs digits together"),
        ("B7{serial:04}", "runs digits together"),
        ("B/{serial:04}", "may hold letters"),
        ("B-{month:02}-{serial:04}", "may hold letters"),
    ],
)
def test_a_pattern_that_cannot_be_counted_is_refused(pattern: str, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        next_number(pattern, 2026, [])


def test_a_serial_below_one_is_refused() -> None:
    with pytest.raises(BadInput, match="both start at 1"):
        number(BATCH_PATTERN, 2026, 0)


@given(
    st.lists(st.tuples(st.integers(2000, 2099), st.integers(1, 20_000)), max_size=20), st.integers(2000, 2099)
)
def test_a_number_is_never_used_twice(given_before: list[tuple[int, int]], year: int) -> None:
    used = [number(BATCH_PATTERN, *each) for each in given_before]
    for _ in range(3):
        fresh = next_number(BATCH_PATTERN, year, used)
        assert fresh not in used
        used.append(fresh)


def test_ids_inside_a_batch() -> None:
    assert task_id("B-26-0007", 12) == "B-26-0007-T0012"
    assert sample_number("B-26-0007", 3) == "S-B-26-0007-3"
    assert deviation_id("B-26-0007", 1) == "D-B-26-0007-1"


# -- command ids -----------------------------------------------------------------------------------


def test_a_command_id_never_changes() -> None:
    assert command_id("B-26-0007", "Expansion/Grow/expand", 3, 1) == "36d4c369-ce7f-5c59-b751-ff38b014bf05"
    assert UUID(command_id("B-26-0007", "Expansion/Grow/expand", 3, 1)).version == 5


@given(st.data())
def test_another_key_gives_another_command_id(data: st.DataObject) -> None:
    keys = st.tuples(
        st.text("B/-1", max_size=4), st.text("B/-1", max_size=4), st.integers(0, 99), st.integers(0, 99)
    )
    one, two = data.draw(keys), data.draw(keys)
    assert (command_id(*one) == command_id(*two)) == (one == two)


# -- check character -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "character", "flag"),
    [
        ("G123498654321", 17, "H", 77),  # UK JPAC, Red Book, annex 2
        ("G123417654321", 10, "A", 70),  # ICCBBA ST-001, appendix A
    ],
)
def test_published_check_characters(text: str, value: int, character: str, flag: int) -> None:
    assert (check_value(text), check_character(text), check_flag(text)) == (value, character, flag)
    assert without_check(text + character) == text


def test_the_sum_by_position_gives_the_same_as_the_running_form() -> None:
    text = "G123498654321"
    total = sum(ALPHABET.index(character) * 2**n for n, character in enumerate(reversed(text), start=1))
    assert total == 148354
    assert (38 - total % 37) % 37 == check_value(text)


numbers = st.text(ALPHABET[:36], min_size=1, max_size=20)


@given(numbers, st.data())
def test_one_wrong_character_is_found(text: str, data: st.DataObject) -> None:
    whole = text + check_character(text)
    place = data.draw(st.integers(0, len(whole) - 1))
    letters = ALPHABET if place == len(whole) - 1 else ALPHABET[:36]
    wrong = data.draw(st.sampled_from(letters.replace(whole[place], "")))
    with pytest.raises(BadInput, match="mistyped"):
        without_check(whole[:place] + wrong + whole[place + 1 :])


@given(numbers.filter(lambda text: len(text) > 1), st.data())
def test_two_neighbours_changed_over_are_found(text: str, data: st.DataObject) -> None:
    whole = text + check_character(text)
    place = data.draw(st.integers(0, len(text) - 2))
    swapped = whole[:place] + whole[place + 1] + whole[place] + whole[place + 2 :]
    if swapped != whole:
        with pytest.raises(BadInput, match="mistyped"):
            without_check(swapped)


@pytest.mark.parametrize("text", ["g123498654321", "G1234 98654321", "G12-34", "*", "É"])
def test_what_is_not_a_capital_or_digit_is_refused_and_not_folded(text: str) -> None:
    with pytest.raises(BadInput, match="use capital letters and digits"):
        check_character(text)


@pytest.mark.parametrize("text", ["", "H"])
def test_nothing_has_no_check_character(text: str) -> None:
    with pytest.raises(BadInput, match="nothing to check"):
        without_check(text)


# -- chain of identity -----------------------------------------------------------------------------


def test_a_site_issues_and_checks_its_own_numbers() -> None:
    scheme = SiteScheme("DEMO1")
    issued = scheme.issue(2026, 1)
    assert issued == "KWDEMO126000001" + check_character("KWDEMO126000001")
    assert scheme.check(issued) == issued
    assert SiteScheme().check(issued) == issued


def test_a_number_of_another_scheme_is_refused() -> None:
    other = "XXDEMO126000001"
    with pytest.raises(BadInput, match="not a chain-of-identity number of this site"):
        SiteScheme("DEMO1").check(other + check_character(other))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("KWDEMO126000002W", True), ("G123498654321H", True), ("JANSEN19800312", False), ("JANSEN", False),
        ("19800312", False), ("jan@example.org", False), ("", False), ("KWDEMO126000002w", False),
    ],
)  # fmt: skip
def test_only_a_number_as_on_a_label_is_repeated(text: str, told: bool) -> None:
    assert is_number_on_a_label(text) is told


def test_without_a_facility_number_none_is_issued() -> None:
    with pytest.raises(BadInput, match="No facility number is set"):
        SiteScheme().issue(2026, 1)
    with pytest.raises(BadInput, match="does not fit six digits"):
        SiteScheme("DEMO1").issue(2026, 10**6)


@pytest.mark.parametrize("facility", ["ODEMO", "0DEMO", "DEMO", "demo1", "DEMO-"])
def test_a_facility_number_has_five_characters_and_never_begins_with_o(facility: str) -> None:
    with pytest.raises(BadInput, match="not a facility number"):
        SiteScheme(facility)


def test_a_prefix_is_short_and_in_capitals() -> None:
    with pytest.raises(BadInput, match="not a prefix"):
        SiteScheme("DEMO1", prefix="kw")


@given(st.integers(2000, 2099), st.integers(1, 999_999))
def test_every_number_issued_passes_its_own_check(year: int, serial: int) -> None:
    scheme = SiteScheme("DEMO1")
    assert scheme.check(scheme.issue(year, serial)) == scheme.issue(year, serial)
