"""What the executor asks of equipment, and the plant that answers.

`Equipment` is the port: the executor knows units, steps and command ids, not drivers. `PlantEquipment`
puts the plant file's drivers behind it; it counts every call as activity of the process (so that
virtual time waits for it) and connects lazily. The crash simulation has its own implementation.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from batches.by_hand import work_of
from batches.errors import DeviceError
from batches.plain import PlainDict
from batches.quantities import Quantity
from batches.steps import Do, Field, Program, Read, Set, Step, Transfer, decode, plain
from devices.base import (
    Device,
    DeviceProtocolError,
    DeviceUnreachable,
    Outcome,
    Prompting,
    Reading,
    Repeatability,
)
from devices.drivers.manual import Manual
from devices.plant import Plant
from devices.unit import Unit, check_identity
from orchestrator.clock import ProcessClock

Act = Set | Do | Program | Transfer


class Equipment(Protocol):
    """Units as the executor sees them. Calls raise DeviceErrors (devices/base.py)."""

    def manual(self, unit: str) -> bool:
        """Whether work on the unit is done by hand: its steps become tasks."""
        ...

    def by_hand(self, unit: str, step: Step) -> PlainDict:
        """The content (text, fields) of the task for a step on a manual unit."""
        ...

    def repeatability(self, unit: str, step: Act) -> Repeatability: ...
    async def act(self, unit: str, step: Act, command: str, batch: str) -> Outcome: ...
    async def status(self, unit: str, command: str) -> Outcome: ...
    async def read(self, unit: str, tag: str) -> Reading: ...
    async def safe(self, unit: str, state: str, command: str) -> None: ...
    async def stop(self, unit: str, command: str) -> None:
        """End what the unit does now, in order. What was asked of it then ends, and says how."""
        ...

    async def set(self, unit: str, tag: str, value: Quantity, command: str) -> None: ...
    async def prompt(self, unit: str, command: str) -> str | None:
        """What the unit's running programme asks a person, if anything."""
        ...

    async def answer_prompt(self, unit: str, command: str, text: str) -> None: ...


def action_of(step: Act) -> tuple[str, Mapping[str, object]]:
    """The device action a step stands for, with its parameters."""
    action, parameters = cast("tuple[str, PlainDict]", work_of(cast("PlainDict", plain(step))))
    return action, {name: decode(value) for name, value in parameters.items()}


class PlantEquipment:
    """The plant's drivers, by unit."""

    def __init__(
        self, plant: Plant, clock: ProcessClock, make: "Callable[[Unit, ProcessClock], Device]"
    ) -> None:
        self._plant, self._clock, self._make = plant, clock, make
        self._devices: dict[str, Device] = {}
        self._connecting: dict[str, asyncio.Lock] = {}

    def manual(self, unit: str) -> bool:
        return self._plant.unit(unit).driver == "manual"

    def by_hand(self, unit: str, step: Step) -> PlainDict:
        hand = Manual(self._plant.unit(unit))
        match step:
            case Set():
                text, fields = hand.describe_set(step.tag, step.value)
            case Read():
                text, fields = hand.describe_read(step.tag)
            case Do() | Program() | Transfer():
                text, fields = hand.describe(*action_of(step))
            case _:
                raise DeviceProtocolError(f"A {type(step).__name__} is not work on a unit.")
        shown = {name: plain(Field(**arguments)) for name, arguments in fields.items()}
        return {"text": text, "fields": shown, "unit": unit, "step": type(step).__name__}

    def repeatability(self, unit: str, step: Act) -> Repeatability:
        return self._driver(unit).repeatability(action_of(step)[0])

    async def act(self, unit: str, step: Act, command: str, batch: str) -> Outcome:
        with self._clock.activity.call():
            device = await self._connected(unit)
            if isinstance(step, Set):
                await device.set(step.tag, step.value, command)
                return Outcome("done")
            action, parameters = action_of(step)
            return await device.do(action, command, {**parameters, "batch": batch})

    async def status(self, unit: str, command: str) -> Outcome:
        with self._clock.activity.call():
            try:
                return await (await self._connected(unit)).command_status(command)
            except DeviceUnreachable:
                # A device host that was orphaned keeps a log that answers while it still works.
                return await self._driver(unit).command_status(command)

    async def read(self, unit: str, tag: str) -> Reading:
        with self._clock.activity.call():
            return await (await self._connected(unit)).read(tag)

    async def safe(self, unit: str, state: str, command: str) -> None:
        with self._clock.activity.call():
            await (await self._connected(unit)).safe(state, command)

    async def stop(self, unit: str, command: str) -> None:
        with self._clock.activity.call():
            await (await self._connected(unit)).stop()

    async def set(self, unit: str, tag: str, value: Quantity, command: str) -> None:
        with self._clock.activity.call():
            await (await self._connected(unit)).set(tag, value, command)

    async def prompt(self, unit: str, command: str) -> str | None:
        device = self._driver(unit)
        if not isinstance(device, Prompting):
            return None
        with self._clock.activity.call():
            return await device.prompt(command)

    async def answer_prompt(self, unit: str, command: str, text: str) -> None:
        with self._clock.activity.call():
            device = await self._connected(unit)
            if isinstance(device, Prompting):
                await device.answer_prompt(command, text)

    async def close(self) -> None:
        """Close every driver; one that fails to close does not keep the others open."""
        for device in self._devices.values():
            try:
                await device.close()
            except DeviceError:
                continue  # it is going away in any case
        self._devices.clear()

    def _driver(self, unit: str) -> Device:
        if unit not in self._devices:
            return self._make(self._plant.unit(unit), self._clock)
        return self._devices[unit]

    async def _connected(self, unit: str) -> Device:
        async with self._connecting.setdefault(unit, asyncio.Lock()):
            if unit not in self._devices:
                device = self._make(self._plant.unit(unit), self._clock)
                check_identity(self._plant.unit(unit), await device.connect())
                self._devices[unit] = device
            return self._devices[unit]
