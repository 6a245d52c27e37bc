"""Tasks: what a step asks of people, and which answers count (told without an engine)."""

from typing import get_args

import pytest

from batches.errors import BadInput, IdentityMismatch
from batches.plain import Plain, PlainDict
from batches.quantities import parse, quantity
from batches.record_state import Task, Use
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    Field,
    Fired,
    First,
    Label,
    Produce,
    Program,
    Read,
    Result,
    Role,
    Sample,
    Scan,
    Set,
    Sign,
    Step,
    Transfer,
    Until,
    Wait,
    plain,
)
from batches.tasks import ANSWERS_FOR, SIGNED, reply_of, tasks_of
from tests.batches.eventful import harvests, small_recipe
from tests.batches.running import START, Run

ONE_ML = parse("1 mL")
YES = {"yes": Field("yes_no")}
RUN = Run(small_recipe(), harvests)
STATE = RUN.state
STATE.units |= {"reactor": "BR-01", "cabinet": "SC-01"}
STATE.used.append(Use("cells", "L-26-00007", ONE_ML, "x", 1))


def task_of(step: Step) -> Task:
    found = tasks_of(STATE, step)[0]
    content, option = found["content"], found.get("option")
    assert isinstance(content, dict)
    return Task(
        str(found["id"]), str(found["kind"]), "Grow/Op/x", str(found["role"]), content, START, 1, 1,
        option if isinstance(option, int) else None, int(str(found["people"])),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("step", "kinds"),
    [
        (Ask("Look.", YES), [("ask", "operator", 1)]), (Ask("Look.", YES, "qc"), [("ask", "qc", 1)]),
        (Ask("Count.", {"n": Field("quantity", "mL", critical=True)}), [("ask", "operator", 2)]),
        (Decide("Go?", ("a", "b"), {}, "supervisor"), [("decide", "supervisor", 1)]),
        (Scan("Scan.", "identity"), [("scan", "operator", 1)]), (Sign("Done.", "performed"), [("sign", "operator", 1)]),
        (Consume("cells", ONE_ML), [("consume", "operator", 1)]), (Label("cells", 2), [("label", "operator", 1)]),
        (Sample("count"), [("sample", "operator", 1)]), (Result("count"), [("result", "qc", 1)]),
        (First((Until("ph", at_least=parse("7 pH")), Ask("a", YES), Wait(parse("1 h")), Decide("b", ("x",), {}))),
         [("ask", "operator", 1), ("decide", "operator", 1)]),
        (Do("feed", {}), []), (Set("ph", parse("7 pH")), []), (Read("ph"), []), (Program("p", {}), []),
        (Transfer("a", "b", ONE_ML), []), (Until("ph", at_least=parse("7 pH")), []), (Wait(parse("1 h")), []),
        (Produce("cells", ONE_ML), []),
    ],
)  # fmt: skip
def test_every_step_asks_whom_it_should(step: Step, kinds: list[tuple[str, str, int]]) -> None:
    found = tasks_of(STATE, step)
    assert [(task["kind"], task["role"]) for task in found] == [kind[:2] for kind in kinds]
    if not isinstance(step, Result):
        assert [task["people"] for task in found] == [kind[2] for kind in kinds]
    assert [task["id"] for task in found] == [f"B-26-0001-T{n:04}" for n in range(1, len(found) + 1)]


@pytest.mark.parametrize(
    "step",
    [Do("feed", {}), Set("ph", parse("7 pH")), Read("ph"), Program("p", {}), Transfer("a", "b", ONE_ML)],
)
def test_work_on_a_manual_unit_is_a_task(step: Step) -> None:
    hand: PlainDict = {"text": "By hand.", "fields": {"done": plain(Field("yes_no"))}, "unit": "SC-01"}
    (task,) = tasks_of(STATE, step, hand)
    assert (task["kind"], task["role"], task["content"]) == ("work", "operator", hand)


def test_the_options_of_a_first_are_told_apart() -> None:
    step = First((Wait(parse("1 h")), Ask("a", YES), Decide("b", ("x",), {})))
    assert [task["option"] for task in tasks_of(STATE, step)] == [1, 2]
    assert plain(Fired(1, {"yes": True})) == {"fired": 1, "reply": {"yes": True}}


def test_every_role_that_is_asked_has_somebody_who_may_answer() -> None:
    assert {role for role in ANSWERS_FOR if role not in get_args(Role)} == set()
    assert all(role in allowed for role, allowed in ANSWERS_FOR.items())
    assert {"decide", "sign", "in_doubt", "failed", "dispose", "reconcile"} == SIGNED


@pytest.mark.parametrize(
    ("expects", "unit", "right", "wrong"),
    [
        ("identity", "", "KWDEMO126000001U", "KWDEMO126000002X"), ("unit", "reactor", "BR-01", "SC-01"),
        ("unit:cabinet", "", "SC-01", "BR-01"), ("unit", "", "SC-01", "BR-02"), ("lot:cells", "", "L-26-00007", "L-26-00008"),
        ("batch", "", "B-26-0001", "B-26-0002"), ("text:T-1", "", "T-1", "T-2"), ("unit:nowhere", "", "", "BR-01"),
        ("lot:nothing", "", "", "L-26-00007"),
    ],
)  # fmt: skip
def test_a_scan_shows_what_was_expected_or_is_a_mismatch(
    expects: str, unit: str, right: str, wrong: str
) -> None:
    task = task_of(Scan("Scan.", expects, unit))
    if right:
        assert reply_of(STATE, task, {"scan": f" {right} "}) == right
    with pytest.raises(IdentityMismatch, match="set the material aside"):
        reply_of(STATE, task, {"scan": wrong})


FIELDS = {
    "amount": Field("quantity", "mL", parse("0 mL"), parse("10 mL")), "note": Field("text"), "fine": Field("yes_no"),
    "kind": Field("choice", options=("a", "b")), "bare": Field("quantity", "", parse("0"), parse("9")),
}  # fmt: skip
GOOD: dict[str, Plain] = {"amount": "2.5 mL", "note": "x", "fine": False, "kind": "a", "bare": "3"}


def test_values_are_taken_with_their_units() -> None:
    found = reply_of(STATE, task_of(Ask("?", FIELDS)), {"values": GOOD})
    assert found == {
        "amount": parse("2.5 mL"), "note": "x", "fine": False, "kind": "a", "bare": quantity(3, ""),
    }  # fmt: skip
    other = reply_of(
        STATE, task_of(Ask("?", FIELDS)), {"values": {**GOOD, "amount": {"value": "2500", "unit": "uL"}}}
    )
    assert isinstance(other, dict)
    assert plain(other["amount"]) == {"value": "2500", "unit": "uL"}, "kept as it was entered"


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "2.5"}, {"amount": "2.5 g"}, {"amount": "NaN mL"}, {"amount": "Infinity mL"}, {"amount": "11 mL"},
        {"amount": "-0.1 mL"}, {"amount": 2}, {"amount": None}, {"amount": True}, {"amount": {"value": "NaN", "unit": "mL"}},
        {"amount": {"value": "1"}}, {"amount": ["1 mL"]}, {"amount": "1 mL 2"}, {"bare": "3 mL"}, {"bare": "10"},
        {"note": ""}, {"note": "  "}, {"note": 5}, {"fine": 1}, {"fine": None}, {"kind": "c"}, {"kind": None}, {"more": "x"},
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_the_name_of_the_field(wrong: dict[str, Plain]) -> None:
    with pytest.raises(BadInput) as said:
        reply_of(STATE, task_of(Ask("?", FIELDS)), {"values": {**GOOD, **wrong}})
    assert str(said.value).endswith((".", ")"))


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_what_is_missing_is_named(missing: str) -> None:
    values = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(BadInput, match=f"still needs {missing}"):
        reply_of(STATE, task_of(Ask("?", FIELDS)), {"values": values})


def test_a_sample_and_its_results_name_the_same_tube() -> None:
    task = task_of(Sample("count", ONE_ML))
    number = tasks_of(STATE, Sample("count", ONE_ML))[0]["content"]
    assert isinstance(number, dict)
    assert reply_of(STATE, task, {"scan": str(number["number"])}) == number["number"]
    with pytest.raises(IdentityMismatch):
        reply_of(STATE, task, {"scan": "another tube"})


def test_a_sample_that_is_not_planned_is_bad_input() -> None:
    with pytest.raises(BadInput, match="has no sample 'nothing'"):
        tasks_of(STATE, Result("nothing"))


def test_a_refused_scan_repeats_no_name_that_was_typed_for_the_label() -> None:
    task = task_of(Scan("Scan.", "identity"))
    for typed, told in (("Jan Jansen, 1980-03-12", ""), ("KWDEMO126000002W", " (KWDEMO126000002W)")):
        with pytest.raises(IdentityMismatch) as refused:
            reply_of(STATE, task, {"scan": typed})
        assert str(refused.value).startswith(f"The label scanned{told} is not the chain-of-identity label of")
