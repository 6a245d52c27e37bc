"""Recipes as files: those that come with Kweek, and checking those somebody wrote."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from batches.check import UnitClass, check
from batches.errors import BadInput, NotFound, RecipeError
from batches.findings import format as written
from batches.phases import PHASES
from batches.recipe import Recipe
from batches.recipe_reader import read
from devices.plant import load
from orchestrator.plant_classes import unit_classes


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as the command line shows it."""

    text: str
    file: str
    line: int
    rule: str
    sentence: str
    error: bool

    def plain(self) -> dict[str, object]:
        """For --json."""
        return asdict(self)


def check_files(paths: Sequence[Path], plant: Path) -> list[Found]:
    """Every finding in the files, in their order, for that plant. Raises BadInput for a file that cannot
    be read."""
    offers = unit_classes(load(plant))
    return [found for path in paths for found in _check(path, offers)]


def _check(path: Path, offers: Mapping[str, UnitClass]) -> Iterator[Found]:
    try:
        findings = check(read(text_of(path), str(path)), PHASES, offers)
    except RecipeError as error:
        findings = error.findings
    for finding in findings:
        yield Found(
            written(finding), finding.file, finding.line, finding.rule, finding.sentence, finding.severity == "error"
        )  # fmt: skip


def text_of(path: Path) -> str:
    """The text of a recipe file. Raises BadInput."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"The recipe file {path} cannot be read ({reason}); check the path.") from error


def shipped_texts() -> dict[str, str]:
    """The recipes that come with Kweek: name -> YAML text."""
    folder = files("batches") / "recipes"
    found = sorted(
        (item for item in folder.iterdir() if item.name.endswith(".yaml")), key=lambda item: item.name
    )
    return {item.name.removesuffix(".yaml"): item.read_text(encoding="utf-8") for item in found}


def shipped() -> list[Recipe]:
    """The recipes that come with Kweek, read."""
    return [read(text, f"{name}.yaml") for name, text in shipped_texts().items()]


def recipe_text(name_or_file: str) -> str:
    """The text of a shipped recipe by name, or of a file. Raises NotFound or BadInput."""
    if name_or_file in shipped_texts():
        return shipped_texts()[name_or_file]
    if name_or_file.endswith((".yaml", ".yml")):
        return text_of(Path(name_or_file))
    raise NotFound(
        f"There is no recipe '{name_or_file}'; choose {', '.join(shipped_texts())}, or name a .yaml file."
    )
