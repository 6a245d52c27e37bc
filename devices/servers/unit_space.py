"""The nodes of one unit: device, functional unit, functions, programme manager; and of a run's result."""

from dataclasses import dataclass, field

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from devices.lads import KEY_VALUE, OUTCOME, OUTCOME_TEXT, PROMPT, SAMPLE_INFO, node_id, pair
from devices.servers.address_space import (
    ANALOG_UNIT_RANGE,
    FILE_METHODS,
    METHODS,
    ORGANIZES,
    NodeId,
    Space,
    double,
    instant,
    localized,
    text,
    whole,
)
from devices.twins.programmes import Amount, Programme, Run, event_file, moment
from devices.twins.twin import Tag, Twin

COMPONENT = ObjectIds.BaseDataVariableType
FILE_TYPE = node_id(11575)
UNIT_METHODS = ("Start", "StartProgram", "Stop", "Abort", "Clear")
RUNNING_METHODS = ("Hold", "Unhold", "Reset")
CONTROL_METHODS = ("ControlStart", "StartWithTargetValue", "Stop")


@dataclass(frozen=True, slots=True)
class Machine:
    """A state machine: its object, and the variables that show its state."""

    node: NodeId
    state: NodeId
    number: NodeId


@dataclass(slots=True)
class UnitNodes:
    """Where to write what a unit shows. `raw`: second variable of a sensor."""

    path: str
    unit_state: Machine
    running: Machine
    result_set: NodeId
    active: dict[str, NodeId]
    templates: dict[str, Programme]
    values: dict[str, NodeId] = field(default_factory=dict[str, NodeId])
    raw: dict[str, NodeId] = field(default_factory=dict[str, NodeId])
    targets: dict[str, NodeId] = field(default_factory=dict[str, NodeId])
    controls: dict[str, Machine] = field(default_factory=dict[str, Machine])


async def build_unit(space: Space, twin: Twin) -> UnitNodes:
    """Add a LADS device with one functional unit of the same name for a twin."""
    lads, path = space.at.lads, twin.unit
    device = await _build_device(space, twin)
    units = f"{path}/FunctionalUnitSet"
    unit_set = await space.object(
        device, units, "FunctionalUnitSet", lads, space.type("FunctionalUnitSetType")
    )
    await space.properties(unit_set, units, 0, {"NodeVersion": text("1")})
    unit_path = f"{units}/{path}"
    unit = await space.object(
        unit_set, unit_path, twin.unit, space.at.kweek, space.type("FunctionalUnitType")
    )
    state = await _build_machine(
        space, unit, unit_path, "FunctionalUnitState", "FunctionalUnitStateMachineType"
    )
    await space.refer(state.node, (node_id(METHODS[name][0], lads) for name in UNIT_METHODS))
    state_path = f"{unit_path}/FunctionalUnitState"
    running = await _build_machine(
        space, state.node, state_path, "RunningStateMachine", "RunningStateMachineType"
    )
    await space.refer(running.node, (node_id(METHODS[name][0], lads) for name in RUNNING_METHODS))
    manager_path = f"{unit_path}/ProgramManager"
    manager = await space.object(unit, manager_path, "ProgramManager", lads, space.type("ProgramManagerType"))
    active = await _build_active(space, manager, manager_path)
    result_set = await _build_programmes(space, manager, manager_path, twin)
    nodes = UnitNodes(unit_path, state, running, result_set, active, dict(twin.model.programmes))
    await _build_functions(space, unit, nodes, twin)
    return nodes


async def _build_device(space: Space, twin: Twin) -> NodeId:
    di, path, who = space.at.di, twin.unit, twin.identity
    device_set, kind = node_id(5001, di), space.type("LADSDeviceType")
    device = await space.object(device_set, path, twin.unit, space.at.kweek, kind, text="Simulated equipment")
    told = {
        "Manufacturer": localized(who.vendor),
        "Model": localized(who.model),
        "SerialNumber": text(who.serial),
        "SoftwareRevision": text(who.software),
        "HardwareRevision": text(""),
        "DeviceRevision": text(""),
        "DeviceManual": text(""),
        "RevisionCounter": whole(-1, ua.VariantType.Int32),
        "ProductInstanceUri": text(f"urn:kweek:{who.serial}"),
        "AssetId": text(twin.unit),
        "ComponentName": localized(twin.unit),
    }
    await space.properties(device, path, di, told)
    group = f"{path}/Identification"
    identification = await space.object(
        device, group, "Identification", di, space.type("FunctionalGroupType"), ObjectIds.HasAddIn
    )
    await space.refer(identification, (space.own(f"{path}/{name}") for name in told), ObjectIds.HasProperty)
    await _build_machine(space, device, path, "DeviceState", "LADSDeviceStateMachineType", "Operate")
    return device


async def _build_machine(
    space: Space, parent: NodeId, path: str, name: str, kind: str, state: str = "Stopped"
) -> Machine:
    node_path = f"{path}/{name}"
    node = await space.object(parent, node_path, name, space.at.lads, space.type(kind))
    shown = await space.variable(
        node,
        f"{node_path}/CurrentState",
        "CurrentState",
        0,
        localized(state),
        ObjectIds.FiniteStateVariableType,
    )
    number = ua.Variant(NodeId(), ua.VariantType.NodeId)
    where = await space.variable(shown, f"{node_path}/CurrentState/Id", "Id", 0, number)
    if kind != "LADSDeviceStateMachineType":
        await space.variable(
            shown,
            f"{node_path}/CurrentState/EffectiveDisplayName",
            "EffectiveDisplayName",
            0,
            localized(state),
        )
    return Machine(node, shown, where)


async def _build_functions(space: Space, unit: NodeId, nodes: UnitNodes, twin: Twin) -> None:
    path, lads = f"{nodes.path}/FunctionSet", space.at.lads
    functions = await space.object(unit, path, "FunctionSet", lads, space.type("FunctionSetType"))
    await space.properties(functions, path, 0, {"NodeVersion": text("1")})
    for name, tag in twin.model.tags.items():
        kind = "AnalogControlFunctionType" if tag.settable else "AnalogScalarSensorFunctionType"
        own = f"{path}/{name}"
        function = await space.object(functions, own, name, space.at.kweek, space.type(kind))
        await space.properties(function, own, lads, {"IsEnabled": ua.Variant(True, ua.VariantType.Boolean)})
        group = await space.object(
            function, f"{own}/Operational", "Operational", lads, space.type("FunctionalGroupType")
        )
        if tag.settable:
            await _build_control(space, function, own, name, tag, nodes)
            shown = [nodes.values[name], nodes.targets[name]]
        else:
            nodes.values[name] = await _analog(space, function, own, "SensorValue", tag, (tag.low, tag.high))
            nodes.raw[name] = await _analog(space, function, own, "RawValue", tag, (tag.low, tag.high))
            shown = [nodes.values[name], nodes.raw[name]]
        await space.refer(group, shown, ORGANIZES)


async def _build_control(
    space: Space, function: NodeId, path: str, name: str, tag: Tag, nodes: UnitNodes
) -> None:
    nodes.values[name] = await _analog(space, function, path, "CurrentValue", tag, (tag.low, tag.high))
    nodes.targets[name] = await _analog(
        space, function, path, "TargetValue", tag, tag.settable or (0.0, 0.0), True
    )
    machine = await _build_machine(
        space, function, path, "ControlFunctionState", "ControlFunctionStateMachineType"
    )
    await space.refer(machine.node, (node_id(METHODS[each][0], space.at.lads) for each in CONTROL_METHODS))
    nodes.controls[name] = machine


async def _analog(
    space: Space,
    parent: NodeId,
    path: str,
    name: str,
    tag: Tag,
    span: tuple[float, float],
    writable: bool = False,
) -> NodeId:
    own = f"{path}/{name}"
    node = await space.variable(
        parent, own, name, space.at.lads, double(0.0), ANALOG_UNIT_RANGE, writable=writable
    )
    await space.properties(
        node,
        own,
        0,
        {
            "EngineeringUnits": _measure(tag.unit),
            "EURange": _range(*span),
            "ValuePrecision": double(float(tag.digits)),
        },
    )
    return node


def _measure(unit: str) -> ua.Variant:
    information = ua.EUInformation(
        NamespaceUri="urn:kweek:quantities",
        UnitId=-1,
        DisplayName=ua.LocalizedText(unit),
        Description=ua.LocalizedText(unit),
    )
    return ua.Variant(information, ua.VariantType.ExtensionObject)


def _range(low: float, high: float) -> ua.Variant:
    return ua.Variant(ua.Range(Low=low, High=high), ua.VariantType.ExtensionObject)


async def _build_active(space: Space, manager: NodeId, path: str) -> dict[str, NodeId]:
    own = f"{path}/ActiveProgram"
    active = await space.object(manager, own, "ActiveProgram", space.at.lads, space.type("ActiveProgramType"))
    standard = {
        "DeviceProgramRunId": text(""),
        "CurrentRuntime": double(0.0),
        "CurrentPauseTime": double(0.0),
        "EstimatedRuntime": double(0.0),
        "CurrentStepName": localized(""),
        "CurrentStepNumber": whole(0),
        "CurrentStepRuntime": double(0.0),
        "EstimatedStepNumbers": whole(0),
        "EstimatedStepRuntime": double(0.0),
    }
    await space.properties(active, own, space.at.lads, standard)
    added = {"SupervisoryJobId": text(""), "SupervisoryTaskId": text(""), PROMPT: text("")}
    await space.properties(active, own, space.at.kweek, added)
    return {name: space.own(f"{own}/{name}") for name in (*standard, *added)} | {"": active}


async def _build_programmes(space: Space, manager: NodeId, path: str, twin: Twin) -> NodeId:
    lads = space.at.lads
    own = f"{path}/ProgramTemplateSet"
    templates = await space.object(
        manager, own, "ProgramTemplateSet", lads, space.type("ProgramTemplateSetType")
    )
    await space.properties(templates, own, 0, {"NodeVersion": text("1")})
    for name, programme in twin.model.programmes.items():
        await _build_template(space, templates, f"{own}/{name}", name, name, space.at.kweek, programme)
    results = f"{path}/ResultSet"
    result_set = await space.object(manager, results, "ResultSet", lads, space.type("ResultSetType"))
    await space.properties(result_set, results, 0, {"NodeVersion": text("1")})
    return result_set


async def _build_template(
    space: Space, parent: NodeId, path: str, name: str, template: str, index: int, programme: Programme
) -> None:
    node = await space.object(parent, path, name, index, space.type("ProgramTemplateType"))
    told = {
        "Author": text("Kweek"),
        "Created": instant(moment(0.0)),
        "Modified": instant(moment(0.0)),
        "Description": localized(programme.description),
        "DeviceTemplateId": text(template),
        "Version": text("1"),
    }
    await space.properties(node, path, space.at.lads, told)


async def build_result(space: Space, nodes: UnitNodes, unit: str, run: Run) -> tuple[NodeId, bytes]:
    """Add the result of a run. Returns the node of its event file, and the file."""
    lads, path = space.at.lads, f"{nodes.path}/ProgramManager/ResultSet/{run.run_id}"
    result = await space.object(nodes.result_set, path, run.run_id, space.at.kweek, space.type("ResultType"))
    stopped = run.stopped if run.stopped is not None else run.started
    told = {
        "ApplicationUri": text("urn:kweek:plant"),
        "Description": localized(run.programme),
        "SupervisoryJobId": text(run.job),
        "SupervisoryTaskId": text(run.task),
        "DeviceProgramRunId": text(run.run_id),
        "Started": instant(moment(run.started)),
        "Stopped": instant(moment(stopped)),
        "User": text("anonymous"),
        "TotalRuntime": double((stopped - run.started) * 1000.0),
        "TotalPauseTime": double(run.paused * 1000.0),
        "EstimatedRuntime": double(run.estimated * 1000.0),
    }
    await space.properties(result, path, lads, told)
    given = ua.Variant(
        [pair(lads, *each) for each in run.given.items()], ua.VariantType.ExtensionObject, is_array=True
    )
    for name, value, number in (
        ("Properties", given, KEY_VALUE),
        ("Samples", ua.Variant([], ua.VariantType.ExtensionObject, is_array=True), SAMPLE_INFO),
    ):
        kind = node_id(number, lads)
        await space.variable(result, f"{path}/{name}", name, lads, value, data_type=kind)
    programme = nodes.templates[run.programme]
    await _build_template(
        space, result, f"{path}/ProgramTemplate", "ProgramTemplate", run.programme, lads, programme
    )
    await _build_variables(space, result, path, run)
    return await _build_file(space, result, path, run, unit)


async def _build_variables(space: Space, result: NodeId, path: str, run: Run) -> None:
    own = f"{path}/VariableSet"
    variables = await space.object(result, own, "VariableSet", space.at.lads, space.type("VariableSetType"))
    for name, value in run.results.items():
        where = f"{own}/{name}"
        if isinstance(value, Amount):
            shown = double(round(value.value, value.digits))
            node = await space.variable(
                variables, where, name, space.at.kweek, shown, ObjectIds.AnalogUnitType
            )
            told = {"EngineeringUnits": _measure(value.unit), "ValuePrecision": double(float(value.digits))}
            await space.properties(node, where, 0, told)
        else:
            kind = ua.VariantType.Boolean if isinstance(value, bool) else ua.VariantType.String
            await space.variable(variables, where, name, space.at.kweek, ua.Variant(value, kind), COMPONENT)
    for name, value in ((OUTCOME, run.status), (OUTCOME_TEXT, run.text)):
        await space.variable(result, f"{path}/{name}", name, space.at.kweek, text(value))


async def _build_file(space: Space, result: NodeId, path: str, run: Run, unit: str) -> tuple[NodeId, bytes]:
    lads, content = space.at.lads, event_file(run, unit)
    own = f"{path}/FileSet"
    files = await space.object(result, own, "FileSet", lads, space.type("ResultFileSetType"))
    held = await space.object(files, f"{own}/events", "events", space.at.kweek, space.type("ResultFileType"))
    told = {"MimeType": text("text/csv"), "Name": text(f"{run.run_id}.csv")}
    await space.properties(held, f"{own}/events", lads, told)
    file = await space.object(held, f"{own}/events/File", "File", lads, FILE_TYPE)
    shown = {
        "Size": whole(len(content), ua.VariantType.UInt64),
        "Writable": ua.Variant(False, ua.VariantType.Boolean),
        "UserWritable": ua.Variant(False, ua.VariantType.Boolean),
        "OpenCount": whole(0, ua.VariantType.UInt16),
    }
    await space.properties(file, f"{own}/events/File", 0, shown)
    await space.refer(file, (node_id(number) for number in FILE_METHODS.values()))
    return file, content
