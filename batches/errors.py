"""The error tree. A class says whose turn it is; the message says what, where and what to do.

KweekError
├── Refused                what was asked may not happen now (state, permission, rule)
│   ├── Conflict           somebody else was first, or the thing changed in between
│   ├── NotPermitted       the person lacks the role, the qualification or the second person
│   └── IdentityMismatch   a scan shows another patient, lot or vessel: never overridden
├── Busy                   more waits for the disk than is taken on; nothing was begun, the same may be sent again
├── NotFound               no such batch, task, recipe, lot, unit or person
├── BadInput               a value, quantity, document or request that cannot be taken as it is
│   └── RecipeError        a recipe that cannot be read or does not pass its checks
├── DeviceError            equipment (see devices/base.py for its children)
├── StoreError             the record cannot be written or read; the engine stops
└── RecordError            a record that does not add up (altered, incomplete, not replayable)
"""

from batches.findings import Finding


class KweekError(Exception):
    """Something Kweek will not do, said in one sentence: what is wrong, where, and what to do."""


class Refused(KweekError):
    """The request may not happen in the present state."""


class Conflict(Refused):
    """Somebody else was first, or the thing changed since it was read."""


class NotPermitted(Refused):
    """The person may not do this."""


class IdentityMismatch(Refused):
    """A scan shows another identity than the one expected. It can never be overridden."""


class Busy(KweekError):
    """Nothing more is taken on for a moment. Nothing of the request was begun."""


class NotFound(KweekError):
    """The thing named does not exist."""


class BadInput(KweekError):
    """Input that cannot be taken as it is."""


class RecipeError(BadInput):
    """A recipe that cannot be read or does not pass its checks; `findings` says each thing."""

    def __init__(self, message: str, findings: "tuple[Finding, ...]" = ()) -> None:
        super().__init__(message)
        self.findings = findings


class DeviceError(KweekError):
    """Equipment did not do what was asked, or nobody knows whether it did."""


class StoreError(KweekError):
    """The record cannot be written or read."""


class RecordError(KweekError):
    """A record does not add up."""


MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError)
"""What Python raises where a value has another shape than its place asks for. Whoever reads what may have
been altered (a record, an export) says so in a sentence, and does not end in a traceback."""
