"""Which twin stands for which class of unit."""

from collections.abc import Callable, Mapping
from typing import Any

from batches.errors import BadInput
from devices.twins.bioreactor import Bioreactor
from devices.twins.cold import ControlledRateFreezer, LN2Store
from devices.twins.incubator import Incubator
from devices.twins.processor import ClosedCellProcessor
from devices.twins.twin import Model, Twin

Options = Mapping[str, object]

MODELS: Mapping[str, Callable[[int, Options], Model[Any]]] = {
    "bioreactor/vertical_wheel": lambda _, options: Bioreactor(
        "vertical_wheel", options.get("capacitance") is True
    ),
    "bioreactor/stirred_tank": lambda _, options: Bioreactor(
        "stirred_tank", options.get("capacitance") is True
    ),
    "closed_cell_processor": lambda seed, _: ClosedCellProcessor(seed),
    "controlled_rate_freezer": lambda *_: ControlledRateFreezer(),
    "ln2_store": lambda *_: LN2Store(),
    "incubator": lambda *_: Incubator(),
}
"""By unit class: from seed and options of the plant file to a model."""


def make(unit_class: str, unit: str, at: float, seed: int = 1, options: Options | None = None) -> Twin:
    """The twin of a unit, as it stands at `at` (seconds since the Unix epoch). Raises BadInput."""
    for known, model in MODELS.items():
        if unit_class == known or unit_class.startswith(f"{known}/"):
            return Twin(unit, model(seed, options or {}), at, seed)
    raise BadInput(
        f"There is no twin for the class '{unit_class}' of {unit}; there is one for: {', '.join(MODELS)}."
    )
