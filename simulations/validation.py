"""Whether the simulation agrees with theory: `python -m simulations.validation` prints the page.

Each case is a network with a known answer; independent replications give an interval, which must hold
the answer. One in twenty 95 % intervals misses by its nature, so the verdict is by the 99.9 % one.
"""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from simulations import theory
from simulations.distributions import Constant, Exponential, Uniform, erlang
from simulations.experiment import Experiment
from simulations.queueing import Breakdown, Network, Population, QueueingModel, Source, Station
from simulations.statistics import Interval, mean_interval
from simulations.workers import Here, Workers


@dataclass(frozen=True, slots=True)
class Case:
    """A network and what theory says of some of its measures."""

    title: str
    network: Network
    expected: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Checked:
    """One measure of a case: theory, the 95 % interval, and whether the 99.9 % interval holds it."""

    title: str
    measure: str
    theory: float
    found: Interval
    agrees: bool


def _exponential(mean: float) -> Exponential:
    return Exponential(mean)


def _open(name: str, station: Station, rate: float, long: float) -> Network:
    return Network(
        name,
        {"q": station},
        {"customers": Source("q", _exponential(1 / rate))},
        warm_up=long / 10,
        length=long,
    )


def cases(scale: float = 1.0) -> Iterator[Case]:
    """Every case; `scale` stretches how long each replication is watched (1: about 20,000 customers)."""
    long = 20_000 * scale
    yield Case(
        "M/M/1, use 0.8",
        _open("mm1", Station(1, _exponential(0.8)), 1, long),
        {"wait.q": theory.mmc_wait(1, 0.8, 1), "busy.q": 0.8, "waited.q": 0.8},
    )
    yield Case(
        "M/M/4, use 0.8",
        _open("mmc", Station(4, _exponential(3.2)), 1, long),
        {"wait.q": theory.mmc_wait(1, 3.2, 4), "waited.q": theory.erlang_c(4, 3.2)},
    )
    yield from _services(long)
    yield from _rooms(long)
    yield from _networks(long)
    yield _repair(long)
    yield from _classes(long)
    yield _breakdown(long)


def _services(long: float) -> Iterator[Case]:
    rate, mean = 1.0, 0.8
    for title, service, second in (
        ("M/D/1", Constant(mean), mean**2),
        ("M/E3/1", erlang(3, mean), mean**2 * (1 + 1 / 3)),
        ("M/U/1", Uniform(0.0, 2 * mean), 4 * mean**2 / 3),
    ):
        yield Case(
            f"{title}, use 0.8",
            _open(title, Station(1, service), rate, long),
            {"wait.q": theory.mg1_wait(rate, mean, second)},
        )


def _rooms(long: float) -> Iterator[Case]:
    lost, present = theory.mm1k(1, 0.9, 4)
    yield Case(
        "M/M/1/5, load 0.9", _open("mm1k", Station(1, _exponential(0.9), room=4), 1, long),
        {"lost.q": lost, "present.q": present},
    )  # fmt: skip
    left, queue = theory.erlang_a(1, 3.6, 3, 5)
    yield Case(
        "M/M/3+M, load 1.2",
        _open("erlang-a", Station(3, _exponential(3.6), patience=_exponential(5)), 1, long),
        {"reneged.q": left, "queue.q": queue},
    )


def _networks(long: float) -> Iterator[Case]:
    tandem = {"a": Station(1, _exponential(0.7), {"b": 1.0}), "b": Station(2, _exponential(1.6))}
    yield Case(
        "Tandem M/M/1 to M/M/2",
        Network("tandem", tandem, {"c": Source("a", _exponential(1))}, warm_up=long / 10, length=long),
        {"wait.a": theory.mmc_wait(1, 0.7, 1), "wait.b": theory.mmc_wait(1, 1.6, 2)},
    )
    yield _jackson(long)


def _jackson(long: float) -> Case:
    """The network of docs and benchmarks: three stations, one loop back, each at use 0.8."""
    routes = {"one": {"two": 0.4, "three": 0.6}, "two": {"three": 1.0}, "three": {"one": 0.1}}
    servers = {"one": 4, "two": 2, "three": 6}
    rates = theory.visits({"one": 1.0}, routes)
    means = {name: 0.8 * servers[name] / rates[name] for name in servers}
    stations = {name: Station(servers[name], _exponential(means[name]), routes[name]) for name in servers}
    waits = {f"wait.{n}": theory.mmc_wait(rates[n], means[n], servers[n]) for n in servers}
    total = math.fsum(rates[n] * (waits[f"wait.{n}"] + means[n]) for n in servers)
    return Case(
        "Jackson network, use 0.8",
        Network("jackson", stations, {"c": Source("one", _exponential(1))}, warm_up=long / 10, length=long),
        waits | {"time_in_system.c": total},
    )


def _repair(long: float) -> Case:
    down, busy = theory.machine_repair(10, 1 / 20, 1 / 4, 2)
    machines = {"machines": Population(10, "q", _exponential(20))}
    return Case(
        "Machine repair, 10 machines, 2 crews",
        Network("repair", {"q": Station(2, _exponential(4))}, {}, machines, long / 10, long),
        {"present.q": down, "busy.q": busy / 2},
    )


def _classes(long: float) -> Iterator[Case]:
    rates, service = (0.3, 0.5), 1.0
    waits = theory.priority_waits([(rate, service, 2 * service**2) for rate in rates])
    sources = {
        "urgent": Source("q", _exponential(1 / rates[0]), 0),
        "normal": Source("q", _exponential(1 / rates[1]), 1),
    }
    yield Case(
        "M/M/1, two priorities",
        Network("priority", {"q": Station(1, _exponential(service))}, sources, {}, long / 10, long),
        {"wait.q.urgent": waits[0], "wait.q.normal": waits[1]},
    )


def _breakdown(long: float) -> Case:
    mean, second = theory.broken_service(0.5, 2 * 0.5**2, 1 / 10, 4)
    broken = Breakdown(_exponential(10), _exponential(4))
    return Case(
        "M/M/1 that breaks down in service",
        _open("breakdown", Station(1, _exponential(0.5), breakdown=broken), 1, long),
        {"wait.q": theory.mg1_wait(1, mean, second), "busy.q": mean},
    )


def check(
    case: Case, replications: int = 30, seed: int = 1, workers: Workers | None = None
) -> Iterator[Checked]:
    """Run a case and hold each measure against theory."""
    found = Experiment(seed=seed, count=replications, workers=workers or Here()).run(
        QueueingModel(case.network)
    )
    for measure, expected in case.expected.items():
        values = list(found.by_replication(measure).values())
        sure = mean_interval(values, 0.999)
        yield Checked(case.title, measure, expected, mean_interval(values), sure.holds(expected))


def coverage(repetitions: int = 200, replications: int = 10, confidence: float = 0.95) -> tuple[int, int]:
    """How many of `repetitions` experiments, each with a seed of its own, have an interval that holds the
    true mean wait of M/M/1 at use 0.5; and how many were run."""
    network = _open("coverage", Station(1, _exponential(0.5)), 1, 2_000)
    truth = theory.mmc_wait(1, 0.5, 1)
    held = 0
    for seed in range(1, repetitions + 1):
        found = Experiment(seed=seed, count=replications).run(QueueingModel(network))
        held += found.interval("wait.q", confidence).holds(truth)
    return held, repetitions


def page(checked: Sequence[Checked]) -> str:
    """The table of docs/reference/simulation-validation.md, misses beside hits."""
    head = "| case | measure | theory | simulated, 95 % interval | agrees (99.9 %) |\n| --- | --- | --- | --- | --- |"
    rows = (
        f"| {each.title} | `{each.measure}` | {each.theory:.5g} |"
        f" {each.found.estimate:.5g} ({each.found.low:.5g} to {each.found.high:.5g}) |"
        f" {'yes' if each.agrees else 'NO'} |"
        for each in checked
    )
    inside = sum(each.found.holds(each.theory) for each in checked)
    return "\n".join(
        (head, *rows, "", f"{inside} of {len(checked)} 95 % intervals hold the theoretical value.")
    )


def main(arguments: Sequence[str]) -> int:
    """Print the page; exit code 1 if a 99.9 % interval misses. `--small` watches a tenth as long."""
    scale = 0.1 if "--small" in arguments else 1.0
    checked = [each for case in cases(scale) for each in check(case)]
    print(page(checked))
    if "--coverage" in arguments:
        held, of = coverage()
        print(f"Interval coverage: {held} of {of} 95 % intervals hold the true value ({held / of:.1%}).")
    return 0 if all(each.agrees for each in checked) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
