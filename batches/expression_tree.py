"""The text of an expression, parsed into a small frozen tree. What it means: `batches/expressions.py`.

either     = both {"or" both}                    comparison = sum [("==" | "!=" | "<" | …) sum]
both       = negation {"and" negation}           sum        = product {("+" | "-") product}
negation   = "not" negation | comparison         product    = signed {("*" | "/") signed}
signed     = "-" signed | atom
atom       = $name | $name.result | number | 'text or quantity' | true | false
           | function "(" either {"," either} ")" | "(" either ")"
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from batches.errors import RecipeError
from batches.plain import LARGEST_INTEGER
from batches.quantities import literal
from batches.recipe import Scalar

LONGEST = 1000
MOST_PARTS = 150
DEEPEST = 20

_TOKEN = re.compile(
    r"\s*(?:(?P<name>\$[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?)"
    r"|'(?P<text>[^'\n]*)'"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<mark><=|>=|==|!=|[-+*/()<>,]))"
)
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_ARGUMENTS = {"min": (2, 9), "max": (2, 9), "abs": (1, 1), "round": (3, 3), "floor": (1, 1), "ceil": (1, 1)}


@dataclass(frozen=True, slots=True)
class Fixed:
    """A number, a quantity, a text or true/false written in the expression."""

    value: Scalar


@dataclass(frozen=True, slots=True)
class Name:
    """`$root`, or `$root.result`."""

    root: str
    result: str = ""

    def __str__(self) -> str:
        return f"${self.root}.{self.result}" if self.result else f"${self.root}"


@dataclass(frozen=True, slots=True)
class Prefix:
    """`-x` or `not x`."""

    sign: str
    of: "Tree"


@dataclass(frozen=True, slots=True)
class Infix:
    """`x + y` and the like, comparisons, `and`, `or`."""

    sign: str
    left: "Tree"
    right: "Tree"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the language."""

    function: str
    arguments: "tuple[Tree, ...]"


@dataclass(frozen=True, slots=True)
class Rounded:
    """`round(x, 'mL', 1)`: to a unit of measure and a number of digits."""

    of: "Tree"
    unit: str
    digits: int


Tree: TypeAlias = "Fixed | Name | Prefix | Infix | Call | Rounded"


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; `text` is what was written."""

    text: str
    tree: Tree


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """The expression in a text. Raises RecipeError with one sentence."""
    if len(text) > LONGEST:
        raise RecipeError(f"The expression '{text[:20]}…' is longer than {LONGEST} characters; split it.")
    return Expression(text, _Parser(text).parse())


class _Parser:
    """A precedence parser: or, and, not, comparison, + -, * /, sign."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._split())
        self.at = 0
        self.depth = 0
        if len(self.tokens) > MOST_PARTS:
            raise self.mistake(f"it has more than {MOST_PARTS} parts; split it")

    def _split(self) -> Iterator[tuple[str, str]]:
        at, end = 0, len(self.text.rstrip())
        while at < end:
            found = _TOKEN.match(self.text, at)
            if found is None or found.lastgroup is None:
                raise self.misplaced(self.text[at:].strip()[:10])
            yield found.lastgroup, found[found.lastgroup]
            at = found.end()
        yield "end", ""

    def mistake(self, what: str) -> RecipeError:
        return RecipeError(f"The expression '{self.text}' cannot be read: {what}.")

    def misplaced(self, text: str) -> RecipeError:
        return self.mistake(f"'{text}' cannot stand there; quantities and text stand in single quotes")

    def parse(self) -> Tree:
        found = self.deeper(self.either)
        if self.tokens[self.at][0] != "end":
            raise self.misplaced(self.tokens[self.at][1])
        return found

    def take(self, *wanted: str) -> str:
        """The next mark or word if it is one of these, else ''."""
        kind, text = self.tokens[self.at]
        if kind in ("mark", "word") and text in wanted:
            self.at += 1
            return text
        return ""

    def either(self) -> Tree:
        found = self.both()
        while self.take("or"):
            found = Infix("or", found, self.both())
        return found

    def both(self) -> Tree:
        found = self.negation()
        while self.take("and"):
            found = Infix("and", found, self.negation())
        return found

    def negation(self) -> Tree:
        if not self.take("not"):
            return self.comparison()
        return Prefix("not", self.deeper(self.negation))

    def comparison(self) -> Tree:
        left = self.sum()
        sign = self.take(*COMPARISONS)
        if not sign:
            return left
        found = Infix(sign, left, self.sum())
        if self.take(*COMPARISONS):
            raise self.mistake("comparisons cannot be chained; join them with 'and'")
        return found

    def sum(self) -> Tree:
        found = self.product()
        while sign := self.take("+", "-"):
            found = Infix(sign, found, self.product())
        return found

    def product(self) -> Tree:
        found = self.signed()
        while sign := self.take("*", "/"):
            found = Infix(sign, found, self.signed())
        return found

    def signed(self) -> Tree:
        return Prefix("-", self.deeper(self.signed)) if self.take("-") else self.atom()

    def deeper(self, rule: Callable[[], Tree]) -> Tree:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.mistake(f"it is nested deeper than {DEEPEST} levels")
        found = rule()
        self.depth -= 1
        return found

    def atom(self) -> Tree:
        kind, text = self.tokens[self.at]
        self.at += 1
        match kind:
            case "name":
                root, _, result = text[1:].partition(".")
                return Name(root, result)
            case "number":
                return Fixed(self.number(text))
            case "text":
                return Fixed(literal(text))
            case "word":
                return Fixed(text == "true") if text in ("true", "false") else self.call(text)
            case _ if text == "(":
                found = self.deeper(self.either)
                self.close()
                return found
            case _:
                raise self.mistake("it ends too early") if kind == "end" else self.misplaced(text)

    def number(self, text: str) -> Scalar:
        if text.isdigit() and int(text) <= LARGEST_INTEGER:
            return int(text)
        found = literal(text)
        if isinstance(found, str):
            raise self.mistake(f"{text} is beyond any plausible size")
        return found

    def close(self) -> None:
        if not self.take(")"):
            raise self.mistake("a ')' is missing")

    def call(self, function: str) -> Tree:
        if function not in _ARGUMENTS or not self.take("("):
            raise self.mistake(
                f"'{function}' is not a function; put text in single quotes and $ before a name "
                f"(functions: {', '.join(_ARGUMENTS)})"
            )
        arguments = [self.deeper(self.either)]
        while self.take(","):
            arguments.append(self.deeper(self.either))
        self.close()
        least, most = _ARGUMENTS[function]
        if not least <= len(arguments) <= most:
            raise self.mistake(
                f"{function} takes {least if least == most else f'{least} to {most}'} arguments"
            )
        return self.rounding(*arguments) if function == "round" else Call(function, tuple(arguments))

    def rounding(self, amount: Tree, unit: Tree, digits: Tree) -> Tree:
        sign, count = (-1, digits.of) if isinstance(digits, Prefix) and digits.sign == "-" else (1, digits)
        match unit, count:
            case Fixed(str(name)), Fixed(int(number)) if number <= 20 and not isinstance(number, bool):
                return Rounded(amount, name, sign * number)
            case _:
                raise self.mistake(
                    "round is written round($x, 'mL', 1): a unit of measure and up to 20 digits"
                )


def references(expression: "Expression | str") -> tuple[Name, ...]:
    """Every `$name` and `$name.result` an expression reads, once each, in the order written."""
    return tuple(dict.fromkeys(part for part in parts(parsed(expression).tree) if isinstance(part, Name)))


def names(expression: "Expression | str") -> tuple[str, ...]:
    """The names before any '.', once each: formula values, calculated values and phase aliases."""
    return tuple(dict.fromkeys(name.root for name in references(expression)))


def parts(tree: Tree) -> Iterator[Tree]:
    """Every part of a tree, the whole first, from left to right."""
    yield tree
    match tree:
        case Fixed() | Name():
            return
        case Prefix() | Rounded():
            yield from parts(tree.of)
        case Infix():
            yield from parts(tree.left)
            yield from parts(tree.right)
        case Call():
            for argument in tree.arguments:
                yield from parts(argument)


def parsed(expression: "Expression | str") -> Expression:
    """The expression itself, or the one in a text. Raises RecipeError."""
    return parse(expression) if isinstance(expression, str) else expression
