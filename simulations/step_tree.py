"""The steps of a phase as a tree that grows where a simulation goes: each node is a step once asked.

The real generator of the phase (`batches/phases`) runs only when a reply is seen for the first time
after the same replies; from then on the next step is one look-up. So the simulation asks what the
executor asks, and no phase, quantity or expression is worked out twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from batches.errors import RecordError
from batches.interpret import MOST_STEPS, advance, as_recorded
from batches.plain import canonical
from batches.steps import PhaseRun, Step, Value, plain
from simulations.replies import Answer

MOST_NODES = 50_000
"""Nodes kept of one phase with one set of parameters; what lies beyond is worked out each time, so that
memory is bounded however many ways a phase may go."""

Task = TypeVar("Task")
TaskOut = TypeVar("TaskOut", covariant=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step is asked: path of its phase without rounds, phase class, role of the unit."""

    path: str
    phase: str
    unit: str


class Course(Protocol[TaskOut]):
    """What becomes of steps in one scenario: what they may be answered with, what they take."""

    def answer(self, place: Place, step: Step) -> Answer: ...
    def task(self, place: Place, step: Step) -> TaskOut: ...


class Interned:
    """Each distinct value has a number: equal by its canonical JSON, as a record would hold it."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._numbers: dict[bytes, int] = {}

    def number(self, value: Value) -> int:
        """The number of a value."""
        key = canonical(plain(value))
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.values)
            self.values.append(as_recorded(value))
        return found


@dataclass(slots=True, eq=False)
class Node(Generic[Task]):
    """A step asked after certain replies; `step` None: the phase has ended, its results have the number
    `results`. `depth`: how many steps came before it."""

    depth: int
    step: Step | None
    answer: Answer | None = None
    task: Task | None = None
    results: int = -1
    single: bool = False
    edges: "dict[int, Node[Task]]" = field(default_factory=lambda: {})
    before: "tuple[Node[Task], int] | None" = None
    ahead: object = None
    """What the interpreter has worked out about the steps from here on."""


class Tree(Generic[Task]):
    """The steps of one phase with given parameters. `begin` starts its generator anew."""

    def __init__(
        self, place: Place, begin: Callable[[], PhaseRun], course: Course[Task], interned: Interned
    ) -> None:
        self.place, self._begin, self._course, self._interned = place, begin, course, interned
        self.size = 1
        step, results = advance(begin(), None, first=True)
        self.root = self._node(0, step, results)

    def next(self, node: Node[Task], index: int) -> Node[Task]:
        """The node after this reply. Raises RecordError if the phase cannot go on with it."""
        found = node.edges.get(index)
        return self._grow(node, index) if found is None else found

    def _grow(self, node: Node[Task], index: int) -> Node[Task]:
        run = self._begin()
        step, results = advance(run, None, first=True)
        for reply in _replies(node, index):
            step, results = advance(run, reply)
        run.close()
        grown = self._node(node.depth + 1, step, results)
        grown.before = node, index
        if self.size < MOST_NODES:
            self.size += 1
            node.edges[index] = grown
        return grown

    def _node(self, depth: int, step: Step | None, results: Mapping[str, Value]) -> Node[Task]:
        if depth > MOST_STEPS:
            raise _endless(self.place)
        if step is None:
            return Node(depth, None, results=self._interned.number(dict(results)))
        answer = self._course.answer(self.place, step)
        return Node(depth, step, answer, self._course.task(self.place, step), single=answer.single)


def _replies(node: Node[Task], index: int) -> list[Value]:
    """The replies from the root to the reply `index` at a node, as a record would hold them."""
    found: list[Value] = []
    at: tuple[Node[Task], int] | None = (node, index)
    while at is not None:
        node, index = at
        assert node.answer is not None  # a phase that has ended is asked nothing more
        found.append(as_recorded(node.answer.reply(index)))
        at = node.before
    return found[::-1]


def _endless(place: Place) -> RecordError:
    return RecordError(
        f"The phase '{place.path}' has not ended after {MOST_STEPS} steps; it would go on for ever."
    )
