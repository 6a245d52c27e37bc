"""Qualifications of people: for a recipe, a task (phase class) and a room, until a day.

Who makes product is trained for it, and the training is current (21 CFR 11.10(i), 211.25(a); EU GMP Part IV
section 3). A qualification is granted by another person and recorded in 'person/<id>'; it is judged when a
person answers a task, at the time of the process.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from batches.entries import Actor, Draft, Entry, moment, stamp
from batches.errors import BadInput, NotFound, NotPermitted, Refused
from batches.plain import text_in

EVERY = "*"
"""Stands for every recipe, task or room."""
GRANT = ("qa", "supervisor")
"""Who may grant and withdraw."""


@dataclass(frozen=True, slots=True)
class Qualification:
    """`recipe`: name of a recipe; `task`: phase class, such as wash; `room`: id of a room; each may be EVERY.
    `granted_by`: id of a person. Valid from `since` until before `until`, unless withdrawn."""

    id: str
    recipe: str
    task: str
    room: str
    since: datetime
    until: datetime
    granted_by: str
    withdrawn: bool = False

    def current(self, now: datetime) -> bool:
        return not self.withdrawn and self.since <= now < self.until

    def covers(self, recipe: str, task: str, room: str) -> bool:
        """A `task` or `room` of '' is none in particular: any will do."""
        wanted = ((self.recipe, recipe), (self.task, task), (self.room, room))
        return all(has == EVERY or needs in ("", has) for has, needs in wanted)


def granted(entry: Entry) -> Qualification:
    """The qualification in an entry of the kind 'qualified'."""
    body = entry.content()
    return Qualification(
        text_in(body, "id"), text_in(body, "recipe"), text_in(body, "task"), text_in(body, "room"),
        moment(text_in(body, "since")), moment(text_in(body, "until")), entry.actor.id,
    )  # fmt: skip


def grant(
    person: str, has: Sequence[Qualification], what: tuple[str, str, str], since: datetime, until: datetime,
    evidence: str, actor: Actor,
) -> Draft:  # fmt: skip
    """Qualify a person for `what`: recipe, task, room. Raises NotPermitted, BadInput."""
    _may(person, actor)
    if until <= since:
        raise BadInput(f"A qualification until {stamp(until)} ends before it begins, at {stamp(since)}.")
    if not evidence.strip():
        raise BadInput("Say what the qualification rests on, such as the training and its date.")
    recipe, task, room = what
    return Draft("qualified", {
        "id": f"Q-{person}-{len(has) + 1}", "recipe": recipe, "task": task, "room": room, "since": stamp(since),
        "until": stamp(until), "evidence": evidence,
    }, actor)  # fmt: skip


def withdraw(person: str, has: Sequence[Qualification], which: str, reason: str, actor: Actor) -> Draft:
    """End a qualification at once. Raises NotPermitted, NotFound, Refused, BadInput."""
    _may(person, actor)
    found = next((each for each in has if each.id == which), None)
    if found is None:
        raise NotFound(f"There is no qualification {which}; look at those of the person.")
    if found.withdrawn:
        raise Refused(f"Qualification {which} was withdrawn before.")
    if not reason.strip():
        raise BadInput("A qualification is withdrawn with a reason; say why.")
    return Draft("qualification_withdrawn", {"id": which, "reason": reason}, actor)


def _may(person: str, actor: Actor) -> None:
    if actor.role not in GRANT:
        raise NotPermitted(
            f"Qualifications are granted by {' or '.join(GRANT)}; your role is {actor.role or 'none'}."
        )
    if actor.id == person:
        raise NotPermitted("Nobody qualifies themselves; ask another person of quality assurance.")


def relied_on(
    has: Iterable[Qualification], recipe: str, task: str, rooms: Sequence[str], now: datetime
) -> list[str]:
    """The ids of current qualifications for the recipe, the task and every room. Raises NotPermitted with
    what is missing, or when it ended."""
    found: list[str] = []
    for room in rooms or ("",):
        fitting = [each for each in has if each.covers(recipe, task, room)]
        current = [each for each in fitting if each.current(now)]
        if not current:
            raise NotPermitted(_missing(fitting, recipe, task, room, now))
        if current[0].id not in found:
            found.append(current[0].id)
    return found


def _missing(fitting: Sequence[Qualification], recipe: str, task: str, room: str, now: datetime) -> str:
    what = (
        f"the recipe {recipe}"
        + (f", the task {task}" if task else "")
        + (f", the room {room}" if room else "")
    )
    ask = "have it granted by quality assurance or a supervisor, or let somebody else answer"
    kept = [each for each in fitting if not each.withdrawn]
    if ended := [each for each in kept if each.until <= now]:
        last = max(ended, key=lambda each: each.until)
        return f"Your qualification {last.id} for {what} ended at {stamp(last.until)}; {ask}."
    if kept:
        return f"Your qualification {kept[0].id} for {what} begins at {stamp(kept[0].since)}; {ask}."
    return f"You have no current qualification for {what}; {ask}."
