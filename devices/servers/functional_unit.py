"""One LADS functional unit in service: its state machine, its methods, and what it shows of its twin."""

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.status_codes import StatusCodes

from devices.lads import (
    PROMPT,
    RUNNING_STATES,
    TRANSITIONS,
    UNIT_STATES,
    Command,
    State,
    node_id,
    stamped,
    unit_state,
)
from devices.servers.address_space import NodeId, Space, double, localized, text, whole
from devices.servers.faults import UnitFaults
from devices.servers.unit_space import Machine, UnitNodes, build_result
from devices.twins.programmes import Run, WrongState, moment
from devices.twins.twin import Twin


class FunctionalUnit:
    """Serves a twin. Every decision is taken by the twin or by TRANSITIONS, without waiting in between."""

    def __init__(self, server: Server, space: Space, twin: Twin, nodes: UnitNodes) -> None:
        self._server, self._space = server, space
        self.twin, self.nodes = twin, nodes
        self.faults = UnitFaults()
        self.state: State = "Stopped"
        self.files: dict[NodeId, bytes] = {}
        """Event files of results, by node."""
        self._unpublished: list[Run] = []
        self._stands: dict[NodeId, ua.Variant] = {}
        if (run := twin.active) is not None:
            self.state = "Execute" if run.held_at is None else "Held"

    # -- commands --------------------------------------------------------------------------------

    def check(self, command: Command) -> State:
        """The state a command leads to. Raises WrongState where the state refuses it."""
        after = TRANSITIONS[command].get(self.state)
        if after is None:
            raise WrongState(f"{self.twin.unit} is in state {self.state}, which takes no {command}.")
        return after

    def command(self, command: Command, at: float) -> None:
        """Carry out any method of the state machine but StartProgram. Raises WrongState."""
        self.advance(at)
        after = self.check(command)
        match command:
            case "Hold":
                self.twin.hold(at)
            case "Unhold":
                self.twin.unhold(at)
            case "Stop" | "Abort":
                self._end(at, "stopped" if command == "Stop" else "aborted")
            case _:
                pass
        self.state = after

    def _end(self, at: float, why: str) -> None:
        """End the programme and the perfusion; the environment stays controlled, for cells may be inside."""
        if self.twin.active is not None:
            self._unpublished.append(self.twin.active)
            self.twin.end(at, why)
        if "perfusion_rate" in self.twin.switched_on:
            self.twin.switch(at, "perfusion_rate", False)

    def start_programme(self, at: float, template: str, given: dict[str, str], job: str, task: str) -> Run:
        """Start a programme, or find the run that this task started before. Raises DeviceRefused."""
        self.advance(at)
        known = task in self.twin.runs
        after = self.state if known else self.check("StartProgram")
        run = self.twin.start(at, template, given, task, job)
        self.state = after
        return run

    def advance(self, at: float) -> None:
        """Let the twin come to `at`; a programme that ends on the way completes."""
        run = self.twin.active
        self.twin.update(at)
        if run is not None and run.status != "running":
            self._unpublished.append(run)
            self.state = "Complete"

    def ended(self) -> list[Run]:
        """Runs that ended and have no result node yet."""
        return list(self._unpublished)

    # -- what it shows ---------------------------------------------------------------------------

    async def publish_known(self) -> None:
        """Show the results of runs that an earlier process left."""
        for run in self.twin.runs.values():
            if run.status != "running":
                await self._publish_result(run)

    async def publish(self) -> None:
        """Show values, set-points, states and progress. A result is complete before the state says so."""
        while self._unpublished:
            await self._publish_result(self._unpublished.pop(0))
        await self._publish_values()
        await self._publish_machines()
        if (run := self.twin.active or self._last_run()) is not None:
            await self._publish_progress(run)

    def _last_run(self) -> Run | None:
        return next(reversed(self.twin.runs.values()), None)

    async def _publish_result(self, run: Run) -> None:
        node, content = await build_result(self._space, self.nodes, self.twin.unit, run)
        self.files[node] = content

    async def _publish_values(self) -> None:
        for tag, value in self.twin.outputs().items():
            if self.faults.frozen(tag):
                continue
            shown = self._shown(tag, value)
            await self._server.write_attribute_value(self.nodes.values[tag], shown)
            if tag in self.nodes.raw:
                await self._server.write_attribute_value(self.nodes.raw[tag], shown)
        for tag, target in self.twin.targets.items():
            await self.write(self.nodes.targets[tag], double(target))

    def _shown(self, tag: str, value: float) -> ua.DataValue:
        known, at = self.twin.model.tags[tag], moment(self.twin.at)
        if self.faults.failed(tag):
            return stamped(None, at, StatusCodes.BadSensorFailure)
        value = self.faults.shown(tag, value, self.twin.at)
        inside = known.low <= value <= known.high
        code = StatusCodes.Good if inside else StatusCodes.UncertainEngineeringUnitsExceeded
        return stamped(double(round(value, known.digits)), at, code)

    async def _publish_machines(self) -> None:
        outer, inner = unit_state(self.state)
        await self._show_state(self.nodes.unit_state, outer, UNIT_STATES[outer])
        await self._show_state(self.nodes.running, inner, RUNNING_STATES.get(inner, 0))
        for tag, machine in self.nodes.controls.items():
            state = "Running" if tag in self.twin.switched_on else "Stopped"
            await self._show_state(machine, state, UNIT_STATES[state])

    async def _show_state(self, machine: Machine, state: str, number: int) -> None:
        await self.write(machine.state, localized(state))
        node = node_id(number, self._space.at.lads) if number else NodeId()
        await self.write(machine.number, ua.Variant(node, ua.VariantType.NodeId))

    async def _publish_progress(self, run: Run) -> None:
        until = self.twin.at if run.stopped is None else run.stopped
        paused = run.paused + (until - run.held_at if run.held_at is not None else 0.0)
        in_stage = until - run.stage_started if run.held_at is None else run.held_at - run.stage_started
        shown = {
            "DeviceProgramRunId": text(run.run_id),
            "SupervisoryJobId": text(run.job),
            "SupervisoryTaskId": text(run.task),
            "CurrentRuntime": double((until - run.started) * 1000.0),
            "CurrentPauseTime": double(paused * 1000.0),
            "EstimatedRuntime": double(run.estimated * 1000.0),
            "CurrentStepName": localized(run.current.name),
            "CurrentStepNumber": whole(min(run.stage, len(run.stages) - 1) + 1),
            "CurrentStepRuntime": double(in_stage * 1000.0),
            "EstimatedStepNumbers": whole(len(run.stages)),
            "EstimatedStepRuntime": double(run.current.lasts * 1000.0),
            PROMPT: text(run.prompt),
        }
        for name, value in shown.items():
            await self.write(self.nodes.active[name], value)

    async def write(self, node: NodeId, value: ua.Variant, *, again: bool = False) -> None:
        """Show a value, with the process time of the twin; one that stands there is left, unless `again`."""
        if again or self._stands.get(node) != value:
            self._stands[node] = value
            await self._server.write_attribute_value(node, stamped(value, moment(self.twin.at)))
