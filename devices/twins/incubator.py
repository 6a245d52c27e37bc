"""The incubator: a controlled environment without programmes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import exp
from typing import Any

from devices.twins.known import Known, numbers
from devices.twins.programmes import Argument, Programme, Result, Stage
from devices.twins.twin import Tag

NUMBERS: Mapping[str, Known] = {
    "lag_temperature": Known(0.5, "h", "assumed"),
    "lag_gas": Known(0.1, "h", "assumed"),
    "ambient": Known(22.0, "degC", "assumed"),
    "air_oxygen": Known(20.9, "%", "dry air"),
}
N = numbers(NUMBERS)


@dataclass(frozen=True, slots=True)
class IncubatorState:
    """degC, % CO2, % O2."""

    temperature: float = 22.0
    co2: float = 0.0
    o2: float = 20.9


class Incubator:
    """An incubator with CO2 and O2 control."""

    name = "incubator"
    tags: Mapping[str, Tag] = {
        "temperature": Tag("degC", 0.0, 60.0, 2, noise=0.03, settable=(20.0, 42.0)),
        "co2": Tag("%", 0.0, 20.0, 2, noise=0.03, settable=(0.0, 15.0)),
        "o2": Tag("%", 0.0, 25.0, 2, noise=0.05, settable=(1.0, 20.9)),
    }
    programmes: Mapping[str, Programme] = {}

    def initial(self) -> IncubatorState:
        return IncubatorState()

    def restored(self, members: Mapping[str, Any]) -> IncubatorState:
        return IncubatorState(**members)

    def snapshot(self, state: IncubatorState) -> dict[str, Any]:
        return asdict(state)

    def advance(self, state: IncubatorState, seconds: float, targets: Mapping[str, float]) -> IncubatorState:
        hours = seconds / 3600.0
        warm, gas = exp(-hours / N["lag_temperature"]), exp(-hours / N["lag_gas"])
        temperature, co2 = targets.get("temperature", N["ambient"]), targets.get("co2", 0.0)
        o2 = targets.get("o2", N["air_oxygen"])
        return IncubatorState(
            temperature + (state.temperature - temperature) * warm,
            co2 + (state.co2 - co2) * gas,
            o2 + (state.o2 - o2) * gas,
        )

    def values(self, state: IncubatorState) -> dict[str, float]:
        return {"temperature": state.temperature, "co2": state.co2, "o2": state.o2}

    def truth(self, state: IncubatorState) -> dict[str, float]:
        return self.values(state)

    def stages(self, state: IncubatorState, programme: str, arguments: Mapping[str, Argument]) -> list[Stage]:
        return []

    def set_points(self, programme: str, arguments: Mapping[str, Argument]) -> dict[str, float]:
        return {}

    def enter(self, state: IncubatorState, stage: Stage, arguments: Mapping[str, Argument]) -> IncubatorState:
        return state

    def leave(
        self, state: IncubatorState, stage: Stage, arguments: Mapping[str, Argument], fraction: float
    ) -> tuple[IncubatorState, dict[str, Result]]:
        return state, {}
