"""A deck from the options of the plant file."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from pylabrobot.liquid_handling import LiquidHandler
from pylabrobot.resources import (
    Carrier,
    Container,
    Deck,
    ItemizedResource,
    Plate,
    Resource,
    TipRack,
    TipSpot,
    Well,
    set_tip_tracking,
    set_volume_tracking,
)
from pylabrobot.resources.hamilton.hamilton_decks import HamiltonDeck
from pylabrobot.resources.opentrons import OTDeck

from batches.errors import BadInput
from devices.decks.backends import SIMULATED, make_backend
from devices.decks.labware import CARRIERS, HAMILTON_DECKS, LABWARE, TIP_VOLUMES
from devices.located import Located, from_plain, listed
from devices.pipetting import Layout
from devices.unit import Unit
from devices.volumes import Ledger, Vessel, microlitres

Made = TypeVar("Made")
Item = TypeVar("Item", TipSpot, Well)


@dataclass(frozen=True, slots=True)
class Setup:
    """A handler with its deck, not yet connected, and what our own books need to know of it."""

    handler: LiquidHandler
    layout: Layout
    stocked: Ledger
    """What the vessels can hold, and what they hold at the very first start."""
    containers: Mapping[str, Container]
    tips: Mapping[str, Mapping[str, TipSpot]]
    """Tip positions by rack, in the order of use."""
    simulated: bool
    model: str
    can_stop: bool
    """Whether the backend may be stopped: that of the OT-2 deletes the run on the robot, which is evidence."""


def build(unit: Unit) -> Setup:
    """The deck that the options of `unit` describe. Raises BadInput or DeviceRefused with the place."""
    set_tip_tracking(True)  # global to the process, which is why a device host has one deck
    set_volume_tracking(True)
    options = from_plain(unit.options, f"{unit.where}, options of {unit.id}").fields(
        ["backend", "deck", "labware"],
        ["carriers", "channels", "host", "accept_untested", "faults", "answer_within"],
    )
    channels = options["channels"].whole() if "channels" in options else 1
    deck, place = _deck(options)
    books = _Books({}, {}, {}, {}, {}, [])
    for name, node in options["labware"].mapping().items():
        parts = node.fields(["labware", "at"], ["capacity", "dead", "holds"])
        made = _chosen(parts["labware"], LABWARE)(name)
        place(parts["at"], made)
        books.take(name, parts, made)
    if not books.tips:
        raise options["labware"].mistake("no tips stand on the deck; add a rack of tips.")
    backend = options["backend"].text()
    simulated = backend in SIMULATED
    return Setup(
        handler=LiquidHandler(make_backend(options, channels), deck),
        layout=Layout(
            frozenset(books.containers)
            - {well for plate in books.plates.values() for column in plate for well in column},
            books.plates,
            channels,
            min(books.tip_volumes),
        ),
        stocked=Ledger(books.vessels, books.held),
        containers=books.containers,
        tips=books.tips,
        simulated=simulated,
        model=f"simulated {options['deck'].text()}" if simulated else backend,
        can_stop=backend != "OT-2",
    )


def _deck(options: Mapping[str, Located]) -> tuple[Deck, Callable[[Located, Resource], None]]:
    """The empty deck, and how a piece of labware is put on it."""
    if options["deck"].value == "OT-2":
        slots = OTDeck()
        return slots, lambda at, made: _put(at, lambda: slots.assign_child_at_slot(made, at.whole()))
    rails = _chosen(options["deck"], HAMILTON_DECKS, "OT-2")()
    carriers = _carriers(options.get("carriers"), rails)
    return rails, lambda at, made: _put_on_carrier(at, made, carriers)


def _carriers(node: Located | None, deck: HamiltonDeck) -> dict[str, Carrier[Any]]:
    carriers: dict[str, Carrier[Any]] = {}
    for name, part in (node.mapping() if node else {}).items():
        parts = part.fields(["carrier", "rails"])
        carrier = _chosen(parts["carrier"], CARRIERS)(f"carrier_{name}")
        rails = parts["rails"].whole()
        _put(parts["rails"], lambda c=carrier, r=rails: deck.assign_child_resource(c, rails=r))
        carriers[name] = carrier
    return carriers


def _put_on_carrier(at: Located, made: Resource, carriers: Mapping[str, Carrier[Any]]) -> None:
    name, _, number = at.text().partition("/")
    if name not in carriers or not number.isdigit() or not 1 <= int(number) <= len(carriers[name]):
        places = listed([f"{each}/1" for each in carriers]) or "none"
        raise at.mistake(f"'{at.value}' is no place of a carrier; the first places are {places}.")
    if carriers[name][int(number) - 1].resource is not None:
        raise at.mistake(f"the place '{at.value}' is taken; give each piece of labware its own.")
    _put(at, lambda: carriers[name].__setitem__(int(number) - 1, made))


def _put(node: Located, put: Callable[[], object]) -> None:
    try:
        put()
    except (
        ValueError,
        KeyError,
        IndexError,
    ) as error:  # what pylabrobot raises for a place that does not fit
        raise node.mistake(f"this does not fit on the deck ({error}); choose another place.") from error


def _chosen(node: Located, table: Mapping[str, Made], *others: str) -> Made:
    name = node.text()
    if name not in table:
        raise node.mistake(f"'{name}' is not known here; the known names are {listed((*table, *others))}.")
    return table[name]


@dataclass(frozen=True, slots=True)
class _Books:
    """What our own books need to know of the labware."""

    containers: dict[str, Container]
    vessels: dict[str, Vessel]
    held: dict[str, Decimal]
    plates: dict[str, tuple[tuple[str, ...], ...]]
    tips: dict[str, dict[str, TipSpot]]
    tip_volumes: list[Decimal]

    def take(self, name: str, parts: Mapping[str, Located], made: Resource) -> None:
        match made:
            case TipRack():
                self.tips[name] = _items(name, made)
                self.tip_volumes.append(TIP_VOLUMES[parts["labware"].text()])
            case Plate():
                wells = _items(name, made)
                self.plates[name] = tuple(_columns(list(wells), made.num_items_y))
                for well, container in wells.items():
                    self._take_vessel(well, parts, container)
            case Container():
                self._take_vessel(name, parts, made)
            case _:
                raise parts["labware"].mistake(f"'{name}' can hold neither liquid nor tips.")

    def _take_vessel(self, name: str, parts: Mapping[str, Located], container: Container) -> None:
        most = Decimal(str(container.max_volume))
        capacity = _volume(parts, "capacity", most)
        if capacity > most:
            raise parts["capacity"].mistake(f"'{name}' cannot hold more than its labware, {most} uL.")
        self.containers[name] = container
        self.vessels[name] = Vessel(capacity, _volume(parts, "dead", Decimal(0)))
        self.held[name] = _volume(parts, "holds", Decimal(0))
        if not 0 <= self.held[name] <= capacity:
            raise parts["holds"].mistake(f"'{name}' cannot hold that, at most {capacity} uL.")


def _volume(parts: Mapping[str, Located], name: str, default: Decimal) -> Decimal:
    if name not in parts:
        return default
    try:
        volume = microlitres(parts[name].quantity())
    except BadInput as error:
        raise parts[name].mistake(
            f"'{parts[name].value}' is no volume; write it as 20 uL or 5 mL."
        ) from error
    if volume < 0:
        raise parts[name].mistake(f"'{parts[name].value}' is below zero; correct it.")
    return volume


def _items(name: str, made: ItemizedResource[Item]) -> dict[str, Item]:
    """The wells or tip positions of a piece of labware by our name: 'plate_1/A1', column by column."""
    return {f"{name}/{made.get_child_identifier(item)}": item for item in made.get_all_items()}


def _columns(names: list[str], rows: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), rows):
        yield tuple(names[start : start + rows])
