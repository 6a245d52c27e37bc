"""Windows: the time limits that a phase has, to which phases they run, and whether they are meant."""

from collections.abc import Iterator
from itertools import combinations

from batches.checks.measures import alike
from batches.checks.network import Limit
from batches.checks.subject import Call, Flaw, Subject
from batches.errors import BadInput
from batches.quantities import Quantity
from batches.recipe import TimeLimit
from batches.time_limits import target


def limits_of(subject: Subject, call: Call) -> list[Limit]:
    """The limits of a phase whose target is known and comes later."""
    found: list[Limit] = []
    for limit in call.node.then_within:
        to = _target(subject, limit)
        if to is not None and (not to or to in subject.order.after[call.path]):
            found.append(Limit(call, limit, _least(limit), _most(limit), to))
    return found


def _target(subject: Subject, limit: TimeLimit) -> "str | None":
    """The path of the phase to which a limit runs; '' the next, None if there is no such phase."""
    try:
        return target(subject.recipe.procedure, limit.to) if limit.to else ""
    except BadInput:  # said below
        return None


def _most(limit: TimeLimit) -> float:
    amount = limit.at_most
    return seconds(amount) if amount is not None and amount.value > 0 else float("inf")


def _least(limit: TimeLimit) -> float:
    least = 0.0 if limit.at_least is None else seconds(limit.at_least)
    return least if 0 < least <= _most(limit) and least != float("inf") else 0.0


def limits_are_meant(subject: Subject, call: Call) -> Iterator[Flaw]:
    """Times above zero, the least not over the most, each window once, to a phase that surely comes later."""
    for limit in call.node.then_within:
        yield from (
            (call.line, sentence) for sentence in (*_times(call, limit), *_goal(subject, call, limit))
        )
    for one, other in combinations(call.node.then_within, 2):
        if (one.to, one.of) == (other.to, other.of):
            where = f"to '{one.to}'" if one.to else "to the next phase"
            yield (
                call.line,
                f"'{call.path}' limits the time from its {one.of} {where} twice; write one limit with 'at_least' and 'at_most'.",
            )


def _times(call: Call, limit: TimeLimit) -> Iterator[str]:
    wanted = f"'{limit.to}'" if limit.to else "the next phase"
    for amount in (limit.at_most, limit.at_least):
        if amount is not None and amount.value <= 0:
            yield f"'{call.path}' asks for {wanted} within {amount}; write a time above zero."
    if limit.at_least is not None and seconds(limit.at_least) > _most(limit):
        yield f"'{call.path}' asks for {wanted} after {limit}; write the smaller time as 'at_least'."


def _goal(subject: Subject, call: Call, limit: TimeLimit) -> Iterator[str]:
    if not limit.to:
        return
    try:
        path = target(subject.recipe.procedure, limit.to)
    except BadInput as error:
        yield f"'{call.path}' limits the time to '{limit.to}': {str(error)[0].lower()}{str(error)[1:]}"
        return
    if path == call.path:
        yield f"'{call.path}' limits the time to itself; name a phase that comes after it."
    elif path not in subject.order.after[call.path]:
        yield (
            f"'{call.path}' limits the time to '{path}', which does not come after it on every way; name a phase "
            "that follows whatever is chosen, and not one beside it or before it."
        )


def told(limit: Limit) -> str:
    """A limit in a sentence: the time limit 2 h after 'A' to 'B'."""
    at_least = f"at least {limit.limit.at_least}" if limit.limit.at_least else ""
    both = f"{at_least} and at most {limit.limit.at_most}" if limit.limit.at_most else at_least
    amount = both if at_least else str(limit.limit.at_most)
    start = "the start of " if limit.limit.of == "start" else ""
    return f"the time limit {amount} after {start}'{limit.call.path}'" + (
        f" to '{limit.target}'" if limit.target else ""
    )


def seconds(amount: "Quantity | None") -> float:
    """A time in seconds; without bound for what is no time, which another rule says."""
    return float(amount.to("s").value) if amount is not None and alike(amount.unit, "s") else float("inf")
