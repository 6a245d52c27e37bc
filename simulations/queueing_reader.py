"""A scenario of `kind: queueing` from its YAML text: a plain queueing network, read and checked.

Findings are those of every scenario (file, line, rule, sentence). Besides the form: 'unknown-place' for a
route to a station that is not there, 'probability' for routes that add up to more than one, 'overload'
where customers come faster than they can be served for ever, and 'endless' where nobody ever leaves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from batches.errors import RecipeError
from batches.plain import PlainDict
from batches.written import Mistakes, Written, compose, from_plain
from simulations.distributions import Constant, Distribution
from simulations.figures import NUMBER, TIME, Gathered, Part
from simulations.queueing import Breakdown, Network, Population, Source, Station
from simulations.scenario import Figure, ScenarioError

_LARGEST_POPULATION = 100_000
_NOTHING = Constant(1.0)


def is_queueing(text: str) -> bool:
    """Whether a YAML text describes a queueing network, however wrong it is otherwise."""
    return any(line.split("#")[0].split() == ["kind:", "queueing"] for line in text.splitlines())


def read(text: str, file: str) -> "QueueingScenario":
    """The network in a YAML text; `file` is what findings call it. Raises ScenarioError with findings."""
    mistakes = Mistakes(file, kind="scenario")
    return _read(lambda: compose(text, mistakes), mistakes)


def from_content(content: PlainDict) -> "QueueingScenario":
    """The network with this plain content, as a sweep changed it. Raises ScenarioError with findings."""
    mistakes = Mistakes("", kind="scenario")
    return _read(lambda: from_plain(content), mistakes)


@dataclass(frozen=True, slots=True)
class QueueingScenario:
    """A network, what it is called, the figures it rests on, and its plain content."""

    network: Network
    title: str
    figures: tuple[Figure, ...]
    content: PlainDict


def _read(written: Callable[[], Written], mistakes: Mistakes) -> QueueingScenario:
    gathered = Gathered(mistakes)
    try:
        node = written()
        mistakes.complain()
        part = Part(node, "The scenario", "", gathered)
        network = _network(part)
        mistakes.complain()
        _check(part, network)
        mistakes.complain()
    except RecipeError as error:
        raise ScenarioError(str(error), error.findings) from error
    content = cast("PlainDict", node.plain())
    return QueueingScenario(network, str(content["title"]), tuple(gathered.figures), content)


def _network(part: Part) -> Network:
    part.option("kind", ("queueing",))
    part.text("title", "what is asked")
    horizon = part.part("horizon", "The horizon")
    if horizon is None:
        part.missing("horizon", "{warm_up: 10 h, length: 1000 h}")
    found = Network(
        name=part.name("scenario", "help-desk"),
        stations={name: _station(each) for name, each in part.parts("stations", "station")},
        sources={name: _source(each) for name, each in part.parts("sources", "source")},
        populations={name: _population(each) for name, each in part.parts("populations", "population")},
        warm_up=horizon.one("warm_up", TIME) if horizon and "warm_up" in horizon.members else 0.0,
        length=horizon.one("length", TIME) if horizon else 1.0,
    )
    if horizon:
        if found.warm_up < 0 or found.length <= 0:
            sentence = "The horizon has a length or warm-up below zero, or no length; write a longer time."
            horizon.wrong(Written(None, horizon.line), sentence, "negative")
        horizon.close()
    part.close()
    return found


def _station(part: Part) -> Station:
    broken = part.part("breakdown", f"'breakdown' of {part.within}")
    found = Station(
        servers=part.count("servers"),
        service=_time(part, "service"),
        to=_routes(part),
        room=None if "room" not in part.members else int(part.number("room", NUMBER) or 0),
        patience=part.time("patience"),
        breakdown=None if broken is None else Breakdown(_time(broken, "after"), _time(broken, "repair")),
    )
    if broken is not None:
        broken.close()
    part.close()
    return found


def _routes(part: Part) -> Mapping[str, float]:
    inner = part.part("to")
    if inner is None:
        return {}
    found = {name: inner.share(name) for name in inner.members}
    if sum(found.values()) > 1 + 1e-9:
        sentence = (
            f"The routes of {part.within} add up to {sum(found.values()):g}; at most 1, the rest leaves."
        )
        inner.wrong(Written(None, inner.line), sentence, "probability")
    return found


def _source(part: Part) -> Source:
    found = Source(part.text("to"), _time(part, "every"), part.whole("priority", 0, 9) if "priority" in part.members else 0)  # fmt: skip
    part.close()
    return found


def _population(part: Part) -> Population:
    found = Population(part.count("size"), part.text("to"), _time(part, "outside"))
    if found.size > _LARGEST_POPULATION:
        sentence = f"'size' of {part.within} is {found.size}; at most {_LARGEST_POPULATION} can be watched."
        part.wrong(part.members["size"], sentence)
    part.close()
    return found


def _time(part: Part, key: str) -> Distribution:
    return part.time(key, required=True) or _NOTHING


# --- what a well-formed network means -----------------------------------------------------------------


def _check(part: Part, network: Network) -> None:
    whole = Written(None, part.line)
    if not network.stations:
        part.missing("stations", "{desk: {servers: …, service: …}}")
    if not network.sources and not network.populations:
        part.missing("sources", "{customers: {to: desk, every: …}}")
    known = network.stations.keys()
    named = [("source", name, each.to) for name, each in network.sources.items()]
    named += [("population", name, each.to) for name, each in network.populations.items()]
    named += [("station", name, to) for name, each in network.stations.items() for to in each.to]
    for kind, name, to in named:
        if to not in known:
            sentence = f"The {kind} '{name}' sends customers to '{to}', and there is no such station; there are: {', '.join(known)}."
            part.wrong(whole, sentence, "unknown-place")
    if all(to in known for _, _, to in named):
        _flows(part, network)


def _flows(part: Part, network: Network) -> None:
    """The traffic equations: what comes to each station, and whether it can be served."""
    names = list(network.stations)
    routes = np.array([[network.stations[one].to.get(two, 0.0) for one in names] for two in names])
    if names and max(abs(np.linalg.eigvals(routes))) > 1 - 1e-9:
        sentence = "Some customers never leave: a loop of routes has probability 1; let a part of them out."
        part.wrong(Written(None, part.line), sentence, "endless")
        return
    outside = [_rate(network, name) for name in names]
    for name, rate in zip(names, np.linalg.solve(np.eye(len(names)) - routes, outside), strict=True):
        _load(part, name, network.stations[name], float(rate))


def _rate(network: Network, station: str) -> float:
    arriving = [source for source in network.sources.values() if source.to == station]
    return sum(1 / source.every.mean if source.every.mean > 0 else np.inf for source in arriving)


def _load(part: Part, name: str, station: Station, rate: float) -> None:
    """An endless queue, unless a full room or impatience bounds it."""
    broken = station.breakdown
    mean = station.service.mean * (1 if broken is None else 1 + broken.repair.mean / broken.after.mean)
    load = rate * mean / station.servers
    if load >= 1 and station.room is None and station.patience is None:
        sentence = (
            f"The station '{name}' gets work for {load:.2f} times what its {station.servers} servers can do, so"
            " its queue grows for ever; add servers, a 'room' or 'patience', or let fewer come."
        )
        place = cast("Part", part.part("stations")).members[name]
        part.wrong(place, sentence, "overload")
