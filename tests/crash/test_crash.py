"""The engine stopped at every commit and every device call of a batch, and at pairs of them.

`make crash` runs many more (tests/benchmarks/crash.py); here every single point of the small recipe.
"""

import random

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


def test_commits_that_come_later_change_nothing() -> None:
    """Every second point again, with a store whose commits come a moment after they were submitted."""
    undisturbed = small_world(late=True)
    assert judge(undisturbed, undisturbed.run()).good
    found: dict[int, Judgement] = {}
    for point in range(1, undisturbed.points.passed + 1, 2):
        world = small_world(frozenset({point}), late=True)
        found[point] = judge(world, world.run())
    assert {point: judged for point, judged in found.items() if not judged.good} == {}


def test_a_crash_while_an_action_is_in_doubt_leaves_it_to_a_person() -> None:
    """The unit procedure is held then; its phase is taken up again all the same."""
    during = [n + 1 for n, name in enumerate(UNDISTURBED.points.names) if name.endswith("inoculate")][1]
    found = {after: disturbed(during, during + after) for after in range(1, 30)}
    assert {after: judged for after, judged in found.items() if not judged.good} == {}
    assert all(judged.in_doubt for judged in found.values())
