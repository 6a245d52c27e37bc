"""The closed set of things a phase may ask for, and the replies it gets.

A phase is a generator: it yields steps and is sent replies. Interpreters give the steps meaning
(the executor against devices and people, the simulation in virtual time, the replay against a
record); each must know every kind (`match` with `assert_never`). A new kind is expensive by design.

A step is compared and recorded as canonical JSON (`plain`), a reply is decoded from its recorded
JSON (`decode`), so that a phase sees the same whether it runs for the first time or is replayed.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, cast

from batches.errors import BadInput, RecordError
from batches.plain import Plain
from batches.quantities import Quantity, from_plain, is_quantity

Value: TypeAlias = "Quantity | str | bool | int | None | Fired | Mapping[str, Value] | tuple[Value, ...]"
"""What a phase is given: parameters and replies. Quantities, never bare fractions."""

Role: TypeAlias = Literal[
    "operator", "supervisor", "qa", "qp", "qc", "engineer", "logistics", "planner", "admin"
]
Meaning: TypeAlias = Literal["performed", "verified", "reviewed", "approved", "released", "rejected"]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing a person enters. `kind`: quantity (then `unit` names the unit of measure expected),
    text, yes_no, choice (then `options`). `low` and `high` bound what is plausible, not what is good:
    a value outside is refused, a value beyond the specification is recorded and judged.
    A `critical` field needs a second person (EU GMP Annex 11 clause 6)."""

    kind: Literal["quantity", "text", "yes_no", "choice"]
    unit: str = ""
    low: Quantity | None = None
    high: Quantity | None = None
    options: tuple[str, ...] = ()
    critical: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Set:
    """Give a set-point to the unit. Intent; idempotent. Reply: None."""

    tag: str
    value: Quantity
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """Read a tag once, of good quality. Reply: Quantity."""

    tag: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Until:
    """Wait until a tag is at least or at most a value; looked at every `every`. Armed. Reply: Quantity."""

    tag: str
    at_least: Quantity | None = None
    at_most: Quantity | None = None
    every: Quantity | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass, from the moment it is asked. Armed with an absolute due time. Reply: None."""

    duration: Quantity


@dataclass(frozen=True, slots=True)
class Do:
    """A device action, or work by hand where the unit is manual. Intent. Reply: results by name."""

    action: str
    parameters: Mapping[str, Value]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """The unit runs its own programme; its event file is evidence. Intent.

    `asks`: prompts of the programme by name with their text, to be answered by a person.
    Reply: results by name, with 'evidence' = SHA-256 of the event file.
    """

    name: str
    parameters: Mapping[str, Value]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Move material between named vessels or positions. Intent. Reply: results by name."""

    source: str
    target: str
    volume: Quantity
    unit: str = ""
    wells: int = 0


@dataclass(frozen=True, slots=True)
class Consume:
    """Use a quantity of a material of the recipe; a person scans the lot. Reply: lot number."""

    material: str
    quantity: Quantity


@dataclass(frozen=True, slots=True)
class Produce:
    """Make a lot of a material of the recipe, descended from what was consumed. Reply: lot number."""

    material: str
    quantity: Quantity
    containers: int = 1


@dataclass(frozen=True, slots=True)
class Label:
    """Print labels, use them, account for all. Reply: printed, used, destroyed, returned (quantities)."""

    material: str
    count: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Take the named sample of the recipe's sampling plan. Reply: sample number."""

    name: str
    volume: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The results of a sample of the plan, entered by the laboratory. Reply: value by attribute."""

    sample: str
    role: Role = "qc"


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a person for values or a confirmation. Reply: value by field name."""

    text: str
    fields: Mapping[str, Field]
    role: Role = "operator"


@dataclass(frozen=True, slots=True)
class Decide:
    """A decision between named options, signed by the role. Reply: the option."""

    question: str
    options: tuple[str, ...]
    given: Mapping[str, Value]
    role: Role = "operator"


@dataclass(frozen=True, slots=True)
class Scan:
    """Scan a label. `expects`: 'identity' (the batch's chain of identity), 'unit', 'lot:<material>'
    or 'text:<label>'. Reply: the text scanned."""

    text: str
    expects: str
    unit: str = ""
    role: Role = "operator"


@dataclass(frozen=True, slots=True)
class Sign:
    """A signature on what this phase has done so far. Reply: signature id."""

    text: str
    meaning: Meaning
    role: Role = "operator"


@dataclass(frozen=True, slots=True)
class First:
    """Whichever of the options comes first (ties: by order). `within` counts from the start of the
    phase, not of the step, so that a loop cannot outlast it. Reply: Fired; index == len(options) when
    `within` ended it."""

    options: "tuple[Until | Wait | Ask | Decide, ...]"
    within: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Fired:
    """Which option of a First came first, and its reply."""

    index: int
    reply: "Value" = None


Step: TypeAlias = (
    Set | Read | Until | Wait | First | Do | Program | Transfer
    | Consume | Produce | Label | Sample | Result | Ask | Decide | Scan | Sign
)  # fmt: skip
PhaseRun: TypeAlias = Generator[Step, Value, "Mapping[str, Value] | None"]
"""A running phase: yields steps, receives replies, returns its results by name."""

DEVICE_STEPS = (Set, Do, Program, Transfer)
"""Steps with an intent that is committed before a device is asked."""
PERSON_STEPS = (Consume, Label, Sample, Result, Ask, Decide, Scan, Sign)
"""Steps a person answers."""


def plain(value: "Value | Step | Field") -> Plain:
    """The JSON form of a step, field, reply or parameter. A step is {"step": kind, field: …}."""
    match value:
        case None | bool() | int() | str():
            return value
        case Quantity():
            return value.plain()
        case Mapping():
            return {name: plain(part) for name, part in value.items()}
        case tuple():
            return [plain(part) for part in value]
        case Fired():
            return {"fired": value.index, "reply": plain(value.reply)}
        case Field():
            return _members(value)
        case _:
            return {"step": type(value).__name__, **_members(value)}


def _members(value: "Step | Field") -> dict[str, Plain]:
    names = (field.name for field in fields(value))
    return {name: plain(cast("Value", object.__getattribute__(value, name))) for name in names}


def decode(value: Plain) -> Value:
    """A reply or parameter from its recorded JSON. Raises RecordError."""
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    try:
        if is_quantity(value):
            return from_plain(value)
    except BadInput as error:
        raise RecordError(f"A recorded quantity cannot be read: {error}") from error
    if isinstance(value, Mapping):
        return _decode_mapping(value)
    return tuple(decode(part) for part in value)


def _decode_mapping(value: Mapping[str, Plain]) -> Value:
    if set(value) == {"fired", "reply"} and isinstance(value["fired"], int):
        return Fired(value["fired"], decode(value["reply"]))
    return {name: decode(part) for name, part in value.items()}
