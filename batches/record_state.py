"""What is known of a batch: the parts its record adds up to."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from batches.errors import RecordError
from batches.plain import Plain, PlainDict, text_in
from batches.procedure import Progress
from batches.quantities import Quantity
from batches.recipe import Recipe
from batches.states import ENDED, State
from batches.steps import Value
from batches.time_limits import RunningLimit


@dataclass(slots=True)
class OpenStep:
    """The step a phase waits for. `status`: asked, failed, in_doubt, retry (a person decided so). `dues` are absolute: one for a
    Wait; for a First one per option (None for others) and its `within` last."""

    number: int
    attempt: int
    step: PlainDict
    status: str
    command: str
    unit: str
    dues: tuple[datetime | None, ...]
    entry: int
    asked_at: datetime
    latched: PlainDict | None = None

    @property
    def kind(self) -> str:
        return text_in(self.step, "step")


@dataclass(slots=True)
class OpenPhase:
    """A phase that has started and not finished, with the replies it was given so far."""

    path: str
    phase: str
    version: int
    parameters: PlainDict
    started_at: datetime
    entry: int
    history: list[tuple[PlainDict, Plain]] = field(default_factory=list[tuple[PlainDict, Plain]])
    open: OpenStep | None = None


@dataclass(slots=True)
class Task:
    """Something a person is asked. `kind`: ask, decide, scan, sign, consume, label, sample, result,
    work (by hand), prompt (of a device), in_doubt, failed, restart, make_safe, dispose, reconcile.
    `content` is the plain form shown: text, role, fields, options, given, expects.
    `answers`: who has answered so far and what (two for a verified or two-person task); none again
    once the second person has rejected what the first answered."""

    id: str
    kind: str
    path: str
    role: str
    content: PlainDict
    opened_at: datetime
    entry: int
    step: int = 0
    option: int | None = None
    people: int = 1
    answers: list[tuple[str, Plain]] = field(default_factory=list[tuple[str, Plain]])


@dataclass(slots=True)
class Deviation:
    """A quality record: something departed from what the recipe or a rule demands."""

    id: str
    severity: str
    text: str
    path: str
    entry: int
    status: str = "open"


@dataclass(slots=True)
class Departure:
    """An authorised change to this batch. `status`: requested, applied, applied_unconfirmed,
    confirmed, rejected."""

    id: str
    change: PlainDict
    reason: str
    requested_by: str
    entry: int
    urgent: bool = False
    """Cells cannot wait: a second person applies it, and quality assurance confirms later."""
    status: str = "requested"
    people: list[str] = field(default_factory=list[str])
    confirm_by: datetime | None = None
    overdue: bool = False
    """It was not confirmed in time, and the record says so."""

    @property
    def wakes(self) -> datetime | None:
        """When somebody must be told that it is not confirmed; None if nobody must."""
        return None if self.overdue else self.confirm_by


@dataclass(frozen=True, slots=True)
class Use:
    """Material used or made: entry, lot, quantity."""

    material: str
    lot: str
    quantity: Quantity
    path: str
    entry: int


@dataclass(slots=True)
class RecordState:
    """What the entries of one batch's stream add up to; `BatchState` folds them."""

    number: str = ""
    recipe: Recipe | None = None
    identity: str = ""
    simulated: bool = False
    priority: int = 0
    """Who gets units first: the higher, then the older."""
    created_at: datetime | None = None
    ended_at: datetime | None = None
    entries: int = 0
    elements: dict[str, State] = field(default_factory=lambda: cast("dict[str, State]", {"": "Idle"}))
    """State of the procedure ('') and of each unit procedure begun."""
    since: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When each element got into its state."""
    progress: Progress = field(default_factory=Progress)
    phases: dict[str, OpenPhase] = field(default_factory=dict[str, OpenPhase])
    tasks: dict[str, Task] = field(default_factory=dict[str, Task])
    closed: dict[str, tuple[str, datetime]] = field(default_factory=dict[str, tuple[str, datetime]])
    units: dict[str, str] = field(default_factory=dict[str, str])
    """Unit bound to each role."""
    used: list[Use] = field(default_factory=list[Use])
    made: list[Use] = field(default_factory=list[Use])
    samples: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    results: dict[str, dict[str, Value]] = field(default_factory=dict[str, dict[str, Value]])
    labels: dict[str, PlainDict] = field(default_factory=dict[str, PlainDict])
    deviations: dict[str, Deviation] = field(default_factory=dict[str, Deviation])
    departures: dict[str, Departure] = field(default_factory=dict[str, Departure])
    corrections: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    excursions: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """Excursions that are open, by unit procedure and tag: the entry that says so."""
    outside_since: dict[tuple[str, str], datetime] = field(default_factory=dict[tuple[str, str], datetime])
    """Since when the tag of an open excursion is outside."""
    by_hand: dict[int, PlainDict] = field(default_factory=dict[int, PlainDict])
    """Work done by hand during an outage and not yet matched to a step, by entry."""
    caught_up_from: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When each unit procedure ran again after it was last reconciled: what was done by hand counts then."""
    set_points: dict[str, dict[str, Value]] = field(default_factory=dict[str, dict[str, Value]])
    """Last set-point per unit and tag."""
    time_limits: list[RunningLimit] = field(default_factory=list[RunningLimit])
    """Time limits that count, in the order in which they began."""
    expiry: datetime | None = None
    tasks_opened: int = 0
    samples_taken: int = 0
    signatures: list[int] = field(default_factory=list[int])
    goes_on: set[str] = field(default_factory=set[str])
    """Unit procedures that a person's decision lets go on once they are held."""
    held_by_people: set[str] = field(default_factory=set[str])
    """Elements that a person holds: only a person's command restarts them."""
    overrun: set[str] = field(default_factory=set[str])
    """Unit procedures whose hold has lasted longer than allowed, as is recorded."""
    in_care: bool = False
    """Stopped or aborted with material that two people have not yet disposed of."""

    @property
    def state(self) -> State:
        return self.elements[""]

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to the batch by itself: it has ended, no material of it is in care,
        and no departure waits to be confirmed in time."""
        return self.ended and not self.units and all(d.wakes is None for d in self.departures.values())

    def known_recipe(self) -> Recipe:
        if self.recipe is None:
            raise RecordError(f"The stream of batch {self.number or '?'} does not begin with batch_created.")
        return self.recipe

    def phase(self, path: str) -> OpenPhase:
        if path not in self.phases:
            raise RecordError(f"No phase is open at '{path}'.")
        return self.phases[path]

    def step(self, path: str) -> OpenStep:
        found = self.phase(path).open
        if found is None:
            raise RecordError(f"The phase '{path}' waits for no step.")
        return found
