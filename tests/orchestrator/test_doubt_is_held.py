"""A doubtful action holds its unit procedure, also in a phase that is otherwise finished before a hold."""

from batches.entries import read
from tests.crash.small import small_world


def test_a_phase_that_cannot_be_held_is_held_while_a_person_must_say_what_happened() -> None:
    names = undisturbed_names()
    world = small_world(frozenset({names.index("during BR-01 harvest") + 1}))
    world.run()
    stream = world.disk.streams["batch/B-26-0001"]
    record = [read(part.leaf, part.entry.salt, part.body) for part in stream]
    after = record[next(n for n, entry in enumerate(record) if entry.kind == "step_in_doubt") :]
    told = [
        entry.content().get("to", entry.kind)
        for entry in after
        if entry.kind in ("step_in_doubt", "task_answered")
        or (entry.kind == "state_changed" and entry.content()["path"] == "Grow")
    ]
    assert told[:4] == ["step_in_doubt", "Holding", "Held", "task_answered"]


def undisturbed_names() -> list[str]:
    world = small_world()
    world.run()
    return world.points.names
