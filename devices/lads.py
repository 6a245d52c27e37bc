"""Names, numbers and shapes of OPC UA LADS that a server and a driver share.

Source: OPC 30500-1, Laboratory and Analytical Device Standard, version 1.0.0 (2023-11-30), and its
nodeset, of which only names and numbers are used here. OPC UA for Devices is OPC 10000-100.
`docs/reference/twins.md` lists what Kweek's server adds in a namespace of its own.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

DI = "http://opcfoundation.org/UA/DI/"
LADS = "http://opcfoundation.org/UA/LADS/"
KWEEK = "urn:kweek:plant"
"""Namespace of what LADS does not have: prompts, outcomes, the simulation's bench."""

KEY_VALUE = 3003
KEY_VALUE_BINARY = 5045
SAMPLE_INFO = 3002

# Extensions, all in the namespace KWEEK; see docs/decisions/0031-lads-in-code.md.
PROMPT, ANSWER_PROMPT = "Prompt", "AnswerPrompt"
OUTCOME, OUTCOME_TEXT = "Outcome", "OutcomeText"
SIMULATION, MEASURE, INJECT = "Simulation", "Measure", "Inject"

State: TypeAlias = Literal["Stopped", "Aborted", "Idle", "Execute", "Held", "Complete"]
"""Where a functional unit can rest: Stopped and Aborted are states of FunctionalUnitState, the others
are states of its RunningStateMachine while FunctionalUnitState is Running. The states in between
(Starting, Holding, …) pass within one call here."""
Command: TypeAlias = Literal["Start", "StartProgram", "Stop", "Abort", "Clear", "Hold", "Unhold", "Reset"]

TRANSITIONS: Mapping[Command, Mapping[State, State]] = {
    "Start": {"Stopped": "Idle"},
    "StartProgram": {"Stopped": "Execute", "Idle": "Execute", "Complete": "Execute"},
    "Hold": {"Execute": "Held"},
    "Unhold": {"Held": "Execute"},
    "Reset": {"Complete": "Idle"},
    "Stop": {"Idle": "Stopped", "Execute": "Stopped", "Held": "Stopped", "Complete": "Stopped"},
    "Abort": dict.fromkeys(("Stopped", "Idle", "Execute", "Held", "Complete"), "Aborted"),
    "Clear": {"Aborted": "Stopped"},
}
"""What a method does in which state; a state that is not named refuses it."""


UNIT_STATES: Mapping[str, int] = {
    "Stopped": 5085,
    "Running": 5099,
    "Stopping": 5100,
    "Aborting": 5159,
    "Aborted": 5160,
    "Clearing": 5143,
}
"""States of FunctionalStateMachineType and their numbers."""
RUNNING_STATES: Mapping[str, int] = {
    "Idle": 5120,
    "Starting": 5117,
    "Execute": 5168,
    "Completing": 5127,
    "Complete": 5128,
    "Resetting": 5119,
    "Holding": 5123,
    "Held": 5124,
    "Unholding": 5125,
    "Suspending": 5118,
    "Suspended": 5121,
    "Unsuspending": 5122,
}
"""States of RunningStateMachineType and their numbers."""


def node_id(identifier: int | str, index: int = 0) -> ua.NodeId:
    """The id of a node by number or text, in the namespace with this index; 0 is OPC UA's own."""
    kept = ua.Int32(identifier) if isinstance(identifier, int) else ua.String(identifier)
    return ua.NodeId(kept, ua.Int16(index))


def status_of(code: int) -> ua.StatusCode:
    """A status from its number."""
    return ua.StatusCode(ua.UInt32(code))


def stamped(value: ua.Variant | None, at: datetime, code: int = StatusCodes.Good) -> ua.DataValue:
    """A value with its quality and the moment it was taken; None with a bad status."""
    return ua.DataValue(value, status_of(code), at)  # pyright: ignore[reportArgumentType]


def unit_state(state: State) -> tuple[str, str]:
    """The states of FunctionalUnitState and of its RunningStateMachine ('' where that is not running)."""
    return (state, "") if state in ("Stopped", "Aborted") else ("Running", state)


def pair(lads: int, key: str, value: str) -> ua.ExtensionObject:
    """A KeyValueType, with `lads` the index of the LADS namespace at the server.

    Encoded here (two strings, OPC 10000-6 5.2.2.4) and not by a generated class: asyncua registers
    classes for a whole process by namespace index, and two servers need not agree on indexes.
    """
    body = b"".join(struct.pack("<i", len(text)) + text for text in (key.encode(), value.encode()))
    return ua.ExtensionObject(TypeId=node_id(KEY_VALUE_BINARY, lads), Body=ua.ByteString(body))


def _texts_in(body: bytes) -> list[str]:
    texts: list[str] = []
    at = 0
    for _ in range(2):
        length = struct.unpack_from("<i", body, at)[0] if at + 4 <= len(body) else -2
        end = at + 4 + max(length, 0)
        if length < -1 or end > len(body):
            raise ValueError("a key-value pair is cut off")
        texts.append(body[at + 4 : end].decode())
        at = end
    return texts


def pairs_in(values: Iterable[object]) -> dict[str, str]:
    """The key-value pairs of an array, whether asyncua knows their type or not. Raises ValueError."""
    found: dict[str, str] = {}
    for value in values:
        if isinstance(value, ua.ExtensionObject):
            key, text = _texts_in(value.Body or b"")
        elif is_dataclass(value) and not isinstance(value, type):  # made from a server's type definitions
            members = asdict(value)
            key, text = str(members["Key"]), str(members["Value"] or "")
        else:
            raise ValueError(f"a {type(value).__name__} is no key-value pair")
        if key in found:
            raise ValueError(f"the key '{key}' stands twice")
        found[key] = text
    return found
