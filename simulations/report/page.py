"""One self-contained HTML page: what was asked, what came out with its interval, and what it rests on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from batches.findings import format
from simulations.experiment import Comparison, Result
from simulations.model import MODEL_VERSION
from simulations.planned import Planned
from simulations.report import pictures
from simulations.report.words import quantity, ranged, title

HEADLINES = ("throughput.", "vein_to_vein.", "success.", "order_to_end.", "cost.per_released_batch", "wait.", "time_in_system.")  # fmt: skip
"""The measures that stand first, by how they begin."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, a line on it, pictures and a table."""

    title: str
    about: str = ""
    pictures: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = field(default=())

    @property
    def empty(self) -> bool:
        return not self.rows and not any(self.pictures)


def of_run(planned: Planned, result: Result) -> str:
    """The report of one scenario."""
    intervals = result.intervals()
    heads = [name for name in intervals if name.startswith(HEADLINES)]
    cards = [
        {"title": title(name), "value": quantity(name, intervals[name].estimate), "range": ranged(name, intervals[name])}
        for name in heads
        if name.endswith((".median", ".p90", "released_batch")) or name.startswith(("throughput.", "success."))
    ]  # fmt: skip
    sections = [
        _times(result),
        _lost(result),
        _used(result),
        _queues(result),
        Section("One replication", "Replication 0: a bar for each use of a unit by a batch.", (pictures.gantt(result),)),
        _warm_up(result),
        _every(result),
        _assumptions(planned),
    ]  # fmt: skip
    return _page(planned.title, _about(planned, result), _warnings(planned, result), cards, sections)


def of_comparison(
    planned: Mapping[str, Planned], results: Mapping[str, Result], comparison: Comparison
) -> str:
    """The report of a comparison: paired differences against the first scenario."""
    sections = [_difference(comparison.base, other, comparison) for other in comparison.differences]
    sections += [_assumptions(each) for each in planned.values()]
    first = next(iter(planned.values()))
    warnings = [text for name, each in planned.items() for text in _warnings(each, results[name])]
    about = f"{_about(first, results[comparison.base])} Differences are taken replication by replication, with the same random numbers."
    return _page(" against ".join(planned), about, warnings, [], sections)


def of_sweep(
    planned: Planned, results: Mapping[str, Result], measures: Sequence[str], refused: Mapping[str, str], said: str = ""
) -> str:  # fmt: skip
    """The report of a sweep or of a search: each measure at each point. `refused`: points that cannot be."""
    sections = [
        Section(
            title(name), "", (pictures.points(results, name),), ("point", "mean (95 % interval)"),
            tuple((point, ranged(name, result.interval(name))) for point, result in results.items() if name in result.names),
        )
        for name in measures
    ]  # fmt: skip
    cannot = Section("Points that cannot be run", "", (), ("point", "why"), tuple(refused.items()))
    some = next(iter(results.values()))
    warnings = ([said] if said else []) + [text for result in results.values() for text in result.stopped]
    about = f"{_about(planned, some)} Every point has the same random numbers."
    return _page(f"{planned.title}: sweep", about, warnings, [], [*sections, cannot, _assumptions(planned)])


def _difference(base: str, other: str, comparison: Comparison) -> Section:
    measured = comparison.differences[other]
    rows = tuple(
        (
            title(name), ranged(name, found.difference),
            "yes" if not found.difference.holds(0.0) else "not shown",
            "constant" if found.correlation is None else f"{found.correlation:.2f}{'' if found.synchronised else ' (lost)'}",
        )
        for name, found in measured.items()
    )  # fmt: skip
    columns = ("measure", f"{other} less {base} (interval)", "differs", "correlation")
    heads = {name: found for name, found in measured.items() if name.startswith(HEADLINES)}
    return Section(f"{other} against {base}", "", (pictures.differences(heads, base),), columns, rows)


def _times(result: Result) -> Section:
    names = sorted({name for each in result.replications for name in each.series if name.startswith(("vein_to_vein", "order_to_end", "making"))})  # fmt: skip
    return Section("How long it takes", "", tuple(pictures.spread(result, name) for name in names))


def _lost(result: Result) -> Section:
    names = [name for name in result.names if name.startswith("fate.")]
    rows = [(name, result.interval(name)) for name in names]
    rows.sort(key=lambda row: -row[1].estimate)
    return Section(
        "Why batches are lost",
        "Share of the batches that ended.",
        (pictures.bars([title(name) for name, _ in rows], [100 * found.estimate for _, found in rows], "%"),),
        ("fate", "share (95 % interval)"),
        tuple((title(name), ranged(name, found)) for name, found in rows),
    )


def _used(result: Result) -> Section:
    names = [
        name
        for name in result.names
        if name.startswith(("utilisation.", "busy.", "cleaning.", "down.", "upkeep."))
    ]
    return Section(
        "How much is in use",
        "Units: share of all time. People: share of all time, nights and week-ends included.",
        (pictures.heat_map(result),),
        ("what", "share (95 % interval)"),
        tuple((title(name), ranged(name, result.interval(name))) for name in names),
    )  # fmt: skip


def _queues(result: Result) -> Section:
    names = [name for name in result.names if name.startswith("queue.")]
    rows = tuple((title(name), ranged(name, result.interval(name))) for name in names)
    return Section(
        "Where work waits", "", (pictures.queue_bars(result),), ("for", "mean wait (95 % interval)"), rows
    )


def _warm_up(result: Result) -> Section:
    names = sorted({name for each in result.replications for name in each.series})
    drawn = tuple(
        pictures.warm_up(result, name)
        for name in names
        if name.startswith(("vein_to_vein", "time_in_system"))
    )
    about = "Outputs averaged over replications (Welch); what lies before the scenario's warm-up does not count in the figures above."
    return Section("Warm-up", about, drawn)  # fmt: skip


def _every(result: Result) -> Section:
    rows = tuple(
        (title(name), ranged(name, found), str(found.n), name) for name, found in result.intervals().items()
    )
    return Section("Every measure", "", (), ("measure", "mean (95 % interval)", "replications", "name"), rows)


def _assumptions(planned: Planned) -> Section:
    rows = tuple(
        (each.path, each.written, "assumed" if each.assumed else "sourced", f"{each.low} to {each.high}" if each.assumed else "", each.source)
        for each in planned.figures
    )  # fmt: skip
    assumed = sum(each.assumed for each in planned.figures)
    about = f"{len(rows)} figures, {assumed} of them assumed: replace these by your own before you decide on them."
    return Section(
        f"What {planned.name} rests on", about, (), ("figure", "value", "", "range", "source"), rows
    )


def _about(planned: Planned, result: Result) -> str:
    n = len(result.replications)
    precise = "" if result.precise else " The precision asked for was not reached."
    return f"Scenario {planned.name}, {n} replications with seed {result.seed}; intervals are 95 %.{precise}"


def _warnings(planned: Planned, result: Result) -> Iterator[str]:
    yield from result.stopped
    yield from (format(each) for each in planned.warnings)


def _page(
    heading: str, about: str, warnings: Iterable[str], cards: Sequence[Mapping[str, str]], sections: Iterable[Section]
) -> str:  # fmt: skip
    from jinja2 import Environment

    template = Environment(autoescape=True).from_string((Path(__file__).parent / "page.html.j2").read_text())
    made_by = f"Kweek {version('kweek')}, model version {MODEL_VERSION}, SimPy {version('simpy')}. A simulation is as good as its figures; see what it rests on."
    return template.render(
        heading=heading, about=about, warnings=list(warnings), cards=cards, made_by=made_by,
        sections=[each for each in sections if not each.empty],
    )  # fmt: skip
