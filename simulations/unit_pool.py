"""The units of one site in SimPy time: given by the arbiter of `batches/allocation.py`, and by no other rule.

`quick` decides the common cases with less work and gives what `arbitrate` would give, or nothing. It
takes the requests in the same order. A request of which a role has no unit that may be given now is
refused, as there. Else it takes the first choice, as there, if afterwards the batch finds all it may ever
want among what is free: then that batch can finish first and bring everything back, so that all others
who could finish before still can, and the arbiter would take this choice too. Any other case is decided
by `arbitrate` itself.
"""

from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import simpy

from batches.allocation import Grant, Request, Unit, accepts, arbitrate
from simulations.scenario import UnitGroup
from simulations.upkeep import UnitState


@dataclass(slots=True, eq=False)
class PlantUnit:
    """A unit. `blocked`: how many reasons keep it from batches (cleaning, upkeep, repair, contamination);
    `holders`: claim by position ('' for an exclusive unit). `down_for`: seconds of repair that are over."""

    id: str
    unit_class: str
    positions: int
    group: UnitGroup
    state: UnitState
    blocked: int = 0
    holders: dict[str, str] = field(default_factory=dict[str, str])
    since: dict[str, float] = field(default_factory=dict[str, float])
    down_since: float = -1.0
    down_for: float = 0.0
    upkeep: list[simpy.Event] = field(default_factory=list[simpy.Event])
    """Upkeep that waits until the unit is free of batches."""

    def free(self) -> int:
        """How many more claims it can take, its state aside."""
        return max(0, (self.positions or 1) - len(self.holders))

    def frozen(self) -> Unit:
        """As the arbiter sees it."""
        status = "out_of_service" if self.blocked else "available"
        if self.positions:
            return Unit(self.id, self.unit_class, status, positions=self.positions, taken=dict(self.holders))
        return Unit(self.id, self.unit_class, status, held_by=next(iter(self.holders.values()), ""))


@dataclass(slots=True, eq=False)
class Claim:
    """What a batch holds and may still ask for: unit by role, and unit class by role it may need later."""

    id: str
    bound: dict[str, str] = field(default_factory=dict[str, str])
    later: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True, order=True)
class Asked:
    """A request that waits, in the order in which the arbiter takes them."""

    rank: tuple[int, float, str, str]
    claim: Claim = field(compare=False)
    needs: Mapping[str, str] = field(compare=False)
    granted: simpy.Event | None = field(compare=False, default=None)

    def request(self) -> Request:
        """As the arbiter sees it."""
        priority, since, claim, path = self.rank
        bound, later = self.claim.bound, self.claim.later
        return Request(claim, -priority, since, dict(self.needs), dict(bound), dict(later), path=path)


class UnitPool:
    """The units of one site and who waits for them."""

    def __init__(self, env: simpy.Environment, units: Iterable[PlantUnit]) -> None:
        self.env = env
        self.units = {unit.id: unit for unit in sorted(units, key=lambda unit: unit.id)}
        self.waiting: list[Asked] = []
        self.holding: dict[str, Claim] = {}
        self._settled = True
        """Each that waits lacks a unit, and nothing has come free since: a new request changes nothing for them."""
        self.slow = 0
        """How often `arbitrate` itself had to decide."""
        self._serves: dict[str, list[PlantUnit]] = {}

    def ask(
        self, claim: Claim, needs: Mapping[str, str], priority: int, since: float, path: str
    ) -> simpy.Event:
        """An event that comes with the units: its value is the unit by role. Needs that the claim has
        already are not asked for again."""
        asked = Asked((-priority, since, claim.id, path), claim, needs, self.env.event())
        insort(self.waiting, asked)
        self._serve([asked] if self._settled else self.waiting)
        assert asked.granted is not None
        return asked.granted

    def withdraw(self, claim: Claim) -> None:
        """The batch asks for nothing any more."""
        self.waiting = [asked for asked in self.waiting if asked.claim is not claim]

    def give_back(self, claim: Claim, roles: Iterable[str]) -> list[PlantUnit]:
        """Units whose roles a batch needs no more; whoever calls says then what happens to them."""
        found = list[PlantUnit]()
        for role in roles:
            unit = self.units[claim.bound.pop(role)]
            position = next(where for where, holder in unit.holders.items() if holder == claim.id)
            del unit.holders[position]
            found.append(unit)
        self._settled = False
        if not claim.bound:
            self.holding.pop(claim.id, None)
        return found

    def block(self, unit: PlantUnit) -> None:
        """Keep a unit from batches for one more reason."""
        unit.blocked += 1

    def unblock(self, unit: PlantUnit) -> None:
        """One reason less."""
        unit.blocked -= 1
        self._settled = False
        self.serve()

    def serves(self, wanted: str) -> list[PlantUnit]:
        """The units of a class, in the order of their names."""
        found = self._serves.get(wanted)
        if found is None:
            found = [unit for unit in self.units.values() if accepts(wanted, unit.unit_class)]
            self._serves[wanted] = found
        return found

    def serve(self) -> None:
        """Give what may be given now."""
        self._serve(self.waiting)

    def _serve(self, looked_at: list[Asked]) -> None:
        if not looked_at:
            return
        grants = _Quick(self).run(looked_at)
        self._settled = grants is not None
        if grants is None:
            self.slow += 1
            grants = arbitrate(self.requests(), [unit.frozen() for unit in self.units.values()])
        if grants:
            self._apply(grants)

    def requests(self) -> list[Request]:
        """All that wait, and all that hold units and ask for nothing now."""
        asking = {asked.claim.id for asked in self.waiting}
        quiet = [claim for claim in self.holding.values() if claim.id not in asking]
        still = [Request(each.id, 0, 0.0, {}, dict(each.bound), dict(each.later)) for each in quiet]
        return [asked.request() for asked in self.waiting] + still

    def _apply(self, grants: Iterable[Grant]) -> None:
        asked = {(each.rank[2], each.rank[3]): each for each in self.waiting}
        served = [(asked[grant.claim, grant.path], grant) for grant in grants]
        done = {id(each) for each, _ in served}
        self.waiting = [each for each in self.waiting if id(each) not in done]
        got = {each.claim.id for each, _ in served}
        if any(each.claim.id in got for each in self.waiting):
            self._settled = False  # what a batch has got it need not wait for on its other paths
        for each, grant in served:
            claim = each.claim
            self.holding[claim.id] = claim
            for role, unit_id in grant.units.items():
                claim.bound[role] = unit_id
                self.units[unit_id].holders[grant.positions.get(role, "")] = claim.id
        for each, grant in served:
            assert each.granted is not None
            each.granted.succeed(dict(grant.units))


# --- the quick way ------------------------------------------------------------------------------------


def quick(pool: UnitPool) -> tuple[Grant, ...] | None:
    """What `arbitrate` gives for the requests of a pool, where that is plain to see; else None."""
    return _Quick(pool).run(pool.waiting)


class _Quick:
    def __init__(self, pool: UnitPool) -> None:
        self.pool = pool
        self.used: dict[str, int] = {}
        self.extra: dict[str, dict[str, str]] = {}
        self.open: dict[str, list[PlantUnit]] = {}
        self.grants: list[Grant] = []

    def run(self, looked_at: list[Asked]) -> tuple[Grant, ...] | None:
        for asked in looked_at:
            if not self._decide(asked):
                return None
        return tuple(self.grants)

    def _decide(self, asked: Asked) -> bool:
        """False where only the arbiter can tell."""
        given = self.extra.get(asked.claim.id)
        if given is None:
            mine = asked.claim.bound
            for role, wanted in asked.needs.items():
                if role not in mine and not self._candidates(wanted):
                    return True
        bound = {**asked.claim.bound, **(given or {})}
        needs = {role: asked.needs[role] for role in sorted(asked.needs) if role not in bound}
        if not needs:
            self.grants.append(Grant(asked.claim.id, {}, asked.rank[3]))
            return True
        candidates: dict[str, list[PlantUnit]] = {}
        for role, wanted in needs.items():
            candidates[role] = self._candidates(wanted)
            if not candidates[role]:
                return True
        chosen = self._first(asked, needs, candidates)
        if chosen is None or not self._finishes(asked, bound, chosen):
            return False
        self._take(asked, chosen)
        return True

    def _candidates(self, wanted: str) -> list[PlantUnit]:
        found = self.open.get(wanted)
        if found is None:
            used = self.used
            found = [
                unit
                for unit in self.pool.serves(wanted)
                if not unit.blocked and unit.free() > used.get(unit.id, 0)
            ]
            self.open[wanted] = found
        return found

    def _first(
        self, asked: Asked, needs: Mapping[str, str], candidates: Mapping[str, list[PlantUnit]]
    ) -> dict[str, PlantUnit] | None:
        """The first way to give each role a unit of its own, if it needs no search."""
        taken = dict(self.used)
        chosen: dict[str, PlantUnit] = {}
        for role in sorted(needs, key=lambda role: len(candidates[role])):
            units = candidates[role]
            if any(unit.unit_class != units[0].unit_class for unit in units):
                return None  # which class fewest others want is for the arbiter to say
            found = next((unit for unit in units if unit.free() > taken.get(unit.id, 0)), None)
            if found is None:
                return None
            taken[found.id] = taken.get(found.id, 0) + 1
            chosen[role] = found
        return chosen

    def _finishes(self, asked: Asked, bound: Mapping[str, str], chosen: Mapping[str, PlantUnit]) -> bool:
        """Whether the batch finds all it may ever want among what is free, without a search."""
        wanted = dict(asked.claim.later)
        for other in self.pool.waiting:
            if other.claim is asked.claim:
                wanted.update(other.needs)
        missing = [wanted[role] for role in wanted if role not in bound and role not in chosen]
        taken = dict(self.used)
        for unit in chosen.values():
            taken[unit.id] = taken.get(unit.id, 0) + 1
        for unit_class in missing:
            units = self.pool.serves(unit_class)
            found = next((unit for unit in units if unit.free() > taken.get(unit.id, 0)), None)
            if found is None:
                return False
            taken[found.id] = taken.get(found.id, 0) + 1
        return True

    def _take(self, asked: Asked, chosen: Mapping[str, PlantUnit]) -> None:
        positions: dict[str, str] = {}
        for role, unit in chosen.items():
            if unit.positions:
                positions[role] = self._position(unit)
            self.used[unit.id] = self.used.get(unit.id, 0) + 1
        self.open.clear()
        units = {role: unit.id for role, unit in chosen.items()}
        self.extra.setdefault(asked.claim.id, {}).update(units)
        self.grants.append(Grant(asked.claim.id, units, asked.rank[3], positions))

    def _position(self, unit: PlantUnit) -> str:
        """The first position that is free, and was not given in this round."""
        given = {
            grant.positions[role]
            for grant in self.grants
            for role, unit_id in grant.units.items()
            if unit_id == unit.id
        }
        numbers = (str(number) for number in range(1, unit.positions + 1))
        return next(each for each in numbers if each not in unit.holders and each not in given)
