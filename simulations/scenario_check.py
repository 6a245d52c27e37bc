"""The static checks of a scenario: what a planner hears before anything is simulated.

The rules on names come first, and the others wait until these are content, as with recipes
(`batches/check.py`). What can be said about capacity without a run is `simulations/scenario_capacity.py`.
docs/reference/scenario-file.md lists the rules.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from batches.allocation import accepts
from batches.findings import Finding, format
from batches.phases import PHASES
from batches.recipe import PhaseCall, Recipe, nodes
from simulations import scenario_capacity
from simulations.calendars import WorkTime, compile_calendar
from simulations.scenario import Need, ProductPlan, Scenario, ScenarioError, Site, Work

Flaw = tuple[int, str]
Recipes = Mapping[str, Recipe]

READING: Mapping[str, str] = {
    "yaml": "The file is one YAML document without tags, anchors and aliases.",
    "duplicate-key": "No key stands twice in one mapping.",
    "schema": "Every key is known, has the kind of value it needs, and is there where it must be.",
    "quantity": "What must be a quantity is a number with a unit of measure of the right kind.",
    "negative": "No time, number or rate is below zero.",
    "distribution": "A distribution has a known name and parameters that make one.",
    "probability": "Probabilities are from 0 to 1, and those of one choice add up to 1.",
    "source": "Every figure has a source, or is marked as assumed with its range.",
    "range": "An assumed figure lies in its own range.",
    "no-shift": "Every calendar has a shift.",
}
"""The rules of reading (`simulations/scenario_reader.py`)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; the docstring of `look` says what it demands."""

    name: str
    look: Callable[[Scenario, Recipes], Iterator[Flaw]]

    @property
    def about(self) -> str:
        return " ".join((self.look.__doc__ or "").split())


def check(scenario: Scenario, recipes: Recipes) -> tuple[Finding, ...]:
    """Everything that is wrong with a scenario, by line. `recipes`: by the name the scenario gives."""
    found = _findings(scenario, recipes, NAMES) or _findings(scenario, recipes, MEANING)
    if not found:
        found = [
            Finding(scenario.file, line, "capacity", sentence, "warning" if bounded else "error")
            for line, sentence, bounded in scenario_capacity.overloads(scenario, recipes)
        ]
    return tuple(sorted(found))


def refuse(scenario: Scenario, recipes: Recipes) -> None:
    """Raise ScenarioError if a finding is an error."""
    errors = tuple(each for each in check(scenario, recipes) if each.severity == "error")
    if errors:
        more = f" ({len(errors) - 1} more)" if errors[1:] else ""
        raise ScenarioError(f"{format(errors[0])}{more}", errors)


def _findings(scenario: Scenario, recipes: Recipes, rules: tuple[Rule, ...]) -> list[Finding]:
    return [
        Finding(scenario.file, line, rule.name, sentence)
        for rule in rules
        for line, sentence in dict.fromkeys(rule.look(scenario, recipes))
    ]


# -- names ---------------------------------------------------------------------------------------


def unknown_recipe(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Every product has a recipe that ships or stands beside the scenario."""
    for plan in scenario.products.values():
        if plan.recipe not in recipes:
            yield (
                plan.place.line,
                f"There is no recipe '{plan.recipe}' for {plan.name}; name one of batches/recipes, or a file.",
            )


def unknown_place(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Products, lanes, demand and laboratories name sites and clinics of the scenario."""
    places = {*scenario.sites, *scenario.clinics}
    for plan in scenario.products.values():
        if not plan.made_at:
            yield plan.place.line, f"{plan.name} is made nowhere; name its sites in 'made_at'."
        for site in (*plan.made_at, *plan.dedicated.values()):
            if site not in scenario.sites:
                yield (
                    plan.place.line,
                    f"{plan.name} is made at '{site}', which is no site; {_known(scenario.sites)}.",
                )
    for lane in scenario.lanes:
        for place in (lane.source, lane.target):
            if place not in places:
                yield (
                    lane.place.line,
                    f"A lane leads from {lane.source} to {lane.target}, and '{place}' is neither a site nor a clinic; {_known(places)}.",
                )
    for demand in scenario.demand.values():
        for clinic in demand.clinics:
            if clinic not in places:
                yield (
                    demand.place.line,
                    f"Orders for {demand.product} come from '{clinic}', which is not in 'clinics'; {_known(scenario.clinics)}.",
                )
    for site in scenario.sites.values():
        if site.laboratory and site.laboratory.at and site.laboratory.at not in scenario.sites:
            yield (
                site.place.line,
                f"The laboratory of {site.name} is at '{site.laboratory.at}', which is no site; {_known(scenario.sites)}.",
            )


def unknown_calendar(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """People and lanes go by a calendar of the scenario."""
    for site in scenario.sites.values():
        for group in site.people.values():
            if group.calendar not in scenario.calendars:
                yield (
                    group.place.line,
                    f"{group.name} of {site.name} go by the calendar '{group.calendar}', which is not there; {_known(scenario.calendars)}.",
                )
    for lane in scenario.lanes:
        if lane.calendar and lane.calendar not in scenario.calendars:
            yield (
                lane.place.line,
                f"The lane from {lane.source} to {lane.target} goes by the calendar '{lane.calendar}', which is not there; {_known(scenario.calendars)}.",
            )


def unknown_product(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Demand, supplies and stock name products of the scenario."""
    for demand in scenario.demand.values():
        if demand.product not in scenario.products:
            yield (
                demand.place.line,
                f"There is demand for '{demand.product}', which is no product; {_known(scenario.products)}.",
            )
    for plan in scenario.products.values():
        for supply in plan.supplies:
            if supply.product not in scenario.products:
                yield (
                    plan.place.line,
                    f"{plan.name} needs {supply.material} from '{supply.product}', which is no product; {_known(scenario.products)}.",
                )
    for site in scenario.sites.values():
        for item in site.stock.values():
            if item.made_by and item.made_by not in scenario.products:
                yield (
                    item.place.line,
                    f"{item.material} is made by '{item.made_by}', which is no product; {_known(scenario.products)}.",
                )


def unknown_part(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Units name suites, upkeep names units, methods name instruments, products name stores of their site."""
    for site in scenario.sites.values():
        for group in site.units.values():
            if group.suite and group.suite not in site.suites:
                yield (
                    group.place.line,
                    f"{group.name} stands in the suite '{group.suite}', which {site.name} has not; {_known(site.suites)}.",
                )
        for plan in site.upkeep.values():
            for name in plan.units or ("",):
                if name not in site.units:
                    yield (
                        plan.place.line,
                        f"The upkeep '{plan.name}' is of the units '{name}', which {site.name} has not; {_known(site.units)}.",
                    )
        for method in site.laboratory.methods.values() if site.laboratory else ():
            if method.instrument and site.laboratory and method.instrument not in site.laboratory.instruments:
                yield (
                    method.place.line,
                    f"The method '{method.name}' needs the instrument '{method.instrument}', which the laboratory has not; {_known(site.laboratory.instruments)}.",
                )
    for product in scenario.products.values():
        for site in _sites(scenario, product):
            if product.store and product.store not in site.stores:
                yield (
                    product.place.line,
                    f"{product.name} is kept in the store '{product.store}', which {site.name} has not; {_known(site.stores)}.",
                )


def unknown_test(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Tests and outcomes are of samples of the recipe, by methods of the laboratory."""
    for plan in scenario.products.values():
        recipe = recipes.get(plan.recipe)
        if recipe is None:
            continue
        named = [(plan.place.line, sample) for sample in plan.tests]
        named += [(rule.place.line, rule.sample) for rule in plan.outcomes if rule.sample]
        for line, sample in named:
            if sample not in recipe.samples:
                yield line, f"The recipe of {plan.name} has no sample '{sample}'; {_known(recipe.samples)}."
        for rule in plan.outcomes:
            tests = recipe.samples[rule.sample].tests if rule.sample in recipe.samples else {}
            if rule.of == "result" and tests and rule.name not in tests:
                yield (
                    rule.place.line,
                    f"The sample '{rule.sample}' of {plan.name} has no result '{rule.name}'; {_known(tests)}.",
                )
        for site in _sites(scenario, plan):
            laboratory = _laboratory(scenario, site)
            for sample, methods in plan.tests.items():
                for method in methods:
                    if laboratory is None or method not in laboratory:
                        yield (
                            plan.place.line,
                            f"The sample '{sample}' of {plan.name} is tested by '{method}', which the laboratory of {site.name} has not; {_known(laboratory or ())}.",
                        )


def unknown_phase(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Rules of work, outcomes and failures name phases that the recipe uses."""
    for plan in scenario.products.values():
        recipe = recipes.get(plan.recipe)
        used = {each.phase for each in _calls(recipe)} if recipe else set[str]()
        for rule in (*plan.work, *plan.outcomes, *plan.failures):
            if recipe and rule.phase and rule.phase not in used:
                yield (
                    rule.place.line,
                    f"A rule of {plan.name} is for the phase '{rule.phase}', which its recipe does not use; {_known(used)}.",
                )


# -- meaning -------------------------------------------------------------------------------------


def unit_class(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Each site that makes a product has a unit of every class its recipe needs."""
    for plan in scenario.products.values():
        for site in _sites(scenario, plan):
            for role, wanted in recipes[plan.recipe].units.items():
                if not any(accepts(wanted, group.unit_class) for group in site.units.values()):
                    yield (
                        plan.place.line,
                        f"The recipe of {plan.name} needs a unit of class {wanted} ({role}), and {site.name} has none; add it to the 'units' of {site.name}, or take the site out of 'made_at'.",
                    )


def work_time(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """A rule without phase, path and name says how long each kind of step takes that people or devices do."""
    for plan in scenario.products.values():
        general = {rule.step for rule in plan.work if not (rule.phase or rule.path or rule.name or rule.role)}
        if "" in general:
            continue
        for kind in _kinds(recipes[plan.recipe]):
            if kind not in general:
                yield (
                    plan.place.line,
                    f"Nothing says how long a step {kind} of {plan.name} takes where no narrower rule fits; add '{{step: {kind}, takes: …}}' at the end of its 'work'.",
                )


def no_people(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Each site has, at once, the people with the role and skill that work there needs."""
    for line, site, what, work in _works(scenario):
        need, found = work.need, _people(site, work.need)
        if found < need.people:
            skill = f" with the skill {need.skill}" if need.skill else ""
            yield (
                line,
                f"{what} needs {need.people} people of role {need.role}{skill} at once, and {site.name} has {found}; add people or change the work.",
            )


def fits_no_shift(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Work that begins only if it can be finished fits into some shift of its people."""
    longest = {name: _compiled(scenario, name).longest for name in scenario.calendars}
    for line, site, what, work in _works(scenario):
        if work.at_shift_end != "fits" or not work.need.people:
            continue
        groups = [each for each in site.people.values() if _does(each.role, each.skills, work.need)]
        shift = max((longest[each.calendar] for each in groups), default=inf)
        if work.takes.sample(0.0) > shift:
            yield (
                line,
                f"{what} takes at least {work.takes.sample(0.0) / 3600:.3g} h and must fit into a shift, and the longest stretch of its people is {shift / 3600:.3g} h; change the shifts, or 'at_shift_end'.",
            )


def no_lane(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Every clinic that orders a product reaches a site that makes it, there and back."""
    ways = {(lane.source, lane.target) for lane in scenario.lanes}
    ways |= {(lane.target, lane.source) for lane in scenario.lanes if lane.both_ways}
    for demand in scenario.demand.values():
        plan = scenario.products[demand.product]
        out = recipes[plan.recipe].product.kind == "autologous"
        for clinic in demand.clinics:
            reached = [
                site for site in plan.made_at
                if clinic == site or ((site, clinic) in ways and (not out or (clinic, site) in ways))
            ]  # fmt: skip
            if not reached:
                yield (
                    demand.place.line,
                    f"No lane joins {clinic} to a site that makes {plan.name} ({', '.join(plan.made_at)}); add it to 'lanes'.",
                )


def no_order(scenario: Scenario, recipes: Recipes) -> Iterator[Flaw]:
    """Stock is ordered in amounts above zero, and each product is ordered by somebody."""
    for site in scenario.sites.values():
        for item in site.stock.values():
            if item.order <= 0:
                yield (
                    item.place.line,
                    f"{item.material} of {site.name} is ordered in amounts of 0, so that it would never come; give 'order' a value above zero.",
                )
    used = {*scenario.demand}
    used |= {supply.product for plan in scenario.products.values() for supply in plan.supplies}
    used |= {item.made_by for site in scenario.sites.values() for item in site.stock.values()}
    for plan in scenario.products.values():
        if plan.name not in used:
            yield plan.place.line, f"Nobody orders {plan.name}; give it a 'demand', or take it away."


NAMES: tuple[Rule, ...] = (
    Rule("unknown-recipe", unknown_recipe),
    Rule("unknown-place", unknown_place),
    Rule("unknown-calendar", unknown_calendar),
    Rule("unknown-product", unknown_product),
    Rule("unknown-part", unknown_part),
    Rule("unknown-test", unknown_test),
    Rule("unknown-phase", unknown_phase),
)
MEANING: tuple[Rule, ...] = (
    Rule("unit-class", unit_class),
    Rule("work-time", work_time),
    Rule("no-people", no_people),
    Rule("fits-no-shift", fits_no_shift),
    Rule("no-lane", no_lane),
    Rule("no-order", no_order),
)
RULES = (*NAMES, *MEANING)
CAPACITY = "Demand does not exceed what the units, people, stores, instruments and slots can ever do."


# -- helpers -------------------------------------------------------------------------------------


def _known(names: "Mapping[str, object] | set[str] | tuple[str, ...]") -> str:
    return f"there are {', '.join(sorted(names))}" if names else "there is none"


def _sites(scenario: Scenario, plan: ProductPlan) -> list[Site]:
    return [scenario.sites[name] for name in plan.made_at if name in scenario.sites]


def _laboratory(scenario: Scenario, site: Site) -> "Mapping[str, object] | None":
    found = site.laboratory
    if found and found.at:
        there = scenario.sites.get(found.at)
        found = there.laboratory if there else None
    return found.methods if found else None


def _calls(recipe: Recipe) -> Iterator[PhaseCall]:
    return (node for node in nodes(recipe.procedure) if isinstance(node, PhaseCall))


def _kinds(recipe: Recipe) -> list[str]:
    found = {"Ask", "Decide", "Scan", "Sign"}
    for call in _calls(recipe):
        phase = PHASES.get((call.phase, call.version))
        if phase is None:
            continue
        found |= {"Consume"} if phase.consumes else set()
        found |= {"Sample"} if phase.samples and phase.name != "measure" else set()
        found |= {"Label"} if phase.labels else set()
        found |= {"Program" if each.startswith("program:") else "Do" for each in phase.does}
    return sorted(found)


def _works(scenario: Scenario) -> Iterator[tuple[int, Site, str, Work]]:
    """Every piece of work with the line, the site and a name for a sentence."""
    for plan in scenario.products.values():
        for site in _sites(scenario, plan):
            for rule in plan.work:
                what = f"The step {rule.step or 'of any kind'} of {plan.name}"
                need = rule.work.need
                role = need.role or rule.role or "operator"
                yield (
                    rule.place.line,
                    site,
                    what,
                    Work(rule.work.takes, Need(role, need.people, need.skill), rule.work.at_shift_end),
                )
            for name, work in (("review", plan.release.review), ("certification", plan.release.certify)):
                if work:
                    yield plan.place.line, site, f"The {name} of {plan.name}", work
    for site in scenario.sites.values():
        yield from ((line, site, what, work) for line, what, work in _site_works(site))


def _site_works(site: Site) -> Iterator[tuple[int, str, Work]]:
    for group in site.units.values():
        change = group.changeover
        for what, work in (
            ("Cleaning", group.cleaning and group.cleaning.work),
            ("Clearance", change.batch),
            ("The change of product", change.product),
        ):
            if work:
                yield group.place.line, f"{what} of {group.name}", work
        if group.breakdown and group.breakdown.need:
            yield (
                group.place.line,
                f"Repair of {group.name}",
                Work(group.breakdown.repair, group.breakdown.need),
            )
    for plan in site.upkeep.values():
        yield plan.place.line, f"The upkeep '{plan.name}'", plan.work
    for method in site.laboratory.methods.values() if site.laboratory else ():
        if method.work:
            yield method.place.line, f"The method '{method.name}'", method.work


def _does(role: str, skills: tuple[str, ...], need: Need) -> bool:
    return role == need.role and (not need.skill or need.skill in skills)


def _people(site: Site, need: Need) -> int:
    return sum(group.count for group in site.people.values() if _does(group.role, group.skills, need))


def _compiled(scenario: Scenario, name: str) -> WorkTime:
    return compile_calendar(scenario.calendars[name], scenario.horizon)


__all__ = ["CAPACITY", "READING", "RULES", "Finding", "check", "format", "refuse"]
