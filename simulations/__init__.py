"""The plant in SimPy time: runs, experiments and forecasts.

For notebooks::

    from simulations import Experiment, frames, load

    planned = load("cart-hospital")
    result = Experiment(count=10).run(planned.model)
    frames.measures(result)

What is named here is imported when it is first used, so that a worker loads only what it runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulations import frames as frames
    from simulations.experiment import Experiment as Experiment
    from simulations.experiment import Result as Result
    from simulations.experiment import compare as compare
    from simulations.planned import Planned as Planned
    from simulations.planned import load as load
    from simulations.planned import points as points
    from simulations.selection import Level as Level
    from simulations.selection import best as best
    from simulations.selection import cheapest as cheapest
    from simulations.statistics import Interval as Interval
    from simulations.statistics import Precision as Precision
    from simulations.workers import Cluster as Cluster
    from simulations.workers import Cores as Cores

_HOMES = {
    "load": "planned",
    "Planned": "planned",
    "points": "planned",
    "Experiment": "experiment",
    "Result": "experiment",
    "compare": "experiment",
    "Precision": "statistics",
    "Interval": "statistics",
    "Level": "selection",
    "best": "selection",
    "cheapest": "selection",
    "Cores": "workers",
    "Cluster": "workers",
}
__all__ = sorted([*_HOMES, "frames"])  # pyright: ignore[reportUnsupportedDunderAll] the names above, by their homes


def __getattr__(name: str) -> object:
    if name == "frames":
        return import_module("simulations.frames")
    if name not in _HOMES:
        raise AttributeError(f"simulations has no {name}; it has {', '.join(__all__)}.")
    return vars(import_module(f"simulations.{_HOMES[name]}"))[name]
