"""What every phase asks for is what it declares, neither more nor less."""

import hashlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import batches.phases
from batches.errors import BadInput, NotFound
from batches.interpret import drive, replay
from batches.phases import PHASES, begin, lookup
from batches.phases.base import Declared, Phase
from batches.plain import Plain, canonical
from batches.quantities import Quantity, dimension
from batches.steps import (
    Consume,
    Do,
    First,
    Label,
    Produce,
    Program,
    Read,
    Result,
    Sample,
    Scan,
    Set,
    Step,
    Transfer,
    Until,
    Value,
    plain,
)
from tests.batches.phases.answering import RESULTS, Chance, Drawn, Seeded, Stubborn, World, parameters
from tests.batches.phases.reference import PAGE, page
from tests.conftest import ROOT

FOLDER = Path(batches.phases.__file__).parent
EVERY_PHASE = pytest.mark.parametrize(
    "phase", PHASES.values(), ids=lambda phase: f"{phase.name}@{phase.version}"
)
FEW = settings(max_examples=20)


@dataclass
class Asked:
    """What the steps of a run ask for, in the terms of a declaration."""

    sets: set[str] = field(default_factory=set[str])
    reads: set[str] = field(default_factory=set[str])
    does: set[str] = field(default_factory=set[str])
    consumes: set[str] = field(default_factory=set[str])
    produces: set[str] = field(default_factory=set[str])
    samples: set[str] = field(default_factory=set[str])
    units: set[str] = field(default_factory=set[str])
    labels: bool = False

    def note(self, steps: Iterable[Step]) -> "Asked":
        for step in steps:
            self._note(step)
        return self

    def _note(self, step: Step) -> None:
        match step:
            case Set():
                self.sets.add(step.tag)
            case Read() | Until():
                self.reads.add(step.tag)
            case Do():
                self.does.add(step.action)
            case Program():
                self.does.add(f"program:{step.name}")
            case Transfer():
                self.does.add("transfer")
            case Consume():
                self.consumes.add(step.material)
            case Produce():
                self.produces.add(step.material)
            case Sample():
                self.samples.add(step.name)
            case Result():
                self.samples.add(step.sample)
            case Label():
                self.labels = True
            case First():
                self.note(step.options)
            case _:
                pass
        of_a_unit = isinstance(step, (Set, Read, Until, Do, Program, Transfer))
        if of_a_unit or (isinstance(step, Scan) and step.expects == "unit"):
            self.units.add(step.unit)


def declared(phase: Phase, values: Mapping[str, Value]) -> Asked:
    """What a phase may ask for, given these parameters."""

    def names(parameters: tuple[str, ...]) -> set[str]:
        return {str(values[name]) for name in parameters if values.get(name)}

    def allowed(what: str) -> bool:
        condition = phase.only_with.get(what, "")
        if condition.startswith("!"):
            return not values.get(condition[1:])
        return not condition or bool(values.get(condition))

    def action(what: str) -> str:
        kind, colon, name = what.rpartition(":")
        one = phase.parameters.get(name)
        return kind + colon + (str(values.get(name) or one.default) if one and one.kind == "text" else name)

    return Asked(
        sets={tag for tag in phase.sets if allowed(tag)},
        reads={tag for tag in phase.reads if allowed(tag)},
        does={action(what) for what in phase.does if allowed(what)},
        consumes=names(phase.consumes),
        produces=names(phase.produces),
        samples=names(phase.samples),
        units={str(values.get("unit", ""))} if "unit" in phase.parameters else set(),
        labels=phase.labels,
    )


def within(asked: Asked, may: Asked) -> bool:
    pairs = (
        (asked.sets, may.sets), (asked.reads, may.reads), (asked.does, may.does), (asked.consumes, may.consumes),
        (asked.produces, may.produces), (asked.samples, may.samples), (asked.units, may.units),
    )  # fmt: skip
    return all(one <= other for one, other in pairs) and asked.labels == may.labels


@EVERY_PHASE
@FEW
@given(data=st.data())
def test_a_phase_asks_for_nothing_it_does_not_declare(phase: Phase, data: st.DataObject) -> None:
    chance = Drawn(data)
    values = parameters(phase, chance, sometimes(chance))
    world = World(chance)
    asked, results = drive(begin(phase, values), world.answer)
    steps = [step for step, _ in asked]
    may = declared(phase, values)
    found = Asked().note(steps)
    assert within(found, may), f"{found} is more than {may}"
    assert phase.verifies_identity == (isinstance(steps[0], Scan) and steps[0].expects == "identity")
    assert_results(phase, values, results)
    least, most = phase.duration({**defaults(phase), **values})
    assert (least or 0) <= world.now
    assert most is None or world.now <= most


def sometimes(chance: Chance) -> Callable[[str], bool]:
    return lambda _: chance.pick((True, True, False))


def always(_: str) -> bool:
    return True


def defaults(phase: Phase) -> dict[str, Value]:
    return {name: one.default for name, one in phase.parameters.items() if one.default is not None}


def assert_results(phase: Phase, values: Mapping[str, Value], results: Mapping[str, Value]) -> None:
    promised = dict(phase.results) | (
        dict(RESULTS) if phase.results_of and values.get(phase.results_of) else {}
    )
    needed = {name for name, one in promised.items() if not one.optional}
    assert needed <= results.keys() <= promised.keys()
    for name, value in results.items():
        assert is_kind(promised[name], value), f"{name} is {value!r}"


def is_kind(one: Declared, value: Value) -> bool:
    match one.kind:
        case "quantity":
            unit = "mL" if one.unit.startswith("$") else one.unit
            return isinstance(value, Quantity) and value.dimension == dimension(unit)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "flag":
            return isinstance(value, bool)
        case "choice":
            return value in one.options
        case "text" | "material" | "sample" | "role":
            return isinstance(value, str)


@EVERY_PHASE
def test_a_phase_asks_for_everything_it_declares(phase: Phase) -> None:
    asked, may = Asked(labels=phase.labels), Asked()
    for values, steps in runs(phase, 120):
        asked.note(steps)
        one = declared(phase, values)
        for name in ("sets", "reads", "does", "consumes", "produces", "samples", "units"):
            may.__dict__[name] |= one.__dict__[name]
    may.labels = phase.labels
    assert asked == may


def runs(phase: Phase, count: int) -> Iterator[tuple[dict[str, Value], list[Step]]]:
    for seed in range(count):
        chance = Seeded(seed)
        values = parameters(phase, chance, sometimes(chance))
        asked, _ = drive(begin(phase, values), World(chance).answer)
        yield values, [step for step, _ in asked]


@EVERY_PHASE
@FEW
@given(data=st.data())
def test_a_phase_ends_whatever_it_is_told(phase: Phase, data: st.DataObject) -> None:
    chance = Drawn(data)
    values = parameters(phase, chance, sometimes(chance))
    asked, _ = drive(begin(phase, values), World(chance, faithful=False).answer, most=2000)
    assert asked


@EVERY_PHASE
def test_a_phase_ends_even_if_the_first_of_its_options_always_fires(phase: Phase) -> None:
    values = parameters(phase, Stubborn(), always)
    asked, _ = drive(begin(phase, values), World(Stubborn(), faithful=False).answer, most=2000)
    assert asked


@EVERY_PHASE
def test_the_same_replies_give_the_same_steps(phase: Phase) -> None:
    for seed in range(20):
        chance = Seeded(seed)
        values = parameters(phase, chance, sometimes(chance))
        asked, results = drive(begin(phase, values), World(chance).answer)
        recorded: list[tuple[Plain, Plain]] = [(plain(step), plain(reply)) for step, reply in asked]
        backwards = dict(reversed(values.items()))
        found = replay(begin(phase, backwards), recorded)
        assert (found.steps, found.step, found.results) == (len(asked), None, results)


def test_nothing_depends_on_the_hash_seed() -> None:
    seen = {
        subprocess.run(
            [sys.executable, "-m", "tests.batches.phases.fingerprint"], cwd=ROOT, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1", "4242")
    }  # fmt: skip
    assert len(seen) == 1
    assert all(len(line.split()) == 2 for line in seen.pop().splitlines())


@EVERY_PHASE
def test_the_generator_takes_what_is_declared(phase: Phase) -> None:
    signature = inspect.signature(phase.run).parameters
    open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in signature.values())
    named = {name: one for name, one in signature.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}
    assert named.keys() <= phase.parameters.keys()
    assert open_ended or named.keys() == phase.parameters.keys()
    for name, one in named.items():
        written = phase.parameters[name]
        needed = written.default is None and not written.optional
        assert needed == (one.default is inspect.Parameter.empty)
        assert (
            needed
            or one.default == written.default
            or (written.default is None and one.default in (None, ""))
        )


@EVERY_PHASE
def test_a_declaration_names_only_what_there_is(phase: Phase) -> None:
    known = phase.parameters.keys()
    for name in (*phase.consumes, *phase.produces, *phase.samples, *phase.touches):
        assert name in known
    kinds = {name: phase.parameters[name].kind for name in (*phase.consumes, *phase.produces, *phase.touches)}
    assert set(kinds.values()) <= {"material"}
    assert {phase.parameters[name].kind for name in phase.samples} <= {"sample"}
    assert not phase.results_of or phase.results_of in phase.samples
    assert {condition.removeprefix("!") for condition in phase.only_with.values()} <= known
    assert phase.only_with.keys() <= {*phase.sets, *phase.reads, *phase.does}
    assert set(phase.holds) <= {"keep_environment", "stop_feeds", "stand_still"}
    for one in (*phase.parameters.values(), *phase.results.values()):
        if one.unit.startswith("$"):
            assert phase.parameters[one.unit[1:]].kind in ("material", "text")
        elif one.kind == "quantity":
            dimension(one.unit)
    for change in phase.vessel:
        assert change in ("empty", "?") or set(change[1:].split("*")) <= known


@EVERY_PHASE
def test_a_missing_or_strange_parameter_is_said(phase: Phase) -> None:
    chance = Seeded(1)
    values = parameters(phase, chance, always)
    with pytest.raises(BadInput, match="no parameter 'colour'"):
        begin(phase, {**values, "colour": "red"})
    for name, one in phase.parameters.items():
        if one.default is None and not one.optional:
            with pytest.raises(BadInput, match=f"needs the parameter '{name}'"):
                begin(phase, {key: value for key, value in values.items() if key != name})
        wrong: Value = 7 if one.kind != "integer" else "seven"
        with pytest.raises(
            BadInput, match=f"The parameter '{name}' of {phase.name}@1 is s?e?v?e?n?7?, but should be"
        ):
            begin(phase, {**values, name: wrong})


def test_an_unknown_phase_or_version_is_said() -> None:
    assert lookup("expand", 1) is PHASES["expand", 1]
    with pytest.raises(NotFound, match=r"no phase expand@9; known here: expand@1\."):
        lookup("expand", 9)
    with pytest.raises(NotFound, match="no phase teleport@1; see docs/reference/phases.md"):
        lookup("teleport", 1)


def test_released_files_have_not_changed() -> None:
    """A released phase is part of every record made with it: what must change becomes a new version."""
    lines = [line.split("  ") for line in (FOLDER / "released.txt").read_text().splitlines()]
    released = {name: digest for digest, name in lines}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(FOLDER.glob("*_[0-9]*.py"))
    }
    assert found == released, "add a new version beside the released file (see docs/decisions/0060)"


def test_every_file_is_in_the_table() -> None:
    files = {path.stem for path in FOLDER.glob("*_[0-9]*.py")} - {"common_1"}
    assert files == {f"{name}_{version}" for name, version in PHASES}
    assert {phase.run.__module__ for phase in PHASES.values()} == {f"batches.phases.{name}" for name in files}


def test_canonical_steps_hold_no_float() -> None:
    for phase in PHASES.values():
        for _, steps in runs(phase, 3):
            assert all(canonical(plain(step)) for step in steps)


def test_the_reference_page_shows_the_declarations() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.batches.phases.reference"
