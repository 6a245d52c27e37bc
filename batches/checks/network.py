"""The procedure as a simple temporal network (Dechter, Meiri and Pearl 1991).

Events are starts and ends; a bound (a, b, w) says that b comes at most w seconds after a. Time limits
that cannot be met close a cycle of negative length. Inside a unit procedure each phase begins as soon
as it may; a unit procedure may have to wait for its units. The ways of a choice and the body of a repeat are
one block in the network around them, and have a network of their own. A limit to the next phase that runs
into a parallel is left out: it ends with whichever branch begins first.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from batches.checks.subject import Call, Subject
from batches.procedure import join
from batches.recipe import (
    Calculate,
    Choice,
    Node,
    Operation,
    Parallel,
    PhaseCall,
    Repeat,
    TimeLimit,
    UnitProcedure,
)

Span: TypeAlias = "tuple[float, float | None]"
"""Least and most seconds; most None: no bound."""
FREE: Span = (0.0, None)
AT_ONCE: Span = (0.0, 0.0)
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Limit:
    """A time limit and the phase that has it. `least` and `most`: its seconds; without bound where it says
    none, or a wrong one. `target`: the path of the phase to which it runs; '' the next."""

    call: Call
    limit: TimeLimit
    least: float
    most: float
    target: str


@dataclass(frozen=True, slots=True)
class Bound:
    """`then` comes at most `seconds` after `first`; `limit` is the time limit that says so, if one does."""

    first: int
    then: int
    seconds: float
    limit: "Limit | None" = None


@dataclass(slots=True)
class Network:
    """The events of one stretch of the procedure and the bounds between them."""

    earliest: list[float] = field(default_factory=list[float])
    """By event: when it is, if all takes its least and begins as soon as it can."""
    bounds: list[Bound] = field(default_factory=list[Bound])

    def event(self) -> int:
        self.earliest.append(0.0)
        return len(self.earliest) - 1

    def after(self, first: int, then: int, span: Span = FREE) -> None:
        """`then` comes after `first`, by a time in the span."""
        least, most = span
        self.earliest[then] = max(self.earliest[then], self.earliest[first] + least)
        self.bounds.append(Bound(then, first, -least))
        if most is not None:
            self.bounds.append(Bound(first, then, most))

    def broken(self) -> "Iterator[tuple[Limit, bool]]":
        """The limits that cannot be met: each that fails alone (False), else all of them together (True)."""
        if not self._contradicts(self.bounds):
            return
        free = [bound for bound in self.bounds if bound.limit is None]
        limits = [bound for bound in self.bounds if bound.limit is not None]
        alone = [limit for limit in limits if self._contradicts([*free, limit])]
        for bound in alone or limits:
            if bound.limit is not None:
                yield bound.limit, not alone

    def missed(self) -> "Iterator[tuple[Limit, float]]":
        """The limits whose most is missed if all begins as soon as it can, and by how many seconds. Of the
        least nothing can be said: what people need is not known, so that all may take longer."""
        for bound in self.bounds:
            late = self.earliest[bound.then] - self.earliest[bound.first] - bound.seconds
            if bound.limit is not None and bound.seconds > 0 and late > _ROUNDING:
                yield bound.limit, late

    def _contradicts(self, bounds: list[Bound]) -> bool:
        """Bellman and Ford: whether some cycle of bounds has a negative length. They are gone through
        backwards, as most of them point back in time."""
        latest = [0.0] * len(self.earliest)
        for _ in range(len(latest) + 1):
            changed = False
            for bound in reversed(bounds):
                reach = latest[bound.first] + bound.seconds
                if reach < latest[bound.then] - _ROUNDING:
                    latest[bound.then] = reach
                    changed = True
            if not changed:
                return False
        return True


@dataclass(slots=True)
class Builder:
    """Builds the network of a body. `duration` gives the least and most of a phase, `limits` its time
    limits, `trailing` the phases that a body can end with."""

    subject: Subject
    duration: Callable[[Call], Span]
    trailing: Callable[[tuple[Node, ...], str], Iterator[Call]]
    limits: Callable[[Call], list[Limit]]
    network: Network = field(default_factory=Network)
    pending: "list[tuple[int, Limit]]" = field(default_factory=list["tuple[int, Limit]"])
    """Events from which a time limit runs to the next start."""
    blocks: "dict[str, tuple[str, int, int]]" = field(default_factory=dict[str, tuple[str, int, int]])
    """By the path of a phase: the path of the block it is in (its own, if it is no choice or repeat), and
    the start and end of that."""

    def build(self, body: tuple[Node, ...], prefix: str) -> Network:
        self.sequence(body, prefix, self.network.event())
        for path in self.blocks:
            for limit in self.limits(self.subject.call_at[path]):
                if limit.target in self.blocks:
                    self.reach(limit, self.blocks[path], self.blocks[limit.target])
        return self.network

    def reach(self, limit: Limit, first: tuple[str, int, int], then: tuple[str, int, int]) -> None:
        """A limit to a named phase. From within a choice or repeat nothing is known but that its end comes
        later than what counts, so that only the most can be judged there."""
        if first[0] == then[0]:
            return
        alone = first[0] == limit.call.path
        origin = first[1] if alone and limit.limit.of == "start" else first[2]
        self.network.bounds.append(Bound(origin, then[1], limit.most, limit))
        if limit.least and alone and then[0] == limit.target:
            self.network.bounds.append(Bound(then[1], origin, -limit.least, limit))

    def sequence(self, body: tuple[Node, ...], prefix: str, at: int) -> int:
        """Adds a body that begins after the event `at`; returns its end."""
        for node in body:
            at = self.element(node, join(prefix, node.name), at)
        return at

    def element(self, node: Node, path: str, at: int) -> int:
        match node:
            case PhaseCall():
                call = self.subject.call_at.get(path)
                return self.block(path, at, self.span(node, path), [call] if call else [])
            case Calculate():
                return at
            case UnitProcedure():
                start = self.network.event()
                self.network.after(at, start)
                return self.sequence(node.body, path, start)
            case Operation():
                return self.sequence(node.body, path, at)
            case Parallel():
                return self.parallel(node, path, at)
            case Choice() | Repeat():
                return self.block(
                    path, at, self.span(node, path), list(self.trailing((node,), path.rpartition("/")[0]))
                )
            case _:
                assert_never(node)

    def block(self, path: str, at: int, span: Span, last: list[Call]) -> int:
        """A phase, or a choice or repeat as one; `last`: the phases it can end with."""
        start, end = self.network.event(), self.network.event()
        self.network.after(at, start, AT_ONCE if self.subject.within[path] else FREE)
        self.network.after(start, end, span)
        for origin, limit in self.pending:
            self.network.bounds.append(Bound(origin, start, limit.most, limit))
            if (
                limit.least
                and path in self.subject.call_at
                and limit.call.path == self.blocks[limit.call.path][0]
            ):
                self.network.bounds.append(Bound(start, origin, -limit.least, limit))
        for call in self.subject.calls:
            if f"{call.path}/".startswith(f"{path}/"):
                self.blocks[call.path] = (path, start, end)
        self.pending = [
            (start if limit.limit.of == "start" and call.path == path else end, limit)
            for call in last for limit in self.limits(call) if not limit.limit.to
        ]  # fmt: skip
        return end

    def parallel(self, node: Parallel, path: str, at: int) -> int:
        ends: list[int] = []
        pending: list[tuple[int, Limit]] = []
        for branch in node.branches:
            self.pending = []
            ends.append(self.sequence(branch, path, at))
            pending += self.pending
        self.pending = pending
        joined = self.network.event()
        for end in ends:
            self.network.after(end, joined)
        return joined

    def span(self, node: Node, path: str) -> Span:
        """The least and most that an element takes."""
        match node:
            case PhaseCall():
                call = self.subject.call_at.get(path)
                return FREE if call is None else _possible(self.duration(call))
            case Calculate():
                return 0.0, 0.0
            case Operation() | UnitProcedure():
                return self.total(node.body, path)
            case Parallel():
                return max(self.total(branch, path)[0] for branch in node.branches), None
            case Choice():
                spans = [self.total(way, path) for _, way in node.options]
                return min(least for least, _ in spans), None
            case Repeat():
                return self.total(node.body, path)[0], None
            case _:
                assert_never(node)

    def total(self, body: tuple[Node, ...], prefix: str) -> Span:
        """The least of a body. It has no most: between its parts any time may pass."""
        return sum(self.span(node, join(prefix, node.name))[0] for node in body), None


def _possible(span: Span) -> Span:
    """A span that contradicts itself is said by another rule."""
    least, most = span
    return (least, None) if most is not None and most < least else span
