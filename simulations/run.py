"""One batch in SimPy time: its compiled recipe, step by step, in the order in which it would be executed.

Units come from the arbiter, people from the crew. Work in a row by the same people, with no branch
between, is one block: asked for once, one event. What takes no time costs no event. A batch ends by
itself, is lost by a rule (`Lost`), or is lost from outside (`doom`: a breakdown, a patient who gives up).
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, TypeAlias, assert_never, cast

import simpy

from batches.procedure import without_rounds
from batches.steps import Step
from simulations.blocks import Block, block_from
from simulations.compiled import (
    CompiledCalculate,
    CompiledChoice,
    CompiledNode,
    CompiledOperation,
    CompiledParallel,
    CompiledPhase,
    CompiledRepeat,
    CompiledUnitProcedure,
    Limited,
    Values,
    seconds,
)
from simulations.course import Op, Task
from simulations.distributions import Constant
from simulations.made import Made
from simulations.measures import Notes
from simulations.plant import Plant
from simulations.scenario import FailureRule, Work
from simulations.step_tree import Node, Tree
from simulations.unit_pool import Claim, PlantUnit

Going: TypeAlias = Generator[Any, Any, None]
Inside: TypeAlias = tuple[tuple[str, int], ...]
"""The parallels something lies in, from outside in, with the number of its branch."""
Listener: TypeAlias = Callable[[str, Step, int], None]
"""Told each step as it is asked: path, step, index of its reply."""


class Lost(Exception):
    """The batch is lost, by a rule of the scenario."""


@dataclass(frozen=True, slots=True)
class Counting:
    """A time limit that counts. `key`: it takes the place of one of an earlier round."""

    key: tuple[str, str, str]
    inside: Inside
    to: str
    opens: float
    due: float


class BatchRun:
    """One batch at one site. `since`: by which it is older than others; `gives_up`: when it is called off
    if it has no units by then."""

    def __init__(
        self,
        plant: Plant,
        made: Made,
        name: str,
        priority: int = 0,
        since: float = 0.0,
        gives_up: float = inf,
        listen: Listener | None = None,
    ) -> None:
        self.plant, self.made, self.id, self.priority, self.since = plant, made, name, priority, since
        self.env: simpy.Environment = plant.env
        self.notes: Notes = plant.notes
        self.gives_up, self.listen = gives_up, listen
        self.values: Values = dict(made.compiled.formula)
        self.claim = Claim(name, later=made.later(0))
        self.finished = 0
        self.limits: list[Counting] = []
        self.tests: dict[str, simpy.Event] = {}
        self.awaited: dict[str, tuple[tuple[str, bool], ...]] = {}
        """Criteria that the last results failed, by sample, as far as results are there."""
        self.taken: dict[str, int] = {}
        self.began = -1.0
        self.fate = ""
        self.deviations = 0
        self.out_of_specification: list[str] = []
        self._processes: list[simpy.Process] = []

    def live(self) -> Going:
        """The procedure from its start to its end; `fate` says at the end what became of the batch ('' :
        it was finished)."""
        running = self.env.active_process
        assert running is not None, "the environment runs this"
        self._processes.append(running)
        self.plant.runs[self.id] = self
        try:
            yield from self._sequence(self.made.compiled.procedure, "", (), None)
            self._fail_at_the_end()
        except Lost as lost:
            self.fate = self.fate or str(lost)
        except simpy.Interrupt as interrupt:
            self.fate = self.fate or str(interrupt.cause)
        self._stop_others()
        self.plant.pool.withdraw(self.claim)
        self.plant.leave(self.claim, list(self.claim.bound), self.id)
        del self.plant.runs[self.id]

    def doom(self, cause: str) -> None:
        """The batch is lost, now."""
        if not self.fate:
            self.fate = cause
            self._stop_others()

    def _stop_others(self) -> None:
        for process in self._processes:
            if process.is_alive and process is not self.env.active_process:
                process.interrupt(self.fate)
        self._processes = [each for each in self._processes if each is self.env.active_process]

    # --- the procedure ----------------------------------------------------------------------------------

    def _sequence(
        self, body: Sequence[CompiledNode[Task]], prefix: str, inside: Inside, unit: str | None
    ) -> Going:
        for node in body:
            path = f"{prefix}/{node.name}" if prefix else node.name
            match node:
                case CompiledPhase():
                    yield from self._phase(node, path, inside)
                case CompiledCalculate():
                    self.values[node.name] = node.value(self.values)
                case CompiledOperation():
                    yield from self._sequence(node.body, path, inside, unit)
                case CompiledUnitProcedure():
                    yield from self._unit_procedure(node, path, inside)
                case CompiledParallel():
                    yield from self._parallel(node, path, inside, unit)
                case CompiledChoice():
                    option = node.options[node.option(self.values)]
                    yield from self._sequence(option, path, inside, unit)
                case CompiledRepeat():
                    yield from self._repeat(node, path, inside, unit)
                case _:
                    assert_never(node)

    def _repeat(self, node: CompiledRepeat[Task], path: str, inside: Inside, unit: str | None) -> Going:
        for count in range(1, node.at_most + 1):
            yield from self._sequence(node.body, f"{path}[{count}]", inside, unit)
            if node.until(self.values):
                return
        self.deviations += 1

    def _parallel(self, node: CompiledParallel[Task], path: str, inside: Inside, unit: str | None) -> Going:
        branches = [
            self.env.process(self._branch(self._sequence(branch, path, (*inside, (path, number)), unit)))
            for number, branch in enumerate(node.branches)
        ]
        self._processes += branches
        yield self.env.all_of(branches)

    def _branch(self, going: Going) -> Going:
        try:
            yield from going
        except Lost as lost:
            self.doom(str(lost))
        except simpy.Interrupt:
            return

    def _unit_procedure(self, node: CompiledUnitProcedure[Task], path: str, inside: Inside) -> Going:
        bound, units = self.claim.bound, self.made.recipe.units
        needs = {role: units[role] for role in node.roles if role not in bound}
        if needs:
            yield from self._units(needs, path)
        if self.began < 0:
            self.began = self.env.now
        yield from self._sequence(node.body, path, inside, node.unit)
        self.finished |= node.bit
        later = self.claim.later = self.made.later(self.finished)
        free = [role for role in bound if role not in later]
        if free and self.plant.leave(self.claim, free, self.id):
            raise Lost("contamination")

    def _units(self, needs: dict[str, str], path: str) -> Going:
        env, asked = self.env, self.env.now
        granted = self.plant.pool.ask(self.claim, needs, self.priority, self.since, path)
        if not granted.triggered:
            if self.began < 0 and self.gives_up < inf:
                yield granted | env.timeout(max(0.0, self.gives_up - env.now))
                if not granted.triggered:
                    raise Lost("gave up")
            else:
                yield granted
        units = cast("dict[str, str]", granted.value)
        self.notes.waited(self.made.plan.name, without_rounds(path), "units", env.now, env.now - asked)
        works = self.plant.enter(self.claim, units.values(), self.made.plan.name)
        for number, work in enumerate(works):
            yield from self._work(work, f"{self.id}/{path}/before/{number}")

    def _work(self, work: Work, entity: str) -> Going:
        takes = work.takes.sample(self.plant.streams.uniform("work", entity))
        yield self.plant.crew.work(work.need, takes, work.at_shift_end, self.priority)

    # --- phases -----------------------------------------------------------------------------------------

    def _phase(self, node: CompiledPhase[Task], path: str, inside: Inside) -> Going:
        if self.limits:
            yield from self._end_limits(node, path, inside)
        began = self.env.now
        if node.from_start:
            self._count(node.from_start, "start", node, inside)
        tree = node.tree(self.values)
        entity = f"{self.id}/{path}"
        at = tree.root
        while at.step is not None:
            task = at.task
            assert task is not None  # every step has its task
            match task.op:
                case Op.FREE:
                    index = 0 if at.single else self._draw(at, entity)
                    if self.listen is not None:
                        self.listen(path, at.step, index)
                case Op.WORK | Op.SPAN:
                    block = self._block(tree, at)
                    yield from self._do(block, node, path, entity)
                    at = block.last
                    index = 0 if at.single else self._draw(at, entity)
                    self._tell(block, path, index)
                    if at.task is not None and index in at.task.stops:
                        raise Lost(f"stopped at {node.name}")
                case Op.FIRST:
                    index = yield from self._first(at, task, entity, began)
                    if self.listen is not None:
                        self.listen(path, at.step, index)
                case Op.RESULT:
                    index = yield from self._result(at, task, node, entity)
                    if self.listen is not None:
                        self.listen(path, at.step, index)
                case _:
                    assert_never(task.op)
            at = at.edges.get(index) or tree.next(at, index)
        if node.call.alias:
            self.values[node.call.alias] = at.results
        self._finish_phase(node, path, inside, began)

    def _finish_phase(self, node: CompiledPhase[Task], path: str, inside: Inside, began: float) -> None:
        if node.from_end:
            self._count(node.from_end, "end", node, inside)
        self.notes.bar(self.id, path, self.claim.bound.get(node.place.unit, ""), began, self.env.now)
        for rule in self.made.failures(node):
            self._fail(rule)

    def _fail(self, rule: FailureRule) -> None:
        if self.plant.streams.uniform(f"failure {rule.cause}", self.id) >= rule.probability:
            return
        if rule.then == "lost":
            raise Lost(rule.cause)
        if rule.cause not in self.out_of_specification:
            self.out_of_specification.append(rule.cause)

    def _fail_at_the_end(self) -> None:
        for rule in self.made.plan.failures:
            if not rule.phase and not rule.path:
                self._fail(rule)

    def _tell(self, block: Block, path: str, index: int) -> None:
        for sample in block.samples:
            self._sampled(sample)
        if self.listen is not None:
            for node in block.nodes:
                assert node.step is not None
                self.listen(path, node.step, index if node is block.last else 0)

    def _draw(self, at: Node[Task], entity: str) -> int:
        assert at.answer is not None
        uniform = self.plant.streams.uniform
        return at.answer.draw(lambda part: uniform("outcome", f"{entity}#{at.depth}/{part}"))

    def _time(self, task: Task, entity: str, depth: int) -> float:
        """How long a step takes: one of its distributions, by one draw each."""
        uniform = self.plant.streams.uniform
        takes = task.takes[0]
        if len(task.takes) > 1:
            takes = task.takes[task.bounds.draw(uniform("which time", f"{entity}#{depth}"))]
        if isinstance(takes, Constant):
            return takes.value
        return takes.sample(uniform("time", f"{entity}#{depth}"))

    # --- blocks -----------------------------------------------------------------------------------------

    def _block(self, tree: Tree[Task], at: Node[Task]) -> Block:
        if not isinstance(at.ahead, Block):
            at.ahead = block_from(tree, at)
        return at.ahead

    def _do(self, block: Block, node: CompiledPhase[Task], path: str, entity: str) -> Going:
        env, plant = self.env, self.plant
        takes = block.fixed
        for depth, task in block.drawn:
            takes += self._time(task, entity, depth)
        for task in block.consumes:
            there = plant.take(self.made.plan.name, task.material, task.amount)
            if there is not None:
                yield from self._waited(there, node, "stock")
        unit, down = None, 0.0
        if plant.breaks and (name := self.claim.bound.get(node.place.unit)):
            unit = plant.pool.units[name]
            yield from self._until_repaired(unit)
            down = unit.down_for
        asked = env.now
        if block.need.people:
            start = yield plant.crew.work(block.need, takes, block.rule, self.priority)
            self.notes.waited(self.made.plan.name, node.place.path, "people", env.now, start - asked)
        elif takes > 0:
            yield env.timeout(takes)
        if unit is not None:
            yield from self._repairs(unit, down, asked)

    def _repairs(self, unit: PlantUnit, before: float, asked: float) -> Going:
        """Time in which a unit was down while it should have worked is worked after its repair."""
        while True:
            since = unit.down_since
            lost = unit.down_for - before + (self.env.now - max(since, asked) if since >= 0 else 0.0)
            if lost <= 0:
                return
            yield from self._until_repaired(unit)
            before, asked = unit.down_for, self.env.now
            yield self.env.timeout(lost)

    def _until_repaired(self, unit: PlantUnit) -> Going:
        repaired = self.plant.upkeep.repaired(unit.id)
        if repaired is not None:
            yield repaired

    def _waited(self, event: simpy.Event, node: CompiledPhase[Task], what: str) -> Generator[Any, Any, Any]:
        asked = self.env.now
        found = yield event
        now = self.env.now
        self.notes.waited(self.made.plan.name, node.place.path, what, now, now - asked)
        return found

    # --- what comes first; results ----------------------------------------------------------------------

    def _first(self, at: Node[Task], task: Task, entity: str, began: float) -> Generator[Any, Any, int]:
        left = began + task.within - self.env.now
        option, soonest = len(task.options), left
        for number, each in enumerate(task.options):
            takes = self._time(each, f"{entity}.{number}", at.depth) if each.takes else 0.0
            if takes < soonest or (takes == soonest and option == len(task.options)):
                option, soonest = number, takes
        if soonest > 0:
            yield self.env.timeout(soonest)
        assert at.answer is not None
        if option == len(task.options):
            return option
        answer, uniform = at.answer.options[option], self.plant.streams.uniform
        inner = answer.draw(lambda part: uniform("outcome", f"{entity}#{at.depth}.{option}/{part}"))
        return at.answer.when(option, inner)

    def _result(
        self, at: Node[Task], task: Task, node: CompiledPhase[Task], entity: str
    ) -> Generator[Any, Any, int]:
        event = self.tests.get(task.sample) or self._test(task.sample)
        if not event.processed:
            yield from self._waited(event, node, "laboratory")
        index = 0 if at.single else self._draw(at, entity)
        if task.sample in self.made.judged:
            assert at.answer is not None
            known = at.ahead if isinstance(at.ahead, dict) else {}
            if index not in known:
                known[index] = self.made.failed(task.sample, at.answer, index)
                at.ahead = known
            self.awaited[task.sample] = known[index]
        return index

    def _sampled(self, sample: str) -> None:
        """A sample was taken: its tests begin, if anybody will look at them."""
        self.awaited.pop(sample, None)
        if sample in self.made.plan.tests or sample in self.made.judged:
            self._test(sample)
        else:
            self.tests.pop(sample, None)

    def _test(self, sample: str) -> simpy.Event:
        number = self.taken[sample] = self.taken.get(sample, 0) + 1
        methods = self.made.plan.tests.get(sample)
        if methods is None or self.plant.bench is None:
            event: simpy.Event = self.env.timeout(seconds(self.made.recipe.samples[sample].turnaround))
        else:
            event = self.plant.bench.test(methods, f"{self.id}/{sample}/{number}", self.priority)
        self.tests[sample] = event
        return event

    # --- time limits ------------------------------------------------------------------------------------

    def _count(self, limits: Iterable[Limited], of: str, node: CompiledPhase[Task], inside: Inside) -> None:
        now, path = self.env.now, node.place.path
        for limit in limits:
            key = (path, of, limit.to)
            due = inf if limit.at_most is None else now + limit.at_most
            self.limits = [each for each in self.limits if each.key != key]
            self.limits.append(Counting(key, inside, limit.to, now + limit.at_least, due))

    def _end_limits(self, node: CompiledPhase[Task], path: str, inside: Inside) -> Going:
        theirs = dict(inside)
        ended = [each for each in self.limits if _ends(each, node.place.path, theirs)]
        if not ended:
            return
        self.limits = [each for each in self.limits if each not in ended]
        opens = max(each.opens for each in ended)
        if opens > self.env.now:
            yield self.env.timeout(opens - self.env.now)
        for number, each in enumerate(ended):
            if self.env.now > each.due + 1.0:
                self._late(node.name, f"{self.id}/{path}/{number}")

    def _late(self, phase: str, entity: str) -> None:
        self.deviations += 1
        rule = next((rule for rule in self.made.plan.limits if rule.to in (phase, "*")), None)
        if rule is not None and self.plant.streams.uniform("late", entity) < rule.lost:
            raise Lost(f"time limit to {phase}")


def _ends(limit: Counting, path: str, theirs: dict[str, int]) -> bool:
    if limit.to:
        return limit.to == path
    return all(theirs.get(parallel, branch) == branch for parallel, branch in limit.inside)
