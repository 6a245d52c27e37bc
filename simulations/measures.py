"""What a replication measures while it runs: a few additions for each event, sums in a fixed order.

Time spans of units and people are kept by week; what happened to a batch is one row. Nothing before the
end of the warm-up counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import fsum

from simulations.model import Row
from simulations.scenario import Scenario

WEEK = 7 * 86400.0
YEAR = 365.25 * 86400.0
MOST_ROWS = 20_000
"""Rows kept of a Gantt; a run that makes more keeps the first."""


@dataclass(slots=True)
class Queue:
    """Waiting at one step for one thing."""

    count: int = 0
    total: float = 0.0
    longest: float = 0.0

    def add(self, waited: float) -> None:
        """One that waited so long."""
        self.count += 1
        self.total += waited
        self.longest = max(self.longest, waited)


@dataclass(slots=True)
class Ended:
    """What became of a batch. `began`: when it had its first units; `fate`: released, out of
    specification, or why it was lost."""

    batch: str
    product: str
    site: str
    asked: float
    began: float
    ended: float
    fate: str
    deviations: int


@dataclass(slots=True)
class Notes:
    """The notebook of one replication, from `start` to `end` (seconds)."""

    start: float
    end: float
    gantt: bool = False
    spans: dict[tuple[str, str, str], dict[int, float]] = field(
        default_factory=dict[tuple[str, str, str], dict[int, float]]
    )
    """Seconds by (what: busy, cleaning, down, upkeep, people; site; group) and week."""
    queues: dict[tuple[str, str, str], Queue] = field(default_factory=dict[tuple[str, str, str], Queue])
    """Waiting by (product, path, for what)."""
    batches: list[Ended] = field(default_factory=list[Ended])
    series: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    counts: dict[str, float] = field(default_factory=dict[str, float])
    rows: list[Row] = field(default_factory=list[Row])

    def span(self, what: str, site: str, group: str, many: int, start: float, end: float) -> None:
        """So many of a group were in a state from start to end."""
        start, end = max(start, self.start), min(end, self.end)
        if end <= start:
            return
        key = (what, site, group)
        weeks = self.spans.get(key)
        if weeks is None:
            weeks = self.spans[key] = {}
        first, last = int(start / WEEK), int(end / WEEK)
        if first == last:
            weeks[first] = weeks.get(first, 0.0) + many * (end - start)
            return
        for week in range(first, last + 1):
            part = min(end, (week + 1) * WEEK) - max(start, week * WEEK)
            weeks[week] = weeks.get(week, 0.0) + many * part

    def people(self, site: str, group: str, many: int, start: float, end: float) -> None:
        """Work that people did."""
        self.span("people", site, group, many, start, end)

    def waited(self, product: str, path: str, what: str, now: float, seconds: float) -> None:
        """A batch waited at a step."""
        if now < self.start:
            return
        key = (product, path, what)
        found = self.queues.get(key)
        if found is None:
            found = self.queues[key] = Queue()
        found.add(seconds)

    def output(self, name: str, value: float) -> None:
        """The next of a series; kept from the beginning, so that the warm-up can be found."""
        self.series.setdefault(name, []).append(value)

    def count(self, name: str, now: float, many: float = 1.0) -> None:
        """Something happened."""
        if self.start <= now <= self.end:
            self.counts[name] = self.counts.get(name, 0.0) + many

    def bar(self, batch: str, what: str, unit: str, start: float, end: float) -> None:
        """A bar of the Gantt."""
        if self.gantt and len(self.rows) < MOST_ROWS:
            self.rows.append({"batch": batch, "what": what, "unit": unit, "start": start, "end": end})


# --- what it comes to -----------------------------------------------------------------------------------


def measures(notes: Notes, scenario: Scenario, until: float) -> dict[str, float]:
    """One number by name, for what happened between the warm-up and `until`."""
    length = until - notes.start
    if length <= 0:
        return {}
    found: dict[str, float] = {}
    for product in scenario.products:
        ended = [each for each in notes.batches if each.product == product and each.ended >= notes.start]
        found |= _of_product(product, ended, length)
    found |= _utilisation(notes, scenario, length)
    found |= _queues(notes)
    found |= {name: notes.counts[name] for name in sorted(notes.counts)}
    found |= _costs(found, notes, scenario, length)
    return found


def _of_product(product: str, ended: list[Ended], length: float) -> dict[str, float]:
    if not ended:
        return {}
    good = [each for each in ended if each.fate == "released"]
    found = {
        f"batches.{product}": float(len(ended)),
        f"throughput.{product}": len(good) * YEAR / length,
        f"success.{product}": len(good) / len(ended),
        f"deviations.{product}": sum(each.deviations for each in ended) / len(ended),
    }
    for fate in sorted({each.fate for each in ended} - {"released"}):
        found[f"fate.{product}.{fate}"] = sum(each.fate == fate for each in ended) / len(ended)
    began = [each for each in ended if each.began >= 0]
    found |= spread(f"wait_to_start.{product}", [each.began - each.asked for each in began])
    return found | spread(f"making.{product}", [each.ended - each.began for each in began])


def spread(name: str, values: Iterable[float]) -> dict[str, float]:
    """Mean, median and 90th percentile (linear between order statistics) of values; nothing of none."""
    found = sorted(values)
    if not found:
        return {}
    return {
        f"{name}.mean": fsum(found) / len(found),
        f"{name}.median": _quantile(found, 0.5),
        f"{name}.p90": _quantile(found, 0.9),
    }


def _quantile(found: list[float], p: float) -> float:
    at = p * (len(found) - 1)
    low = int(at)
    high = min(low + 1, len(found) - 1)
    return found[low] + (at - low) * (found[high] - found[low])


def _utilisation(notes: Notes, scenario: Scenario, length: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for (what, site, group), weeks in sorted(notes.spans.items()):
        many, total = _capacity(scenario, what, site, group), fsum(weeks.values())
        kind = "people" if what == "people" else "unit"
        state = "utilisation" if what in ("people", "busy") else what
        found[f"{state}.{kind}.{site}/{group}"] = total / (many * length)
        if what == "people":
            found[f"hours.people.{site}/{group}"] = total / 3600
    return found | _suites(notes, scenario, length)


def _suites(notes: Notes, scenario: Scenario, length: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for site in scenario.sites.values():
        for suite in site.suites:
            groups = [group for group in site.units.values() if group.suite == suite]
            many = sum(group.count * (group.positions or 1) for group in groups)
            spans = [notes.spans.get(("busy", site.name, group.name), {}) for group in groups]
            total = fsum(seconds for weeks in spans for seconds in weeks.values())
            if many:
                found[f"utilisation.suite.{site.name}/{suite}"] = total / (many * length)
    return found


def _capacity(scenario: Scenario, what: str, site: str, group: str) -> int:
    if what == "people":
        return scenario.sites[site].people[group].count
    units = scenario.sites[site].units[group]
    return units.count * (units.positions or 1) if what == "busy" else units.count


def _queues(notes: Notes) -> dict[str, float]:
    found: dict[str, float] = {}
    for what in ("units", "people", "laboratory", "stock", "store"):
        queues = [queue for (_, _, thing), queue in sorted(notes.queues.items()) if thing == what]
        count = sum(queue.count for queue in queues)
        if count:
            found[f"queue.{what}.mean"] = fsum(queue.total for queue in queues) / count
    return found


def _costs(found: Mapping[str, float], notes: Notes, scenario: Scenario, length: float) -> dict[str, float]:
    """Cost a year, by what it is spent on; a cost per hour of people is per hour of work."""
    costs: dict[str, float] = {}
    for cost in scenario.costs:
        kind, _, name = cost.of.partition("/")
        many = _times(kind, name, cost.per, found, notes, scenario, length)
        costs[f"cost.{cost.of}"] = costs.get(f"cost.{cost.of}", 0.0) + cost.value * many
    if costs:
        costs["cost.total"] = fsum(costs.values())
        good = fsum(found.get(f"throughput.{product}", 0.0) for product in scenario.products)
        if good:
            costs["cost.per_released_batch"] = costs["cost.total"] / good
    return costs


def _times(
    kind: str,
    name: str,
    per: str,
    found: Mapping[str, float],
    notes: Notes,
    scenario: Scenario,
    length: float,
) -> float:
    """How often a cost falls due in a year."""
    a_year = YEAR / length
    if per == "hour":
        what = "people" if kind == "people" else "busy"
        spans = [
            weeks
            for (state, _, group), weeks in sorted(notes.spans.items())
            if (state, group) == (what, name)
        ]
        return fsum(seconds for weeks in spans for seconds in weeks.values()) / 3600 * a_year
    if per == "year":
        return float(_pieces(kind, name, scenario))
    if kind == "product" or (per == "batch" and kind != "product"):
        products = [name] if kind == "product" else list(scenario.products)
        return fsum(found.get(f"batches.{product}", 0.0) for product in products) * a_year
    return notes.counts.get(f"used.{kind}/{name}", 0.0) * a_year


def _pieces(kind: str, name: str, scenario: Scenario) -> int:
    sites = scenario.sites.values()
    if kind == "units":
        return sum(site.units[name].count for site in sites if name in site.units)
    if kind == "people":
        return sum(site.people[name].count for site in sites if name in site.people)
    return 1


def tables(notes: Notes, scenario: Scenario) -> dict[str, tuple[Row, ...]]:
    """The rows of each table; times in seconds, `share` of all of the group for the whole week."""
    return {
        "batches": tuple(_row(each) for each in notes.batches),
        "utilisation_by_week": tuple(
            {
                "what": what, "site": site, "group": group, "week": float(week), "seconds": seconds,
                "share": seconds / (WEEK * _capacity(scenario, what, site, group)),
            }
            for (what, site, group), weeks in sorted(notes.spans.items())
            for week, seconds in sorted(weeks.items())
        ),
        "queues_by_step": tuple(
            {
                "product": product, "path": path, "for": what, "count": float(queue.count),
                "mean": queue.total / queue.count, "longest": queue.longest,
            }
            for (product, path, what), queue in sorted(notes.queues.items())
        ),
        "gantt": tuple(notes.rows),
        "fates": tuple(_fates(notes)),
    }  # fmt: skip


def _row(each: Ended) -> Row:
    return {
        "batch": each.batch, "product": each.product, "site": each.site, "asked": each.asked,
        "began": each.began, "ended": each.ended, "fate": each.fate, "deviations": float(each.deviations),
    }  # fmt: skip


def _fates(notes: Notes) -> Iterable[Row]:
    counted: dict[tuple[str, str], int] = {}
    for each in notes.batches:
        if each.ended >= notes.start:
            counted[each.product, each.fate] = counted.get((each.product, each.fate), 0) + 1
    return [
        {"product": product, "fate": fate, "count": float(many)}
        for (product, fate), many in sorted(counted.items())
    ]
