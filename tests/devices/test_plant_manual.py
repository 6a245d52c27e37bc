"""Work by hand: what the task for a person says."""

import pytest

from batches.errors import NotFound
from batches.quantities import parse
from batches.steps import Field
from devices.base import DeviceRefused
from devices.drivers.manual import DONE, TEXTS, Manual
from devices.plant import plant_from

PLANT = """\
format: 1
site: Test site
areas:
  - area: Suite
    process_cells:
      - process_cell: Line
        units:
          - id: CC-01
            title: Cell counter
            class: cell_counter
            driver: manual
            tags:
              temperature: {unit: degC, low: 0 degC, high: 50 degC, settable: true}
            actions:
              count:
              gaze_at:
              "program:rinse":
              spin:
                text: Spin gently in {unit}.
                fields:
                  speed: {kind: quantity, unit: rpm, low: 0 rpm, high: 9000 rpm}
"""
COUNTER = Manual(plant_from(PLANT, "plant.yaml", {}).unit("CC-01"))


def test_a_known_action_speaks_the_words_of_the_field() -> None:
    text, fields = COUNTER.describe("count", {"material": "iPSC", "dilution": parse("0.5"), "twice": True})
    assert text == "Count with Cell counter (CC-01). Material: iPSC. Dilution: 0.5. Twice: yes."
    assert Field(**fields["viability"]) == Field(
        "quantity", "%", parse("0 %"), parse("100 %"), critical=True, label="Viability"
    )
    assert list(fields) == ["viable_cells", "viability"]


def test_the_plant_file_may_say_it_otherwise() -> None:
    text, fields = COUNTER.describe(
        "spin", {"force": parse("100 g_0"), "left": "", "parts": ("a", 2, {"b": False})}
    )
    assert text == "Spin gently in Cell counter (CC-01). Force: 100 g_0. Parts: a, 2, b no."
    assert fields == {
        "speed": {"kind": "quantity", "unit": "rpm", "low": parse("0 rpm"), "high": parse("9000 rpm")}
    }


def test_an_action_without_a_text_is_called_by_its_name() -> None:
    assert COUNTER.describe("gaze_at", {}) == ("Gaze at at Cell counter (CC-01).", DONE)
    assert COUNTER.describe("program:rinse", {}) == (
        "Run the programme 'rinse' on Cell counter (CC-01).",
        DONE,
    )


def test_work_that_the_unit_does_not_offer_is_refused() -> None:
    with pytest.raises(DeviceRefused) as refused:
        COUNTER.describe("fill", {})
    assert str(refused.value) == (
        "CC-01 does not offer 'fill', only 'count', 'gaze_at', 'program:rinse' and 'spin' (plant.yaml, line 8); "
        "correct the recipe, or add the work to the plant file."
    )


def test_reading_and_setting_become_questions() -> None:
    field = {
        "kind": "quantity", "unit": "degC", "low": parse("0 degC"), "high": parse("50 degC"), "label": "Temperature",
    }  # fmt: skip
    assert COUNTER.describe_read("temperature") == (
        "Read temperature on Cell counter (CC-01).",
        {"temperature": field},
    )
    assert COUNTER.describe_set("temperature", parse("37 degC")) == (
        "Set temperature of Cell counter (CC-01) to 37 degC, and enter what it shows.",
        {"temperature": field},
    )
    with pytest.raises(NotFound, match="CC-01 has no tag 'speed'"):
        COUNTER.describe_read("speed")


@pytest.mark.parametrize("action", TEXTS)
def test_every_text_names_the_unit_and_asks_for_something(action: str) -> None:
    task = TEXTS[action]
    assert "{unit}" in task.text
    assert task.text.endswith(".")
    assert [Field(**arguments) for arguments in task.fields.values()]
