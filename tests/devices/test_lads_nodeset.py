"""Ours beside the official LADS nodeset: names, numbers and structure; and the driver against a server
that has the official types and was not written by us."""

import asyncio
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

import pytest
from asyncua import ua
from asyncua.client.client import Client
from asyncua.server.server import Server

from batches.quantities import parse, quantity
from devices.base import DeviceRefused, Identity, OutcomeUnknown
from devices.drivers.lads import LadsDriver
from devices.lads import (
    DI,
    KEY_VALUE,
    KEY_VALUE_BINARY,
    LADS,
    RUNNING_STATES,
    SAMPLE_INFO,
    UNIT_STATES,
    stamped,
)
from devices.lads_client import below
from devices.servers.address_space import DI_TYPES, LADS_TYPES, METHODS
from devices.unit import Tag
from tests.conftest import shared
from tests.devices.lads_plant import ServedPlant, unit_at

UA = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
FILES = {"Di": DI, "Machinery": "", "AMB": "", "LADS": LADS}

# What LADS demands and ours leaves out, with the reason.
LEFT_OUT = {
    ("FunctionalUnitType", "Lock"): "one driver owns a unit; the lock service comes with a second client",
    ("FunctionalStateMachineType", "AvailableStates"): "states are fixed and listed in the types",
    ("FunctionalStateMachineType", "AvailableTransitions"): "as above",
    ("FunctionalUnitStateMachineType", "AvailableStates"): "as above",
    ("FunctionalUnitStateMachineType", "AvailableTransitions"): "as above",
    ("ControlFunctionStateMachineType", "AvailableStates"): "as above",
    ("ControlFunctionStateMachineType", "AvailableTransitions"): "as above",
}


class Part(NamedTuple):
    """A node of a nodeset file: id, browse name with namespace, class, parent, mandatory or not."""

    number: str
    name: tuple[str, str]
    node_class: str
    parent: str
    mandatory: bool
    supertype: str


@cache
def nodeset(name: str) -> dict[str, Part]:
    root = ET.parse(shared("standards", "lads", f"Opc.Ua.{name}.NodeSet2.xml")).getroot()
    uris = [
        "http://opcfoundation.org/UA/",
        *(uri.text or "" for uri in root.find(f"{UA}NamespaceUris") or ()),
    ]
    return {part.number: part for part in _parts(root, uris)}


def _parts(root: ET.Element, uris: list[str]) -> Iterator[Part]:
    for node in root:
        written = node.get("NodeId")
        if written is None:
            continue
        prefix, _, rest = (node.get("BrowseName") or "").partition(":")
        index, bare = (int(prefix), rest) if prefix.isdigit() and rest else (0, node.get("BrowseName") or "")
        references = {
            (each.get("ReferenceType"), each.get("IsForward") != "false"): each.text or ""
            for each in node.iter(f"{UA}Reference")
        }
        yield Part(
            number=_absolute(written, uris),
            name=(uris[index], bare),
            node_class=node.tag.removeprefix(f"{UA}UA"),
            parent=_absolute(node.get("ParentNodeId") or "", uris),
            mandatory=references.get(("HasModellingRule", True)) == "i=78",
            supertype=_absolute(references.get(("HasSubtype", False), ""), uris),
        )


def _absolute(node: str, uris: list[str]) -> str:
    """'ns=4;i=1002' as 'http://…/LADS/;i=1002', for indexes differ from file to file."""
    index, _, rest = node.partition(";") if node.startswith("ns=") else ("ns=0", "", node)
    return f"{uris[int(index.removeprefix('ns='))]};{rest}" if node else ""


def types() -> dict[str, Part]:
    """All nodes of DI and LADS."""
    return nodeset("Di") | nodeset("LADS")


def test_types_states_and_methods_have_their_official_numbers_and_supertypes() -> None:
    known = types()
    ours = [(DI, *each) for each in DI_TYPES.items()] + [(LADS, *each) for each in LADS_TYPES.items()]
    for uri, name, (number, above) in ours:
        part = known[f"{uri};i={number}"]
        assert (part.name, part.node_class) == ((uri, name), "ObjectType")
        if above in DI_TYPES or above in LADS_TYPES:
            assert known[part.supertype].name[1] == above
    for name, number in {**UNIT_STATES, **RUNNING_STATES}.items():
        assert known[f"{LADS};i={number}"].name == (LADS, name)
    for name, (number, owner) in METHODS.items():
        part = known[f"{LADS};i={number}"]
        assert (part.name[1], part.node_class) == (name.removeprefix("Control"), "Method")
        assert known[part.parent].name[1] == owner
    names = {KEY_VALUE: "KeyValueType", SAMPLE_INFO: "SampleInfoType", KEY_VALUE_BINARY: "Default Binary"}
    assert {number: known[f"{LADS};i={number}"].name[1] for number in names} == names


def members(kind: str) -> dict[tuple[str, str], Part]:
    """The parts a LADS type declares, its supertypes' included."""
    known = types()
    found: dict[tuple[str, str], Part] = {}
    number = f"{LADS};i={LADS_TYPES[kind][0]}"
    while number in known:
        own = {part.name: part for part in known.values() if part.parent == number}
        found = own | found
        number = known[number].supertype
    return found


async def instances(client: Client, *devices: str) -> list[tuple[str, dict[tuple[str, str], str]]]:
    """Every object of a LADS type at some devices: its type, and its children with their class."""
    spaces = await client.get_namespace_array()
    index = spaces.index(LADS)
    names = {number: name for name, (number, _) in LADS_TYPES.items()}
    known = await below(client, ua.NodeId(ua.Int32(5001), ua.Int16(spaces.index(DI))))
    waiting = [known[name] for name in devices]
    found: list[tuple[str, dict[tuple[str, str], str]]] = []
    while waiting:
        node = client.get_node(waiting.pop())
        children = await node.get_children_descriptions()
        kind = await node.read_type_definition()
        if kind is not None and kind.NamespaceIndex == index and int(str(kind.Identifier)) in names:
            parts = {
                (spaces[each.BrowseName.NamespaceIndex], str(each.BrowseName.Name)): each.NodeClass.name
                for each in children
            }
            found.append((names[int(str(kind.Identifier))], parts))
        waiting += [
            ua.NodeId(each.NodeId.Identifier, each.NodeId.NamespaceIndex)
            for each in children
            if each.NodeClass == ua.NodeClass.Object
        ]
    return found


def test_every_object_has_the_parts_its_type_demands_and_no_other_of_that_namespace(
    plant: ServedPlant,
) -> None:
    types()

    async def story() -> list[tuple[str, dict[tuple[str, str], str]]]:
        driver = plant.driver("CR-01", slowest_look="30 min")
        await driver.connect()
        await driver.do("program:freeze", "nodeset", {})
        await driver.close()
        async with Client(f"opc.tcp://127.0.0.1:{plant.server.port}/", timeout=10) as client:
            return await instances(client, "CR-01", "CP-01")

    seen = asyncio.run(story())
    assert {kind for kind, _ in seen} == LADS_TYPES.keys() - {
        "SetType", "FunctionType", "BaseControlFunctionType", "BaseSensorFunctionType", "AnalogSensorFunctionType",
        "FunctionalStateMachineType",
    }  # fmt: skip
    for kind, parts in seen:
        declared = members(kind)
        for name, part in declared.items():
            if part.mandatory and (kind, name[1]) not in LEFT_OUT:
                assert name in parts, f"{kind} lacks {name}"
        for name, node_class in parts.items():
            if name[0] in (LADS, DI):
                assert name in declared, f"{kind} has {name}, which LADS does not know"
                assert declared[name].node_class == node_class


# -- a server with the official types ----------------------------------------------------------------


class Official:
    """A LADS device instantiated from the official nodesets: one controlled temperature, one programme.

    It has none of Kweek's extensions: no outcome, no task id on the active programme, no prompts.
    """

    def __init__(self) -> None:
        self.server = Server()
        self.started: list[tuple[str, str]] = []

    async def start(self) -> str:
        await self.server.init()
        for name in FILES:  # LADS has two encoding nodes without a parent; only it is loaded leniently
            path = shared("standards", "lads", f"Opc.Ua.{name}.NodeSet2.xml")
            await self.server.import_xml(str(path), strict_mode=name != "LADS")
        self.server.set_endpoint("opc.tcp://127.0.0.1:0")
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self.server.set_identity_tokens([ua.AnonymousIdentityToken])
        self.server.disable_clock()
        self.lads = await self.server.get_namespace_index(LADS)
        self.di = await self.server.get_namespace_index(DI)
        self.own = await self.server.register_namespace("urn:example:laboratory")
        await self._device()
        await self.server.start()
        assert self.server.bserver is not None
        return f"opc.tcp://127.0.0.1:{self.server.bserver.port}/Shaker"

    def type(self, name: str) -> Any:
        number = {**LADS_TYPES, "AnalogControlFunctionType": (1009, "")}[name][0]
        return self.server.get_node(ua.NodeId(ua.Int32(number), ua.Int16(self.lads)))

    async def _device(self) -> None:
        devices = self.server.get_node(ua.NodeId(ua.Int32(5001), ua.Int16(self.di)))
        device = await devices.add_object(
            self.own, "Shaker", self.type("LADSDeviceType"), instantiate_optional=False
        )
        for name, value in (("Manufacturer", "Acme"), ("Model", "Shaker 3000")):
            node = await device.get_child(f"{self.di}:{name}")
            await node.write_value(ua.Variant(ua.LocalizedText(value), ua.VariantType.LocalizedText))
        for name, value in (("SerialNumber", "A-17"), ("SoftwareRevision", "3.1")):
            await (await device.get_child(f"{self.di}:{name}")).write_value(value)
        units = await device.get_child(f"{self.lads}:FunctionalUnitSet")
        unit = await units.add_object(
            self.own, "Unit", self.type("FunctionalUnitType"), instantiate_optional=True
        )
        await self._function(await unit.get_child(f"{self.lads}:FunctionSet"))
        self.manager = await unit.get_child(f"{self.lads}:ProgramManager")
        active = await self.manager.get_child(f"{self.lads}:ActiveProgram")
        self.run = await active.add_property(self.lads, "DeviceProgramRunId", "")
        self.state = await unit.get_child(f"{self.lads}:FunctionalUnitState")
        shown = ua.Variant(ua.LocalizedText("Stopped"), ua.VariantType.LocalizedText)
        where = ua.NodeId(ua.String("Shaker/Unit/CurrentState"), ua.Int16(self.own))
        self.shown = await self.state.add_variable(where, ua.QualifiedName("CurrentState", 0), shown)
        await self.state.add_method(self.lads, "StartProgram", self._start_program, [], [])

    async def _function(self, functions: Any) -> None:
        kind = self.type("AnalogControlFunctionType")
        heater = await functions.add_object(self.own, "Heater", kind, instantiate_optional=False)
        for name, value in (("CurrentValue", 21.5), ("TargetValue", 20.0)):
            node = await heater.get_child(f"{self.lads}:{name}")
            await node.write_value(stamped(ua.Variant(value, ua.VariantType.Double), datetime.now(UTC)))
            unit = ua.EUInformation(DisplayName=ua.LocalizedText("°C"))
            await node.add_property(0, "EngineeringUnits", ua.Variant(unit, ua.VariantType.ExtensionObject))
            span = ua.Range(Low=4.0, High=60.0)
            await node.add_property(0, "EURange", ua.Variant(span, ua.VariantType.ExtensionObject))
        await (await heater.get_child(f"{self.lads}:TargetValue")).set_writable()

    async def _show(self, state: str) -> None:
        await self.shown.write_value(ua.Variant(ua.LocalizedText(state), ua.VariantType.LocalizedText))

    async def _start_program(
        self, _: Any, template: Any, properties: Any, job: Any, task: Any, samples: Any
    ) -> Any:
        self.started.append((template.Value, task.Value))
        await self._show("Running")
        await self.run.write_value("run-1")
        asyncio.get_running_loop().call_later(0.2, lambda: asyncio.ensure_future(self._finish(task.Value)))
        return [ua.Variant("run-1", ua.VariantType.String)]

    async def _finish(self, task: str) -> None:
        results = await self.manager.get_child(f"{self.lads}:ResultSet")
        result = await results.add_object(
            self.own, "run-1", self.type("ResultType"), instantiate_optional=False
        )
        await (await result.get_child(f"{self.lads}:SupervisoryTaskId")).write_value(task)
        variables = await result.get_child(f"{self.lads}:VariableSet")
        shakes = await variables.add_variable(self.own, "speed", 118.5)
        unit = ua.EUInformation(DisplayName=ua.LocalizedText("1/min"))
        await shakes.add_property(0, "EngineeringUnits", ua.Variant(unit, ua.VariantType.ExtensionObject))
        await self._show("Stopped")


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        await asyncio.sleep(min((when - self.now()).total_seconds(), 0.1))


@pytest.mark.timeout(120)
def test_the_driver_speaks_to_a_server_with_the_official_types() -> None:
    shared("standards", "lads")

    async def story() -> None:
        official = Official()
        address = await official.start()
        tag = Tag("degC", parse("0 degC"), parse("100 degC"), True)
        options = {"names": {"temperature": "Heater"}, "remembers": False, "limit": "10 s"}
        driver = LadsDriver(unit_at(address, "SH-01", {"temperature": tag}, options), RealClock())
        try:
            assert await driver.connect() == Identity("Acme", "Shaker 3000", "A-17", "3.1")
            reading = await driver.read("temperature")
            assert (reading.value, reading.quality) == (quantity("21.5", "degC"), "good")
            await driver.set("temperature", parse("37 degC"), "s1")
            with pytest.raises(DeviceRefused, match="it takes 4 to 60 degC"):
                await driver.set("temperature", parse("80 degC"), "s1")
            running = asyncio.create_task(
                driver.do("shake", "c1", {"speed": parse("120 rpm"), "batch": "B-1"})
            )
            await asyncio.sleep(0.1)
            assert (await driver.command_status("c1")).status == "unknown", (
                "it does not tell for which command"
            )
            with pytest.raises(
                OutcomeUnknown, match="ended run-1 in state Stopped: The device tells no outcome"
            ):
                await running
            assert official.started == [("shake", "c1")]
            found = await driver.command_status("c1")
            assert (found.status, found.results) == ("unknown", {"speed": quantity("118.5", "rpm")})
            assert (await driver.command_status("c2")).status == "unknown"
            with pytest.raises(DeviceRefused, match="offers no Hold"):
                await driver.hold()
        finally:
            await driver.close()
            await official.server.stop()

    asyncio.run(story())


@pytest.mark.timeout(120)
def test_our_units_stand_among_the_official_types_as_well() -> None:
    """The same server, with the nodesets loaded in place of the types built in code."""
    paths = [shared("standards", "lads", f"Opc.Ua.{name}.NodeSet2.xml") for name in FILES]

    async def story(plant: ServedPlant) -> None:
        driver = plant.driver("LN-01")
        await driver.connect()
        assert (await driver.do("store", "c1", {"position": "R1-A"})).status == "done"
        async with Client(f"opc.tcp://127.0.0.1:{plant.server.port}/", timeout=10) as client:
            spaces = await client.get_namespace_array()
            devices = await below(client, ua.NodeId(ua.Int32(5001), ua.Int16(spaces.index(DI))))
            kind = await client.get_node(devices["LN-01"]).read_type_definition()
            inherited = await below(client, kind)
        assert "FunctionalUnitSet" in inherited, "the official type, with its members"
        await driver.close()

    with ServedPlant({"LN-01": "ln2_store"}, nodesets=paths) as plant:
        asyncio.run(story(plant))
