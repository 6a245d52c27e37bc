"""A phase being executed: its generator, the step it waits for, and the reply it has not seen yet."""

import asyncio
from collections.abc import Mapping
from typing import cast

from batches.errors import RecordError
from batches.phases import begin
from batches.phases.base import Phase
from batches.plain import canonical
from batches.recipe import PhaseCall, UnitProcedure
from batches.record import OpenPhase
from batches.steps import Step, Value, decode, plain


class Cursor:
    """Where one phase instance stands.

    `step` is what the phase waits for; None when it has ended (then `results`). `held_back`: a reply
    that is recorded but not given to the phase, because its unit procedure does not run; in a tuple,
    as the reply may be None. `recovered`: the step was asked by an engine that is gone.
    """

    def __init__(self, path: str, call: PhaseCall, node: UnitProcedure, up: str, phase: Phase, open_: OpenPhase) -> None:
        self.path, self.call, self.node, self.up = path, call, node, up
        self.run = begin(phase, cast("dict[str, Value]", decode(open_.parameters)))
        self.step: Step | None = None
        self.results: Mapping[str, Value] = {}
        self.held_back: tuple[Value] | None = None
        self.recovered = False
        self.acting = False
        self._moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, reply: Value, *, first: bool = False) -> Step | None:
        """Give the phase a reply, as it would be read from the record, and take its next step."""
        try:
            self.step = next(self.run) if first else self.run.send(decode(plain(reply)))
        except StopIteration as stop:
            self.step, self.results = None, cast("Mapping[str, Value] | None", stop.value) or {}
        return self.step

    def replay(self, open_: OpenPhase) -> None:
        """Bring the phase to where the record says it is. Raises RecordError if it went another way."""
        step = self.send(None, first=True)
        for number, (recorded, reply) in enumerate(open_.history, 1):
            self._compare(number, recorded, step)
            if number == len(open_.history) and open_.open is None:
                self.held_back = (decode(reply),)
                return
            step = self.send(decode(reply))
        if open_.open is not None:
            self._compare(open_.open.number, open_.open.step, step)
            self.recovered = True

    def _compare(self, number: int, recorded: object, step: Step | None) -> None:
        if step is None or canonical(plain(step)) != canonical(cast("Mapping[str, str]", recorded)):
            raise RecordError(
                f"Step {number} of '{self.path}' is recorded as {recorded}, but the phase now asks for {step}; "
                "run 'kweek upgrade check' with the software that made the record."
            )

    @property
    def moved(self) -> "asyncio.Future[None]":
        """Resolved when the phase has got another step, or has ended, or its step changed status."""
        return self._moved

    def wake(self) -> None:
        """Tell whoever waits that the phase stands elsewhere now."""
        old, self._moved = self._moved, asyncio.get_running_loop().create_future()
        if not old.done():
            old.set_result(None)
