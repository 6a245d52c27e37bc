"""Transport between clinics and sites, and which site makes a batch."""

from collections.abc import Generator, Mapping, Sequence
from math import inf
from typing import Any

import simpy

from batches.errors import BadInput
from simulations.calendars import ALWAYS, WorkTime
from simulations.scenario import Lane, ProductPlan
from simulations.streams import Streams


class Network:
    """The lanes of a scenario. A place reaches itself at once; two places have at most one lane each way
    (the first in the file)."""

    def __init__(
        self,
        env: simpy.Environment,
        lanes: Sequence[Lane],
        calendars: Mapping[str, WorkTime],
        streams: Streams,
    ) -> None:
        self.env = env
        self.streams = streams
        self.calendars = calendars
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._couriers: dict[int, simpy.Resource] = {}
        for lane in lanes:
            self._lanes.setdefault((lane.source, lane.target), lane)
            if lane.both_ways:
                self._lanes.setdefault((lane.target, lane.source), lane)
            if lane.couriers:
                self._couriers[id(lane)] = simpy.Resource(env, lane.couriers)

    def mean(self, source: str, target: str) -> float:
        """The mean time of transport in seconds; inf without a lane."""
        if source == target or not source or not target:
            return 0.0
        lane = self._lanes.get((source, target))
        return inf if lane is None else lane.time.mean

    def send(self, source: str, target: str, entity: str) -> simpy.Event:
        """An event that comes with the shipment: its value is whether it arrived sound. Raises BadInput
        without a lane. The fate of `entity` on this lane is drawn once for all scenarios."""
        if source == target or not source or not target:
            return self.env.timeout(0.0, True)
        lane = self._lanes.get((source, target))
        if lane is None:
            raise BadInput(
                f"There is no lane from {source} to {target}; add one to 'lanes', or another site to 'made_at'."
            )
        key = f"{source}>{target}/{entity}"
        sound = self.streams.uniform("lane loss", key) >= lane.loss
        takes = lane.time.sample(self.streams.uniform("lane time", key))
        leaves = self.calendars[lane.calendar] if lane.calendar else ALWAYS
        if id(lane) not in self._couriers:
            return self.env.timeout(leaves.next_open(self.env.now) - self.env.now + takes, sound)
        return self.env.process(self._carried(self._couriers[id(lane)], leaves, takes, sound))

    def _carried(
        self, couriers: simpy.Resource, leaves: WorkTime, takes: float, sound: bool
    ) -> Generator[Any, Any, bool]:
        """A courier goes there and comes back."""
        turn = couriers.request()
        yield turn
        yield self.env.timeout(leaves.next_open(self.env.now) - self.env.now + takes)
        self.env.process(self._back(couriers, turn, takes))
        return sound

    def _back(self, couriers: simpy.Resource, turn: Any, takes: float) -> Generator[Any, Any, None]:
        yield self.env.timeout(takes)
        couriers.release(turn)


def allocate(plan: ProductPlan, clinic: str, network: Network, load: Mapping[str, float]) -> str:
    """The site that makes a batch for a clinic, by the rule of the product; ties by the order of
    `made_at`. `load`: work waiting and going on by site, per unit of capacity. Raises BadInput if none
    can be reached."""
    if plan.allocation == "dedicated" and clinic in plan.dedicated:
        return plan.dedicated[clinic]
    reached = [site for site in plan.made_at if network.mean(clinic, site) < inf]
    if not reached:
        raise BadInput(f"No lane leads from {clinic} to a site that makes {plan.name}; add one to 'lanes'.")
    if plan.allocation == "least_loaded":
        return min(reached, key=lambda site: (load.get(site, 0.0), network.mean(clinic, site)))
    return min(reached, key=lambda site: network.mean(clinic, site))
