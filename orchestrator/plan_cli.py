"""`kweek simulate`: the planner's commands. What they do is in `simulations/`; here are words and files.

Replications run in worker processes (`--jobs`), so that no plan shares a process with drivers or servers.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from orchestrator.sentences import sentences

if TYPE_CHECKING:
    from simulations.experiment import Experiment, Result
    from simulations.planned import Planned
    from simulations.selection import Level
    from simulations.statistics import Precision


class RunByDefault(TyperGroup):
    """`kweek simulate SCENARIO` runs it; the other commands are named."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # pyright: ignore[reportIncompatibleMethodOverride] typer's Context is click's
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=RunByDefault, no_args_is_help=True, help="Plan: simulate a scenario (`kweek simulate cart-hospital`), compare, sweep, optimise."
)  # fmt: skip

Replications = Annotated[int, typer.Option(help="How many; fewer are only a glance.", min=1, max=100_000)]
Precise = Annotated[
    str,
    typer.Option("--precision", help="As many as needed: 'MEASURE=5%' (several with commas), at most 500."),
]
Seed = Annotated[int, typer.Option(help="Of the random numbers; the same seed gives the same result.", min=0)]
Jobs = Annotated[int, typer.Option(help="Processes; 0: one for each core.", min=0, max=1024)]
Dask = Annotated[str, typer.Option("--cluster", help="Dask scheduler, such as tcp://planner:8786.")]
Out = Annotated[Path, typer.Option(help="Folder for the results; a run that was stopped goes on there.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Measures = Annotated[list[str] | None, typer.Option("--measure", help="Name of a measure; may be repeated.")]
Vary = Annotated[
    list[str], typer.Option("--vary", help="PATH=4..16, PATH=4..16..2 or PATH=a,b; may be repeated.")
]
OUT = Path("plan-out")


@app.command("run")
def run(
    scenario: str, replications: Replications = 30, precision: Precise = "", seed: Seed = 1, jobs: Jobs = 0,
    cluster: Dask = "", out: Out = OUT, json_: Json = False,
) -> None:  # fmt: skip
    """Simulate a scenario; leaves JSON, CSV and an HTML report."""
    with sentences():
        from simulations.planned import load
        from simulations.report import files

        planned = load(scenario)
        folder = out / planned.name
        with _experiment(replications, precision, seed, jobs, cluster, folder) as experiment:
            result = experiment.run(planned.model)
        written = files.write_run(planned, result, folder)
        if json_:
            typer.echo(json.dumps(files.summary(planned, result), indent=1, sort_keys=True))
        else:
            _say(planned, result, written)


@app.command("compare")
def compare(
    scenarios: list[str], measure: Measures = None, replications: Replications = 30, seed: Seed = 1, jobs: Jobs = 0,
    cluster: Dask = "", out: Out = OUT, json_: Json = False,
) -> None:  # fmt: skip
    """Compare scenarios with the first one: differences in pairs, with the same random numbers."""
    with sentences():
        from simulations.experiment import compare as in_pairs
        from simulations.planned import load
        from simulations.report import files
        from simulations.report.words import ranged, title

        planned = {each.name: each for each in map(load, scenarios)}
        with _experiment(replications, "", seed, jobs, cluster, out / "runs") as experiment:
            results = {name: experiment.run(each.model) for name, each in planned.items()}
        found = in_pairs(results, measure or [])
        folder = out / "-".join(planned)
        written = files.write_comparison(planned, results, found, folder)
        if json_:
            typer.echo((folder / "results.json").read_text(), nl=False)
            return
        for other, measured in found.differences.items():
            typer.echo(f"{other} less {found.base}:")
            for name, pair in measured.items():
                if measure or not pair.difference.holds(0.0):
                    typer.echo(f"  {title(name):<60} {ranged(name, pair.difference)}")
        typer.echo(_written(written))


@app.command("sweep")
def sweep(
    scenario: str, vary: Vary, measure: Measures = None, replications: Replications = 30, seed: Seed = 1,
    jobs: Jobs = 0, cluster: Dask = "", out: Out = OUT, json_: Json = False,
) -> None:  # fmt: skip
    """Run every combination of varied figures, with the same random numbers."""
    with sentences():
        from simulations.planned import load
        from simulations.report import files

        planned = load(scenario)
        points, refused = _points(planned, vary)
        with _experiment(replications, "", seed, jobs, cluster, out / "runs") as experiment:
            results = {point: experiment.run(each.model) for point, each in points.items()}
        names = _names(results, measure)
        folder = out / f"{planned.name}-sweep"
        written = files.write_sweep(planned, results, names, refused, folder)
        _say_points(results, names, refused, folder, written, json_)


@app.command("optimise")
def optimise(
    scenario: str, vary: Vary,
    goal: Annotated[str, typer.Option(help="The service level: 'vein_to_vein.cart.p90 <= 28 day'.")],
    cost: Annotated[str, typer.Option(help="The measure that says what is cheap.")] = "cost.total",
    tolerance: Annotated[float, typer.Option(help="Share of the level within which it may be decided either way.")] = 0.02,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999)] = 0.95,
    seed: Seed = 1, jobs: Jobs = 0, cluster: Dask = "", out: Out = OUT, json_: Json = False,
) -> None:  # fmt: skip
    """Find the cheapest plant that meets a service level, and say how sure that is."""
    with sentences():
        from simulations.planned import load
        from simulations.report import files
        from simulations.report.words import ranged
        from simulations.selection import cheapest

        planned = load(scenario)
        points, refused = _points(planned, vary)
        level = _level(goal, tolerance)
        with _experiment(10, "", seed, jobs, cluster, out / "runs") as experiment:
            results = {point: experiment.run(each.model) for point, each in points.items()}
            costs = {point: result.interval(cost).estimate for point, result in results.items()}
            models = {point: each.model for point, each in points.items()}
            chosen = cheapest(models, costs, level, experiment, confidence=confidence)
        sure = (
            f"with {confidence:.0%} confidence"
            if chosen.sure
            else "so far; the limit of replications came first"
        )
        said = (
            f"The cheapest that meets {goal}: {chosen.name} ({cost} {costs[chosen.name]:,.0f}), {sure}."
            if chosen.name
            else f"None of {len(points)} points meets {goal}, {sure}."
        )
        folder = out / f"{planned.name}-optimise"
        written = files.write_sweep(planned, results, [level.measure, cost], refused, folder, said)
        if json_:
            content = {
                "chosen": chosen.name,
                "sure": chosen.sure,
                "confidence": confidence,
                "cost": costs,
                "out": dict(chosen.out),
            }
            typer.echo(json.dumps(content, indent=1, sort_keys=True))
            return
        for point, why in (*chosen.out.items(), *refused.items()):
            typer.echo(f"  {point}: {why}")
        for point, found in chosen.estimates.items():
            typer.echo(
                f"  {point}: {ranged(level.measure, found)} after {chosen.replications[point]} replications"
            )
        typer.echo(said)
        typer.echo(_written(written))


@app.command("check")
def check(files: list[str], json_: Json = False) -> None:
    """Check scenario files: every finding with file, line, rule and a sentence. Exit 1 on errors."""
    with sentences():
        from batches.findings import format
        from simulations.planned import load
        from simulations.scenario import ScenarioError

        found = []
        for file in files:
            try:
                found += load(file).warnings
            except ScenarioError as error:
                found += error.findings
        if json_:
            rows = [
                {
                    "file": f.file,
                    "line": f.line,
                    "rule": f.rule,
                    "severity": f.severity,
                    "sentence": f.sentence,
                }
                for f in found
            ]
            typer.echo(json.dumps(rows, indent=1))
        else:
            for finding in found:
                typer.echo(format(finding))
            typer.echo(
                f"{len(files)} scenario{'s' if len(files) != 1 else ''} checked, {len(found)} finding(s)."
            )
        raise typer.Exit(any(finding.severity == "error" for finding in found))


@app.command("list")
def list_(json_: Json = False) -> None:
    """The scenarios that come with Kweek."""
    with sentences():
        from simulations.planned import load
        from simulations.scenario_reader import SCENARIOS

        rows = [load(path.stem) for path in sorted(SCENARIOS.glob("*.yaml"))]
        if json_:
            typer.echo(
                json.dumps(
                    [{"scenario": each.name, "title": each.title, "key": each.model.key} for each in rows],
                    indent=1,
                )
            )
        else:
            for each in rows:
                typer.echo(f"{each.name:<20} {each.title}")


# --- helpers ------------------------------------------------------------------------------------------


@contextmanager
def _experiment(
    replications: int, precision: str, seed: int, jobs: int, cluster: str, folder: Path
) -> "Iterator[Experiment]":
    """The experiment as asked, with a bar of progress on standard error. Ctrl-C keeps what is finished."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from simulations.experiment import Cancelled, Experiment
    from simulations.workers import choose

    columns = (TextColumn("replications"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("run", total=None)
        experiment = Experiment(
            seed=seed, count=replications, precision=_precision(precision),
            workers=choose(jobs or os.cpu_count() or 1, cluster), folder=folder / "replications",
            progress=lambda done, wanted: bar.update(task, completed=done, total=wanted),
        )  # fmt: skip
        try:
            yield experiment
        except KeyboardInterrupt:
            raise Cancelled(
                "Stopped; what was finished is kept, and the same command goes on from there."
            ) from None


def _precision(text: str) -> "Precision | None":
    """'MEASURE=5%', several with commas and one width. Raises BadInput."""
    from batches.errors import BadInput
    from simulations.statistics import Precision

    if not text:
        return None
    pairs = [each.partition("=") for each in text.split(",")]
    widths = {_number(width) for _, equals, width in pairs if equals}
    if not all(name and equals for name, equals, _ in pairs) or len(widths) != 1:
        raise BadInput(
            f"The precision '{text}' is not clear; write MEASURE=5%, several with commas and one width."
        )
    return Precision(tuple(name.strip() for name, _, _ in pairs), relative=widths.pop(), most=500)


def _level(goal: str, tolerance: float) -> "Level":
    """'MEASURE <= VALUE' or '>='. Raises BadInput."""
    from batches.errors import BadInput
    from simulations.selection import Level

    for sign, at_least in (("<=", False), (">=", True)):
        measure, found, value = goal.partition(sign)
        if found:
            bound = _number(value.strip())
            return Level(measure.strip(), bound, at_least, abs(bound) * tolerance or tolerance)
    raise BadInput(f"The goal '{goal}' compares nothing; write 'MEASURE <= VALUE' or 'MEASURE >= VALUE'.")


def _number(text: str) -> float:
    """A time in seconds, a share from per cent, or a plain number. Raises BadInput."""
    from batches.quantities import duration, parse

    try:
        return float(text)
    except ValueError:
        pass
    if text.endswith("%"):
        return _number(text[:-1].strip()) / 100
    return duration(parse(text)).total_seconds()


def _points(planned: "Planned", vary: Sequence[str]) -> "tuple[dict[str, Planned], dict[str, str]]":
    """The points of a sweep, and those that the checks refuse, with the reason."""
    from simulations.planned import points
    from simulations.scenario import ScenarioError

    found: dict[str, Planned] = {}
    refused: dict[str, str] = {}
    for name, changes in points(vary).items():
        try:
            found[name] = planned.varied(changes)
        except ScenarioError as error:
            if any(finding.rule not in ("capacity", "overload") for finding in error.findings):
                raise
            refused[name] = error.findings[0].sentence
    if not found:
        raise ScenarioError(f"No point can be run: {next(iter(refused.values()))}")
    return found, refused


def _names(results: "Mapping[str, Result]", asked: Sequence[str] | None) -> list[str]:
    """The measures to show: those asked for (they must be there), else the headlines."""
    from simulations.report.page import HEADLINES

    first = next(iter(results.values()))
    for name in asked or ():
        first.by_replication(name)
    return list(asked or [name for name in first.names if name.startswith(HEADLINES)])


def _say(planned: "Planned", result: "Result", written: Sequence[Path]) -> None:
    from batches.findings import format
    from simulations.report.page import HEADLINES
    from simulations.report.words import ranged, title

    typer.echo(f"{planned.title}: {len(result.replications)} replications, seed {result.seed}.")
    for name, found in result.intervals().items():
        if name.startswith((*HEADLINES, "utilisation.", "fate.")):
            typer.echo(f"  {title(name):<60} {ranged(name, found)}")
    if not result.precise:
        typer.echo("The precision asked for was not reached; the intervals above are what there is.")
    for sentence in (*result.stopped, *(format(each) for each in planned.warnings)):
        typer.echo(sentence)
    assumed = sum(each.assumed for each in planned.figures)
    typer.echo(f"It rests on {len(planned.figures)} figures, {assumed} of them assumed.")
    typer.echo(_written(written))


def _say_points(
    results: "Mapping[str, Result]", names: Sequence[str], refused: Mapping[str, str], folder: Path,
    written: Sequence[Path], json_: bool,
) -> None:  # fmt: skip
    from simulations.report.words import ranged, title

    if json_:
        typer.echo((folder / "results.json").read_text(), nl=False)
        return
    for name in names:
        typer.echo(title(name))
        for point, result in results.items():
            if name in result.names:
                typer.echo(f"  {point:<40} {ranged(name, result.interval(name))}")
    for point, why in refused.items():
        typer.echo(f"{point} cannot be run: {why}")
    typer.echo(_written(written))


def _written(written: Sequence[Path]) -> str:
    return f"Report: {written[-1]}; files beside it: {', '.join(path.name for path in written[:-1])}."
