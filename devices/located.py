"""A YAML file in which every value knows its line, so that a mistake is shown where it was made.

Only what the files of Kweek need: mappings with text keys, lists, text, whole numbers, true, false
and null. A number with a fraction stays text: it belongs to a quantity, and YAML would make it a
float. `on`, `yes` and `1:30` stay text too, which YAML 1.1 would turn into something else.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import yaml

from batches.errors import BadInput
from batches.plain import Plain
from batches.quantities import Quantity, parse

LARGEST_FILE = 1_000_000
"""Characters; a plant is a few hundred lines."""
DEEPEST = 20
MOST_VALUES = 100_000
"""Aliases multiply: a few lines could come to billions of values."""
_WHOLE = re.compile(r"[+-]?\d{1,15}")
_CONSTANTS = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class Located:
    """A value of a file and where it (or the name before it) stands, e.g. 'plant.yaml, line 12'."""

    value: "str | int | bool | None | Mapping[str, Located] | Sequence[Located]"
    where: str

    def mistake(self, sentence: str) -> BadInput:
        """The error that says `sentence` of this place."""
        return BadInput(f"{self.where}: {sentence}")

    def text(self) -> str:
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.mistake(f"{_show(self.value)} stands where a text is needed; write some words.")
        return self.value

    def whole(self) -> int:
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.mistake(f"{_show(self.value)} stands where a whole number is needed; write digits.")
        return self.value

    def yes_no(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.mistake(f"{_show(self.value)} stands where true or false is needed.")
        return self.value

    def quantity(self) -> Quantity:
        text = str(self.value) if isinstance(self.value, int) else self.text()
        try:
            return parse(text)
        except BadInput as error:
            raise self.mistake(str(error)) from error

    def items(self) -> "Sequence[Located]":
        if isinstance(self.value, (str, Mapping)) or not isinstance(self.value, Sequence):
            raise self.mistake(
                f"{_show(self.value)} stands where a list is needed; begin each item with '- '."
            )
        return self.value

    def mapping(self) -> "Mapping[str, Located]":
        if not isinstance(self.value, Mapping):
            raise self.mistake(
                f"{_show(self.value)} stands where named values are needed; write 'name: value'."
            )
        return self.value

    def fields(self, needed: Sequence[str], known: Sequence[str] = ()) -> "Mapping[str, Located]":
        """The named values, after a check that all `needed` are there and none is unknown."""
        found = self.mapping()
        for name in needed:
            if name not in found:
                raise self.mistake(f"'{name}' is missing; add a line '{name}: …'.")
        for name, node in found.items():
            if name not in needed and name not in known:
                raise node.mistake(
                    f"'{name}' is not known here; the known names are {listed((*needed, *known))}."
                )
        return found

    def plain(self) -> Plain:
        """The value without its places."""
        if isinstance(self.value, Mapping):
            return {name: node.plain() for name, node in self.value.items()}
        if self.value is None or isinstance(self.value, (str, bool, int)):
            return self.value
        return [node.plain() for node in self.value]


@dataclass(slots=True)
class Mistakes:
    """The mistakes of a file, gathered so that all are shown at once."""

    found: list[BadInput] = field(default_factory=list[BadInput])

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep the mistake that ends this block, and go on after it."""
        try:
            yield
        except BadInput as mistake:
            self.found.append(mistake)

    def complain(self) -> None:
        """Raise BadInput with one sentence a line, if there was any mistake."""
        if self.found:
            raise BadInput("\n".join(str(mistake) for mistake in self.found))


def read(text: str, name: str) -> Located:
    """The document in `text`; `name` is what its places are called. Raises BadInput."""
    if len(text) > LARGEST_FILE:
        raise BadInput(
            f"{name}: the file is longer than {LARGEST_FILE:,} characters; this is not such a file."
        )
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise BadInput(_unreadable(error, name)) from error
    if node is None:
        raise BadInput(f"{name}: the file is empty.")
    return _Reader(name).located(node)


def from_plain(value: Plain, name: str) -> Located:
    """A plain value as if it had been read; every place is `name`."""
    if isinstance(value, Mapping):
        return Located({key: from_plain(part, name) for key, part in value.items()}, name)
    if value is None or isinstance(value, (str, bool, int)):
        return Located(value, name)
    return Located([from_plain(part, name) for part in value], name)


def listed(names: Sequence[str]) -> str:
    """Names for a sentence: 'a', 'b' and 'c'."""
    quoted = [f"'{name}'" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else "".join(quoted)


@dataclass(slots=True)
class _Reader:
    name: str
    values: int = 0

    def located(self, node: yaml.Node, depth: int = 0) -> Located:
        where = f"{self.name}, line {node.start_mark.line + 1}"
        self.values += 1
        if depth > DEEPEST:  # also what an alias to its own parent comes to
            raise BadInput(f"{where}: this is nested deeper than {DEEPEST} levels; make it flatter.")
        if self.values > MOST_VALUES:
            raise BadInput(f"{where}: with its aliases the file holds more than {MOST_VALUES:,} values.")
        if isinstance(node, yaml.MappingNode):
            return Located(self._members(node, depth), where)
        if isinstance(node, yaml.SequenceNode):
            return Located([self.located(part, depth + 1) for part in node.value], where)
        return Located(_scalar(node) if isinstance(node, yaml.ScalarNode) else None, where)

    def _members(self, node: yaml.MappingNode, depth: int) -> dict[str, Located]:
        members: dict[str, Located] = {}
        for key, value in node.value:
            where = f"{self.name}, line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise BadInput(f"{where}: a name must be a text; quote it if it begins with a bracket.")
            if key.value in members:
                raise BadInput(f"{where}: '{key.value}' stands here twice; keep one of the two.")
            members[key.value] = Located(self.located(value, depth + 1).value, where)
        return members


def _scalar(node: yaml.ScalarNode) -> str | int | bool | None:
    text: str = node.value
    if node.style is not None:  # quoted or a block: text, whatever it looks like
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    return int(text) if _WHOLE.fullmatch(text) else text


def _show(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, (str, bool, int)):
        return f"'{str(value).lower() if isinstance(value, bool) else value}'"
    return "a group of named values" if isinstance(value, Mapping) else "a list"


def _unreadable(error: Exception, name: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        place = f"{name}, line {error.problem_mark.line + 1}"
        return f"{place}: this is not YAML ({error.problem}); check indentation, colons and quotes."
    return f"{name}: this is not YAML; check that it is a text file in UTF-8."
