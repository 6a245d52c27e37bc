"""What a crash at each moment of a run would leave, so that a run need not begin at the beginning.

A crash leaves the disk, the equipment (its log and what it shows), the time, and what was acknowledged
(tests/crash/world.py); the rest is thrown away. Disk and log only grow, so that their lengths tell what
they held at a moment. A world made from a `Moment` is therefore the world that a crash there leaves: the
same bytes, of the same run. docs/decisions/0101 says more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from batches.quantities import Quantity
from batches.record import BatchState
from orchestrator.store.memory import Disk
from tests.crash.whole import Declared, WholePlant, whole_world
from tests.crash.world import World


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a run at which a crash can strike: its point, and lengths of what would be left."""

    point: int
    streams: Mapping[str, int]
    log: int
    shown: Mapping[tuple[str, str], Quantity]
    acknowledged: Mapping[str, int]
    now: datetime


class Watched:
    """A run of a whole recipe with every moment of it. `begun_at`: the crash it goes on from, of `before`."""

    def __init__(
        self, name: str, declared: Declared, late: bool, before: "Watched | None" = None, begun_at: int = 0
    ) -> None:
        self.name, self.late = name, late
        self.declared: Declared = declared
        self.world = (
            whole_world(name, declared, late=late, kept=True) if before is None else before.left_by(begun_at)
        )
        self.moments: dict[int, Moment] = {}
        self.world.points.watch = self._note
        self.state: BatchState = self.world.run()

    @property
    def last(self) -> int:
        return self.world.points.passed

    def left_by(self, point: int) -> World:
        """The world that a crash at a point of this run leaves."""
        moment = self.moments[point]
        world = whole_world(self.name, self.declared, late=self.late, kept=True)
        equipment = _equipment(world)
        world.disk = Disk(
            {name: self.world.disk.streams[name][:length] for name, length in moment.streams.items()}
        )
        equipment.log = self.world.equipment.log[: moment.log]
        equipment.shown = dict(moment.shown)
        world.acknowledged, world.now = dict(moment.acknowledged), moment.now
        world.crashes, world.points.passed = self.world.crashes + 1, point
        return world

    def _note(self) -> None:
        equipment, point = _equipment(self.world), self.world.points.passed
        streams = {name: len(entries) for name, entries in self.world.disk.streams.items()}
        self.moments[point] = Moment(
            point, streams, len(equipment.log), dict(equipment.shown), dict(self.world.acknowledged), equipment.now()
        )  # fmt: skip


def _equipment(world: World) -> WholePlant:
    assert isinstance(world.equipment, WholePlant)
    return world.equipment
