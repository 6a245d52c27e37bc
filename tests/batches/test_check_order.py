"""What is surely before and after: true of every run of random procedures; and the temporal network."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.check import check
from batches.checks.network import Bound, Network
from batches.checks.order import order_of
from batches.procedure import Choose, Iterate, Progress, StartPhase, ready
from batches.recipe import Choice, Node, Parallel, PhaseCall, Repeat
from batches.recipe_reader import read
from tests.batches.declared_phases import PHASES

# --- order --------------------------------------------------------------------------------------


def bodies(inner: "st.SearchStrategy[Node]") -> "st.SearchStrategy[tuple[Node, ...]]":
    return st.lists(inner, min_size=0, max_size=3).map(tuple)


def elements(inner: "st.SearchStrategy[Node]") -> "st.SearchStrategy[Node]":
    some = bodies(inner)
    return (
        st.lists(some, min_size=2, max_size=3).map(lambda branches: Parallel("P", tuple(branches)))
        | st.tuples(st.lists(some, min_size=1, max_size=2), st.none() | some).map(
            lambda part: Choice(
                "C", (*(("$x", way) for way in part[0]), *(() if part[1] is None else (("", part[1]),)))
            )
        )
        | some.map(lambda body: Repeat("R", body, "$x", 2))
    )


phases: "st.SearchStrategy[Node]" = st.builds(lambda: PhaseCall("p", "p", 1, {}))
procedures = bodies(st.recursive(phases, elements, max_leaves=8))


def numbered(body: tuple[Node, ...], counter: list[int]) -> tuple[Node, ...]:
    """The same procedure with a name of its own for every element."""
    return tuple(renamed(node, counter) for node in body)


def renamed(node: Node, counter: list[int]) -> Node:
    counter[0] += 1
    name = f"n{counter[0]}"
    match node:
        case Parallel():
            return Parallel(name, tuple(numbered(branch, counter) for branch in node.branches))
        case Choice():
            return Choice(name, tuple((condition, numbered(way, counter)) for condition, way in node.options))
        case Repeat():
            return Repeat(name, numbered(node.body, counter), node.until, node.at_most)
        case _:
            return PhaseCall(name, "p", 1, {})


def run(procedure: tuple[Node, ...], pick: "st.DataObject") -> list[tuple[str, str]]:
    """One run by the procedure machine, in an order somebody picks: (event, path without iterations)."""
    progress, events, open_phases = Progress(), list[tuple[str, str]](), list[str]()
    for _ in range(300):
        walk = ready(procedure, progress)
        choices = [*walk.actions, *open_phases]
        if not choices:
            assert walk.done
            break
        action = pick.draw(st.sampled_from(choices))
        if isinstance(action, str):
            open_phases.remove(action)
            progress.finished.add(action)
            events.append(("end", plain(action)))
        elif isinstance(action, StartPhase):
            progress.started[action.path] = 1
            open_phases.append(action.path)
            events.append(("start", plain(action.path)))
        elif isinstance(action, Choose):
            taken = pick.draw(st.integers(0, len(action.node.options) - 1))
            progress.chosen[action.path] = taken
        elif isinstance(action, Iterate):
            again = not action.may_end or (
                action.iteration <= action.node.at_most and pick.draw(st.booleans())
            )
            if action.may_end:
                events.append(("judge", plain(action.path)))
            if again:
                progress.iteration[action.path] = action.iteration
            else:
                progress.finished.add(action.path)
    return events


def plain(path: str) -> str:
    return re.sub(r"\[\d+\]", "", path)


@given(procedures, st.data())
def test_what_is_said_of_the_order_is_true_of_every_run(
    body: tuple[Node, ...], pick: "st.DataObject"
) -> None:
    procedure = numbered(body, [0])
    order = order_of(procedure)
    events = run(procedure, pick)
    for at, (event, path) in enumerate(events):
        ended = {other for kind, other in events[:at] if kind == "end"}
        starting = {other for kind, other in events[at:] if kind == "start"}
        if event == "start":
            assert order.before[path] <= ended
        elif event == "end":
            assert order.after[path] <= starting
        else:
            assert order.judged[path] <= ended
    assert order.always <= {path for event, path in events if event == "end"}


def test_a_choice_counts_only_what_all_ways_do() -> None:
    def phase(name: str) -> PhaseCall:
        return PhaseCall(name, name, 1, {})

    procedure = (
        phase("a"),
        Choice("c", (("$x", (phase("b"),)), ("", (phase("d"),)))),
        Repeat("r", (phase("e"), phase("f")), "$x", 3),
        Parallel("p", ((phase("g"),), (phase("h"), phase("i")))),
        phase("z"),
    )
    order = order_of(procedure)
    assert order.before["z"] == {"a", "r/e", "r/f", "p/g", "p/h", "p/i"}
    assert order.after["a"] == {"r/e", "r/f", "p/g", "p/h", "p/i", "z"}
    assert (order.before["c/d"], order.before["p/i"]) == ({"a"}, {"a", "r/e", "r/f", "p/h"})
    assert (order.judged["r"], order.before["r/e"]) == ({"a", "r/e", "r/f"}, {"a"})


# --- time ---------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(-5, 9)), max_size=12))
def test_a_network_contradicts_itself_if_some_cycle_is_negative(edges: list[tuple[int, int, int]]) -> None:
    network = Network([0.0] * 5, [Bound(first, then, float(seconds)) for first, then, seconds in edges])
    distance = {(a, b): 0.0 if a == b else float("inf") for a, b in product(range(5), repeat=2)}
    for first, then, seconds in edges:
        distance[first, then] = min(distance[first, then], seconds)
    for middle, a, b in product(range(5), repeat=3):  # Floyd and Warshall
        distance[a, b] = min(distance[a, b], distance[a, middle] + distance[middle, b])
    assert network._contradicts(network.bounds) == any(distance[a, a] < 0 for a in range(5))


HEAD = """\
recipe: times
language: 1
version: 1
title: Times
product: {name: Nothing, kind: intermediate}
formula: {x: {value: true, assumed: true}}
units: {desk: desk}
samples: {count: {turnaround: 1 h, tests: {n: {kind: text}}}}
procedure:
  - unit_procedure: U
    unit: desk
    operations:
      - operation: O
        phases:
"""
HELD = "hold: {safe: keep_environment, longest: 1 h}"


def soak(least: str, most: str, limit: str = "", name: str = "soak") -> str:
    within = f", then_within: {{at_most: {limit}}}" if limit else ""
    return f"{{soak@1: {{least: {least}, most: {most}}}, as: {name}, {HELD}{within}}}"


def limited(least: str, most: str, within: str) -> str:
    """`soak` as a, with time limits of any form."""
    return f"{{soak@1: {{least: {least}, most: {most}}}, as: a, {HELD}, then_within: {within}}}"


def wait(limit: str = "") -> str:
    within = f", then_within: {{at_most: {limit}}}" if limit else ""
    return f"{{record@1: {{text: wait}}, {HELD}{within}}}"


B, C = soak("3 h", "4 h", name="b"), f"{{record@1: {{text: wait}}, as: c, {HELD}}}"


@pytest.mark.parametrize(
    ("phases", "found"),
    [
        ([soak("1 h", "2 h", "1 min"), wait()], []),
        (
            [
                f"{{parallel: P, branches: [[{soak('1 h', '2 h', '1 h', 'a')}], [{soak('3 h', '4 h', name='b')}]]}}",
                wait(),
            ],
            ["time-limit-at-risk"],
        ),
        (
            [
                f"{{parallel: P, branches: [[{soak('1 h', '2 h', '59 min', 'a')}], [{soak('3 h', '4 h', name='b')}]]}}",
                wait(),
            ],
            ["time-limit"],
        ),
        (
            [f"{{parallel: P, branches: [[{wait('2 h')}], [{soak('3 h', '4 h', name='b')}]]}}", wait()],
            ["time-limit-at-risk"],
        ),
        ([f"{{parallel: P, branches: [[{wait('2 h')}], [{soak('1 h', '4 h', name='b')}]]}}", wait()], []),
        (
            [
                f"{{parallel: P, branches: [[{wait('30 min')}], [{{sample@1: {{sample: count}}, {HELD}}}]]}}",
                wait(),
            ],
            ["time-limit-at-risk"],
        ),
        (
            [
                f"{{choice: C, when: [{{if: true, then: [{{parallel: P, branches: [[{soak('1 h', '2 h', '59 min', 'a')}], [{soak('3 h', '4 h', name='b')}]]}}, {wait()}]}}, {{otherwise: []}}]}}"
            ],
            ["time-limit"],
        ),
        (
            [
                f"{{parallel: P, branches: [[{{choice: C, when: [{{if: true, then: [{soak('1 h', '1 h', '30 min', 'a')}]}}, {{otherwise: [{soak('1 h', '2 h', name='c')}]}}]}}], [{soak('3 h', '4 h', name='b')}]]}}",
                wait(),
            ],
            ["time-limit-at-risk"],
        ),
        ([wait(), wait("1 h")], ["time-limit"]),
        ([limited("1 h", "2 h", "{to: c, at_most: 3 h}"), B, C], []),
        ([limited("1 h", "2 h", "{to: c, at_most: 179 min}"), B, C], ["time-limit"]),
        ([limited("1 h", "2 h", "{to: c, at_least: 4 h}"), B, C], []),
        ([limited("1 h", "2 h", "{to: c, at_least: 241 min}"), B, C], ["time-limit"]),
        ([limited("1 h", "2 h", "{to: c, at_least: 3.5 h, at_most: 4 h}"), B, C], []),
        ([limited("1 h", "2 h", "{to: c, from: start, at_most: 4 h}"), B, C], []),
        ([limited("1 h", "2 h", "{to: c, from: start, at_most: 239 min}"), B, C], ["time-limit"]),
        ([limited("1 h", "2 h", "{to: c, from: start, at_least: 361 min}"), B, C], ["time-limit"]),
        ([limited("1 h", "2 h", "{from: start, at_most: 1 h}"), B], []),
        ([limited("1 h", "2 h", "{from: start, at_most: 59 min}"), B], ["time-limit"]),
        ([limited("1 h", "1 h", "[{from: start, at_least: 1 h}, {to: c, at_most: 3 h}]"), B, C], []),
        ([limited("1 h", "1 h", "[{from: start, at_least: 61 min}, {to: c, at_most: 2 h}]"), B, C], ["time-limit", "time-limit"]),
        # each can be met, but not both: b begins after 2 h, takes 3 h, and c begins after 4 h
        (
            [
                limited("1 h", "1 h", "[{to: b, at_least: 2 h}, {to: c, at_most: 4 h}]"),
                f"{{record@1: {{text: pause}}, as: pause, {HELD}}}", B, C,
            ],
            ["time-limit", "time-limit"],
        ),
        (
            [f"{{parallel: P, branches: [[{limited('1 h', '2 h', '{to: c, at_most: 1 h}')}], [{B}]]}}", C],
            ["time-limit-at-risk"],
        ),
        (
            [limited("1 h", "2 h", "{to: c, at_most: 2 h}"), f"{{repeat: R, at_most: 2, until: true, body: [{B}, {C}]}}"],
            [],
        ),
        (
            [limited("1 h", "2 h", "{to: c, at_most: 2 h}"), B, f"{{repeat: R, at_most: 2, until: $x, body: [{C}]}}"],
            ["time-limit"],
        ),
        (
            [f"{{repeat: R, at_most: 2, until: $x, body: [{limited('1 h', '2 h', '{to: c, at_most: 2 h}')}]}}", B, C],
            ["time-limit"],
        ),
        (
            [f"{{repeat: R, at_most: 2, until: $x, body: [{limited('1 h', '2 h', '{to: c, at_most: 2 h}')}, {B}, {C}]}}"],
            ["time-limit"],
        ),
        (
            [f"{{parallel: P, branches: [[{limited('1 h', '2 h', '{to: c, at_most: 9 h}')}], [{C}]]}}"],
            ["time-limit"],
        ),
    ],
)  # fmt: skip
def test_time_limits(phases: list[str], found: list[str]) -> None:
    text = HEAD + "".join(f"          - {phase}\n" for phase in phases)
    findings = check(read(text, "times.yaml"), PHASES)
    assert [finding.rule for finding in findings if finding.rule.startswith("time-limit")] == found
