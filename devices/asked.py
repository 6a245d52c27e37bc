"""The parameters of a liquid-handling action, checked one by one."""

from collections.abc import Mapping
from decimal import Decimal

from batches.errors import BadInput
from batches.quantities import Quantity, dimension
from devices.base import DeviceRefused
from devices.located import listed
from devices.volumes import STEP, microlitres, shown


class Asked:
    """The parameters of an action: each is read once, then none may be left over. Raises DeviceRefused.

    'batch' and 'command', which the caller adds for devices that keep them, are passed over.
    """

    def __init__(self, action: str, parameters: Mapping[str, object]) -> None:
        self.action = action
        self.left = {name: value for name, value in parameters.items() if name not in ("batch", "command")}

    def text(self, name: str, default: str = "") -> str:
        value = self.left.pop(name, default) or default
        if not isinstance(value, str) or not value:
            raise self.refusal(f"needs '{name}', the name of a vessel or plate of the deck")
        return value

    def yes_no(self, name: str) -> bool:
        value = self.left.pop(name, False)
        if not isinstance(value, bool):
            raise self.refusal(f"needs true or false for '{name}', not '{value}'")
        return value

    def count(self, name: str) -> int:
        """A whole number; 0 if it is not given."""
        value = self.left.pop(name, 0)
        if isinstance(value, Quantity) and value.value == int(value.value):
            value = int(value.value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.refusal(f"needs a whole number for '{name}', not '{value}'")
        return value

    def quantity(self, name: str, unit: str) -> Quantity | None:
        """A quantity above zero in this unit of measure, or None if it is not given."""
        value = self.left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, Quantity):
            raise self.refusal(f"needs a quantity in {unit} for '{name}', not '{value}'")
        try:
            converted = value.to(unit)
        except BadInput as error:
            raise self.refusal(f"needs a quantity in {unit} for '{name}': {error}") from error
        if converted.value <= 0:
            raise self.refusal(f"needs more than {value} for '{name}'")
        return converted

    def level(self, name: str) -> Decimal:
        """What a vessel holds now (µL): needed, and may be zero."""
        value = self.left.get(name)
        if isinstance(value, Quantity) and not value.value and dimension(value.unit) == dimension("uL"):
            del self.left[name]
            return Decimal(0)
        return self.needed_volume(name)

    def volume(self, name: str) -> Decimal | None:
        """A volume in µL, at least STEP, or None if it is not given."""
        given = self.quantity(name, "uL")
        if given is None:
            return None
        volume = microlitres(given)
        if not volume:
            raise self.refusal(f"needs at least {shown(STEP)} for '{name}', not {given}")
        return volume

    def needed_volume(self, name: str) -> Decimal:
        volume = self.volume(name)
        if volume is None:
            raise self.refusal(f"needs '{name}'")
        return volume

    def finish(self) -> None:
        if self.left:
            raise self.refusal(f"knows nothing of {listed(tuple(self.left))}")

    def refusal(self, reason: str) -> DeviceRefused:
        return DeviceRefused(f"The action '{self.action}' {reason}; correct the recipe or the command.")
