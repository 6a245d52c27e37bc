"""What devices say, made into text that a record can hold, before anything is decided on it.

A record holds Unicode text in form NFC without lone surrogates (`batches/plain.py`), and no database takes
a NUL. A device may say anything; what it says must never keep an entry from being written.
"""

import base64
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from batches.errors import DeviceError
from batches.plain import PlainDict
from batches.quantities import Quantity
from batches.steps import Step
from devices.base import Outcome, Reading, Repeatability
from orchestrator.equipment import Act, Equipment

REPLACEMENT = "\ufffd"
LAYOUT = frozenset("\t\n\r")


def clean(text: str) -> str:
    """The text in form NFC; what is no character of text is replaced by U+FFFD."""
    return unicodedata.normalize("NFC", "".join(_character(each) for each in text))


def _character(each: str) -> str:
    return REPLACEMENT if unicodedata.category(each) in ("Cc", "Cs") and each not in LAYOUT else each


def file_body(evidence: bytes) -> dict[str, str]:
    """How a record keeps a device's file, whole: its text, or base64 where it is not clean text."""
    try:
        text = evidence.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and clean(text) == text:
        return {"text": text}
    return {"text": base64.b64encode(evidence).decode("ascii"), "encoding": "base64"}


@contextmanager
def _said() -> Iterator[None]:
    """What a device raises, in clean words."""
    try:
        yield
    except DeviceError as error:
        words = clean(str(error))
        if words == str(error):
            raise
        raise type(error)(words) from error


def _clean_outcome(outcome: Outcome) -> Outcome:
    results: Mapping[str, Quantity | str | bool | int] = {
        clean(name).encode("ascii", "backslashreplace").decode(): clean(value)
        if isinstance(value, str)
        else value
        for name, value in outcome.results.items()
    }
    return replace(outcome, results=results, text=clean(outcome.text))


class CleanEquipment:
    """The equipment behind the engine, its words clean."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment

    def manual(self, unit: str) -> bool:
        return self._equipment.manual(unit)

    def by_hand(self, unit: str, step: Step) -> PlainDict:
        return self._equipment.by_hand(unit, step)

    def repeatability(self, unit: str, step: Act) -> Repeatability:
        return self._equipment.repeatability(unit, step)

    async def act(self, unit: str, step: Act, command: str, batch: str) -> Outcome:
        with _said():
            return _clean_outcome(await self._equipment.act(unit, step, command, batch))

    async def status(self, unit: str, command: str) -> Outcome:
        with _said():
            return _clean_outcome(await self._equipment.status(unit, command))

    async def read(self, unit: str, tag: str) -> Reading:
        with _said():
            return await self._equipment.read(unit, tag)

    async def safe(self, unit: str, state: str, command: str) -> None:
        with _said():
            await self._equipment.safe(unit, state, command)

    async def stop(self, unit: str, command: str) -> None:
        with _said():
            await self._equipment.stop(unit, command)

    async def set(self, unit: str, tag: str, value: Quantity, command: str) -> None:
        with _said():
            await self._equipment.set(unit, tag, value, command)

    async def prompt(self, unit: str, command: str) -> str | None:
        with _said():
            text = await self._equipment.prompt(unit, command)
            return None if text is None else clean(text)

    async def answer_prompt(self, unit: str, command: str, text: str) -> None:
        with _said():
            await self._equipment.answer_prompt(unit, command, text)
