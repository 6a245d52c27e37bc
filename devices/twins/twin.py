"""A twin: a model of one piece of equipment, with its set-points, its programmes and its probes.

`Twin` owns time and runs; a `Model` owns physics and knows nothing of either. A model is stateless: it
turns one state into the next. The twin integrates on a grid of fixed steps that starts anew at every
command, and a look between two grid points never moves the grid. So the same seed and the same
commands give the same series, however often anybody looks.

Times are seconds since the Unix epoch (process time, UTC).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from devices.base import Identity
from devices.twins.noise import channel, normal
from devices.twins.programmes import (
    Argument,
    OutOfRange,
    Programme,
    Result,
    Run,
    Stage,
    WrongState,
    arguments_for,
    run_from,
)

STEP = 900.0
"""Seconds of the integration grid. Models take shorter steps inside it where they need them."""
PROBE_TICK = 10.0
"""Seconds for which a probe shows the same noise."""
NEVER = float("inf")

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Tag:
    """A value of the equipment: its unit of measure, what the probe can show, how finely, how noisily.

    `settable` gives the range of set-points; None for a value that is only read.
    """

    unit: str
    low: float
    high: float
    digits: int
    noise: float = 0.0
    settable: tuple[float, float] | None = None


class Model(Protocol[S]):
    """The physics of a kind of equipment. Every method is a pure function of its arguments."""

    @property
    def name(self) -> str: ...
    @property
    def tags(self) -> Mapping[str, Tag]: ...
    @property
    def programmes(self) -> Mapping[str, Programme]: ...

    def initial(self) -> S: ...
    def restored(self, members: Mapping[str, Any]) -> S: ...
    def snapshot(self, state: S) -> dict[str, Any]: ...
    def advance(self, state: S, seconds: float, targets: Mapping[str, float]) -> S: ...
    def values(self, state: S) -> dict[str, float]: ...
    def truth(self, state: S) -> dict[str, float]: ...
    def stages(self, state: S, programme: str, arguments: Mapping[str, Argument]) -> list[Stage]:
        """The stages of a run that starts now. Raises OutOfRange or WrongState."""
        ...

    def set_points(self, programme: str, arguments: Mapping[str, Argument]) -> dict[str, float]:
        """The set-points a programme gives itself when it starts, by tag."""
        ...

    def enter(self, state: S, stage: Stage, arguments: Mapping[str, Argument]) -> S: ...
    def leave(
        self, state: S, stage: Stage, arguments: Mapping[str, Argument], fraction: float
    ) -> tuple[S, dict[str, Result]]:
        """The effect of a stage that was carried out to `fraction` (1: to its end), and its results."""
        ...


class Update(NamedTuple):
    """What the probes show, and when the equipment next does something by itself."""

    outputs: dict[str, float]
    wake_at: float


class Twin:
    """One simulated unit. Raises OutOfRange and WrongState (both DeviceRefused) for what it will not do."""

    def __init__(self, unit: str, model: Model[Any], at: float, seed: int = 1) -> None:
        self.unit, self.model, self.seed = unit, model, seed
        self.identity = Identity("Kweek", f"Simulated {model.name}", f"SIM-{unit}", "1")
        self.at = at
        self.targets: dict[str, float] = {}
        self.switched_on: set[str] = set()
        self.active: Run | None = None
        self.runs: dict[str, Run] = {}
        """Every run there was, by task id; kept so that a repeated command acts once."""
        self._base, self._base_at = model.initial(), at
        self._seen = self._base
        self._channels = {tag: channel(unit, tag) for tag in model.tags}

    # -- time ------------------------------------------------------------------------------------

    def update(self, at: float, inputs: Mapping[str, float] | None = None) -> Update:
        """Go to `at`, take `inputs` (set-points by tag), and tell what the probes show."""
        self._reach(at)
        for tag, value in (inputs or {}).items():
            self.aim(at, tag, value)
            self.switch(at, tag, True)
        return Update(self.outputs(), self.wake_at)

    @property
    def wake_at(self) -> float:
        """When the present stage ends; infinity if nothing will happen by itself."""
        return self.active.due if self.active else NEVER

    def _reach(self, at: float) -> None:
        if at < self.at:
            raise WrongState(
                f"{self.unit} was already asked about a later time; process time does not go back."
            )
        while (run := self.active) and min(run.due, run.next_look) <= at:
            self._integrate(min(run.due, run.next_look))
            if run.next_look < run.due:
                self._look(run)
            else:
                self._end_stage(run, 1.0)
        self._integrate(at)

    def _integrate(self, at: float) -> None:
        targets = {tag: self.targets[tag] for tag in self.switched_on}
        while at - self._base_at >= STEP:
            self._base = self.model.advance(self._base, STEP, targets)
            self._base_at += STEP
        past = at - self._base_at
        self._seen = self.model.advance(self._base, past, targets) if past > 0 else self._base
        self.at = at

    def _keep(self, state: Any) -> None:
        """Start the grid anew here, from `state`."""
        self._base = self._seen = state
        self._base_at = self.at

    # -- values ----------------------------------------------------------------------------------

    def outputs(self) -> dict[str, float]:
        """What the probes show now: true value, noise, the end of the scale."""
        tick, values = int(self.at / PROBE_TICK), self.model.values(self._seen)
        return {tag: self._shown(tag, value, tick) for tag, value in values.items()}

    def _shown(self, tag: str, value: float, tick: int) -> float:
        known = self.model.tags[tag]
        if known.noise and value > 0:
            value += known.noise * normal(self.seed, self._channels[tag], tick)
        return min(max(value, known.low), known.high)

    def truth(self) -> dict[str, float]:
        """What is really inside: for the laboratory of the simulation, never for a controller."""
        return self.model.truth(self._seen)

    def aim(self, at: float, tag: str, value: float) -> None:
        """Store a set-point. Raises OutOfRange."""
        span = self._settable(tag)
        if not span[0] <= value <= span[1]:
            unit = self.model.tags[tag].unit
            raise OutOfRange(
                f"{self.unit} cannot be set to {tag} {value:g} {unit}; {span[0]:g} to {span[1]:g} {unit}."
            )
        self._reach(at)
        self._keep(self._seen)
        self.targets[tag] = value

    def switch(self, at: float, tag: str, on: bool) -> None:
        """Switch the controller of a tag on or off. Raises OutOfRange, WrongState without a set-point."""
        self._settable(tag)
        if on and tag not in self.targets:
            raise WrongState(
                f"{self.unit} has no set-point for {tag} yet; set one before the controller is started."
            )
        self._reach(at)
        self._keep(self._seen)
        if on:
            self.switched_on.add(tag)
        else:
            self.switched_on.discard(tag)

    def _settable(self, tag: str) -> tuple[float, float]:
        known = self.model.tags.get(tag)
        if known is None or known.settable is None:
            offered = ", ".join(name for name, each in self.model.tags.items() if each.settable)
            raise OutOfRange(f"{self.unit} has no set-point '{tag}'; it has: {offered or 'none'}.")
        return known.settable

    # -- programmes ------------------------------------------------------------------------------

    def start(self, at: float, programme: str, given: Mapping[str, str], task: str, job: str = "") -> Run:
        """Start a programme for the command `task`. The same task again is the same run, not a second one.

        Raises OutOfRange for an unknown programme or parameter, WrongState if the unit is busy or
        cannot do this now, or if the task id was used for something else.
        """
        self._reach(at)
        if (known := self.runs.get(task)) is not None:
            if known.programme == programme and known.given == dict(given):
                return known
            raise WrongState(f"{self.unit} knows the command {task} as another one ('{known.programme}').")
        arguments = self._checked(programme, given)
        stages = self.model.stages(self._seen, programme, arguments)
        run_id = f"{self.unit}-{len(self.runs) + 1:04d}"
        run = Run(run_id, programme, dict(given), arguments, job, task, stages, at)
        run.note(at, "programme started", programme)
        for name, value in given.items():
            run.note(at, "parameter", f"{name} = {value}")
        self.active = self.runs[task] = run
        own = self.model.set_points(programme, arguments)
        self.targets |= own
        self.switched_on |= own.keys()
        self._begin_stage(run)
        return run

    def _checked(self, programme: str, given: Mapping[str, str]) -> dict[str, Argument]:
        known = self.model.programmes.get(programme)
        if known is None:
            offered = ", ".join(self.model.programmes) or "none"
            raise OutOfRange(f"{self.unit} has no programme '{programme}'; it has: {offered}.")
        if self.active:
            raise WrongState(
                f"{self.unit} is busy with '{self.active.programme}' ({self.active.run_id}); wait for it."
            )
        return arguments_for(programme, known, given)

    def answer(self, at: float, task: str, prompt: str, answer: str) -> None:
        """Answer what the run asks. The same answer again is taken as given. Raises WrongState, OutOfRange."""
        self._reach(at)
        run = self.runs.get(task)
        if run is None or not answer.strip():
            raise OutOfRange(f"{self.unit} asks nothing for the command {task}, or the answer is empty.")
        if run.answers.get(prompt) == answer:
            return
        if run.prompt != prompt:
            raise WrongState(f"{self.unit} does not ask '{prompt}' now; it asks '{run.prompt}'.")
        run.answers[prompt] = answer
        run.note(at, "prompt answered", answer)
        self._end_stage(run, 1.0)

    def hold(self, at: float) -> None:
        """Let the present stage stand still; what is alive inside goes on living. Raises WrongState."""
        run = self._running(at)
        if run.held_at is not None:
            raise WrongState(f"{self.unit} is held already.")
        run.held_at = at
        run.note(at, "held")

    def unhold(self, at: float) -> None:
        """Go on with the held stage. Raises WrongState."""
        run = self._running(at)
        if run.held_at is None:
            raise WrongState(f"{self.unit} is not held.")
        pause = at - run.held_at
        run.paused, run.held_at = run.paused + pause, None
        run.stage_started += pause
        run.next_look += pause
        run.note(at, "resumed")

    def end(self, at: float, why: str) -> None:
        """End the run before its time; what was pumped was pumped. Raises WrongState."""
        run = self._running(at)
        until = run.held_at if run.held_at is not None else at
        run.held_at = None
        lasts = run.current.lasts
        done = 0.0 if run.current.prompt or not lasts else min((until - run.stage_started) / lasts, 1.0)
        run.stages = run.stages[: run.stage + 1]
        run.status, run.text = "failed", f"{why} during '{run.current.name}'"
        self._end_stage(run, done)

    def _running(self, at: float) -> Run:
        self._reach(at)
        if self.active is None:
            raise WrongState(f"{self.unit} runs no programme now.")
        return self.active

    def _begin_stage(self, run: Run) -> None:
        stage = run.current
        run.stage_started = self.at
        run.next_look = self.at if stage.looks else NEVER
        run.note(self.at, "prompt" if stage.prompt else "stage", stage.prompt or stage.name)
        self._keep(self.model.enter(self._seen, stage, run.arguments))

    def _end_stage(self, run: Run, fraction: float) -> None:
        state, results = self.model.leave(self._seen, run.current, run.arguments, fraction)
        self._keep(state)
        run.results.update(results)
        run.stage += 1
        if run.stage < len(run.stages):
            self._begin_stage(run)
        else:
            self._finish(run)

    def _finish(self, run: Run) -> None:
        if run.status == "running":
            run.status = "done"
        run.stopped, run.next_look, self.active = self.at, NEVER, None
        for name, result in run.results.items():
            shown = (
                result
                if isinstance(result, str | bool)
                else f"{result.value:.{result.digits}f} {result.unit}"
            )
            run.note(self.at, "result", f"{name} = {shown}")
        run.note(self.at, "programme ended", run.text or run.status)

    def _look(self, run: Run) -> None:
        shown = self.outputs()
        for tag, known in self.model.tags.items():
            run.note(self.at, tag, f"{shown[tag]:.{known.digits}f} {known.unit}")
        run.next_look += run.current.looks

    # -- memory ----------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """What is needed to go on from here in another process: state, set-points; runs by `Run.plain`."""
        return {
            "at": self.at,
            "base": self.model.snapshot(self._base),
            "base_at": self._base_at,
            "targets": dict(self.targets),
            "on": sorted(self.switched_on),
        }

    def restore(self, members: Mapping[str, Any], runs: list[Mapping[str, Any]]) -> None:
        """Go on from a snapshot and the runs known then; time that passed since is caught up by `update`."""
        self.at, self._base_at = float(members["at"]), float(members["base_at"])
        self._base = self.model.restored(members["base"])
        self.targets, self.switched_on = dict(members["targets"]), set(members["on"])
        self.runs = {run.task: run for run in map(run_from, runs)}
        self.active = next((run for run in self.runs.values() if run.status == "running"), None)
        self._integrate(self.at)
