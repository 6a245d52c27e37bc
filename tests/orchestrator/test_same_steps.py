"""The executor over equipment and people asks what the plain interpreter asks in memory, in the same order."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from batches.entries import Entry, read
from batches.plain import Plain, PlainDict, canonical, text_in
from batches.quantities import Quantity, from_plain, is_quantity
from batches.recipe import Recipe
from batches.recipe_reader import read as read_recipe
from batches.steps import Value, decode
from tests.batches import running
from tests.batches.running import Asked, Run
from tests.crash import whole
from tests.crash.whole import measure, shelf, whole_world
from tests.crash.world import START

MSC = Path(__file__).parents[1] / "batches" / "recipes" / "msc-small.yaml"
RECIPES = ("kidney-organoid", "cart-autologous", "msc-small")
DECIDED = ("calculated", "chosen", "iterated", "repeat_finished", "expiry_set")


def recipe_of(name: str) -> Recipe:
    if name == "msc-small":
        return read_recipe(MSC.read_text(encoding="utf-8"), MSC.name)
    return read_recipe(whole.recipe_text(name), f"{name}.yaml")


def executed(name: str) -> list[Entry]:
    """The record of a whole batch by the executor."""
    world = whole_world(name, "declared")
    state = world.run()
    assert state.state == "Complete"
    stream = world.disk.streams[f"batch/{state.number}"]
    return [read(part.leaf, part.entry.salt, part.body) for part in stream]


def asked(entries: Iterable[Entry]) -> dict[str, list[bytes]]:
    """The steps of each phase as canonical JSON, in their order."""
    found: dict[str, list[bytes]] = {}
    for entry in entries:
        if entry.kind == "step_asked":
            body = entry.content()
            found.setdefault(text_in(body, "path"), []).append(canonical(body["step"]))
    return found


def began(entries: Iterable[Entry]) -> dict[str, Plain]:
    """The phases with the parameters they began with."""
    bodies = [entry.content() for entry in entries if entry.kind == "phase_started"]
    return {text_in(body, "path"): body["parameters"] for body in bodies}


def decided(entries: Iterable[Entry]) -> list[tuple[str, bytes]]:
    """What the procedure decided by itself (times aside), by path."""
    found = [(entry.kind, entry.content()) for entry in entries if entry.kind in DECIDED]
    bare = [(kind, {k: v for k, v in body.items() if k != "expires"}) for kind, body in found]
    return sorted((kind, canonical(body)) for kind, body in bare)


def within(attribute: str, field: PlainDict) -> Quantity | None:
    """What the laboratory's instrument shows, where the task can take it: it knows one process only."""
    found, low, high = measure(attribute, field), field.get("low"), field.get("high")
    if (
        found is None
        or (is_quantity(low) and found < from_plain(low))
        or (is_quantity(high) and found > from_plain(high))
    ):
        return None
    return found


class Replies:
    """Answers every step of the run in memory as it was answered in the plant."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._given: dict[str, list[Plain]] = {}
        self._next: Counter[str] = Counter()
        for entry in entries:
            if entry.kind == "step_done":
                body = entry.content()
                self._given.setdefault(text_in(body, "path"), []).append(body["reply"])

    def __call__(self, asked: Asked) -> Value:
        self._next[asked.path] += 1
        return decode(self._given[asked.path][self._next[asked.path] - 1])


@pytest.mark.parametrize("name", RECIPES)
def test_the_executor_asks_the_same_steps_as_the_interpreter_in_memory(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = recipe_of(name)
    monkeypatch.setattr(whole, "recipe", lambda _: recipe)
    monkeypatch.setattr(whole, "measure", within)
    monkeypatch.setattr(running, "lots", lambda _: {lot: material for material, lot in shelf(name).items()})
    record = executed(name)
    memory = Run(recipe, Replies(record), start=START).to_the_end().entries
    assert memory[-1].content()["to"] == "Complete" or memory[-1].kind == "unit_unbound"
    assert began(memory) == began(record)
    assert asked(memory) == asked(record)
    assert decided(memory) == decided(record)
    assert sum(map(len, asked(record).values())) > 50
