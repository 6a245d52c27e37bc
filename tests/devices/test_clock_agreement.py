"""The agreement under random interleavings: a small world of engine, people, messages on their way.

The world knows what is really under way, which the agreement cannot see. Each mutant below leaves out
one part of the agreement, and the same world then catches a jump over something.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.clock_protocol import Busy, Confirm, Kind, Release, Report, Tick
from devices.servers.clock_agreement import Agreement, Ask, Decision, Drop, Jump

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


class JumpedOverSomething(AssertionError):
    """The clock decided to jump while something was under way."""


class Straddled(AssertionError):
    """A party heard of the new time in the middle of something."""


@dataclass
class Party:
    kind: Kind
    keeps_promises: bool
    open: int = 0
    mark: int = 0
    due: list[datetime] = field(default_factory=list)
    to_clock: deque[Report | Busy] = field(default_factory=deque)
    from_clock: deque[Confirm | Release | Tick] = field(default_factory=deque)
    promised: bool = False
    changed: bool = True

    def start(self) -> None:
        self.open += 1
        self.note()

    def note(self) -> None:
        self.changed = True

    def report(self, number: int = 0) -> None:
        due = min(self.due, default=None)
        self.to_clock.append(Report(round=number, next=due, mark=f"run-{self.mark}"))

    def hear(self) -> None:
        match self.from_clock.popleft():
            case Tick(now=now):
                self.wake(now)
            case Release():
                self.promised, self.changed = False, True
            case Confirm(round=number) if self.open:
                self.to_clock.append(Busy(round=number))
            case Confirm(round=number):
                self.promised = self.keeps_promises
                self.report(number)

    def wake(self, now: datetime) -> None:
        if self.open:
            raise Straddled(f"the time of the {self.kind} moved under an open activity")
        self.promised, self.changed = False, True
        for due in [due for due in self.due if due <= now]:
            self.due.remove(due)
            self.start()


class World:
    """Two parties, the clock, and what is on its way between them. `moves` says what may happen next."""

    def __init__(self, agreement: Agreement, rng: random.Random, *, promises: bool, outside: int) -> None:
        self.agreement, self.rng = agreement, rng
        self.engine, self.people = Party("engine", promises), Party("people", promises)
        self.now = START
        self.requests, self.answers, self.events = 0, 0, deque[int]()  # on their way
        self.outside, self.sleeps, self.jumps = outside, 25, 0
        for party in (self.engine, self.people):
            agreement.join(party.kind, party.kind, party.kind)
            party.start()

    def moves(self) -> list[Callable[[], None]]:
        may: list[Callable[[], None]] = []
        for party in (self.engine, self.people):
            if party.to_clock:
                may.append(lambda party=party: self.clock_hears(party))
            if party.from_clock:
                may.append(party.hear)
            if party.open > (self.waiting() if party is self.people else 0):
                may += [lambda party=party: self.work(party)] * 2
            if party.changed and not party.open:
                may.append(lambda party=party: self.come_to_rest(party))
        if self.requests and not self.engine.promised:
            may.append(self.take_request)
        if self.answers:
            may.append(self.take_answer)
        if self.events and not self.people.promised:
            may.append(self.take_event)
        if self.outside and not self.engine.promised:
            may.append(self.come_from_outside)
        return may

    def waiting(self) -> int:
        """How many open activities of the people wait for an answer."""
        return self.requests + self.answers + self.engine_serves

    engine_serves = 0

    def work(self, party: Party) -> None:
        """One step of an open activity."""
        choice = self.rng.randrange(4)
        if choice == 0 and self.sleeps:
            self.sleeps -= 1
            party.due.append(self.now + timedelta(minutes=self.rng.randrange(1, 9)))
            party.note()
        elif choice == 1 and party is self.engine:
            party.mark += 1
            party.note()
            self.events.append(party.mark)
        elif choice == 2 and party is self.people and self.sleeps:
            self.requests += 1  # the activity stays open until the answer is there
            return
        self.end(party)

    def end(self, party: Party) -> None:
        party.open -= 1
        if party is self.engine and self.engine_serves > party.open:
            self.engine_serves -= 1
            self.answers += 1

    def take_request(self) -> None:
        self.requests -= 1
        self.engine_serves += 1
        self.engine.start()

    def take_answer(self) -> None:
        self.answers -= 1

    def take_event(self) -> None:
        self.people.mark = self.events.popleft()
        self.people.start()

    def come_from_outside(self) -> None:
        self.outside -= 1
        self.engine.start()

    def come_to_rest(self, party: Party) -> None:
        party.changed = False
        party.report()

    def clock_hears(self, party: Party) -> None:
        word = party.to_clock.popleft()
        if isinstance(word, Report):
            self.agreement.reported(party.kind, word)
        else:
            self.agreement.busy(party.kind, word)
        while (decision := self.agreement.decide()) is not None:
            self.carry_out(decision)

    def carry_out(self, decision: Decision) -> None:
        match decision:
            case Ask(number):
                self.tell(Confirm(round=number))
            case Drop():
                self.tell(Release())
            case Jump(to):
                self.jump(to)
            case None:
                return

    def jump(self, to: datetime) -> None:
        under_way = self.engine.open + self.people.open + self.waiting() + len(self.events)
        first = min(self.engine.due + self.people.due, default=None)
        if under_way or to != first:
            raise JumpedOverSomething(f"{under_way} under way, jumped to {to}, first due {first}")
        self.now, self.jumps = to, self.jumps + 1
        self.agreement.jumped()
        self.tell(Tick(now=to))

    def tell(self, word: Confirm | Release | Tick) -> None:
        self.engine.from_clock.append(word)
        self.people.from_clock.append(word)

    def run(self) -> None:
        for _ in range(20_000):
            may = self.moves()
            if not may:
                return
            self.rng.choice(may)()
        raise AssertionError("the world does not come to an end")


def world(agreement: Agreement, seed: int, *, promises: bool = True, outside: int = 5) -> World:
    return World(agreement, random.Random(seed), promises=promises, outside=outside)


@settings(max_examples=600)
@given(seed=st.integers(0, 2**32))
def test_it_never_jumps_over_anything_and_wakes_everybody(seed: int) -> None:
    small = world(Agreement(), seed)
    small.run()
    assert (small.engine.due, small.people.due) == ([], [])
    assert small.sleeps == 25 or small.jumps > 0


class JumpsAtOnce(Agreement):
    """Without the second round."""

    def decide(self) -> Decision:
        target = self._target()
        return Jump(target) if target is not None else None


class IgnoresMarks(Agreement):
    """Does not ask whether the people have seen what the engine published."""

    def reported(self, key: object, report: Report) -> None:
        super().reported(key, report.model_copy(update={"mark": ""}))


class HearsOnlyOne(Agreement):
    """Takes the first confirmation for everybody's."""

    def reported(self, key: object, report: Report) -> None:
        super().reported(key, report)
        for participant in self.participants.values():
            participant.confirmed = participant.confirmed or report.round == self.round


@pytest.mark.parametrize(
    ("mutant", "promises", "outside", "wrong"),
    [
        (JumpsAtOnce, True, 5, JumpedOverSomething),
        (IgnoresMarks, True, 5, JumpedOverSomething),
        (HearsOnlyOne, True, 5, JumpedOverSomething),
        (Agreement, False, 0, Straddled),  # one hears of the jump first and asks another who has not
        (Agreement, False, 5, Straddled),
    ],
)
def test_each_part_of_the_agreement_is_needed(
    mutant: type[Agreement], promises: bool, outside: int, wrong: type[AssertionError]
) -> None:
    caught: list[type[AssertionError]] = []
    for seed in range(300):
        try:
            world(mutant(), seed, promises=promises, outside=outside).run()
        except (JumpedOverSomething, Straddled) as error:
            caught.append(type(error))
    assert wrong in caught


def rest(*, due: int | None = None, mark: str = "", asks: bool = False) -> Report:
    at = None if due is None else START + timedelta(minutes=due)
    return Report(next=at, mark=mark, asks=asks)


def confirmed(agreement: Agreement, **reports: Report) -> Decision:
    """What is decided when everybody reports, and confirms if asked."""
    for key, report in reports.items():
        agreement.reported(key, report)
    asked = agreement.decide()
    if not isinstance(asked, Ask):
        return asked
    for key, report in reports.items():
        agreement.reported(key, report.model_copy(update={"round": asked.round}))
    return agreement.decide()


def joined(**kinds: Kind) -> Agreement:
    agreement = Agreement()
    for key, kind in kinds.items():
        agreement.join(key, kind, key)
    return agreement


def test_an_engine_alone_jumps_to_its_first_wake_up() -> None:
    assert confirmed(joined(e="engine"), e=rest(due=5)) == Jump(START + timedelta(minutes=5))


def test_the_earliest_wake_up_of_all_is_the_next() -> None:
    agreement = joined(e="engine", p="people", q="people")
    assert confirmed(agreement, e=rest(due=5), p=rest(due=3), q=rest()) == Jump(START + timedelta(minutes=3))


def test_nobody_sleeps_so_it_stands() -> None:
    assert confirmed(joined(e="engine", p="people"), e=rest(), p=rest()) is None


def test_without_an_engine_it_stands() -> None:
    assert confirmed(joined(p="people"), p=rest(due=3)) is None


def test_a_task_waits_and_nobody_acts_the_people_so_it_stands() -> None:
    assert confirmed(joined(e="engine"), e=rest(due=5, asks=True)) is None


def test_a_task_waits_and_the_people_will_be_late() -> None:
    agreement = joined(e="engine", p="people")
    assert confirmed(agreement, e=rest(due=50, asks=True), p=rest(due=20)) == Jump(
        START + timedelta(minutes=20)
    )


def test_people_who_have_not_seen_the_last_event_hold_it() -> None:
    agreement = joined(e="engine", p="people")
    assert confirmed(agreement, e=rest(due=5, mark="a-2"), p=rest(mark="a-1")) is None


def test_people_of_an_earlier_run_of_the_engine_hold_it() -> None:
    agreement = joined(e="engine", p="people")
    assert confirmed(agreement, e=rest(due=5, mark="b-0"), p=rest(mark="a-7")) is None


@pytest.mark.parametrize(
    ("happening", "why"),
    [
        (lambda a: a.join("q", "people", "q"), "q came"),
        (lambda a: a.leave("p"), "p left"),
        (lambda a: a.busy("p", Busy(round=1)), "p is busy"),
        (lambda a: a.break_round("somebody does not answer"), "somebody does not answer"),
    ],
)
def test_a_round_is_dropped_when(happening: Callable[[Agreement], None], why: str) -> None:
    agreement = joined(e="engine", p="people")
    agreement.reported("e", rest(due=5))
    agreement.reported("p", rest())
    assert agreement.decide() == Ask(1)
    happening(agreement)
    assert agreement.decide() == Drop(why)
    assert agreement.decide() is None  # until everybody has reported again


def test_a_busy_of_an_old_round_says_nothing() -> None:
    agreement = joined(e="engine", p="people")
    for number in (1, 2):
        agreement.reported("e", rest(due=5))
        agreement.reported("p", rest())
        assert agreement.decide() == Ask(number)
        if number == 1:
            agreement.break_round("why not")
            assert agreement.decide() == Drop("why not")
    agreement.busy("p", Busy(round=1))
    assert agreement.decide() is None
