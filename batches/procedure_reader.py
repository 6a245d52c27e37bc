"""The procedure of a recipe: unit procedures, operations and phases, with parallel, choice, repeat and
calculations between them (grammar: `batches/recipe.py`)."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal, cast

from batches.errors import BadInput
from batches.quantities import Quantity
from batches.recipe import (
    Calculate,
    Choice,
    Hold,
    Limit,
    Node,
    Operation,
    Parallel,
    PhaseCall,
    Repeat,
    Scalar,
    TimeLimit,
    UnitProcedure,
)
from batches.recipe_form import ELEMENT, IDENTIFIER, Form, shown
from batches.written import Mistakes, Written

Level = Literal["procedure", "unit procedure", "operation"]
PHASE = re.compile(r"([a-z][a-z0-9_]{0,59})@([1-9][0-9]{0,3})")
BELONGS: Mapping[str, tuple[str, Level]] = {
    "unit_procedure": ("a unit procedure", "procedure"),
    "operation": ("an operation", "unit procedure"),
    "phase": ("a phase", "operation"),
}
NAMED = ("unit_procedure", "operation", "parallel", "choice", "repeat", "calculate")
ADVICE = {
    "procedure": "the procedure holds unit procedures",
    "unit procedure": "a unit procedure holds operations",
    "operation": "an operation holds phases with their version (expand@1)",
}
MOST_ROUNDS = 1000


def read_procedure(form: Form) -> tuple[Node, ...]:
    """The procedure of the recipe."""
    items = form.items("procedure", required=True)
    return _body(items, "procedure", form.mistakes, Names(items))


def read_call(written: Written, mistakes: Mistakes) -> PhaseCall:
    """One phase item that stands alone."""
    form = Form(written, "The phase", mistakes)
    return _phase(form, Names())


class Names:
    """The names among siblings: they are part of the path, so that each may stand once. A phase
    without `as` takes the name of its class, the second time with '#2'; it gives way to the names
    that the recipe itself gives (`items`: all siblings, over all branches)."""

    def __init__(self, items: tuple[Written, ...] = ()) -> None:
        self.given = {name for item in items if (name := _given_name(item))}
        self.taken: set[str] = set()

    def give(self, wanted: str, form: Form) -> str:
        if wanted in self.taken:
            sentence = f"'{wanted}' is the name of two elements side by side; rename one of them."
            form.mistakes.add(form.line, "duplicate-name", sentence)
        self.taken.add(wanted)
        return wanted

    def give_class(self, phase: str) -> str:
        number = 1
        while (name := phase if number == 1 else f"{phase}#{number}") in self.taken | self.given:
            number += 1
        self.taken.add(name)
        return name


def _given_name(item: Written) -> str:
    members: Mapping[str, Written] = item.value if isinstance(item.value, Mapping) else {}
    found = next((members[key].value for key in (*NAMED, "as") if key in members), "")
    return found if isinstance(found, str) else ""


def _body(items: tuple[Written, ...], level: Level, mistakes: Mistakes, names: Names) -> tuple[Node, ...]:
    """The elements of a sequence."""
    forms = (Form(item, "This element of the procedure", mistakes) for item in items)
    return tuple(node for form in forms if (node := _element(form, level, names)) is not None)


def _kind(form: Form) -> str:
    """What an element is, by the key that says so; '' if none does."""
    for kind in NAMED:
        if kind in form.members:
            return kind
    return "phase" if any("@" in key for key in form.members) else ""


def _element(form: Form, level: Level, names: Names) -> "Node | None":
    kind = _kind(form)
    if kind in BELONGS and BELONGS[kind][1] != level:
        form.mistakes.add(form.line, "schema", f"This is {BELONGS[kind][0]}, and {ADVICE[level]}; move it.")
    match kind:
        case "unit_procedure":
            return _unit_procedure(form, names)
        case "operation":
            return _operation(form, names)
        case "phase":
            return _phase(form, names)
        case "parallel":
            return _parallel(form, level, names)
        case "choice":
            return _choice(form, level, names)
        case "repeat":
            return _repeat(form, level, names)
        case "calculate":
            return _calculate(form, names)
        case _:
            if form.members:
                keys = ", ".join(form.members)
                sentence = f"This element has {keys}; {ADVICE[level]}, parallel, choice, repeat or calculate."
                form.mistakes.add(form.line, "schema", sentence)
            return None


def _name(form: Form, key: str, names: Names, pattern: re.Pattern[str] = ELEMENT) -> str:
    found = form.name(key, "a name", pattern)
    form.rename(f"'{found}'")
    return names.give(found, form)


def _unit_procedure(form: Form, names: Names) -> UnitProcedure:
    name = _name(form, "unit_procedure", names)
    items = form.items("operations", required=True)
    found = UnitProcedure(
        name=name,
        unit=form.text("unit", "reactor"),
        body=_body(items, "unit procedure", form.mistakes, Names(items)),
        also=form.texts("also"),
        limits=tuple(_limit(tag, node, form.mistakes) for tag, node in form.entries("limits", "tag")),
        place=form.place,
    )
    form.sourced()
    form.close()
    return found


def _limit(tag: str, node: Written, mistakes: Mistakes) -> Limit:
    form = Form(node, f"The limit of '{tag}'", mistakes)
    low, high, delay = form.quantity("low"), form.quantity("high"), form.quantity("delay")
    critical, (source, assumed) = form.flag("critical"), form.sourced()
    dead_band, off_delay = form.quantity("dead_band"), form.quantity("off_delay")
    priority = cast(
        "Literal['', 'critical', 'high', 'medium', 'low']",
        form.option("priority", ("critical", "high", "medium", "low"), ""),
    )
    latching, holds = form.flag("latching"), form.flag("holds")
    _check_dead_band(form, low, high, dead_band)
    if not {"low", "high"} & form.members.keys():
        form.missing("low", "36.5 degC' or 'high: 37.5 degC")
    form.close()
    return Limit(
        tag, low, high, delay, critical, source, assumed, form.place, dead_band, off_delay, priority, latching, holds
    )  # fmt: skip


def _check_dead_band(form: Form, low: Quantity | None, high: Quantity | None, band: Quantity | None) -> None:
    """A dead band is a difference of what the limit measures, and leaves room between the two limits."""
    if band is None:
        return
    try:
        ends = None if low is None else low + band, None if high is None else high - band
        if band.value <= 0 or (ends[0] is not None and ends[1] is not None and ends[0] > ends[1]):
            raise BadInput("it leaves no room between the limits, or is not above 0")
    except BadInput as error:
        form.wrong(
            form.members["dead_band"],
            f"the dead band {band} cannot be taken off the limits: {error}; correct it.",
        )


def _operation(form: Form, names: Names) -> Operation:
    name = _name(form, "operation", names)
    items = form.items("phases", required=True)
    body = _body(items, "operation", form.mistakes, Names(items))
    form.sourced()
    form.close()
    return Operation(name, body, form.place)


def _parallel(form: Form, level: Level, names: Names) -> Parallel:
    name = _name(form, "parallel", names)
    branches = form.items("branches", required=True)
    if len(branches) == 1:
        form.wrong(branches[0], f"'{name}' has one branch; write two or more, or take the parallel away.")
    lists = [_list(node, f"A branch of '{name}'", form) for node in branches]
    inner = Names(tuple(item for items in lists for item in items))
    form.close()
    return Parallel(name, tuple(_body(items, level, form.mistakes, inner) for items in lists), form.place)


def _choice(form: Form, level: Level, names: Names) -> Choice:
    name = _name(form, "choice", names)
    options = [
        _option(Form(node, f"An option of '{name}'", form.mistakes))
        for node in form.items("when", required=True)
    ]
    if "" in [condition for condition, _ in options[:-1]]:
        sentence = f"'{name}' has options after 'otherwise', which can never be taken; move 'otherwise' last."
        form.mistakes.add(form.line, "schema", sentence)
    inner = Names(tuple(item for _, items in options for item in items))
    form.close()
    bodies = tuple((condition, _body(items, level, form.mistakes, inner)) for condition, items in options)
    return Choice(name, bodies, form.place)


def _option(form: Form) -> tuple[str, tuple[Written, ...]]:
    """{if: EXPRESSION, then: […]} or {otherwise: […]}."""
    key = "otherwise" if "otherwise" in form.members else "then"
    condition = "" if key == "otherwise" else _expression(form, "if")
    if key not in form.members:
        form.missing("then", "[…]")
    items = _list(form.members.get(key, Written(())), f"'{key}'", form)
    form.asked.append(key)
    form.close()
    return condition, items


def _expression(form: Form, key: str) -> str:
    """The text of an expression; a bare number, true and false are expressions too."""
    found = form.node(key)
    if found is None:
        if key not in form.members:
            form.missing(key, "$count.viable_cells >= '1e6 cell'")
        return "false"
    match found.value:
        case bool():
            return str(found.value).lower()
        case int() | str():
            return str(found.value)
        case _:
            form.wrong(found, f"'{key}' of {form.within} is {shown(found.value)}; write an expression.")
            return "false"


def _list(node: Written, what: str, form: Form) -> tuple[Written, ...]:
    """A list that may be empty: 'otherwise: []' means that nothing is done."""
    if not isinstance(node.value, tuple):
        form.wrong(node, f"{what} is {shown(node.value)}; write a list, each item after '- ', or [].")
        return ()
    return node.value


def _repeat(form: Form, level: Level, names: Names) -> Repeat:
    name = _name(form, "repeat", names)
    until, at_most = _expression(form, "until"), form.whole("at_most", 1, MOST_ROUNDS)
    items = form.items("body", required=True)
    body = _body(items, level, form.mistakes, Names(items))
    form.close()
    return Repeat(name, body, until, at_most, form.place)


def _calculate(form: Form, names: Names) -> Calculate:
    name = _name(form, "calculate", names, IDENTIFIER)
    found = Calculate(name, _expression(form, "value"), form.measure("unit"), form.place)
    form.sourced()
    form.close()
    return found


def _phase(form: Form, names: Names) -> PhaseCall:
    key, phase, version = _class(form)
    form.rename(f"The phase '{phase}'")
    alias = form.name("as", "") if "as" in form.members else ""
    form.asked += [key, "as"]
    parameters = dict(_parameters(form, key))
    found = PhaseCall(
        name=names.give(alias, form) if alias else names.give_class(phase),
        phase=phase,
        version=version,
        parameters={name: value for name, (value, _) in parameters.items()},
        alias=alias,
        hold=_hold(form),
        then_within=_then_within(form),
        place=form.place,
        lines={name: line for name, (_, line) in parameters.items()},
    )
    form.sourced()
    form.close()
    return found


def _class(form: Form) -> tuple[str, str, int]:
    """The key 'expand@1' with its parts."""
    for key, node in form.members.items():
        if found := PHASE.fullmatch(key):
            return key, found[1], int(found[2])
        if "@" in key:
            form.wrong(node, f"'{key}' is not a phase and its version; write one such as expand@1.")
            return key, key.partition("@")[0], 0
    form.missing("expand@1", "{…}")
    return "", "", 0


def _parameters(form: Form, key: str) -> "Iterator[tuple[str, tuple[Scalar, int]]]":
    """The parameters with their lines. {value: 37 degC, source: …} says where one comes from."""
    written = form.members.get(key)
    if written is None or written.value is None:
        return
    inner = Form(written, f"{form.what}", form.mistakes)
    for name, node in inner.members.items():
        inner.asked.append(name)
        if isinstance(node.value, Mapping):
            long = Form(node, f"The parameter '{name}'", form.mistakes)
            value = long.scalar("value")
            long.sourced()
            long.close()
        else:
            value = inner.as_scalar(node, f"The parameter '{name}'")
        yield name, (value, node.line)


def _hold(form: Form) -> Hold:
    """{safe: STATE, longest: 12 h} or {cannot: finish|discard}."""
    inner = form.form("hold")
    if inner is None:
        return Hold()
    inner.sourced()
    if "cannot" in inner.members:
        otherwise = inner.option("cannot", ("finish", "discard"))
        found = Hold(otherwise=cast("Literal['finish', 'discard']", otherwise))
    else:
        found = Hold(inner.text("safe", "keep_environment"), inner.quantity("longest", "12 h"))
    inner.close()
    return found


def _then_within(form: Form) -> tuple[TimeLimit, ...]:
    """One time limit, or a list of several."""
    found = form.node("then_within")
    if found is None:
        return ()
    nodes = found.value if isinstance(found.value, tuple) else (found,)
    what = f"'then_within' of {form.within}"
    return tuple(_time_limit(Form(node, what, form.mistakes)) for node in nodes)


def _time_limit(form: Form) -> TimeLimit:
    """{at_most: 90 min, at_least: 1 h, to: NAME, from: start}; one of the two times is there."""
    if not {"at_most", "at_least"} & form.members.keys():
        form.missing("at_most", "90 min")
    source, assumed = form.sourced()
    found = TimeLimit(
        form.quantity("at_most"), form.quantity("at_least"), form.text("to"),
        cast("Literal['start', 'end']", form.option("from", ("end", "start"), "end")), source, assumed, form.place,
    )  # fmt: skip
    form.close()
    return found
