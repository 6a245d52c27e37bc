"""The LADS address space, built in code: types by their official numbers, and a unit from its twin.

Only what is used is built, under the names, numbers and references of the nodeset; the nodeset itself is
not part of this repository. Methods are nodes of the types, to which every instance refers (OPC 10000-3,
6.4.2 lets instances share them), so that a unit costs few nodes.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds

from devices.lads import (
    DI,
    KEY_VALUE,
    KWEEK,
    LADS,
    RUNNING_STATES,
    SAMPLE_INFO,
    UNIT_STATES,
    node_id,
)

NodeId = ua.NodeId
Handler = Callable[..., Awaitable[ua.CallMethodResult]]

HAS_COMPONENT = ObjectIds.HasComponent
HAS_PROPERTY = ObjectIds.HasProperty
ORGANIZES = ObjectIds.Organizes
ANALOG_UNIT_RANGE = 17570
"""AnalogUnitRangeType (OPC 10000-8, 5.3.2.5): a number with unit of measure and range."""

STANDARD_TYPES: Mapping[str, int] = {
    "BaseObjectType": ObjectIds.BaseObjectType,
    "FolderType": ObjectIds.FolderType,
    "FiniteStateMachineType": ObjectIds.FiniteStateMachineType,
}
DI_TYPES: Mapping[str, tuple[int, str]] = {
    "TopologyElementType": (1001, "BaseObjectType"),
    "FunctionalGroupType": (1005, "FolderType"),
    "ComponentType": (15063, "TopologyElementType"),
    "DeviceType": (1002, "ComponentType"),
}
"""By name: number and supertype."""
LADS_TYPES: Mapping[str, tuple[int, str]] = {
    "LADSDeviceType": (1002, "DeviceType"),
    "SetType": (61, "FolderType"),
    "FunctionalUnitSetType": (1023, "SetType"),
    "FunctionalUnitType": (1003, "TopologyElementType"),
    "FunctionSetType": (1026, "SetType"),
    "FunctionType": (1004, "TopologyElementType"),
    "BaseControlFunctionType": (1007, "FunctionType"),
    "AnalogControlFunctionType": (1009, "BaseControlFunctionType"),
    "BaseSensorFunctionType": (1005, "FunctionType"),
    "AnalogSensorFunctionType": (1046, "BaseSensorFunctionType"),
    "AnalogScalarSensorFunctionType": (1016, "AnalogSensorFunctionType"),
    "ProgramManagerType": (1006, "TopologyElementType"),
    "ActiveProgramType": (1040, "BaseObjectType"),
    "ProgramTemplateSetType": (1019, "SetType"),
    "ProgramTemplateType": (1018, "BaseObjectType"),
    "ResultSetType": (1020, "SetType"),
    "ResultType": (1021, "BaseObjectType"),
    "VariableSetType": (1041, "SetType"),
    "ResultFileSetType": (1022, "SetType"),
    "ResultFileType": (1001, "BaseObjectType"),
    "LADSDeviceStateMachineType": (1039, "FiniteStateMachineType"),
    "FunctionalStateMachineType": (1038, "FiniteStateMachineType"),
    "FunctionalUnitStateMachineType": (1043, "FunctionalStateMachineType"),
    "ControlFunctionStateMachineType": (1044, "FunctionalStateMachineType"),
    "RunningStateMachineType": (1036, "FiniteStateMachineType"),
}
METHODS: Mapping[str, tuple[int, str]] = {
    "Start": (7004, "FunctionalUnitStateMachineType"),
    "StartProgram": (7010, "FunctionalUnitStateMachineType"),
    "Stop": (7112, "FunctionalStateMachineType"),
    "Abort": (7078, "FunctionalStateMachineType"),
    "Clear": (7079, "FunctionalStateMachineType"),
    "Hold": (7074, "RunningStateMachineType"),
    "Unhold": (7072, "RunningStateMachineType"),
    "Reset": (7069, "RunningStateMachineType"),
    "ControlStart": (7035, "ControlFunctionStateMachineType"),
    "StartWithTargetValue": (7009, "ControlFunctionStateMachineType"),
}
"""Methods of the types: number, and the type they belong to."""
FILE_METHODS: Mapping[str, int] = {"Open": 11580, "Close": 11583, "Read": 11585}
"""Methods of FileType (OPC 10000-20, 4.2), which the standard address space holds."""


def argument(name: str, data_type: NodeId, rank: int = -1, description: str = "") -> ua.Argument:
    """An argument of a method; `rank` 1 is an array."""
    return ua.Argument(
        Name=name, DataType=data_type, ValueRank=ua.Int32(rank), Description=ua.LocalizedText(description)
    )


def scalar(kind: ua.VariantType) -> NodeId:
    """The data type of a built-in kind of value."""
    return node_id(kind.value)


@dataclass(frozen=True, slots=True)
class Indexes:
    """Where the namespaces stand at this server; types refer to them by URI, never by number."""

    di: int
    lads: int
    kweek: int


class Space:
    """Adds nodes. Every node gets a readable string id such as 'BR-01/FunctionSet/temperature'."""

    def __init__(self, server: Server, indexes: Indexes) -> None:
        self._session = server.iserver.isession
        self.at = indexes

    def own(self, path: str) -> NodeId:
        """The node id of an instance."""
        return node_id(path, self.at.kweek)

    def type(self, name: str) -> NodeId:
        """The node id of a type by name."""
        if name in LADS_TYPES:
            return node_id(LADS_TYPES[name][0], self.at.lads)
        return node_id(DI_TYPES[name][0], self.at.di) if name in DI_TYPES else node_id(STANDARD_TYPES[name])

    async def _add(
        self, item: ua.AddNodesItem, path: str | NodeId, name: str, index: int, text: str
    ) -> NodeId:
        item.RequestedNewNodeId = self.own(path) if isinstance(path, str) else path
        item.BrowseName = ua.QualifiedName(name, index)
        item.NodeAttributes.DisplayName = ua.LocalizedText(name)
        item.NodeAttributes.Description = ua.LocalizedText(text or name)
        (added,) = await self._session.add_nodes([item])
        added.StatusCode.check()
        return added.AddedNodeId

    async def object(
        self, parent: NodeId, path: str | NodeId, name: str, index: int, kind: NodeId,
        reference: int = HAS_COMPONENT, text: str = "",
    ) -> NodeId:  # fmt: skip
        """Add an object of type `kind`."""
        item = ua.AddNodesItem(
            ParentNodeId=parent,
            ReferenceTypeId=node_id(reference),
            NodeClass=ua.NodeClass.Object,
            NodeAttributes=ua.ObjectAttributes(EventNotifier=0),
            TypeDefinition=kind,
        )
        return await self._add(item, path, name, index, text)

    async def object_type(self, parent: NodeId, node: NodeId, name: str, index: int) -> NodeId:
        """Add an object type below its supertype."""
        item = ua.AddNodesItem(
            ParentNodeId=parent,
            ReferenceTypeId=node_id(ObjectIds.HasSubtype),
            NodeClass=ua.NodeClass.ObjectType,
            NodeAttributes=ua.ObjectTypeAttributes(IsAbstract=False),
        )
        return await self._add(item, node, name, index, "")

    async def data_type(self, node: NodeId, name: str, index: int) -> NodeId:
        """Add a structure."""
        item = ua.AddNodesItem(
            ParentNodeId=node_id(ObjectIds.Structure),
            ReferenceTypeId=node_id(ObjectIds.HasSubtype),
            NodeClass=ua.NodeClass.DataType,
            NodeAttributes=ua.DataTypeAttributes(IsAbstract=False),
        )
        return await self._add(item, node, name, index, "")

    async def variable(
        self, parent: NodeId, path: str, name: str, index: int, value: ua.Variant,
        kind: int = ObjectIds.PropertyType, data_type: NodeId | None = None, writable: bool = False,
    ) -> NodeId:  # fmt: skip
        """Add a variable; one of PropertyType is a property of its parent, any other a component."""
        access = ua.AccessLevel.CurrentRead.mask | (ua.AccessLevel.CurrentWrite.mask if writable else 0)
        attributes = ua.VariableAttributes(
            Value=value,
            DataType=data_type or scalar(value.VariantType),
            ValueRank=1 if isinstance(value.Value, list) else -1,
            AccessLevel=ua.Byte(access),
            UserAccessLevel=ua.Byte(access),
        )
        item = ua.AddNodesItem(
            ParentNodeId=parent,
            ReferenceTypeId=node_id(HAS_PROPERTY if kind == ObjectIds.PropertyType else HAS_COMPONENT),
            NodeClass=ua.NodeClass.Variable,
            NodeAttributes=attributes,
            TypeDefinition=node_id(kind),
        )
        return await self._add(item, path, name, index, "")

    async def method(
        self, parent: NodeId, node: str | NodeId, name: str, index: int,
        inputs: list[ua.Argument], outputs: list[ua.Argument],
    ) -> NodeId:  # fmt: skip
        """Add a method node; `link` gives it its function."""
        item = ua.AddNodesItem(
            ParentNodeId=parent,
            ReferenceTypeId=node_id(HAS_COMPONENT),
            NodeClass=ua.NodeClass.Method,
            NodeAttributes=ua.MethodAttributes(Executable=True, UserExecutable=True),
        )
        made = await self._add(item, node, name, index, "")
        for title, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                value = ua.Variant(arguments, ua.VariantType.ExtensionObject)
                path = f"{name}/{title}/{made.to_string()}"
                await self.variable(made, path, title, 0, value, data_type=node_id(ObjectIds.Argument))
        return made

    async def properties(
        self, parent: NodeId, path: str, index: int, values: Mapping[str, ua.Variant]
    ) -> None:
        """Add properties by name."""
        for name, value in values.items():
            await self.variable(parent, f"{path}/{name}", name, index, value)

    async def refer(self, parent: NodeId, targets: Iterable[NodeId], reference: int = HAS_COMPONENT) -> None:
        """Let a node refer to nodes that exist already."""
        items = [
            ua.AddReferencesItem(
                SourceNodeId=parent, ReferenceTypeId=node_id(reference), IsForward=True, TargetNodeId=target
            )
            for target in targets
        ]
        for status in await self._session.add_references(items):
            status.check()

    def link(self, method: NodeId, handler: Handler) -> None:
        """What happens when a method is called."""
        self._session.add_method_callback(method, handler)


def text(value: str) -> ua.Variant:
    """A String."""
    return ua.Variant(value, ua.VariantType.String)


def localized(value: str) -> ua.Variant:
    """A LocalizedText without a locale."""
    return ua.Variant(ua.LocalizedText(value), ua.VariantType.LocalizedText)


def double(value: float) -> ua.Variant:
    """A Double; also a Duration, in milliseconds."""
    return ua.Variant(value, ua.VariantType.Double)


def whole(value: int, kind: ua.VariantType = ua.VariantType.UInt32) -> ua.Variant:
    """A whole number."""
    return ua.Variant(value, kind)


def instant(value: datetime) -> ua.Variant:
    """A DateTime."""
    return ua.Variant(value, ua.VariantType.DateTime)


async def build_types(server: Server) -> Space:
    """The types this server uses, and DeviceSet, unless a loaded nodeset brought them already."""
    indexes = Indexes(*[await server.register_namespace(uri) for uri in (DI, LADS, KWEEK)])
    space = Space(server, indexes)
    if server.iserver.aspace.get(space.type("LADSDeviceType")) is None:
        await _build_lads(space)
    return space


async def _build_lads(space: Space) -> None:
    for index, types in ((space.at.di, DI_TYPES), (space.at.lads, LADS_TYPES)):
        for name, (_, above) in types.items():
            await space.object_type(space.type(above), space.type(name), name, index)
    await space.data_type(node_id(KEY_VALUE, space.at.lads), "KeyValueType", space.at.lads)
    await space.data_type(node_id(SAMPLE_INFO, space.at.lads), "SampleInfoType", space.at.lads)
    for owner, states in (
        ("FunctionalStateMachineType", UNIT_STATES),
        ("RunningStateMachineType", RUNNING_STATES),
    ):
        for name, number in states.items():
            kind = node_id(ObjectIds.InitialStateType if name == "Stopped" else ObjectIds.StateType)
            await space.object(space.type(owner), node_id(number, space.at.lads), name, space.at.lads, kind)
    for name, (number, owner) in METHODS.items():
        inputs, outputs = _arguments(space, name)
        shown = "Start" if name == "ControlStart" else name
        node = node_id(number, space.at.lads)
        await space.method(space.type(owner), node, shown, space.at.lads, inputs, outputs)
    devices = node_id(5001, space.at.di)
    objects = node_id(ObjectIds.ObjectsFolder)
    await space.object(objects, devices, "DeviceSet", space.at.di, space.type("BaseObjectType"), ORGANIZES)


def _arguments(space: Space, method: str) -> tuple[list[ua.Argument], list[ua.Argument]]:
    string = scalar(ua.VariantType.String)
    match method:
        case "Start":
            return [argument("Properties", node_id(ObjectIds.KeyValuePair), 1)], []
        case "StartProgram":
            inputs = [
                argument("ProgramTemplateId", string),
                argument("Properties", node_id(KEY_VALUE, space.at.lads), 1),
                argument("SupervisoryJobId", string),
                argument("SupervisoryTaskId", string),
                argument("Samples", node_id(SAMPLE_INFO, space.at.lads), 1),
            ]
            return inputs, [argument("DeviceProgramRunId", string)]
        case "StartWithTargetValue":
            return [argument("TargetValue", node_id(ObjectIds.Number))], []
        case _:
            return [], []
