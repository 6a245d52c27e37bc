"""Cold equipment: the controlled-rate freezer and the store in the vapour of liquid nitrogen."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil, exp
from typing import Any

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

FREEZER: Mapping[str, Known] = {
    "ambient": Known(22.0, "degC", "assumed"),
    "lag_chamber": Known(60.0, "s", "assumed: nitrogen spray and fan"),
    "lag_sample": Known(240.0, "s", "assumed: bag in a cassette"),
    "freezing_from": Known(-5.0, "degC", "assumed: cryoprotectant lowers the freezing point"),
    "freezing_to": Known(-12.0, "degC", "assumed"),
    "latent": Known(6.0, "1", "assumed: heat capacity while freezing, in multiples of the liquid's"),
    "fine_step": Known(10.0, "s", "chosen: a sixth of the chamber's lag"),
}
STORE: Mapping[str, Known] = {
    "cold": Known(-185.0, "degC", "assumed: vapour of liquid nitrogen with a full store"),
    "warmer_when_low": Known(30.0, "degC", "assumed: an empty store is this much warmer"),
    "lag": Known(1800.0, "s", "assumed: recovery after the lid was open"),
    "open_lid": Known(0.06, "degC/s", "assumed: warming while the lid is open"),
    "loss": Known(1.5, "%/day", "assumed: evaporation"),
    "refill_at": Known(60.0, "%", "assumed: automatic filling starts here"),
}
F, V = numbers(FREEZER), numbers(STORE)


@dataclass(frozen=True, slots=True)
class FreezerState:
    """Chamber and sample, degC; `rate` (degC/min) and `aim` (degC) while a programme cools."""

    chamber: float = 22.0
    sample: float = 22.0
    ramp: float = 22.0
    rate: float = 0.0
    aim: float = 22.0
    cooling: bool = False


class ControlledRateFreezer:
    """Cools at a given rate, by default -1 degC/min to -85 degC; the event file holds the curve."""

    name = "controlled-rate freezer"
    tags: Mapping[str, Tag] = {
        "temperature": Tag("degC", -200.0, 60.0, 1, noise=0.1),
        "sample_temperature": Tag("degC", -200.0, 60.0, 1, noise=0.1),
    }
    programmes: Mapping[str, Programme] = {
        "freeze": Programme(
            "Chamber brought to the start temperature, then cooled at a rate, then held until unloaded",
            {
                "rate": Parameter("delta_degC/min", -10.0, -0.1, default=-1.0),
                "start": Parameter("degC", -5.0, 25.0, default=4.0),
                "to": Parameter("degC", -150.0, -40.0, default=-85.0),
            },
        ),
        "warm_up": Programme("Chamber brought back to room temperature"),
    }

    def initial(self) -> FreezerState:
        return FreezerState()

    def restored(self, members: Mapping[str, Any]) -> FreezerState:
        return FreezerState(**members)

    def snapshot(self, state: FreezerState) -> dict[str, Any]:
        return asdict(state)

    def advance(self, state: FreezerState, seconds: float, targets: Mapping[str, float]) -> FreezerState:
        at_rest = abs(state.sample - state.aim) + abs(state.chamber - state.aim) < 1e-6
        if at_rest and state.ramp == state.aim:
            return state
        parts = ceil(seconds / F["fine_step"])
        for _ in range(parts):
            state = self._cooled(state, seconds / parts)
        return state

    def _cooled(self, state: FreezerState, seconds: float) -> FreezerState:
        ramp = state.aim
        if state.rate:
            ramp = max(state.ramp + state.rate / 60.0 * seconds, state.aim)
        chamber = ramp + (state.chamber - ramp) * exp(-seconds / F["lag_chamber"])
        freezing = F["freezing_to"] <= state.sample <= F["freezing_from"]
        lag = F["lag_sample"] * (F["latent"] if freezing else 1.0)
        sample = chamber + (state.sample - chamber) * exp(-seconds / lag)
        return replace(state, ramp=ramp, chamber=chamber, sample=sample)

    def values(self, state: FreezerState) -> dict[str, float]:
        return {"temperature": state.chamber, "sample_temperature": state.sample}

    def truth(self, state: FreezerState) -> dict[str, float]:
        return {"temperature": state.sample}

    def stages(self, state: FreezerState, programme: str, arguments: Mapping[str, Argument]) -> list[Stage]:
        if programme == "warm_up":
            return [Stage("warm up", 1800.0, effect="warm_up")]
        depth = float(arguments["start"]) - float(arguments["to"])
        cooling = depth / -float(arguments["rate"]) * 60.0
        return [
            Stage("equilibrate", 600.0, effect="equilibrate", looks=60.0),
            Stage("cool", cooling, effect="cool", looks=60.0),
            Stage("hold at end", 900.0, effect="hold", looks=60.0),
        ]

    def set_points(self, programme: str, arguments: Mapping[str, Argument]) -> dict[str, float]:
        return {}

    def enter(self, state: FreezerState, stage: Stage, arguments: Mapping[str, Argument]) -> FreezerState:
        match stage.effect:
            case "equilibrate":
                return replace(state, aim=float(arguments["start"]), rate=0.0)
            case "cool":
                ramp, rate = float(arguments["start"]), float(arguments["rate"])
                return replace(state, ramp=ramp, rate=rate, aim=float(arguments["to"]))
            case "warm_up":
                return replace(state, aim=F["ambient"], rate=0.0)
            case _:
                return state

    def leave(
        self, state: FreezerState, stage: Stage, arguments: Mapping[str, Argument], fraction: float
    ) -> tuple[FreezerState, dict[str, Result]]:
        if stage.effect == "warm_up":
            return state, {}
        found: dict[str, Result] = {"end_temperature": Amount(state.sample, "degC")}
        if fraction < 1.0:  # stopped: the chamber keeps what it has
            state = replace(state, aim=state.chamber, ramp=state.chamber, rate=0.0)
        return state, found


@dataclass(frozen=True, slots=True)
class StoreState:
    """Temperature at the top of the racks, degC; level of liquid, %; `held`: what is stored."""

    temperature: float = -185.0
    level: float = 90.0
    open: bool = False
    held: tuple[str, ...] = ()


class LN2Store:
    """A vapour-phase nitrogen store: keeps its temperature, fills itself, warms while it is open."""

    name = "LN2 store"
    tags: Mapping[str, Tag] = {
        "temperature": Tag("degC", -200.0, 60.0, 1, noise=0.2),
        "level": Tag("%", 0.0, 100.0, 1, noise=0.1),
    }
    programmes: Mapping[str, Programme] = {
        "store": Programme(
            "Lid opened, material put at a position", {"position": Parameter(None, needed=True)}
        ),
        "retrieve": Programme(
            "Lid opened, material taken from a position", {"position": Parameter(None, needed=True)}
        ),
        "refill": Programme("Liquid nitrogen filled up"),
    }

    def initial(self) -> StoreState:
        return StoreState()

    def restored(self, members: Mapping[str, Any]) -> StoreState:
        return StoreState(**{**members, "held": tuple(members["held"])})

    def snapshot(self, state: StoreState) -> dict[str, Any]:
        return asdict(state)

    def advance(self, state: StoreState, seconds: float, targets: Mapping[str, float]) -> StoreState:
        level = state.level - V["loss"] * seconds / 86400.0
        if level <= V["refill_at"]:
            level = 95.0
        if state.open:
            return replace(state, level=level, temperature=state.temperature + V["open_lid"] * seconds)
        own = V["cold"] + V["warmer_when_low"] * (1.0 - level / 100.0)
        temperature = own + (state.temperature - own) * exp(-seconds / V["lag"])
        return replace(state, level=level, temperature=temperature)

    def values(self, state: StoreState) -> dict[str, float]:
        return {"temperature": state.temperature, "level": state.level}

    def truth(self, state: StoreState) -> dict[str, float]:
        return {"temperature": state.temperature}

    def stages(self, state: StoreState, programme: str, arguments: Mapping[str, Argument]) -> list[Stage]:
        if programme == "refill":
            return [Stage("fill", 1200.0, effect="refill")]
        position = str(arguments["position"])
        if programme == "store" and position in state.held:
            raise WrongState(f"The position {position} is taken; choose another.")
        if programme == "retrieve" and position not in state.held:
            raise OutOfRange(f"Nothing is stored at {position}; check the position.")
        return [Stage("lid open", 120.0, effect=programme)]

    def set_points(self, programme: str, arguments: Mapping[str, Argument]) -> dict[str, float]:
        return {}

    def enter(self, state: StoreState, stage: Stage, arguments: Mapping[str, Argument]) -> StoreState:
        return replace(state, open=stage.effect != "refill")

    def leave(
        self, state: StoreState, stage: Stage, arguments: Mapping[str, Argument], fraction: float
    ) -> tuple[StoreState, dict[str, Result]]:
        state = replace(state, open=False)
        if fraction < 1.0:
            return state, {}
        match stage.effect:
            case "store":
                return replace(state, held=(*state.held, str(arguments["position"]))), {}
            case "retrieve":
                left = tuple(position for position in state.held if position != str(arguments["position"]))
                return replace(state, held=left), {}
            case _:
                return replace(state, level=95.0), {"level": Amount(95.0, "%")}
