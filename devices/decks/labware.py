"""What may stand on a deck, under names of our own, so that a function renamed by the library changes
these tables and no plant file. Nothing here needs the network: pylabrobot's own Opentrons labware does
(it downloads each definition and keeps it in a folder that everybody may write to), so that is made from
the definitions in the installed package `opentrons_shared_data`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import sqrt
from typing import Any

from pylabrobot.resources import Carrier, Coordinate, Resource, Tip, TipRack, TipSpot, Trough
from pylabrobot.resources.corning.costar.plates import (
    cor_cos_6_wellplate_16800uL_Fb,
    cor_cos_24_wellplate_3470uL_Fb,
)
from pylabrobot.resources.corning.plates import cor_96_wellplate_2mL_Vb, cor_96_wellplate_360uL_Fb
from pylabrobot.resources.hamilton import (
    PLT_CAR_L5AC_A00,
    TIP_CAR_480_A00,
    STARDeck,
    STARLetDeck,
    Trough_CAR_4R200_A00,
    hamilton_1_trough_200mL_Vb,
    hamilton_96_tiprack_300uL_filter,
    hamilton_96_tiprack_1000uL_filter,
)
from pylabrobot.resources.hamilton.hamilton_decks import HamiltonDeck


def opentrons_tip_rack(load_name: str, rack: str) -> TipRack:
    """A full rack from an Opentrons definition (labware schema 2, round tips)."""
    definition = _definition(load_name)
    parameters, wells = definition["parameters"], definition["wells"]
    volume = wells["A1"]["totalLiquidVolume"]

    def tip(name: str) -> Tip:  # pylabrobot looks for a parameter of this name
        return Tip(
            name=name,
            total_tip_length=parameters["tipLength"],
            has_filter="filter" in load_name,
            maximal_volume=volume,
            fitting_depth=parameters["tipOverlap"],
        )

    spots: dict[str, TipSpot] = {}
    for name in (name for column in definition["ordering"] for name in column):
        side = round(wells[name]["diameter"] / sqrt(2), 3)
        spots[name] = TipSpot(name=name, size_x=side, size_y=side, make_tip=tip)
        x, y = wells[name]["x"] - side / 2, wells[name]["y"] - side / 2
        spots[name].location = Coordinate(x=x, y=y, z=wells[name]["z"])
    return TipRack(rack, *_size(definition), ordered_items=spots, model=load_name, with_tips=True)


def opentrons_reservoir(load_name: str, name: str) -> Trough:
    """A reservoir of one compartment from an Opentrons definition."""
    definition = _definition(load_name)
    (well,) = definition["wells"].values()
    return Trough(name, *_size(definition), max_volume=well["totalLiquidVolume"], model=load_name)


def _definition(load_name: str) -> Mapping[str, Any]:
    from opentrons_shared_data.labware import load_definition

    return load_definition(load_name, 1)


def _size(definition: Mapping[str, Any]) -> tuple[float, float, float]:
    size = definition["dimensions"]
    return size["xDimension"], size["yDimension"], size["zDimension"]


HAMILTON_DECKS: Mapping[str, Callable[[], HamiltonDeck]] = {"STARlet": STARLetDeck, "STAR": STARDeck}
CARRIERS: Mapping[str, Callable[[str], Carrier[Any]]] = {
    "tips_5": TIP_CAR_480_A00,
    "plates_5": PLT_CAR_L5AC_A00,
    "troughs_4": Trough_CAR_4R200_A00,
}
LABWARE: Mapping[str, Callable[[str], Resource]] = {
    "tips_1000_filter": hamilton_96_tiprack_1000uL_filter,
    "tips_300_filter": hamilton_96_tiprack_300uL_filter,
    "ot2_tips_200_filter": lambda name: opentrons_tip_rack("opentrons_96_filtertiprack_200ul", name),
    "plate_96": cor_96_wellplate_360uL_Fb,
    "plate_96_deep": cor_96_wellplate_2mL_Vb,
    "plate_24": cor_cos_24_wellplate_3470uL_Fb,
    "plate_6": cor_cos_6_wellplate_16800uL_Fb,
    "trough_200": hamilton_1_trough_200mL_Vb,
    "ot2_reservoir_195": lambda name: opentrons_reservoir("nest_1_reservoir_195ml", name),
}
TIP_VOLUMES: Mapping[str, Decimal] = {
    "tips_1000_filter": Decimal(1000),
    "tips_300_filter": Decimal(300),
    "ot2_tips_200_filter": Decimal(200),
}
"""Nominal volumes of tips (µL); the library counts the air above the liquid too."""
