"""Equipment that does nothing for an engine whose lease on the record may have run out.

Another engine may write the record then, and be acting on the same units. What is read does no harm.
"""

from collections.abc import Callable

from batches.errors import StoreError
from batches.plain import PlainDict
from batches.quantities import Quantity
from batches.steps import Step
from devices.base import Outcome, Reading, Repeatability
from orchestrator.equipment import Act, Equipment


class LeasedEquipment:
    """The port of equipment over another. `lease_left`: seconds for which nobody else can take over.

    What acts raises StoreError, which stops the engine, once none are left.
    """

    def __init__(self, equipment: Equipment, lease_left: Callable[[], float]) -> None:
        self._equipment, self._lease_left = equipment, lease_left

    def _check(self, unit: str) -> None:
        if self._lease_left() <= 0:
            raise StoreError(
                f"The lease on the record has run out, and another engine may act on {unit}; nothing was sent to it. "
                "Look at the connection to the database and start the server again."
            )

    def manual(self, unit: str) -> bool:
        return self._equipment.manual(unit)

    def by_hand(self, unit: str, step: Step) -> PlainDict:
        return self._equipment.by_hand(unit, step)

    def repeatability(self, unit: str, step: Act) -> Repeatability:
        return self._equipment.repeatability(unit, step)

    async def act(self, unit: str, step: Act, command: str, batch: str) -> Outcome:
        self._check(unit)
        return await self._equipment.act(unit, step, command, batch)

    async def status(self, unit: str, command: str) -> Outcome:
        return await self._equipment.status(unit, command)

    async def read(self, unit: str, tag: str) -> Reading:
        return await self._equipment.read(unit, tag)

    async def safe(self, unit: str, state: str, command: str) -> None:
        self._check(unit)
        await self._equipment.safe(unit, state, command)

    async def stop(self, unit: str, command: str) -> None:
        self._check(unit)
        await self._equipment.stop(unit, command)

    async def set(self, unit: str, tag: str, value: Quantity, command: str) -> None:
        self._check(unit)
        await self._equipment.set(unit, tag, value, command)

    async def prompt(self, unit: str, command: str) -> str | None:
        return await self._equipment.prompt(unit, command)

    async def answer_prompt(self, unit: str, command: str, text: str) -> None:
        self._check(unit)
        await self._equipment.answer_prompt(unit, command, text)
