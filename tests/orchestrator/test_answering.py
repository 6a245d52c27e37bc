"""Answers of people: one of two wins, a second person checks, a wrong thing is refused and kept."""

import asyncio
from datetime import timedelta

import pytest

from batches.errors import BadInput, Conflict, IdentityMismatch, KweekError, NotFound, NotPermitted, Refused
from batches.plain import Plain
from batches.quantities import parse
from batches.steps import (
    Ask,
    Consume,
    Decide,
    Do,
    Field,
    First,
    Label,
    PhaseRun,
    Program,
    Scan,
    Sign,
    Wait,
    plain,
)
from devices.base import DeviceUnreachable
from orchestrator.answers import Late
from tests.orchestrator.stories import (
    HOUR,
    MINUTE,
    SIGNED_BY,
    START,
    Town,
    World,
    person,
    scripted,
    unit_procedure,
)

COUNT = {"cells": Field("quantity", "cell/mL", parse("0 cell/mL"), parse("1e8 cell/mL"), critical=True)}


def count() -> PhaseRun:
    found = yield Ask("Count the cells.", COUNT)
    yield Ask(
        "Anything else?",
        {"said": Field("text"), "fine": Field("yes_no"), "kind": Field("choice", options=("a", "b"))},
    )
    return {"found": found}


def scan() -> PhaseRun:
    yield Scan("Scan the patient's label.", "identity")
    yield Scan("Scan the unit.", "unit")
    return {}


def first() -> PhaseRun:
    fired = yield First((Ask("Early?", {"yes": Field("yes_no")}), Wait(parse("24 h"))))
    yield Do("feed", {})
    return {"fired": fired}


def signed() -> PhaseRun:
    yield Decide("Harvest?", ("harvest", "continue"), {}, "supervisor")
    yield Sign("I have done this.", "performed")
    return {}


def programme() -> PhaseRun:
    yield Program("wash", {})
    return {}


def used() -> PhaseRun:
    lot = yield Consume("seed", parse("2 vial"))
    return {"lot": lot}


def labels() -> PhaseRun:
    yield Label("product", 3)
    return {}


SCRIPTS = {
    "count": count, "scan": scan, "first": first, "signed": signed, "programme": programme, "used": used, "labels": labels,
}  # fmt: skip


def world(name: str) -> World:
    return World(scripted(unit_procedure("Grow", name)), SCRIPTS)


def values(cells: str) -> dict[str, Plain]:
    return {"values": {"cells": cells}}


async def refused(
    town: Town, error: type[KweekError], match: str, answer: Plain, name: str = "", late: Late | None = None
) -> None:
    """An answer that is refused: kept in the record, and nothing else changes."""
    (task,) = town.tasks.values()
    before, answers = len(town.entries), list(task.answers)
    with pytest.raises(error, match=match):
        await town.say(task, answer, name, late=late)
    assert [entry.kind for entry in town.entries[before:]] == ["refused"]
    assert (town.tasks, task.answers) == ({task.id: task}, answers)


def test_a_critical_value_is_checked_by_a_second_person() -> None:
    found = world("count")

    async def story(town: Town) -> None:
        await town.begin()
        task = town.task("ask")
        assert (await town.say(task, values("2e6 cell/mL"), "p-1"))["status"] == "awaiting_verification"
        await refused(town, NotPermitted, "needs a second person", {"verified": True}, "p-1")
        await refused(town, BadInput, "waits for its check", values("3e6 cell/mL"), "p-2")
        await refused(town, BadInput, "waits for its check", {"verified": "yes"}, "p-2")
        assert (await town.say(task, {"verified": True}, "p-2"))["status"] == "done"
        done = town.bodies("step_done")[0]
        assert (done["performer"], done["reply"]) == ("p-1", {"cells": plain(parse("2e6 cell/mL"))})
        await town.to_the_end()
        assert town.verified().findings == []

    found.run(story)


def test_the_second_person_may_reject_what_the_first_answered() -> None:
    found = world("count")

    async def before(town: Town) -> None:
        await town.begin()
        task = town.task("ask")
        await town.say(task, values("2e7 cell/mL"), "p-1")
        await refused(town, BadInput, "say why", {"verified": False}, "p-2")
        said = await town.say(task, {"verified": False, "reason": "the display shows 2e6"}, "p-2")
        assert said == {"task": task.id, "status": "rejected"}

    async def after(town: Town) -> None:
        task = town.task("ask")
        assert task.answers == []
        assert (await town.say(task, values("2e6 cell/mL"), "p-2"))["status"] == "awaiting_verification"
        assert (await town.say(task, {"verified": True}, "p-1"))["status"] == "done"
        answered = [body["answer"] for body in town.bodies("task_answered")]
        assert answered == [
            values("2e7 cell/mL"),
            {"verified": False, "reason": "the display shows 2e6"},
            values("2e6 cell/mL"),
        ]
        assert town.bodies("step_done")[0]["performer"] == "p-2"
        await town.to_the_end()
        assert town.verified().findings == []

    found.run(before, after)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ("5 mL", "is measured in cell/mL"), ("NaN cell/mL", "."), ("1e9 cell/mL", "not plausible"),
        ("-1 cell/mL", "not plausible"), ("2e6", "is measured in cell/mL"), ("many", "."), ("", "."),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_taken_is_refused(cells: str, says: str) -> None:
    found = world("count")

    async def story(town: Town) -> None:
        await town.begin()
        await refused(town, BadInput, says, values(cells))

    found.run(story)


@pytest.mark.parametrize(
    "answer",
    [None, [], "yes", {}, {"values": {}}, {"values": {"cells": None}}, {"values": {"cells": 3}},
     {"values": {"cells": "1e6 cell/mL", "more": "1"}}, {"verified": True}],
)  # fmt: skip
def test_an_answer_of_another_shape_is_refused(answer: Plain) -> None:
    found = world("count")

    async def story(town: Town) -> None:
        await town.begin()
        await refused(town, BadInput, "task B-26-0001-T0001|cells", answer)

    found.run(story)


@pytest.mark.parametrize(
    "change", [{"said": ""}, {"said": 1}, {"fine": "yes"}, {"kind": "c"}, {"said": "x" * 4001}]
)
def test_text_yes_no_and_choice_are_checked(change: dict[str, Plain]) -> None:
    found = world("count")

    async def story(town: Town) -> None:
        await town.begin()
        await town.answer(town.task("ask"))
        good: dict[str, Plain] = {"said": "nothing", "fine": True, "kind": "a"}
        await refused(town, BadInput, next(iter(change)), {"values": {**good, **change}})

    found.run(story)


def test_a_wrong_scan_is_an_identity_mismatch_and_cannot_be_overridden() -> None:
    found = world("scan")

    async def story(town: Town) -> None:
        await town.begin()
        await refused(town, IdentityMismatch, "set the material aside", {"scan": "KWDEMO126000002X"})
        await refused(
            town, IdentityMismatch, "set the material aside", {"scan": "KWDEMO126000002X", "override": True}
        )
        await refused(town, BadInput, "needs 'scan'", {"scan": "  "})
        await town.answer(town.task("scan"))
        await refused(town, IdentityMismatch, "set the material aside", {"scan": "BR-02"})
        await town.to_the_end()

    found.run(story)


def test_of_two_answers_at_once_one_wins_and_the_other_learns_who() -> None:
    found = world("scan")

    async def story(town: Town) -> None:
        await town.begin()
        task = town.task("scan")
        both = [
            town.site.answers.answer(town.number, task.id, person("operator", name), town.right(task))
            for name in ("p-1", "p-2")
        ]
        one, other = await asyncio.gather(*both, return_exceptions=True)
        assert one == {"task": task.id, "status": "done"}
        assert isinstance(other, Conflict)
        assert "p-1" in str(other)
        assert len(town.bodies("step_done")) == 1
        with pytest.raises(Conflict):
            await town.say(task, {"scan": "x"})
        with pytest.raises(NotFound):
            await town.site.answers.answer(town.number, "B-26-0001-T9999", person("operator"), {})

    found.run(story)


def test_a_task_among_the_options_of_a_first_ends_the_wait() -> None:
    found = world("first")

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(2 * HOUR)
        await town.answer(town.task("ask"))
        await town.to_the_end()
        assert town.bodies("step_done")[0]["reply"] == {"fired": 0, "reply": {"yes": True}}
        assert town.clock.now() - START < 3 * HOUR
        assert town.verified().findings == []

    found.run(story)


def test_a_timer_among_the_options_of_a_first_closes_the_question() -> None:
    found = world("first")

    async def story(town: Town) -> None:
        await town.begin()
        task = town.task("ask")
        await town.later(25 * HOUR)
        assert town.bodies("step_done")[0]["reply"] == {"fired": 1, "reply": None}
        with pytest.raises(Conflict):
            await town.say(task, {"values": {"yes": True}})

    found.run(story)


def test_what_is_signed_needs_a_signature_and_the_right_role() -> None:
    found = world("signed")

    async def story(town: Town) -> None:
        await town.begin()
        (task,) = town.tasks.values()
        for actor, signature in (
            (person("operator"), SIGNED_BY),
            (person("supervisor"), None),
            (person("qa"), SIGNED_BY),
        ):
            with pytest.raises(NotPermitted):
                await town.site.answers.answer(town.number, task.id, actor, {"choice": "harvest"}, signature)
        await refused(town, BadInput, "choose one of: harvest, continue", {"choice": "wait"})
        await town.say(task, {"choice": "harvest"})
        await refused(town, BadInput, "confirmed", {"confirmed": False})
        await town.to_the_end()
        assert [body["signature"] for body in town.bodies("step_done")] == [SIGNED_BY.plain()] * 2

    found.run(story)


def test_labels_are_counted_by_number() -> None:
    found = world("labels")

    async def story(town: Town) -> None:
        await town.begin()
        wrong = {"printed": "3", "used": "3", "destroyed": "0", "returned": "-1"}
        await refused(town, BadInput, "returned", {"values": wrong})
        await town.to_the_end()
        assert town.state.labels["product"] == {
            name: plain(parse(n))
            for name, n in (("printed", "3"), ("used", "3"), ("destroyed", "0"), ("returned", "0"))
        }

    found.run(story)


def test_the_prompt_of_a_programme_is_asked_once_and_answered() -> None:
    found = world("programme")
    shop, prompts, given = found.shop, ["Load the wash buffer"], list[str]()

    async def prompt(unit: str, command: str) -> str | None:
        return prompts[0] if prompts else None

    async def answer_prompt(unit: str, command: str, text: str) -> None:
        given.append(text)
        prompts.clear()
        raise DeviceUnreachable("the link broke")

    shop.prompt, shop.answer_prompt = prompt, answer_prompt
    shop.lasts = timedelta(minutes=30)

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(7 * MINUTE)
        task = town.task("prompt")
        await town.say(task, {"text": "loaded"})
        assert given == ["loaded"]
        assert "did not take the answer" in str(town.bodies("note_added")[0]["text"])
        await town.to_the_end()
        assert len(town.bodies("evidence_kept")) == 0

    found.run(story)


# --- lots ---------------------------------------------------------------------------------------------


def test_a_lot_that_may_not_be_used_is_refused_and_nothing_is_taken_from_it() -> None:
    found = world("used")

    async def story(town: Town) -> None:
        await town.begin()
        new = await town.stock("seed", "5 vial", release=False)
        short = await town.stock("seed", "1 vial")
        late = await town.stock("seed", "5 vial", expires=START + HOUR)
        other = await town.stock("medium", "500 mL")
        await town.later(2 * HOUR)
        for lot, says in (
            (new, "in quarantine"),
            (short, "is short"),
            (late, "expired at"),
            (other, "carries no chain of identity"),
        ):
            await refused(town, Refused, says, {"scan": lot})
        await refused(town, BadInput, "There is no lot L-26-09999", {"scan": "L-26-09999"})
        assert {lot.number: str(lot.left()) for lot in town.site.lots.values()} == {
            new: "5 vial", short: "1 vial", late: "5 vial", other: "500 mL",
        }  # fmt: skip
        await town.site.decide_lot(new, "accept", "sig", "patient material, sterility pending", person("qa"))
        await town.say(town.task("consume"), {"scan": new})
        assert str(town.site.lots[new].left()) == "3 vial"
        await town.to_the_end()
        assert [(use.material, use.lot, str(use.quantity)) for use in town.state.used] == [
            ("seed", new, "2 vial")
        ]
        assert town.verified().findings == []

    found.run(story)


def test_a_lot_is_used_within_its_time_after_it_was_opened() -> None:
    found = World(
        scripted(unit_procedure("Grow", "used"), unit_procedure("Again", "used", unit="cabinet")), SCRIPTS
    )

    async def story(town: Town) -> None:
        await town.begin()
        lot = await town.stock("seed", "9 vial")
        await town.say(town.task("consume"), {"scan": lot})
        await town.later(3 * HOUR)
        await refused(town, Refused, "opened or thawed too long ago", {"scan": lot})
        assert str(town.site.lots[lot].left()) == "7 vial"

    found.run(story)


def test_late_entries_name_three_people_and_both_times() -> None:
    found = world("count")

    async def story(town: Town) -> None:
        await town.begin()
        await town.later(5 * HOUR)
        happened = START + HOUR
        late = Late(happened, "p-1", "p-2", "the network was down; paper sheet 7")
        for wrong, error in (
            (Late(happened, "p-1", "p-1", "x"), NotPermitted), (Late(happened, "p-1", "p-2", " "), BadInput),
            (Late(happened, "", "p-2", "x"), BadInput), (Late(town.clock.now() + HOUR, "p-1", "p-2", "x"), BadInput),
        ):  # fmt: skip
            await refused(town, error, ".", values("2e6 cell/mL"), "p-3", late=wrong)
        await town.say(town.task("ask"), values("2e6 cell/mL"), "p-3", late=late)
        await town.say(town.task("ask"), {"verified": True}, "p-2")
        (entry,) = [entry for entry in town.entries if entry.kind == "task_answered"]
        assert (entry.happened_at, entry.recorded_at, entry.actor.id) == (happened, START + 5 * HOUR, "p-3")
        assert entry.content()["late"] == late.plain("p-3")
        await town.to_the_end()
        assert town.verified().findings == []

    found.run(story)
