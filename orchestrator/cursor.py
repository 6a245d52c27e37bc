"""A phase being executed: its generator, the step it waits for, and the reply it has not seen yet."""

import asyncio
from collections.abc import Mapping
from typing import cast

from batches.interpret import advance, replay, same_step
from batches.outcomes import taken_by
from batches.phases import begin
from batches.phases.base import Phase
from batches.recipe import PhaseCall, UnitProcedure
from batches.record_state import OpenPhase
from batches.steps import PhaseRun, Step, Value, decode, plain


class Cursor:
    """Where one phase instance stands.

    `step` is what the phase waits for; None when it has ended (then `results`). `held_back`: a reply
    that is recorded but not given to the phase, because its unit procedure does not run; in a tuple,
    as the reply may be None. `recovered`: what became of the step is still to be said; it was asked by an
    engine that is gone, or, if `unclear` says why, the device gave no definite answer.
    """

    def __init__(
        self, path: str, call: PhaseCall, node: UnitProcedure, up: str, phase: Phase, open_: OpenPhase
    ) -> None:
        self.path, self.call, self.node, self.up = path, call, node, up
        self._phase = phase
        self.run = self._begun(open_)
        self.step: Step | None = None
        self.results: Mapping[str, Value] = {}
        self.held_back: tuple[Value] | None = None
        self.recovered = False
        self.unclear = ""
        self.acting = False
        self._moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, reply: Value, *, first: bool = False) -> Step | None:
        """Give the phase a reply, as it would be read from the record, and take its next step."""
        self.step, self.results = advance(self.run, decode(plain(reply)), first=first)
        return self.step

    def _begun(self, open_: OpenPhase) -> PhaseRun:
        return begin(self._phase, cast("dict[str, Value]", decode(open_.parameters)))

    def check_outcome(self, open_: OpenPhase, reply: Value) -> None:
        """Raises BadInput if the phase could not go on with this reply to its step."""
        taken_by(self._begun(open_), open_.history, reply)

    def replay(self, open_: OpenPhase) -> None:
        """Bring the phase to where the record says it is. Raises RecordError if it went another way."""
        given = open_.history if open_.open is not None else open_.history[:-1]
        self.step = replay(self.run, given).step
        if open_.open is not None:
            same_step(open_.open.number, self.step, open_.open.step)
            self.recovered = True
        elif open_.history:
            recorded, reply = open_.history[-1]
            same_step(len(open_.history), self.step, recorded)
            self.held_back = (decode(reply),)

    @property
    def moved(self) -> "asyncio.Future[None]":
        """Resolved when the phase has got another step, or has ended, or its step changed status."""
        return self._moved

    def wake(self) -> None:
        """Tell whoever waits that the phase stands elsewhere now."""
        old, self._moved = self._moved, asyncio.get_running_loop().create_future()
        if not old.done():
            old.set_result(None)
