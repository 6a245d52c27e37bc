"""The closed cell processor: a machine for autologous CAR-T that runs its own programmes.

It asks a person at its screen (prompts), writes an event file, and has no on-line cell count: what is
inside is known from samples. Steps and durations follow the published process (Zhu 2018, and the
tables of PMC11461191) where they say something; the rest is assumed. `NUMBERS` names each source.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import exp
from typing import Any

from devices.twins.culture import (
    Culture,
    Surroundings,
    added,
    advance,
    composition,
    removed,
    seeded,
)
from devices.twins.known import Known, numbers
from devices.twins.noise import channel, normal
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

NUMBERS: Mapping[str, Known] = {
    "recovery": Known(0.55, "1", "CD4/CD8 enrichment recovers 55 ± 6 %, Zhu 2018"),
    "recovery_spread": Known(0.06, "1", "Zhu 2018"),
    "cd3": Known(89.0, "%", "CD3 after enrichment 89 ± 10 %, Zhu 2018"),
    "cd3_spread": Known(3.0, "%", "assumed narrower than published, so that a demonstration batch is usable"),
    "cd3_time": Known(72.0, "h", "fitted: product 82-100 % CD3, Zhu 2018"),
    "transduced": Known(0.0616, "1 per MOI", "fitted to 37 % at MOI 7.5, Zhu 2018 (MOI 5-10)"),
    "expression": Known(24.0, "h", "assumed: time for the receptor to show"),
    "transduction_loss": Known(0.08, "1", "assumed: cells that die at transduction"),
    "starting_viability": Known(95.0, "%", "assumed"),
    "enriched_volume": Known(50.0, "mL", "assumed"),
    "wash_recovery": Known(0.92, "1", "assumed"),
    "wash_dead": Known(0.3, "1", "assumed: dead cells that stay in a wash"),
    "capacity": Known(300.0, "mL", "assumed: culture chamber"),
    "medium_glucose": Known(22.0, "mmol/L", "prototype: 4 g/L"),
    "retention": Known(0.995, "1", "assumed: cells kept at a medium exchange"),
    "oxygen": Known(60.0, "%", "assumed: gas-permeable, shaken chamber"),
    "ph_fresh": Known(7.35, "pH", "prototype"),
    "ph_per_lactate": Known(0.022, "pH per mmol/L", "prototype"),
    "ph_per_co2": Known(0.02, "pH per %", "prototype: 0.1 for twice the CO2"),
    "lag_temperature": Known(0.4, "h", "assumed"),
    "lag_co2": Known(0.1, "h", "assumed"),
    "ambient": Known(22.0, "degC", "assumed"),
}
N = numbers(NUMBERS)
MINUTES = 60.0


@dataclass(frozen=True, slots=True)
class ProcessorState:
    """What is true inside. Cells in 1e6; `enriched`: in the bag after enrichment, not yet seeded.

    `bagged`: harvested, so that the chamber is empty and `culture` is the content of the bag, which
    does not change (assumed: hours at room temperature).
    """

    culture: Culture = field(default_factory=Culture)
    temperature: float = 22.0
    co2: float = 0.0
    sets: int = 0
    installed: bool = False
    bagged: bool = False
    enriched: float = 0.0
    cd3: float = 0.0
    cd3_hours: float = 0.0
    car: float = 0.0
    car_hours: float = 0.0
    product: dict[str, float] = field(default_factory=dict[str, float])


class ClosedCellProcessor:
    """A closed cell processor. `seed` decides recovery and purity of each set, as the patient would."""

    name = "closed cell processor"

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.tags: Mapping[str, Tag] = {
            "temperature": Tag("degC", 0.0, 60.0, 2, noise=0.03, settable=(4.0, 40.0)),
            "co2": Tag("%", 0.0, 20.0, 2, noise=0.03, settable=(0.0, 10.0)),
            "volume": Tag("mL", 0.0, 400.0, 1, noise=0.2),
        }
        self.programmes = PROGRAMMES

    # -- state -----------------------------------------------------------------------------------

    def initial(self) -> ProcessorState:
        return ProcessorState(temperature=N["ambient"])

    def restored(self, members: Mapping[str, Any]) -> ProcessorState:
        return ProcessorState(**{**members, "culture": Culture(**members["culture"])})

    def snapshot(self, state: ProcessorState) -> dict[str, Any]:
        return asdict(state)

    # -- physics ---------------------------------------------------------------------------------

    def advance(self, state: ProcessorState, seconds: float, targets: Mapping[str, float]) -> ProcessorState:
        hours = seconds / 3600.0
        warm, gas = targets.get("temperature", N["ambient"]), targets.get("co2", 0.0)

        def around(after: float) -> Surroundings:
            temperature = warm + (state.temperature - warm) * exp(-after / N["lag_temperature"])
            return Surroundings(temperature, self.ph(state), N["oxygen"])

        end, culture = around(hours), state.culture
        if not state.bagged:
            culture = advance(culture, hours, around(0.0), around(hours / 2.0), end)
        return replace(
            state,
            culture=culture,
            temperature=end.temperature,
            co2=gas + (state.co2 - gas) * exp(-hours / N["lag_co2"]),
            cd3_hours=state.cd3_hours + hours if state.culture.viable else state.cd3_hours,
            car_hours=state.car_hours + hours if state.car else 0.0,
        )

    def ph(self, state: ProcessorState) -> float:
        """The pH that lactate and CO2 give; nothing controls it."""
        lactate = state.culture.per_volume(state.culture.lactate)
        return N["ph_fresh"] - N["ph_per_lactate"] * lactate - N["ph_per_co2"] * (state.co2 - 5.0)

    def values(self, state: ProcessorState) -> dict[str, float]:
        return {"temperature": state.temperature, "co2": state.co2, "volume": self._chamber(state)}

    def _chamber(self, state: ProcessorState) -> float:
        return 0.0 if state.bagged else state.culture.volume

    def truth(self, state: ProcessorState) -> dict[str, float]:
        if not state.culture.viable and state.enriched:
            return self._enriched(state)
        return self._cultured(state) if state.culture.viable else dict(state.product)

    def _enriched(self, state: ProcessorState) -> dict[str, float]:
        viable = state.enriched / N["enriched_volume"] * 1e6
        viability = N["starting_viability"]
        return {
            "volume": N["enriched_volume"],
            "viable": viable,
            "total": viable / viability * 100.0,
            "viability": viability,
            "cd3": state.cd3,
        }

    def _cultured(self, state: ProcessorState) -> dict[str, float]:
        shown = 1.0 - exp(-state.car_hours / N["expression"])
        others = (100.0 - state.cd3) * exp(-state.cd3_hours / N["cd3_time"])
        return composition(state.culture) | {
            "ph": self.ph(state),
            "cd3": 100.0 - others,
            "car_positive": 100.0 * state.car * shown,
        }

    # -- programmes ------------------------------------------------------------------------------

    def stages(self, state: ProcessorState, programme: str, arguments: Mapping[str, Argument]) -> list[Stage]:
        self._check(state, programme, arguments)
        return list(STAGES[programme])

    def _check(self, state: ProcessorState, programme: str, arguments: Mapping[str, Argument]) -> None:
        if programme == "install_set":
            if self._chamber(state) or state.enriched:
                raise WrongState("There are cells in the installed set; take them out first.")
        elif not state.installed:
            raise WrongState("No tubing set is installed; run install_set first.")
        elif programme == "activate_culture":
            self._check_seeding(state, arguments)
        elif programme == "formulate" and not state.culture.volume:
            raise WrongState("There is nothing to formulate; run harvest first.")
        elif programme not in ("enrich", "formulate", "remove_set") and not self._chamber(state):
            raise WrongState("The culture chamber is empty; run activate_culture first.")
        if programme == "enrich" and (state.enriched or state.culture.viable):
            raise WrongState("There are cells in this set already; it enriches once.")
        if (
            programme in ("transduce", "wash_feed")
            and float(arguments["volume"]) < state.culture.volume * 0.5
        ):
            raise OutOfRange(
                f"The chamber holds {state.culture.volume:.1f} mL; the volume asked for is too small."
            )

    def _check_seeding(self, state: ProcessorState, arguments: Mapping[str, Argument]) -> None:
        if state.culture.viable:
            raise WrongState("The culture runs already.")
        if float(arguments["cells"]) / 1e6 > state.enriched:
            raise WrongState("There are not enough enriched cells in the set for this culture; seed fewer.")

    def set_points(self, programme: str, arguments: Mapping[str, Argument]) -> dict[str, float]:
        if programme != "activate_culture":
            return {}
        return {tag: float(arguments[tag]) for tag in ("temperature", "co2")}

    def enter(self, state: ProcessorState, stage: Stage, arguments: Mapping[str, Argument]) -> ProcessorState:
        return state

    def leave(
        self, state: ProcessorState, stage: Stage, arguments: Mapping[str, Argument], fraction: float
    ) -> tuple[ProcessorState, dict[str, Result]]:
        if fraction < 1.0 and stage.effect not in ("exchange_out", "exchange_in", "take_sample"):
            return state, {}  # what moves cells or fluids as a whole has its effect at the end
        match stage.effect:
            case "install":
                return replace(self._cleared(state), installed=True, sets=state.sets + 1), {
                    "integrity_test": "pass"
                }
            case "remove":
                return self._cleared(state), {}
            case "enrich":
                return self._after_enrichment(state, arguments)
            case "seed":
                return self._seeded(state, arguments)
            case "transduce":
                return self._transduced(state, arguments)
            case "wash" | "concentrate" | "formulate":
                return self._washed(state, stage.effect, float(arguments["volume"]))
            case "exchange_out":
                out = fraction * float(arguments["fraction"]) / 100.0
                gone = Amount(out * state.culture.volume, "mL")
                return replace(state, culture=removed(state.culture, out, N["retention"])), {"removed": gone}
            case "exchange_in":
                share = float(arguments["fraction"]) / 100.0
                volume = fraction * state.culture.volume * share / (1.0 - share)
                culture = added(state.culture, volume, N["medium_glucose"])
                return replace(state, culture=culture), {"added": Amount(volume, "mL")}
            case "take_sample":
                volume = min(fraction * float(arguments["volume"]), state.culture.volume)
                culture = removed(state.culture, volume / state.culture.volume)
                return replace(state, culture=culture), {"volume": Amount(volume, "mL")}
            case _:
                return state, {}

    def _cleared(self, state: ProcessorState) -> ProcessorState:
        made = ProcessorState(temperature=state.temperature, co2=state.co2, sets=state.sets)
        return replace(made, product=self.truth(state))

    def _drawn(self, what: str, state: ProcessorState) -> float:
        return normal(self.seed, channel("processor", what), state.sets)

    def _after_enrichment(
        self, state: ProcessorState, arguments: Mapping[str, Argument]
    ) -> tuple[ProcessorState, dict[str, Result]]:
        recovery = N["recovery"] + N["recovery_spread"] * self._drawn("recovery", state)
        cd3 = min(N["cd3"] + N["cd3_spread"] * self._drawn("cd3", state), 99.0)
        enriched = float(arguments["cells"]) / 1e6 * min(max(recovery, 0.3), 0.8)
        return replace(state, enriched=enriched, cd3=cd3), {"volume": Amount(N["enriched_volume"], "mL")}

    def _seeded(
        self, state: ProcessorState, arguments: Mapping[str, Argument]
    ) -> tuple[ProcessorState, dict[str, Result]]:
        cells, volume = float(arguments["cells"]) / 1e6, float(arguments["volume"])
        filled = added(Culture(), volume, N["medium_glucose"])
        culture = seeded(filled, cells, N["starting_viability"], "t_cell")
        state = replace(state, culture=culture, enriched=state.enriched - cells, cd3_hours=0.0, car=0.0)
        return state, {"volume": Amount(volume, "mL")}

    def _transduced(
        self, state: ProcessorState, arguments: Mapping[str, Argument]
    ) -> tuple[ProcessorState, dict[str, Result]]:
        culture = state.culture
        lost = N["transduction_loss"] * culture.viable
        more = max(float(arguments["volume"]) - culture.volume, 0.0)
        culture = replace(culture, viable=culture.viable - lost, dead=culture.dead + lost)
        car = 1.0 - exp(-N["transduced"] * float(arguments["moi"]))
        state = replace(state, culture=added(culture, more, N["medium_glucose"]), car=car, car_hours=0.0)
        return state, {"volume": Amount(state.culture.volume, "mL")}

    def _washed(
        self, state: ProcessorState, effect: str, volume: float
    ) -> tuple[ProcessorState, dict[str, Result]]:
        """Cells in fresh liquid of `volume`: medium after a wash, saline (no glucose) otherwise."""
        culture = state.culture
        glucose = N["medium_glucose"] if effect == "wash" else 0.0
        culture = replace(
            culture,
            viable=culture.viable * N["wash_recovery"],
            dead=culture.dead * N["wash_dead"],
            glucose=volume * glucose,
            lactate=0.0,
            volume=volume,
        )
        bagged = state.bagged or effect != "wash"
        state = replace(state, culture=culture, bagged=bagged, enriched=0.0 if bagged else state.enriched)
        return state, {"volume": Amount(volume, "mL")}


STAGES: Mapping[str, tuple[Stage, ...]] = {
    "install_set": (
        Stage("load set", prompt="Load the tubing set as the screen shows, close the doors, and confirm."),
        Stage("read set", 2 * MINUTES),
        Stage("integrity test", 15 * MINUTES),
        Stage("prime", 20 * MINUTES, effect="install"),
    ),
    "enrich": (
        Stage("connect cells", prompt="Connect the bag with the patient's cells to port 1 and confirm."),
        Stage("connect beads", prompt="Connect the CD4 and CD8 reagent vials and confirm."),
        Stage("volume reduction", 30 * MINUTES),
        Stage("bead incubation", 30 * MINUTES),
        Stage("wash", 20 * MINUTES),
        Stage("magnetic separation", 100 * MINUTES),
        Stage("elution", 20 * MINUTES, effect="enrich"),
    ),
    "activate_culture": (
        Stage("connect activator", prompt="Connect the bag with the activation reagent and confirm."),
        Stage("seed chamber", 20 * MINUTES, effect="seed"),
        Stage("add activator", 10 * MINUTES),
    ),
    "transduce": (
        Stage("connect vector", prompt="Connect the thawed vector bag and confirm."),
        Stage("add vector", 15 * MINUTES),
        Stage("rinse and fill", 45 * MINUTES, effect="transduce", looks=15 * MINUTES),
    ),
    "wash_feed": (
        Stage("connect medium", prompt="Connect the medium bag and confirm."),
        Stage("wash", 80 * MINUTES, looks=15 * MINUTES),
        Stage("fill", 40 * MINUTES, effect="wash"),
    ),
    "exchange_medium": (
        Stage("settle", 20 * MINUTES),
        Stage("spent medium out", 15 * MINUTES, effect="exchange_out"),
        Stage("fresh medium in", 15 * MINUTES, effect="exchange_in"),
    ),
    "take_sample": (Stage("draw sample", 5 * MINUTES, effect="take_sample"),),
    "harvest": (
        Stage("connect bag", prompt="Connect the empty harvest bag and confirm."),
        Stage("collect and concentrate", 50 * MINUTES, effect="concentrate", looks=10 * MINUTES),
    ),
    "formulate": (
        Stage("connect buffer", prompt="Connect the formulation buffer and confirm."),
        Stage("wash and formulate", 60 * MINUTES, effect="formulate", looks=10 * MINUTES),
    ),
    "remove_set": (
        Stage("seal and remove", prompt="Seal and take off the product bag, remove the set, and confirm."),
        Stage("self-check", 5 * MINUTES, effect="remove"),
    ),
}
"""Durations: enrichment 3-4 h and exchange volumes as published in outline; all others assumed."""

_CHAMBER = (20.0, N["capacity"])
PROGRAMMES: Mapping[str, Programme] = {
    "install_set": Programme("Tubing set loaded, read, tested and primed"),
    "enrich": Programme(
        "CD4 and CD8 cells are selected with magnetic beads",
        {
            "volume": Parameter("mL", 10.0, 1000.0, default=200.0),
            "cells": Parameter("cell", 1e6, 1e11, default=2.6e9),
        },
    ),
    "activate_culture": Programme(
        "Enriched cells are seeded and activated; the machine keeps their environment from then on",
        {
            "cells": Parameter("cell", 1e6, 1e10, default=1e8),
            "volume": Parameter("mL", *_CHAMBER, default=70.0),
            "temperature": Parameter("degC", 30.0, 40.0, default=37.0),
            "co2": Parameter("%", 0.0, 10.0, default=5.0),
        },
    ),
    "transduce": Programme(
        "Vector is added, the chamber filled to a volume",
        {
            "vector_volume": Parameter("mL", 0.1, 100.0, default=5.0),
            "moi": Parameter("", 0.1, 100.0, default=7.5),
            "volume": Parameter("mL", *_CHAMBER, default=100.0),
        },
    ),
    "wash_feed": Programme(
        "Vector and reagent are washed out, the chamber filled with medium",
        {"volume": Parameter("mL", *_CHAMBER, default=200.0)},
    ),
    "exchange_medium": Programme(
        "Part of the medium is exchanged", {"fraction": Parameter("%", 1.0, 90.0, default=50.0)}
    ),
    "take_sample": Programme("A sample is drawn", {"volume": Parameter("mL", 0.1, 20.0, default=2.0)}),
    "harvest": Programme(
        "Cells are washed and concentrated into the bag",
        {"volume": Parameter("mL", *_CHAMBER, default=100.0)},
    ),
    "formulate": Programme(
        "Cells are taken up in formulation buffer", {"volume": Parameter("mL", *_CHAMBER, default=100.0)}
    ),
    "remove_set": Programme("Product taken off, set removed"),
}
