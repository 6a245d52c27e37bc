"""The small recipe in a world of its own."""

from pathlib import Path

from batches.entries import Actor, Draft
from batches.plain import Plain
from batches.quantities import parse
from batches.recipe_reader import read
from batches.record import BatchState
from batches.record_state import Task
from devices.base import Repeatability
from devices.plant import DEMO, load
from orchestrator.demo.right_answers import Sight, right_answer
from orchestrator.site import Site
from tests.crash.world import FakePlant, Points, World

IDENTITY = "KWDEMO1260000014"
SMALL = Path(__file__).parent / "small.yaml"
QUERYABLE: dict[str, Repeatability] = {"exchange_medium": "queryable", "take_sample": "queryable"}


def small_world(strike: frozenset[int] = frozenset(), *, late: bool = False) -> World:
    """The small recipe, about to begin. `late`: commits come a moment after they were submitted."""
    points = Points(strike)
    plant = FakePlant(load(DEMO), points, QUERYABLE)
    plant.readings = {"temperature": parse("-170 degC")}
    return World(plant.plant, plant, points, _answer, "crash-small", IDENTITY, _prepare, late=late)


def _answer(state: BatchState, task: Task) -> Plain:
    containers = {use.material: use.lot for use in state.made}
    shelf = {"seed": "L-26-00001", "medium": "L-26-00002"}
    return right_answer(
        task.kind, task.content, Sight(state.number, state.identity, state.units, containers, shelf)
    )


async def _prepare(site: Site) -> None:
    """Recipe approved, lots released; each once, whatever crashed in between."""
    engineer, qa = Actor("person", "p-eng", "engineer"), Actor("person", "p-qa", "qa")
    if ("crash-small", 1) not in site.recipes.versions:
        recipe = read(SMALL.read_text(encoding="utf-8"), "small.yaml")
        body = {
            "recipe": recipe.name,
            "recipe_version": 1,
            "digest": recipe.digest,
            "content": recipe.content,
        }
        site.engine.commit((f"recipe/{recipe.name}", (Draft("recipe_submitted", body, engineer),)))
    if site.recipes.versions["crash-small", 1].status == "submitted":
        await site.approve_recipe("crash-small", 1, qa)
    for material, quantity, identity in (("seed", "3 vial", IDENTITY), ("medium", "10000 mL", "")):
        lot = next((lot for lot in site.lots.values() if lot.material == material), None)
        if lot is None:
            number = await site.receive_lot(material, parse(quantity), None, identity, f"S-{material}", qa)
            lot = site.lots[number]
        if lot.status == "quarantine":
            await site.decide_lot(lot.number, "release", "sig", "certificate reviewed", qa)
