"""Alarms: the life cycle of ANSI/ISA-18.2-2016 (figure 3) as a pure machine, and the list it gives.

What raises and clears an alarm stands in the record already: an excursion, or a tag that fell silent. What
people do with it (acknowledge, reset, shelve) are entries of the same stream. The list of alarms is the
fold of both, so that nothing needs to be kept twice. A shelf ends by itself: its end was recorded with it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, cast

from batches.entries import Actor, Draft, Entry, moment, stamp
from batches.errors import BadInput, NotFound, NotPermitted, Refused
from batches.plain import Plain, PlainDict
from batches.states import ENDED

Priority: TypeAlias = Literal["critical", "high", "medium", "low"]
"""At most four (EEMUA 191, ISA-18.2 clause 9)."""
State: TypeAlias = Literal[
    "normal", "unacknowledged", "acknowledged", "returned_unacknowledged", "latched_unacknowledged",
    "latched_acknowledged", "shelved", "suppressed_by_design", "out_of_service",
]  # fmt: skip
Kind: TypeAlias = Literal["limit", "silence"]
RANK: Mapping[str, int] = {"critical": 1, "high": 2, "medium": 3, "low": 4}
ASKING: frozenset[State] = frozenset({"unacknowledged", "returned_unacknowledged", "latched_unacknowledged"})
"""States in which an alarm asks for an operator."""
LONGEST_SHELF = timedelta(hours=12)
"""A shelf lasts no longer than a shift (assumed; between 1 h and 24 h)."""
FLOOD, FLOOD_WITHIN = 10, timedelta(minutes=10)
"""More alarms than these in the time, for one operator, are a flood (EEMUA 191; ISA-18.2, 16.5)."""
HISTORY = 1_000
"""Alarms that have been raised and are remembered with their time."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm and where it is in its life. `id` names it for ever; `raised`: the entry that raised it last.

    `active`: its condition holds; `latched`: it held, and nobody has reset it since; `suppressed`: its
    limit is not watched now, by design; `out_of_service`: its unit is.
    """

    id: str
    unit: str = ""
    tag: str = ""
    path: str = ""
    kind: Kind = "limit"
    priority: Priority = "medium"
    latching: bool = False
    active: bool = False
    acknowledged: bool = True
    latched: bool = False
    shelved_until: datetime | None = None
    suppressed: bool = False
    out_of_service: bool = False
    since: datetime | None = None
    raised: int = 0
    says: PlainDict = field(default_factory=dict[str, Plain])

    def state(self, now: datetime) -> State:
        """Where it is; what is taken out of the operators' sight comes first."""
        if self.out_of_service:
            return "out_of_service"
        if self.suppressed:
            return "suppressed_by_design"
        if self.shelved_until is not None and now < self.shelved_until:
            return "shelved"
        if self.active:
            return "acknowledged" if self.acknowledged else "unacknowledged"
        if self.latched:
            return "latched_acknowledged" if self.acknowledged else "latched_unacknowledged"
        return "normal" if self.acknowledged else "returned_unacknowledged"


# --- the machine ----------------------------------------------------------------------------------


def raised(alarm: Alarm, at: datetime) -> Alarm:
    """Its condition came about. One that is active already stays as it is."""
    if alarm.active:
        return alarm
    return replace(alarm, active=True, acknowledged=False, latched=alarm.latching, since=at)


def cleared(alarm: Alarm) -> Alarm:
    """Its condition is over. Whoever has not acknowledged it is still asked; a latched one stays."""
    return replace(alarm, active=False)


def acknowledged(alarm: Alarm) -> Alarm:
    """Somebody has seen it. Raises Refused if there is nothing to acknowledge."""
    if alarm.acknowledged:
        raise Refused(f"The {_name(alarm)} waits for no acknowledgement.")
    return replace(alarm, acknowledged=True)


def reset(alarm: Alarm) -> Alarm:
    """A latched alarm is let go. Raises Refused while its condition holds, or nobody has acknowledged it."""
    if not alarm.latched:
        raise Refused(f"The {_name(alarm)} is not latched; there is nothing to reset.")
    if alarm.active:
        raise Refused(
            f"The {_name(alarm)} cannot be reset while its condition holds; remove the cause first."
        )
    if not alarm.acknowledged:
        raise Refused(f"The {_name(alarm)} is not acknowledged; acknowledge it, then reset it.")
    return replace(alarm, latched=False)


def shelved(alarm: Alarm, now: datetime, until: datetime) -> Alarm:
    """It is put aside for a while. Raises Refused for a critical one, BadInput for a time that is none."""
    if alarm.priority == "critical":
        raise Refused(f"The {_name(alarm)} is critical; it cannot be shelved.")
    if not now < until <= now + LONGEST_SHELF:
        raise BadInput(
            f"An alarm is shelved for more than 0 and at most {LONGEST_SHELF.total_seconds() / 3600:.0f} h; "
            f"{stamp(until)} is {'over' if until <= now else 'later'}."
        )
    return replace(alarm, shelved_until=until)


def unshelved(alarm: Alarm, now: datetime) -> Alarm:
    """It is shown again before its time. Raises Refused if it is not shelved."""
    if alarm.shelved_until is None or alarm.shelved_until <= now:
        raise Refused(f"The {_name(alarm)} is not shelved.")
    return replace(alarm, shelved_until=None)


def _name(alarm: Alarm) -> str:
    what = "silence of" if alarm.kind == "silence" else "alarm of"
    return f"{what} {alarm.tag} of {alarm.unit}"


def flooded(times: Sequence[datetime], now: datetime, operators: int = 1) -> bool:
    """Whether more alarms came in the last ten minutes than `operators` can take in."""
    return sum(now - FLOOD_WITHIN < at <= now for at in times) > FLOOD * max(1, operators)


# --- what people do, as entries --------------------------------------------------------------------


def acknowledge(alarm: Alarm, actor: Actor, reason: str) -> Draft:
    """A person acknowledges. Raises Refused, BadInput, NotPermitted."""
    acknowledged(alarm)
    return _draft("alarm_acknowledged", alarm, actor, reason)


def let_go(alarm: Alarm, actor: Actor, reason: str) -> Draft:
    """A person resets a latched alarm. Raises Refused, BadInput, NotPermitted."""
    reset(alarm)
    return _draft("alarm_reset", alarm, actor, reason)


def shelve(alarm: Alarm, now: datetime, until: datetime, actor: Actor, reason: str) -> Draft:
    """A person shelves. Raises Refused, BadInput, NotPermitted."""
    shelved(alarm, now, until)
    return _draft("alarm_shelved", alarm, actor, reason, {"until": stamp(until)})


def unshelve(alarm: Alarm, now: datetime, actor: Actor, reason: str) -> Draft:
    """A person shows it again. Raises Refused, BadInput, NotPermitted."""
    unshelved(alarm, now)
    return _draft("alarm_unshelved", alarm, actor, reason)


def _draft(kind: str, alarm: Alarm, actor: Actor, reason: str, more: PlainDict | None = None) -> Draft:
    if actor.kind != "person":
        raise NotPermitted("Only a person answers an alarm.")
    if not reason.strip():
        raise BadInput(f"Say in a few words why: the {_name(alarm)} is not answered without a reason.")
    body = {"alarm": alarm.id, "unit": alarm.unit, "tag": alarm.tag, "reason": reason.strip(), **(more or {})}
    return Draft(kind, body, actor)


# --- the list ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class AlarmList:
    """The alarms of a site: the fold of the entries of batches and units, each stream in its order."""

    alarms: dict[str, Alarm] = field(default_factory=dict[str, Alarm])
    times: list[datetime] = field(default_factory=list[datetime])
    """When alarms were raised lately, in the order in which they were recorded."""
    _out: set[str] = field(default_factory=set[str])

    def find(self, identity: str) -> Alarm:
        """An alarm by its id. Raises NotFound."""
        if identity not in self.alarms:
            raise NotFound(f"There is no alarm '{identity}'; look at the list of alarms.")
        return self.alarms[identity]

    def shown(self, now: datetime) -> list[Alarm]:
        """All that are not normal: those that ask first, then by priority and age."""
        found = [alarm for alarm in self.alarms.values() if alarm.state(now) != "normal"]
        return sorted(
            found, key=lambda a: (a.state(now) not in ASKING, RANK[a.priority], stamp(a.since) if a.since else "", a.id)
        )  # fmt: skip

    def apply(self, entry: Entry) -> None:
        """One more entry; those that say nothing of alarms change nothing."""
        body = entry.body
        if body is None:
            return
        match entry.kind:
            case "excursion_started" | "tag_silent":
                self._raise(entry, body)
            case "excursion_ended" | "tag_heard":
                self._change(_identity(entry, body), cleared)
            case "alarm_acknowledged":
                self._change(str(body["alarm"]), lambda a: replace(a, acknowledged=True))
            case "alarm_reset":
                self._change(str(body["alarm"]), lambda a: replace(a, latched=False))
            case "alarm_shelved":
                until = moment(str(body["until"]))
                self._change(str(body["alarm"]), lambda a: replace(a, shelved_until=until))
            case "alarm_unshelved":
                self._change(str(body["alarm"]), lambda a: replace(a, shelved_until=None))
            case "unit_procedure_finished":
                self._unwatched(entry.stream, str(body.get("path", "")))
            case "state_changed" if body.get("to") in ENDED:
                self._unwatched(entry.stream, str(body.get("path", "")))
            case "unit_out_of_service" | "unit_in_service":
                self._service(entry.stream.removeprefix("equipment/"), entry.kind == "unit_out_of_service")
            case _:
                return

    def _raise(self, entry: Entry, body: PlainDict) -> None:
        identity = _identity(entry, body)
        unit, since = str(body["unit"]), moment(str(body["since"]))
        known = self.alarms.get(identity) or Alarm(
            identity, unit, str(body["tag"]), str(body["path"]), _kind(entry)
        )
        priority = cast("Priority", body.get("priority") or _usual(entry))
        fresh = replace(
            known, priority=priority, latching=body.get("latching") is True, suppressed=False, raised=entry.number,
            out_of_service=unit in self._out, says={**body},
        )  # fmt: skip
        self.alarms[identity] = raised(fresh, since)
        self.times = [*self.times[1 - HISTORY :], entry.recorded_at]

    def _change(self, identity: str, change: Callable[[Alarm], Alarm]) -> None:
        if identity in self.alarms:
            self.alarms[identity] = change(self.alarms[identity])

    def _unwatched(self, stream: str, path: str) -> None:
        """A unit procedure has ended: its limits are not judged any more, so none of them is active."""
        for identity, alarm in [*self.alarms.items()]:
            if identity.startswith(f"{stream} ") and (not path or alarm.path == path):
                self.alarms[identity] = cleared(alarm)

    def _service(self, unit: str, out: bool) -> None:
        (self._out.add if out else self._out.discard)(unit)
        for identity, alarm in [*self.alarms.items()]:
            if alarm.unit == unit:
                self.alarms[identity] = replace(alarm, out_of_service=out)


def folded(entries: Iterable[Entry]) -> AlarmList:
    """The list after all entries."""
    found = AlarmList()
    for entry in entries:
        found.apply(entry)
    return found


def _identity(entry: Entry, body: PlainDict) -> str:
    return f"{entry.stream} {body['path']} {body['tag']} {_kind(entry)}"


def _kind(entry: Entry) -> Kind:
    return "silence" if entry.kind in ("tag_silent", "tag_heard") else "limit"


def _usual(entry: Entry) -> Priority:
    """The priority of an alarm recorded before its priority was."""
    return "high" if entry.kind == "tag_silent" else "medium"
