"""A YAML text as plain values that know their line: what a recipe file is before it has a meaning.

Safe and small: mappings with ASCII keys, lists, text, whole numbers, true and false. No tags, no
anchors, no aliases, no key twice. A number with a fraction stays text, so that 37.0 is '37.0' and
never a float; `yes`, `on`, `1:30` and dates stay text too. Text is put into Unicode form NFC.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import yaml

from batches.errors import RecipeError
from batches.findings import Finding, format
from batches.plain import LARGEST_INTEGER, Plain

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # a PyYAML built without libyaml: slower, the same result
    from yaml import SafeLoader as _Loader

LONGEST = 1_000_000
DEEPEST = 40
MOST = 200
"""More mistakes than this are not gathered: the file is something else."""
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")

Content: TypeAlias = "None | bool | int | str | tuple[Written, ...] | Mapping[str, Written]"


@dataclass(frozen=True, slots=True)
class Written:
    """A value and the line on which it, or its key, stands (0: it was not read from a file)."""

    value: Content
    line: int = 0

    def plain(self) -> Plain:
        """The value alone: what is hashed."""
        match self.value:
            case Mapping():
                return {key: part.plain() for key, part in self.value.items()}
            case tuple():
                return [part.plain() for part in self.value]
            case _:
                return self.value


def from_plain(value: Plain) -> Written:
    """A recorded value as if it had been written, without lines."""
    if value is None or isinstance(value, (bool, int, str)):
        return Written(value)
    if isinstance(value, Mapping):
        return Written({key: from_plain(part) for key, part in value.items()})
    return Written(tuple(from_plain(part) for part in value))


@dataclass(slots=True)
class Mistakes:
    """What is wrong with one file, gathered so that all is said at once."""

    file: str
    kind: str = "recipe"
    """What the file is, for its sentences."""
    found: list[Finding] = field(default_factory=list[Finding])

    def add(self, line: int, rule: str, sentence: str) -> None:
        if len(self.found) < MOST:
            self.found.append(Finding(self.file, line, rule, sentence))

    def complain(self) -> None:
        """Raise RecipeError with all of it, if there is any."""
        if self.found:
            first, *others = sorted(self.found)
            more = f" ({len(others)} more)" if others else ""
            raise RecipeError(f"{format(first)}{more}", (first, *others))


def compose(text: str, mistakes: Mistakes) -> Written:
    """The one document in `text`. What is wrong with it goes to `mistakes`; text that is not YAML at
    all raises RecipeError."""
    if len(text) > LONGEST:
        mistakes.add(
            1, "yaml", f"The file is longer than {LONGEST:,} characters; this is not a {mistakes.kind}."
        )
        mistakes.complain()
    parse = cast("Callable[..., Iterator[yaml.Event]]", yaml.parse)
    composer = _Composer(parse(text, Loader=_Loader), mistakes)
    try:
        return composer.document()
    except (yaml.YAMLError, UnicodeError) as error:
        mistakes.add(min(_line_of(error), len(text.splitlines())), "yaml", _sentence_of(error))
        mistakes.complain()
        raise


def _line_of(error: Exception) -> int:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return 1 if mark is None else mark.line + 1


def _sentence_of(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        hint = "put text that begins with a sign in quotes" if "start any token" in error.problem else ""
        return (
            f"This is not YAML ({error.problem}); {hint or 'check indentation, colons, brackets and quotes'}."
        )
    return "This is not YAML text; save the file as UTF-8 without control characters."


class _Composer:
    """Builds the values from PyYAML's events; it never looks at more than one level at a time."""

    def __init__(self, events: Iterator[yaml.Event], mistakes: Mistakes) -> None:
        self.events = events
        self.mistakes = mistakes

    def document(self) -> Written:
        found = Written(None, 1)
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.wrong(
                        event,
                        f"A second document begins here; a {self.mistakes.kind} is one document, without '---'.",
                    )
                    break
                found = self.value(next(self.events), 0)
        return found

    def wrong(self, event: yaml.Event, sentence: str, rule: str = "yaml") -> None:
        self.mistakes.add(_line(event), rule, sentence)

    def value(self, event: yaml.Event, depth: int) -> Written:
        self.refuse_extras(event)
        if depth > DEEPEST:
            self.wrong(event, f"This is nested deeper than {DEEPEST} levels; make it flatter.")
            self.mistakes.complain()
        match event:
            case yaml.MappingStartEvent():
                return Written(self.members(depth), _line(event))
            case yaml.SequenceStartEvent():
                return Written(tuple(self.items(depth)), _line(event))
            case yaml.ScalarEvent():
                return Written(self.scalar(event), _line(event))
            case _:
                return Written(None, _line(event))

    def refuse_extras(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.wrong(
                event, f"An alias (*name) cannot be used in a {self.mistakes.kind}; write the value again."
            )
        elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            self.wrong(
                event, f"The anchor '&{event.anchor}' cannot be used in a {self.mistakes.kind}; remove it."
            )
        tag = event.tag if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) else None
        if tag is not None:
            self.wrong(event, f"The tag '{tag}' cannot be used in a {self.mistakes.kind}; remove it.")

    def items(self, depth: int) -> Iterator[Written]:
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            yield self.value(event, depth + 1)

    def members(self, depth: int) -> dict[str, Written]:
        found: dict[str, Written] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, depth)
            value = self.value(next(self.events), depth + 1)
            if key in found:
                self.wrong(event, f"'{key}' stands here twice; keep one of the two.", "duplicate-key")
            found[key] = Written(value.value, _line(event))
        return found

    def key(self, event: yaml.Event, depth: int) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self.value(event, depth + 1)
            self.wrong(event, "A name must be a text; quote it if it begins with a bracket.")
            return ""
        self.refuse_extras(event)
        if not event.value.isascii():
            self.wrong(event, f"The name '{event.value}' is not plain ASCII; rename it.")
        return event.value

    def scalar(self, event: yaml.ScalarEvent) -> Content:
        text = unicodedata.normalize("NFC", event.value)
        if not cast("tuple[bool, bool]", event.implicit)[
            0
        ]:  # quoted or a block: text, whatever it looks like
            return text
        if text in ("true", "false"):
            return text == "true"
        if _WHOLE.fullmatch(text) and abs(int(text)) <= LARGEST_INTEGER:
            return int(text)
        return None if text in ("", "~", "null", "Null", "NULL") else text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1
