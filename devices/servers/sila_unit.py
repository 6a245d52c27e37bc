"""What a simulated unit does for the SiLA 2 features: a twin with its faults, without the protocol.

Everything runs on one event loop, so that a decision is taken without waiting in between.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeAlias

from devices.servers.faults import UnitFaults
from devices.servers.memory import Memory
from devices.twins.programmes import Amount, OutOfRange, Result, Run, WrongState, event_file, moment
from devices.twins.twin import NEVER, Twin

Order: TypeAlias = Literal["Hold", "Resume", "Stop", "Abort"]
Row: TypeAlias = tuple[object, ...]


class SilaUnit:
    """One unit. `now`: process time; `lose`: breaks the links, so that an answer is lost."""

    def __init__(
        self, twin: Twin, now: Callable[[], datetime], lose: Callable[[], None], memory: Memory | None
    ) -> None:
        self.twin, self.faults = twin, UnitFaults()
        self._now, self._lose, self._memory = now, lose, memory
        self._changed = asyncio.Condition()
        self._frozen: dict[str, Row] = {}

    def at(self) -> float:
        """The time at which a command acts. A twin that remembers a later time waits for it."""
        return max(self._now().timestamp(), self.twin.at)

    async def update(self) -> None:
        """Come to the present, keep what ended, and wake those who wait for it."""
        before = self.twin.active
        self.twin.update(self.at())
        if before is not None and before.status != "running":
            self._keep(before)
        async with self._changed:
            self._changed.notify_all()

    def _keep(self, run: Run | None) -> None:
        if self._memory is not None:
            self._memory.keep(self.twin, run)

    async def _acted(self, run: Run | None) -> None:
        """After a command: keep what became of it, and show the faults of its answer."""
        self._keep(run)
        if self.faults.lost():
            self._lose()
        await self.update()
        if late := self.faults.late():
            await asyncio.sleep(late)

    # -- values ----------------------------------------------------------------------------------

    def readings(self) -> list[Row]:
        """Tag, value, unit of measure, digits, quality and moment of everything that is measured."""
        self.twin.update(self.at())
        return [self._reading(tag, value) for tag, value in self.twin.outputs().items()]

    def _reading(self, tag: str, value: float) -> Row:
        if self.faults.frozen(tag) and tag in self._frozen:
            return self._frozen[tag]
        known, at = self.twin.model.tags[tag], moment(self.twin.at)
        shown = self.faults.shown(tag, value, self.twin.at)
        failed = self.faults.failed(tag)
        quality = "bad" if failed else "good" if known.low <= shown <= known.high else "uncertain"
        value = 0.0 if failed else round(shown, known.digits)
        row = self._frozen[tag] = (tag, value, known.unit, known.digits, quality, at)
        return row

    def set_points(self) -> list[Row]:
        """Tag, set-point, whether it is given, range and unit of measure."""
        twin = self.twin
        return [
            (tag, twin.targets.get(tag, 0.0), tag in twin.switched_on, *known.settable, known.unit)
            for tag, known in twin.model.tags.items()
            if known.settable
        ]

    async def set_target(self, tag: str, value: float) -> None:
        """Take a set-point. Raises OutOfRange, WrongState."""
        self.faults.check()
        self.twin.update(self.at(), {tag: value})
        await self._acted(None)

    # -- programmes ------------------------------------------------------------------------------

    async def start(self, task: str, job: str, programme: str, given: Mapping[str, str]) -> None:
        """Start a programme, or find the run that this command started before. Raises DeviceRefused."""
        self.faults.check()
        if not task:
            raise OutOfRange("RunProgramme needs a CommandId, by which the run can be asked for later.")
        await self._acted(self.twin.start(self.at(), programme, given, task, job))

    async def ended(self, task: str) -> Run:
        """The run of a command, once it has ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.twin.runs[task].status != "running")
        return self.twin.runs[task]

    def status(self, task: str) -> Row:
        """Status, text, progress, seconds left of the stage, and prompt of a command."""
        self.twin.update(self.at())
        run = self.twin.runs.get(task)
        if run is None:
            return ("not_seen", "", 0.0, 0.0, "")
        if run.status != "running":
            return (run.status, run.text, 1.0, 0.0, "")
        left = run.due - self.twin.at if run.due != NEVER else 0.0
        return ("running", _doing(run), progress(run, self.twin.at), left, run.prompt)

    def result(self, task: str) -> Row:
        """Status, text, results and event file of a command that has ended. Raises OutOfRange, WrongState."""
        run = self.twin.runs.get(task)
        if run is None:
            raise OutOfRange(f"{self.twin.unit} knows no command {task}.")
        if run.status == "running":
            raise WrongState(f"{self.twin.unit} still carries out the command {task}.")
        results = [_row(name, value) for name, value in run.results.items()]
        return (run.status, run.text, results, event_file(run, self.twin.unit))

    async def answer(self, task: str, prompt: str, answer: str) -> None:
        """Answer a prompt. Raises OutOfRange, WrongState."""
        self.faults.check()
        self.twin.answer(self.at(), task, prompt, answer)
        await self._acted(self.twin.runs[task])

    async def order(self, order: Order) -> None:
        """Hold, resume, or end what runs. Raises WrongState."""
        self.faults.check()
        self.twin.update(self.at())
        run = self.twin.active
        match order:
            case "Hold":
                self.twin.hold(self.twin.at)
            case "Resume":
                self.twin.unhold(self.twin.at)
            case "Stop" | "Abort":
                self._end("stopped" if order == "Stop" else "aborted")
        await self._acted(run)

    def _end(self, why: str) -> None:
        """End the programme and the perfusion; the environment stays controlled, for cells may be inside."""
        if self.twin.active is not None:
            self.twin.end(self.twin.at, why)
        if "perfusion_rate" in self.twin.switched_on:
            self.twin.switch(self.twin.at, "perfusion_rate", False)


def progress(run: Run, at: float) -> float:
    """How far a run is, from 0 to 1, by the stages with a known length."""
    past = sum(stage.lasts for stage in run.stages[: run.stage])
    until = run.held_at if run.held_at is not None else at
    within = min(max(until - run.stage_started, 0.0), run.current.lasts)
    return min((past + within) / run.estimated, 1.0) if run.estimated else 0.0


def _doing(run: Run) -> str:
    return f"{run.run_id} is held" if run.held_at is not None else f"{run.run_id}: {run.current.name}"


def _row(name: str, value: Result) -> tuple[Any, ...]:
    match value:
        case Amount():
            return (name, "quantity", f"{value.value:.{value.digits}f}", value.unit)
        case bool():
            return (name, "yes_no", "true" if value else "false", "")
        case str():
            return (name, "text", value, "")
