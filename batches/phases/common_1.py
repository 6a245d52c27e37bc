"""What the phases of version 1 share: typed access to replies, and requests that several of them make.

As immutable as the phases themselves. In every question the first option, and 'yes', is the answer
of a process that goes as it should.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TypeAlias, TypeVar, cast

from batches.errors import BadInput, RecordError
from batches.phases.base import Declared
from batches.quantities import ARITHMETIC, Quantity
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    Field,
    Fired,
    First,
    Program,
    Result,
    Role,
    Sample,
    Scan,
    Set,
    Step,
    Value,
    Wait,
)

Found = TypeVar("Found")
Part: TypeAlias = Generator[Step, Value, Found]
"""A piece of a phase: asks, and hands its finding to the phase (`yield from`)."""

STOP = "stop the batch"
PEOPLE = ("operator", "supervisor", "qa", "qp", "qc")
UNIT = Declared("role", default="", about="role of the unit, where it is not that of the unit procedure")
ENVIRONMENT: Mapping[str, Declared] = {
    "temperature": Declared("quantity", "degC", optional=True, about="set-point"),
    "agitation": Declared("quantity", "rpm", optional=True, about="set-point"),
    "ph": Declared("quantity", "pH", optional=True, about="set-point"),
    "dissolved_oxygen": Declared("quantity", "%", optional=True, about="set-point, % of air saturation"),
    "co2": Declared("quantity", "%", optional=True, about="set-point"),
    "o2": Declared("quantity", "%", optional=True, about="set-point"),
}
"""Set-points a phase may be given; only those given are set. Each tag is named as its parameter."""
IN_CARE = ("keep_environment", "stop_feeds")
"""Safe states of a phase whose unit holds living cells."""
AT_REST = ("stand_still", "keep_environment")
"""Safe states of a phase that works beside the cells: the hands rest, what stands at its set-points stays there."""
ANYWHERE = ("keep_environment", "stop_feeds", "stand_still")
"""Safe states of a phase that may stand beside cells or far from them."""
ENVIRONMENT_TAGS = tuple(ENVIRONMENT)
ONLY_GIVEN: Mapping[str, str] = {tag: tag for tag in ENVIRONMENT}


def mapping_of(reply: Value) -> Mapping[str, Value]:
    """A reply that has values by name. Raises RecordError."""
    if not isinstance(reply, Mapping):
        raise RecordError(f"A reply with values by name was expected, and {reply!r} came.")
    return reply


def quantity_in(reply: Value, name: str) -> Quantity:
    """The quantity under `name` of a reply. Raises RecordError."""
    found = mapping_of(reply).get(name)
    if not isinstance(found, Quantity):
        raise RecordError(f"A reply with the quantity '{name}' was expected, and {found!r} came.")
    return found


def text_of(reply: Value) -> str:
    """A reply that is a text, such as a lot number or an option. Raises RecordError."""
    if not isinstance(reply, str):
        raise RecordError(f"A text was expected as a reply, and {reply!r} came.")
    return reply


def yes_in(reply: Value, name: str) -> bool:
    """The answer to a yes-or-no field. Raises RecordError."""
    found = mapping_of(reply).get(name)
    if not isinstance(found, bool):
        raise RecordError(f"A reply with yes or no for '{name}' was expected, and {found!r} came.")
    return found


def fired_of(reply: Value) -> Fired:
    """The reply to a First. Raises RecordError."""
    if not isinstance(reply, Fired):
        raise RecordError(f"The reply to a First was expected, and {reply!r} came.")
    return reply


def rounds(whole: Quantity, part: Quantity) -> int:
    """How many parts begin within the whole: the bound of a loop. Raises BadInput for a part that is not positive."""
    if part.value <= 0:
        raise BadInput(f"{part} cannot be repeated within {whole}; give a time or amount above zero.")
    share = (whole / part).to("")
    return int(share.value.to_integral_value(ROUND_CEILING))


def times(amount: Quantity, count: int) -> Quantity:
    """The amount `count` times, in its own unit of measure."""
    return Quantity(ARITHMETIC.multiply(amount.value, Decimal(count)), amount.unit)


def set_points(environment: Mapping[str, Quantity], unit: str) -> Iterator[Set]:
    """A Set for each set-point given, always in the order of ENVIRONMENT."""
    for tag in ENVIRONMENT_TAGS:
        if tag in environment:
            yield Set(tag, environment[tag], unit)


def scan_identity(where: str) -> Part[None]:
    """Chain of identity, scanned and never typed (hand-over gates 5 to 8 and 10)."""
    yield Scan(f"Scan the chain-of-identity label {where}.", "identity")


def scan_unit(unit: str) -> Part[None]:
    """The second identifier: the label on the unit the material goes to or comes from."""
    yield Scan("Scan the label of the unit you are working at.", "unit", unit)


def consume_listed(given: Mapping[str, Value], names: tuple[str, ...]) -> Part[None]:
    """Consume each material that is given, with its '<name>_quantity'; their lots are scanned."""
    for name in names:
        material, amount = given.get(name), given.get(f"{name}_quantity")
        if isinstance(material, str) and material:
            if not isinstance(amount, Quantity):
                raise BadInput(f"'{name}' names {material}; give '{name}_quantity' too.")
            yield Consume(material, amount)


def listed(names: tuple[str, ...], about: str) -> dict[str, Declared]:
    """The declarations that go with `consume_listed`."""
    found: dict[str, Declared] = {}
    for name in names:
        found[name] = Declared("material", optional=True, about=about)
        found[f"{name}_quantity"] = Declared("quantity", f"${name}", optional=True)
    return found


@dataclass(frozen=True, slots=True)
class Care:
    """What is done at each look at a culture: measured, and its medium exchanged, twice where glucose is low."""

    sample: str = ""
    medium: str = ""
    fraction: Quantity | None = None
    exchange_volume: Quantity | None = None
    program: str = ""
    low_glucose: Quantity | None = None

    def exchanges(self, results: Mapping[str, Value]) -> int:
        """How many exchanges the look asks for."""
        if not self.medium or self.fraction is None or self.exchange_volume is None:
            return 0
        glucose = results.get("glucose")
        hungry = self.low_glucose is not None and isinstance(glucose, Quantity) and glucose < self.low_glucose
        return 2 if hungry else 1


def tend(care: Care, duration: Quantity, every: Quantity, unit: str) -> Part[tuple[int, int]]:
    """Keep a culture for `duration` from the start of the phase; the looks and exchanges there were."""
    looks = exchanged = 0
    while looks <= rounds(duration, every):
        if fired_of((yield First((Wait(every),), within=duration))).index == 1:
            break
        looks += 1
        results: Mapping[str, Value] = {}
        if care.sample:
            yield Sample(care.sample)
            results = mapping_of((yield Result(care.sample)))
        exchanges = care.exchanges(results)
        exchanged += exchanges
        for _ in range(exchanges):
            yield from _exchange(care, unit)
    return looks, exchanged


def _exchange(care: Care, unit: str) -> Part[None]:
    given: Mapping[str, Value] = {} if care.fraction is None else {"fraction": care.fraction}
    if care.exchange_volume is not None:
        yield Consume(care.medium, care.exchange_volume)
    yield Program(care.program, given, unit) if care.program else Do("exchange_medium", given, unit)


def told(reply: Value, name: str, question: str, most: Quantity) -> Part[Quantity]:
    """The quantity the device told; a person enters it, and a second verifies, where it told none.
    `most`: more than that is not plausible."""
    found = mapping_of(reply).get(name)
    if isinstance(found, Quantity):
        return found
    field = Field("quantity", most.unit, times(most, 0), most, critical=True, label=name)
    return quantity_in((yield Ask(question, {name: field})), name)


def choices(options: str) -> tuple[str, ...]:
    """The options in a text such as 'harvest | continue'. Raises BadInput unless there are two or more."""
    found = tuple(option.strip() for option in options.split("|"))
    if len(found) < 2 or not all(found) or len(set(found)) < len(found):
        raise BadInput(f"'{options}' does not name two different options; write 'harvest | continue'.")
    return found


def decide(question: str, options: tuple[str, ...], given: Mapping[str, Value], role: str) -> Part[str]:
    """A signed decision. One who decides to stop is asked to give the command, because no phase ends
    a batch; if the decision is withdrawn, the other options remain."""
    who = cast("Role", role)
    option = text_of((yield Decide(question, options, given, who)))
    if option != STOP:
        return option
    withdrawn = Field("yes_no", label="the decision to stop is withdrawn")
    text = "You decided to stop the batch: give it the command stop or abort. Answer here only if you withdraw that."
    yield Ask(text, {"withdrawn": withdrawn}, who)
    others = tuple(other for other in options if other != STOP)
    return text_of((yield Decide(question, others, given, who)))


def lasts(name: str) -> Callable[[Mapping[str, Value]], tuple[float | None, float | None]]:
    """The duration of a phase that lasts at least as long as its parameter `name` says."""

    def duration(parameters: Mapping[str, Value]) -> tuple[float | None, float | None]:
        given = parameters.get(name)
        return (float(given.to("s").value), None) if isinstance(given, Quantity) else (0.0, None)

    return duration


def takes_people(_: Mapping[str, Value]) -> tuple[float | None, float | None]:
    """The duration of a phase that waits for people or devices only: no least, no most."""
    return (0.0, None)
