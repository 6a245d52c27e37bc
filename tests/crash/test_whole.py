"""A few crashes of the two whole recipes; `make crash` strikes at every point (tests/benchmarks/crash.py)."""

from pathlib import Path

import pytest

from tests.benchmarks.crash import Case, Job, Kept, Tally, undisturbed, work
from tests.crash.whole import RECIPES


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", RECIPES)
def test_two_crashes_of_a_whole_recipe_lose_nothing_and_repeat_nothing(name: str, late: bool) -> None:
    """Equipment that cannot be asked; one of the pairs runs from the very beginning as well."""
    case: Case = (name, "worst", late)
    names = undisturbed(case).world.points.names
    first = 1 + next(n for n, point in enumerate(names) if point.startswith("during") and "set" not in point)
    _, tally = work(Job(case, first, seconds=2, seed="4711", checks=1))
    assert tally.findings == []
    assert (tally.singles, tally.pairs, tally.checked, tally.doubtful_runs) == (1, 2, 1, 3)


def test_results_that_were_kept_are_known_again(tmp_path: Path) -> None:
    file, job = tmp_path / "kept.jsonl", Job((RECIPES[0], "worst", True), 7, 2, "4711", 1)
    Kept(file).add(job, Tally(singles=1, pairs=2, findings=["something"]))
    assert Kept(file).known == {f"{job}": Tally(singles=1, pairs=2, findings=["something"])}
    assert Kept(None).known == {}
