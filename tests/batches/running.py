"""A whole recipe run in memory: every entry a site would record, in simulated time.

`run(recipe, answer)` gives the sealed entries of the batch; `Run` also keeps the streams beside it
(recipe, lots, equipment). Decisions are those of `batches.commands`; nothing here decides anything.
Somebody answers the steps: `good` is a process in which everything goes as it should.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from batches import commands, equipment, materials, procedure_actions
from batches.commands import Decision
from batches.entries import NO_LEAF, SYSTEM, Actor, Draft, Entry, leaf_hash, seal
from batches.numbers import LOT_PATTERN, next_number, sample_number
from batches.phases import begin, lookup
from batches.phases.base import Phase
from batches.plain import Plain, PlainDict, text_in
from batches.procedure import (
    Action,
    FinishUnitProcedure,
    StartPhase,
    StartUnitProcedure,
    find,
    owner,
)
from batches.quantities import Quantity, duration, parse, quantity
from batches.recipe import PhaseCall, Recipe, Test, UnitProcedure
from batches.record import BatchState
from batches.record_state import Task
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    Fired,
    First,
    Label,
    PhaseRun,
    Produce,
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
    decode,
    plain,
)
from batches.tasks import SIGNED
from tests.batches.answering import Answers

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
NUMBER, IDENTITY = "B-26-0001", "KWDEMO126000001U"
PEOPLE = {
    "operator": "p-0002", "supervisor": "p-0004", "qa": "p-0005", "qc": "p-0006", "qp": "p-0007",
    "engineer": "p-0008", "logistics": "p-0009",
}  # fmt: skip
SECOND, AUTHOR = "p-0003", "p-0001"
NAMES = {
    "p-0001": "Ines Bakker", "p-0002": "Ada Smit", "p-0003": "Jörg Öztürk", "p-0004": "Wim de Wit",
    "p-0005": "Noor Peeters", "p-0006": "Łucja Nowak", "p-0007": "Karel Dvořák", "p-0008": "Tom Janssens",
    "p-0009": "Els Mertens",
}  # fmt: skip
AUTOMATED = (
    "bioreactor",
    "closed_cell_processor",
    "liquid_handler",
    "controlled_rate_freezer",
    "incubator",
    "ln2_store",
)
READINGS = {
    "temperature": "37.02 degC", "ph": "7.21 pH", "dissolved_oxygen": "48.5 %", "agitation": "60 rpm",
    "glucose": "2.1 g/L", "lactate": "0.9 g/L", "volume": "95 mL", "co2": "5.0 %", "o2": "20.9 %",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What whoever answers sees: the step, where, the batch as it stands, and the unit of the step (of
    its unit procedure, where the step addresses none)."""

    path: str
    step: Step
    state: BatchState
    unit: str


Answer = Callable[[Asked], Value]


def person(role: str) -> Actor:
    return Actor("person", PEOPLE[role], role)


# --- a process that goes as it should ---------------------------------------------------------------


def good(asked: Asked) -> Value:
    """The answer of a process that goes as it should: first options, passing results, no alarms."""
    return GoodProcess(asked).answer(asked.step)


class GoodProcess(Answers):
    """Knows the batch as it stands: its lots, its recipe, and the time."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.state = asked, asked.state

    def shown(self, step: Read | Until) -> Value:
        if isinstance(step, Read):
            return parse(READINGS.get(step.tag, "1"))
        return cast("Quantity", step.at_least or step.at_most)

    def fired(self, step: First) -> Fired:
        index = soonest(self.state, self.asked.path, step)
        if index == len(step.options):
            return Fired(index)
        option = Asked(self.asked.path, step.options[index], self.state, "")
        return Fired(index, good(option))

    def acted(self, step: Do | Program | Transfer) -> Value:
        if not isinstance(step, Program):
            return {}
        return {"evidence": hashlib.sha256(event_file(step).encode()).hexdigest()}

    def lot(self, step: Consume | Produce) -> str:
        recipe, made = self.state.known_recipe(), self.state.made
        if isinstance(step, Produce):
            return next_number(LOT_PATTERN, START.year, [*lots(recipe), *(use.lot for use in made)])
        found = [use.lot for use in made if use.material == step.material]
        return found[-1] if found else lot_of(recipe, step.material)

    def sampled(self, step: Sample) -> str:
        return sample_number(self.state.number, self.state.samples_taken + 1)

    def results(self, step: Result) -> Value:
        recipe = self.state.known_recipe()
        return {
            name: self.passing(recipe, step.sample, test)
            for name, test in recipe.samples[step.sample].tests.items()
        }

    def passing(self, recipe: Recipe, sample: str, test: Test) -> Value:
        """A result that meets every criterion on it, else something plausible."""
        asked = [
            c for c in recipe.specification.values() if (c.sample, c.attribute) == (sample, test.attribute)
        ]
        equals = next((c.equals for c in asked if c.equals), "")
        if test.kind == "yes_no":
            return equals.casefold() not in ("no", "false")
        if test.kind != "quantity":
            return equals or (test.options[0] if test.options else "as it should be")
        low = max((c.at_least for c in asked if c.at_least), default=test.low)
        high = min((c.at_most for c in asked if c.at_most), default=test.high)
        return self.between(low, high, test.unit)

    def scanned(self, step: Scan) -> str:
        kind, _, rest = step.expects.partition(":")
        state = self.state
        match kind:
            case "identity":
                return state.identity
            case "unit":
                return state.units[step.unit or rest] if step.unit or rest else self.asked.unit
            case "lot":
                return next(use.lot for use in (*state.used, *state.made) if use.material == rest)
            case "batch":
                return state.number
            case _:
                return rest


def event_file(step: Program) -> str:
    """What a device wrote while it ran its programme."""
    return f"programme {step.name}: begun\nprogramme {step.name}: ended\n"


def soonest(state: BatchState, path: str, step: First) -> int:
    """The option whose time comes first, ties by order; the last number when `within` ends it."""
    asked = state.step(path)
    *dues, ends = asked.dues
    times = [
        due or asked.asked_at + lasts(state, option) for due, option in zip(dues, step.options, strict=True)
    ] + ([] if ends is None else [ends])
    return min(range(len(times)), key=lambda index: times[index])


def lasts(state: BatchState, step: Step) -> timedelta:
    """How long a step takes (assumed): people minutes, laboratories their turnaround, timers their time."""
    match step:
        case Wait():
            return duration(step.duration)
        case Until():
            return timedelta(hours=2)
        case Do() | Transfer():
            return timedelta(minutes=10)
        case Program():
            return timedelta(minutes=50)
        case Result():
            return duration(state.known_recipe().samples[step.sample].turnaround)
        case First():
            return timedelta(0)
        case Set() | Read() | Produce():
            return timedelta(seconds=2)
        case Ask() | Decide() | Scan() | Sign() | Consume() | Label() | Sample():
            return timedelta(minutes=2)


def lots(recipe: Recipe) -> dict[str, str]:
    """The lots the site has in stock, one for each material that is received: lot number -> material."""
    received = [name for name, m in recipe.materials.items() if m.kind in ("starting", "raw", "consumable")]
    return {f"L-26-{serial:05}": name for serial, name in enumerate(sorted(received), 1)}


def lot_of(recipe: Recipe, material: str) -> str:
    return next(lot for lot, name in lots(recipe).items() if name == material)


# --- the run ------------------------------------------------------------------------------------------


def run(recipe: Recipe, answer: Answer = good) -> list[Entry]:
    """The entries of a batch of the recipe, from creation to completion."""
    return Run(recipe, answer).to_the_end().entries


@dataclass(slots=True)
class Open:
    """A phase that waits for a step, and when it will have its reply."""

    path: str
    run: PhaseRun
    call: PhaseCall
    step: Step | None = None
    reply: Value = None
    due: datetime = START
    results: Mapping[str, Value] = field(default_factory=dict[str, Value])

    def send(self, reply: Value, *, first: bool = False) -> None:
        try:
            self.step = next(self.run) if first else self.run.send(decode(plain(reply)))
        except StopIteration as stop:
            self.step, self.results = None, stop.value or {}


class Run:
    """One batch, its streams and its clock. `simulated` marks the batch as the engine would."""

    def __init__(
        self, recipe: Recipe, answer: Answer = good, *, number: str = NUMBER, identity: str = IDENTITY,
        phases: Callable[[str, int], Phase] = lookup, simulated: bool = True, start: datetime = START,
    ) -> None:  # fmt: skip
        self.recipe, self.answer, self.phases, self.now = recipe, answer, phases, start
        self.state = BatchState(number=number)
        self.streams: dict[str, list[Entry]] = {f"batch/{number}": []}
        self.open: dict[str, Open] = {}
        self._stock(start)
        identity = identity if any(m.identity for m in recipe.materials.values()) else ""
        created = commands.create(number, recipe, identity, simulated, "0.1.0", person("supervisor"))
        self.batch(created)

    @property
    def entries(self) -> list[Entry]:
        return self.streams[f"batch/{self.state.number}"]

    # --- the record -----------------------------------------------------------------------------------

    def commit(self, *parts: tuple[str, Iterable[Draft]]) -> None:
        """Seal drafts onto their streams, at the run's time."""
        for stream, drafts in parts:
            entries = self.streams.setdefault(stream, [])
            for draft in drafts:
                previous = leaf_hash(entries[-1].leaf()) if entries else NO_LEAF
                number = len(entries) + 1
                salt = hashlib.sha256(f"{stream} {number}".encode()).hexdigest()[:32]
                entries.append(seal(draft, stream, number, self.now, previous, salt))

    def batch(self, decision: Decision, *parts: tuple[str, Iterable[Draft]]) -> None:
        """Decide for the batch and seal, with what other streams say of it."""
        drafts = commands.decide(self.state, decision, self.now)
        self.commit((f"batch/{self.state.number}", drafts), *parts)

    def _stock(self, start: datetime) -> None:
        """What stands in the record before the batch: recipe, lots, units. A day before it starts."""
        self.now = start - timedelta(days=1)
        recipe, qa = self.recipe, person("qa")
        body: PlainDict = {"recipe": recipe.name, "recipe_version": recipe.version, "digest": recipe.digest}
        submitted = Draft(
            "recipe_submitted", {**body, "content": recipe.content}, Actor("person", AUTHOR, "engineer")
        )
        self.commit((f"recipe/{recipe.name}", (submitted, Draft("recipe_approved", body, qa))))
        for lot, name in lots(recipe).items():
            self._receive(lot, name, start)
        for unit, unit_class in self.units().items():
            commissioned = equipment.commission(equipment.NOT_COMMISSIONED, unit, unit_class, 0, SYSTEM)
            self.commit((f"equipment/{unit}", commissioned))
        self.now = start

    def _receive(self, lot: str, name: str, start: datetime) -> None:
        material = self.recipe.materials[name]
        identity = IDENTITY if material.identity else ""
        amount = quantity("1000000000000", material.unit)
        received = materials.receive(
            lot, material, amount, start + timedelta(days=400), identity, f"{name}-77", person("logistics")
        )
        self.commit((f"lot/{lot}", received))
        state = materials.fold(self.streams[f"lot/{lot}"])
        self.commit((f"lot/{lot}", materials.release(state, "signed", "certificate reviewed", person("qa"))))

    def units(self) -> dict[str, str]:
        """The units of the site: one for each role of the recipe."""
        return {
            f"{role.upper().replace('_', '-')}-01": unit_class
            for role, unit_class in self.recipe.units.items()
        }

    # --- the procedure ----------------------------------------------------------------------------------

    def start(self) -> "Run":
        self.batch(commands.command(self.state, "", "start", person("operator"), ""))
        return self

    def to_the_end(self) -> "Run":
        """Run until the batch has ended."""
        self.start()
        while self.advance():
            pass
        return self

    def advance(self) -> bool:
        """Take what may be done now, or let the next step have its reply. False once the batch has ended."""
        found = [action for actions in procedure_actions.actions(self.state).values() for action in actions]
        if found:
            for action in found:
                self.take(action)
        elif self.open:
            self.reply(min(self.open.values(), key=lambda one: (one.due, one.path)))
        elif not self.state.ended:
            self.batch(self._settle())
        return not self.state.ended

    def _settle(self) -> Decision:
        yield from commands.settle(self.state, "")
        yield from self._unbind(list(self.state.units))

    def _unbind(self, roles: list[str]) -> Decision:
        for role in roles:
            yield Draft("unit_unbound", {"role": role, "unit": self.state.units[role]})

    def take(self, action: Action) -> None:
        match action:
            case StartUnitProcedure():
                self._start_unit_procedure(action)
            case FinishUnitProcedure():
                self._finish_unit_procedure(action)
            case StartPhase():
                self.batch(self._start_phase(action))
            case _:
                self.batch(procedure_actions.take(self.state, action, self.now))

    def _start_unit_procedure(self, action: StartUnitProcedure) -> None:
        needs = sorted(commands.roles_needed(self.state, action.path))
        units = {role: f"{role.upper().replace('_', '-')}-01" for role in needs}

        def decision() -> Decision:
            for role, unit in units.items():
                yield Draft("unit_bound", {"role": role, "unit": unit, "path": action.path})
            yield from procedure_actions.take(self.state, action, self.now)

        self.batch(decision(), *(
            (f"equipment/{unit}", equipment.allocate(self._unit(unit), self.state.number, action.path, role))
            for role, unit in units.items()
        ))  # fmt: skip

    def _unit(self, unit: str) -> equipment.UnitState:
        return equipment.fold(self.streams[f"equipment/{unit}"])

    def _finish_unit_procedure(self, action: FinishUnitProcedure) -> None:
        roles = commands.roles_free(self.state, action.path)
        units = [self.state.units[role] for role in roles]

        def decision() -> Decision:
            yield from procedure_actions.take(self.state, action, self.now)
            yield from self._unbind(roles)

        self.batch(decision(), *(
            (f"equipment/{unit}", equipment.release(self._unit(unit), self.state.number, False)) for unit in units
        ))  # fmt: skip

    # --- phases -----------------------------------------------------------------------------------------

    def _start_phase(self, action: StartPhase) -> Decision:
        yield from procedure_actions.take(self.state, action, self.now)
        phase, started = action.node, self.state.phases[action.path]
        parameters = cast("Mapping[str, Value]", decode(started.parameters))
        opened = Open(action.path, begin(self.phases(phase.phase, phase.version), parameters), phase)
        self.open[action.path] = opened
        opened.send(None, first=True)
        yield from self.next(opened)

    def next(self, opened: Open) -> Decision:
        """Ask for the phase's step and think of its answer, or finish the phase."""
        if opened.step is None:
            del self.open[opened.path]
            yield from commands.finish_phase(self.state, opened.call, opened.path, opened.results, self.now)
            return
        unit = self.unit_of(opened.path, opened.step)
        yield from commands.ask(
            self.state, opened.path, opened.step, unit, self.now, self._by_hand(unit, opened.step)
        )
        opened.reply = self.answer(
            Asked(opened.path, opened.step, self.state, unit or self._unit_at(opened.path))
        )
        opened.due = self._due(opened)

    def ask_again(self, path: str) -> None:
        """A new attempt at the step a phase waits for, after a person decided so."""
        opened = self.open[path]
        step = cast("Step", opened.step)
        unit = self.unit_of(path, step)
        self.batch(commands.ask(self.state, path, step, unit, self.now, self._by_hand(unit, step)))
        opened.due = self._due(opened)

    def _due(self, opened: Open) -> datetime:
        step, reply = cast("Step", opened.step), opened.reply
        if isinstance(step, First) and isinstance(reply, Fired):
            due = self.state.step(opened.path).dues[reply.index]
            return due or self.now + lasts(self.state, step.options[reply.index])
        return self.now + lasts(self.state, step)

    def unit_of(self, path: str, step: Step) -> str:
        if not isinstance(step, (Set, Read, Do, Program, Transfer)):
            return ""
        return self.state.units.get(step.unit, "") if step.unit else self._unit_at(path)

    def _unit_at(self, path: str) -> str:
        """The unit of the unit procedure a path lies in."""
        node = find(self.recipe.procedure, owner(path, self.state.elements), self.state.progress)
        return self.state.units.get(cast("UnitProcedure", node).unit, "")

    def _by_hand(self, unit: str, step: Step) -> PlainDict | None:
        if not unit or self.units().get(unit, "").split("/")[0] in AUTOMATED:
            return None
        what = getattr(step, "action", None) or getattr(step, "tag", None) or type(step).__name__
        return {
            "text": f"By hand on {unit}: {what}.",
            "fields": {},
            "unit": unit,
            "step": type(step).__name__,
        }

    def reply(self, opened: Open) -> None:
        """Time passes until a step has its reply; in the same commit the phase asks for its next."""
        self.now = max(self.now, opened.due)
        task = next((task for task in self.state.tasks.values() if task.path == opened.path), None)
        actor, more = self._who(opened, task)
        self.batch(self._done(opened, task, actor, more), *self._lots(opened, actor))

    def _done(self, opened: Open, task: Task | None, actor: Actor, more: dict[str, Plain]) -> Decision:
        if task is not None and task.people > 1:
            first: PlainDict = {"task": task.id, "answer": {"values": plain(opened.reply)}, "closes": False}
            yield Draft("task_answered", first, actor)
            more, actor = {**more, "performer": actor.id}, Actor("person", SECOND, actor.role)
        if isinstance(opened.step, Program) and actor.kind == "device":
            yield self._event_file(opened, opened.step, actor)
        yield from commands.done(self.state, opened.path, opened.reply, actor, more=more)
        opened.send(opened.reply)
        yield from self.next(opened)

    def _event_file(self, opened: Open, step: Program, actor: Actor) -> Draft:
        text, command = event_file(step), self.state.step(opened.path).command
        digest = hashlib.sha256(text.encode()).hexdigest()
        body: PlainDict = {
            "path": opened.path,
            "unit": actor.id,
            "command": command,
            "digest": digest,
            "text": text,
        }
        return Draft("evidence_kept", body, actor)

    def _who(self, opened: Open, task: Task | None) -> tuple[Actor, dict[str, Plain]]:
        if isinstance(opened.step, First) and isinstance(opened.reply, Fired):
            options = [
                t
                for t in self.state.tasks.values()
                if t.path == opened.path and t.option == opened.reply.index
            ]
            task = options[0] if options else None
        if task is None:
            unit = self.state.step(opened.path).unit
            return (Actor("device", unit) if unit else SYSTEM), {}
        more: dict[str, Plain] = {"task": task.id}
        if task.kind in SIGNED:
            more["signature"] = signature(task)
        return person(task.role), more

    def _lots(self, opened: Open, actor: Actor) -> list[tuple[str, Iterable[Draft]]]:
        step, lot = opened.step, opened.reply
        if isinstance(step, Consume) and isinstance(lot, str):
            return [(f"lot/{lot}", self._consume(step, lot, opened.path, actor))]
        if isinstance(step, Produce) and isinstance(lot, str):
            parents = {use.lot for use in self.state.used}
            material = self.recipe.materials[step.material]
            return [(f"lot/{lot}", materials.produce(
                lot, material, step.quantity, step.containers, self.state.number, opened.path, parents, self.state.identity
            ))]  # fmt: skip
        return []

    def _consume(self, step: Consume, lot: str, path: str, actor: Actor) -> Iterable[Draft]:
        state = materials.fold(self.streams[f"lot/{lot}"])
        material = self.recipe.materials[step.material]
        return materials.consume(
            state, material, step.quantity, self.state.number, path, self.state.identity, self.now, actor
        )


def signature(task: Task) -> PlainDict:
    who = PEOPLE[task.role]
    meaning = text_in(task.content, "meaning") if "meaning" in task.content else "approved"
    user = NAMES[who].split()[0].casefold()
    return {
        "name": NAMES[who],
        "user_name": user,
        "role": task.role,
        "meaning": meaning,
        "zone": "Europe/Amsterdam",
    }
