"""What a phase class declares: its parameters, results and what it does to the world.

One file per phase class and version (`expand_1.py`) holds one generator function and one `PHASE`.
A released file is immutable: its digest stands in `released.txt` and is checked. The declarations
serve the static checks, the console and the plan; a test runs every phase and compares them with
what it really asks for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from batches.quantities import Quantity
from batches.steps import PhaseRun, Value


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter or result. `kind` quantity needs `unit` (any unit of measure of the dimension).
    Where a parameter gives the unit of measure, it says `unit="$parameter"`: the text of a text
    parameter, or the unit of measure in which the recipe counts the material of a material parameter.
    material, sample, role: the name of one in the recipe. choice: one of `options`.
    `default` None means required (for parameters) unless `optional`; an `optional` result may be
    missing, so that no expression may read it."""

    kind: Literal["quantity", "text", "integer", "flag", "material", "sample", "role", "choice"]
    unit: str = ""
    default: "Quantity | str | int | bool | None" = None
    optional: bool = False
    options: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase class of one version.

    It addresses one unit: the one its parameter `unit` names by role, else the unit of its unit
    procedure. `unit_class`: what that unit must be ('' any). `sets`, `reads`, `does`: tags and actions
    (programmes as 'program:<name>') it may ask of the unit; where the action is the value of a text
    parameter, the parameter's name stands in its place. `only_with`: tag or action (as it stands in
    `sets`, `reads`, `does`) -> the optional parameter without which it is never asked; '!name': the
    parameter with which it is never asked.
    `consumes`, `produces`, `samples`: names of the parameters that say which (an optional one that
    is not given names nothing).
    `touches`: parameters naming patient material that is open during the phase.
    `verifies_identity`: it scans the chain of identity before anything else.
    `clears_line`, `labels`, `fills`: for the rules on clearance and reconciliation.
    `holds`: safe states it can be held in; empty if it cannot be held.
    `results_of`: the parameter naming a sample whose attributes are results too: the phase waits for
    the laboratory and returns one value for each test of that sample.
    `vessel`: what it does, in this order, to the volume in the vessel of its unit: '+medium' adds the
    volume parameter `medium`, '-volume*bags' takes out a product of parameters, 'empty' leaves nothing,
    '?' changes it in a way only the run tells. Samples are taken off without being named here.
    `duration`: least and most time it takes given its parameters (None: unknown), in seconds.
    """

    name: str
    version: int
    run: Callable[..., PhaseRun]
    about: str
    parameters: Mapping[str, Declared]
    results: Mapping[str, Declared] = field(default_factory=dict[str, Declared])
    unit_class: str = ""
    sets: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    does: tuple[str, ...] = ()
    only_with: Mapping[str, str] = field(default_factory=dict[str, str])
    consumes: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    results_of: str = ""
    vessel: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    verifies_identity: bool = False
    clears_line: bool = False
    labels: bool = False
    fills: bool = False
    holds: tuple[str, ...] = ("keep_environment",)
    duration: Callable[[Mapping[str, Value]], tuple[float | None, float | None]] = lambda _: (None, None)
