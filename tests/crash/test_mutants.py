"""Engines with a fault: the crash tests must find each. A test that cannot fail would say nothing."""

import random
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

import pytest

from batches.entries import NO_LEAF
from batches.errors import KweekError
from batches.interpret import Replayed, replay
from batches.plain import Plain
from batches.record_state import OpenStep
from batches.steps import PhaseRun
from devices.base import Outcome
from orchestrator import cursor
from orchestrator.answers import Answers
from orchestrator.cursor import Cursor
from orchestrator.equipment import Act
from orchestrator.executor import BatchRunner
from orchestrator.performing import Performer
from orchestrator.store import memory
from orchestrator.store.sealing import Head, Sealed
from tests.crash.late import LateStore
from tests.crash.small import small_world
from tests.crash.world import FakePlant, judge

Mutant = Callable[[pytest.MonkeyPatch], None]
RIGHT = small_world(late=True)
RIGHT.run()
POINTS = random.Random(4711).sample(range(1, RIGHT.points.passed + 1), RIGHT.points.passed)


def no_doubt(patch: pytest.MonkeyPatch) -> None:
    """After a crash every action is simply sent again."""

    async def act_again(*_: object) -> bool:
        return True

    patch.setattr(Performer, "_may_act_again", act_again)


def act_before_durable(patch: pytest.MonkeyPatch) -> None:
    """A device is asked before the intent is on disk."""

    async def at_once(_: BatchRunner) -> None:
        return

    patch.setattr(BatchRunner, "durable", at_once)


def acknowledge_before_durable(patch: pytest.MonkeyPatch) -> None:
    """What is only queued is called durable: as SQLite with synchronous=OFF."""
    patch.setattr(LateStore, "acknowledge", "before")


def assume_it_happened(patch: pytest.MonkeyPatch) -> None:
    """After a crash every action is taken as done."""

    async def conclude(self: Performer, cursor: Cursor, step: Act, open_: OpenStep) -> bool:
        self._conclude(cursor, step, open_, Outcome("done"))
        return False

    patch.setattr(Performer, "_may_act_again", conclude)


def outcome_before_act(patch: pytest.MonkeyPatch) -> None:
    """The outcome is recorded first, then the device is asked."""

    async def ask(self: Performer, cursor: Cursor, step: Act, open_: OpenStep) -> None:
        unit, command = open_.unit, open_.command
        self._conclude(cursor, step, open_, Outcome("done"))
        await self._runner.durable()
        await self._engine.equipment.act(unit, step, command, self._state.number)

    patch.setattr(Performer, "_ask_device", ask)


def all_idempotent(patch: pytest.MonkeyPatch) -> None:
    """A driver declares everything idempotent, and an action that is not is repeated."""
    patch.setattr(FakePlant, "repeatability", lambda *_: "idempotent")


def new_command_id(patch: pytest.MonkeyPatch) -> None:
    """What is sent again is sent under another command id than the one in the record."""
    real = Performer._ask_device

    async def ask(self: Performer, cursor: Cursor, step: Act, open_: OpenStep) -> None:
        open_.command = str(uuid4())
        await real(self, cursor, step, open_)

    patch.setattr(Performer, "_ask_device", ask)


def stale_head(patch: pytest.MonkeyPatch) -> None:
    """After a restart the chain goes on from a head that is not the last entry."""

    def forgotten(last: Sealed) -> Head:
        return Head(last.entry.number, NO_LEAF)

    patch.setattr(memory, "_head", forgotten)


def numbers_from_one(patch: pytest.MonkeyPatch) -> None:
    """After a restart entries are numbered from one again."""

    def none(last: Sealed) -> Head:
        return Head(0, last.leaf_hash)

    patch.setattr(memory, "_head", none)


def word_turned_round(patch: pytest.MonkeyPatch) -> None:
    """A person says that it happened, and it is done again."""
    real = Answers._trouble

    def trouble(
        self: Answers, state: Any, task: Any, actor: Any, answer: Any, choice: str, *more: Any
    ) -> Any:
        return real(self, state, task, actor, answer, "it did not happen", *more)

    patch.setattr(Answers, "_trouble", trouble)


def lost_commit(patch: pytest.MonkeyPatch) -> None:
    """The last entries on disk are missing after a restart, as after a write that was never synced."""
    real = memory.MemoryStore.__init__

    def forgetful(self: memory.MemoryStore, disk: memory.Disk, **more: Any) -> None:
        for entries in disk.streams.values():
            if entries[-1].entry.kind == "step_asked":
                entries.pop()
        real(self, disk, **more)

    patch.setattr(memory.MemoryStore, "__init__", forgetful)


def replay_one_step_short(patch: pytest.MonkeyPatch) -> None:
    """After a restart a phase is not given its last reply: it asks for a step that it had before, and stands
    held for ever, as nobody is asked to restart it."""

    def short(run: PhaseRun, recorded: Iterable[tuple[Plain, Plain]]) -> Replayed:
        return replay(run, [*recorded][:-1])

    patch.setattr(cursor, "replay", short)


def replay_short_and_unchecked(patch: pytest.MonkeyPatch) -> None:
    """The same, and what the phase asks for then is not compared with the record."""

    def agree(*_: object) -> None:
        return

    replay_one_step_short(patch)
    patch.setattr(cursor, "same_step", agree)


MUTANTS: tuple[Mutant, ...] = (
    no_doubt, act_before_durable, acknowledge_before_durable, assume_it_happened, outcome_before_act, all_idempotent,
    new_command_id, stale_head, numbers_from_one, word_turned_round, lost_commit, replay_one_step_short, replay_short_and_unchecked,
)  # fmt: skip


def found_at(point: int) -> bool:
    """Whether a crash at the point shows that something is wrong."""
    world = small_world(frozenset({point}), late=True)
    try:
        return not judge(world, world.run()).good
    except (AssertionError, KweekError):
        return True  # the engine stopped by itself, or the batch could not be brought to its end


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_an_engine_with_a_fault_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    assert any(found_at(point) for point in POINTS)


def test_the_engine_without_a_fault_is_not() -> None:
    assert not any(found_at(point) for point in POINTS[:40])
