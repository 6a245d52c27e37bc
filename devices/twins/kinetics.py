"""How cells of three kinds grow, feed and die: parameters with their sources.

'prototype' is the untuned start value of the published outline this model follows: Monod growth,
lactate inhibition and inhibitor-driven death as in Duran-Villalobos et al., University of Manchester
(T cells in ambr15). 'fitted' names the published figure that the value was chosen to meet; the fit is
loose and is no validation. Everything else is assumed. docs/reference/twins.md shows these tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from devices.twins.known import Known, numbers

PROTOTYPE = "prototype start value, uncalibrated"
VERTICAL_WHEEL = (
    "fitted to 2.3e6 cells/mL and 346 um at day 5, doi 10.1186/s13036-019-0204-1; seeding density assumed"
)
ZHU = "fitted to 30-fold expansion in 12 days, Zhu 2018"


@dataclass(frozen=True, slots=True)
class Kinetics:
    """Numbers of `advance` in devices/twins/culture.py; amounts per 1e6 cells, times in hours."""

    growth: float
    death: float
    lysis: float
    lag: float
    crowding: float
    half_glucose: float
    half_lactate: float
    toxic_lactate: float
    uptake: float
    lactate_yield: float
    oxygen_uptake: float
    best_ph: float
    cell_volume: float
    cells_per_aggregate: float


def _table(growth: Known, lag: Known, uptake: Known, crowding: Known, **others: Known) -> dict[str, Known]:
    common = {
        "growth": growth,
        "death": Known(0.001, "1/h", PROTOTYPE),
        "lysis": Known(0.005, "1/h", "assumed"),
        "lag": lag,
        "crowding": crowding,
        "half_glucose": Known(0.6, "mmol/L", PROTOTYPE),
        "half_lactate": Known(35.0, "mmol/L", PROTOTYPE),
        "toxic_lactate": Known(30.0, "mmol/L", PROTOTYPE),
        "uptake": uptake,
        "lactate_yield": Known(1.7, "mol/mol", "prototype: 0.17 / 0.10 mmol/L/h per 1e6/mL"),
        "oxygen_uptake": Known(45.0, "%/h per 1e6/mL", PROTOTYPE),
        "best_ph": Known(7.2, "pH", PROTOTYPE),
        "cell_volume": Known(0.0, "um**3", "single cells: no aggregates"),
        "cells_per_aggregate": Known(0.0, "cell", "single cells: no aggregates"),
    }
    return common | others


T_CELL = _table(
    growth=Known(0.0281, "1/h", ZHU),
    lag=Known(36.0, "h", "assumed: no net growth in the first days after activation"),
    uptake=Known(
        0.025, "umol/h per 1e6", "assumed; prototype 0.10 starves the culture at half an exchange a day"
    ),
    crowding=Known(40.0, "1e6/mL", "assumed"),
    best_ph=Known(7.1, "pH", "proliferation best at pH 7.0-7.2, Carswell and Papoutsakis 2000"),
)
IPSC = _table(
    growth=Known(0.047, "1/h", VERTICAL_WHEEL),
    lag=Known(18.0, "h", "assumed: recovery from dissociation"),
    uptake=Known(0.10, "umol/h per 1e6", PROTOTYPE),
    crowding=Known(6.0, "1e6/mL", "assumed"),
    cell_volume=Known(1890.0, "um**3", VERTICAL_WHEEL),
    cells_per_aggregate=Known(500.0, "cell", "assumed: cells that found one aggregate at seeding"),
)
ORGANOID = _table(
    growth=Known(0.0075, "1/h", "assumed: 200 to 300 um from day 3 to day 14"),
    lag=Known(12.0, "h", "assumed"),
    uptake=Known(0.06, "umol/h per 1e6", "assumed"),
    crowding=Known(8.0, "1e6/mL", "assumed"),
    cell_volume=Known(1890.0, "um**3", "as the stem cells it comes from"),
    cells_per_aggregate=Known(2200.0, "cell", "assumed: 200 um at the change to stage II"),
)
TABLES: Mapping[str, Mapping[str, Known]] = {"t_cell": T_CELL, "ipsc": IPSC, "organoid": ORGANOID}
KINETICS: Mapping[str, Kinetics] = {kind: Kinetics(**numbers(table)) for kind, table in TABLES.items()}
"""By kind of culture."""
