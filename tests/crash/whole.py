"""The two whole recipes, each in a world of its own, from receipt to cryopreservation."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Literal, TypeAlias

from batches.entries import Actor, Draft
from batches.errors import NotFound
from batches.numbers import LOT_PATTERN, next_number
from batches.plain import Plain, PlainDict
from batches.quantities import Quantity, parse, quantity
from batches.recipe import Recipe
from batches.recipe_reader import read
from batches.record import BatchState
from batches.record_state import Task
from devices.base import Outcome, Reading, Repeatability
from devices.plant import DEMO, Plant, load
from devices.twins.laboratory import measured
from devices.twins.programmes import Amount
from orchestrator.demo.right_answers import Sight, right_answer
from orchestrator.equipment import Act, action_of
from orchestrator.recipe_files import recipe_text
from orchestrator.site import Site
from tests.crash.world import START, FakePlant, Points, World

RECIPES = ("kidney-organoid", "cart-autologous")
IDENTITY = "KWDEMO1260000014"
ENGINEER, QA = Actor("person", "p-eng", "engineer"), Actor("person", "p-qa", "qa")
Declared: TypeAlias = Literal["declared", "worst"]
"""How the equipment may be asked again: as its drivers declare, or never (`set` excepted)."""
QUERYABLE_DRIVERS = ("lads", "liquid_handler")
"""Drivers whose equipment keeps command ids and can be asked for them (devices/drivers)."""
READINGS: Mapping[str, Mapping[str, str]] = {
    "ln2_store": {"temperature": "-170 degC"},
    "": {
        "temperature": "37 degC",
        "co2": "5 %",
        "glucose": "3 g/L",
        "lactate": "5 mmol/L",
        "ph": "7.2 pH",
        "dissolved_oxygen": "40 %",
        "agitation": "60 rpm",
        "volume": "100 mL",
        "o2": "20 %",
    },
}
"""What an instrument shows before anything was set, by unit class."""
FEEDS = ("inoculate", "feed", "exchange_medium")


@cache
def recipe(name: str) -> Recipe:
    return read(recipe_text(name), f"{name}.yaml")


@cache
def plant() -> Plant:
    return load(DEMO)


class WholePlant(FakePlant):
    """Equipment of the whole plant file: it shows what was set, and declares what its drivers declare."""

    def __init__(self, points: Points, declared: Declared) -> None:
        super().__init__(plant(), points, {})
        self._declared = declared
        self.shown: dict[tuple[str, str], Quantity] = {}

    def repeatability(self, unit: str, step: Act) -> Repeatability:
        if action_of(step)[0] == "set":
            return "idempotent"
        asked = self._declared == "declared" and self.plant.unit(unit).driver in QUERYABLE_DRIVERS
        return "queryable" if asked else "non_repeatable"

    async def act(self, unit: str, step: Act, command: str, batch: str) -> Outcome:
        _, parameters = action_of(step)
        if isinstance(value := parameters.get("value"), Quantity):
            self.shown[unit, str(parameters["tag"])] = value
        return await super().act(unit, step, command, batch)

    def acts_anew(self, unit: str, step: Act, command: str) -> bool:
        queryable = self.repeatability(unit, step) == "queryable"
        return not (queryable and any(done.command == command for done in self.log))

    async def read(self, unit: str, tag: str) -> Reading:
        value = self.shown.get((unit, tag)) or _first_shown(self.plant.unit(unit).unit_class, tag)
        return Reading(self._glucose(unit) if tag == "glucose" else value, self.now())

    def _glucose(self, unit: str) -> Quantity:
        """Falls until the cells are fed, so that they are."""
        fed = max(
            (done.at for done in self.log if done.unit == unit and done.action in FEEDS), default=self.now()
        )
        hours = (self.now() - fed).total_seconds() / 3600
        return quantity(Decimal(max(3.5 - 0.08 * hours, 0.1)).quantize(Decimal("0.01")), "g/L")


@cache
def _first_shown(unit_class: str, tag: str) -> Quantity:
    return parse(READINGS.get(unit_class, READINGS[""])[tag])


@dataclass(frozen=True)
class People:
    """People who measure with the laboratory's instruments and read the labels of the shelf."""

    name: str

    def answer(self, state: BatchState, task: Task) -> Plain:
        containers = {use.material: use.lot for use in (*state.used, *state.made)}
        sight = Sight(state.number, state.identity, state.units, containers, shelf(self.name), measure)
        return right_answer(task.kind, task.content, sight)


def measure(attribute: str, field: PlainDict) -> Quantity | None:
    """What the laboratory finds in a sample that has nothing wrong."""
    wanted = str(field["unit"])
    try:
        found = measured({}, attribute, wanted, "", 0, 0.0)
    except NotFound:
        return None
    return (
        parse(f"{found.value:.{found.digits}f} {found.unit}").to(wanted)
        if isinstance(found, Amount)
        else None
    )


@cache
def shelf(name: str) -> Mapping[str, str]:
    """The lot of each material that is bought or collected: numbered in the recipe's order."""
    lots: dict[str, str] = {}
    for material in recipe(name).materials.values():
        if material.kind in ("starting", "raw", "consumable"):
            lots[material.name] = next_number(LOT_PATTERN, START.year, [*lots.values()])
    return lots


def whole_world(
    name: str,
    declared: Declared,
    strike: frozenset[int] = frozenset(),
    *,
    late: bool = False,
    kept: bool = False,
) -> World:
    """A whole recipe, about to begin. `late`, `kept`: see `World`."""
    points = Points(strike)

    async def prepare(site: Site) -> None:
        await _prepare(site, recipe(name))

    people = People(name)
    return World(
        plant(),
        WholePlant(points, declared),
        points,
        people.answer,
        name,
        IDENTITY,
        prepare,
        late=late,
        kept=kept,
    )


async def _prepare(site: Site, wanted: Recipe) -> None:
    """Recipe approved, lots released; each once, whatever crashed in between."""
    if (wanted.name, wanted.version) not in site.recipes.versions:
        body = {
            "recipe": wanted.name, "recipe_version": wanted.version, "digest": wanted.digest, "content": wanted.content,
        }  # fmt: skip
        site.engine.commit((f"recipe/{wanted.name}", (Draft("recipe_submitted", body, ENGINEER),)))
    if site.recipes.versions[wanted.name, wanted.version].status == "submitted":
        await site.approve_recipe(wanted.name, wanted.version, QA)
    for material, number in shelf(wanted.name).items():
        if number not in site.lots:
            known = wanted.materials[material]
            quantity = parse(f"1000000000000 {known.unit}")
            await site.receive_lot(
                material, quantity, None, IDENTITY if known.identity else "", f"S-{material}", QA
            )
        if site.lots[number].status == "quarantine":
            await site.decide_lot(number, "release", "sig", "certificate reviewed", QA)
