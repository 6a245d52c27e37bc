"""One driver for one make or protocol; drivers do not import each other."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from batches.errors import BadInput
from devices.base import Clock, Device
from devices.unit import DRIVERS, Unit

if TYPE_CHECKING:
    from devices.drivers.manual import Manual

Equipment: TypeAlias = "Device | Manual"
"""What stands behind a unit: a device to ask, or work by hand, which becomes tasks for people."""


def make(unit: Unit, clock: Clock, folder: Path) -> Equipment:
    """The driver of a unit, not yet connected. `folder` is where drivers keep files of their own;
    it must outlive a restart. Raises BadInput for an unknown driver."""
    match unit.driver:
        case "lads":
            from devices.drivers.lads import LadsDriver

            return LadsDriver(unit, clock)
        case "liquid_handler":
            from devices.drivers.liquid_handler import repeatability
            from devices.hosted import Hosted

            return Hosted(unit, clock, folder, repeatability)
        case "opentrons":
            from devices.drivers.opentrons import Opentrons

            return Opentrons(unit, clock, folder)
        case "manual":
            from devices.drivers.manual import Manual

            return Manual(unit)
        case "sila2":
            from devices.drivers.sila import SilaDriver, repeatability
            from devices.hosted import Hosted

            return SilaDriver(unit, clock, folder, Hosted(unit, clock, folder, repeatability))
        case unknown:
            raise BadInput(f"{unit.id} names the driver '{unknown}'; the drivers are {', '.join(DRIVERS)}.")
