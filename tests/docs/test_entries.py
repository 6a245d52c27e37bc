"""The page of entries lists every kind that is written or read, and the bodies it shows are those recorded."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from batches.entries import Entry
from batches.handlers.table import HANDLERS
from batches.report.bundle import read_bundle
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "reference" / "entries.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([a-z]+(?:_[a-z]+)*) \| .* \|(.*)\|$", re.MULTILINE)


def documented() -> dict[str, set[str]]:
    """Kinds with the members of their bodies; '?' ends the name of one that may be absent."""
    return {
        kind: set(re.findall(r"`([^`]+)`", body))
        for kind, body in ROW.findall(PAGE)
        if kind not in ("kind", "member")
    }


def written(tree: ast.AST) -> Iterator[str]:
    """Kinds of the drafts that the code makes."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Draft"
            and node.args
        ):
            yield from (
                n.value
                for n in ast.walk(node.args[0])
                if isinstance(n, ast.Constant) and isinstance(n.value, str)
            )


def read(tree: ast.AST) -> Iterator[str]:
    """Kinds that a fold tells apart: the cases of `match entry.kind`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Match) and ast.unparse(node.subject) == "entry.kind":
            for case in node.cases:
                yield from (
                    n.value
                    for n in ast.walk(case.pattern)
                    if isinstance(n, ast.Constant) and isinstance(n.value, str)
                )


def code() -> Iterator[ast.AST]:
    for package in ("batches", "orchestrator"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ast.parse(path.read_text(encoding="utf-8"))


def test_every_kind_is_on_the_page_and_nothing_else() -> None:
    drafts, folded = set[str](), set[str]()
    for tree in code():
        drafts |= {
            kind for kind in written(tree) if not kind.endswith("_")
        }  # f"lot_{how}" is told by its fold
        folded |= {*read(tree)}
    assert len(drafts) > 50
    assert len(folded) > 20
    assert documented().keys() == HANDLERS.keys() | folded | drafts


@pytest.mark.parametrize(
    "file", sorted((ROOT / "tests" / "golden").glob("*.json")), ids=lambda path: path.stem
)
def test_recorded_bodies_are_as_the_page_shows(file: Path) -> None:
    bundle, page = read_bundle(file.read_bytes()), documented()
    entries = [*bundle.entries, *(entry for copy in bundle.streams for entry in copy.entries)]
    assert len(entries) > 100
    assert [unlike(entry, page[entry.kind]) for entry in entries if unlike(entry, page[entry.kind])] == []


def unlike(entry: Entry, members: set[str]) -> str:
    """What a body has more or less than the page says; '' if nothing."""
    has, needs = set(entry.content()), {name for name in members if not name.endswith("?")}
    more, less = has - {name.rstrip("?") for name in members}, needs - has
    return (
        f"{entry.kind}: {sorted(more)} more, {sorted(less)} less"
        if (more or less) and "…" not in members
        else ""
    )
