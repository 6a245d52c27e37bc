"""What the results say about release: the specification, judged as a whole."""

from collections.abc import Iterable, Mapping

from batches.recipe import Criterion
from batches.samples import Results, Verdict, verdict


def verdicts(results: Results, specification: Mapping[str, Criterion]) -> tuple[Verdict, ...]:
    """One verdict for each criterion, in the order of the specification. Raises BadInput as `verdict`."""
    return tuple(verdict(criterion, results) for criterion in specification.values())


def in_the_way(judged: Iterable[Verdict]) -> tuple[Verdict, ...]:
    """The verdicts that a release has to wait for: every failure, and what is pending and blocking."""
    return tuple(
        each for each in judged if each.verdict == "fail" or (each.verdict == "pending" and each.blocking)
    )
