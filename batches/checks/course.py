"""The course of the procedure: branches end, and nothing is read before it is there."""

from collections.abc import Iterator

from batches.checks.subject import Flaw, Subject, Use
from batches.expression_tree import Fixed, Infix, parse, parts
from batches.expressions import Name, references
from batches.recipe import Choice, PhaseCall, Repeat, nodes


def branch_end(subject: Subject) -> Iterator[Flaw]:
    """Every choice has an `otherwise` and depends on something; every repeat can reach its end."""
    for spot in subject.spots:
        line = spot.node.place.line
        match spot.node:
            case Choice():
                if all(condition for condition, _ in spot.node.options):
                    yield (
                        line,
                        f"The choice '{spot.path}' has no 'otherwise': if no condition holds, the batch stands still; add it.",
                    )
                for condition, _ in spot.node.options:
                    if condition and not references(condition):
                        yield (
                            line,
                            f"The condition '{condition}' of '{spot.path}' reads nothing, so that it never changes; take it away.",
                        )
            case Repeat():
                if not _can_change(subject, spot.node):
                    yield (
                        line,
                        f"The repeat '{spot.path}' ends when {spot.node.until}, but nothing in its body changes that; read a result or calculation of the body.",
                    )
            case _:
                continue


def _can_change(subject: Subject, repeat: Repeat) -> bool:
    """Whether the condition reads a result, or a calculation, of the body."""
    inside = {node.alias if isinstance(node, PhaseCall) else node.name for node in nodes(repeat.body)}
    return any(name.root in inside for name in references(repeat.until))


def read_before_there(subject: Subject) -> Iterator[Flaw]:
    """An expression reads only what the procedure surely does before it."""
    for use in subject.uses:
        order = subject.order
        judged = isinstance(use.spot.node, Repeat)
        there = order.judged[use.spot.path] if judged else order.before[use.spot.path]
        for name in references(use.text):
            sentence = _too_early(subject, use, name, there)
            if sentence:
                yield use.line, sentence


def _too_early(subject: Subject, use: Use, name: Name, there: frozenset[str]) -> str:
    """What is wrong with reading a name when the elements `there` are done; '' if nothing."""
    start = f"{use.where[0].upper()}{use.where[1:]} reads {name}"
    call, calculation = subject.aliases.get(name.root), subject.calculations.get(name.root)
    if call is not None:
        if call.path not in there:
            return f"{start}, but '{call.path}' is not surely done before; move one of them, or do it on every way."
        declared = call.phase.results.get(name.result)
        if declared is not None and declared.optional:
            return f"{start}, which '{call.path}' does not always give; read another result."
    if calculation is not None and calculation.path not in there:
        return f"{start}, but that is not surely calculated before; move one of them, or calculate it on every way."
    return ""


def option(subject: Subject) -> Iterator[Flaw]:
    """A text is compared only with what it can be."""
    for use in subject.uses:
        for part in parts(parse(use.text).tree):
            match part:
                case Infix("==" | "!=", Name() as name, Fixed(str(text))) | Infix(
                    "==" | "!=", Fixed(str(text)), Name() as name
                ):
                    options = _options(subject, name)
                    if options and text not in options:
                        yield (
                            use.line,
                            f"{use.where[0].upper()}{use.where[1:]} compares {name} with '{text}', which it can never be; it is one of {', '.join(options)}.",
                        )
                case _:
                    continue


def _options(subject: Subject, name: Name) -> tuple[str, ...]:
    """What a result may be; () if that is open."""
    call = subject.aliases.get(name.root)
    if call is None:
        return ()
    plan = subject.recipe.samples.get(call.word(call.phase.results_of)) if call.phase.results_of else None
    if plan is not None and name.result in plan.tests:
        return plan.tests[name.result].options
    declared = call.phase.results.get(name.result)
    return declared.options if declared is not None else ()
