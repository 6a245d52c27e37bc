"""Plain values and their canonical JSON: what is hashed, compared and kept.

A plain value is None, bool, int, str, a list of plain values or a dict with plain ASCII keys.
There are no floats: a number with a fraction is the text of a Decimal inside a quantity.
Source: RFC 8785 (JSON canonicalization scheme), restricted so that plain `json` writes it.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from batches.errors import BadInput, RecordError

Plain: TypeAlias = "None | bool | int | str | Sequence[Plain] | Mapping[str, Plain]"
PlainDict: TypeAlias = Mapping[str, "Plain"]

LARGEST_INTEGER = 2**53 - 1
DEEPEST = 64


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: Plain) -> bytes:
    """The one byte string that stands for `value` (UTF-8, sorted keys, no blanks).

    Raises BadInput for a float, a key that is not ASCII text, text that is not NFC or not
    encodable, an integer beyond 2^53 - 1, or nesting deeper than 64.
    """
    _check(value, 0)
    return _encode(value).encode("utf-8")


def from_json(data: bytes | str) -> Plain:
    """The plain value in `data`. Raises BadInput for text that is not JSON or holds a float."""
    try:
        return cast(
            Plain, json.loads(data, parse_float=_no_float, parse_constant=_no_float, object_pairs_hook=_once)
        )
    except (ValueError, RecursionError) as error:
        raise BadInput(f"This is not plain JSON: {error}. Send numbers with a fraction as text.") from error


def _no_float(text: str) -> Plain:
    raise ValueError(f"the number {text} has a fraction or is not finite")


def _once(pairs: list[tuple[str, Plain]]) -> dict[str, Plain]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _check(value: object, depth: int) -> None:
    if depth > DEEPEST:
        raise BadInput(f"The value is nested deeper than {DEEPEST} levels; make it flatter.")
    if type(value) is str and value.isascii():
        return  # most of what is recorded, and on the way of every commit
    match value:
        case None | bool():
            return
        case str():
            _check_text(value)
        case int():
            if abs(value) > LARGEST_INTEGER:
                raise BadInput(f"The integer {value} is larger than 2^53 - 1; write it as a quantity.")
        case dict():
            for key, part in cast("dict[object, object]", value).items():
                if not (type(key) is str and key.isascii()):
                    _check_key(key)
                if not (type(part) is str and part.isascii()):
                    _check(part, depth + 1)
        case list() | tuple():
            for part in cast("Sequence[object]", value):
                _check(part, depth + 1)
        case _:
            raise BadInput(f"A {type(value).__name__} cannot be recorded; use text, integers or a quantity.")


def _check_key(key: object) -> None:
    if not isinstance(key, str) or not key.isascii():
        raise BadInput(f"The key {key!r} is not ASCII text; rename it.")


def _check_text(text: str) -> None:
    if text.isascii():
        return
    if not unicodedata.is_normalized("NFC", text):
        raise BadInput(f"The text {text!r} is not in Unicode form NFC; normalise it before sending.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadInput(f"The text {text!r} holds a lone surrogate; remove it.") from error


def text_in(body: PlainDict, key: str) -> str:
    """The text under `key` of a recorded body. Raises RecordError."""
    value = body.get(key)
    if not isinstance(value, str):
        raise RecordError(f"'{key}' should be text in {_brief(body)}.")
    return value


def whole_in(body: PlainDict, key: str) -> int:
    """The whole number under `key` of a recorded body. Raises RecordError."""
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RecordError(f"'{key}' should be a whole number in {_brief(body)}.")
    return value


def dict_in(body: PlainDict, key: str) -> PlainDict:
    """The object under `key` of a recorded body. Raises RecordError."""
    value = body.get(key)
    if not isinstance(value, Mapping):
        raise RecordError(f"'{key}' should be an object in {_brief(body)}.")
    return value


def list_in(body: PlainDict, key: str) -> Sequence[Plain]:
    """The list under `key` of a recorded body. Raises RecordError."""
    value = body.get(key)
    if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
        raise RecordError(f"'{key}' should be a list in {_brief(body)}.")
    return value


def dicts_in(body: PlainDict, key: str) -> list[PlainDict]:
    """The list of objects under `key` of a recorded body. Raises RecordError."""
    found = [part for part in list_in(body, key) if isinstance(part, Mapping)]
    if len(found) != len(list_in(body, key)):
        raise RecordError(f"'{key}' should be a list of objects in {_brief(body)}.")
    return found


def _brief(body: PlainDict) -> str:
    return repr(dict(body))[:120]
