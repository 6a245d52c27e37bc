"""The backends a plant file may name: two simulated ones, and instruments that nobody has tried here."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import sleep

from pylabrobot.liquid_handling.backends.backend import LiquidHandlerBackend
from pylabrobot.liquid_handling.backends.chatterbox import LiquidHandlerChatterboxBackend
from pylabrobot.liquid_handling.backends.opentrons_simulator import OpentronsOT2Simulator
from pylabrobot.liquid_handling.errors import ChannelizedError, ChannelsDoNotFitError, NoChannelError
from pylabrobot.liquid_handling.liquid_handler import BlowOutVolumeError
from pylabrobot.liquid_handling.standard import SingleChannelAspiration, SingleChannelDispense
from pylabrobot.resources.errors import (
    HasTipError,
    NoLocationError,
    NoTipError,
    ResourceNotFoundError,
    TooLittleLiquidError,
    TooLittleVolumeError,
)

from batches.quantities import duration
from devices.base import DeviceRefused
from devices.located import Located

DEFINITE = (
    BlowOutVolumeError,
    ChannelizedError,
    ChannelsDoNotFitError,
    HasTipError,
    NoChannelError,
    NoLocationError,
    NoTipError,
    ResourceNotFoundError,
    TooLittleLiquidError,
    TooLittleVolumeError,
)
"""What pylabrobot raises when an operation definitely ended, and ended badly; these have no common base
class. After anything else nobody knows what the instrument did."""
SIMULATED = ("simulation", "OT-2 simulation")
HARDWARE = ("STAR", "OT-2")


@dataclass(frozen=True, slots=True)
class Faults:
    """What a simulated instrument does wrong, counted in operations (a draw or a giving of all channels)
    since it was connected: `break_at` fails with a reason, `lose_at` never answers and breaks the link,
    `hang_at` stops the whole process from answering. `pace` is the real time an operation takes."""

    pace: float = 0.0
    break_at: int = 0
    lose_at: int = 0
    hang_at: int = 0


class SimulatedBackend(LiquidHandlerChatterboxBackend):
    """pylabrobot's simulation backend, which accepts and prints everything, with faults on demand."""

    def __init__(self, channels: int, faults: Faults) -> None:
        super().__init__(channels)
        self._faults = faults
        self._operations = 0

    async def aspirate(
        self, ops: list[SingleChannelAspiration], use_channels: list[int], **backend_kwargs: object
    ) -> None:
        await self._operate()
        await super().aspirate(ops, use_channels, **backend_kwargs)

    async def dispense(
        self, ops: list[SingleChannelDispense], use_channels: list[int], **backend_kwargs: object
    ) -> None:
        await self._operate()
        await super().dispense(ops, use_channels, **backend_kwargs)

    async def _operate(self) -> None:
        self._operations += 1
        if self._faults.pace:
            await asyncio.sleep(self._faults.pace)
        if self._operations == self._faults.hang_at:
            sleep(3600)  # noqa: ASYNC251  the fault is just this: a library that blocks its event loop
        if self._operations == self._faults.lose_at:
            raise ConnectionResetError("the simulated link broke")
        if self._operations == self._faults.break_at:
            raise ChannelizedError({0: TooLittleLiquidError("the simulated liquid sensor found no liquid")})


def make_backend(options: Mapping[str, Located], channels: int) -> LiquidHandlerBackend:
    """The backend that the options name. Raises DeviceRefused."""
    node = options["backend"]
    match node.text():
        case "simulation":
            return SimulatedBackend(channels, _faults(options))
        case "OT-2 simulation":
            return OpentronsOT2Simulator(left_pipette_name="p300_single_gen2", right_pipette_name=None)
        case "STAR" | "OT-2" as name if not _accepted(options):
            raise DeviceRefused(
                f"{node.where}: the backend '{name}' was never tried with Kweek on a real instrument; qualify it, "
                "then write 'accept_untested: true' beside it, or use 'simulation'."
            )
        case "STAR":
            from pylabrobot.liquid_handling.backends.hamilton.STAR_backend import STARBackend

            return STARBackend()
        case "OT-2":
            return _ot2(options, node)
        case name:
            known = ", ".join((*SIMULATED, *HARDWARE))
            raise DeviceRefused(f"{node.where}: there is no backend '{name}'; the backends are {known}.")


def _ot2(options: Mapping[str, Located], node: Located) -> LiquidHandlerBackend:
    from pylabrobot.liquid_handling.backends.opentrons_backend import OpentronsOT2Backend

    if "host" not in options:
        raise DeviceRefused(f"{node.where}: the backend 'OT-2' needs 'host', the address of the robot.")
    try:
        return OpentronsOT2Backend(host=options["host"].text())
    except RuntimeError as error:
        raise DeviceRefused(
            f"{node.where}: the backend 'OT-2' needs the library opentrons-http-api-client; install it."
        ) from error


def _accepted(options: Mapping[str, Located]) -> bool:
    return "accept_untested" in options and options["accept_untested"].yes_no()


def _faults(options: Mapping[str, Located]) -> Faults:
    if "faults" not in options:
        return Faults()
    parts = options["faults"].fields([], ["pace", "break_at", "lose_at", "hang_at"])
    counts = {name: node.whole() for name, node in parts.items() if name != "pace"}
    pace = duration(parts["pace"].quantity()).total_seconds() if "pace" in parts else 0.0
    return Faults(pace, counts.get("break_at", 0), counts.get("lose_at", 0), counts.get("hang_at", 0))
