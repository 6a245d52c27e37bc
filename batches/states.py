"""The ISA-88 state machine of a procedure and of each unit procedure.

The matrix is the example of ISA-88.01 / IEC 61512-1; Stop and Abort travel down the tree. An acting
state ends by itself (`AUTOMATIC`) when its logic has ended.
"""

from typing import Literal, TypeAlias, get_args

from batches.errors import Refused

State: TypeAlias = Literal[
    "Idle", "Running", "Complete", "Pausing", "Paused", "Holding", "Held", "Restarting",
    "Stopping", "Stopped", "Aborting", "Aborted",
]  # fmt: skip
Command: TypeAlias = Literal["start", "pause", "resume", "hold", "restart", "stop", "abort", "reset"]

STATES: tuple[State, ...] = get_args(State)
COMMANDS: tuple[Command, ...] = get_args(Command)

ACCEPTED: dict[tuple[State, Command], State] = {
    ("Idle", "start"): "Running",
    ("Running", "pause"): "Pausing",
    ("Running", "hold"): "Holding",
    ("Running", "stop"): "Stopping",
    ("Running", "abort"): "Aborting",
    ("Complete", "reset"): "Idle",
    ("Pausing", "hold"): "Holding",
    ("Pausing", "stop"): "Stopping",
    ("Pausing", "abort"): "Aborting",
    ("Paused", "resume"): "Running",
    ("Paused", "hold"): "Holding",
    ("Paused", "stop"): "Stopping",
    ("Paused", "abort"): "Aborting",
    ("Holding", "stop"): "Stopping",
    ("Holding", "abort"): "Aborting",
    ("Held", "restart"): "Restarting",
    ("Held", "stop"): "Stopping",
    ("Held", "abort"): "Aborting",
    ("Restarting", "hold"): "Holding",
    ("Restarting", "stop"): "Stopping",
    ("Restarting", "abort"): "Aborting",
    ("Stopping", "abort"): "Aborting",
    ("Stopped", "abort"): "Aborting",
    ("Stopped", "reset"): "Idle",
    ("Aborted", "reset"): "Idle",
}

AUTOMATIC: dict[State, State] = {
    "Running": "Complete",
    "Pausing": "Paused",
    "Holding": "Held",
    "Restarting": "Running",
    "Stopping": "Stopped",
    "Aborting": "Aborted",
}

ENDED: frozenset[State] = frozenset({"Complete", "Stopped", "Aborted"})
"""States from which an element goes on only by Reset; a batch, being one execution, never does."""


def after(state: State, command: Command, what: str) -> State:
    """The state after a command. Raises Refused, naming `what` and the commands that are possible."""
    found = ACCEPTED.get((state, command))
    if found is None:
        possible = [name for (at, name) in ACCEPTED if at == state]
        hint = f"possible now: {', '.join(possible)}" if possible else "it ends by itself; wait"
        raise Refused(f"{what} is {state}: '{command}' is not possible in this state ({hint}).")
    return found


def end_of(state: State, what: str) -> State:
    """The state an acting state ends in. Raises Refused for a waiting or final state."""
    found = AUTOMATIC.get(state)
    if found is None:
        raise Refused(f"{what} is {state}, which does not end by itself.")
    return found
