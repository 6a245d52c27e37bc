"""The indexes list every page, links lead somewhere, and the page of the command line is the command line."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup, TyperOption

from devices.plant import DEMO
from orchestrator.cli import app
from orchestrator.recipe_files import check_files
from tests.conftest import ROOT

DOCS = ROOT / "docs"
FOLDERS = ("tutorial", "how-to", "reference", "explanation", "decisions")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CLI = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def links(page: Path) -> set[str]:
    """What a page links to, outside of its code."""
    return set(LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_index_of_a_folder_lists_its_pages(folder: str) -> None:
    index = DOCS / folder / "README.md"
    there = {page.name for page in index.parent.glob("*.md")} - {"README.md"}
    assert there - links(index) == set()


def test_every_decision_has_its_row_with_its_own_title() -> None:
    index = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[\d{4}\]\((\d{4}-[^)]+\.md)\) \| (.+) \|$", index, re.MULTILINE))
    titles = {
        page.name: page.read_text(encoding="utf-8").splitlines()[0]
        for page in (DOCS / "decisions").glob("0*.md")
    }
    assert {name: f"# {name[:4]} {text}" for name, text in rows.items()} == titles


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_tree_lead_to_a_file(page: Path) -> None:
    local = [link.partition("#")[0] for link in links(page) if not re.match(r"[a-z]+:|#", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    if isinstance(command, TyperGroup):
        for part, below in command.commands.items():
            yield from commands(below, f"{name} {part}")
    else:
        yield name, command


COMMANDS = dict(commands(typer.main.get_command(app), "kweek"))


def sections() -> dict[str, str]:
    return {
        name.strip(): text
        for name, text in re.findall(r"^## (kweek .*)\n((?:(?!## ).*\n)*)", CLI, re.MULTILINE)
    }


def test_the_page_has_a_section_for_every_command() -> None:
    assert sections().keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_lists_the_options_of_its_command(name: str) -> None:
    options = {opt for param in COMMANDS[name].params if isinstance(param, TyperOption) for opt in param.opts}
    shown = set(re.findall(r"^\| `(--[a-z-]+)` \|", sections()[name], re.MULTILINE))
    assert shown == options - {"--help"}


def test_the_page_lists_the_targets_of_make() -> None:
    known = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"^\| `make ([a-z]+)` \|", CLI, re.MULTILINE))
    assert shown - known == set()
    assert known - shown <= {"help", "format", "constraints"}


HOW_TO = sorted((DOCS / "how-to").glob("*.md"))
ADDRESS = re.compile(r"\b(GET|POST) (?:/api/v1)?(/[A-Za-z/-]+)")
CALL = re.compile(r'curl -sS (?:-D - )?"\$KWEEK(/[^"]+)"(.*?)(?=^```|curl)', re.MULTILINE | re.DOTALL)


def operations() -> list[tuple[str, "re.Pattern[str]"]]:
    """Method and address of everything the API does, places in it as any name."""
    known = json.loads((DOCS / "reference" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    names = {path: re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path.removeprefix("/api/v1"))) for path in known}
    return [(method.upper(), re.compile(names[path])) for path, found in known.items() for method in found]


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_addresses_in_the_how_to_pages_are_of_the_api(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    asked = [(method, address) for method, address in ADDRESS.findall(text)]
    asked += [("POST" if "-d " in rest else "GET", address) for address, rest in CALL.findall(text)]
    unknown = [
        (method, address)
        for method, address in asked
        if not any(method == known and place.fullmatch(address) for known, place in operations())
    ]
    assert unknown == []


def test_the_recipe_in_the_page_on_recipes_passes_every_check(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "write-a-recipe.md").read_text(encoding="utf-8")
    recipe = tmp_path / "warm-and-grow.yaml"
    recipe.write_text(re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0], encoding="utf-8")
    assert check_files([recipe], DEMO) == []
