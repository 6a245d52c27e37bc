"""One mapping of a recipe file, read key by key: each key has a kind, and an unknown key is a mistake."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from batches.errors import BadInput
from batches.quantities import Quantity, dimension, literal, parse
from batches.recipe import Place, Scalar
from batches.written import MOST, Content, Mistakes, Written

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
ELEMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.,+()&-]{0,59}")
UNIT_CLASS = re.compile(r"[a-z][a-z0-9_]*(?:/[a-z0-9_]+)*")
NOTHING = Written(None)


class Form:
    """A mapping that is read once, in the order of its keys: the order in the file is lost in the
    record, so that nothing may depend on it. Each getter says what is wrong and goes on with its default;
    `close` reports the keys that nobody asked for."""

    def __init__(self, node: Written, what: str, mistakes: Mistakes) -> None:
        self.line = node.line
        self.rename(what)
        self.mistakes = mistakes
        self.asked: list[str] = []
        self.sound = isinstance(node.value, Mapping)
        members = node.value.items() if isinstance(node.value, Mapping) else ()
        self.members: Mapping[str, Written] = dict(sorted(members, key=_key))
        if not self.sound:
            self.wrong(node, f"{what} is {shown(node.value)}; write named values, such as 'name: value'.")

    def rename(self, what: str) -> None:
        """What findings call this mapping, such as 'The material 'ipsc_bank''."""
        self.what, self.within = what, what[:1].lower() + what[1:]

    @property
    def place(self) -> Place:
        return Place(self.mistakes.file, self.line)

    def wrong(self, node: Written, sentence: str, rule: str = "schema") -> None:
        self.mistakes.add(node.line, rule, sentence)

    def missing(self, key: str, example: str) -> None:
        if self.sound:
            self.mistakes.add(self.line, "schema", f"{self.what} has no '{key}'; add '{key}: {example}'.")

    def node(self, key: str) -> Written | None:
        """What stands under a key; a key without a value is a mistake, as if it were not there."""
        self.asked.append(key)
        found = self.members.get(key)
        if found is not None and found.value is None:
            self.wrong(found, f"'{key}' of {self.within} has no value; write one, or remove the line.")
            return None
        return found

    def text(self, key: str, example: str = "") -> str:
        """The text under a key; '' if it is not there. `example` makes it required."""
        found = self.node(key)
        if found is None:
            if example and key not in self.members:
                self.missing(key, example)
            return ""
        if not isinstance(found.value, str) or not found.value.strip():
            self.wrong(
                found, f"'{key}' of {self.within} is {shown(found.value)}; write text, in quotes if need be."
            )
            return ""
        return found.value

    def name(self, key: str, example: str, pattern: re.Pattern[str] = IDENTIFIER) -> str:
        """A name under a key; '' if it is not there. Required if there is an `example`."""
        found = self.text(key, example)
        if found and not named(pattern, found):
            self.wrong(
                self.members[key], f"'{found}' cannot be the '{key}' of {self.within}; {rule_of(pattern)}."
            )
        return found

    def option(self, key: str, options: tuple[str, ...], default: str | None = None) -> str:
        """One of several words; required if there is no default."""
        found = self.text(key, options[0] if default is None else "")
        if found and found not in options:
            self.wrong(
                self.members[key],
                f"'{key}' of {self.within} is '{found}'; write one of {', '.join(options)}.",
            )
            found = ""
        return found or (options[0] if default is None else default)

    def flag(self, key: str, default: bool = False) -> bool:
        found = self.node(key)
        if found is None:
            return default
        if not isinstance(found.value, bool):
            self.wrong(found, f"'{key}' of {self.within} is {shown(found.value)}; write true or false.")
            return default
        return found.value

    def whole(self, key: str, least: int, most: int) -> int:
        """A required whole number from least to most."""
        found = self.node(key)
        if found is None:
            if key not in self.members:
                self.missing(key, str(least))
            return least
        number = found.value
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            sentence = (
                f"'{key}' of {self.within} is {shown(number)}; write a whole number from {least} to {most}."
            )
            self.wrong(found, sentence)
            return least
        return number

    def quantity(self, key: str, example: str = "") -> Quantity | None:
        """The quantity under a key. Required if there is an `example`."""
        found = self.node(key)
        if found is None:
            if example and key not in self.members:
                self.missing(key, example)
            return None
        return self.as_quantity(found, f"'{key}' of {self.within}")

    def as_quantity(self, node: Written, what: str) -> Quantity | None:
        if isinstance(node.value, bool) or not isinstance(node.value, (str, int)):
            self.wrong(
                node, f"{what} is {shown(node.value)}; write a number and a unit of measure.", "quantity"
            )
            return None
        try:
            return parse(str(node.value))
        except BadInput as error:
            self.wrong(node, f"{what}: {error}", "quantity")
            return None

    def measure(self, key: str) -> str:
        """The unit of measure under a key; '' if it is not there."""
        found = self.text(key)
        try:
            dimension(found)
        except BadInput as error:
            self.wrong(self.members[key], f"'{key}' of {self.within}: {error}", "quantity")
            return ""
        return found

    def scalar(self, key: str) -> Scalar:
        """The value under a required key."""
        found = self.node(key)
        if found is None:
            if key not in self.members:
                self.missing(key, "37 degC")
            return ""
        return self.as_scalar(found, f"'{key}' of {self.within}")

    def as_scalar(self, node: Written, what: str) -> Scalar:
        match node.value:
            case bool() | int():
                return node.value
            case str():
                return node.value if "$" in node.value else literal(node.value)
            case _:
                self.wrong(node, f"{what} is {shown(node.value)}; write one value.")
                return ""

    def items(self, key: str, required: bool = False) -> tuple[Written, ...]:
        """The list under a key."""
        found = self.node(key)
        if found is None:
            if required and key not in self.members:
                self.missing(key, "[…]")
            return ()
        if not isinstance(found.value, tuple):
            self.wrong(
                found,
                f"'{key}' of {self.within} is {shown(found.value)}; write a list, each item after '- '.",
            )
            return ()
        if required and not found.value:
            self.wrong(found, f"'{key}' of {self.within} is an empty list; write what it is made of.")
        return found.value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts under a key."""
        found = self.items(key)
        for node in found:
            if not isinstance(node.value, str):
                self.wrong(
                    node,
                    f"'{key}' of {self.within} holds {shown(node.value)}; write text, in quotes if need be.",
                )
        return tuple(node.value for node in found if isinstance(node.value, str))

    def form(self, key: str, what: str = "") -> "Form | None":
        """The mapping under a key."""
        found = self.node(key)
        return None if found is None else Form(found, what or f"'{key}' of {self.within}", self.mistakes)

    def entries(
        self, key: str, kind: str, pattern: re.Pattern[str] = IDENTIFIER
    ) -> "Iterator[tuple[str, Written]]":
        """The named things under a key; nothing if it is not there."""
        inner = self.form(key, f"'{key}'")
        for name, node in inner.members.items() if inner else ():
            if not named(pattern, name):
                self.wrong(node, f"'{name}' cannot be the name of a {kind}; {rule_of(pattern)}.")
            yield name, node

    def sourced(self) -> tuple[str, bool]:
        """`source` and `assumed`, which may stand beside every value."""
        return self.text("source"), self.flag("assumed")

    def close(self) -> None:
        unknown = [key for key in self.members if key not in self.asked]
        for key in unknown[:MOST]:
            close = get_close_matches(key, self.asked, 1)
            advice = f"write '{close[0]}'" if close else f"it may have {', '.join(dict.fromkeys(self.asked))}"
            self.wrong(self.members[key], f"{self.what} cannot have '{key}'; {advice}.")


def _key(member: tuple[str, Written]) -> str:
    return member[0]


def named(pattern: re.Pattern[str], name: str) -> bool:
    """Whether the whole of a name fits its pattern."""
    return pattern.fullmatch(name) is not None


def rule_of(pattern: re.Pattern[str]) -> str:
    """How such a name is written, for a sentence."""
    return {
        IDENTIFIER: "a name is letters, digits and '_', begins with a letter and has at most 60 characters",
        ELEMENT: "a name is at most 60 letters, digits, blanks and _.,+()&-",
        UNIT_CLASS: "a unit class is small letters, digits and '_', with '/' between its levels",
    }.get(pattern, "a recipe's name is small letters, digits and '-'")


def shown(value: Content) -> str:
    """A value for a sentence."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"'{str(value).lower()}'"
        case int() | str():
            return f"'{str(value)[:40]}'"
        case Mapping():
            return "a group of named values"
        case tuple():
            return "a list"
