"""What theory says of simple queues: the yardstick of `simulations/validation.py`.

Rates per second (or any one unit of time), `servers` alike. Sources: Gross, Shortle, Thompson and
Harris, Fundamentals of Queueing Theory, 4th edition (chapters in brackets); Jackson 1957; Garnett,
Mandelbaum and Reiman 2002 for Erlang-A; Cobham 1954 for priorities.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from batches.errors import BadInput


def erlang_b(servers: int, load: float) -> float:
    """The share of calls lost where nobody can wait (2.4); `load` = arrival rate x mean service time."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """The share of customers of M/M/c that wait (2.3). Raises BadInput if they come faster than served."""
    use = _stable(load / servers)
    blocked = erlang_b(servers, load)
    return blocked / (1 - use * (1 - blocked))


def mmc_wait(arrivals: float, service: float, servers: int) -> float:
    """The mean time in queue of M/M/c; `service` is the mean service time (2.3)."""
    load = arrivals * service
    return erlang_c(servers, load) * service / (servers - load)


def mg1_wait(arrivals: float, mean: float, second_moment: float) -> float:
    """The mean time in queue of M/G/1: Pollaczek and Khinchine (5.1)."""
    return arrivals * second_moment / (2 * (1 - _stable(arrivals * mean)))


def mm1k(arrivals: float, service: float, room: int) -> tuple[float, float]:
    """M/M/1 with at most `room` waiting: the share lost, and the mean number present (2.5)."""
    use, most = arrivals * service, room + 1
    shares = _normalised([use**number for number in range(most + 1)])
    return shares[-1], math.fsum(number * share for number, share in enumerate(shares))


def machine_repair(machines: int, fails: float, repairs: float, crews: int) -> tuple[float, float]:
    """M/M/R//N: the mean number of machines down, and the mean number of crews at work (2.7);
    `fails` per machine, `repairs` per crew."""
    shares = _birth_death(machines, lambda n: (machines - n) * fails, lambda n: min(n, crews) * repairs)
    down = math.fsum(number * share for number, share in enumerate(shares))
    return down, math.fsum(min(number, crews) * share for number, share in enumerate(shares))


def erlang_a(arrivals: float, service: float, servers: int, patience: float) -> tuple[float, float]:
    """M/M/c+M: the share that leaves unserved, and the mean queue; `patience` is its mean."""
    most = servers + int(40 * (servers + arrivals * (service + patience)))
    shares = _birth_death(
        most, lambda n: arrivals, lambda n: min(n, servers) / service + max(0, n - servers) / patience
    )
    queue = math.fsum(max(0, number - servers) * share for number, share in enumerate(shares))
    return queue / patience / arrivals, queue


def priority_waits(classes: Sequence[tuple[float, float, float]]) -> tuple[float, ...]:
    """M/G/1 with priorities that interrupt nobody, most urgent first: the mean time in queue of each class,
    from its arrival rate, mean service time and second moment (4.1)."""
    residual = math.fsum(rate * second for rate, _, second in classes) / 2
    loads = [math.fsum(rate * mean for rate, mean, _ in classes[:upto]) for upto in range(len(classes) + 1)]
    _stable(loads[-1])
    return tuple(residual / ((1 - loads[place]) * (1 - loads[place + 1])) for place in range(len(classes)))


def visits(arrivals: Mapping[str, float], routes: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The rate through each station of an open network: the traffic equations (4.2)."""
    names = list(routes)
    shares = np.array([[routes[one].get(two, 0.0) for one in names] for two in names])
    solved = np.linalg.solve(np.eye(len(names)) - shares, [arrivals.get(name, 0.0) for name in names])
    return {name: float(rate) for name, rate in zip(names, solved, strict=True)}


def broken_service(mean: float, second_moment: float, fails: float, repair: float) -> tuple[float, float]:
    """The mean and second moment of the time a service takes on a server that fails in service at rate
    `fails` and is repaired in an exponential time of mean `repair` (Avi-Itzhak and Naor 1963)."""
    stretch = 1 + fails * repair
    return mean * stretch, second_moment * stretch**2 + mean * fails * 2 * repair**2


def _birth_death(most: int, up: Callable[[int], float], down: Callable[[int], float]) -> list[float]:
    """The long-run shares of the states 0 to `most`; weights are kept as logarithms against overflow."""
    logs = [0.0]
    for number in range(most):
        rate = up(number)
        logs.append(logs[-1] + math.log(rate / down(number + 1)) if rate else -math.inf)
    top = max(logs)
    return _normalised([math.exp(each - top) for each in logs])


def _normalised(weights: Sequence[float]) -> list[float]:
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def _stable(use: float) -> float:
    if use >= 1:
        raise BadInput(f"A use of {use:.3g} has no steady state: customers come faster than they are served.")
    return use
