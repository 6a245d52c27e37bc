"""The house keeps its own rules: pins, hosts, targets, reasons, contracts, purity."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PACKAGES = ("batches", "devices", "orchestrator", "simulations")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# In two halves, so that this file does not hold what it forbids.
REGISTRY_HOSTS = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "deb." + "debian.org",
    "archive." + "ubuntu.com",
    "un" + "pkg.com",
    "js" + "delivr.net",
)

# What the core never calls; what it never imports is a contract in pyproject.toml.
EFFECTS = {"open", "print", "input", "exec", "eval", "breakpoint", "__import__"}
METHODS_WITH_EFFECTS = {"now", "utcnow", "today", "uuid1", "uuid4", "read_text", "read_bytes", "write_text"}

HEAVY = {"opentrons", "pylabrobot", "typst", "asyncua", "simpy", "fastapi", "sqlalchemy", "lxml", "pikepdf"}


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)


def files_of_the_tree() -> list[Path]:
    """Files of a checkout by git; without git, all but what is hidden or built."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not {".venv", "out"} & set(path.parts)]
    return [path for path in found if path.is_file()]


def pins() -> list[str]:
    """One text for each pin of constraints.txt, its hashes included."""
    text = (ROOT / "constraints.txt").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def requirement(pin: str) -> Requirement:
    return Requirement(pin.split("--hash", 1)[0].strip())


def test_every_pin_is_one_exact_version_with_hashes() -> None:
    exact = re.compile(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+")
    assert [pin for pin in pins() if not exact.fullmatch(pin)] == []
    assert len(pins()) > len(PROJECT["project"]["dependencies"])


def test_every_declared_dependency_is_pinned_within_its_bounds() -> None:
    project = PROJECT["project"]
    declared = chain(
        project["dependencies"],
        *project["optional-dependencies"].values(),
        PROJECT["dependency-groups"]["build"],
    )
    pinned = {canonicalize_name(asked.name): str(asked.specifier)[2:] for asked in map(requirement, pins())}
    outside = [
        text
        for text in declared
        if not Requirement(text).specifier.contains(pinned.get(canonicalize_name(Requirement(text).name), ""))
    ]
    assert outside == []


def test_a_library_has_one_version_for_both_pythons() -> None:
    names = [requirement(pin).name for pin in pins()]
    assert sorted(set(names)) == sorted(names)


def test_the_tree_names_no_registry_host() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in files_of_the_tree()
        for host in REGISTRY_HOSTS
        if host.encode() in path.read_bytes()
    ]
    assert found == []


@pytest.mark.parametrize("target", ["setup", "demo", "test", "check", "bench", "slow", "crash", "clean"])
def test_make_knows_the_target(target: str) -> None:
    planned = run("make", "--dry-run", f"PYTHON={sys.executable}", target)
    assert (planned.returncode, planned.stderr) == (0, "")


def test_make_refuses_a_python_that_does_not_fit(tmp_path: Path) -> None:
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.1"\nexit 1\n')
    old.chmod(0o755)
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    refused = run("make", f"PYTHON={old}", "setup", cwd=tmp_path)
    assert refused.returncode == 2
    assert f"Kweek needs Python 3.11 or 3.12, and '{old}' is: Python 3.9.1." in refused.stderr
    assert not (tmp_path / ".venv").exists()


def exceptions() -> Iterator[str]:
    """Every exception to a rule that pyproject.toml makes, as it is written there."""
    lint = PROJECT["tool"]["ruff"]["lint"]
    yield from lint["ignore"]
    yield from chain(*lint["per-file-ignores"].values())
    yield from (
        text for text in PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"] if text != "error"
    )
    yield from (key for key, value in PROJECT["tool"]["basedpyright"].items() if value in ("none", False))


def test_every_exception_in_the_project_file_has_a_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    silent = []
    for text in exceptions():
        as_written = re.compile(rf'( +|"[^"]+" = \[.*)"{re.escape(text)}"|{re.escape(text)} =')
        written = [n for n, line in enumerate(lines) if as_written.match(line)]
        assert written, f"{text} is not found as it is written"
        silent += [lines[n] for n in written if "# " not in lines[n] + lines[n - 1].lstrip()[:2]]
    assert silent == []


UNREASONED = re.compile(
    r"# *noqa(?!: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)*  ?\(?\w+ \w+)"  # ruff: the code, then words that say why
    r"|# *type: *ignore"  # pyright's own comment names the rule
    r"|# *pyright: *ignore(?!\[\w+(, \w+)*\])"
    r"|# *(ruff|flake8): *noqa"  # never a whole file: that is an exception of the project file
)


@pytest.mark.parametrize(
    "line", ["x  # noqa", "x  # noqa: SLF001", "x  # type: ignore", "x  # pyright: ignore"]
)
def test_an_exception_without_its_reason_is_seen(line: str) -> None:
    assert UNREASONED.search(line)
    assert not UNREASONED.search("x  # noqa: SLF001 asyncua has no public way")


def test_every_exception_in_the_code_names_its_rule_and_its_reason() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files_of_the_tree()
        if path.suffix == ".py" and path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNREASONED.search(line)
    ]
    assert silent == []


def called_name(call: ast.Call) -> str | None:
    match call.func:
        case ast.Name(id=name) if name in EFFECTS:
            return name
        case ast.Attribute(attr=name) if name in METHODS_WITH_EFFECTS:
            return name
        case _:
            return None


def effects(source: str) -> list[str]:
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [f"{name} in line {call.lineno}" for call in calls if (name := called_name(call))]


def test_the_core_calls_nothing_with_effects() -> None:
    found = {str(path): effects(path.read_text()) for path in (ROOT / "batches").rglob("*.py")}
    assert len(found) > 3
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize("line", ["open('x')", "datetime.now(UTC)", "uuid.uuid4()", "print(1)"])
def test_a_call_with_an_effect_is_seen(line: str) -> None:
    assert len(effects(f"def f():\n    {line}\n")) == 1


@pytest.fixture(scope="module")
def copy_of_the_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("house")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


BREACHES = [
    ("batches/breach.py", "import time", "The core has no I/O"),
    ("batches/phases/breach.py", "from sqlalchemy import select", "The core has no I/O"),
    ("batches/breach.py", "import devices.base", "Imports point down only"),
    ("devices/breach.py", "import batches.recipe_like", "Devices know only"),
    ("devices/twins/breach.py", "import random", "Twins are pure"),
    ("devices/drivers/breach.py", "import devices.drivers.other", "Drivers do not import each other"),
    ("simulations/breach.py", "import devices.drivers.other", "The simulation reaches no driver"),
    ("simulations/breach.py", "import fastapi", "The simulation reaches no driver"),
    ("orchestrator/breach.py", "import simulations", "Only the command line"),
]


@pytest.mark.parametrize(("file", "line", "contract"), BREACHES)
def test_an_import_against_the_house_breaks_its_contract(
    copy_of_the_house: Path, file: str, line: str, contract: str
) -> None:
    added = [
        copy_of_the_house / name for name in ("batches/recipe_like.py", "devices/drivers/other.py", file)
    ]
    for path in added:
        path.write_text(line if path == added[-1] else "")
    broken = run(Path(sys.executable).with_name("lint-imports"), "--no-cache", cwd=copy_of_the_house)
    for path in added:
        path.unlink()
    assert broken.returncode == 1
    assert re.search(rf"^{re.escape(contract)}.* BROKEN", broken.stdout, re.MULTILINE)


def test_the_command_line_loads_nothing_heavy() -> None:
    loaded = run(sys.executable, "-c", "import sys, orchestrator.cli; print(*sys.modules)")
    assert loaded.stderr == ""
    assert HEAVY & set(loaded.stdout.split()) == set()
