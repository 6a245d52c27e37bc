"""People and a plant in memory, for walking recipes: twins act, hands are steady, the laboratory measures.

Times of people and of work by hand are assumed: two minutes for an answer, ten for work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from batches.errors import NotFound
from batches.quantities import Quantity, parse
from batches.recipe import PhaseCall, Recipe, Test
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    Field,
    Fired,
    First,
    Label,
    Program,
    Read,
    Result,
    Sample,
    Scan,
    Set,
    Sign,
    Step,
    Transfer,
    Until,
    Value,
    Wait,
)
from devices.pipetting import Layout, plan
from devices.twins.catalogue import MODELS, make
from devices.twins.laboratory import measured
from devices.twins.programmes import Amount
from devices.twins.twin import Twin
from devices.volumes import Ledger, Vessel
from tests.batches.answering import Answers

DAY_ZERO = 1_795_000_000.0
PERSON, BY_HAND, SECOND = 2 / 60, 10 / 60, 1 / 3600
TROUGHS = ("suspension", "medium", "stage_1_medium", "stage_2_medium", "wash", "hydrogel", "pool", "waste")
PLATES = ("plate_1", "plate_2", "plate_3", "plate_4")


def columns(plate: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(f"{plate}/{row}{number}" for row in "ABCDEFGH") for number in range(1, 13))


@dataclass
class Deck:
    """The deck of the demonstration's liquid handler: its layout and what its vessels hold."""

    layout: Layout = field(
        default_factory=lambda: Layout(
            frozenset(TROUGHS), {name: columns(name) for name in PLATES}, 8, Decimal(1000)
        )
    )
    ledger: Ledger = field(default_factory=lambda: Ledger(*_empty()))

    def do(self, action: str, given: Mapping[str, Value]) -> tuple[dict[str, Value], float]:
        if action == "load":
            name, volume = str(given["vessel"]), given["volume"]
            assert isinstance(volume, Quantity)
            for vessel in [well for column in self.layout.plates.get(name, ()) for well in column] or [name]:
                self.ledger = self.ledger.declared(vessel, volume.to("uL").value)
            return {}, BY_HAND
        made = plan(action, dict(given), self.layout, self.ledger)
        self.ledger = self.ledger.moved(made.moves)
        return dict(made.results), made.duration.total_seconds() / 3600


def _empty() -> tuple[dict[str, Vessel], dict[str, Decimal]]:
    vessels = {name: Vessel(Decimal(200_000), Decimal(2000)) for name in TROUGHS}
    wells = [well for plate in PLATES for column in columns(plate) for well in column]
    vessels |= dict.fromkeys(wells, Vessel(Decimal(300), Decimal(20)))
    return vessels, dict.fromkeys(vessels, Decimal(0))


class Plant(Answers):
    """Answers every step as a plant would in which nothing goes wrong. `now`: hours since the start."""

    def __init__(self, recipe: Recipe, seed: int = 1) -> None:
        self.recipe, self.now, self._began = recipe, 0.0, 0.0
        self.seed, self.unit, self.deck = seed, "", Deck()
        self.twins = {
            role: make(found, role, DAY_ZERO, seed)
            for role, found in recipe.units.items()
            if _has_twin(found)
        }
        self.tasks = 0
        self.taken: dict[str, float] = {}
        self._commands = 0

    def begin(self, path: str, unit: str, call: PhaseCall) -> None:
        self.unit, self._began = unit, self.now

    @property
    def at(self) -> float:
        return DAY_ZERO + self.now * 3600

    def answer(self, step: Step) -> Value:
        if isinstance(step, Consume | Label | Sample | Result | Ask | Decide | Scan | Sign):
            self.tasks += 1
            self.now += PERSON
        return super().answer(step)

    # --- people -------------------------------------------------------------------------------------

    def sampled(self, step: Sample) -> str:
        self.taken[step.name] = self.now
        return super().sampled(step)

    def results(self, step: Result) -> Value:
        sample = self.recipe.samples[step.sample]
        self.now = max(self.now, self.taken.get(step.sample, self.now) + _hours(sample.turnaround))
        return {name: self.measured(test) for name, test in sample.tests.items()}

    def between(self, low: Quantity | None, high: Quantity | None, unit: str) -> Quantity:
        """The middle, from nothing on where the range has no lower end."""
        if high is None:
            return parse(f"1 {unit}")
        if not unit:
            return high
        return Quantity(((low or parse(f"0 {unit}")).to(unit).value + high.to(unit).value) / 2, unit)

    def measured(self, test: Test) -> Value:
        twin = self.twins.get(self.unit)
        truth = {} if twin is None else twin.truth()
        try:
            found = measured(truth, test.attribute, test.unit, self.unit, self.seed, self.at)
        except NotFound:
            return self.entered(Field(test.kind, test.unit, test.low, test.high, test.options))
        if not isinstance(found, Amount):
            return found
        return parse(f"{found.value:.{found.digits}f} {found.unit}").to(test.unit)

    # --- equipment ----------------------------------------------------------------------------------

    def set_to(self, step: Set) -> None:
        twin = self.twins.get(step.unit or self.unit)
        if twin is None:
            raise AssertionError(f"{step.unit or self.unit} is no machine: {step}")
        self.now += SECOND
        known = twin.model.tags[step.tag]
        twin.update(self.at, {step.tag: float(step.value.to(known.unit).value)})

    def waited(self, step: Wait) -> None:
        self.now += _hours(step.duration)

    def shown(self, step: Read | Until) -> Value:
        twin = self.twins[step.unit or self.unit]
        return (
            self._shown(twin, step.tag)
            if isinstance(step, Read)
            else self._wait_for(twin, step, float("inf"))
        )

    def acted(self, step: Do | Program | Transfer) -> Value:
        role = step.unit or self.unit
        twin = self.twins.get(role)
        match step:
            case _ if twin is None:
                return self._without_twin(step, role)
            case Do():
                return self._run(twin, step.action, step.parameters)
            case Program():
                return self._run(twin, step.name, step.parameters) | {"evidence": "0" * 64}
            case Transfer():
                raise AssertionError(f"{role} cannot transfer")

    def _without_twin(self, step: Do | Program | Transfer, role: str) -> Value:
        if self.recipe.units[role] == "liquid_handler":
            assert isinstance(step, Do)
            results, hours = self.deck.do(step.action, step.parameters)
            self.now += hours
            return results
        assert isinstance(step, Do), f"{role} is no machine: {step}"
        self.tasks += 1
        self.now += BY_HAND
        return {"done": True}

    def _run(self, twin: Twin, name: str, given: Mapping[str, Value]) -> dict[str, Value]:
        self._commands += 1
        command = f"command-{self._commands}"
        run = twin.start(self.at, name, {key: str(value) for key, value in given.items()}, command)
        while run.status == "running":
            if run.prompt:
                self.tasks += 1
                self.now += PERSON
                twin.answer(self.at, command, run.prompt, "done")
            else:
                self.now = max(self.now, (run.due - DAY_ZERO) / 3600)
                twin.update(self.at)
        assert run.status == "done", run.text
        return {
            key: parse(f"{found.value:.{found.digits}f} {found.unit}") if isinstance(found, Amount) else found
            for key, found in run.results.items()
        }

    def _shown(self, twin: Twin, tag: str) -> Quantity:
        self.now += SECOND
        known = twin.model.tags[tag]
        return parse(f"{twin.update(self.at).outputs[tag]:.{known.digits}f} {known.unit}")

    def _wait_for(self, twin: Twin, step: Until, until: float) -> Quantity | None:
        every = _hours(step.every or parse("10 min"))
        while self.now < until:
            found = self._shown(twin, step.tag)
            low = step.at_least is None or found >= step.at_least
            if low and (step.at_most is None or found <= step.at_most):
                return found
            self.now = min(self.now + every, until)
        return None

    def fired(self, step: First) -> Fired:
        timers = [
            self.now + _hours(o.duration) if isinstance(o, Wait) else float("inf") for o in step.options
        ]
        ends = float("inf") if step.within is None else self._began + _hours(step.within)
        due = min([*timers, ends])
        for index, option in enumerate(step.options):
            match option:
                case Ask() | Decide():
                    return Fired(index, self.answer(option))
                case Until():
                    found = self._wait_for(self.twins[option.unit or self.unit], option, due)
                    if found is not None:
                        return Fired(index, found)
                case Wait():
                    continue
        self.now = max(self.now, due)
        return Fired([*timers, ends].index(due))


def _has_twin(unit_class: str) -> bool:
    return any(unit_class == known or unit_class.startswith(f"{known}/") for known in MODELS)


def _hours(duration: Quantity) -> float:
    return float(duration.to("h").value)
