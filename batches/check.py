"""The static checks of a recipe: what an engineer hears before anybody approves it.

`check` gives findings; a recipe may be approved if none of them is an error. The rules on names come
first, and the others wait until these are content: of a name that does not exist nothing else can be
said. docs/reference/recipe-checks.md lists the rules.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from batches.checks import (
    conduct,
    course,
    equipment,
    leftovers,
    materials,
    measures,
    names,
    quality,
    ranges,
    times,
    volumes,
)
from batches.checks.subject import Flaw, Phases, Subject, UnitClass
from batches.findings import Finding, format
from batches.recipe import Recipe

__all__ = ["READING", "RULES", "Finding", "Rule", "UnitClass", "check", "format"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `look` yields a line and a sentence for each place that breaks it; its docstring says
    what the rule demands."""

    name: str
    look: Callable[[Subject], Iterator[Flaw]]
    severity: Literal["error", "warning"] = "error"

    @property
    def about(self) -> str:
        return " ".join((self.look.__doc__ or "").split())


READING: Mapping[str, str] = {
    "yaml": "The file is one YAML document without tags, anchors and aliases, of at most 1,000,000 characters.",
    "duplicate-key": "No key stands twice in one mapping.",
    "schema": "Every key is known, has the kind of value it needs, and is there where it must be.",
    "quantity": "What must be a quantity is a number with a unit of measure that Kweek knows.",
    "language": "The recipe is written in a language version that this Kweek knows.",
    "duplicate-name": "No two elements side by side in the procedure have the same name.",
}
"""The rules of reading (`batches/recipe_reader.py`): all are errors."""

NAMES: tuple[Rule, ...] = (
    Rule("duplicate-name", names.duplicate_name),
    Rule("unknown-phase", names.unknown_phase),
    Rule("unknown-parameter", names.unknown_parameter),
    Rule("missing-parameter", names.missing_parameter),
    Rule("unknown-material", names.unknown_material),
    Rule("unknown-sample", names.unknown_sample),
    Rule("unknown-unit", names.unknown_unit),
    Rule("unknown-unit-class", names.unknown_unit_class),
    Rule("expression", names.expression),
    Rule("unknown-name", names.unknown_name),
)
MEANING: tuple[Rule, ...] = (
    Rule("kind", measures.kind),
    Rule("dimension", measures.dimension),
    Rule("proven-range", ranges.proven_range),
    Rule("set-point", ranges.set_point),
    Rule("reversed-range", ranges.reversed_range),
    Rule("unit-class", equipment.unit_class),
    Rule("unit-offers", equipment.unit_offers),
    Rule("unit-tag", equipment.unit_tag),
    Rule("material-origin", materials.material_origin),
    Rule("volume", volumes.volume),
    Rule("identity-first", conduct.identity_first),
    Rule("second-person", conduct.second_person),
    Rule("line-clearance", conduct.line_clearance),
    Rule("label-reconciliation", conduct.label_reconciliation),
    Rule("hold", conduct.hold),
    Rule("time-limit", times.time_limit),
    Rule("specification", quality.specification),
    Rule("expiry", quality.expiry),
    Rule("branch-end", course.branch_end),
    Rule("read-before-there", course.read_before_there),
    Rule("option", course.option),
    Rule("time-limit-at-risk", times.time_limit_at_risk, "warning"),
    Rule("unproven-set-point", ranges.unproven_set_point, "warning"),
    Rule("unused", leftovers.unused, "warning"),
    Rule("source", leftovers.source, "warning"),
)
RULES = (*NAMES, *MEANING)


def check(
    recipe: Recipe, phases: Phases, unit_classes: "Mapping[str, UnitClass] | None" = None
) -> tuple[Finding, ...]:
    """Everything that is wrong with a recipe, by line.

    `phases`: the phase classes there are. `unit_classes`: what the units of the plant offer, by class;
    without it the plant is not looked at.
    """
    subject = Subject(recipe, phases, unit_classes)
    return tuple(sorted(_findings(subject, NAMES) or _findings(subject, MEANING), key=_by_line))


def _findings(subject: Subject, rules: tuple[Rule, ...]) -> list[Finding]:
    file = subject.recipe.file
    return [
        Finding(file, line, rule.name, sentence, rule.severity)
        for rule in rules
        for line, sentence in dict.fromkeys(rule.look(subject))
    ]


def _by_line(finding: Finding) -> tuple[int, str, str]:
    return finding.line, finding.rule, finding.sentence
