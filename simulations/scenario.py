"""The scenario as data: sites with their people and units, products, demand, lanes, costs.

Every figure of a scenario stands in its file with a source, or is marked as assumed with its range;
`Scenario.figures` keeps that for the report, and the parts below hold plain numbers: times in seconds,
shares from 0 to 1, distributions over them. Reading YAML into this model is
`simulations/scenario_reader.py`, what a well-formed scenario means `simulations/scenario_check.py`;
docs/reference/scenario-file.md describes every key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from batches.errors import BadInput
from batches.findings import Finding
from batches.plain import PlainDict
from batches.recipe import Place
from simulations.distributions import Distribution

ShiftEnd: TypeAlias = Literal["finish", "interrupt", "hand_over", "fits"]
"""What happens to work that the end of a shift (or a break) meets. finish: the people stay until it is
done. interrupt: it stops and goes on with any people, from where it stood, when there are some again.
hand_over: other people on shift take it over at once; if there are none it is interrupted. fits: it does
not begin unless it can be finished before."""

SHIFT_ENDS: tuple[ShiftEnd, ...] = ("finish", "interrupt", "hand_over", "fits")


class ScenarioError(BadInput):
    """A scenario that cannot be read or does not pass its checks; `findings` says each thing."""

    def __init__(self, message: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message)
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the file as it was written, and where it comes from. `path` names it, such as
    'sites/hospital/units/processor/count'; `low` and `high` are the range of an assumed one."""

    path: str
    written: str
    source: str
    assumed: bool
    low: str = ""
    high: str = ""
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Amount:
    """A distribution of a quantity and the text of its unit of measure, as written."""

    distribution: Distribution
    unit: str


@dataclass(frozen=True, slots=True)
class Horizon:
    """What is simulated: the first day (ISO date), its time zone, warm-up and length in seconds after it."""

    start: str
    zone: str
    warm_up: float
    length: float


@dataclass(frozen=True, slots=True)
class Shift:
    """Working time on weekdays (0 Monday), in minutes after midnight, local time. An `end` at or before
    `start` is on the next day. Breaks likewise."""

    days: tuple[int, ...]
    start: int
    end: int
    breaks: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """A weekly pattern without its holidays. `holidays`: ISO dates on which no shift begins."""

    name: str
    shifts: tuple[Shift, ...]
    holidays: tuple[str, ...] = ()
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Need:
    """People that work needs: how many, of which role, with which skill ('' none in particular)."""

    role: str
    people: int = 1
    skill: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work: how long it takes, who does it, and what the end of the shift does to it."""

    takes: Distribution
    need: Need
    at_shift_end: ShiftEnd = "interrupt"


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Cleaning of a unit after each batch; it `expires` (seconds, None never): a unit that waited longer
    is cleaned again before its next batch."""

    work: Work
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Changeover:
    """Line clearance between two batches of one product, and the change to another product. A campaign
    lets at most that many batches of one product follow each other (0: as they come) before the work of
    a product change is done."""

    batch: Work | None = None
    product: Work | None = None
    campaign: int = 0


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Failure and repair, bound to the unit. `basis`: whether time counts while the unit is in use only.
    `lost`: the share of batches in the unit that are lost; the others wait for the repair."""

    after: Distribution
    repair: Distribution
    basis: Literal["in_use", "calendar"] = "in_use"
    lost: float = 0.0
    need: Need | None = None


@dataclass(frozen=True, slots=True)
class Contamination:
    """A contamination by batch: the batch is lost and the unit is out of service."""

    probability: float
    out_of_service: Distribution


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What takes units out of service at intervals: calibration, maintenance, media fill,
    requalification. It waits until the unit is free. `units`: names of unit groups of the site."""

    name: str
    units: tuple[str, ...]
    every: float
    first: float
    work: Work
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class UnitGroup:
    """Equal units of a site. `positions` 0: each is exclusive. `suite`: the room it stands in."""

    name: str
    unit_class: str
    count: int
    positions: int = 0
    suite: str = ""
    cleaning: Cleaning | None = None
    changeover: Changeover = Changeover()
    breakdown: Breakdown | None = None
    contamination: Contamination | None = None
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class PeopleGroup:
    """People of one role with the same skills and shifts. `gowning`: at the start of each shift and after
    each break. `absence`: the share of shifts that a person misses."""

    name: str
    role: str
    count: int
    calendar: str
    skills: tuple[str, ...] = ()
    gowning: Distribution | None = None
    absence: float = 0.0
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Method:
    """A test of the laboratory. It begins when `batch_of` samples wait or one has waited `wait_at_most`,
    takes an instrument of the group `instrument` ('' none is limiting) for `occupies` and people for
    `work`, and its result comes after `turnaround` (from its beginning). An `invalid` test is repeated."""

    name: str
    turnaround: Distribution
    instrument: str = ""
    occupies: Distribution | None = None
    work: Work | None = None
    batch_of: int = 1
    wait_at_most: float | None = None
    invalid: float = 0.0
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Laboratory:
    """The QC laboratory of a site, or another site's (`at`) that tests for this one."""

    methods: Mapping[str, Method]
    instruments: Mapping[str, int]
    at: str = ""


@dataclass(frozen=True, slots=True)
class StockItem:
    """A material kept at a site, in `unit`: when no more than `reorder_at` is there or on its way,
    `order` is ordered and comes after `lead_time`; or a batch of `made_by` is ordered, which brings
    `order` of it. `keeps`: shelf life in seconds (None: without end)."""

    material: str
    unit: str
    start: float
    reorder_at: float
    order: float
    lead_time: Distribution | None
    made_by: str = ""
    keeps: float | None = None
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Store:
    """Positions for finished containers (freezers). A batch takes `positions` of them by product."""

    name: str
    positions: int
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Suite:
    """A room: its clean-room grade and area in square metres."""

    name: str
    grade: str = ""
    area: float = 0.0


@dataclass(frozen=True, slots=True)
class Site:
    """A plant with its people. `upkeep` holds its maintenance, calibration and media fills."""

    name: str
    city: str
    units: Mapping[str, UnitGroup]
    people: Mapping[str, PeopleGroup]
    laboratory: Laboratory | None
    stock: Mapping[str, StockItem]
    stores: Mapping[str, Store]
    suites: Mapping[str, Suite]
    upkeep: Mapping[str, Maintenance]
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class WorkRule:
    """How long steps take and who does them; the first rule that fits a step holds. `step`: its kind
    ('' any), `role` whom it asks, `phase` the phase class without version, `path` a glob over the path,
    `name` the action, programme, sample, material or option's question (a glob)."""

    work: Work
    step: str = ""
    role: str = ""
    phase: str = ""
    path: str = ""
    name: str = ""
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class OutcomeClass:
    """One way a reply may turn out."""

    name: str
    probability: float
    value: "Amount | str | bool"


@dataclass(frozen=True, slots=True)
class OutcomeRule:
    """What steps reply; the first rule that fits holds. result: attribute `name` of `sample`; field: the
    field `name` of an Ask; decision: a Decide whose question fits the glob `name`; read: the tag `name`;
    told: the value `name` of a Do, Program or Transfer; until: the time (seconds) an Until on the tag
    `name` takes. `levels`: into how many equal slices each distribution is cut."""

    of: Literal["result", "field", "decision", "read", "told", "until"]
    name: str
    classes: tuple[OutcomeClass, ...]
    sample: str = ""
    phase: str = ""
    path: str = ""
    levels: int = 1
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class FailureRule:
    """A batch fails by a cause: at the end of the phases that fit (`phase`, `path`), with a probability
    by batch. `then`: lost, or finished out of specification."""

    cause: str
    probability: float
    phase: str = ""
    path: str = ""
    then: Literal["lost", "out_of_specification"] = "lost"
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class LimitRule:
    """What a broken time limit of the recipe means (`to`: the phase it leads to, '*' any): the share of
    batches that are lost; the others go on under a deviation."""

    to: str
    lost: float
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Remake:
    """After a lost autologous batch: new material is collected and a new batch begins, with a
    probability, after a delay, at most `attempts` times. `treated`: the share of batches out of
    specification that are given all the same."""

    probability: float
    delay: Distribution
    attempts: int = 1
    treated: float = 0.0


@dataclass(frozen=True, slots=True)
class Release:
    """Review and certification after the last blocking result. `conditional`: released before the
    results that do not block are there; a late failure is then counted."""

    review: Work | None = None
    certify: Work | None = None
    conditional: bool = True


@dataclass(frozen=True, slots=True)
class Supply:
    """A material of the recipe that another product of this scenario is: batches of `product` give it,
    `count` of which one batch uses up."""

    material: str
    product: str
    count: float = 1.0


@dataclass(frozen=True, slots=True)
class ProductPlan:
    """How a product is made: recipe, sites, rules of work, outcomes, failures, release, storage."""

    name: str
    recipe: str
    made_at: tuple[str, ...]
    allocation: Literal["nearest", "least_loaded", "dedicated"]
    work: tuple[WorkRule, ...]
    outcomes: tuple[OutcomeRule, ...]
    failures: tuple[FailureRule, ...]
    limits: tuple[LimitRule, ...]
    tests: Mapping[str, tuple[str, ...]]
    """Methods of the laboratory by sample of the recipe; a sample that is not named takes its turnaround
    from the recipe."""
    release: Release
    remake: Remake | None
    supplies: tuple[Supply, ...]
    priority: int = 0
    dedicated: Mapping[str, str] = field(default_factory=dict[str, str])
    """Site by clinic, where the allocation is dedicated."""
    store: str = ""
    positions: int = 0
    stored_for: Distribution | None = None
    batch_time: Distribution | None = None
    """The least time that a batch holds the unit it holds longest, for the bound on capacity, where the
    durations in the recipe add up to less."""
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class PatientClass:
    """A share of the orders. `patience`: time until the patient drops out or dies while waiting for the
    start (None: waits for ever); `dies`: the share of those who died. Higher `priority` goes first."""

    name: str
    share: float
    priority: int = 0
    patience: Distribution | None = None
    dies: float = 0.0


@dataclass(frozen=True, slots=True)
class Slots:
    """Starts offered to hospitals: `count` on each of the weekdays; an order takes the first free one at
    least `notice` seconds ahead."""

    days: tuple[int, ...]
    count: int
    notice: float = 0.0


@dataclass(frozen=True, slots=True)
class Demand:
    """Orders for a product. `interval`: time between orders (exponential: a Poisson stream). `season`:
    twelve factors on the rate by month, () none. `dates`: ISO dates of orders, instead of an interval.
    `cancelled`: the share taken back before the start. `collection`: from the slot to material ready to
    leave the clinic. `infusion`: from arrival at the clinic to the patient."""

    product: str
    interval: Distribution | None
    dates: tuple[str, ...]
    season: tuple[float, ...]
    classes: tuple[PatientClass, ...]
    clinics: Mapping[str, float]
    slots: Slots | None
    cancelled: float
    collection: Distribution | None
    infusion: Distribution | None
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Lane:
    """Transport from a site or clinic to another. `loss`: the share of shipments lost. `couriers` 0: as
    many as needed. `calendar` '': leaves at any time, else only while the calendar is open."""

    source: str
    target: str
    time: Distribution
    loss: float = 0.0
    couriers: int = 0
    calendar: str = ""
    both_ways: bool = True
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Cost:
    """Money by what it is spent on. `of`: 'units/NAME', 'people/NAME', 'material/NAME', 'method/NAME',
    'product/NAME', 'lane/NAME' or 'suites/NAME'; `per`: year, hour (of presence or use), batch, use."""

    of: str
    per: Literal["year", "hour", "batch", "use"]
    value: float
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole scenario. `content` is the plain form that was hashed; `digest` its SHA-256."""

    name: str
    title: str
    horizon: Horizon
    calendars: Mapping[str, Calendar]
    sites: Mapping[str, Site]
    clinics: tuple[str, ...]
    products: Mapping[str, ProductPlan]
    demand: Mapping[str, Demand]
    lanes: tuple[Lane, ...]
    costs: tuple[Cost, ...]
    currency: str
    figures: tuple[Figure, ...]
    content: PlainDict
    digest: str
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    file: str = field(default="", compare=False)
