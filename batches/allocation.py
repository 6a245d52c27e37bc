"""Who gets which unit: the one pure arbiter, used by the executor and by the simulation.

A request names roles and unit classes; it is granted whole or not at all, by priority, then age.
No two batches can wait for each other: units are given only if afterwards every batch that holds
units still has a way to finish (the banker's algorithm: E. W. Dijkstra, EWD-108, 1965) over all that
its recipe may still need. Units to be cleaned or repaired come back in the end, so they count for
that question, but are not given.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any, Literal, TypeAlias, cast

from batches.errors import BadInput

Status: TypeAlias = Literal["available", "to_be_cleaned", "out_of_service"]

MOST_CHOICES = 64
"""How many ways of serving one request are weighed before the one that lets it finish first is taken."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, room or store. `positions` 0: exclusive, `held_by` one claim ('' if free).
    Else it is shared: `taken` says which position belongs to which claim."""

    id: str
    unit_class: str
    status: Status = "available"
    held_by: str = ""
    positions: int = 0
    taken: Mapping[str, str] = field(default_factory=dict[str, str])

    def free(self) -> int:
        """How many more claims it can take, its status aside."""
        if self.positions:
            return max(0, self.positions - len(self.taken))
        return 0 if self.held_by else 1

    def holders(self) -> tuple[str, ...]:
        """The claims on it, one for each position."""
        return tuple(self.taken.values()) if self.positions else (self.held_by,) if self.held_by else ()


@dataclass(frozen=True, slots=True)
class Request:
    """What a batch (`claim`) needs now: unit classes by role, all at once.

    `bound`: roles that already have their unit. `later`: roles it may still ask for before it has
    given back what it then holds; what it asks for with empty hands need not be named.
    `wants`: the unit preferred for a role. `since` orders by age (a time or a number, one kind for all).
    A batch that holds units and asks for nothing now passes a request with empty `needs`: its `later`
    counts. `path` tells several requests of one batch apart. `reserves`: waited too long, so that no
    batch with empty hands may take a free unit it needs.
    """

    claim: str
    priority: int
    since: datetime | float
    needs: Mapping[str, str]
    bound: Mapping[str, str] = field(default_factory=dict[str, str])
    later: Mapping[str, str] = field(default_factory=dict[str, str])
    wants: Mapping[str, str] = field(default_factory=dict[str, str])
    path: str = ""
    reserves: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Units by role for one request, and the position of each that is shared. Roles that were bound
    before are not repeated."""

    claim: str
    units: Mapping[str, str]
    path: str = ""
    positions: Mapping[str, str] = field(default_factory=dict[str, str])


def accepts(wanted: str, unit_class: str) -> bool:
    """Whether a unit of `unit_class` serves: 'bioreactor' takes 'bioreactor/vertical_wheel'."""
    return unit_class == wanted or unit_class.startswith(wanted + "/")


def arbitrate(requests: Iterable[Request], units: Iterable[Unit]) -> tuple[Grant, ...]:
    """What may be given now. The order of the arguments does not matter.

    A claim on a unit that has no request (maintenance, a batch that will ask for nothing more) is
    taken to finish by itself. Raises BadInput for a request or unit that stands twice.
    """
    return _Round(tuple(requests), tuple(units)).run()


def why_not(request: Request, requests: Iterable[Request], units: Iterable[Unit]) -> str:
    """Why `request` is not granted now, in one sentence for the operator; '' if it is granted."""
    asked = {(each.claim, each.path): each for each in requests}
    asked[request.claim, request.path] = request
    decided = _Round(tuple(asked.values()), tuple(units))
    decided.run()
    return decided.refused.get((request.claim, request.path), "")


def allot(units: Iterable[Unit], grants: Iterable[Grant]) -> tuple[Unit, ...]:
    """The units after the grants."""
    after = {unit.id: unit for unit in units}
    for grant in grants:
        for role, unit_id in grant.units.items():
            unit = after[unit_id]
            if role in grant.positions:
                after[unit_id] = replace(unit, taken={**unit.taken, grant.positions[role]: grant.claim})
            else:
                after[unit_id] = replace(unit, held_by=grant.claim)
    return tuple(after.values())


def free_position(unit: Unit) -> str:
    """The first free position of a shared unit ('1', '2', …), '' for an exclusive one. Raises BadInput
    if it is full."""
    if not unit.positions:
        return ""
    return _free_position(unit.id, unit.positions, unit.taken.keys())


def _free_position(unit_id: str, positions: int, taken: Collection[str]) -> str:
    for number in range(1, positions + 1):
        if str(number) not in taken:
            return str(number)
    raise BadInput(f"All {positions} positions of {unit_id} are taken; free one first.")


class _Round:
    """One arbitration: the free units and what every batch may still want, as grants are made."""

    def __init__(self, requests: Sequence[Request], units: Sequence[Unit]) -> None:
        self.requests = sorted(requests, key=_order)
        self.units = {unit.id: unit for unit in sorted(units, key=lambda unit: unit.id)}
        _once("unit", [unit.id for unit in units])
        _once("request", [f"{request.claim} {request.path}".strip() for request in requests])
        self.free = {unit.id: unit.free() for unit in self.units.values()}
        self.whole = {unit.id: unit.positions or 1 for unit in self.units.values()}
        self.taken = {unit.id: set(unit.taken) for unit in self.units.values()}
        self.held: dict[str, list[str]] = {}
        for unit in self.units.values():
            for claim in unit.holders():
                self.held.setdefault(claim, []).append(unit.id)
        self.bound: dict[str, dict[str, str]] = {}
        self.wanted: dict[str, dict[str, str]] = {}
        for request in self.requests:
            self.bound.setdefault(request.claim, {}).update(request.bound)
        for request in self.requests:
            self.wanted.setdefault(request.claim, {}).update(self._unbound(request, request.later))
            self.wanted[request.claim].update(self._unbound(request, request.needs))
        self.kept: dict[str, str] = {}
        self.refused: dict[tuple[str, str], str] = {}

    def run(self) -> tuple[Grant, ...]:
        grants = [self._decide(request) for request in self.requests if request.needs]
        return tuple(grant for grant in grants if grant is not None)

    def _decide(self, request: Request) -> Grant | None:
        needs = self._unbound(request, request.needs)
        chosen = self._choose(request, needs)
        if chosen is not None:
            self._take(request.claim, chosen)
            return Grant(request.claim, chosen, request.path, self._positions(chosen))
        self.refused[request.claim, request.path] = self._reason(request, needs)
        if request.reserves and self._possible(request):
            self._keep(request, needs)
        return None

    def _possible(self, request: Request) -> bool:
        """Whether the plant has what this batch holds and will need, were all other batches gone."""
        free = dict(self.whole)
        for unit_id in self.held.get(request.claim, ()):
            free[unit_id] -= 1
        return self._fits(self.wanted[request.claim], free)

    def _unbound(self, request: Request, roles: Mapping[str, str]) -> dict[str, str]:
        bound = self.bound[request.claim]
        return {role: unit_class for role, unit_class in sorted(roles.items()) if role not in bound}

    # -- choosing ------------------------------------------------------------------------------

    def _choose(self, request: Request, needs: Mapping[str, str]) -> dict[str, str] | None:
        """The most preferred units after which everybody can still finish."""
        if not needs:
            return {}
        candidates = self._candidates(request, needs)
        if not all(candidates.values()) or not self._possible(request):
            return None
        before = self._finishing(request.claim, {})
        for chosen in islice(
            self._choices(sorted(needs, key=lambda role: len(candidates[role])), candidates), MOST_CHOICES
        ):
            after = self._finishing(request.claim, chosen)
            if request.claim in after and before - {request.claim} <= after:
                return chosen
        return self._finishing_first(request, candidates)

    def _finishing_first(
        self, request: Request, candidates: Mapping[str, Sequence[str]]
    ) -> dict[str, str] | None:
        """Units with which this batch could get all it will ever need at once: always safe, so that
        giving up the search early never blocks the plant."""
        everything = {**self._all_candidates(self.wanted[request.claim]), **candidates}
        found = _match(everything, self.free)
        return None if found is None else {role: found[role] for role in candidates}

    def _candidates(self, request: Request, needs: Mapping[str, str]) -> dict[str, list[str]]:
        """The units that may be given now for each role, the preferred first: the one wanted, then
        those that fewest others could use."""
        found: dict[str, list[str]] = {}
        for role, wanted in needs.items():
            usable = [unit for unit in self.units.values() if self._usable(request, wanted, unit)]
            usable.sort(
                key=lambda unit: (unit.id != request.wants.get(role), self._sought(request, unit), unit.id)
            )
            found[role] = [unit.id for unit in usable]
        return found

    def _usable(self, request: Request, wanted: str, unit: Unit) -> bool:
        kept_for = self.kept.get(unit.id, request.claim)
        return (
            accepts(wanted, unit.unit_class)
            and unit.status == "available"
            and self.free[unit.id] > 0
            and (kept_for == request.claim or request.claim in self.held)
        )

    def _sought(self, request: Request, unit: Unit) -> int:
        others = (roles for claim, roles in self.wanted.items() if claim != request.claim)
        return len(
            {wanted for roles in others for wanted in roles.values() if accepts(wanted, unit.unit_class)}
        )

    def _choices(
        self, roles: Sequence[str], candidates: Mapping[str, Sequence[str]]
    ) -> Iterator[dict[str, str]]:
        """Every way to give each role a unit of its own, most preferred first."""
        if not roles:
            yield {}
            return
        first, *rest = roles
        for unit_id in candidates[first]:
            if self.free[unit_id] > 0:
                self.free[unit_id] -= 1
                remaining = [
                    {first: unit_id, **more} for more in islice(self._choices(rest, candidates), MOST_CHOICES)
                ]
                self.free[unit_id] += 1
                yield from remaining

    # -- safety --------------------------------------------------------------------------------

    def _finishing(self, claim: str, chosen: Mapping[str, str]) -> set[str]:
        """Which of the batches that hold units, and `claim`, can finish one after the other once
        `chosen` is given to `claim`. A batch with empty hands blocks nobody and need not be asked."""
        free = dict(self.free)
        for unit_id in chosen.values():
            free[unit_id] -= 1
        held = {**self.held, claim: [*self.held.get(claim, ()), *chosen.values()]}
        waiting, done = sorted(held), set[str]()
        while ready := [each for each in waiting if self._fits(self._missing(each, claim, chosen), free)]:
            for each in ready:
                done.add(each)
                for unit_id in held[each]:
                    free[unit_id] += 1
            waiting = [each for each in waiting if each not in done]
        return done

    def _missing(self, each: str, claim: str, chosen: Mapping[str, str]) -> dict[str, str]:
        wanted = self.wanted.get(each, {})
        return {
            role: unit_class for role, unit_class in wanted.items() if each != claim or role not in chosen
        }

    def _fits(self, wanted: Mapping[str, str], free: Mapping[str, int]) -> bool:
        """Whether every role finds a unit of its own in `free`."""
        return not wanted or _match(self._all_candidates(wanted), free) is not None

    def _all_candidates(self, wanted: Mapping[str, str]) -> dict[str, list[str]]:
        return {
            role: [unit.id for unit in self.units.values() if accepts(unit_class, unit.unit_class)]
            for role, unit_class in wanted.items()
        }

    def _take(self, claim: str, chosen: Mapping[str, str]) -> None:
        for role, unit_id in chosen.items():
            self.free[unit_id] -= 1
            self.held.setdefault(claim, []).append(unit_id)
            self.bound[claim][role] = unit_id
            self.wanted[claim].pop(role, None)

    def _positions(self, chosen: Mapping[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for role, unit_id in chosen.items():
            if self.units[unit_id].positions:
                found[role] = _free_position(unit_id, self.units[unit_id].positions, self.taken[unit_id])
                self.taken[unit_id].add(found[role])
        return found

    def _keep(self, request: Request, needs: Mapping[str, str]) -> None:
        for candidates in self._candidates(request, needs).values():
            for unit_id in candidates:
                self.kept.setdefault(unit_id, request.claim)

    # -- reasons -------------------------------------------------------------------------------

    def _reason(self, request: Request, needs: Mapping[str, str]) -> str:
        if not self._possible(request):
            return f"{request.claim} needs {_list(self.wanted[request.claim])}, which is more than the plant has; change the plant file or the recipe."
        candidates = self._candidates(request, needs)
        for role, wanted in needs.items():
            if not candidates[role]:
                return f"{request.claim} waits for {wanted} ({role}): {self._standing(wanted)}."
        if _match(candidates, self.free) is None:
            return f"{request.claim} needs {_list(needs)}, each a unit of its own, and only {_and(_distinct(candidates))} can be given now."
        chosen = next(self._choices(sorted(needs), candidates))
        stuck = self._finishing(request.claim, {}) - self._finishing(request.claim, chosen)
        others = _and(sorted(stuck - {request.claim})) or "the batches that hold what it needs later"
        return f"{request.claim} waits although {_and(sorted(chosen.values()))} could be given: it and {others} could then wait for each other."

    def _standing(self, wanted: str) -> str:
        """What stands against each unit of a class."""
        return ", ".join(
            self._stands(unit) for unit in self.units.values() if accepts(wanted, unit.unit_class)
        )

    def _stands(self, unit: Unit) -> str:
        if unit.free() == 0:
            return f"{unit.id} is held by {_and(sorted(set(unit.holders())))}"
        if unit.status != "available":
            return f"{unit.id} is {unit.status.replace('_', ' ')}"
        if self.free[unit.id] > 0:
            return f"{unit.id} is kept for {self.kept[unit.id]}"
        return f"{unit.id} goes to {_and(sorted(self._new_holders(unit)))} first"

    def _new_holders(self, unit: Unit) -> set[str]:
        return {claim for claim, held in self.held.items() if unit.id in held} - set(unit.holders())


def _match(candidates: Mapping[str, Sequence[str]], free: Mapping[str, int]) -> dict[str, str] | None:
    """A unit of its own for every role (bipartite matching by augmenting paths), or None."""
    given: dict[str, str] = {}

    def place(role: str, tried: set[str]) -> bool:
        for unit_id in candidates[role]:
            if unit_id in tried or free[unit_id] <= 0:
                continue
            tried.add(unit_id)
            sitting = [other for other, unit in given.items() if unit == unit_id]
            if len(sitting) < free[unit_id] or any(place(other, tried) for other in sitting):
                given[role] = unit_id
                return True
        return False

    return given if all(place(role, set()) for role in candidates) else None


def _order(request: Request) -> tuple[int, Any, str, str]:
    return -request.priority, cast("Any", request.since), request.claim, request.path


def _once(what: str, names: Sequence[str]) -> None:
    for name in {name for name in names if names.count(name) > 1}:
        raise BadInput(f"The {what} {name} stands twice in one arbitration; give it once.")


def _list(roles: Mapping[str, str]) -> str:
    return _and([f"{unit_class} ({role})" for role, unit_class in sorted(roles.items())])


def _distinct(candidates: Mapping[str, Sequence[str]]) -> list[str]:
    return sorted({unit_id for each in candidates.values() for unit_id in each})


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
