"""Label control: every label printed was used, destroyed or returned (21 CFR 211.125(c), 211.188(b)(8))."""

from collections.abc import Mapping
from dataclasses import dataclass

from batches.errors import BadInput
from batches.quantities import Quantity
from batches.steps import Value


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many labels were printed (issued) and what became of them."""

    printed: int
    used: int
    destroyed: int
    returned: int

    @property
    def missing(self) -> int:
        """Labels nobody can account for; below zero: more than were printed."""
        return self.printed - self.used - self.destroyed - self.returned

    @property
    def reconciled(self) -> bool:
        return self.missing == 0

    def __str__(self) -> str:
        return (
            f"printed {self.printed}, used {self.used}, destroyed {self.destroyed}, returned {self.returned}"
        )


def counted(reply: Mapping[str, Value]) -> LabelCount:
    """The counts in the reply to a Label step.

    Raises BadInput for one that is missing, below zero or not a whole number.
    """
    return LabelCount(
        _count(reply, "printed"), _count(reply, "used"), _count(reply, "destroyed"), _count(reply, "returned")
    )


def _count(reply: Mapping[str, Value], name: str) -> int:
    value = reply.get(name)
    if not isinstance(value, Quantity):
        raise BadInput(f"The number of labels {name} is missing; count them and enter it.")
    number = value.to("").value
    if number < 0 or number != number.to_integral_value():
        raise BadInput(f"{value} labels {name} is not a count; enter a whole number from 0.")
    return int(number)


def reconcile(count: LabelCount, material: str) -> None:
    """Raise BadInput unless every label printed is accounted for."""
    if count.missing > 0:
        raise BadInput(
            f"{count.missing} labels of {material} are missing: {count}; find them or count again."
        )
    if count.missing < 0:
        raise BadInput(
            f"The labels of {material} are {-count.missing} more than were printed: {count}; count again."
        )
