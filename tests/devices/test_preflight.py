"""Pre-flight: our books and the maker's analysis, each finding what the other does not."""

import asyncio
import json

from devices.deck_state import DeckState
from devices.opentrons_deck import build
from devices.opentrons_protocol import compile_action
from devices.preflight import Work, analysed, compiled_by_books, preflight
from tests.devices.handling import handler_unit, parameters
from tests.devices.robots import robot_unit


def work(action: str, **asked: object) -> Work:
    return Work(f"Seed/{action}", action, parameters(**asked))


SEED = work("seed_microwells", target="plate_1", volume="150 uL")


def test_what_the_books_refuse_is_said_with_its_place() -> None:
    setup = build(robot_unit())
    compiled, problems = compiled_by_books(setup, [SEED, SEED])
    assert [each.where for each, _ in compiled] == ["Seed/seed_microwells"]
    assert len(problems) == 1
    assert problems[0].startswith("Seed/seed_microwells: 'suspension' holds 5.6 mL")


def test_a_load_makes_it_possible() -> None:
    again = [work("load", vessel="suspension", volume="20 mL"), work("load", vessel="plate_1", volume="0 mL")]
    again = [Work(each.where, each.action, {**each.parameters}) for each in again]
    compiled, problems = compiled_by_books(build(robot_unit()), [SEED, *again, SEED])
    assert (len(compiled), problems) == (2, [])


def test_the_same_plan_gives_the_same_bytes() -> None:
    setup = build(robot_unit())
    state = DeckState(setup.stocked, setup.racks)
    first, second = (compile_action(SEED.action, SEED.parameters, setup, state, "c") for _ in range(2))
    assert first.text == second.text
    assert json.loads(first.text)["metadata"]["protocolName"] == "Kweek c"


def test_the_analysis_runs_here_and_finds_what_the_books_do_not() -> None:
    """A tip that is not there: geometry and order are the library's business."""
    setup = build(robot_unit())
    made = compile_action(SEED.action, SEED.parameters, setup, DeckState(setup.stocked, setup.racks), "c")
    broken = json.loads(made.text)
    broken["commands"] = [each for each in broken["commands"] if each["commandType"] != "pickUpTip"]
    problems = asyncio.run(analysed([("sound", made.text), ("broken", json.dumps(broken))]))
    assert len(problems) == 1
    assert problems[0].startswith(
        "broken: the analysis by opentrons refuses the protocol (TipNotAttachedError"
    )


def test_a_handler_through_pylabrobot_is_tried_on_its_simulation() -> None:
    sound = asyncio.run(preflight(handler_unit(), [SEED]))
    assert (sound.looked, sound.problems) == (1, ())
    found = asyncio.run(preflight(handler_unit(), [SEED, SEED]))
    assert found.problems[0].startswith("Seed/seed_microwells: 'suspension' holds 5.6 mL")
