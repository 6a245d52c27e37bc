"""A site whose devices answer at once: what is left of a step is the engine and the disk."""

from collections.abc import Callable

from batches.entries import Actor, Draft
from batches.errors import NotFound
from batches.phases import lookup
from batches.phases.base import Declared, Phase
from batches.plain import PlainDict
from batches.quantities import Quantity
from batches.recipe_reader import read
from batches.steps import PhaseRun, Set, Step
from devices.base import Outcome, Reading, Repeatability
from devices.plant import Plant, plant_from
from orchestrator.clock import RealClock
from orchestrator.engine import Engine
from orchestrator.equipment import Act
from orchestrator.site import Site
from orchestrator.store.port import Store

UNITS = 100
SUPERVISOR, ENGINEER, QA = (
    Actor("person", "p-1", "supervisor"),
    Actor("person", "p-2", "engineer"),
    Actor("person", "p-3", "qa"),
)
RECIPE = """
recipe: steps-{count}
language: 1
version: 1
title: {count} set-points, one after the other
product: {{name: Nothing, kind: allogeneic, store: {{at_most: -150 degC}}, expires: {{after: steps, within: 365 day}}}}
formula: {{}}
materials: {{nothing: {{class: product, unit: mL}}}}
units: {{tank: bench}}
samples: {{}}
specification: {{}}
procedure:
  - unit_procedure: All
    unit: tank
    operations:
      - operation: All
        phases:
          - steps@1: {{count: {count}, temperature: 37 degC}}
            hold: {{safe: keep_environment, longest: 12 h}}
"""


def steps(*, count: int, temperature: Quantity) -> PhaseRun:
    for _ in range(count):
        yield Set("temperature", temperature)
    return {}


STEPS = Phase(
    name="steps", version=1, run=steps, about="Asks for the same set-point, many times.",
    parameters={"count": Declared("integer"), "temperature": Declared("quantity", "degC")}, sets=("temperature",),
)  # fmt: skip


def phases(name: str, version: int) -> Phase:
    return STEPS if name == "steps" else lookup(name, version)


class AtOnce:
    """Equipment that has done what it is asked before it is asked again."""

    def manual(self, unit: str) -> bool:
        return False

    def by_hand(self, unit: str, step: Step) -> PlainDict:
        raise NotFound("nothing is done by hand here")

    def repeatability(self, unit: str, step: Act) -> Repeatability:
        return "idempotent"

    async def act(self, unit: str, step: Act, command: str, batch: str) -> Outcome:
        return Outcome("done")

    async def status(self, unit: str, command: str) -> Outcome:
        return Outcome("done")

    async def read(self, unit: str, tag: str) -> Reading:
        raise NotFound(f"{unit} has no {tag}")

    async def safe(self, unit: str, state: str, command: str) -> None:
        return

    async def stop(self, unit: str, command: str) -> None:
        return

    async def set(self, unit: str, tag: str, value: Quantity, command: str) -> None:
        return

    async def prompt(self, unit: str, command: str) -> str | None:
        return None

    async def answer_prompt(self, unit: str, command: str, text: str) -> None:
        return


def plant() -> Plant:
    """As many tanks as batches that run at once."""
    units = "\n".join(
        f"          - {{id: ST-{n:03}, title: Tank {n}, class: bench, driver: manual}}"
        for n in range(1, UNITS + 1)
    )
    head = "format: 1\nsite: Bench\nsimulated: true\nareas:\n  - area: A\n    process_cells:\n      - process_cell: C\n        units:\n"
    return plant_from(head + units + "\n", "bench.yaml", {})


def open_site(store: Store) -> Site:
    """An open site. Call it inside the event loop."""
    site = Site(Engine(store, RealClock(), AtOnce(), plant(), phases=phases))
    site.open()
    return site


async def approve(site: Site, count: int) -> str:
    """The recipe of so many steps, approved; its name."""
    name = f"steps-{count}"
    if (name, 1) not in site.recipes.versions:
        recipe = read(RECIPE.format(count=count), "bench.yaml")
        body = {"recipe": name, "recipe_version": 1, "digest": recipe.digest, "content": recipe.content}
        site.engine.commit((f"recipe/{name}", (Draft("recipe_submitted", body, ENGINEER),)))
        await site.approve_recipe(name, 1, QA)
    return name


async def run(site: Site, recipe: str, batches: int, clock: Callable[[], float]) -> float:
    """Run batches of a recipe at once; seconds from the first start to the last end. Units are cleaned after it."""
    numbers = [await site.create_batch(recipe, None, "", SUPERVISOR) for _ in range(batches)]
    events, open_ = site.subscribe(), set(numbers)
    began = clock()
    for number in numbers:
        await site.answers.command(number, "", "start", SUPERVISOR, "")
    async for event in events:
        body = event.entry.body or {}
        if event.entry.kind == "state_changed" and body.get("path") == "" and body.get("to") == "Complete":
            open_.discard(event.entry.stream.removeprefix("batch/"))
        if not open_:
            break
    took = clock() - began
    await events.aclose()
    for unit, state in site.equipment.items():
        if not state.clean:
            await site.clean_unit(unit, QA, SUPERVISOR, "between batches")
    return took
