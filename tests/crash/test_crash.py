"""The engine stopped at every commit and every device call of a batch, and at pairs of them.

`make crash` runs many more (tests/benchmarks/crash.py); here every single point of the small recipe.
"""

import random

import pytest

from orchestrator.performing import Performer
from tests.crash.small import small_world
from tests.crash.world import Judgement, judge

UNDISTURBED = small_world()
UNDISTURBED_STATE = UNDISTURBED.run()
POINTS = UNDISTURBED.points.passed


def disturbed(*strike: int) -> Judgement:
    world = small_world(frozenset(strike))
    return judge(world, world.run())


def test_undisturbed_the_batch_ends_as_it_should() -> None:
    judged = judge(UNDISTURBED, UNDISTURBED_STATE)
    assert (judged.good, judged.in_doubt, UNDISTURBED.crashes) == (True, 0, 0)
    assert {done.action for done in UNDISTURBED.equipment.log} >= {"inoculate", "exchange_medium", "harvest"}
    assert POINTS > 100


def test_a_crash_at_any_point_loses_nothing_and_repeats_nothing() -> None:
    found = {point: disturbed(point) for point in range(1, POINTS + 1)}
    assert {point: judged for point, judged in found.items() if not judged.good} == {}
    assert any(judged.in_doubt for judged in found.values())


def test_two_crashes_lose_nothing_and_repeat_nothing() -> None:
    draw = random.Random(4711)
    pairs = [(first, first + draw.randint(1, 40)) for first in draw.sample(range(1, POINTS + 1), 60)]
    found = {pair: disturbed(*pair) for pair in pairs}
    assert {pair: judged for pair, judged in found.items() if not judged.good} == {}


def test_an_engine_without_the_in_doubt_rule_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act_again(*_: object) -> bool:
        return True

    monkeypatch.setattr(Performer, "_may_act_again", act_again)
    during = [n + 1 for n, name in enumerate(UNDISTURBED.points.names) if name.startswith("during")]
    assert any(disturbed(point).repeated for point in during)
