"""What a laboratory would find in a sample: the truth of a unit, with the error of the method.

Cell counter, flow cytometer, microscope, analyser. Used by the people of a simulated plant, who must
see something when they count and measure. The same sample gives the same result, whoever asks: the
error depends on unit, attribute and moment only. What no twin models (endotoxin, sterility, …) has a
typical value. All errors and typical values are assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from batches.errors import NotFound
from devices.twins.noise import channel, normal
from devices.twins.programmes import Amount


@dataclass(frozen=True, slots=True)
class Method:
    """How an attribute is measured: key of the truth, relative or absolute error, unit, digits, typical value.

    `scale` 'volume' multiplies by the volume of the vessel: a number in all instead of per mL. `times`:
    share of the truth, such as a percentile of the mean.
    """

    key: str
    unit: str
    digits: int
    relative: float = 0.0
    absolute: float = 0.0
    typical: float = 0.0
    low: float = 0.0
    high: float = float("inf")
    scale: str = ""
    times: float = 1.0


def _percent(key: str, typical: float, error: float = 1.0) -> Method:
    return Method(key, "%", 1, absolute=error, typical=typical, high=100.0)


_COUNT = Method("viable", "cell/mL", 0, relative=0.06, typical=1e6)
_ALL = Method("viable", "cell", 0, relative=0.06, typical=1e6, scale="volume")
METHODS: Mapping[str, tuple[Method, ...]] = {
    "viable_cells": (_COUNT, _ALL),
    "total_cells": (
        Method("total", "cell/mL", 0, relative=0.06, typical=1.1e6),
        Method("total", "cell", 0, relative=0.06, typical=1.1e6, scale="volume"),
    ),
    "viability": (_percent("viability", 93.0),),
    "cd3": (_percent("cd3", 92.0),),
    "cd4": (_percent("cd4", 55.0),),
    "cd8": (_percent("cd8", 38.0),),
    "purity": (_percent("purity", 97.0, 0.6),),
    "car_positive": (_percent("car_positive", 36.0),),
    "vector_copy_number": (Method("vcn", "copy", 1, relative=0.08, typical=1.8),),
    "cytotoxicity": (_percent("cytotoxicity", 62.0, 3.0),),
    "diameter": (Method("diameter", "um", 0, relative=0.03, typical=260.0),),
    "diameter_d10": (Method("diameter", "um", 0, relative=0.02, typical=210.0, times=0.81),),
    "diameter_d90": (Method("diameter", "um", 0, relative=0.02, typical=310.0, times=1.19),),
    "diameter_variation": (_percent("diameter_variation", 15.0),),
    "aggregates": (
        Method("aggregates", "aggregate/mL", 0, relative=0.08, typical=1000.0),
        Method("aggregates", "aggregate", 0, relative=0.08, typical=1000.0, scale="volume"),
    ),
    "empty_wells": (_percent("empty_wells", 1.5, 0.4),),
    "pluripotency": (_percent("pluripotency", 96.0),),
    "oct4": (_percent("pluripotency", 96.0),),
    "ssea4": (_percent("ssea4", 95.0),),
    "residual_pluripotent": (Method("residual", "%", 2, absolute=0.005, typical=0.03, high=100.0),),
    "glucose": (Method("glucose", "g/L", 2, relative=0.02, typical=3.5),),
    "lactate": (Method("lactate", "mmol/L", 2, relative=0.03, typical=4.0),),
    "ph": (Method("ph", "pH", 2, absolute=0.02, typical=7.2),),
    "volume": (Method("volume", "mL", 1, relative=0.005, typical=100.0),),
    "endotoxin": (Method("endotoxin", "EU/mL", 2, absolute=0.005, typical=0.05),),
    "dose": (Method("dose", "cell", 0, relative=0.03, typical=1e8),),
    "osmolality": (Method("osmolality", "mmol/kg", 0, relative=0.01, typical=290.0),),
}
"""By attribute, the method in its usual unit of measure first."""
WORDS: Mapping[str, str] = {
    "sterility": "negative",
    "mycoplasma": "negative",
    "appearance": "as expected",
    "identity": "match",
    "str_profile": "match",
    "karyotype": "normal",
    "nephron_markers": "present",
    "replication_competent_virus": "absent",
    "adventitious_viruses": "absent",
    "morphology": "normal",
    "container_integrity": "intact",
    "stored_at": "as labelled",
}
"""Attributes answered in words, with the word for a sample that has nothing wrong."""


def measured(
    truth: Mapping[str, float], attribute: str, wanted: str, unit: str, seed: int, at: float
) -> Amount | str:
    """What is found of an attribute, in the `wanted` unit of measure if a method has it.

    Raises NotFound for an attribute no method knows.
    """
    if attribute in WORDS:
        return WORDS[attribute]
    if attribute not in METHODS:
        known = ", ".join((*METHODS, *WORDS))
        raise NotFound(f"The laboratory has no method for '{attribute}'; it measures: {known}.")
    methods = METHODS[attribute]
    method = next((each for each in methods if each.unit == wanted), methods[0])
    value = truth[method.key] * method.times if method.key in truth else method.typical
    if method.scale:
        value *= truth.get(method.scale, 1.0)
    error = normal(seed, channel("laboratory", unit, attribute), int(at))
    value += error * (method.absolute + method.relative * value)
    return Amount(min(max(value, method.low), method.high), method.unit, method.digits)
