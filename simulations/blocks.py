"""Work in a row as one block: asked for once, done in one go."""

from dataclasses import dataclass

from simulations.course import Op, Task
from simulations.scenario import Need, ShiftEnd
from simulations.step_tree import Node, Tree


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Steps in a row that the same people do, or that take time without people. `fixed`: seconds known
    beforehand; `drawn`: the others, each with its depth; `last`: the step whose reply leads on."""

    need: Need
    rule: ShiftEnd
    fixed: float
    drawn: tuple[tuple[int, Task], ...]
    consumes: tuple[Task, ...]
    samples: tuple[str, ...]
    nodes: tuple[Node[Task], ...]
    last: Node[Task]


def block_from(tree: Tree[Task], first: Node[Task]) -> Block:
    """The steps from one on that are one block: the same people and rule, or none; no branch before the
    last; what takes no time goes with them."""
    nodes, last, at = [first], first, first
    begun = first.task
    assert begun is not None
    while at.single and not (at.task and at.task.stops):
        at = tree.next(at, 0)
        task = at.task
        if task is None or not _goes_with(task, begun):
            break
        nodes.append(at)
        last = at
    tasks = [(node.depth, node.task) for node in nodes if node.task is not None]
    timed = [(depth, task) for depth, task in tasks if task.op is not Op.FREE]
    return Block(
        begun.need,
        begun.rule,
        sum(task.constant for _, task in timed if task.constant >= 0),
        tuple((depth, task) for depth, task in timed if task.constant < 0),
        tuple(task for _, task in timed if task.material),
        tuple(task.sample for _, task in timed if task.sample),
        tuple(nodes),
        last,
    )


def _goes_with(task: Task, begun: Task) -> bool:
    if task.op is Op.FREE:
        return True
    if task.op is not begun.op:
        return False
    return task.op is Op.SPAN or (task.need == begun.need and task.rule == begun.rule)
