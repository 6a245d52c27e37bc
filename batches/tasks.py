"""Tasks: what a person is asked, and what counts as an answer.

`tasks_of` turns a step into the tasks it opens, with everything the person needs to see; `reply_of`
turns an answer into the reply the phase gets, or refuses it in one sentence. Both are pure.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never, cast

from batches.errors import BadInput, IdentityMismatch
from batches.numbers import is_number_on_a_label, sample_number
from batches.plain import Plain, PlainDict, dict_in, list_in, text_in
from batches.quantities import Quantity, from_plain, is_quantity, parse
from batches.recipe import SamplePlan, Test
from batches.record import BatchState
from batches.record_state import Task
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    Field,
    First,
    Label,
    Produce,
    Program,
    Read,
    Result,
    Sample,
    Scan,
    Set,
    Sign,
    Step,
    Transfer,
    Until,
    Value,
    Wait,
    plain,
)

SIGNED = frozenset({"decide", "sign", "in_doubt", "failed", "dispose", "reconcile"})
"""Kinds whose answer is a signature: the person authenticates again (21 CFR 11.200)."""

ANSWERS_FOR: Mapping[str, tuple[str, ...]] = {
    "operator": ("operator", "supervisor"),
    "supervisor": ("supervisor",),
    "qc": ("qc",),
    "qa": ("qa", "qp"),
    "qp": ("qp",),
    "engineer": ("engineer",),
    "logistics": ("logistics",),
}
"""Which roles may answer a task for a role."""


ANSWER_KEYS: Mapping[str, str] = {
    "scan": "scan", "sample": "scan", "consume": "scan", "decide": "choice", "ask": "values", "work": "values",
    "result": "values", "label": "values",
}  # fmt: skip
"""What an answer calls the reply, by the kind of task."""


def tasks_of(state: BatchState, step: Step, by_hand: PlainDict | None = None) -> list[PlainDict]:
    """The tasks a step opens, numbered after those opened before. `by_hand`: content for a manual unit."""
    found = _contents(state, step, by_hand)
    return [
        {
            "id": f"{state.number}-T{state.tasks_opened + 1 + index:04}", "kind": kind, "role": role,
            "content": content, "people": _people(content), "option": option,
        }
        for index, (kind, role, content, option) in enumerate(found)
    ]  # fmt: skip


Content = tuple[str, str, PlainDict, int | None]


def _contents(state: BatchState, step: Step, by_hand: PlainDict | None) -> list[Content]:
    match step:
        case First():
            return [_content(state, o, i) for i, o in enumerate(step.options) if isinstance(o, (Ask, Decide))]
        case Ask() | Decide() | Scan() | Sign() | Consume() | Label() | Sample() | Result():
            return [_content(state, step, None)]
        case Do() | Set() | Read() | Transfer() | Program():
            return [] if by_hand is None else [("work", "operator", by_hand, None)]
        case Until() | Wait() | Produce():
            return []
        case _:
            assert_never(step)


def _content(
    state: BatchState, step: Ask | Decide | Scan | Sign | Consume | Label | Sample | Result, option: int | None
) -> Content:  # fmt: skip
    match step:
        case Ask():
            return ("ask", step.role, {"text": step.text, "fields": _fields(step.fields)}, option)
        case Decide():
            given, options = plain(step.given), list(step.options)
            return ("decide", step.role, {"text": step.question, "options": options, "given": given}, option)
        case Scan():
            return (
                "scan",
                step.role,
                {"text": step.text, "expects": step.expects, "unit": step.unit},
                option,
            )
        case Sign():
            return ("sign", step.role, {"text": step.text, "meaning": step.meaning}, option)
        case Consume():
            return ("consume", "operator", _consume(step), option)
        case Label():
            return ("label", "operator", _label(state, step), option)
        case Sample():
            return ("sample", "operator", _sample(state, step), option)
        case Result():
            return ("result", step.role, _result(state, step), option)
        case _:
            assert_never(step)


def _people(content: PlainDict) -> int:
    fields = content.get("fields")
    if not isinstance(fields, Mapping):
        return 1
    return 2 if any(isinstance(f, Mapping) and f.get("critical") is True for f in fields.values()) else 1


def _fields(fields: Mapping[str, Field]) -> PlainDict:
    return {name: plain(field) for name, field in fields.items()}


def _consume(step: Consume) -> PlainDict:
    text = f"Take {step.quantity} of {step.material} and scan its lot label."
    return {"text": text, "material": step.material, "quantity": step.quantity.plain(), "expects": "lot"}


def _label(state: BatchState, step: Label) -> PlainDict:
    text = f"Print {step.count} labels for {step.material} of batch {state.number}, apply them and account for each."
    counts = {
        name: plain(Field("quantity", unit="", low=parse("0"), high=parse("1000"), label=name))
        for name in ("printed", "used", "destroyed", "returned")
    }
    return {"text": text, "material": step.material, "count": step.count, "fields": counts}


def _sample(state: BatchState, step: Sample) -> PlainDict:
    number = sample_number(state.number, state.samples_taken + 1)
    volume = "" if step.volume is None else f" of {step.volume}"
    text = f"Take the sample {step.name}{volume}, label its tube {number} and scan the tube."
    return {"text": text, "sample": step.name, "number": number, "expects": f"text:{number}"}


def _result(state: BatchState, step: Result) -> PlainDict:
    plan = plan_of(state, step.sample)
    taken = state.samples.get(step.sample, [])
    number = taken[-1] if taken else ""
    text = f"Enter the results of sample {step.sample} ({number or 'not taken by this batch'})."
    fields: PlainDict = {name: plain(field_of(test)) for name, test in plan.tests.items()}
    return {
        "text": text, "sample": step.sample, "number": number, "fields": fields, "turnaround": plan.turnaround.plain()
    }  # fmt: skip


def plan_of(state: BatchState, sample: str) -> SamplePlan:
    """The planned sample. Raises BadInput."""
    plan = state.known_recipe().samples.get(sample)
    if plan is None:
        raise BadInput(f"The sampling plan of the recipe has no sample '{sample}'.")
    return plan


def field_of(test: Test) -> Field:
    """The field in which a test's result is entered."""
    label = f"{test.attribute} ({test.method})" if test.method else test.attribute
    return Field(test.kind, test.unit, test.low, test.high, test.options, test.critical, label)


# --- answers --------------------------------------------------------------------------------------


def reply_of(state: BatchState, task: Task, answer: Plain) -> Value:
    """The reply an answer stands for. Raises BadInput or IdentityMismatch, in one sentence.

    Answers: scan, sample {"scan": TEXT}; consume {"scan": LOT}; decide, in_doubt, failed {"choice":
    OPTION, …}; ask, work, label, result {"values": {field: value}}; sign, restart… {"confirmed": true}.
    """
    if not isinstance(answer, Mapping):
        raise BadInput(f"The answer to task {task.id} should be an object such as {{'values': {{…}}}}.")
    match task.kind:
        case "scan" | "sample":
            return _scanned(state, task, _text(task, answer, "scan"))
        case "consume":
            return _text(task, answer, "scan")
        case "decide" | "in_doubt" | "failed":
            return _chosen(task, answer)
        case "ask" | "work" | "result" | "label":
            return _values(task, answer)
        case "prompt":
            return _text(task, answer, "text")
        case _:
            return _confirmed(task, answer)


def _text(task: Task, answer: PlainDict, key: str) -> str:
    value = answer.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > 4000:
        raise BadInput(f"The answer to task {task.id} needs '{key}': the text that was scanned or is said.")
    return value.strip()


def _scanned(state: BatchState, task: Task, scanned: str) -> str:
    expects = text_in(task.content, "expects")
    wanted = _expected(state, task, expects)
    if scanned not in wanted:
        told = f" ({scanned})" if expects != "identity" or is_number_on_a_label(scanned) else ""
        raise IdentityMismatch(
            f"The label scanned{told} is not {_wanted(expects)} of task {task.id}: "
            "set the material aside, check the label in front of you and scan again."
        )
    return scanned


def _wanted(expects: str) -> str:
    kind, _, rest = expects.partition(":")
    match kind:
        case "identity":
            return "the chain-of-identity label"
        case "unit":
            return "the label of the unit"
        case "lot":
            return f"a lot label of {rest}"
        case "batch":
            return "the batch label"
        case _:
            return f"the label {rest}"


def _expected(state: BatchState, task: Task, expects: str) -> Sequence[str]:
    kind, _, rest = expects.partition(":")
    match kind:
        case "identity":
            return (state.identity,)
        case "unit":
            role = str(task.content.get("unit") or "") or rest
            return (state.units.get(role, ""),) if role else tuple(state.units.values())
        case "lot":
            return tuple(use.lot for use in (*state.used, *state.made) if use.material == rest)
        case "batch":
            return (state.number,)
        case _:
            return (rest,)


def _chosen(task: Task, answer: PlainDict) -> str:
    options = list_in(task.content, "options")
    choice = answer.get("choice")
    if choice not in options:
        raise BadInput(
            f"'{choice}' is not an option of task {task.id}; choose one of: {', '.join(map(str, options))}."
        )
    return cast("str", choice)


def _confirmed(task: Task, answer: PlainDict) -> bool:
    if answer.get("confirmed") is not True:
        raise BadInput(f"Task {task.id} is answered with {{'confirmed': true}} once it is done.")
    return True


def _values(task: Task, answer: PlainDict) -> dict[str, Value]:
    fields, given = dict_in(task.content, "fields"), answer.get("values")
    if not isinstance(given, Mapping):
        raise BadInput(f"The answer to task {task.id} needs 'values' for: {', '.join(fields)}.")
    unknown, missing = sorted(given.keys() - fields.keys()), [name for name in fields if name not in given]
    if unknown or missing:
        wrong = f"has no field {', '.join(unknown)}" if unknown else f"still needs {', '.join(missing)}"
        raise BadInput(f"Task {task.id} {wrong}; its fields are {', '.join(fields)}.")
    return {name: entered(name, dict_in(fields, name), given[name]) for name in fields}


def entered(name: str, field: PlainDict, value: Plain) -> Value:
    """One entered value, checked against its field. Raises BadInput."""
    match field["kind"]:
        case "quantity":
            return _quantity(name, field, value)
        case "yes_no":
            if isinstance(value, bool):
                return value
            raise BadInput(f"'{name}' is answered with true or false, not {value!r}.")
        case "choice":
            if value in list_in(field, "options"):
                return cast("str", value)
            raise BadInput(
                f"'{name}' is one of {', '.join(map(str, list_in(field, 'options')))}, not {value!r}."
            )
        case _:
            if isinstance(value, str) and value.strip() and len(value) <= 4000:
                return value
            raise BadInput(f"'{name}' needs a text of 1 to 4000 characters.")


def _quantity(name: str, field: PlainDict, value: Plain) -> Quantity:
    unit = text_in(field, "unit")
    found = from_plain(value) if is_quantity(value) else parse(value) if isinstance(value, str) else None
    if found is None:
        raise BadInput(f"'{name}' needs a number with its unit of measure, such as '1.5 {unit}'.")
    try:
        found.to(unit)
    except BadInput as error:
        raise BadInput(
            f"'{name}' is measured in {unit or 'a bare number'}, not '{found}'; enter it so."
        ) from error
    for bound, sign in (("low", 1), ("high", -1)):
        limit = field[bound]
        if is_quantity(limit) and found.compare(from_plain(limit)) * sign < 0:
            raise BadInput(
                f"'{name}' = {found} is not plausible ({bound} limit {from_plain(limit)}); check and enter again."
            )
    return found
