"""Work done by hand: what the task for a person says and what the person enters.

There is no device to ask, so this is not a `Device`: the executor turns every step on a manual unit
into a task. Texts come from the plant file, else from `TEXTS`, else from the action's own name.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from batches.quantities import Quantity
from devices.base import DeviceRefused
from devices.located import listed
from devices.unit import Action, FieldArguments, Unit

Fields = Mapping[str, FieldArguments]


class Task(NamedTuple):
    """The text a person reads, and the fields (arguments of `batches.steps.Field`) the person fills in."""

    text: str
    fields: Fields


def _amount(unit: str, high: str, label: str, *, critical: bool = False) -> FieldArguments:
    low = Quantity(Decimal(0), unit)
    return FieldArguments(
        kind="quantity",
        unit=unit,
        low=low,
        high=Quantity(Decimal(high), unit),
        label=label,
        critical=critical,
    )


def _yes(label: str, *, critical: bool = False) -> FieldArguments:
    return FieldArguments(kind="yes_no", label=label, critical=critical)


DONE: Fields = {"done": _yes("Done as described")}
REPORT: Fields = {"report": FieldArguments(kind="text", label="Number of the report or printout")}

# Upper bounds say what the instrument or a person can plausibly show; they are assumed.
TEXTS: dict[str, Task] = {
    "clear": Task(
        "Clear {unit}: take away materials, labels and papers of other work, and look again.",
        {"cleared": _yes("The line is clear", critical=True)},
    ),
    "clean": Task("Clean {unit} by its procedure.", {"cleaned": _yes("Cleaned")}),
    "disinfect": Task("Disinfect {unit} and wait the contact time.", {"disinfected": _yes("Disinfected")}),
    "inspect": Task(
        "Inspect the containers at {unit} for leaks, particles and colour.",
        {"acceptable": _yes("Nothing found", critical=True)},
    ),
    "thaw": Task("Thaw the containers at {unit} until only a little ice is left.", DONE),
    "dissociate": Task("Dissociate the cells at {unit} to a single-cell suspension.", DONE),
    "combine": Task("Combine the materials at {unit}.", DONE),
    "wash": Task("Wash the cells at {unit}.", DONE),
    "add": Task("Add the material at {unit}.", DONE),
    "feed": Task("Feed the culture at {unit}.", DONE),
    "inoculate": Task("Put the cells into the vessel at {unit}.", DONE),
    "exchange_medium": Task("Take out part of the medium at {unit} and put in as much fresh medium.", DONE),
    "settle": Task("Let the cells settle at {unit}.", DONE),
    "vitrify": Task("Vitrify the product at {unit}.", DONE),
    "pack": Task("Pack the containers at {unit}.", DONE),
    "harvest": Task("Harvest the cells at {unit}.", {"volume": _amount("mL", "10000", "Volume harvested")}),
    "formulate": Task("Formulate the cells at {unit}.", {"volume": _amount("mL", "10000", "Volume made")}),
    "take_sample": Task(
        "Take the sample at {unit} and label it.", {"volume": _amount("mL", "1000", "Volume taken")}
    ),
    "spin": Task("Spin in {unit}, balanced, and take out without shaking.", DONE),
    "count": Task(
        "Count with {unit}.",
        {
            "viable_cells": _amount("cell/mL", "1e10", "Viable cells", critical=True),
            "viability": _amount("%", "100", "Viability", critical=True),
        },
    ),
    "image": Task(
        "Take images with {unit}.",
        {"diameter": _amount("um", "5000", "Mean diameter"), "report": REPORT["report"]},
    ),
    "measure": Task("Measure with {unit}.", REPORT),
    "fill": Task(
        "Fill the containers with {unit}.", {"filled": _amount("vial", "100000", "Containers filled")}
    ),
    "print": Task("Print the labels on {unit}.", {"printed": _amount("label", "100000", "Labels printed")}),
    "transfer": Task(
        "Move the material by hand at {unit}.", {"volume": _amount("mL", "10000", "Volume moved")}
    ),
}


class Manual:
    """A unit whose work is done by hand."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit

    def describe(self, action: str, parameters: Mapping[str, object]) -> Task:
        """The task for an action. Raises DeviceRefused if the plant file does not offer it here."""
        if action not in self.unit.actions:
            offered = listed(tuple(self.unit.actions)) or "no work at all"
            raise DeviceRefused(
                f"{self.unit.id} does not offer '{action}', only {offered} ({self.unit.where}); "
                "correct the recipe, or add the work to the plant file."
            )
        known = TEXTS.get(action, Task(_by_name(action), DONE))
        written: Action = self.unit.actions[action]
        text = (written.text or known.text).replace("{unit}", self._name())
        return Task(text + _details(parameters), written.fields or known.fields)

    def describe_read(self, tag: str) -> Task:
        """The question for the value of a tag. Raises NotFound."""
        return Task(f"Read {_words(tag)} on {self._name()}.", {tag: self._field(tag)})

    def describe_set(self, tag: str, value: Quantity) -> Task:
        """The task for a set-point; the person enters what the unit shows then. Raises NotFound."""
        text = f"Set {_words(tag)} of {self._name()} to {value}, and enter what it shows."
        return Task(text, {tag: self._field(tag)})

    def _field(self, name: str) -> FieldArguments:
        tag = self.unit.tag(name)
        return FieldArguments(
            kind="quantity", unit=tag.unit, low=tag.low, high=tag.high, label=_words(name).capitalize()
        )

    def _name(self) -> str:
        same = self.unit.title == self.unit.id
        return self.unit.id if same else f"{self.unit.title} ({self.unit.id})"


def _by_name(action: str) -> str:
    if action.startswith("program:"):
        return f"Run the programme '{action.removeprefix('program:')}' on {{unit}}."
    return f"{_words(action).capitalize()} at {{unit}}."


def _details(parameters: Mapping[str, object]) -> str:
    """What the recipe asks, as ' Force: 100 g. Duration: 3 min.'."""
    shown = {name: _shown(value) for name, value in parameters.items() if value not in ("", None)}
    return "".join(f" {_words(name).capitalize()}: {text}." for name, text in shown.items())


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Mapping():
            return ", ".join(f"{_words(str(name))} {_shown(part)}" for name, part in value.items())
        case tuple() | list():
            return ", ".join(_shown(part) for part in value)
        case _:
            return str(value)


def _words(name: str) -> str:
    return name.replace("_", " ").replace("/", " of ")
