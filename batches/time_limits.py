"""Time limits between two phases while a batch runs: which count, what ends them, what was missed.

A limit counts from the start or the end of a phase to the start of another: a named one, or whichever
comes next. A limit to the next phase ends with the first start that does not lie beside it in a parallel.
In a repeat every round counts anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from batches.entries import moment, stamp
from batches.errors import BadInput
from batches.plain import Plain, PlainDict, dicts_in, text_in
from batches.procedure import Progress, join, lies_in, without_rounds
from batches.quantities import duration
from batches.recipe import Node, PhaseCall, children

SAID_AFTER = timedelta(seconds=1)
"""A phase that starts at the very moment its limit ends is in time; the limit is passed this much later."""


@dataclass(frozen=True, slots=True)
class RunningLimit:
    """A limit that counts. `since`: the phase it counts from, its `of`: start or end. `to`: the path,
    without rounds, of the phase whose start is limited; '' the next. `at_least` and `at_most` as the recipe
    says them, '' if it does not; `opens`, `due`: the moments they come to. `said`: it has passed, and the
    record says so."""

    since: str
    of: str
    to: str
    at_least: str
    opens: datetime | None
    at_most: str
    due: datetime | None
    said: bool = False

    @property
    def wanted(self) -> str:
        """What is to start, for a sentence."""
        return f"'{self.to}'" if self.to else "the next phase"

    @property
    def origin(self) -> str:
        """From where it counts, for a sentence."""
        return f"the {self.of} of '{self.since}'"

    @property
    def wakes(self) -> datetime | None:
        """When somebody must be told that it has passed; None if nobody must."""
        return None if self.said or self.due is None else self.due + SAID_AFTER

    def named(self) -> dict[str, Plain]:
        """What an entry names it by."""
        return {"since": self.since, "from": self.of, "to": self.to}

    def is_named(self, body: PlainDict) -> bool:
        """Whether an entry names this limit."""
        return (self.since, self.of, self.to) == (body.get("since"), body.get("from"), body.get("to"))


def counted(
    body: tuple[Node, ...], call: PhaseCall, of: Literal["start", "end"], now: datetime
) -> list[Plain]:
    """The limits that begin to count now, as the phase's start or end entry keeps them. Raises BadInput
    for one to a phase that the recipe does not have."""
    return [
        {
            "to": target(body, limit.to) if limit.to else "",
            "at_least": "" if limit.at_least is None else str(limit.at_least),
            "opens": None if limit.at_least is None else stamp(now + duration(limit.at_least)),
            "at_most": "" if limit.at_most is None else str(limit.at_most),
            "due": None if limit.at_most is None else stamp(now + duration(limit.at_most)),
        }
        for limit in call.then_within if limit.of == of
    ]  # fmt: skip


def read_counted(path: str, of: str, body: PlainDict) -> list[RunningLimit]:
    """The limits that a phase's start or end entry begins."""
    return [
        RunningLimit(
            path, of, text_in(one, "to"), text_in(one, "at_least"), _moment(one.get("opens")), text_in(one, "at_most"),
            _moment(one.get("due")),
        )
        for one in dicts_in(body, "limits")
    ] if "limits" in body else []  # fmt: skip


def counting(before: list[RunningLimit], begun: list[RunningLimit]) -> list[RunningLimit]:
    """The limits that count once some have begun: each in the place of the one of an earlier round."""
    return [*(old for old in before if not any(_replaces(new, old) for new in begun)), *begun]


def _replaces(new: RunningLimit, old: RunningLimit) -> bool:
    same = (new.of, new.to) == (old.of, old.to)
    return same and without_rounds(new.since) == without_rounds(old.since)


def exceeded(limit: RunningLimit, path: str, begun: bool) -> PlainDict:
    """The body of the entry that a limit was exceeded: by the phase at `path` that began too late, or
    (`path` the one it counts from) because nothing has begun."""
    return {**limit.named(), "path": path, "limit": limit.at_most, "due": _stamped(limit.due), "begun": begun}


def undercut(limit: RunningLimit, path: str) -> PlainDict:
    """The body of the entry that the phase at `path` began too early."""
    return {**limit.named(), "path": path, "limit": limit.at_least, "opens": _stamped(limit.opens)}


def ends(limit: RunningLimit, path: str, procedure: tuple[Node, ...], progress: Progress) -> bool:
    """Whether the start of the phase at `path` ends a limit."""
    if limit.to:
        return limit.to == without_rounds(path)
    ours, theirs = (dict(lies_in(procedure, one, progress)) for one in (limit.since, path))
    return all(theirs.get(parallel, branch) == branch for parallel, branch in ours.items())


def lost(limit: RunningLimit, left_out: str) -> bool:
    """Whether leaving out an element takes away what a limit waits for."""
    return limit.to != "" and f"{limit.to}/".startswith(f"{without_rounds(left_out)}/")


def target(body: tuple[Node, ...], name: str) -> str:
    """The path, without rounds, of the one phase with that `as` or name. Raises BadInput."""
    found = [path for path, node in _phases(body, "") if node.name == name]
    if len(found) != 1:
        many = f"has {len(found)} phases '{name}'; give one of them a name of its own with 'as'"
        raise BadInput(f"The recipe {many if found else f'has no phase {name!r} to which a time could run'}.")
    return found[0]


def _phases(body: tuple[Node, ...], prefix: str) -> Iterator[tuple[str, PhaseCall]]:
    for node in body:
        path = join(prefix, node.name)
        if isinstance(node, PhaseCall):
            yield path, node
        yield from _phases(children(node), path)


# --- sentences ----------------------------------------------------------------------------------------


def late(limit: RunningLimit, path: str, now: datetime) -> str:
    """A phase that began too late."""
    return f"'{path}' began {_by(limit.due, now)} late: at most {limit.at_most} after {limit.origin}."


def early(limit: RunningLimit, path: str, now: datetime) -> str:
    """A phase that began too early."""
    return f"'{path}' began {_by(limit.opens, now)} early: at least {limit.at_least} after {limit.origin}."


def passed(limit: RunningLimit, now: datetime) -> str:
    """A limit that has passed with nothing begun."""
    what = limit.wanted[0].upper() + limit.wanted[1:]
    over = now - limit.due - SAID_AFTER if limit.due else timedelta()
    since = f", {spoken(over.total_seconds())} ago" if over >= timedelta(minutes=1) else ""
    return (
        f"{what} has not begun: it was due at {_stamped(limit.due)}{since}, at most {limit.at_most} after "
        f"{limit.origin}. The batch goes on; decide what this means for it."
    )


def _by(bound: datetime | None, now: datetime) -> str:
    return spoken(abs((now - bound).total_seconds())) if bound else "some time"


def spoken(seconds: float) -> str:
    """A time for a sentence: 25 min, 3.5 h."""
    sizes: Mapping[str, int] = {"day": 86400, "h": 3600, "min": 60}
    for word, size in sizes.items():
        if seconds >= size:
            return f"{seconds / size:.4g} {word}"
    return f"{seconds:.4g} s"


def _stamped(when: datetime | None) -> str:
    return "" if when is None else stamp(when)


def _moment(text: Plain) -> datetime | None:
    return moment(text) if isinstance(text, str) else None
