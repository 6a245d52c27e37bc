"""The procedure machine: what may start now, told as whole stories."""

from batches.procedure import (
    Action,
    Choose,
    FinishUnitProcedure,
    Iterate,
    Progress,
    StartPhase,
    StartUnitProcedure,
    TakeValue,
    find,
    owner,
    ready,
    unit_procedures,
)
from batches.recipe import Calculate, Choice, Node, Operation, Parallel, PhaseCall, Repeat, UnitProcedure


def phase(name: str) -> PhaseCall:
    return PhaseCall(name, name, 1, {})


def up(name: str, *phases: Node) -> UnitProcedure:
    return UnitProcedure(name, "reactor", (Operation("Op", phases),))


def told(tree: tuple[Node, ...], until: dict[str, int] | None = None, option: int = 0) -> list[str]:
    """Run the machine to its end, taking the first action each time, and tell the story."""
    progress, story = Progress(), list[str]()
    for _ in range(200):
        walk = ready(tree, progress)
        if walk.done:
            return story
        story.append(_take(walk.actions[0], progress, until or {}, option))
    raise AssertionError(f"no end: {story[-10:]}")


def _take(action: Action, progress: Progress, until: dict[str, int], option: int) -> str:
    match action:
        case StartUnitProcedure():
            progress.started[action.path] = 1
            return f"begin {action.path}"
        case FinishUnitProcedure():
            progress.finished.add(action.path)
            return f"end {action.path}"
        case StartPhase() | TakeValue():
            progress.finished.add(action.path)
            return action.path
        case Choose():
            progress.chosen[action.path] = option
            return f"choose {action.path}"
        case Iterate():
            if action.may_end and action.iteration > until[action.path]:
                progress.finished.add(action.path)
                return f"enough {action.path}"
            progress.iteration[action.path] = action.iteration
            return f"round {action.iteration}"


def test_a_sequence_is_done_in_order() -> None:
    tree = (up("A", phase("x"), phase("y")), up("B", phase("x")))
    assert told(tree) == ["begin A", "A/Op/x", "A/Op/y", "end A", "begin B", "B/Op/x", "end B"]


def test_parallel_branches_are_all_offered_and_joined() -> None:
    tree = (Parallel("both", ((up("A", phase("x")),), (up("B", phase("y")),))), up("C", phase("z")))
    assert [a.path for a in ready(tree, Progress()).actions] == ["both/A", "both/B"]
    assert told(tree)[-3:] == ["begin C", "C/Op/z", "end C"]


def test_a_choice_runs_one_option_only() -> None:
    tree = (up("A", Choice("which", (("$x > 1", (phase("high"),)), ("", (phase("low"),))))),)
    assert told(tree, option=0) == ["begin A", "choose A/Op/which", "A/Op/which/high", "end A"]
    assert told(tree, option=1) == ["begin A", "choose A/Op/which", "A/Op/which/low", "end A"]


def test_a_repeat_counts_its_rounds_in_the_path() -> None:
    tree = (up("A", Repeat("again", (phase("x"), Calculate("n", "1", "")), "$n > 1", 3)),)
    assert told(tree, until={"A/Op/again": 2}) == [
        "begin A", "round 1", "A/Op/again[1]/x", "A/Op/again[1]/n", "round 2", "A/Op/again[2]/x", "A/Op/again[2]/n",
        "enough A/Op/again", "end A",
    ]  # fmt: skip


def test_what_has_started_is_not_offered_again() -> None:
    tree = (up("A", phase("x")),)
    progress = Progress(started={"A": 1, "A/Op/x": 2})
    assert (ready(tree, progress).done, ready(tree, progress).actions) == (False, ())


def test_departures_skip_and_add() -> None:
    tree = (up("A", phase("x"), phase("y")),)
    progress = Progress(started={"A": 1}, skipped={"A/Op/y"}, added={"A/Op/x": [phase("x+1")]})
    assert [a.path for a in ready(tree, progress).actions] == ["A/Op/x"]
    progress.finished.add("A/Op/x")
    assert [a.path for a in ready(tree, progress).actions] == ["A/Op/x+1"]
    assert find(tree, "A/Op/x+1", progress) == phase("x+1")
    progress.finished.add("A/Op/x+1")
    assert ready(tree, progress).actions == (FinishUnitProcedure("A"),)


def test_owner_is_the_nearest_unit_procedure_that_runs() -> None:
    running = {"": 1, "A": 1, "again[2]/B": 1}
    assert [owner(p, running) for p in ("A/Op/x", "again[2]/B/Op/y", "C/Op/z")] == ["A", "again[2]/B", ""]


def test_unit_procedures_are_found_in_every_branch() -> None:
    inner = (up("B", phase("y")),)
    tree = (
        up("A", phase("x")),
        Repeat("r", inner, "$x", 2),
        Choice("c", (("", inner),)),
        Parallel("p", (inner,)),
    )
    assert [path for path, _ in unit_procedures(tree)] == ["A", "r[1]/B", "c/B", "p/B"]
