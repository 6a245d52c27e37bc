"""Stirred-tank and vertical-wheel bioreactors: one model, two tables of parameters.

Controlled values approach what the controller can reach with a first-order lag, solved exactly, so
that a step of a quarter of an hour is as good as one of a second. What it can reach comes from
balances: oxygen from kLa and uptake, pH from lactate and the reach of CO2 and base. Medium is added at
culture temperature (assumed: warmed in the line).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import exp, sqrt
from typing import Any

from devices.twins.culture import (
    GLUCOSE_MOLAR_MASS,
    STILL,
    Culture,
    Flow,
    Surroundings,
    added,
    advance,
    composition,
    removed,
    seeded,
)
from devices.twins.kinetics import KINETICS
from devices.twins.known import Known, numbers
from devices.twins.programmes import (
    Amount,
    Argument,
    OutOfRange,
    Parameter,
    Programme,
    Result,
    Stage,
    WrongState,
)
from devices.twins.twin import Tag

SCARCE_OXYGEN = 2.0
"""% air saturation below which uptake falls off (prototype)."""


@dataclass(frozen=True, slots=True)
class Vessel:
    """Numbers of a vessel; times in hours, volumes in mL."""

    capacity: float
    slowest: float
    fastest: float
    kla_still: float
    kla_per_rpm: float
    richest_gas: float
    ph_fresh: float
    ph_per_lactate: float
    ph_up: float
    ph_down: float
    ambient: float
    lag_temperature: float
    lag_agitation: float
    lag_ph: float
    lag_oxygen: float
    pump: float
    perfusion: float
    medium_glucose: float
    feed_glucose: float
    retention: float
    settling: float


def _vessel(capacity: Known, fastest: Known, kla: Known, ph_up: Known, pump: Known) -> dict[str, Known]:
    return {
        "capacity": capacity,
        "slowest": Known(10.0, "rpm", "assumed"),
        "fastest": fastest,
        "kla_still": Known(0.5, "1/h", "assumed: surface only"),
        "kla_per_rpm": kla,
        "richest_gas": Known(40.0, "% O2", "assumed: oxygen enrichment in the gas mix"),
        "ph_fresh": Known(7.35, "pH", "prototype: fresh medium at 5 % CO2"),
        "ph_per_lactate": Known(0.022, "pH per mmol/L", "prototype"),
        "ph_up": ph_up,
        "ph_down": Known(0.5, "pH", "assumed: reach of CO2"),
        "ambient": Known(22.0, "degC", "assumed"),
        "lag_temperature": Known(0.25, "h", "assumed"),
        "lag_agitation": Known(20.0 / 3600.0, "h", "assumed"),
        "lag_ph": Known(0.1, "h", "assumed"),
        "lag_oxygen": Known(0.03, "h", "probe 30-90 s (devices.md 10.2) and gas exchange, assumed"),
        "pump": pump,
        "perfusion": Known(1.5, "capacities/day", "assumed: fastest perfusion"),
        "medium_glucose": Known(22.0, "mmol/L", "prototype: 4 g/L"),
        "feed_glucose": Known(250.0, "mmol/L", "assumed: 45 g/L concentrate"),
        "retention": Known(0.98, "1", "assumed: cells kept at a medium exchange"),
        "settling": Known(10.0, "min", "assumed"),
    }


VERTICAL_WHEEL = _vessel(
    capacity=Known(550.0, "mL", "0.5 L vertical wheel; processes.md 2.1 gives 0.1-0.5 L"),
    fastest=Known(100.0, "rpm", "CFD range 20-100 rpm, doi 10.1186/s13036-019-0204-1"),
    kla=Known(0.05, "1/h per rpm", "assumed: kLa 1-5 1/h by the surface"),
    ph_up=Known(0.25, "pH", "assumed: CO2 stripped, no base"),
    pump=Known(50.0, "mL/min", "assumed"),
)
STIRRED_TANK = _vessel(
    capacity=Known(2200.0, "mL", "2 L stirred tank, doi 10.3389/fbioe.2025.1694134"),
    fastest=Known(450.0, "rpm", "T cells in ambr15 at 450 rpm, Duran-Villalobos et al."),
    kla=Known(0.06, "1/h per rpm", "prototype: kLa 1-25 1/h"),
    ph_up=Known(0.6, "pH", "assumed: CO2 stripped and base added"),
    pump=Known(100.0, "mL/min", "assumed"),
)
VESSELS: Mapping[str, Mapping[str, Known]] = {"vertical_wheel": VERTICAL_WHEEL, "stirred_tank": STIRRED_TANK}


@dataclass(frozen=True, slots=True)
class BioreactorState:
    """What is true inside. `product`: composition of what was harvested last."""

    culture: Culture = field(default_factory=Culture)
    temperature: float = 22.0
    agitation: float = 0.0
    ph: float = 7.35
    oxygen: float = 100.0
    perfusion: float = 0.0
    still: bool = False
    product: dict[str, float] = field(default_factory=dict[str, float])


def _towards(value: float, target: float, hours: float, lag: float) -> float:
    return target + (value - target) * exp(-hours / lag)


class Bioreactor:
    """A bioreactor of one of the `VESSELS`. `capacitance`: it has a probe for viable cells."""

    def __init__(self, vessel: str, capacitance: bool = False) -> None:
        self.vessel = Vessel(**numbers(VESSELS[vessel]))
        self.kind = "ipsc" if vessel == "vertical_wheel" else "t_cell"
        self.name = f"{vessel.replace('_', '-')} bioreactor"
        self.tags = _tags(self.vessel, capacitance)
        self.programmes = _programmes(self.vessel)

    # -- state -----------------------------------------------------------------------------------

    def initial(self) -> BioreactorState:
        return BioreactorState(temperature=self.vessel.ambient, ph=self.vessel.ph_fresh)

    def restored(self, members: Mapping[str, Any]) -> BioreactorState:
        return BioreactorState(**{**members, "culture": Culture(**members["culture"])})

    def snapshot(self, state: BioreactorState) -> dict[str, Any]:
        return asdict(state)

    # -- physics ---------------------------------------------------------------------------------

    def advance(
        self, state: BioreactorState, seconds: float, targets: Mapping[str, float]
    ) -> BioreactorState:
        hours, vessel, culture = seconds / 3600.0, self.vessel, state.culture
        aim = 0.0 if state.still else targets.get("agitation", 0.0)
        agitation = _towards(state.agitation, aim, hours, vessel.lag_agitation)
        warm = targets.get("temperature", vessel.ambient)
        acid = self.reachable_ph(culture, targets.get("ph"))
        air = self.reachable_oxygen(culture, agitation, targets.get("dissolved_oxygen"))

        def around(after: float) -> Surroundings:
            return Surroundings(
                _towards(state.temperature, warm, after, vessel.lag_temperature),
                _towards(state.ph, acid, after, vessel.lag_ph),
                _towards(state.oxygen, air, after, vessel.lag_oxygen),
            )

        rate = targets.get("perfusion_rate", 0.0) if culture.volume else 0.0
        flow = Flow(rate, vessel.medium_glucose) if rate else STILL
        then = around(hours)
        return replace(
            state,
            culture=advance(culture, hours, around(0.0), around(hours / 2.0), then, flow),
            temperature=then.temperature,
            ph=then.ph,
            oxygen=then.oxygen,
            agitation=agitation,
            perfusion=rate,
        )

    def reachable_ph(self, culture: Culture, target: float | None) -> float:
        """The pH that CO2 and base can bring about; without control what lactate makes of it."""
        own = self.vessel.ph_fresh - self.vessel.ph_per_lactate * culture.per_volume(culture.lactate)
        if target is None:
            return own
        return min(max(target, own - self.vessel.ph_down), own + self.vessel.ph_up)

    def reachable_oxygen(self, culture: Culture, agitation: float, target: float | None) -> float:
        """% air saturation where transfer and uptake balance; the target if richer gas reaches it.

        kLa (saturation - x) = uptake x / (x + 2), solved for x.
        """
        gas = 20.9 if target is None else self.vessel.richest_gas
        saturation = gas / 20.9 * 100.0
        kla = self.vessel.kla_still + self.vessel.kla_per_rpm * agitation
        demand = KINETICS[culture.kind].oxygen_uptake * culture.density / kla
        half = SCARCE_OXYGEN - saturation + demand
        balance = (-half + sqrt(half * half + 4.0 * SCARCE_OXYGEN * saturation)) / 2.0
        return balance if target is None else min(target, balance)

    def values(self, state: BioreactorState) -> dict[str, float]:
        culture = state.culture
        values = {
            "temperature": state.temperature,
            "agitation": state.agitation,
            "ph": state.ph,
            "dissolved_oxygen": state.oxygen,
            "perfusion_rate": state.perfusion,
            "glucose": culture.per_volume(culture.glucose) * GLUCOSE_MOLAR_MASS,
            "lactate": culture.per_volume(culture.lactate),
            "volume": culture.volume,
        }
        if "viable_cells" in self.tags:
            values["viable_cells"] = culture.density * 1e6
        return values

    def truth(self, state: BioreactorState) -> dict[str, float]:
        return (composition(state.culture) or dict(state.product)) | {"ph": state.ph}

    # -- programmes ------------------------------------------------------------------------------

    def stages(
        self, state: BioreactorState, programme: str, arguments: Mapping[str, Argument]
    ) -> list[Stage]:
        culture = state.culture
        if (
            programme != "drain"
            and programme not in ("inoculate", "add", "feed", "settle")
            and not culture.volume
        ):
            raise WrongState("The vessel is empty; fill it before this is asked.")
        match programme:
            case "inoculate" | "add" | "feed":
                volume = self._volume(culture, programme, arguments)
                self._check_room(culture, volume)
                return [self._pumping(f"pump in {volume:.1f} mL", volume, programme)]
            case "exchange_medium":
                volume = self._fraction(culture, arguments) * culture.volume
                settle = Stage("settle", 60.0 * self.vessel.settling, effect="settle")
                out = self._pumping(f"pump out {volume:.1f} mL", volume, "exchange_out")
                return [settle, out, self._pumping(f"pump in {volume:.1f} mL", volume, "exchange_in")]
            case "take_sample":
                volume = float(arguments["volume"])
                if volume > culture.volume:
                    raise OutOfRange(
                        f"The vessel holds {culture.volume:.1f} mL, less than the sample of {volume:g} mL."
                    )
                return [Stage(f"draw {volume:g} mL", 60.0, effect="take_sample")]
            case "settle":
                return [Stage("settle", float(arguments["duration"]), effect="settle")]
            case _:
                return [self._pumping("pump out all", culture.volume, programme)]

    def _pumping(self, name: str, volume: float, effect: str) -> Stage:
        return Stage(name, max(60.0 * volume / self.vessel.pump, 5.0), effect=effect)

    def _volume(self, culture: Culture, programme: str, arguments: Mapping[str, Argument]) -> float:
        if programme == "inoculate" and ("cells" in arguments) == ("aggregates" in arguments):
            raise OutOfRange("'inoculate' needs either 'cells' or 'aggregates'; give one of them.")
        if programme == "inoculate" and str(arguments.get("kind", self.kind)) not in KINETICS:
            raise OutOfRange(f"'inoculate' knows the kinds {', '.join(KINETICS)}, not '{arguments['kind']}'.")
        if "volume" in arguments:
            return float(arguments["volume"])
        if not culture.volume:
            raise WrongState("The vessel is empty; give the volume of the feed, or fill the vessel first.")
        return 0.05 * culture.volume

    def _check_room(self, culture: Culture, volume: float) -> None:
        if culture.volume + volume > self.vessel.capacity:
            raise OutOfRange(
                f"The vessel holds {culture.volume:.1f} mL of at most {self.vessel.capacity:g} mL; "
                f"{volume:.1f} mL more do not fit."
            )

    def _fraction(self, culture: Culture, arguments: Mapping[str, Argument]) -> float:
        if "fraction" in arguments and "volume" in arguments:
            raise OutOfRange("'exchange_medium' takes a fraction or a volume, not both.")
        if "volume" in arguments:
            fraction = float(arguments["volume"]) / culture.volume
            if fraction > 0.95:
                raise OutOfRange(
                    f"The vessel holds {culture.volume:.1f} mL; at most 95 % of it can be exchanged."
                )
            return fraction
        return float(arguments.get("fraction", 50.0)) / 100.0

    def set_points(self, programme: str, arguments: Mapping[str, Argument]) -> dict[str, float]:
        return {}

    def enter(
        self, state: BioreactorState, stage: Stage, arguments: Mapping[str, Argument]
    ) -> BioreactorState:
        still = stage.effect in ("settle", "exchange_out", "exchange_in")
        return replace(state, still=still)

    def leave(
        self, state: BioreactorState, stage: Stage, arguments: Mapping[str, Argument], fraction: float
    ) -> tuple[BioreactorState, dict[str, Result]]:
        culture, results = self._effect(state.culture, stage.effect, arguments, fraction)
        state = replace(state, still=False, culture=culture)
        if stage.effect in ("harvest", "drain") and fraction == 1.0:
            state = replace(state, culture=Culture(), product=composition(culture) or state.product)
        return state, results

    def _effect(
        self, culture: Culture, effect: str, arguments: Mapping[str, Argument], fraction: float
    ) -> tuple[Culture, dict[str, Result]]:
        match effect:
            case "inoculate":
                return self._inoculated(culture, arguments, fraction)
            case "feed" | "add":
                volume = fraction * self._volume(culture, effect, arguments)
                glucose = float(arguments.get("glucose", 0.0)) / GLUCOSE_MOLAR_MASS
                if effect == "feed" and "glucose" not in arguments:
                    glucose = self.vessel.feed_glucose
                return added(culture, volume, glucose), {"volume": Amount(volume, "mL")}
            case "exchange_out":
                out = fraction * self._fraction(culture, arguments)
                return removed(culture, out, self.vessel.retention), {
                    "removed": Amount(out * culture.volume, "mL")
                }
            case "exchange_in":
                volume = self._to_put_back(culture, arguments) * fraction
                return added(culture, volume, self.vessel.medium_glucose), {"added": Amount(volume, "mL")}
            case "take_sample":
                volume = fraction * float(arguments["volume"])
                return removed(culture, volume / culture.volume), {"volume": Amount(volume, "mL")}
            case "harvest":
                return (removed(culture, fraction) if fraction < 1.0 else culture), self._harvested(
                    culture, fraction
                )
            case "drain":
                volume = Amount(fraction * culture.volume, "mL")
                return (removed(culture, fraction) if fraction < 1.0 else culture), {"volume": volume}
            case _:
                return culture, {}

    def _inoculated(
        self, culture: Culture, arguments: Mapping[str, Argument], fraction: float
    ) -> tuple[Culture, dict[str, Result]]:
        aggregates = fraction * float(arguments.get("aggregates", 0.0))
        kind = str(arguments.get("kind", "organoid" if aggregates else self.kind))
        cells = fraction * float(arguments.get("cells", 0.0)) / 1e6 or (
            aggregates * KINETICS[kind].cells_per_aggregate / 1e6
        )
        volume = fraction * float(arguments["volume"])
        filled = added(culture, volume, self.vessel.medium_glucose)
        made = seeded(filled, cells, float(arguments["viability"]), kind, aggregates)
        return made, {"volume": Amount(volume, "mL")}

    def _to_put_back(self, culture: Culture, arguments: Mapping[str, Argument]) -> float:
        if "volume" in arguments:
            return float(arguments["volume"])
        share = float(arguments.get("fraction", 50.0)) / 100.0
        return culture.volume * share / (1.0 - share)

    def _harvested(self, culture: Culture, fraction: float) -> dict[str, Result]:
        found: dict[str, Result] = {"volume": Amount(fraction * culture.volume, "mL")}
        if culture.viable + culture.dead:
            found["viable_cells"] = Amount(culture.density * 1e6, "cell/mL", 0)
            found["viability"] = Amount(culture.viability, "%")
        return found


def _tags(vessel: Vessel, capacitance: bool) -> dict[str, Tag]:
    """Ranges and noise of the probes are assumed."""
    tags = {
        "temperature": Tag("degC", 0.0, 60.0, 2, noise=0.03, settable=(15.0, 42.0)),
        "agitation": Tag("rpm", 0.0, vessel.fastest * 1.2, 1, noise=0.2, settable=(0.0, vessel.fastest)),
        "ph": Tag("pH", 2.0, 12.0, 2, noise=0.01, settable=(6.0, 8.0)),
        "dissolved_oxygen": Tag("%", 0.0, 200.0, 1, noise=0.4, settable=(0.0, 150.0)),
        "perfusion_rate": Tag(
            "mL/h",
            0.0,
            vessel.capacity * vessel.perfusion / 24.0,
            2,
            settable=(0.0, vessel.capacity * vessel.perfusion / 24.0),
        ),
        "glucose": Tag("g/L", 0.0, 60.0, 2, noise=0.02),
        "lactate": Tag("mmol/L", 0.0, 100.0, 2, noise=0.1),
        "volume": Tag("mL", 0.0, vessel.capacity * 1.2, 1, noise=0.2),
    }
    if capacitance:
        tags["viable_cells"] = Tag("cell/mL", 0.0, 2e8, 0, noise=3e4)
    return tags


def _programmes(vessel: Vessel) -> dict[str, Programme]:
    some = Parameter("mL", 0.1, vessel.capacity)
    needed = replace(some, needed=True)
    return {
        "inoculate": Programme(
            "Cells in medium are pumped in",
            {
                "cells": Parameter("cell", 1e3, 1e13),
                "aggregates": Parameter("aggregate", 1.0, 1e9),
                "volume": needed,
                "viability": Parameter("%", 1.0, 100.0, default=95.0),
                "kind": Parameter(None),
            },
        ),
        "feed": Programme(
            "Feed is pumped in; 5 % of the content if no volume is given",
            {"volume": some, "glucose": Parameter("g/L", 0.0, 500.0)},
        ),
        "exchange_medium": Programme(
            "Cells settle, spent medium goes out, fresh medium comes in; half of it if nothing is given",
            {"fraction": Parameter("%", 1.0, 95.0), "volume": some},
        ),
        "take_sample": Programme("A sample is drawn", {"volume": Parameter("mL", 0.1, 50.0, default=2.0)}),
        "add": Programme(
            "A liquid is pumped in", {"material": Parameter(None, needed=True), "volume": needed}
        ),
        "settle": Programme(
            "The agitation stands still", {"duration": Parameter("s", 1.0, 7200.0, default=600.0)}
        ),
        "harvest": Programme("Everything is pumped out and kept"),
        "drain": Programme("Everything is pumped out to waste"),
    }
