"""The deck of an Opentrons robot from the options of the plant file: where labware stands, and what our
own books need to know of it. Geometry and volumes come from the definitions in the installed package
`opentrons_shared_data` (data only; the library `opentrons` itself is not loaded here).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from batches.errors import BadInput
from devices.located import Located, from_plain, listed
from devices.pipetting import Layout
from devices.unit import Unit
from devices.volumes import Ledger, Vessel, microlitres

LABWARE: Mapping[str, tuple[str, int]] = {
    "flex_tips_1000_filter": ("opentrons_flex_96_filtertiprack_1000ul", 1),
    "flex_tips_200_filter": ("opentrons_flex_96_filtertiprack_200ul", 1),
    "ot2_tips_200_filter": ("opentrons_96_filtertiprack_200ul", 1),
    "plate_96": ("corning_96_wellplate_360ul_flat", 2),
    "plate_96_deep": ("nest_96_wellplate_2ml_deep", 2),
    "reservoir_4": ("opentrons_tough_4_reservoir_72ml", 1),
    "reservoir_12": ("nest_12_reservoir_15ml", 1),
    "reservoir_195": ("nest_1_reservoir_195ml", 1),
}
"""Names of our own, so that a definition renamed by the maker changes this table and no plant file."""


@dataclass(frozen=True, slots=True)
class Pipette:
    """A pipette by its name in the Opentrons API; volumes in µL."""

    name: str
    channels: int
    least: Decimal
    most: Decimal


@dataclass(frozen=True, slots=True)
class Robot:
    """What differs between the two makes."""

    model: str
    """As `/health` and `robotType` say it."""
    deck: str
    slots: tuple[str, ...]
    trash: str
    """The addressable area that takes used tips."""
    pipettes: Mapping[str, Pipette]


def _named(*pipettes: Pipette) -> Mapping[str, Pipette]:
    return {pipette.name: pipette for pipette in pipettes}


ROBOTS: Mapping[str, Robot] = {
    "Flex": Robot(
        "OT-3 Standard",
        "ot3_standard",
        tuple(f"{row}{column}" for row in "ABCD" for column in "123" if row + column != "A3"),
        "movableTrashA3",
        _named(
            Pipette("p1000_multi_flex", 8, Decimal(5), Decimal(1000)),
            Pipette("p1000_single_flex", 1, Decimal(5), Decimal(1000)),
        ),
    ),
    "OT-2": Robot(
        "OT-2 Standard",
        "ot2_standard",
        tuple(str(slot) for slot in range(1, 12)),
        "fixedTrash",
        _named(
            Pipette("p300_multi_gen2", 8, Decimal(20), Decimal(300)),
            Pipette("p300_single_gen2", 1, Decimal(20), Decimal(300)),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Place:
    """One well or trough of a piece of labware: its id in the protocol and the name of the well."""

    labware: str
    well: str


@dataclass(frozen=True, slots=True)
class Setup:
    """A robot with its deck."""

    robot_name: str
    robot: Robot
    pipettes: Mapping[str, Pipette]
    """By mount."""
    labware: Mapping[str, tuple[str, str]]
    """Slot and our name of the definition, by the id in the protocol."""
    places: Mapping[str, Place]
    """Every vessel and tip position by our name."""
    layout: Layout
    """As the widest pipette sees it."""
    stocked: Ledger
    racks: Mapping[str, tuple[str, ...]]

    def mount(self, channels: int) -> str | None:
        """The mount of the pipette with so many channels."""
        return next((mount for mount, each in self.pipettes.items() if each.channels == channels), None)


@cache
def definition(labware: str) -> Mapping[str, Any]:
    """The Opentrons definition (labware schema 2) of a piece of labware by our name."""
    from opentrons_shared_data.labware import load_definition

    return load_definition(*LABWARE[labware])


def build(unit: Unit) -> Setup:
    """The deck that the options of `unit` describe. Raises BadInput with the place."""
    options = from_plain(unit.options, f"{unit.where}, options of {unit.id}").fields(
        ["robot", "pipettes", "labware"], ["limit", "slowest", "remembers"]
    )
    name = _of(options["robot"], ROBOTS)
    robot = ROBOTS[name]
    pipettes = _pipettes(options["pipettes"], robot)
    books = _Books(robot)
    for vessel, node in options["labware"].mapping().items():
        books.take(vessel, node)
    if not books.racks:
        raise options["labware"].mistake("no tips stand on the deck; add a rack of tips.")
    tip = min(*books.tips, *(each.most for each in pipettes.values()))
    plates = books.plates
    wells = {well for plate in plates.values() for column in plate for well in column}
    layout = Layout(
        frozenset(books.vessels) - wells, plates, max(each.channels for each in pipettes.values()), tip
    )
    stocked = Ledger(books.vessels, books.held)
    return Setup(name, robot, pipettes, books.labware, books.places, layout, stocked, books.racks)


def _of(node: Located, table: Mapping[str, object]) -> str:
    name = node.text()
    if name not in table:
        raise node.mistake(f"'{name}' is not known here; the known names are {listed(tuple(table))}.")
    return name


def _pipettes(node: Located, robot: Robot) -> dict[str, Pipette]:
    found = {mount: robot.pipettes[_of(part, robot.pipettes)] for mount, part in node.mapping().items()}
    if not found or not found.keys() <= {"left", "right"}:
        raise node.mistake("name the pipettes by their mount, left and right.")
    if len({pipette.channels for pipette in found.values()}) < len(found):
        raise node.mistake("two pipettes with as many channels serve nothing; mount one of 8 and one of 1.")
    if 1 not in {pipette.channels for pipette in found.values()}:
        raise node.mistake("single wells and troughs need a pipette of one channel; mount one.")
    return found


class _Books:
    """The labware of a deck, taken piece by piece."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self.labware: dict[str, tuple[str, str]] = {}
        self.places: dict[str, Place] = {}
        self.vessels: dict[str, Vessel] = {}
        self.held: dict[str, Decimal] = {}
        self.plates: dict[str, tuple[tuple[str, ...], ...]] = {}
        self.racks: dict[str, tuple[str, ...]] = {}
        self.tips: list[Decimal] = []

    def take(self, name: str, node: Located) -> None:
        """A rack of tips, a plate, or one trough (`well`) of a piece of labware that several share."""
        parts = node.fields(["labware", "at"], ["well", "capacity", "dead", "holds"])
        kind = _of(parts["labware"], LABWARE)
        made = definition(kind)
        labware = self._put(parts, kind, shared="well" in parts)
        columns = [[f"{name}/{well}" for well in column] for column in made["ordering"]]
        if made["parameters"]["isTiprack"]:
            self.racks[name] = tuple(tip for column in columns for tip in column)
            self.tips.append(Decimal(made["wells"]["A1"]["totalLiquidVolume"]))
            self.places.update({tip: Place(labware, tip.rpartition("/")[2]) for tip in self.racks[name]})
        elif "well" in parts or len(made["wells"]) == 1:
            well = parts["well"].text() if "well" in parts else "A1"
            self._vessel(name, Place(labware, well), made, parts, parts.get("well", node))
        else:
            self.plates[name] = tuple(tuple(column) for column in columns)
            for well in (well for column in columns for well in column):
                self._vessel(well, Place(labware, well.rpartition("/")[2]), made, parts, node)

    def _put(self, parts: Mapping[str, Located], kind: str, *, shared: bool) -> str:
        at = parts["at"]
        slot = str(at.value) if isinstance(at.value, int) else at.text()
        if slot not in self._robot.slots:
            raise at.mistake(
                f"'{slot}' is no free slot of this deck; the slots are {listed(self._robot.slots)}."
            )
        labware = f"slot_{slot}"
        if labware in self.labware and not (shared and self.labware[labware] == (slot, kind)):
            raise at.mistake(f"the slot '{slot}' is taken; give each piece of labware its own.")
        self.labware[labware] = (slot, kind)
        return labware

    def _vessel(
        self, name: str, place: Place, made: Mapping[str, Any], parts: Mapping[str, Located], node: Located
    ) -> None:
        if place.well not in made["wells"]:
            raise node.mistake(
                f"'{place.well}' is no well of it; its wells are {listed(tuple(made['wells']))}."
            )
        if place in self.places.values():
            raise node.mistake(f"the well '{place.well}' is taken; give each vessel its own.")
        most = Decimal(str(made["wells"][place.well]["totalLiquidVolume"]))
        capacity = _volume(parts, "capacity", most)
        if capacity > most:
            raise parts["capacity"].mistake(f"'{name}' cannot hold more than its labware, {most} uL.")
        held = _volume(parts, "holds", Decimal(0))
        if held > capacity:
            raise parts["holds"].mistake(f"'{name}' cannot hold that, at most {capacity} uL.")
        self.places[name] = place
        self.vessels[name] = Vessel(capacity, _volume(parts, "dead", Decimal(0)))
        self.held[name] = held


def _volume(parts: Mapping[str, Located], name: str, default: Decimal) -> Decimal:
    if name not in parts:
        return default
    try:
        volume = microlitres(parts[name].quantity())
    except BadInput as error:
        raise parts[name].mistake(f"this is no volume ({error}); write it as 20 uL or 5 mL.") from error
    if volume < 0:
        raise parts[name].mistake(f"'{parts[name].value}' is below zero; correct it.")
    return volume
