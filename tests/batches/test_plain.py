"""Plain values: one byte string for one value, and back."""

import json
import unicodedata
from collections import OrderedDict
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput, RecordError
from batches.plain import DEEPEST, LARGEST_INTEGER, Plain, canonical, from_json, list_in, text_in, whole_in

texts = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: unicodedata.normalize("NFC", text))
keys = st.text(st.characters(max_codepoint=127), max_size=8)
integers = st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
plains: st.SearchStrategy[Plain] = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(keys, parts, max_size=4),
    max_leaves=20,
)


@given(plains)
def test_canonical_and_back_is_the_same_value_and_the_same_bytes(value: Plain) -> None:
    written = canonical(value)
    assert from_json(written) == value
    assert canonical(from_json(written)) == written


@given(st.dictionaries(keys, integers, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(value: dict[str, int], chance: object) -> None:
    shuffled = list(value.items())
    chance.shuffle(shuffled)  # pyright: ignore[reportAttributeAccessIssue] Hypothesis gives a Random
    assert canonical(dict(shuffled)) == canonical(value)
    assert canonical(OrderedDict(shuffled)) == canonical(value)


@given(plains)
def test_there_is_no_blank_outside_text_and_layout_does_not_count(value: Plain) -> None:
    assert canonical(from_json(json.dumps(value, indent=3))) == canonical(value)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        # RFC 8785 sections 3.2.2 and 3.2.3, without the numbers that have a fraction
        ({"string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"}, '{"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'),
        ({"literals": [None, True, False]}, '{"literals":[null,true,false]}'),
        ({"\r": 1, "1": 2, "\x7f": 3}, '{"\\r":1,"1":2,"\x7f":3}'),
        ("\b\t\n\f\r\x00\x1f\x7f\u2028\U0001f600", '"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f\u2028\U0001f600"'),
        # numbers.md of the RFC's test data: the integers
        ([0, -1, LARGEST_INTEGER, -LARGEST_INTEGER], "[0,-1,9007199254740991,-9007199254740991]"),
        ({"b": 1, "a": {"d": (), "c": {}}}, '{"a":{"c":{},"d":[]},"b":1}'),
        ({"B": 1, "a": 2, "_": 3, "10": 4, "9": 5}, '{"10":4,"9":5,"B":1,"_":3,"a":2}'),
    ],
)  # fmt: skip
def test_canonical_json_follows_rfc_8785(value: Plain, written: str) -> None:
    assert canonical(value).decode() == written


def nested(depth: int) -> Plain:
    value: Plain = 1
    for _ in range(depth):
        value = [value]
    return value


def test_nesting_is_bounded() -> None:
    assert canonical(nested(DEEPEST))
    with pytest.raises(BadInput, match="nested deeper than 64"):
        canonical(nested(DEEPEST + 1))


@pytest.mark.parametrize(
    "value",
    [
        1.5, float("nan"), 1e3, b"bytes", {1: "key"}, {"é": 1}, {"a": {2}}, object(), "e\u0301", "\ud800",
        ["\udfff"], LARGEST_INTEGER + 1, -LARGEST_INTEGER - 1, MappingProxyType({"a": 1}),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused_in_a_sentence(value: object) -> None:
    with pytest.raises(BadInput, match=r"\.$"):
        canonical(value)  # pyright: ignore[reportArgumentType] that is the test


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "1.0", "1e3", "NaN", "-Infinity", "[1,]", '{"a":1,"a":1}', "nul", "'a'", "\ufeff1", b"\xff\xfe\xfa",
        "[" * 100_000, "1" * 5000, '{"a": {"b": 1, "b": 2}}',
    ],
)  # fmt: skip
def test_what_is_not_plain_json_is_refused_in_a_sentence(text: str | bytes) -> None:
    with pytest.raises(BadInput, match=r"^This is not plain JSON"):
        from_json(text)


@given(st.text() | st.binary())
def test_no_input_breaks_the_reader(data: str | bytes) -> None:
    try:
        from_json(data)
    except BadInput:
        return
    assert json.loads(data) == from_json(data)


def test_a_body_without_what_it_should_hold_is_no_record() -> None:
    body: dict[str, Plain] = {"text": "a", "whole": 1, "flag": True, "list": [1]}
    assert (text_in(body, "text"), whole_in(body, "whole"), list_in(body, "list")) == ("a", 1, [1])
    for wrong in (
        lambda: text_in(body, "whole"),
        lambda: whole_in(body, "flag"),
        lambda: list_in(body, "text"),
        lambda: text_in(body, "absent"),
    ):
        with pytest.raises(RecordError, match=r"^'\w+' should be"):
            wrong()
