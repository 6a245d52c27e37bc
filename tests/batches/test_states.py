"""Every cell of the ISA-88 matrix, against the table of IEC 61512-1 written out once more by hand."""

import pytest

from batches.errors import Refused
from batches.states import ACCEPTED, AUTOMATIC, COMMANDS, STATES, State, after, end_of

# Rows: state; columns: start pause resume hold restart stop abort reset, then the automatic end.
MATRIX = """
Idle        Running -       -       -       -          -        -        -    -
Running     -       Pausing -       Holding -          Stopping Aborting -    Complete
Complete    -       -       -       -       -          -        -        Idle -
Pausing     -       -       -       Holding -          Stopping Aborting -    Paused
Paused      -       -       Running Holding -          Stopping Aborting -    -
Holding     -       -       -       -       -          Stopping Aborting -    Held
Held        -       -       -       -       Restarting Stopping Aborting -    -
Restarting  -       -       -       Holding -          Stopping Aborting -    Running
Stopping    -       -       -       -       -          -        Aborting -    Stopped
Stopped     -       -       -       -       -          -        Aborting Idle -
Aborting    -       -       -       -       -          -        -        -    Aborted
Aborted     -       -       -       -       -          -        -        Idle -
"""
ROWS = {cells[0]: cells[1:] for cells in (line.split() for line in MATRIX.strip().splitlines())}
ORDER = ("start", "pause", "resume", "hold", "restart", "stop", "abort", "reset")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_cell(state: State, command: str) -> None:
    expected = ROWS[state][ORDER.index(command)]
    if expected == "-":
        with pytest.raises(Refused, match=f"Batch X is {state}: '{command}' is not possible"):
            after(state, command, "Batch X")  # pyright: ignore[reportArgumentType]
    else:
        assert after(state, command, "Batch X") == expected  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("state", STATES)
def test_acting_states_end_by_themselves_and_no_others(state: State) -> None:
    expected = ROWS[state][-1]
    assert AUTOMATIC.get(state, "-") == expected
    if expected == "-":
        with pytest.raises(Refused, match="does not end by itself"):
            end_of(state, "Batch X")


def test_the_counts_of_the_standard() -> None:
    assert (len(STATES), len(COMMANDS), len(ACCEPTED), len(AUTOMATIC)) == (12, 8, 25, 6)
