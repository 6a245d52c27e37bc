"""A scenario in one SimPy environment: plants, lanes, orders; and the model that experiments replicate."""

import hashlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, islice
from math import inf
from pathlib import Path
from typing import Any

import simpy

from batches.errors import BadInput, NotFound
from batches.plain import canonical
from batches.recipe import Recipe
from batches.recipe_reader import read as read_recipe
from simulations import demand, lanes, scenario_reader
from simulations.calendars import WorkTime, compile_calendar
from simulations.growth import COUNTS, Growth
from simulations.journey import Journey
from simulations.made import Made
from simulations.measures import Notes, measures, spread, tables
from simulations.model import MODEL_VERSION, Replication
from simulations.plant import Plant
from simulations.run import BatchRun, Listener
from simulations.scenario import ProductPlan, Scenario, Site, StockItem
from simulations.streams import Streams

RECIPES = Path(__file__).resolve().parent.parent / "batches" / "recipes"
PLANNED = Path(__file__).resolve().parent / "scenarios" / "recipes"
"""Recipes that exist to be planned with: complete, but no site runs them."""
MOST_AT_ONCE = 10_000
"""Orders at one moment; a stream that brings more does not go on in time."""
MADE_FOR_STOCK = -1e-9


def recipe_of(name: str) -> Recipe:
    """The recipe that ships under a name, or in a file. Raises NotFound or RecipeError."""
    shipped = (folder / f"{name}.yaml" for folder in (RECIPES, PLANNED))
    path = next((each for each in shipped if each.is_file()), Path(name))
    try:
        return read_recipe(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(
            f"There is no recipe '{name}' to read; name one that ships, or a file with its recipe."
        ) from error


@dataclass
class ScenarioModel:
    """A scenario with its recipes, as experiments see it. What is compiled stays in the process."""

    scenario: Scenario
    recipes: Mapping[str, Recipe]

    @property
    def key(self) -> str:
        """SHA-256 over the scenario, its recipes and the version of the model."""
        return self._key

    @cached_property
    def _key(self) -> str:
        digests = {name: recipe.digest for name, recipe in sorted(self.recipes.items())}
        content = {"scenario": self.scenario.digest, "recipes": digests, "model": MODEL_VERSION}
        return hashlib.sha256(canonical(content)).hexdigest()

    @cached_property
    def made(self) -> Mapping[str, Made]:
        """The products with their compiled recipes."""
        plans = self.scenario.products
        return {name: Made(plan, self.recipes[plan.recipe]) for name, plan in plans.items()}

    @cached_property
    def calendars(self) -> Mapping[str, WorkTime]:
        """The calendars as working time."""
        each = self.scenario.calendars.items()
        return {name: compile_calendar(calendar, self.scenario.horizon) for name, calendar in each}

    def replicate(self, seed: int, replication: int) -> Replication:
        """See `Model.replicate`; the Gantt is kept of replication 0."""
        return Factory(self, Streams(seed, replication)).run()

    def __getstate__(self) -> dict[str, object]:
        return {"scenario": self.scenario, "recipes": self.recipes}


def load(name: str) -> ScenarioModel:
    """The model of the scenario that ships under a name, or in a file. Raises KweekError."""
    return model_of(scenario_reader.load(name))


def model_of(scenario: Scenario, find: Callable[[str], Recipe] = recipe_of) -> ScenarioModel:
    """The model of a scenario, its recipes found by name. Raises KweekError."""
    names = sorted({plan.recipe for plan in scenario.products.values()})
    return ScenarioModel(scenario, {name: find(name) for name in names})


@dataclass
class Factory:
    """One replication. `listen`: is told every step of every batch."""

    model: ScenarioModel
    streams: Streams
    listen: Listener | None = None
    env: simpy.Environment = field(default_factory=simpy.Environment)
    open_orders: int = 0
    stopped: str = ""

    def __post_init__(self) -> None:
        scenario = self.model.scenario
        horizon = scenario.horizon
        self.scenario = scenario
        self.end = horizon.warm_up + horizon.length
        self.notes = Notes(horizon.warm_up, self.end, gantt=self.streams.replication == 0)
        self.network = lanes.Network(self.env, scenario.lanes, self.model.calendars, self.streams)
        self.plants = {name: self._plant(site) for name, site in scenario.sites.items()}
        for name, site in scenario.sites.items():
            if site.laboratory is not None and site.laboratory.at:
                self.plants[name].bench = self.plants[site.laboratory.at].bench
        self.growth = Growth()
        self._numbers: dict[str, int] = {}

    def run(self) -> Replication:
        """Run to the end of the horizon, or until the rule stops it."""
        for name in self.scenario.demand:
            self.env.process(self._arrivals(name))
        over = self.env.event()
        self.env.process(self._watch(over))
        self.env.run(until=over)
        now = self.env.now
        self._still_going(now)
        found = measures(self.notes, self.scenario, now)
        for name, values in sorted(self.notes.series.items()):
            if name.startswith("after/"):
                found |= spread(name.removeprefix("after/"), values)
        series = {
            name: tuple(values)
            for name, values in sorted(self.notes.series.items())
            if not name.startswith("after/")
        }
        return Replication(
            self.streams.seed,
            self.streams.replication,
            found,
            series,
            tables(self.notes, self.scenario),
            self.stopped,
        )

    def batch(self, product: str, site: str, name: str, priority: int, gives_up: float = inf) -> BatchRun:
        """A new batch; whoever asks lets it live."""
        made = self.model.made[product]
        return BatchRun(
            self.plants[site], made, name, priority + made.plan.priority, self.env.now, gives_up, self.listen
        )

    def site_for(self, plan: ProductPlan, clinic: str) -> str:
        """The site that makes a batch, by the product's rule."""
        load = {
            name: len(self.plants[name].runs) / max(1, len(self.plants[name].pool.units))
            for name in plan.made_at
        }
        return lanes.allocate(plan, clinic, self.network, load)

    # --- wiring -----------------------------------------------------------------------------------------

    def _plant(self, site: Site) -> Plant:
        stock = dict(site.stock)
        for plan in self.scenario.products.values():
            for supply in plan.supplies if site.name in plan.made_at else ():
                # made to order where the site keeps no stock of it: what is asked for is made, no more
                stock.setdefault(
                    supply.material,
                    StockItem(supply.material, "", 0.0, MADE_FOR_STOCK, 1.0, None, supply.product),
                )
        supplies = {
            (plan.name, supply.material): supply.count
            for plan in self.scenario.products.values()
            for supply in plan.supplies
        }
        return Plant(
            self.env,
            site,
            self.model.calendars,
            self.streams,
            self.notes,
            stock,
            lambda item: self._order_for(site.name, item),
            supplies,
        )

    def _order_for(self, site: str, item: StockItem) -> None:
        """A batch for the stock of a site."""
        number = self._numbers[item.made_by] = self._numbers.get(item.made_by, 0) + 1
        name = f"{item.made_by}-stock-{number}"
        journey = Journey(self, item.made_by, name, site)
        self.env.process(journey.for_stock(item))

    def _arrivals(self, product: str) -> Generator[Any, Any, None]:
        horizon = self.scenario.horizon
        coming = demand.orders(self.scenario.demand[product], horizon, self.streams, self.end)
        for at, together in groupby(coming, key=lambda order: order.at):
            orders = list(islice(together, MOST_AT_ONCE + 1))
            if len(orders) > MOST_AT_ONCE:
                raise BadInput(
                    f"More than {MOST_AT_ONCE} orders for {product} come at one moment; give an interval above zero."
                )
            if at > self.env.now:
                yield self.env.timeout(at - self.env.now)
            for order in orders:
                self.env.process(Journey(self, product, order.id, order.clinic).of_order(order))

    def _watch(self, over: simpy.Event) -> Generator[Any, Any, None]:
        every = self.end / (2 * COUNTS)
        for number in range(1, 2 * COUNTS + 1):
            yield self.env.timeout(every * number - self.env.now)
            if self.growth.add(self.open_orders):
                day = self.env.now / 86400
                self.stopped = (
                    f"Demand exceeds capacity: on day {day:.0f} {self.open_orders} orders were open and their number "
                    "went on rising, so the run was stopped; lower the demand, or add what the queues wait for."
                )
                break
        over.succeed()

    def _still_going(self, now: float) -> None:
        """Batches in units at the end have used them until then."""
        for plant in self.plants.values():
            for unit in plant.pool.units.values():
                for since in [start for claim, start in unit.since.items() if claim != "upkeep"]:
                    self.notes.span("busy", plant.site.name, unit.group.name, 1, since, now)
        self.notes.counts["open_orders.at_end"] = float(self.open_orders)
