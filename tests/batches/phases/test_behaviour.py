"""What single phases do when things go as they should, and when they do not: the whole log of steps."""

from collections.abc import Mapping

import pytest

from batches.errors import BadInput, RecordError
from batches.interpret import drive
from batches.phases import begin, lookup
from batches.quantities import Quantity, parse
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    Fired,
    First,
    Label,
    Produce,
    Program,
    Read,
    Result,
    Sample,
    Scan,
    Set,
    Step,
    Until,
    Value,
    Wait,
)


class Script:
    """Answers in turn; keeps a line for every step."""

    def __init__(self, *answers: Value) -> None:
        self.answers = list(answers)
        self.log: list[str] = []

    def answer(self, step: Step) -> Value:
        self.log.append(line(step))
        return self.answers.pop(0)


def line(step: Step) -> str:
    match step:
        case Set():
            return f"set {step.tag} {step.value}"
        case Read():
            return f"read {step.tag}"
        case Wait():
            return f"wait {step.duration}"
        case Until():
            return (
                f"{step.tag} at most {step.at_most}"
                if step.at_most
                else f"{step.tag} at least {step.at_least}"
            )
        case First():
            within = "" if step.within is None else f" within {step.within}"
            return " or ".join(line(option) for option in step.options) + within
        case Do():
            return " ".join(
                ["do", step.action, *(f"{name}={value}" for name, value in step.parameters.items())]
            )
        case Program():
            return " ".join(
                ["run", step.name, *(f"{name}={value}" for name, value in step.parameters.items())]
            )
        case Consume() | Produce():
            return f"{type(step).__name__.lower()} {step.quantity} of {step.material}"
        case Label():
            return f"label {step.count} {step.material}"
        case Sample():
            return f"sample {step.name}"
        case Result():
            return f"result {step.sample}"
        case Ask():
            return f"ask {', '.join(step.fields)}"
        case Decide():
            return f"{step.role} decides: {' | '.join(step.options)}"
        case Scan():
            return f"scan {step.expects}"
        case _:
            return type(step).__name__.lower()


def play(
    name: str, parameters: Mapping[str, str | int], *answers: Value
) -> tuple[list[str], Mapping[str, Value]]:
    """Run a phase with parameters as a recipe writes them; every answer must be needed."""
    phase, script = lookup(name, 1), Script(*answers)
    given = {
        key: parse(value) if isinstance(value, str) and phase.parameters[key].kind == "quantity" else value
        for key, value in parameters.items()
    }
    _, results = drive(begin(phase, given), script.answer)
    assert script.answers == []
    return script.log, results


LOW, LOOK = Fired(0, parse("1.4 g/L")), Fired(1)
GROW = {"temperature": "37 degC", "feed_at": "1.5 g/L", "look_every": "24 h", "at_most": "5 day"}
FIRST = "glucose at most 1.5 g/L or wait 24 h within 5 day"


def test_expand_feeds_looks_and_harvests() -> None:
    log, results = play(
        "expand",
        {**GROW, "sample": "count"},
        None,
        LOW,
        {},
        LOOK,
        "S-1",
        {"viable_cells": parse("2e6 cell/mL")},
        "harvest",
    )
    assert log == [
        "set temperature 37 degC", FIRST, "do feed volume=10 mL", FIRST, "sample count", "result count",
        "operator decides: continue | harvest",
    ]  # fmt: skip
    assert results == {"decision": "harvest", "looks": 1, "feeds": 1}


def test_expand_ends_when_the_time_is_up() -> None:
    log, results = play("expand", {"look_every": "24 h", "at_most": "2 day"}, Fired(0), "continue", Fired(1))
    assert log == ["wait 24 h within 2 day", "operator decides: continue | harvest", "wait 24 h within 2 day"]
    assert results == {"decision": "time is up", "looks": 1, "feeds": 0}


def test_expand_feeds_no_more_than_is_connected() -> None:
    log, results = play(
        "expand", {**GROW, "feeds": 1, "feed_medium": "medium"}, "L-1", None, LOW, {}, Fired(1)
    )
    assert log[0] == "consume 10 mL of medium"
    assert log[-1] == "wait 24 h within 5 day"
    assert results == {"decision": "time is up", "looks": 0, "feeds": 1}


def test_culture_exchanges_twice_where_glucose_is_low() -> None:
    given = {
        "duration": "36 h", "every": "24 h", "medium": "medium", "fraction": "50 %", "exchange_volume": "110 mL",
        "program": "exchange_medium", "sample": "daily", "low_glucose": "2 g/L",
    }  # fmt: skip
    exchange = ["consume 110 mL of medium", "run exchange_medium fraction=50 %"]
    around = ["wait 24 h within 36 h", "sample daily", "result daily"]
    for glucose, times in (("1.9 g/L", 2), ("2 g/L", 1)):
        answers: list[Value] = [Fired(0), "S-1", {"glucose": parse(glucose)}, *["L-1", {}] * times, Fired(1)]
        log, results = play("culture", given, *answers)
        assert log == [*around, *exchange * times, "wait 24 h within 36 h"]
        assert results == {"looks": 1, "exchanges": times}


def test_differentiate_without_a_medium_only_looks() -> None:
    given = {"stage": "I", "duration": "47 h", "every": "24 h", "co2": "5 %", "temperature": "37 degC"}
    log, results = play("differentiate", given, None, None, Fired(0), Fired(1))
    assert log == ["set temperature 37 degC", "set co2 5 %", "wait 24 h within 47 h", "wait 24 h within 47 h"]
    assert results == {"stage": "I", "looks": 1, "exchanges": 0}


GOOD = {"seal_intact": True, "label_agrees": True, "appearance_normal": True, "coldest": parse("3 degC"), "warmest": parse("7 degC"), "age": parse("20 h")}  # fmt: skip
RECEIVE = {
    "material": "leukapheresis", "quantity": "120 mL", "transport_low": "2 degC", "transport_high": "8 degC", "use_within": "48 h",
}  # fmt: skip


def test_receive_scans_before_anything_else_and_issues_last() -> None:
    log, results = play("receive", RECEIVE, "COI", GOOD, "accept", "L-1")
    assert log == [
        "scan identity", "ask seal_intact, label_agrees, appearance_normal, coldest, warmest, age",
        "supervisor decides: accept | accept conditionally | stop the batch", "consume 120 mL of leukapheresis",
    ]  # fmt: skip
    assert results == {"lot": "L-1", "decision": "accept", "conforms": True, "age": parse("20 h")}


@pytest.mark.parametrize(
    ("name", "value"),
    [("seal_intact", False), ("warmest", parse("8.1 degC")), ("coldest", parse("1.9 degC")), ("age", parse("49 h")), ("age", parse("3 day"))],
)  # fmt: skip
def test_receive_asks_qa_where_something_is_wrong(name: str, value: Value) -> None:
    log, results = play("receive", RECEIVE, "COI", {**GOOD, name: value}, "accept conditionally", "L-1")
    assert log[2] == "qa decides: accept conditionally | accept | stop the batch"
    assert results["conforms"] is False


def test_a_decision_to_stop_waits_for_the_command_or_its_withdrawal() -> None:
    log, results = play(
        "receive",
        RECEIVE,
        "COI",
        {**GOOD, "seal_intact": False},
        "stop the batch",
        {"withdrawn": True},
        "accept",
        "L-1",
    )
    assert log[2:5] == [
        "qa decides: accept conditionally | accept | stop the batch",
        "ask withdrawn",
        "qa decides: accept conditionally | accept",
    ]
    assert results["decision"] == "accept"


def test_setup_takes_another_set_where_the_first_leaks() -> None:
    installed: Value = {"installed": True, "intact": True}
    answers: list[Value] = [
        "PR",
        "L-1",
        installed,
        {"integrity_test": "fail"},
        "replace the set",
        "PR",
        "L-2",
        installed,
        {"integrity_test": "pass"},
    ]
    log, results = play(
        "setup", {"set": "tubing_set", "quantity": "1 piece", "program": "install_set"}, *answers
    )
    once = ["scan unit", "consume 1 piece of tubing_set", "ask installed, intact", "run install_set"]
    assert log == [*once, "supervisor decides: replace the set | use it under a deviation", *once]
    assert results == {"lot": "L-2", "integrity": "pass"}


def test_setup_does_not_test_a_set_that_is_damaged() -> None:
    log, results = play(
        "setup",
        {"set": "bag", "quantity": "1 piece", "program": "install_set"},
        "PR",
        "L-1",
        {"installed": True, "intact": False},
        "use it under a deviation",
    )
    assert "run install_set" not in log
    assert results == {"lot": "L-1", "integrity": "fail"}


def test_dissociate_within_its_time() -> None:
    given = {
        "material": "aggregates", "reagent": "enzyme", "reagent_quantity": "20 mL", "contact": "8 min", "at_most": "15 min",
        "product": "single_cells", "volume": "20 mL",
    }  # fmt: skip
    start: list[Value] = ["COI", "L-1", "L-2", {}, None]
    log, results = play("dissociate", given, *start, Fired(0, {"single_cells": True}), "L-3")
    assert log == [
        "scan identity", "scan lot:aggregates", "consume 20 mL of enzyme", "do dissociate reagent=enzyme quantity=20 mL contact=8 min",
        "wait 8 min", "ask single_cells within 15 min", "produce 20 mL of single_cells",
    ]  # fmt: skip
    assert results == {"lot": "L-3", "volume": parse("20 mL"), "in_time": True, "single_cells": True}
    log, results = play(
        "dissociate",
        given,
        *start,
        Fired(1),
        {"single_cells": True},
        "use the cells under a deviation",
        "L-3",
    )
    assert log[5:] == [
        "ask single_cells within 15 min", "ask single_cells", "qa decides: use the cells under a deviation | discard the cells",
        "produce 20 mL of single_cells",
    ]  # fmt: skip
    assert results["in_time"] is False


def counts(printed: int, used: int, destroyed: int = 0, returned: int = 0) -> Value:
    numbers = {"printed": printed, "used": used, "destroyed": destroyed, "returned": returned}
    return {name: Quantity(parse(str(number)).value, "label") for name, number in numbers.items()}


def test_labels_that_add_up_need_no_supervisor() -> None:
    log, results = play(
        "label",
        {"product": "cells", "count": 3},
        counts(4, 3, 1),
        {"text_right": True, "specimen_kept": True},
    )
    assert log == ["label 3 cells", "ask text_right, specimen_kept"]
    assert results["reconciled"] is True
    assert results["destroyed"] == parse("1")


def test_labels_that_do_not_add_up_are_counted_again_then_decided() -> None:
    examined: Value = {"text_right": True, "specimen_kept": True}
    log, results = play("label", {"product": "cells", "count": 3}, counts(4, 3), counts(4, 3, 1), examined)
    assert log == ["label 3 cells", "ask printed, used, destroyed, returned", "ask text_right, specimen_kept"]
    assert results["reconciled"] is True
    log, results = play(
        "label",
        {"product": "cells", "count": 3},
        counts(4, 3),
        counts(4, 3),
        "explained under a deviation",
        examined,
    )
    assert log[2] == "supervisor decides: explained under a deviation | all labels destroyed and printed anew"
    assert results["reconciled"] is False


def test_clear_line_is_asked_three_times_then_decided() -> None:
    bad: Value = {"nothing_left": True, "cleaned": False, "in_order": True}
    good: Value = {"nothing_left": True, "cleaned": True, "in_order": True}
    assert play("clear_line", {"area": "the cabinet"}, bad, good)[1] == {"cleared": True}
    log, results = play("clear_line", {"area": "the cabinet"}, bad, bad, bad, "cleared under a deviation")
    assert log[3] == "supervisor decides: cleared | cleared under a deviation"
    assert results == {"cleared": False}


def test_fill_counts_what_it_uses_and_makes() -> None:
    given = {
        "bulk": "bulk", "volume": "10 mL", "container": "cryobag", "containers": "2 bag", "product": "cells",
        "cryoprotectant": "cs10", "cryoprotectant_volume": "10 mL", "unit": "filler",
    }  # fmt: skip
    checked: Value = {"tight": True, "clean": True, "accepted": parse("2")}
    log, results = play("fill", given, "COI", "L-1", "L-2", "L-3", {}, checked, "L-4")
    assert log == [
        "scan identity", "consume 2 bag of cryobag", "consume 20 mL of bulk", "consume 20 mL of cs10",
        "do fill containers=2 bag volume=10 mL cryoprotectant=cs10 cryoprotectant_volume=10 mL",
        "ask tight, clean, accepted", "produce 40 mL of cells",
    ]  # fmt: skip
    assert results == {"lot": "L-4", "volume": parse("20 mL"), "containers": 2, "accepted": parse("2")}


def test_harvest_takes_the_volume_from_the_unit_or_else_from_two_people() -> None:
    log, results = play("harvest", {"product": "cells"}, "COI", "BR", {"volume": parse("95.2 mL")}, "L-1")
    assert log == ["scan identity", "scan unit", "do harvest", "produce 95.2 mL of cells"]
    assert results["volume"] == parse("95.2 mL")
    log, results = play(
        "harvest",
        {"product": "cells", "volume": "100 mL", "program": "harvest"},
        "COI",
        "PR",
        {},
        {"volume": parse("98 mL")},
        "L-1",
    )
    assert log[2:] == ["run harvest volume=100 mL", "ask volume", "produce 98 mL of cells"]


def test_condition_asks_where_the_unit_stays_cold() -> None:
    given = {"temperature": "37 degC", "ready_at": "36.5 degC", "at_most": "4 h"}
    first = "temperature at least 36.5 degC within 4 h"
    log, results = play("condition", given, None, Fired(0, parse("36.6 degC")), parse("36.7 degC"))
    assert log == ["set temperature 37 degC", first, "read temperature"]
    assert results == {"temperature": parse("36.7 degC"), "in_time": True}
    log, results = play("condition", given, None, Fired(1), parse("31 degC"), "go on")
    assert log[-1] == "supervisor decides: go on | go on under a deviation"
    assert results == {"temperature": parse("31 degC"), "in_time": False}


def test_set_points_are_given_in_one_order_whatever_the_recipe_says() -> None:
    first = play(
        "hold_culture", {"duration": "1 h", "ph": "7.2 pH", "temperature": "37 degC"}, None, None, None
    )
    second = play(
        "hold_culture", {"temperature": "37 degC", "ph": "7.2 pH", "duration": "1 h"}, None, None, None
    )
    assert first == second
    assert first[0] == ["set temperature 37 degC", "set ph 7.2 pH", "wait 1 h"]


def test_store_notices_a_warm_store() -> None:
    given = {"product": "cells", "containers": 2, "at_most": "-150 degC"}
    placed: Value = {"position": "R1-A", "stored": parse("2")}
    assert play("store", given, "COI", "LN", placed, parse("-175.8 degC"))[1] == {
        "position": "R1-A",
        "temperature": parse("-175.8 degC"),
        "cold": True,
    }
    log, results = play(
        "store", given, "COI", "LN", placed, parse("-120 degC"), "stored elsewhere under a deviation"
    )
    assert log[-1].startswith("supervisor decides")
    assert results["cold"] is False


def test_sample_hands_on_results_and_decision() -> None:
    found: Value = {"viable_cells": parse("1e7 cell/mL")}
    given = {
        "sample": "pre_harvest",
        "volume": "3 mL",
        "draw": True,
        "question": "Harvest?",
        "options": "harvest | continue",
    }
    log, results = play("sample", given, {}, "S-1", found, "harvest")
    assert log == [
        "do take_sample volume=3 mL",
        "sample pre_harvest",
        "result pre_harvest",
        "operator decides: harvest | continue",
    ]
    assert results == {"viable_cells": parse("1e7 cell/mL"), "number": "S-1", "decision": "harvest"}


@pytest.mark.parametrize("options", ["", "harvest", "harvest |", "harvest | harvest"])
def test_a_decision_needs_two_different_options(options: str) -> None:
    with pytest.raises(BadInput, match="does not name two different options"):
        play("decide", {"question": "Now?", "options": options})


def test_a_part_that_is_not_positive_is_refused() -> None:
    with pytest.raises(BadInput, match="0 h cannot be repeated within 10 h"):
        play("hold_culture", {"duration": "10 h", "look_every": "0 h"})


def test_an_ingredient_without_its_quantity_is_refused() -> None:
    with pytest.raises(BadInput, match="'first' names saline; give 'first_quantity' too"):
        play("prepare", {"product": "buffer", "volume": "10 mL", "first": "saline"})


@pytest.mark.parametrize("reply", [None, "done", True, Fired(0), {"volume": "much"}])
def test_a_reply_of_the_wrong_shape_is_said(reply: Value) -> None:
    with pytest.raises(RecordError, match="was expected"):
        play("label", {"product": "cells", "count": 3}, reply)


def test_steps_carry_the_role_of_the_unit() -> None:
    asked, _ = drive(
        begin(lookup("thaw", 1), {"material": "bank", "quantity": parse("1 vial"), "unit": "cabinet"}),
        lambda step: {"ice_gone": True, "intact": True} if isinstance(step, Ask) else {},
    )
    assert [step.unit for step, _ in asked if isinstance(step, Do)] == ["cabinet"]
