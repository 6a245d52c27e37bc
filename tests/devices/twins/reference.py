"""The tables of docs/reference/twins.md, from the code. Write them anew: python -m tests.devices.twins.reference"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from devices.servers.faults import FAULTS
from devices.twins.bioreactor import VESSELS
from devices.twins.catalogue import MODELS
from devices.twins.cold import FREEZER, STORE
from devices.twins.incubator import NUMBERS as INCUBATOR
from devices.twins.kinetics import TABLES
from devices.twins.known import Known
from devices.twins.laboratory import METHODS, WORDS
from devices.twins.processor import NUMBERS as PROCESSOR
from devices.twins.processor import STAGES
from devices.twins.programmes import Parameter
from devices.twins.twin import Model

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "twins.md"
MARK = "<!-- From here on the page is made from the code: python -m tests.devices.twins.reference -->\n"

NUMBERS: Mapping[str, Mapping[str, Known]] = {
    **{f"Cells: {kind}": table for kind, table in TABLES.items()},
    **{f"Bioreactor: {vessel}": table for vessel, table in VESSELS.items()},
    "Closed cell processor": PROCESSOR,
    "Controlled-rate freezer": FREEZER,
    "LN2 store": STORE,
    "Incubator": INCUBATOR,
}


def tables() -> str:
    """Everything below the mark."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "## Units"
    for unit_class, build in MODELS.items():
        model = build(1, {})
        yield f"\n### `{unit_class}`\n"
        yield from _tags(model)
        yield from _programmes(model)
    yield "\n## Faults\n"
    yield from _table(("fault", "argument"), ((f"`{name}`", text) for name, text in FAULTS.items()))
    yield "\n## What the laboratory measures\n"
    yield from _table(("attribute", "units of measure or word"), _attributes())
    yield "\n## Numbers and their sources"
    for title, table in NUMBERS.items():
        yield f"\n### {title}\n"
        rows = ((f"`{name}`", f"{known.value:g}", known.unit, known.source) for name, known in table.items())
        yield from _table(("number", "value", "unit", "source"), rows)


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _tags(model: Model[Any]) -> Iterator[str]:
    rows = (
        (
            f"`{name}`",
            tag.unit,
            f"{tag.low:g} to {tag.high:g}",
            f"{tag.settable[0]:g} to {tag.settable[1]:g}" if tag.settable else "",
        )
        for name, tag in model.tags.items()
    )
    yield from _table(("tag", "unit", "shows", "can be set"), rows)


def _programmes(model: Model[Any]) -> Iterator[str]:
    if not model.programmes:
        return
    yield ""
    rows = (
        (
            f"`{name}`",
            programme.description,
            "; ".join(map(_parameter, programme.parameters.items())),
            _prompts(name, model),
        )
        for name, programme in model.programmes.items()
    )
    yield from _table(("programme", "does", "takes", "asks a person"), rows)


def _parameter(named: tuple[str, Parameter]) -> str:
    name, known = named
    unit = "text" if known.unit is None else known.unit or "number"
    if known.needed:
        return f"**{name}** ({unit})"
    return f"{name} ({unit})" if known.default is None else f"{name} ({unit}, {known.default:g})"


def _prompts(programme: str, model: Model[Any]) -> str:
    stages = (
        STAGES.get(programme, ())
        if model.programmes is not None and "install_set" in model.programmes
        else ()
    )
    return " ".join(stage.prompt for stage in stages if stage.prompt)


def _attributes() -> Iterator[tuple[str, str]]:
    for name, methods in METHODS.items():
        yield f"`{name}`", ", ".join(method.unit for method in methods)
    for name, word in WORDS.items():
        yield f"`{name}`", f"'{word}'"


if __name__ == "__main__":
    written = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(f"{written}{MARK}\n{tables()}", encoding="utf-8")
