"""Commands and the decisions of the procedure: who may, with what reason, and what follows."""

from copy import deepcopy
from datetime import timedelta
from typing import get_args

import pytest

from batches import commands, procedure_actions
from batches.entries import SYSTEM, Actor
from batches.errors import BadInput, KweekError, NotPermitted, RecordError, Refused
from batches.plain import dict_in, text_in
from batches.recipe_reader import read
from batches.states import COMMANDS, Command
from batches.steps import Ask, Role
from tests.batches.eventful import harvests, small, small_recipe, until, waits
from tests.batches.running import Run, good

MAY: dict[Command, set[str]] = {
    "start": {"operator", "supervisor"}, "pause": {"operator", "supervisor"}, "resume": {"operator", "supervisor"},
    "hold": {"operator", "supervisor", "qa", "engineer"}, "restart": {"operator", "supervisor"}, "stop": {"supervisor"},
    "abort": {"supervisor"}, "reset": {"supervisor"},
}  # fmt: skip
"""Written out once more: who may give which command."""
FROM: dict[Command, str] = {
    "start": "Idle", "pause": "Running", "resume": "Paused", "hold": "Running", "restart": "Held", "stop": "Running",
    "abort": "Running",
}  # fmt: skip
"""A state in which a batch takes the command; it is never reset."""


def batch(at: str = "Running") -> Run:
    """A batch in a state, with a unit procedure in it."""
    run = Run(small_recipe(), harvests)
    if at == "Idle":
        return run
    if at == "Complete":
        return small()
    run.start()
    until(run, lambda: bool(run.state.phases))
    if at in ("Held", "Paused"):
        given(run, "hold" if at == "Held" else "pause")
        for path in reversed([*run.state.elements]):
            run.batch(commands.settle(run.state, path))
    return run


def given(
    run: Run, command: Command, path: str = "", role: str = "supervisor", reason: str = "a reason"
) -> None:
    run.batch(commands.command(run.state, path, command, Actor("person", "p-1", role), reason))


@pytest.mark.parametrize("command", FROM)
@pytest.mark.parametrize("role", get_args(Role))
def test_every_command_by_every_role(command: Command, role: str) -> None:
    run = batch(FROM[command])
    before = deepcopy(run.state)
    if role in MAY[command]:
        given(run, command, role=role)
        assert run.state.state != before.state
        assert run.entries[-1].actor.role == role
    else:
        with pytest.raises(NotPermitted, match=f"'{command}' needs the role"):
            given(run, command, role=role)
        assert run.state == before


@pytest.mark.parametrize("command", FROM)
@pytest.mark.parametrize("reason", ["", "   "])
def test_what_ends_or_holds_needs_a_reason(command: Command, reason: str) -> None:
    run = batch(FROM[command])
    if command in ("hold", "stop", "abort"):
        with pytest.raises(BadInput, match=f"'{command}' needs a reason"):
            given(run, command, reason=reason)
    else:
        given(run, command, reason=reason)


@pytest.mark.parametrize("at", ["Idle", "Running", "Held", "Paused", "Complete"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_in_the_wrong_state_is_refused_and_changes_nothing(at: str, command: Command) -> None:
    run = batch(at)
    allowed = {
        "Idle": {"start", "abort"}, "Running": {"pause", "hold", "stop", "abort"}, "Held": {"restart", "stop", "abort"},
        "Paused": {"resume", "hold", "stop", "abort"}, "Complete": set[str](),
    }[at]  # fmt: skip
    before = deepcopy(run.state)
    if command in allowed:
        given(run, command)
        return
    with pytest.raises(Refused, match=r"not possible in this state|is one execution"):
        given(run, command)
    assert run.state == before


def test_a_batch_is_started_once_and_is_one_execution() -> None:
    run = batch("Idle")
    given(run, "start")
    with pytest.raises(Refused, match="possible now: pause, hold, stop, abort"):
        given(run, "start")
    done = small()
    for command in COMMANDS:
        with pytest.raises(Refused, match=r"is Complete: a batch is one execution.*Create a new batch"):
            given(done, command)


def test_only_a_supervisor_resets_a_unit_procedure() -> None:
    run = batch()
    (up,) = [path for path in run.state.elements if path]
    given(run, "abort", up)
    run.batch(commands.settle(run.state, up))
    with pytest.raises(NotPermitted, match="'reset' needs the role supervisor"):
        given(run, "reset", up, "operator")
    given(run, "reset", up, reason="")
    with pytest.raises(Refused, match="was run before: a batch is one execution"):
        given(run, "start", up)
    assert run.state.elements == {"": "Running", up: "Idle"}


def test_a_batch_that_has_not_begun_is_aborted_by_a_supervisor_who_says_why() -> None:
    run = batch("Idle")
    with pytest.raises(NotPermitted):
        given(run, "abort", role="operator")
    with pytest.raises(BadInput):
        given(run, "abort", reason=" ")
    given(run, "abort")
    assert (run.state.elements, commands.settled(run.state)) == ({"": "Aborting"}, True)
    run.batch(commands.settle(run.state, ""))
    assert (run.state.elements, run.state.ended, run.state.in_care) == ({"": "Aborted"}, True, False)


def test_a_unit_procedure_that_has_not_begun_takes_no_command() -> None:
    with pytest.raises(Refused, match="'Nowhere' has not begun"):
        given(batch(), "hold", "Nowhere")


@pytest.mark.parametrize(
    ("command", "acting", "ended"), [("stop", "Stopping", "Stopped"), ("abort", "Aborting", "Aborted")]
)
def test_stop_and_abort_travel_down_and_the_batch_ends_last(
    command: Command, acting: str, ended: str
) -> None:
    run = batch()
    (up,) = [path for path in run.state.elements if path]
    given(run, command)
    assert run.state.elements == {"": acting, up: acting}
    assert commands.settled(run.state) is False
    run.batch(commands.settle(run.state, up))
    assert commands.settled(run.state) is True
    run.batch(commands.settle(run.state, ""))
    assert run.state.elements == {"": ended, up: ended}
    assert (run.state.ended, run.state.in_care, run.state.tasks) == (True, True, {})
    with pytest.raises(Refused, match="a batch is one execution"):
        given(run, "reset")


def test_a_command_for_one_unit_procedure_leaves_the_batch_as_it_is() -> None:
    run = batch()
    (up,) = [path for path in run.state.elements if path]
    given(run, "hold", up, "operator")
    assert run.state.elements == {"": "Running", up: "Holding"}
    assert run.state.held_by_people == {up}


def test_the_system_holds_only_what_can_be_held() -> None:
    run = batch("Held")
    (up,) = [path for path in run.state.elements if path]
    before = deepcopy(run.state)
    run.batch(commands.hold_by_system(run.state, up, "a valve"))
    assert run.state == before


def test_settling_what_does_not_end_by_itself_is_refused() -> None:
    run = batch("Held")
    with pytest.raises(Refused, match="does not end by itself"):
        run.batch(commands.settle(run.state, ""))


def test_a_recipe_of_patient_material_needs_its_identity() -> None:
    with pytest.raises(BadInput, match="chain-of-identity"):
        Run(small_recipe(), harvests, identity="")


# --- the procedure ------------------------------------------------------------------------------------


def test_a_phase_that_begins_too_late_opens_a_deviation_and_begins() -> None:
    run = batch("Idle").start()
    until(run, lambda: "Receipt/Clear/clear_line" in run.state.progress.finished)
    run.now += timedelta(hours=3)
    while run.advance():
        pass
    assert [entry.content()["path"] for entry in run.entries if entry.kind == "time_limit_exceeded"] != []
    assert [found.severity for found in run.state.deviations.values()] == ["major"]
    assert run.state.state == "Complete"


def test_a_phase_that_begins_in_time_opens_none() -> None:
    assert small().state.deviations == {}


BOUNDED = """
recipe: bounded
language: 1
version: 1
title: Rounds and a choice
product: {name: Thing, kind: allogeneic, store: {at_most: -150 degC}, expires: {after: last, within: 365 day}}
formula: {wanted: {value: 5, source: test}}
units: {reactor: bioreactor/vertical_wheel}
procedure:
  - unit_procedure: Grow
    unit: reactor
    operations:
      - operation: Op
        phases:
          - repeat: Rounds
            at_most: 3
            until: $n >= 5
            body:
              - decide@1: {question: Enough?, options: yes | no}
                as: look
                hold: {safe: stand_still, longest: 1 h}
              - calculate: n
                value: 1 + 1
                unit: dimensionless
          - choice: Which
            when:
              - if: $n >= 5
                then:
                  - decide@1: {question: Many?, options: a | b}
                    as: many
                    hold: {safe: stand_still, longest: 1 h}
              - otherwise:
                  - decide@1: {question: Few?, options: a | b}
                    as: last
                    hold: {safe: stand_still, longest: 1 h}
"""


def test_a_repeat_that_is_exhausted_goes_on_with_a_deviation_and_a_choice_takes_one_option() -> None:
    run = Run(read(BOUNDED, "bounded.yaml"), good).to_the_end()
    finished = next(entry.content() for entry in run.entries if entry.kind == "repeat_finished")
    assert (finished["iterations"], finished["satisfied"], finished["inputs"]) == (
        3,
        False,
        {"n": 2},
    )
    assert [(found.severity, found.path) for found in run.state.deviations.values()] == [
        ("major", "Grow/Op/Rounds")
    ]
    chosen = next(entry.content() for entry in run.entries if entry.kind == "chosen")
    assert (chosen["option"], chosen["condition"]) == (1, "")
    begun = [entry.content()["path"] for entry in run.entries if entry.kind == "phase_started"]
    assert begun == [*(f"Grow/Op/Rounds[{n}]/look" for n in (1, 2, 3)), "Grow/Op/Which/last"]


def test_the_expiry_counts_from_the_event_of_the_rule() -> None:
    run = Run(read(BOUNDED, "bounded.yaml"), good).to_the_end()
    (ended,) = [
        e for e in run.entries if e.kind == "phase_finished" and e.content()["path"] == "Grow/Op/Which/last"
    ]
    assert run.state.expiry == ended.recorded_at + timedelta(days=365)


def test_a_choice_without_an_option_that_applies_is_an_error_of_the_recipe() -> None:
    text = BOUNDED.replace("- otherwise:", "- if: $n >= 9\n                then:")
    with pytest.raises(KweekError):
        Run(read(text, "bounded.yaml"), good).to_the_end()


def test_a_unit_procedure_cannot_begin_without_its_unit() -> None:
    run = batch("Idle").start()
    (action,) = procedure_actions.actions(run.state)[""]
    with pytest.raises(Refused, match="no unit is allocated"):
        run.batch(procedure_actions.take(run.state, action, run.now))


def test_steps_are_asked_with_keys_of_their_own_and_absolute_due_times() -> None:
    run = small()
    asked = [entry for entry in run.entries if entry.kind == "step_asked"]
    assert len({text_in(entry.content(), "command") for entry in asked}) == len(asked)
    armed = [e for e in asked if text_in(dict_in(e.content(), "step"), "step") in ("Wait", "First")]
    assert armed
    assert all(entry.content()["dues"] for entry in armed)


def test_the_outcome_of_a_step_is_known_only_once() -> None:
    run = batch()
    path = next(iter(run.state.phases))
    run.batch(commands.done(run.state, path, None))
    with pytest.raises(RecordError, match="waits for no step"):
        run.batch(commands.done(run.state, path, None))


def test_trouble_holds_the_unit_procedure_and_asks_a_supervisor() -> None:
    run = batch("Idle").start()
    until(run, lambda: waits(run, "receipt", Ask))
    path = next(iter(run.state.phases))
    run.batch(commands.in_doubt(run.state, path, "Nobody knows."))
    (task,) = [task for task in run.state.tasks.values() if task.kind == "in_doubt"]
    assert (task.role, task.content["options"]) == (
        "supervisor",
        ["it happened", "it did not happen", "substitute"],
    )
    assert run.state.elements[path.split("/")[0]] == "Holding"
    assert run.entries[-2].actor == SYSTEM
