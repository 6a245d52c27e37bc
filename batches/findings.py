"""A finding: one thing that is wrong with a recipe, and where."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`line` is 1-based, 0 where there is none; `rule` stands in docs/reference/recipe-checks.md;
    `sentence` names the thing and what to do. A warning does not stop an approval."""

    file: str
    line: int
    rule: str
    sentence: str
    severity: Literal["error", "warning"] = "error"


def format(finding: Finding) -> str:
    """The line that is shown: 'cart.yaml:12: [hold] …', a warning marked as one."""
    mark = "warning: " if finding.severity == "warning" else ""
    return f"{finding.file}:{finding.line}: {mark}[{finding.rule}] {finding.sentence}"
