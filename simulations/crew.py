"""People in SimPy time: shifts, breaks, gowning, absence, skills, and what the end of a shift does to work.

A piece of work takes all its people at once, by priority and then by age. Work that has to wait for
people keeps those it will need: a later, shorter one may have them only if it is done before the first
could begin (EASY backfilling: Lifka 1995), so that nobody waits for ever and few stand idle. Who can
finish before going home is asked first, then who has the fewest skills.

One SimPy event for work that people begin at once and finish: this is on the way of every step.
"""

from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import TypeAlias

import simpy

from batches.errors import BadInput
from simulations.calendars import WorkTime
from simulations.scenario import Need, PeopleGroup, ShiftEnd, Site
from simulations.streams import Streams

Busy: TypeAlias = Callable[[str, str, int, float, float], None]
"""Told of each piece of work: site, group, how many of it, from when to when."""
LOOK_AHEAD = 50
"""How many pieces of work that cannot begin are looked at for one that can: the queue of a plant that is
overrun must not slow down each step of it."""
_TINY = 1e-6
"""Seconds: less work than this is none."""


@dataclass(slots=True, eq=False)
class _Person:
    """One person, in the present or next stretch of work `on` to `off`, gowning taken off."""

    name: str
    group: PeopleGroup
    time: WorkTime
    streams: Streams
    index: int = -1
    on: float = -inf
    off: float = -inf
    busy: bool = False
    until: float = 0.0
    kept: float = inf
    """Taken only for work that is over by then."""

    def at(self, now: float) -> None:
        """Move on to the stretch that is not over yet."""
        while self.off <= now:
            self.index += 1
            if self.index >= len(self.time.starts):
                self.on = self.off = inf
                return
            start, end = self.time.starts[self.index], self.time.ends[self.index]
            self.on, self.off = start + self._gowning(), end
            if self.on >= end or self._absent():
                self.off = -inf

    def _gowning(self) -> float:
        gowning = self.group.gowning
        if gowning is None:
            return 0.0
        return gowning.sample(self.streams.uniform("gowning", f"{self.name}/{self.index}"))

    def _absent(self) -> bool:
        if not self.group.absence:
            return False
        return (
            self.streams.uniform("absence", f"{self.name}/{self.time.shifts[self.index]}")
            < self.group.absence
        )

    def ready(self, now: float) -> float:
        """When this person could begin something else in the present or next stretch; inf if not then."""
        if self.busy:
            return self.until if self.until < self.off else inf
        return max(self.on, now)


@dataclass(slots=True, order=True)
class _Task:
    """Work that is asked for, ordered as it is served."""

    rank: tuple[int, float, int]
    need: Need = field(compare=False)
    left: float = field(compare=False)
    rule: ShiftEnd = field(compare=False)
    done: simpy.Event | None = field(compare=False, default=None)
    began: float = field(compare=False, default=-1.0)
    since: float = field(compare=False, default=0.0)
    team: Sequence[_Person] = field(compare=False, default=())


class Crew:
    """The people of one site. `busy` is told of all their work."""

    def __init__(
        self,
        env: simpy.Environment,
        site: Site,
        calendars: Mapping[str, WorkTime],
        streams: Streams,
        busy: Busy | None = None,
    ) -> None:
        self.env = env
        self.site = site
        self._number = 0
        by_role: dict[str, list[_Person]] = {}
        for group in site.people.values():
            for number in range(1, group.count + 1):
                name = f"{site.name}/{group.name}-{number}"
                person = _Person(name, group, calendars[group.calendar], streams)
                by_role.setdefault(group.role, []).append(person)
        self._pools = {role: _Pool(env, site.name, people, busy) for role, people in by_role.items()}

    def lacks(self, need: Need) -> str:
        """Why this work can never be done here, in one sentence; '' if it can."""
        pool = self._pools.get(need.role)
        found = 0 if pool is None else sum(_qualifies(each, need) for each in pool.people)
        if found >= need.people:
            return ""
        skill = f" with the skill {need.skill}" if need.skill else ""
        return f"{self.site.name} has {found} people of role {need.role}{skill}, and work needs {need.people} at once; add people or change the work."

    def work(
        self, need: Need, seconds: float, rule: ShiftEnd = "interrupt", priority: int = 0
    ) -> simpy.Event:
        """An event that comes when the work is done; its value is when it first began. Work that fits
        into no shift is not held back by 'fits'. Raises BadInput if nobody can ever do it."""
        if need.people == 0:
            return self.env.timeout(seconds, self.env.now)
        pool = self._pools.get(need.role)
        if pool is None or pool.qualified(need) < need.people:
            raise BadInput(self.lacks(need))
        self._number += 1
        if rule == "fits" and seconds > pool.longest(need):
            rule = "finish"
        now = self.env.now
        return pool.ask(_Task((-priority, now, self._number), need, seconds, rule, since=now))

    def waiting(self) -> int:
        """How many pieces of work wait for people now."""
        return sum(len(pool.waiting) for pool in self._pools.values())


class _Pool:
    """The people of one role."""

    def __init__(self, env: simpy.Environment, site: str, people: list[_Person], busy: Busy | None) -> None:
        self.env = env
        self.site = site
        self.people = sorted(people, key=lambda each: len(each.group.skills))
        self.waiting: list[_Task] = []
        self.busy = busy
        self._wakes_at = inf
        self._counts: dict[str, int] = {}
        self._longest: dict[tuple[str, int], float] = {}

    def qualified(self, need: Need) -> int:
        found = self._counts.get(need.skill)
        if found is None:
            found = self._counts[need.skill] = sum(_qualifies(each, need) for each in self.people)
        return found

    def longest(self, need: Need) -> float:
        """The longest work that surely finds a stretch to fit in."""
        found = self._longest.get((need.skill, need.people))
        if found is None:
            each = sorted((_longest(each) for each in self.people if _qualifies(each, need)), reverse=True)
            found = self._longest[need.skill, need.people] = each[need.people - 1]
        return found

    def ask(self, task: _Task) -> simpy.Event:
        now = self.env.now
        for person in self.people:
            if person.off <= now and not person.busy:
                person.at(now)
        if not self.waiting:
            team = self._team(task, now)
            if team:
                return self._begin(task, team, now)
        task.done = self.env.event()
        insort(self.waiting, task)
        if any(not person.busy and person.on <= now for person in self.people):
            self._serve()
        elif now >= self._wakes_at or self._wakes_at == inf:
            self._wake(now)
        return task.done

    # -- serving -------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Begin what can begin, in the order of rank."""
        now = self.env.now
        free = 0
        for person in self.people:
            person.kept = inf
            if not person.busy:
                if person.off <= now:
                    person.at(now)
                free += person.on <= now
        at = blocked = 0
        while free and at < len(self.waiting) and blocked < LOOK_AHEAD:
            team = self._team(self.waiting[at], now)
            if team:
                free -= len(team)
                self._begin(self.waiting.pop(at), team, now)
            else:
                self._keep(self.waiting[at], now)
                at, blocked = at + 1, blocked + 1
        if self.waiting:
            self._wake(now)

    def _team(self, task: _Task, now: float) -> Sequence[_Person]:
        """The people who begin this work now; none if there are too few."""
        end = now + task.left
        skill = task.need.skill
        staying: list[_Person] = []
        leaving: list[_Person] = []
        for person in self.people:
            if person.busy or person.on > now or end > person.kept:
                continue
            if skill and skill not in person.group.skills:
                continue
            (staying if end <= person.off else leaving).append(person)
        wanted = task.need.people
        if len(staying) >= wanted:
            return staying[:wanted]
        if task.rule == "fits" or len(staying) + len(leaving) < wanted:
            return ()
        return [*staying, *leaving][:wanted]

    def _keep(self, task: _Task, now: float) -> None:
        """Keep the people of whom this work will be the next."""
        ready = sorted(
            (
                (person.ready(now), number)
                for number, person in enumerate(self.people)
                if _qualifies(person, task.need)
            ),
        )[: task.need.people]
        begins = ready[-1][0]
        for free, number in ready:
            person = self.people[number]
            ends = begins + (task.left if task.rule == "fits" else 0.0)
            if free <= now and not person.busy and ends <= person.off:
                person.kept = min(person.kept, begins)

    def _begin(self, task: _Task, team: Sequence[_Person], now: float) -> simpy.Event:
        end = now + task.left
        if task.rule in ("interrupt", "hand_over"):
            end = min(end, min(person.off for person in team))
        if task.began < 0:
            task.began = now
        for person in team:
            person.busy, person.until = True, end
        task.team = team
        part = self.env.timeout(end - now, task.began)
        assert part.callbacks is not None  # a new event has its list of callbacks
        part.callbacks.append(partial(self._ended, task, now))
        return part if task.done is None and end >= now + task.left - _TINY else self._promise(task)

    def _promise(self, task: _Task) -> simpy.Event:
        if task.done is None:
            task.done = self.env.event()
        return task.done

    def _ended(self, task: _Task, start: float, _: simpy.Event) -> None:
        now = self.env.now
        for person in task.team:
            person.busy = False
        if self.busy is not None:
            for name in dict.fromkeys(person.group.name for person in task.team):
                many = sum(person.group.name == name for person in task.team)
                self.busy(self.site, name, many, start, now)
        task.left -= now - start
        if task.left > _TINY:
            first = -(10**6) if task.rule == "hand_over" else task.rank[0]
            insort(self.waiting, _again(task, first))
        elif task.done is not None:
            task.done.succeed(task.began)
        if self.waiting:
            self._serve()

    def _wake(self, now: float) -> None:
        """Serve again when the next person comes."""
        at = min((person.on for person in self.people if person.on > now), default=inf)
        at = min(
            at,
            min((person.off for person in self.people if not person.busy and person.on <= now), default=inf),
        )
        if now < at < self._wakes_at:
            self._wakes_at = at
            timer = self.env.timeout(at - now)
            assert timer.callbacks is not None
            timer.callbacks.append(self._woken)

    def _woken(self, _: simpy.Event) -> None:
        if self.env.now >= self._wakes_at:
            self._wakes_at = inf
        if self.waiting:
            self._serve()


def _again(task: _Task, first: int) -> _Task:
    rank = (first, task.rank[1], task.rank[2])
    return _Task(rank, task.need, task.left, task.rule, task.done, task.began, task.since)


def _qualifies(person: _Person, need: Need) -> bool:
    return not need.skill or need.skill in person.group.skills


def _longest(person: _Person) -> float:
    gowning = person.group.gowning
    return person.time.longest - (gowning.quantile(0.99) if gowning else 0.0)
