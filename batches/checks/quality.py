"""Quality: every specification attribute has its sample, method and turnaround; the shelf life can be met."""

from collections.abc import Iterator

from batches.checks.names import advice
from batches.checks.subject import Call, Flaw, Subject
from batches.checks.windows import seconds
from batches.recipe import Criterion, Test
from batches.time_limits import spoken


def specification(subject: Subject) -> Iterator[Flaw]:
    """Every specification attribute is sampled on every way, with a method and a turnaround."""
    for criterion in subject.recipe.specification.values():
        for sentence in _lacking(subject, criterion):
            yield criterion.place.line, f"The specification of '{criterion.name}' {sentence}."


def _lacking(subject: Subject, criterion: Criterion) -> Iterator[str]:
    samples = subject.recipe.samples
    plan = samples.get(criterion.sample)
    if plan is None:
        testing = tuple(name for name, plan in samples.items() if criterion.attribute in plan.tests)
        if criterion.sample:
            yield f"names the sample '{criterion.sample}', which is not under 'samples'; {advice(criterion.sample, tuple(samples))}"
        elif testing:
            yield f"does not say which sample it judges; add 'sample: {testing[0]}' or another of {', '.join(testing)}"
        else:
            yield f"is never sampled: no sample tests '{criterion.attribute}'; add the test to one"
        return
    test = plan.tests.get(criterion.attribute)
    if test is None:
        yield f"judges '{criterion.attribute}', which the sample '{plan.name}' does not test; {advice(criterion.attribute, tuple(plan.tests))}"
        return
    taken = {call.path for call in subject.calls if plan.name in call.words(call.phase.samples)}
    if not taken:
        yield f"judges the sample '{plan.name}', which no phase takes; add one that does"
    elif not _surely(subject, taken):
        yield f"judges the sample '{plan.name}', which is not taken on every way through the procedure; take it on every way"
    if not criterion.method and not test.method:
        yield "has no method; add 'method: …' to it or to the test"
    if plan.turnaround.value <= 0:
        yield f"waits for the sample '{plan.name}', whose turnaround is {plan.turnaround}; write how long the laboratory takes"
    yield from _unfit(criterion, test)


def _surely(subject: Subject, paths: set[str]) -> bool:
    """Whether one of the phases is done whatever way the procedure goes."""
    return bool(paths & subject.order.always)


def _unfit(criterion: Criterion, test: Test) -> Iterator[str]:
    """Limits judge quantities, 'equals' judges words."""
    if (criterion.at_least or criterion.at_most) and test.kind != "quantity":
        yield f"has a limit, but '{test.attribute}' is entered as {test.kind}; write 'equals: …'"
    if criterion.equals and test.kind == "quantity":
        yield f"has 'equals', but '{test.attribute}' is a quantity; write 'at_least' or 'at_most'"
    if criterion.equals and test.options and criterion.equals not in test.options:
        yield f"asks for '{criterion.equals}', but '{test.attribute}' is one of {', '.join(test.options)}; correct one of them"
    if criterion.equals and test.kind == "yes_no" and criterion.equals not in ("true", "false"):
        yield f"asks for '{criterion.equals}', but '{test.attribute}' is yes or no; write 'equals: true' or 'false'"


def expiry(subject: Subject) -> Iterator[Flaw]:
    """The shelf life counts from a phase of the procedure, and is longer than the turnaround of what is
    sampled after it and holds up the release."""
    product, line = subject.recipe.product, subject.recipe.lines.get("product", 0)
    if not product.expires_after:
        return
    events = {call.path for call in subject.calls if product.expires_after in _called(call)}
    if not events:
        names = tuple(sorted({name for call in subject.calls for name in _called(call) if name}))
        yield (
            line,
            f"The shelf life counts from '{product.expires_after}', which no phase is called; {advice(product.expires_after, names)}.",
        )
        return
    for criterion in subject.recipe.specification.values():
        plan = subject.recipe.samples.get(criterion.sample)
        if plan is not None and criterion.blocking and _taken_after(subject, plan.name, events):
            late = seconds(plan.turnaround) - seconds(product.expires_within)
            if 0 < late < float("inf"):
                yield (
                    criterion.place.line,
                    f"The product expires {spoken(late)} before the result of '{criterion.name}', which the release waits for; write 'blocking: false', or use a quicker method.",
                )


def _called(call: Call) -> tuple[str, str, str]:
    return call.node.alias, call.node.name, call.node.phase


def _taken_after(subject: Subject, sample: str, events: set[str]) -> bool:
    """Whether the sample is surely taken after the shelf life has begun."""
    taken = [call.path for call in subject.calls if sample in call.words(call.phase.samples)]
    return bool(taken) and all(events & subject.order.before[path] for path in taken)
