"""Figures of a scenario: a value with its unit of measure, and a source or the mark that it is assumed.

`{value: 20 min, source: "…"}`, `{value: 20 min, assumed: true, range: [10 min, 40 min]}`; the value may be
a distribution, such as `{triangular: [1 h, 2 h, 4 h]}`. Each becomes a plain number or distribution once,
and a line in the list of figures that the report prints.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from batches.errors import BadInput
from batches.quantities import Quantity
from batches.recipe import Place
from batches.recipe_form import IDENTIFIER, Form, named, rule_of, shown
from batches.written import Mistakes, Written
from simulations.distributions import (
    Constant,
    Discrete,
    Distribution,
    Empirical,
    Exponential,
    Normal,
    Pert,
    Triangular,
    Uniform,
    Weibull,
    erlang,
    gamma_by_mean,
    lognormal_by_mean,
    lognormal_by_p90,
)
from simulations.scenario import Amount, Figure

TIME, NUMBER = "s", ""
_EXAMPLES = {TIME: "20 min", NUMBER: "4"}
KINDS = ("constant", "uniform", "triangular", "pert", "exponential", "erlang", "gamma",
         "lognormal", "normal", "weibull", "empirical", "discrete")  # fmt: skip


@dataclass(slots=True)
class Gathered:
    """What one file gives: its mistakes and its figures."""

    mistakes: Mistakes
    figures: list[Figure] = field(default_factory=list[Figure])


class Part(Form):
    """A mapping of a scenario, at its path in the file."""

    def __init__(self, node: Written, what: str, path: str, gathered: Gathered) -> None:
        super().__init__(node, what, gathered.mistakes)
        self.path = path
        self.gathered = gathered

    def part(self, key: str, what: str = "") -> "Part | None":
        """The mapping under a key."""
        found = self.node(key)
        if found is None:
            return None
        return Part(found, what or f"'{key}' of {self.within}", self._below(key), self.gathered)

    def parts(self, key: str, kind: str) -> "Iterator[tuple[str, Part]]":
        """The named mappings under a key, as 'The KIND 'NAME''."""
        inner = self.part(key, f"'{key}'")
        for name, node in inner.members.items() if inner else ():
            if not named(IDENTIFIER, name):
                self.wrong(node, f"'{name}' cannot be the name of a {kind}; {rule_of(IDENTIFIER)}.")
            yield name, Part(node, f"The {kind} '{name}'", f"{self._below(key)}/{name}", self.gathered)

    def listed(self, key: str, kind: str) -> "Iterator[Part]":
        """The mappings of a list under a key."""
        for number, node in enumerate(self.items(key), 1):
            yield Part(
                node, f"{kind} {number} of {self.within}", f"{self._below(key)}/{number}", self.gathered
            )

    def _below(self, key: str) -> str:
        return f"{self.path}/{key}" if self.path else key

    # -- figures -------------------------------------------------------------------------------

    def time(self, key: str, required: bool = False) -> Distribution | None:
        """A distribution of times in seconds, none below zero."""
        return self._positive(key, TIME, required)

    def seconds(self, key: str, required: bool = False) -> float | None:
        """A single time in seconds."""
        return self._single(key, self.time(key, required))

    def number(self, key: str, unit: str = NUMBER, required: bool = False) -> float | None:
        """A single number, at least zero, in a unit of measure."""
        return self._single(key, self._positive(key, unit, required))

    def count(self, key: str, default: int | None = None) -> int:
        """A whole number, at least one; required if there is no default."""
        found = self._single(key, self._positive(key, NUMBER, default is None))
        if found is None:
            return 1 if default is None else default
        if found != int(found) or found < 1:
            self.wrong(
                self.members[key], f"'{key}' of {self.within} is {found:g}; write a whole number from 1."
            )
            return default or 1
        return int(found)

    def share(self, key: str, default: float = 0.0, required: bool = False) -> float:
        """A share or probability, from 0 to 1."""
        found = self._single(key, self._figure(key, NUMBER, required))
        return (
            default
            if found is None
            else self._within_one(self.members[key], f"'{key}' of {self.within}", found)
        )

    def amount(self, key: str) -> Amount | None:
        """A distribution of any quantity, in the unit of measure it is written in."""
        unit = first_unit(self.members.get(key, Written(None)))
        found = self._figure(key, unit, True)
        return None if found is None else Amount(found, unit)

    def _within_one(self, node: Written, what: str, value: float) -> float:
        if not 0 <= value <= 1:
            sentence = f"{what} is {value:g}; a probability is from 0 to 1, or from 0 % to 100 %."
            self.wrong(node, sentence, "probability")
        return min(max(value, 0.0), 1.0)

    def _single(self, key: str, found: Distribution | None) -> float | None:
        if found is None or isinstance(found, Constant):
            return None if found is None else found.value
        self.wrong(
            self.members[key], f"'{key}' of {self.within} is a distribution; write one value.", "distribution"
        )
        return None

    def _positive(self, key: str, unit: str, required: bool) -> Distribution | None:
        found = self._figure(key, unit, required)
        if found is not None and found.sample(0.0) < 0:
            sentence = (
                f"'{key}' of {self.within} can be {found.sample(0.0):g} {unit}; it must be zero or more."
            )
            self.wrong(self.members[key], sentence.replace(" ;", ";"), "negative")
            return None
        return found

    def _figure(self, key: str, unit: str, required: bool) -> Distribution | None:
        inner = self.part(key)
        if inner is None:
            if required and key not in self.members:
                self.missing(key, f"{{value: {_EXAMPLES.get(unit, '1 ' + unit)}, source: …}}")
            return None
        if not inner.sound:
            return None
        found = inner.distribution("value", unit)
        self._note(inner, found, unit)
        inner.close()
        return found

    def _note(self, inner: "Part", found: Distribution | None, unit: str) -> None:
        low, high = inner.range_of(found, unit)
        inner.note_source(written_text(inner.members["value"]) if "value" in inner.members else "", low, high)

    def note_source(self, written: str, low: str = "?", high: str = "?") -> None:
        """Add this mapping to the list of figures; it must say its source, or be assumed with a range."""
        source, assumed = self.sourced()
        if not source and not assumed:
            self.wrong(
                Written(None, self.line),
                f"Nobody says where {self.within} comes from; give its 'source', or 'assumed: true' with its 'range'.",
                "source",
            )
        elif assumed and not low:
            self.wrong(
                Written(None, self.line),
                f"{self.what} is assumed; say the range it may have, 'range: [low, high]'.",
                "source",
            )
        place = Place(self.mistakes.file, self.line)
        self.gathered.figures.append(Figure(self.path, written, source, assumed, low, high, place))

    def range_of(self, found: Distribution | None, unit: str) -> tuple[str, str]:
        """The ends of 'range' as written; the mean must lie between them."""
        ends = self.items("range")
        if not ends:
            return "", ""
        values = [self.value_of(node, f"'range' of {self.within}", unit) for node in ends]
        if len(values) != 2 or any(value is None for value in values):
            if len(values) != 2:
                self.wrong(
                    self.members["range"],
                    f"'range' of {self.within} has {len(values)} values; write [low, high].",
                )
            return "?", "?"
        low, high = (value or 0.0 for value in values)
        if found is not None and not low * (1 - 1e-9) <= found.mean <= high * (1 + 1e-9):
            sentence = f"{self.what} is {found.mean:g} {unit} on average, outside its own range of {low:g} to {high:g} {unit}; put one of them right."
            self.wrong(self.members["range"], sentence.replace(" ;", ";").replace(" ,", ","), "range")
        return written_text(ends[0]), written_text(ends[1])

    # -- values and distributions --------------------------------------------------------------

    def value_of(self, node: Written, what: str, unit: str) -> float | None:
        """One quantity as a number in `unit`."""
        found = self.as_quantity(node, what)
        if found is None:
            return None
        try:
            return float(found.to(unit).value)
        except BadInput:
            wanted = {TIME: "a time, such as 20 min or 3 day", NUMBER: "a bare number or a percentage"}
            sentence = f"{what} is '{found}'; write {wanted.get(unit, f'a quantity in {unit}')}."
            self.wrong(node, sentence, "quantity")
            return None

    def distribution(self, key: str, unit: str) -> Distribution | None:
        """What stands under a key: one value, or a distribution by its name."""
        found = self.node(key)
        if found is None:
            if key not in self.members:
                self.missing(key, _EXAMPLES.get(unit, f"1 {unit}"))
            return None
        if not isinstance(found.value, Mapping):
            value = self.value_of(found, f"'{key}' of {self.within}", unit)
            return None if value is None else Constant(value)
        return self._named_distribution(found, unit)

    def _named_distribution(self, node: Written, unit: str) -> Distribution | None:
        inner = Part(node, f"The distribution of {self.within}", self.path, self.gathered)
        kinds = [name for name in inner.members if name in KINDS]
        if len(inner.members) != 1 or len(kinds) != 1:
            self.wrong(node, f"{inner.what} has {', '.join(inner.members)}; write one of {', '.join(KINDS)}.", "distribution")  # fmt: skip
            return None
        before = len(self.mistakes.found)
        try:
            found = _READERS[kinds[0]](inner, kinds[0], unit)
        except BadInput as error:
            self.wrong(node, f"{inner.what}: {error}", "distribution")
            return None
        return found if len(self.mistakes.found) == before else None

    def values(self, key: str, unit: str, count: int = 0) -> list[float]:
        """A list of quantities as numbers; `count` of them if given."""
        nodes = self.items(key, required=True)
        if count and len(nodes) != count:
            sentence = f"'{key}' of {self.within} has {len(nodes)} values; write {count}."
            self.wrong(self.members[key], sentence, "distribution")
            return [0.0] * count
        found = (self.value_of(node, f"'{key}' of {self.within}", unit) for node in nodes)
        return [value or 0.0 for value in found]

    def one(self, key: str, unit: str) -> float:
        """One quantity as a number, required."""
        found = self.node(key)
        if found is None:
            self.missing(key, _EXAMPLES.get(unit, f"1 {unit}"))
            return 1.0
        return self.value_of(found, f"'{key}' of {self.within}", unit) or 0.0

    def two(self, kind: str, first: tuple[str, str], second: tuple[str, str]) -> tuple[float, float]:
        """Two parameters of a distribution, each with its unit of measure."""
        inner = self.part(kind)
        if inner is None:
            return 1.0, 1.0
        found = inner.one(*first), inner.one(*second)
        inner.close()
        return found


def first_unit(node: Written) -> str:
    """The unit of measure of the first quantity below a node."""
    match node.value:
        case str():
            unheard = Form(Written({}), "", Mistakes(""))
            found: Quantity | None = unheard.as_quantity(node, "")
            return found.unit if found else ""
        case tuple():
            return next(filter(None, map(first_unit, node.value)), "")
        case Mapping():
            kept = (
                part
                for key, part in node.value.items()
                if key not in ("source", "range", "probability", "cv")
            )
            return next(filter(None, map(first_unit, kept)), "")
        case _:
            return ""


def written_text(node: Written) -> str:
    """A value as it is shown in the list of figures."""
    match node.value:
        case tuple():
            return ", ".join(map(written_text, node.value))
        case Mapping():
            return ", ".join(f"{key} {written_text(part)}" for key, part in node.value.items())
        case _:
            return shown(node.value).strip("'")


def _discrete(part: Part, kind: str, unit: str) -> Distribution:
    values, shares = list[float](), list[float]()
    for each in part.listed(kind, "Value"):
        values.append(each.one("value", unit))
        shares.append(each.one("probability", NUMBER))
        each.close()
    return Discrete(tuple(values), tuple(shares))


def _erlang(part: Part, kind: str, unit: str) -> Distribution:
    stages, mean = part.two(kind, ("stages", NUMBER), ("mean", unit))
    if stages != int(stages):
        raise BadInput(f"An Erlang distribution has {stages:g} stages; write a whole number.")
    return erlang(int(stages), mean)


def _lognormal(part: Part, kind: str, unit: str) -> Distribution:
    node = part.members[kind]
    if isinstance(node.value, Mapping) and "median" in node.value:
        return lognormal_by_p90(*part.two(kind, ("median", unit), ("p90", unit)))
    return lognormal_by_mean(*part.two(kind, ("mean", unit), ("cv", NUMBER)))


_READERS: Mapping[str, Callable[[Part, str, str], Distribution]] = {
    "constant": lambda part, kind, unit: Constant(part.one(kind, unit)),
    "uniform": lambda part, kind, unit: Uniform(*part.values(kind, unit, 2)),
    "triangular": lambda part, kind, unit: Triangular(*part.values(kind, unit, 3)),
    "pert": lambda part, kind, unit: Pert(*part.values(kind, unit, 3)),
    "exponential": lambda part, kind, unit: Exponential(part.one(kind, unit)),
    "erlang": _erlang,
    "gamma": lambda part, kind, unit: gamma_by_mean(*part.two(kind, ("mean", unit), ("cv", NUMBER))),
    "lognormal": _lognormal,
    "normal": lambda part, kind, unit: Normal(*part.two(kind, ("mean", unit), ("sd", unit))),
    "weibull": lambda part, kind, unit: Weibull(*part.two(kind, ("shape", NUMBER), ("scale", unit))),
    "empirical": lambda part, kind, unit: Empirical(tuple(part.values(kind, unit))),
    "discrete": _discrete,
}
