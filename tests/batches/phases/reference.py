"""The page docs/reference/phases.md, made from the declarations: `python -m tests.batches.phases.reference` writes it."""

from collections.abc import Iterator

from batches.phases import PHASES
from batches.phases.base import Declared, Phase
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "reference" / "phases.md"
HEAD = """# Phases

Every phase class that a recipe can name, as `name@version`. This page is made from the declarations in
`batches/phases/`; a test compares them with what each phase really asks for.

How to read it:

- A phase works on one unit: the one named by its parameter `unit`, else the unit of its unit procedure.
- *needed*: the recipe must give the parameter. A default stands where there is one; *may be left out* otherwise.
- A quantity may be written in any unit of measure of the same kind; 'as the recipe counts X' means the unit of
  measure of the material that the parameter X names.
- *holds*: safe states in which the phase can be held. A phase that cannot be held needs
  `hold: {cannot: finish}` or `{cannot: discard}` in the recipe.
- In every question the first option is that of a process that goes as it should. The option `stop the batch` ends
  nothing by itself: the person who chose it is asked to give the command stop or abort.
"""


def page() -> str:
    """The whole page."""
    names = sorted(PHASES)
    listed = [
        f"| [{name}@{version}](#{name}{version}) | {PHASES[name, version].about} |" for name, version in names
    ]
    table = ["| phase | does |", "| --- | --- |", *listed]
    return "\n".join([HEAD, *table, "", *(line for name in names for line in section(PHASES[name]))])


def section(phase: Phase) -> Iterator[str]:
    yield from (f"## {phase.name}@{phase.version}", "", phase.about, "")
    yield from (f"- {fact}" for fact in facts(phase))
    yield from ("", "| parameter | kind | | about |", "| --- | --- | --- | --- |")
    yield from (
        f"| {name} | {kind(one)} | {need(one)} | {one.about} |" for name, one in phase.parameters.items()
    )
    results = [f"| {name} | {kind(one)} | {one.about} |" for name, one in phase.results.items()]
    if phase.results_of:
        results.append(f"| each test of `{phase.results_of}` | as the sampling plan says | |")
    if results:
        yield from ("", "| result | kind | about |", "| --- | --- | --- |", *results)
    yield ""


def facts(phase: Phase) -> Iterator[str]:
    """What it does to the world, a line each."""
    if phase.unit_class:
        yield f"unit: {phase.unit_class}"
    for what, names in (("sets", phase.sets), ("reads", phase.reads), ("does", phase.does)):
        if names:
            yield f"{what}: {', '.join(asked(phase, name) for name in names)}"
    for what, names in (("consumes", phase.consumes), ("makes", phase.produces), ("samples", phase.samples)):
        if names:
            yield f"{what} what its parameters name: {', '.join(names)}"
    if phase.touches:
        yield f"material open during it: {', '.join(phase.touches)}"
    flags = {
        "scans the chain of identity before anything else": phase.verifies_identity, "clears the line": phase.clears_line,
        "accounts for labels": phase.labels, "fills the product": phase.fills,
    }  # fmt: skip
    yield from (text for text, true in flags.items() if true)
    if phase.vessel:
        yield f"volume in the vessel: {', then '.join(phase.vessel)}"
    yield f"holds: {', '.join(phase.holds) or 'cannot be held'}"


def asked(phase: Phase, name: str) -> str:
    """A tag or action, with the parameter it depends on."""
    condition = phase.only_with.get(name, "")
    kind_of, colon, last = name.rpartition(":")
    declared = phase.parameters.get(last)
    shown = f"{kind_of}{colon}" + (f"<{last}>" if declared is not None and declared.kind == "text" else last)
    if not condition or condition == last == name:
        return f"{shown} (if given)" if condition else shown
    return f"{shown} ({'without' if condition.startswith('!') else 'with'} {condition.lstrip('!')})"


def kind(one: Declared) -> str:
    if one.kind == "quantity":
        if one.unit.startswith("$"):
            return f"quantity, as the recipe counts {one.unit[1:]}"
        return f"quantity, such as {one.unit}" if one.unit else "bare number"
    if one.kind == "role":
        return "role of a unit"
    return f"one of: {', '.join(one.options)}" if one.options else one.kind


def need(one: Declared) -> str:
    if one.default not in (None, ""):
        return f"default {str(one.default).lower() if isinstance(one.default, bool) else one.default}"
    return "may be left out" if one.optional or one.default == "" else "needed"


if __name__ == "__main__":
    PAGE.write_text(page())
