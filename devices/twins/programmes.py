"""Programmes of equipment: what can be started, with which parameters, and a run of one.

A programme is a row of stages. A stage lasts a time, or waits for a person's answer to its prompt, and
may have an effect on the equipment. A short action (feed, take a sample) is a programme of one stage,
so that everything a unit does has a run with an id, an outcome and an event file.
"""

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any, Literal, NamedTuple, TypeAlias

from batches.errors import BadInput
from batches.quantities import Quantity, parse
from devices.base import DeviceRefused

Argument: TypeAlias = "float | str | bool"
Status: TypeAlias = Literal["running", "done", "failed"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OutOfRange(DeviceRefused):
    """A value or parameter the equipment does not take; nothing happened."""


class WrongState(DeviceRefused):
    """The equipment cannot do this now; nothing happened."""


class Amount(NamedTuple):
    """A result with its unit of measure, to be shown with so many digits after the point."""

    value: float
    unit: str
    digits: int = 1


Result: TypeAlias = "Amount | str | bool"


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a programme takes. `unit` None: text. `needed`: no default; `default` None: may be left out."""

    unit: str | None
    low: float = 0.0
    high: float = float("inf")
    default: float | str | None = None
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Programme:
    """A programme or action by name, with what it takes."""

    description: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: `lasts` seconds, or until its `prompt` is answered; then `effect` happens.

    `looks`: seconds between lines of values in the event file; 0 for none.
    """

    name: str
    lasts: float = 0.0
    prompt: str = ""
    effect: str = ""
    looks: float = 0.0


@dataclass(slots=True)
class Run:
    """One run of a programme. Times are seconds since the Unix epoch (process time, UTC)."""

    run_id: str
    programme: str
    given: dict[str, str]
    arguments: dict[str, Argument]
    job: str
    task: str
    stages: list[Stage]
    started: float
    stage: int = 0
    stage_started: float = 0.0
    next_look: float = float("inf")
    held_at: float | None = None
    paused: float = 0.0
    answers: dict[str, str] = field(default_factory=dict[str, str])
    stopped: float | None = None
    status: Status = "running"
    text: str = ""
    results: dict[str, Result] = field(default_factory=dict[str, Result])
    events: list[tuple[float, str, str]] = field(default_factory=list[tuple[float, str, str]])

    @property
    def current(self) -> Stage:
        """The present stage; the last one when the run is over."""
        return self.stages[min(self.stage, len(self.stages) - 1)]

    @property
    def prompt(self) -> str:
        """What the run asks a person at present; '' for nothing."""
        return self.current.prompt if self.status == "running" and self.held_at is None else ""

    @property
    def due(self) -> float:
        """When the present stage ends; infinity if it waits for a person, is held or is over."""
        if self.status != "running" or self.held_at is not None or self.current.prompt:
            return float("inf")
        return self.stage_started + self.current.lasts

    @property
    def estimated(self) -> float:
        """Seconds the stages with a known length take together."""
        return sum(stage.lasts for stage in self.stages)

    def note(self, at: float, event: str, detail: str = "") -> None:
        """Add a line to the event file."""
        self.events.append((at, event, detail))

    def plain(self) -> dict[str, Any]:
        """The run as JSON can hold it (infinity as None)."""
        members = asdict(self)
        members["next_look"] = None if self.next_look == float("inf") else self.next_look
        members["results"] = {
            name: list(result) if isinstance(result, Amount) else result
            for name, result in self.results.items()
        }
        return members


def run_from(members: Mapping[str, Any]) -> Run:
    """The run in what `Run.plain` gave."""
    run = Run(**members)
    run.stages = [Stage(**stage) for stage in members["stages"]]
    run.events = [(float(at), str(event), str(detail)) for at, event, detail in members["events"]]
    run.results = {
        name: Amount(*result) if isinstance(result, list) else result
        for name, result in members["results"].items()
    }
    if members["next_look"] is None:
        run.next_look = float("inf")
    return run


def moment(at: float) -> datetime:
    """Seconds since the Unix epoch as a UTC time, to the microsecond."""
    return EPOCH + timedelta(seconds=at)


def event_file(run: Run, unit: str) -> bytes:
    """The event file of a run: CSV with a line for every event, UTF-8."""
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("time", "unit", "run", "event", "detail"))
    for at, event, detail in run.events:
        lines.writerow((moment(at).isoformat(timespec="milliseconds"), unit, run.run_id, event, detail))
    return text.getvalue().encode()


def arguments_for(name: str, programme: Programme, given: Mapping[str, object]) -> dict[str, Argument]:
    """What was given, as numbers in the programme's own units of measure, with defaults filled in.

    Raises OutOfRange for an unknown, missing, unreadable or implausible parameter.
    """
    known = programme.parameters
    if unknown := sorted(given.keys() - known.keys()):
        offered = ", ".join(known) or "none"
        raise OutOfRange(f"'{name}' has no parameter '{unknown[0]}'; its parameters are: {offered}.")
    arguments: dict[str, Argument] = {}
    for key, parameter in known.items():
        if key in given:
            arguments[key] = _argument(name, key, parameter, given[key])
        elif parameter.needed:
            raise OutOfRange(f"'{name}' needs the parameter '{key}'; give it.")
        elif parameter.default is not None:
            arguments[key] = parameter.default
    return arguments


def _argument(name: str, key: str, parameter: Parameter, value: object) -> Argument:
    if parameter.unit is None:
        return str(value)
    try:
        amount = value if isinstance(value, Quantity) else parse(str(value))
        number = float(amount.to(parameter.unit).value)
    except BadInput as error:
        raise OutOfRange(f"'{name}' cannot take {key} = '{value}': {error}") from error
    if not parameter.low <= number <= parameter.high:
        span = f"{parameter.low:g} to {parameter.high:g} {parameter.unit}"
        raise OutOfRange(f"'{name}' cannot take {key} = {amount}; it takes {span}.")
    return number
