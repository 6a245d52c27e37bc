"""The simulation asks what the plain interpreter in memory asks, in the same order, and decides the same."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches.entries import Entry
from batches.plain import canonical, text_in
from batches.procedure import without_rounds
from batches.recipe import Recipe
from batches.steps import Consume, Produce, Sample, Scan, Step, Value, plain
from simulations.compiled import phases
from simulations.factory import Factory
from simulations.made import Made
from simulations.scenario import Scenario
from simulations.streams import Streams
from tests.batches import running
from tests.batches.running import Asked, Run
from tests.simulations.small import model, plan_for, recipe, shipped

Trace = dict[str, list[tuple[Step, int]]]
READ = '[{of: read, name: temperature, classes: [{amount: {value: "-160 degC", source: test}}]}'
UNTIL = "{of: until, name: glucose, classes: [{amount: {value: 30 h, source: test}}]}"
OUTCOMES = f"{READ}, {UNTIL}]"


def simulated(found: Recipe, plant: Scenario, seed: int = 1) -> tuple[Trace, Made]:
    """Every step of one batch with the index of its reply, by path."""
    trace: Trace = {}

    def listen(path: str, step: Step, index: int) -> None:
        trace.setdefault(path, []).append((step, index))

    built = model(found, plant)
    factory = Factory(built, Streams(seed, 0), listen)
    (product,) = plant.products
    batch = factory.batch(product, "plant", "B-1", 0)
    factory.env.process(batch.live())
    factory.env.run(until=300 * 86400)
    assert batch.fate == ""
    return trace, built.made[product]


class Replies:
    """Answers the run in memory as the simulation was answered; lots and numbers are those of the run."""

    def __init__(self, trace: Trace, made: Made) -> None:
        self._trace, self._made = trace, made
        self._next: Counter[str] = Counter()

    def __call__(self, asked: Asked) -> Value:
        number = self._next[asked.path]
        self._next[asked.path] += 1
        step, index = self._trace[asked.path][number]
        if isinstance(asked.step, (Consume, Produce, Sample, Scan)):
            return running.good(asked)
        each = phases(self._made.compiled.procedure)
        place = next(one.place for one in each if one.place.path == without_rounds(asked.path))
        return self._made.rules.answer(place, step).reply(index)


def asked(entries: list[Entry]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for entry in entries:
        if entry.kind == "step_asked":
            body = entry.content()
            found.setdefault(text_in(body, "path"), []).append(canonical(body["step"]))
    return found


def same(found: Recipe, plant: Scenario, seed: int = 1) -> int:
    trace, made = simulated(found, plant, seed)
    memory = Run(found, Replies(trace, made)).to_the_end().entries
    steps = {path: [canonical(plain(step)) for step, _ in each] for path, each in trace.items()}
    assert asked(memory) == steps
    return sum(map(len, steps.values()))


@pytest.mark.parametrize("name", ["kidney-organoid", "cart-autologous", "msc-small"])
def test_each_recipe_asks_the_same_steps_in_the_simulation(name: str) -> None:
    found = shipped(name)
    assert same(found, plan_for(found, OUTCOMES)) > 50


# --- recipes made up --------------------------------------------------------------------------------------


OPEN = (
    UNTIL,
    '{of: decision, name: "*look*", classes: [{value: a, probability: {value: 50 %, source: test}}, {value: b, probability: {value: 50 %, source: test}}]}',
    '{of: decision, name: "Continue*", classes: [{value: continue, probability: {value: 60 %, source: test}}, {value: harvest, probability: {value: 40 %, source: test}}]}',
    "{of: result, name: cells, levels: 3, classes: [{amount: {value: {uniform: [1e5 cell/mL, 1e7 cell/mL]}, source: test}}]}",
    "{of: field, name: normal, classes: [{value: true, probability: {value: 70 %, source: test}}, {value: false, probability: {value: 30 %, source: test}}]}",
)


@st.composite
def procedures(draw: st.DrawFn) -> str:
    """A procedure of unit procedures with phases, choices, repeats and parallels in them."""
    numbers = iter(range(1, 1000))
    lines: list[str] = []

    def put(indent: int, text: str) -> None:
        lines.append(" " * indent + text)

    def phases_of(indent: int) -> None:
        for _ in range(draw(st.integers(1, 2))):
            n = next(numbers)
            kind = draw(st.sampled_from(("wait", "looks", "decide", "sample", "expand")))
            match kind:
                case "wait":
                    put(
                        indent,
                        f"- hold_culture@1: {{duration: {draw(st.integers(0, 9))} h, temperature: 37 degC}}",
                    )
                case "looks":
                    put(indent, "- hold_culture@1: {duration: 5 h, look_every: 2 h}")
                case "decide":
                    put(indent, "- decide@1: {question: At this look?, options: a | b}")
                case "sample":
                    put(indent, "- sample@1: {sample: count, question: After a look?, options: a | b}")
                case _:
                    put(
                        indent, "- expand@1: {look_every: 12 h, at_most: 40 h, sample: count, feed_at: 1 g/L}"
                    )
            put(indent, f"  as: p{n}")
            if kind == "wait" and draw(st.booleans()):
                put(indent, "  then_within: {at_most: 1 h}")

    def body(indent: int, depth: int) -> None:
        for _ in range(draw(st.integers(1, 2))):
            n = next(numbers)
            kind = draw(
                st.sampled_from(("operation", "choice", "repeat", "parallel") if depth else ("operation",))
            )
            match kind:
                case "operation":
                    put(indent, f"- operation: Do {n}")
                    put(indent, "  phases:")
                    phases_of(indent + 4)
                case "choice":
                    decision(indent, n)
                    put(indent, f"- choice: Either {n}")
                    put(indent, "  when:")
                    put(indent, f"    - if: $d{n}.decision == 'a'")
                    put(indent, "      then:")
                    body(indent + 8, depth - 1)
                    put(indent, "    - {otherwise: []}")
                case "repeat":
                    put(indent, f"- repeat: Again {n}")
                    put(indent, "  at_most: 3")
                    put(indent, f"  until: $d{n}.decision == 'b'")
                    put(indent, "  body:")
                    decision(indent + 4, n)
                    body(indent + 4, depth - 1)
                case _:
                    put(indent, f"- parallel: Both {n}")
                    put(indent, "  branches:")
                    for _ in range(2):
                        put(indent, "    -")
                        body(indent + 6, depth - 1)

    def decision(indent: int, n: int) -> None:
        put(indent, f"- operation: Decide {n}")
        put(indent, "  phases:")
        put(indent, "    - decide@1: {question: What does the look say?, options: a | b}")
        put(indent, f"      as: d{n}")

    for unit in draw(st.permutations(("vessel", "bench"))):
        put(2, f"- unit_procedure: With {unit}")
        put(2, f"  unit: {unit}")
        put(2, "  operations:")
        body(6, 2)
    return "\n".join(lines) + "\n"


@settings(max_examples=30)
@given(procedures(), st.integers(0, 10**6))
def test_a_made_up_recipe_asks_the_same_steps_in_the_simulation(procedure: str, seed: int) -> None:
    found = recipe(procedure)
    assert same(found, plan_for(found, f"[{', '.join(OPEN)}]"), seed) > 0
