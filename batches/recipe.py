"""The master recipe as data (ISA-88: header, formula, equipment requirements, procedure).

A recipe is YAML. Its canonical form is the canonical JSON of the YAML content (comments and layout
do not count), its digest SHA-256 over that; approval and batches name the digest. Reading YAML into
this model is `batches/recipe_reader.py`; the static checks are `batches/check.py`.

Procedure grammar (each list item is one of):
  - {unit_procedure: NAME, unit: ROLE, also: [ROLE…], limits: {TAG: LIMIT…}, operations: […]}
  - {operation: NAME, phases: […]}
  - {PHASE@VERSION: {PARAMETER: VALUE…}, as: NAME, hold: HOLD, then_within: WITHIN}
  - {parallel: NAME, branches: [[…], […]]}
  - {choice: NAME, when: [{if: EXPRESSION, then: […]}, {otherwise: […]}]}
  - {repeat: NAME, at_most: 3, until: EXPRESSION, body: […]}
  - {calculate: NAME, value: EXPRESSION, unit: mL}
parallel, choice, repeat and calculate may stand at every level; unit procedures only at the top
(or inside parallel, choice, repeat there), operations inside unit procedures, phases inside operations.
A parameter VALUE is a literal (37 degC, text, whole number, true) or an expression: any text with `$`.
$name is a formula value or a calculated value; $name.result a result of the phase `as: name`.
Units: {ROLE: CLASS}, or {ROLE: {class: CLASS, capacity: 100 mL}} where the vessel's volume is checked.
WITHIN: {at_most: 90 min}, or a list of {at_least: 1 h, at_most: 2 h, to: NAME, from: start}.
docs/reference/recipe-language.md describes every key.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from batches.plain import PlainDict
from batches.quantities import Quantity

Scalar: TypeAlias = "Quantity | str | int | bool"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the recipe file (1-based line; 0 when not read from a file)."""

    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Parameter:
    """A formula value with its proven range (ICH Q8), criticality and source."""

    name: str
    value: Scalar
    low: Quantity | None = None
    high: Quantity | None = None
    critical: bool = False
    source: str = ""
    assumed: bool = False
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Material:
    """A material the recipe needs or makes. `kind`: starting, raw, consumable (all received as lots),
    intermediate or product (made by the batch). `identity`: patient or donor when the lot must carry
    the batch's chain of identity. `conditional`: a lot in quarantine may be accepted under signature.
    `unit`: unit of measure of its quantities; '' any."""

    name: str
    kind: Literal["starting", "raw", "consumable", "intermediate", "product"]
    unit: str
    identity: Literal["", "patient", "donor"] = ""
    status: str = "released"
    conditional: bool = False
    use_within: Quantity | None = None
    """How long a lot may be used after opening or thawing."""
    source: str = ""
    assumed: bool = False
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Test:
    """One attribute measured on a sample. `low`, `high`: what is plausible to enter."""

    attribute: str
    kind: Literal["quantity", "text", "yes_no", "choice"]
    unit: str = ""
    low: Quantity | None = None
    high: Quantity | None = None
    options: tuple[str, ...] = ()
    method: str = ""
    critical: bool = False
    source: str = ""
    assumed: bool = False
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """A planned sample: what is measured, how long the laboratory takes."""

    name: str
    tests: Mapping[str, Test]
    turnaround: Quantity
    volume: Quantity | None = None
    source: str = ""
    assumed: bool = False
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A specification attribute: limits on the result of a sample, and whether release waits for it
    (`blocking`), may take an interim result, or may come after release."""

    name: str
    sample: str
    attribute: str
    at_least: Quantity | None = None
    at_most: Quantity | None = None
    equals: str = ""
    method: str = ""
    blocking: bool = True
    source: str = ""
    assumed: bool = False
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Limit:
    """An alarm limit on a tag, judged by the executor while the unit procedure runs: outside
    [low, high] for longer than `delay` is an excursion, and a deviation if `critical`."""

    tag: str
    low: Quantity | None
    high: Quantity | None
    delay: Quantity | None = None
    critical: bool = False
    source: str = ""
    assumed: bool = False
    place: Place = field(default=Place(), compare=False)
    dead_band: Quantity | None = None
    """How far inside its limit the value must come before the excursion is over."""
    off_delay: Quantity | None = None
    """How long it must be inside before the excursion is over."""
    priority: Literal["", "critical", "high", "medium", "low"] = ""
    """Of the alarm (ISA-18.2); '': critical for a critical limit, else medium."""
    latching: bool = False
    """The alarm stays until a person resets it."""
    holds: bool = False
    """The excursion holds its unit procedure."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What a hold does to this phase: the safe state and the longest it may last; or that it cannot
    be held (`safe` empty), with what happens instead (`otherwise`: finish or discard)."""

    safe: str = ""
    longest: Quantity | None = None
    otherwise: Literal["", "finish", "discard"] = ""


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """The time from a phase's end (or its start: `of`) to the start of another: the phase whose `as` or
    name is `to`, or the next one ('')."""

    at_most: Quantity | None = None
    at_least: Quantity | None = None
    to: str = ""
    of: Literal["start", "end"] = "end"
    source: str = ""
    assumed: bool = False
    place: Place = field(default=Place(), compare=False)

    def __str__(self) -> str:
        both = (
            f"at least {self.at_least}" if self.at_least else "",
            f"at most {self.at_most}" if self.at_most else "",
        )
        return " and ".join(part for part in both if part)


@dataclass(frozen=True, slots=True)
class PhaseCall:
    """One phase of the procedure. `name` is unique among its siblings and part of its path;
    `alias` (`as:`) is what expressions call its results."""

    name: str
    phase: str
    version: int
    parameters: Mapping[str, Scalar]
    """Literals and expressions (text with `$`)."""
    alias: str = ""
    hold: Hold = Hold()
    then_within: tuple[TimeLimit, ...] = ()
    place: Place = field(default=Place(), compare=False)
    lines: Mapping[str, int] = field(default_factory=dict[str, int], compare=False)
    """Line of each parameter in the recipe file."""


@dataclass(frozen=True, slots=True)
class Calculate:
    """A value computed by an expression, in a stated unit of measure."""

    name: str
    expression: str
    unit: str
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Operation:
    """A sequence of phases (ISA-88 operation)."""

    name: str
    body: "tuple[Node, ...]"
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class UnitProcedure:
    """Bound to one unit by role, with others it may also address."""

    name: str
    unit: str
    body: "tuple[Node, ...]"
    also: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Parallel:
    """Branches that go on side by side; all must end."""

    name: str
    branches: "tuple[tuple[Node, ...], ...]"
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """The first option whose condition holds; an empty condition always holds (`otherwise`)."""

    name: str
    options: "tuple[tuple[str, tuple[Node, ...]], ...]"
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """The body at least once, until the condition holds, `at_most` times."""

    name: str
    body: "tuple[Node, ...]"
    until: str
    at_most: int
    place: Place = field(default=Place(), compare=False)


Node: TypeAlias = "PhaseCall | Calculate | Operation | UnitProcedure | Parallel | Choice | Repeat"


@dataclass(frozen=True, slots=True)
class Product:
    """`kind`: autologous (patient batch), allogeneic, intermediate. `expires_after` names the event
    (a phase alias or name, such as fill) from which `expires_within` counts."""

    name: str
    kind: Literal["autologous", "allogeneic", "intermediate"]
    store_low: Quantity | None = None
    store_high: Quantity | None = None
    expires_after: str = ""
    expires_within: Quantity | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A master recipe. `content` is the plain form that was hashed; `digest` its SHA-256."""

    name: str
    version: int
    language: int
    title: str
    product: Product
    formula: Mapping[str, Parameter]
    materials: Mapping[str, Material]
    units: Mapping[str, str]
    """Equipment requirement by role: role -> unit class."""
    samples: Mapping[str, SamplePlan]
    specification: Mapping[str, Criterion]
    procedure: tuple[Node, ...]
    content: PlainDict
    digest: str
    file: str = field(default="", compare=False)
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    capacities: Mapping[str, Quantity] = field(default_factory=dict[str, Quantity])
    """The most the vessel of a unit may hold, by role; vessels named here are checked for volume."""
    lines: Mapping[str, int] = field(default_factory=dict[str, int], compare=False)
    """Line of 'recipe', 'language', 'product' and of each 'units/ROLE' in the recipe file."""


def nodes(body: tuple[Node, ...]) -> Iterator[Node]:
    """Every node below, parents before children, in the order of the recipe."""
    for node in body:
        yield node
        yield from nodes(children(node))


def children(node: Node) -> tuple[Node, ...]:
    """The direct children of a node, over all branches."""
    match node:
        case Operation() | UnitProcedure() | Repeat():
            return node.body
        case Parallel():
            return tuple(child for branch in node.branches for child in branch)
        case Choice():
            return tuple(child for _, body in node.options for child in body)
        case PhaseCall() | Calculate():
            return ()
