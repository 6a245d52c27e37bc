"""What is surely done before, and after, each element of a procedure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from batches.procedure import join
from batches.recipe import Calculate, Choice, Node, Operation, Parallel, PhaseCall, Repeat, UnitProcedure

Paths = frozenset[str]


@dataclass(frozen=True, slots=True)
class Order:
    """By path (without iterations): the phases and calculations that have surely ended before an
    element begins, those that surely begin after it has ended, and for a repeat those that are done
    when its condition is judged. Surely: on every way through the choices; a body runs at least once."""

    before: Mapping[str, Paths]
    after: Mapping[str, Paths]
    judged: Mapping[str, Paths]
    always: Paths


def order_of(procedure: tuple[Node, ...]) -> Order:
    """The order in a procedure."""
    forward, backward = _Walk(1), _Walk(-1)
    always = forward.body(procedure, "", frozenset())
    backward.body(procedure, "", frozenset())
    return Order(forward.met, backward.met, forward.judged, always)


class _Walk:
    """Goes through a procedure in one direction (1 forward, -1 backward)."""

    def __init__(self, direction: int) -> None:
        self.direction = direction
        self.met: dict[str, Paths] = {}
        self.judged: dict[str, Paths] = {}

    def body(self, nodes: tuple[Node, ...], prefix: str, done: Paths) -> Paths:
        for node in nodes[:: self.direction]:
            done = self.node(node, join(prefix, node.name), done)
        return done

    def node(self, node: Node, path: str, done: Paths) -> Paths:
        self.met[path] = done
        match node:
            case PhaseCall() | Calculate():
                return done | {path}
            case Operation() | UnitProcedure():
                return self.body(node.body, path, done)
            case Repeat():
                self.judged[path] = self.body(node.body, path, done)
                return self.judged[path]
            case Parallel():
                return frozenset[str]().union(*(self.body(branch, path, done) for branch in node.branches))
            case Choice():
                ways = [self.body(body, path, done) for _, body in node.options]
                ended = any(not condition for condition, _ in node.options)
                return reduce(frozenset[str].intersection, ways) if ended else done
