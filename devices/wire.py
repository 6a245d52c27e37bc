"""Values of the device protocol as plain JSON, for the pipe to a device host and for command logs."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, cast

from batches.errors import BadInput
from batches.plain import Plain, PlainDict, dict_in, text_in
from batches.quantities import Quantity, from_plain, is_quantity
from devices.base import Identity, Outcome, Quality, Reading, Results

Status = Literal["not_seen", "running", "done", "failed", "unknown"]


def plain(value: object) -> Plain:
    """The JSON form of a parameter or result. Raises BadInput for what has none."""
    match value:
        case None | bool() | int() | str():
            return value
        case Quantity():
            return value.plain()
        case Mapping():
            return {str(name): plain(part) for name, part in value.items()}
        case tuple() | list():
            return [plain(part) for part in value]
        case _:
            kind = type(value).__name__
            raise BadInput(f"A {kind} cannot be sent to a device; use text, whole numbers or a quantity.")


def value(sent: Plain) -> object:
    """A parameter or result from its JSON form."""
    if is_quantity(sent):
        return from_plain(sent)
    if isinstance(sent, Mapping):
        return values(sent)
    if sent is None or isinstance(sent, (str, bool, int)):
        return sent
    return tuple(value(part) for part in sent)


def values(sent: PlainDict) -> dict[str, object]:
    """Parameters or results by name, from their JSON form."""
    return {name: value(part) for name, part in sent.items()}


def plain_outcome(outcome: Outcome) -> PlainDict:
    """The JSON form of an outcome; evidence in base 64."""
    return {
        "status": outcome.status,
        "results": plain(outcome.results),
        "text": outcome.text,
        "evidence": b64encode(outcome.evidence).decode("ascii"),
    }


def outcome(sent: PlainDict) -> Outcome:
    """An outcome from its JSON form."""
    return Outcome(
        cast("Status", text_in(sent, "status")),
        cast("Results", values(dict_in(sent, "results"))),
        text_in(sent, "text"),
        b64decode(text_in(sent, "evidence")),
    )


def plain_reading(reading: Reading) -> PlainDict:
    """The JSON form of a reading."""
    return {
        "value": reading.value.plain(),
        "at": reading.at.isoformat(),
        "quality": reading.quality,
        "source": reading.source,
    }


def reading(sent: PlainDict) -> Reading:
    """A reading from its JSON form."""
    return Reading(
        from_plain(sent.get("value")),
        datetime.fromisoformat(text_in(sent, "at")),
        cast("Quality", text_in(sent, "quality")),
        text_in(sent, "source"),
    )


def plain_identity(identity: Identity) -> PlainDict:
    """The JSON form of an identity."""
    return {
        "vendor": identity.vendor,
        "model": identity.model,
        "serial": identity.serial,
        "software": identity.software,
    }


def identity(sent: PlainDict) -> Identity:
    """An identity from its JSON form."""
    return Identity(
        text_in(sent, "vendor"), text_in(sent, "model"), text_in(sent, "serial"), text_in(sent, "software")
    )
