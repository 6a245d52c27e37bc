"""Equipment: a phase runs on a unit that is of its class and offers what it asks."""

from collections.abc import Iterator

from batches.checks.measures import alike
from batches.checks.subject import Call, Flaw, Subject, UnitClass, fits, listed
from batches.recipe import UnitProcedure


def unit_class(subject: Subject) -> Iterator[Flaw]:
    """The unit of a phase is of the class that the phase needs."""
    for call in subject.calls:
        found, needed = subject.unit_class(call.role), call.phase.unit_class
        if not fits(found, needed):
            yield (
                call.line,
                f"'{call.path}' needs a unit of the class '{needed}', but '{call.role}' is '{found}'; run it on another unit.",
            )


def unit_offers(subject: Subject) -> Iterator[Flaw]:
    """Some unit of the plant that fits the role offers every tag and action that the phase asks for."""
    for call in subject.calls:
        offers = subject.offers(call.role)
        tags, actions = asked_tags(call), asked_actions(call)
        lacks = [_lacking(offer, tags, actions) for offer in offers or ()]
        if lacks and all(lacks):
            yield (
                call.line,
                f"'{call.path}' asks '{call.role}' for {listed(min(lacks, key=len))}, which no unit of the class '{subject.unit_class(call.role)}' in the plant offers; choose another phase or unit.",
            )


def unit_tag(subject: Subject) -> Iterator[Flaw]:
    """An alarm limit is on a tag of the unit, in its dimension."""
    for spot in subject.spots:
        for limit in spot.node.limits if isinstance(spot.node, UnitProcedure) else ():
            assert isinstance(spot.node, UnitProcedure)
            offers = [offer.tags for offer in subject.offers(spot.node.unit) or () if offer.tags is not None]
            units = {tags[limit.tag] for tags in offers if limit.tag in tags}
            end = limit.low or limit.high
            if offers and not units:
                yield (
                    limit.place.line,
                    f"The limit is on '{limit.tag}', which no unit of the class '{subject.unit_class(spot.node.unit)}' in the plant has.",
                )
            elif units and end is not None and not any(alike(end.unit, unit) for unit in units):
                yield (
                    limit.place.line,
                    f"The limit of '{limit.tag}' is in '{end.unit}', but the unit measures '{listed(frozenset(units))}'; correct the unit.",
                )


def asked_tags(call: Call) -> tuple[str, ...]:
    """The tags a phase may set or read, given its parameters."""
    return tuple(
        _resolved(call, name) for name in (*call.phase.sets, *call.phase.reads) if _may_ask(call, name)
    )


def asked_actions(call: Call) -> tuple[str, ...]:
    """The actions and programmes it may ask for, given its parameters; '' for one nobody can know yet."""
    return tuple(_resolved(call, name) for name in call.phase.does if _may_ask(call, name))


def _may_ask(call: Call, name: str) -> bool:
    """Whether the parameter that a request goes with is there ('!name': is not there)."""
    needed = call.phase.only_with.get(name, "")
    given = call.value(needed.lstrip("!")) not in (None, "", False)
    return not needed or given != needed.startswith("!")


def _resolved(call: Call, name: str) -> str:
    """The tag or action itself, where a text parameter names it."""
    prefix, _, last = name.rpartition(":")
    declared = call.phase.parameters.get(last)
    if declared is None or declared.kind != "text":
        return name
    word = call.word(last)
    return f"{prefix}:{word}" if prefix and word else word


def _lacking(offer: UnitClass, tags: tuple[str, ...], actions: tuple[str, ...]) -> tuple[str, ...]:
    lacking = [tag for tag in tags if tag and offer.tags is not None and tag not in offer.tags]
    lacking += [
        action for action in actions if action and offer.actions is not None and action not in offer.actions
    ]
    return tuple(lacking)
