"""Whether demand exceeds capacity for ever, as far as sums can tell it without a run.

Each bound is on the safe side: it counts only time that a batch is sure to take, so that a plant it
refuses is overrun for certain. What it lets pass may still be too small: the run shows that.
"""

from collections.abc import Iterator, Mapping
from math import inf

from batches.allocation import accepts
from batches.phases import PHASES
from batches.recipe import Choice, Node, Parallel, PhaseCall, Recipe, UnitProcedure, children
from simulations.calendars import compile_calendar
from simulations.demand import rate
from simulations.scenario import Demand, Laboratory, ProductPlan, Scenario, Work

DAY, WEEK = 86400.0, 7 * 86400.0
Overload = tuple[int, str, bool]
"""Line, sentence, and whether the queue is bounded all the same, because all patients leave in the end."""


def overloads(scenario: Scenario, recipes: Mapping[str, Recipe]) -> Iterator[Overload]:
    """Everything that demand exceeds for ever."""
    yield from _slots(scenario)
    yield from _units(scenario, recipes)
    yield from _people(scenario, recipes)
    yield from _stores(scenario)
    yield from _instruments(scenario)


def starts(scenario: Scenario, product: str) -> float:
    """Batches per second that are begun in the long run: the orders, or the slots where these are fewer,
    and what other products and stocks ask for."""
    demand = scenario.demand.get(product)
    found = 0.0
    if demand is not None:
        found = min(rate(demand), _offered(demand)) * (1 - demand.cancelled)
    for plan in scenario.products.values():
        found += sum(starts(scenario, plan.name) * supply.count for supply in plan.supplies if supply.product == product and plan.name != product)  # fmt: skip
    return found


def _offered(demand: Demand) -> float:
    return inf if demand.slots is None else len(demand.slots.days) * demand.slots.count / WEEK


def _leave(demand: Demand | None) -> bool:
    """Whether every patient leaves the queue in the end."""
    return (
        demand is not None
        and bool(demand.classes)
        and all(each.patience for each in demand.classes if each.share)
    )


def _bounded(scenario: Scenario, plans: "list[ProductPlan]") -> bool:
    return all(_leave(scenario.demand.get(plan.name)) for plan in plans)


def _slots(scenario: Scenario) -> Iterator[Overload]:
    for demand in scenario.demand.values():
        wanted, offered = rate(demand) * WEEK, _offered(demand) * WEEK
        if wanted > offered:
            yield demand.place.line, f"{wanted:.3g} orders for {demand.product} come each week and {offered:.3g} slots are offered: the wait for a slot would grow for ever; offer more slots, or lower the demand.", _leave(demand)  # fmt: skip


# -- units ---------------------------------------------------------------------------------------


def _units(scenario: Scenario, recipes: Mapping[str, Recipe]) -> Iterator[Overload]:
    for wanted in sorted(
        {each for plan in scenario.products.values() for each in recipes[plan.recipe].units.values()}
    ):
        plans = [plan for plan in scenario.products.values() if occupied(plan, recipes[plan.recipe], wanted)]
        sites = {site for plan in plans for site in plan.made_at}
        count = sum(
            group.count * max(1, group.positions)
            for site in sites
            for group in scenario.sites[site].units.values()
            if accepts(wanted, group.unit_class)
        )
        needed = sum(
            starts(scenario, plan.name) * occupied(plan, recipes[plan.recipe], wanted) for plan in plans
        )
        if needed > count:
            sums = " and ".join(
                f"{starts(scenario, plan.name) * WEEK:.3g} batches of {plan.name} a week, each at least {occupied(plan, recipes[plan.recipe], wanted) / DAY:.3g} days in it"
                for plan in plans
            )
            yield plans[0].place.line, f"Demand needs {needed:.3g} units of class {wanted} day and night ({sums}), and there are {count}: the queue would grow for ever; add units, or lower the demand.", _bounded(scenario, plans)  # fmt: skip


def occupied(plan: ProductPlan, recipe: Recipe, unit_class: str) -> float:
    """The least time in seconds that one batch holds units of this very class. `batch_time` of the plan
    stands for the classes that are held longest."""
    by_class: dict[str, float] = {}
    for role, each in recipe.units.items():
        by_class[each] = by_class.get(each, 0.0) + _least(recipe.procedure, role)
    found = by_class.get(unit_class, 0.0)
    if plan.batch_time is not None and by_class and found == max(by_class.values()):
        return max(found, plan.batch_time.sample(0.0))
    return found


def _least(body: tuple[Node, ...], role: str) -> float:
    """A batch keeps a unit until no later part needs its role: what lies between counts too."""
    used = [number for number, node in enumerate(body) if _uses(node, role)]
    if not used:
        return 0.0
    ends = sum(_least_of(body[number], role) for number in {used[0], used[-1]})
    return ends + sum(map(_lasts, body[used[0] + 1 : used[-1]]))


def _uses(node: Node, role: str) -> bool:
    """Whether every batch that comes here uses the role."""
    match node:
        case UnitProcedure():
            return role in (node.unit, *node.also)
        case Choice():
            return all(any(_uses(each, role) for each in body) for _, body in node.options)
        case _:
            return any(_uses(each, role) for each in children(node))


def _least_of(node: Node, role: str) -> float:
    match node:
        case UnitProcedure():
            return sum(map(_lasts, node.body))
        case Parallel():
            return max((_least(branch, role) for branch in node.branches), default=0.0)
        case Choice():
            return min((_least(body, role) for _, body in node.options), default=0.0)
        case _:
            return _least(children(node), role)


def _lasts(node: Node) -> float:
    """The least time of a part of a unit procedure: what its phases declare."""
    match node:
        case PhaseCall():
            phase = PHASES.get((node.phase, node.version))
            given = {
                name: value
                for name, value in node.parameters.items()
                if not (isinstance(value, str) and "$" in value)
            }
            least = phase.duration(given)[0] if phase else None
            return least or 0.0
        case Parallel():
            return max((sum(map(_lasts, branch)) for branch in node.branches), default=0.0)
        case Choice():
            return min((sum(map(_lasts, body)) for _, body in node.options), default=0.0)
        case _:
            return sum(map(_lasts, children(node)))


# -- people --------------------------------------------------------------------------------------


def _people(scenario: Scenario, recipes: Mapping[str, Recipe]) -> Iterator[Overload]:
    """By role, over all sites that share the work of the products made there."""
    hours = {name: _hours(scenario, name) for name in scenario.calendars}
    for role in sorted({group.role for site in scenario.sites.values() for group in site.people.values()}):
        plans = list(scenario.products.values())
        sites = [scenario.sites[name] for name in sorted({site for plan in plans for site in plan.made_at})]
        there = sum(
            group.count * hours[group.calendar] * (1 - group.absence)
            for site in sites
            for group in site.people.values()
            if group.role == role
        )
        each = {plan.name: by_hand(plan, recipes[plan.recipe], role) for plan in plans}
        needed = sum(starts(scenario, name) * seconds for name, seconds in each.items())
        if needed > there:
            sums = " and ".join(
                f"{starts(scenario, name) * WEEK:.3g} batches of {name} a week, each at least {seconds / 3600:.3g} h of their work"
                for name, seconds in each.items()
                if seconds
            )
            yield plans[0].place.line, f"Demand needs {needed * WEEK / 3600:.3g} hours of people of role {role} a week ({sums}), and their shifts have {there * WEEK / 3600:.3g}: work would wait ever longer; add people or shifts, or lower the demand.", _bounded(scenario, plans)  # fmt: skip


def _hours(scenario: Scenario, calendar: str) -> float:
    """The share of all time that a calendar is open."""
    time = compile_calendar(scenario.calendars[calendar], scenario.horizon)
    end = time.ends[-1] if time.ends else 1.0
    return time.worked(0.0, end) / end


def by_hand(plan: ProductPlan, recipe: Recipe, role: str) -> float:
    """The least work in person-seconds by people of a role on one batch: what the phases of the recipe
    declare that they consume, sample, label and clear, by the shortest rule for such a step, and release."""
    found = _release(plan, role)
    if role == "operator":
        found += sum(_phase_work(plan, node) for node in _sure(recipe.procedure))
    return found


def _release(plan: ProductPlan, role: str) -> float:
    works = (plan.release.review, plan.release.certify)
    return sum(work.takes.mean * work.need.people for work in works if work and work.need.role == role)


def _sure(body: tuple[Node, ...]) -> Iterator[PhaseCall]:
    """The phases that every batch runs."""
    for node in body:
        if isinstance(node, PhaseCall):
            yield node
        elif not isinstance(node, Choice):
            yield from _sure(children(node))


def _phase_work(plan: ProductPlan, node: PhaseCall) -> float:
    phase = PHASES.get((node.phase, node.version))
    if phase is None:
        return 0.0
    consumed = sum(name in node.parameters for name in phase.consumes)
    steps = {"Consume": consumed, "Sample": len(phase.samples) if phase.name != "measure" else 0}
    steps |= {"Ask": int(phase.clears_line), "Label": int(phase.labels)}
    return sum(count * _shortest(plan, kind, node.phase) for kind, count in steps.items() if count)


def _shortest(plan: ProductPlan, kind: str, phase: str) -> float:
    """The least work a rule gives to steps of a kind in a phase, if operators do it."""
    fitting = [rule for rule in plan.work if rule.step in ("", kind) and rule.phase in ("", phase)]
    if any(rule.work.need.role not in ("", "operator") for rule in fitting):
        return 0.0
    return min((_work(rule.work) for rule in fitting), default=0.0)


def _work(work: Work) -> float:
    return work.takes.sample(0.0) * work.need.people


# -- stores --------------------------------------------------------------------------------------


def _stores(scenario: Scenario) -> Iterator[Overload]:
    for site in scenario.sites.values():
        for store in site.stores.values():
            plans = [
                plan
                for plan in scenario.products.values()
                if plan.store == store.name and plan.made_at == (site.name,)
            ]
            needed = sum(_kept(scenario, plan) for plan in plans)
            if needed > store.positions:
                yield store.place.line, f"The store {store.name} of {site.name} would need {needed:.3g} positions on average ({_shares(scenario, plans)}), and has {store.positions}: batches would wait for it ever longer; add positions, or send the batches on sooner.", False  # fmt: skip


def _kept(scenario: Scenario, plan: ProductPlan) -> float:
    stay = plan.stored_for.mean if plan.stored_for else 0.0
    return starts(scenario, plan.name) * plan.positions * stay


def _shares(scenario: Scenario, plans: "list[ProductPlan]") -> str:
    return " and ".join(
        f"{starts(scenario, plan.name) * WEEK:.3g} batches of {plan.name} a week, {plan.positions} positions each for {plan.stored_for.mean / DAY:.3g} days"
        for plan in plans
        if plan.stored_for
    )


# -- laboratory ----------------------------------------------------------------------------------


def _instruments(scenario: Scenario) -> Iterator[Overload]:
    for site in scenario.sites.values():
        laboratory = site.laboratory
        for name, count in laboratory.instruments.items() if laboratory and not laboratory.at else ():
            plans = [
                plan
                for plan in scenario.products.values()
                if all(_tested_at(scenario, each) == site.name for each in plan.made_at)
            ]
            used = {plan.name: _on_instrument(plan, laboratory, name) for plan in plans} if laboratory else {}
            needed = sum(starts(scenario, product) * seconds for product, seconds in used.items())
            if needed > count:
                sums = " and ".join(
                    f"{starts(scenario, product) * WEEK:.3g} batches of {product} a week, each at least {seconds / 3600:.3g} h on it"
                    for product, seconds in used.items()
                    if seconds
                )
                yield site.place.line, f"The laboratory of {site.name} would need {needed:.3g} of its instrument {name} day and night ({sums}), and has {count}: samples would wait ever longer; add instruments, or lower the demand.", _bounded(scenario, plans)  # fmt: skip


def _tested_at(scenario: Scenario, site: str) -> str:
    laboratory = scenario.sites[site].laboratory
    return (laboratory.at or site) if laboratory else ""


def _on_instrument(plan: ProductPlan, laboratory: Laboratory, instrument: str) -> float:
    """The least time of one batch on an instrument: each sample of the plan once."""
    methods = [
        laboratory.methods[name]
        for names in plan.tests.values()
        for name in names
        if name in laboratory.methods
    ]
    return sum(
        method.occupies.sample(0.0) / method.batch_of
        for method in methods
        if method.instrument == instrument and method.occupies
    )
