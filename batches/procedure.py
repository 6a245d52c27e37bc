"""The recipe's tree as a pure machine: what may be done now, given what is recorded.

Every interpreter (executor, simulation, in-memory run, verifier) asks `ready` and records one entry
for each action it takes; the verifier demands that each such entry was among the actions then.
Paths: names joined by '/', with the iteration in brackets: 'Expansion/Passages[2]/Passage/wash'.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from batches.errors import RecordError
from batches.recipe import Calculate, Choice, Node, Operation, Parallel, PhaseCall, Repeat, UnitProcedure
from batches.steps import Value


@dataclass(frozen=True, slots=True)
class StartUnitProcedure:
    """A unit procedure may begin, once it has its units."""

    path: str
    node: UnitProcedure


@dataclass(frozen=True, slots=True)
class FinishUnitProcedure:
    """Everything in a unit procedure is done."""

    path: str


@dataclass(frozen=True, slots=True)
class StartPhase:
    """A phase may start."""

    path: str
    node: PhaseCall


@dataclass(frozen=True, slots=True)
class TakeValue:
    """Evaluate a calculation."""

    path: str
    node: Calculate


@dataclass(frozen=True, slots=True)
class Choose:
    """A choice is to be made, by its recorded conditions."""

    path: str
    node: Choice


@dataclass(frozen=True, slots=True)
class Iterate:
    """Begin iteration `iteration`, or, when `may_end`, end the repeat if its condition holds or its
    bound is reached."""

    path: str
    node: Repeat
    iteration: int
    may_end: bool


Action: TypeAlias = StartUnitProcedure | FinishUnitProcedure | StartPhase | TakeValue | Choose | Iterate


@dataclass(slots=True)
class Progress:
    """What is recorded of a procedure so far. Kept by the fold of the record, read by `ready`."""

    started: dict[str, int] = field(default_factory=dict[str, int])
    """Unit procedures and phases begun, with the entry that says so."""
    finished: set[str] = field(default_factory=set[str])
    """Unit procedures, phases, calculations and repeats that are done."""
    chosen: dict[str, int] = field(default_factory=dict[str, int])
    iteration: dict[str, int] = field(default_factory=dict[str, int])
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    """What expressions may read: formula values, calculated values, results by alias."""
    skipped: set[str] = field(default_factory=set[str])
    """Left out by an authorised departure."""
    added: dict[str, list[PhaseCall]] = field(default_factory=dict[str, list[PhaseCall]])
    """Phases put in by an authorised departure, by the path they follow."""
    changed: dict[str, dict[str, Value]] = field(default_factory=dict[str, dict[str, Value]])
    """Phase parameters changed by an authorised departure, by path."""


@dataclass(frozen=True, slots=True)
class Walk:
    """What a part of the tree offers now, and whether it is done."""

    done: bool
    actions: tuple[Action, ...] = ()


DONE = Walk(True)
WAITING = Walk(False)


def ready(procedure: tuple[Node, ...], progress: Progress) -> Walk:
    """Everything that may be done now, in the order of the recipe; `done` when nothing is left."""
    return _sequence(procedure, "", progress)


def join(prefix: str, name: str) -> str:
    """The path of an element below `prefix`."""
    return f"{prefix}/{name}" if prefix else name


def _sequence(body: tuple[Node, ...], prefix: str, progress: Progress) -> Walk:
    for node in body:
        for part in _with_added(node, prefix, progress):
            walk = _walk(part, prefix, progress)
            if not walk.done:
                return walk
    return DONE


def _with_added(node: Node, prefix: str, progress: Progress) -> Iterator[Node]:
    """A node and what departures put after it, and after that."""
    yield node
    for added in progress.added.get(join(prefix, node.name), ()):
        yield from _with_added(added, prefix, progress)


def _walk(node: Node, prefix: str, progress: Progress) -> Walk:
    path = join(prefix, node.name)
    if path in progress.skipped:
        return DONE
    match node:
        case PhaseCall():
            return _once(path, progress, StartPhase(path, node))
        case Calculate():
            return _once(path, progress, TakeValue(path, node))
        case Operation():
            return _sequence(node.body, path, progress)
        case UnitProcedure():
            return _unit_procedure(node, path, progress)
        case Parallel():
            return _parallel(node, path, progress)
        case Choice():
            return _choice(node, path, progress)
        case Repeat():
            return _repeat(node, path, progress)
        case _:
            assert_never(node)


def _once(path: str, progress: Progress, action: Action) -> Walk:
    if path in progress.finished:
        return DONE
    return WAITING if path in progress.started else Walk(False, (action,))


def _unit_procedure(node: UnitProcedure, path: str, progress: Progress) -> Walk:
    if path in progress.finished:
        return DONE
    if path not in progress.started:
        return Walk(False, (StartUnitProcedure(path, node),))
    walk = _sequence(node.body, path, progress)
    return Walk(False, (FinishUnitProcedure(path),)) if walk.done else walk


def _parallel(node: Parallel, path: str, progress: Progress) -> Walk:
    walks = [_sequence(branch, path, progress) for branch in node.branches]
    return Walk(all(walk.done for walk in walks), tuple(action for walk in walks for action in walk.actions))


def _choice(node: Choice, path: str, progress: Progress) -> Walk:
    if path not in progress.chosen:
        return Walk(False, (Choose(path, node),))
    return _sequence(node.options[progress.chosen[path]][1], path, progress)


def _repeat(node: Repeat, path: str, progress: Progress) -> Walk:
    if path in progress.finished:
        return DONE
    count = progress.iteration.get(path, 0)
    if count == 0:
        return Walk(False, (Iterate(path, node, 1, may_end=False),))
    walk = _sequence(node.body, f"{path}[{count}]", progress)
    return Walk(False, (Iterate(path, node, count + 1, may_end=True),)) if walk.done else walk


def unit_procedures(body: tuple[Node, ...], prefix: str = "") -> Iterator[tuple[str, UnitProcedure]]:
    """Every unit procedure of the tree with the path it has (iterations as '[1]')."""
    for node in body:
        path = join(prefix, node.name)
        match node:
            case UnitProcedure():
                yield path, node
            case Parallel():
                for branch in node.branches:
                    yield from unit_procedures(branch, path)
            case Choice():
                for _, option in node.options:
                    yield from unit_procedures(option, path)
            case Repeat():
                yield from unit_procedures(node.body, f"{path}[1]")
            case _:
                continue


def find(body: tuple[Node, ...], path: str, progress: Progress) -> Node:
    """The node a path names, iterations and added phases included. Raises RecordError."""
    for node_path, node in walk_nodes(body, "", progress, toward=path):
        if node_path == path:
            return node
    raise RecordError(f"The recipe has no element '{path}'.")


def walk_nodes(
    body: tuple[Node, ...], prefix: str, progress: Progress, toward: str | None = None
) -> Iterator[tuple[str, Node]]:
    """Every node with its path, over all branches and the iterations begun (at least the first).

    `toward`: goes into the nodes only that this path may lie below.
    """
    for node in body:
        for part in _with_added(node, prefix, progress):
            yield from _walk_node(part, prefix, progress, toward)


def _walk_node(node: Node, prefix: str, progress: Progress, toward: str | None) -> Iterator[tuple[str, Node]]:
    path = join(prefix, node.name)
    yield path, node
    if toward is not None and not toward.startswith(path):
        return
    match node:
        case Operation() | UnitProcedure():
            yield from walk_nodes(node.body, path, progress, toward)
        case Parallel():
            for branch in node.branches:
                yield from walk_nodes(branch, path, progress, toward)
        case Choice():
            for _, option in node.options:
                yield from walk_nodes(option, path, progress, toward)
        case Repeat():
            for count in range(1, max(1, progress.iteration.get(path, 1)) + 1):
                yield from walk_nodes(node.body, f"{path}[{count}]", progress, toward)
        case PhaseCall() | Calculate():
            return


def lies_in(
    body: tuple[Node, ...], path: str, progress: Progress, prefix: str = ""
) -> tuple[tuple[str, int], ...]:
    """The parallels that an element lies in, from outside in, each with the number of its branch."""
    for node in body:
        for part in _with_added(node, prefix, progress):
            at = join(prefix, part.name)
            if path.startswith((f"{at}/", f"{at}[")):
                return _lies_in(part, path, progress, at)
    return ()


def _lies_in(node: Node, path: str, progress: Progress, at: str) -> tuple[tuple[str, int], ...]:
    match node:
        case Operation() | UnitProcedure():
            return lies_in(node.body, path, progress, at)
        case Repeat():
            return lies_in(node.body, path, progress, path[: path.find("]", len(at)) + 1])
        case Choice():
            return lies_in(tuple(part for _, option in node.options for part in option), path, progress, at)
        case Parallel():
            name = path[len(at) + 1 :]
            for number, branch in enumerate(node.branches):
                if any(
                    _heads(one.name, name)
                    for part in branch
                    for one in (part, *progress.added.get(join(at, part.name), ()))
                ):
                    return ((at, number), *lies_in(branch, path, progress, at))
            return ()
        case PhaseCall() | Calculate():
            return ()


def _heads(name: str, path: str) -> bool:
    return path == name or path.startswith((f"{name}/", f"{name}["))


def without_rounds(path: str) -> str:
    """A path as the recipe has it: 'Expansion/Passages[2]/wash' is 'Expansion/Passages/wash'."""
    return re.sub(r"\[[0-9]+\]", "", path)


def owner(path: str, running: Mapping[str, object]) -> str:
    """The unit procedure among `running` a path belongs to; '' for the procedure itself."""
    parts = path.split("/")
    for length in range(len(parts), 0, -1):
        above = "/".join(parts[:length])
        if above in running:
            return above
    return ""
