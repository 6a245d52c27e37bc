"""Reads the tutorial as a reader does: commands, where they are typed, and what they should print."""

import re
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^```(\w+) ?(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
YEAR = re.compile(r"\b((?:[CDS]-)?[BL]-)\d\d-")


@dataclass(slots=True)
class Block:
    """Commands; `where`: '' the reader's shell, plant, serve, or optional. `shown`: lines of output."""

    where: str
    commands: str
    shown: list[str] = field(default_factory=list[str])


def blocks(page: Path) -> list[Block]:
    """Every block of commands, with the output shown below it."""
    found: list[Block] = []
    for language, where, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "sh":
            found.append(Block(where, text))
        elif language == "text":
            found[-1].shown = text.splitlines()
    return found


def agrees(shown: list[str], printed: list[str]) -> bool:
    """Whether the output is as shown. '…' in a line is any text; a line of nothing else is any lines."""
    pattern = "".join("(?:.*\n)*?" if line == "…" else f"{_pattern(line)}\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{_dated(line)}\n" for line in printed)) is not None


def _pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in _dated(line).split("…"))


def _dated(line: str) -> str:
    """Numbers of batches and lots carry the year in which they are given."""
    return YEAR.sub(r"\1YY-", line.rstrip())
