"""Pictures of a result, as SVG text: the same bytes for the same result."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simulations.experiment import Result
from simulations.report.words import DAY, quantity, scale, title
from simulations.statistics import Paired, mean_of, welch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WEEK = 7 * DAY
_MOST_BARS = 3000
_COLOURS = ("#2b6f8a", "#d98032", "#6a9a3b", "#a4516b", "#7a6aa8", "#8c7b58", "#4a9c9c", "#b0a030")


def _draw(width: float, height: float, paint: "Callable[[Figure, Axes], None]") -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {"svg.hashsalt": "kweek", "svg.fonttype": "none", "font.size": 9, "font.family": "sans-serif"}  # fmt: skip
    with rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        paint(figure, axes)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()[out.getvalue().index("<svg") :]


def heat_map(result: Result) -> str:
    """The share of use of each group of units and people by week, mean over replications."""
    rows, weeks, shares = _by_week(result)
    if not rows:
        return ""

    def paint(figure: "Figure", axes: "Axes") -> None:
        image = axes.imshow(shares, aspect="auto", cmap="YlOrRd", vmin=0, vmax=1, interpolation="nearest")  # fmt: skip
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xlabel(f"week of the simulation (from {weeks[0]})")
        figure.colorbar(image, ax=axes, label="share in use")

    return _draw(9, 1 + 0.28 * len(rows), paint)


def _by_week(result: Result) -> tuple[list[str], list[int], list[list[float]]]:
    sums: dict[tuple[str, int], float] = {}
    for row in result.rows("utilisation_by_week"):
        if row["what"] in ("busy", "people"):
            key = (f"{row['site']}: {row['group']}", int(float(row["week"])))
            sums[key] = sums.get(key, 0.0) + float(row["share"])
    rows, seen = sorted({name for name, _ in sums}), sorted({week for _, week in sums})
    weeks = list(range(seen[0], seen[-1] + 1)) if seen else []
    many = len(result.replications)
    return rows, weeks, [[sums.get((name, week), 0.0) / many for week in weeks] for name in rows]


def gantt(result: Result) -> str:
    """The first replication, batch by batch, a bar for each use of a unit; the first that fit the page."""
    bars = list(result.replications[0].tables.get("gantt", ()))
    if not bars:
        return ""
    batches = list(dict.fromkeys(str(bar["batch"]) for bar in bars))[:40]
    shown = [bar for bar in bars if bar["batch"] in batches][:_MOST_BARS]
    kinds = {kind: at for at, kind in enumerate(dict.fromkeys(_part(bar) for bar in shown))}

    def paint(figure: "Figure", axes: "Axes") -> None:
        first = min(float(bar["start"]) for bar in shown)
        for bar in shown:
            start, lasted = (
                (float(bar["start"]) - first) / DAY,
                (float(bar["end"]) - float(bar["start"])) / DAY,
            )
            colour = _COLOURS[kinds[_part(bar)] % len(_COLOURS)]
            axes.barh(batches.index(str(bar["batch"])), lasted, left=start, height=0.7, color=colour)
        axes.set_yticks(range(len(batches)), batches)
        axes.invert_yaxis()
        axes.set_xlabel("days")
        for kind, at in list(kinds.items())[:12]:
            axes.barh(0, 0, color=_COLOURS[at % len(_COLOURS)], label=kind)
        axes.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12))

    return _draw(9, 1.5 + 0.17 * len(batches), paint)


def _part(bar: Mapping[str, "float | str"]) -> str:
    """The unit procedure of a bar: what its colour tells."""
    return str(bar["what"]).split("/")[0]


def spread(result: Result, name: str) -> str:
    """How a series of times (such as 'vein_to_vein.cart') is spread over all batches, warm-up included."""
    values = [value / DAY for each in result.replications for value in each.series.get(name, ())]
    if len(values) < 10:
        return ""

    def paint(figure: "Figure", axes: "Axes") -> None:
        axes.hist(values, bins=40, color=_COLOURS[0])
        axes.set_xlabel(f"{title(name)}, days")
        axes.set_ylabel("batches of all replications")

    return _draw(6, 2.6, paint)


def warm_up(result: Result, name: str) -> str:
    """Welch's curve of a series, with the cut that MSER-5 finds."""
    series = [each.series[name] for each in result.replications if each.series.get(name)]
    if min((len(each) for each in series), default=0) < 10:
        return ""
    found, curve = result.warm_up(name), welch(series)

    def paint(figure: "Figure", axes: "Axes") -> None:
        axes.plot([value / DAY for value in curve], color=_COLOURS[0])
        where = f"MSER-5 cut: {found.cut}" if found.found else "no cut found: too short"
        axes.axvline(found.cut, color=_COLOURS[1], label=where)
        axes.set_xlabel("batch")
        axes.set_ylabel(f"{title(name)}, days")
        axes.legend()

    return _draw(6, 2.6, paint)


def bars(labels: Sequence[str], values: Sequence[float], about: str) -> str:
    """Horizontal bars."""
    if not labels:
        return ""

    def paint(figure: "Figure", axes: "Axes") -> None:
        axes.barh(range(len(labels)), values, color=_COLOURS[0])
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set_xlabel(about)

    return _draw(8, 0.8 + 0.24 * len(labels), paint)


def points(results: Mapping[str, Result], name: str) -> str:
    """A measure at each point of a sweep, with its interval."""
    found = {point: result.interval(name) for point, result in results.items() if name in result.names}
    if not found:
        return ""
    by, unit = scale(name, max(abs(each.estimate) for each in found.values()))

    def paint(figure: "Figure", axes: "Axes") -> None:
        middle = [each.estimate / by for each in found.values()]
        below = [(each.estimate - each.low) / by for each in found.values()]
        axes.errorbar(range(len(found)), middle, yerr=[below, below], fmt="o-", color=_COLOURS[0], capsize=3)
        axes.set_xticks(range(len(found)), list(found), rotation=45, ha="right")
        axes.set_ylabel(f"{title(name)} {unit}".rstrip())

    return _draw(max(5.0, 1 + 0.5 * len(found)), 3.6, paint)


def differences(measured: Mapping[str, Paired], base: str) -> str:
    """Paired differences with their intervals, each against the size of its own interval's middle."""
    names = [name for name, found in measured.items() if found.difference.estimate or found.difference.half]

    def paint(figure: "Figure", axes: "Axes") -> None:
        for at, name in enumerate(names):
            found = measured[name].difference
            size = max(abs(found.low), abs(found.high)) or 1.0
            axes.plot([found.low / size, found.high / size], [at, at], color=_COLOURS[0], linewidth=3)
            axes.plot([found.estimate / size], [at], "o", color=_COLOURS[1])
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(names)), [f"{title(n)} ({quantity(n, measured[n].difference.estimate)})" for n in names])  # fmt: skip
        axes.invert_yaxis()
        axes.set_xticks([0], [f"as {base}"])

    return _draw(8, 0.9 + 0.26 * len(names), paint) if names else ""


def queue_bars(result: Result) -> str:
    """The steps where batches wait longest, mean over all that waited there."""
    totals: dict[str, list[float]] = {}
    for row in result.rows("queues_by_step"):
        label = f"{row['path']} ({row['for']})"
        count, total = totals.setdefault(label, [0.0, 0.0])
        totals[label] = [count + float(row["count"]), total + float(row["count"]) * float(row["mean"])]
    means = sorted(((total / count / 3600, label) for label, (count, total) in totals.items() if count), reverse=True)  # fmt: skip
    return bars([label for _, label in means[:15]], [mean for mean, _ in means[:15]], "mean wait, hours")


def mean_rows(result: Result, table: str) -> float:
    """How many rows a table has in a replication, on average."""
    return mean_of([float(len(each.tables.get(table, ()))) for each in result.replications])
