from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches import recipe
from batches.disposition import in_the_way, verdicts
from batches.errors import BadInput
from batches.labels import LabelCount, counted, reconcile
from batches.quantities import Quantity, parse
from batches.recipe import Criterion, SamplePlan
from batches.samples import Verdict, checked, outstanding, verdict

PLAN = SamplePlan(
    "final",
    {
        "viability": recipe.Test("viability", "quantity", "%", parse("0 %"), parse("100 %")),
        "sterility": recipe.Test("sterility", "choice", options=("negative", "negative to date", "positive")),
        "clumps": recipe.Test("clumps", "yes_no"),
    },
    parse("4 h"),
)
VIABILITY = Criterion("viability", "final", "viability", at_least=parse("80 %"))
STERILITY = Criterion("sterility", "final", "sterility", equals="negative", blocking=False)
CLUMPS = Criterion("clumps", "final", "clumps", equals="no")
GOOD = {"viability": "92.5 %", "sterility": "negative", "clumps": False}


# -- results -----------------------------------------------------------------------------------------


def test_results_that_are_complete_and_plausible_are_taken_as_written() -> None:
    assert checked(PLAN, GOOD) == {"viability": parse("92.5 %"), "sterility": "negative", "clumps": False}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"viability": "101 %"}, "not plausible"),
        ({"viability": "-1 %"}, "not plausible"),
        ({"viability": "92 g"}, "is measured in %"),
        ({"viability": True}, "needs a number"),
        ({"sterility": "maybe"}, "is one of negative"),
        ({"clumps": "no"}, "true or false"),
        (
            {"colour": "red"},
            "The sample final has no test for colour; its tests are viability, sterility, clumps",
        ),
    ],
)
def test_a_result_that_cannot_be_is_refused(change: dict[str, str | bool], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        checked(PLAN, GOOD | change)


def test_an_incomplete_result_says_what_is_missing() -> None:
    with pytest.raises(BadInput, match="The sample final still needs a result for clumps, viability"):
        checked(PLAN, {"sterility": "negative"})


def test_what_is_outstanding_is_named_in_the_order_of_the_plan() -> None:
    plans = {"final": PLAN, "day_5": replace(PLAN, name="day_5")}
    assert outstanding(plans, {"final": checked(PLAN, GOOD)}) == (
        ("day_5", "viability"), ("day_5", "sterility"), ("day_5", "clumps"),
    )  # fmt: skip


# -- verdicts ----------------------------------------------------------------------------------------


def test_the_specification_is_judged_as_a_whole() -> None:
    specification = {"viability": VIABILITY, "sterility": STERILITY, "clumps": CLUMPS}
    judged = verdicts({"final": {"viability": parse("79.9 %"), "clumps": False}}, specification)
    assert judged == (
        Verdict("viability", "fail", parse("79.9 %"), True, "viability: 79.9 % is below 80 %."),
        Verdict("sterility", "pending", None, False, "sterility: no result of sample final yet."),
        Verdict("clumps", "pass", False, True, "clumps: no, as specified."),
    )
    assert in_the_way(judged) == judged[:1]
    assert in_the_way(verdicts({}, specification)) == verdicts({}, specification)[::2]


@pytest.mark.parametrize(
    ("criterion", "value", "found", "sentence"),
    [
        (VIABILITY, parse("80 %"), "pass", "viability: 80 % is within at least 80 %."),
        (VIABILITY, parse("0.8"), "pass", "viability: 0.8 is within at least 80 %."),
        (replace(VIABILITY, at_most=parse("95 %")), parse("96 %"), "fail", "viability: 96 % is above 95 %."),
        (
            replace(VIABILITY, at_most=parse("95 %")), parse("95 %"), "pass",
            "viability: 95 % is within at least 80 % and at most 95 %.",
        ),
        (replace(VIABILITY, at_least=None), "cloudy", "pass", "viability: cloudy, reported without limit."),
        (STERILITY, "Negative", "pass", "sterility: Negative, as specified."),
        (STERILITY, "negative to date", "pending", "sterility: negative to date, an interim result."),
        (STERILITY, "positive to date", "fail", "sterility: positive to date instead of negative."),
        (CLUMPS, True, "fail", "clumps: yes instead of no."),
        (replace(CLUMPS, equals="False"), False, "pass", "clumps: no, as specified."),
    ],
)  # fmt: skip
def test_a_verdict_and_its_sentence(
    criterion: Criterion, value: Quantity | str | bool, found: str, sentence: str
) -> None:
    judged = verdict(criterion, {"final": {criterion.attribute: value}})
    assert (judged.verdict, judged.sentence) == (found, sentence)


def test_a_result_of_another_kind_is_bad_input() -> None:
    with pytest.raises(BadInput, match="'cloudy' of viability is not a quantity"):
        verdict(VIABILITY, {"final": {"viability": "cloudy"}})
    with pytest.raises(BadInput, match="measure different things"):
        verdict(VIABILITY, {"final": {"viability": parse("80 g")}})


# -- labels ------------------------------------------------------------------------------------------


def test_labels_are_reconciled_or_the_sentence_says_how_many_are_missing() -> None:
    reply = {"printed": parse("12"), "used": parse("10"), "destroyed": parse("1"), "returned": parse("1")}
    assert counted(reply) == LabelCount(12, 10, 1, 1)
    reconcile(counted(reply), "product")
    with pytest.raises(
        BadInput, match=r"2 labels of product are missing: printed 12, used 10, destroyed 0, returned 0;"
    ):
        reconcile(LabelCount(12, 10, 0, 0), "product")
    with pytest.raises(BadInput, match="The labels of product are 1 more than were printed"):
        reconcile(LabelCount(12, 10, 2, 1), "product")


@pytest.mark.parametrize(
    ("count", "complaint"),
    [
        (None, "labels used is missing"),
        ("10", "labels used is missing"),
        (parse("-1"), "not a count"),
        (parse("1.5"), "not a count"),
        (parse("1 g"), "measure different things"),
    ],
)
def test_a_count_is_a_whole_number(count: Quantity | str | None, complaint: str) -> None:
    reply = {"printed": parse("12"), "used": count, "destroyed": parse("1"), "returned": parse("1")}
    with pytest.raises(BadInput, match=complaint):
        counted(reply)


@given(*[st.integers(0, 500)] * 4)
def test_labels_are_reconciled_exactly_when_none_is_missing_or_too_many(
    printed: int, used: int, destroyed: int, returned: int
) -> None:
    count = LabelCount(printed, used, destroyed, returned)
    assert count.reconciled == (printed == used + destroyed + returned)
    if count.reconciled:
        reconcile(count, "product")
    else:
        with pytest.raises(BadInput):
            reconcile(count, "product")
