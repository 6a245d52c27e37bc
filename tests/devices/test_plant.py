"""The plant file: what the demo's says, and every mistake shown with its line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput, NotFound
from batches.quantities import parse
from devices.base import DeviceProtocolError, Identity
from devices.located import listed
from devices.plant import DEMO, PORTS_VARIABLE, Plant, load, plant_from, ports_from
from devices.twins.catalogue import make as make_twin
from devices.unit import DRIVERS, Tag, check_identity, unit_from
from tests.conftest import ROOT

GOOD = """\
format: 1
site: Test site
areas:
  - area: Suite
    process_cells:
      - process_cell: Line
        units:
          - id: BR-01
            class: bioreactor/stirred_tank
            driver: lads
            address: opc.tcp://127.0.0.1:4840/BR-01
            room: RM-01
            identity: {vendor: Acme, serial: 17}
            tags:
              temperature: {unit: degC, low: 2 degC, high: 50 degC, settable: true}
              agitation: {unit: rpm, low: 0 rpm, high: 500 rpm}
              ph: {unit: pH, low: 4 pH, high: 10 pH}
              dissolved_oxygen: {unit: "%", low: 0 %, high: 250 %}
            actions: [feed, "program:clean"]
          - id: RM-01
            class: room/grade_c
            driver: manual
            actions:
              count:
                text: Count the boxes.
                fields:
                  boxes: {kind: quantity, unit: vial, low: 0 vial, high: 9 vial, critical: true, label: Boxes}
                  shape: {kind: choice, options: [round, flat]}
              clean:
            positions: [A1, A2]
"""


def read(text: str, ports: dict[int, int] | None = None) -> Plant:
    return plant_from(text, "plant.yaml", ports or {})


def refusal(text: str) -> str:
    """What is said of a text that is refused; '' if it is read."""
    try:
        read(text)
    except BadInput as refused:
        return str(refused)
    return ""


def mistake(old: str, new: str) -> str:
    assert old in GOOD
    with pytest.raises(BadInput) as refused:
        read(GOOD.replace(old, new, 1))
    return str(refused.value)


def test_the_demo_plant_has_what_the_demo_needs() -> None:
    plant = load(DEMO, {})
    counts = {
        "bioreactor/vertical_wheel": 2,
        "bioreactor/stirred_tank": 1,
        "bioreactor": 3,
        "closed_cell_processor": 2,
        "liquid_handler": 2,
        "controlled_rate_freezer": 2,
        "ln2_store": 1,
        "incubator": 2,
        "room/grade_a": 2,
        "room": 4,
        "centrifuge": 1,
        "cell_counter": 1,
        "imaging_microscope": 1,
        "flow_cytometer": 1,
        "fill_unit": 1,
        "label_printer": 1,
    }
    assert {name: len(plant.units_of(name)) for name in counts} == counts
    assert plant.simulated
    assert plant.unit("BR-01").address == "opc.tcp://127.0.0.1:4840/BR-01"


def test_the_demo_plant_offers_what_its_twins_can_do() -> None:
    for unit in (unit for unit in load(DEMO, {}).units if unit.driver == "lads"):
        twin = make_twin(unit.unit_class, unit.id, 0.0)
        check_identity(unit, twin.identity)
        assert {action.removeprefix("program:") for action in unit.actions} == set(twin.model.programmes)
        for name, shown in twin.model.tags.items():
            tag = unit.tag(name)
            assert (tag.unit, tag.settable) == (shown.unit, shown.settable is not None)
            assert float(tag.low.value) <= shown.low
            assert float(tag.high.value) >= shown.high
        assert unit.tags.keys() == twin.model.tags.keys()


def test_a_unit_is_read_whole() -> None:
    plant = read(GOOD)
    unit, room = plant.units
    assert (plant.site, plant.simulated, plant.file) == ("Test site", False, "plant.yaml")
    assert (unit.id, unit.driver, unit.room, unit.area, unit.process_cell) == (
        "BR-01", "lads", "RM-01", "Suite", "Line",
    )  # fmt: skip
    assert unit.tag("temperature") == Tag("degC", parse("2 degC"), parse("50 degC"), True)
    assert unit.identity == Identity("Acme", "", "17", "")
    assert list(unit.actions) == ["feed", "program:clean"]
    assert unit.where == "plant.yaml, line 8"
    assert room.positions == ("A1", "A2")
    assert room.actions["count"].text == "Count the boxes."
    assert room.actions["count"].fields == {
        "boxes": {
            "kind": "quantity",
            "unit": "vial",
            "low": parse("0 vial"),
            "high": parse("9 vial"),
            "critical": True,
            "label": "Boxes",
        },
        "shape": {"kind": "choice", "options": ("round", "flat")},
    }


def test_a_class_is_fitted_by_what_stands_below_it_only() -> None:
    unit = read(GOOD).unit("BR-01")
    assert unit.fits("bioreactor")
    assert unit.fits("bioreactor/stirred_tank")
    assert not unit.fits("bio")
    assert not unit.fits("bioreactor/vertical_wheel")


def test_an_unknown_unit_or_tag_is_named() -> None:
    plant = read(GOOD)
    with pytest.raises(NotFound, match=r"There is no unit 'BR-09' in plant\.yaml; look up its id there\."):
        plant.unit("BR-09")
    with pytest.raises(NotFound, match=r"BR-01 has no tag 'colour'; its tags are 'temperature', "):
        plant.unit("BR-01").tag("colour")


def test_ports_are_moved_by_argument_and_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(GOOD, {4840: 50123}).unit("BR-01").address == "opc.tcp://127.0.0.1:50123/BR-01"
    monkeypatch.setenv(PORTS_VARIABLE, "4840=50124, 4841=50125")
    assert {unit.address.split("/")[2] for unit in load(DEMO).units_of("bioreactor")} == {"127.0.0.1:50124"}
    assert load(DEMO, {}).unit("BR-01").address.startswith("opc.tcp://127.0.0.1:4840/")
    with pytest.raises(BadInput, match="KWEEK_PORTS='4840' cannot be read; write it as 4840=50123,"):
        ports_from("4840")


def test_a_unit_reaches_another_process_whole() -> None:
    for unit in load(DEMO, {4840: 50123}).units:
        again = unit_from(unit.written, unit.where)
        assert again.address == unit.address
        assert (again.tags, again.actions, again.options, again.where) == (
            unit.tags, unit.actions, unit.options, unit.where,
        )  # fmt: skip


MISTAKES = [
    ("format: 1", "format: 2", "line 1: this Kweek reads plant files of format 1; write 'format: 1'."),
    ("site: Test site\n", "", "line 1: 'site' is missing; add a line 'site: …'."),
    ("site: Test site", "site: [a]", "line 2: a list stands where a text is needed; write some words."),
    ("areas:", "area:", "line 1: 'areas' is missing; add a line 'areas: …'."),
    (
        "            driver: lads",
        "            driver: fax",
        f"line 10: there is no driver 'fax'; the drivers are {listed(tuple(DRIVERS))}.",
    ),
    ("            driver: lads\n", "", "line 8: 'driver' is missing; add a line 'driver: …'."),
    (
        "            driver: lads",
        "            colour: red\n            driver: lads",
        "line 10: 'colour' is not known here; the known names are 'id', 'class', 'driver', 'title', 'address', "
        "'room', 'identity', 'tags', 'actions', 'positions' and 'options'.",
    ),
    (
        "id: RM-01",
        "id: BR-01",
        "line 20: the id 'BR-01' is also that of the unit in plant.yaml, line 8; give each its own.",
    ),
    (
        "id: BR-01",
        "id: BR 01",
        "line 8: 'BR 01' cannot stand here: a unit's id is letters, digits, '.', '_' and '-', such as BR-01.",
    ),
    (
        "class: bioreactor/stirred_tank",
        "class: Bioreactor/",
        "line 9: 'Bioreactor/' cannot stand here: a class is lower-case words with slashes, such as "
        "bioreactor/stirred_tank.",
    ),
    (
        "            address: opc.tcp://127.0.0.1:4840/BR-01\n",
        "",
        "line 8: 'address' is missing; the driver 'lads' needs one, such as opc.tcp://host:4840/ID.",
    ),
    (
        "opc.tcp://127.0.0.1:4840/BR-01",
        "http://127.0.0.1:4840",
        "line 11: 'http://127.0.0.1:4840' is not an address of this driver; write it as opc.tcp://host:4840/ID.",
    ),
    (
        "opc.tcp://127.0.0.1:4840/BR-01",
        "opc.tcp://127.0.0.1:99999/BR-01",
        "line 11: 'opc.tcp://127.0.0.1:99999/BR-01' is not an address of this driver; write it as "
        "opc.tcp://host:4840/ID.",
    ),
    (
        "            driver: manual",
        "            driver: manual\n            address: opc.tcp://127.0.0.1:4840/RM",
        "line 23: the driver 'manual' has no address; remove this line.",
    ),
    (
        "room: RM-01",
        "room: BR-01",
        "line 8: BR-01 stands in 'BR-01', which is no room; the rooms are 'RM-01'.",
    ),
    (
        "              ph: {unit: pH, low: 4 pH, high: 10 pH}\n",
        "",
        "line 14: BR-01 is a bioreactor and needs the tag 'ph' in pH; add it.",
    ),
    (
        "agitation: {unit: rpm, low: 0 rpm, high: 500 rpm}",
        "agitation: {unit: degC, low: 0 degC, high: 500 degC}",
        "line 14: the tag 'agitation' of BR-01 is in 'degC', not in rpm; correct it.",
    ),
    (
        "low: 0 rpm, high: 500 rpm",
        "low: 0 rpm, high: 500 degC",
        "line 16: the limits 0 rpm and 500 degC do not measure what 'rpm' measures; correct one.",
    ),
    (
        "low: 0 rpm, high: 500 rpm",
        "low: 500 rpm, high: 500 rpm",
        "line 16: the low limit 500 rpm is not below the high limit 500 rpm; correct one of them.",
    ),
    (
        "{unit: rpm, low: 0 rpm",
        "{unit: spins, low: 0 rpm",
        "line 16: 'spins' is not a unit of measure Kweek knows; write one such as degC, g/L, h.",
    ),
    (
        "low: 0 rpm",
        "low: slow",
        "line 16: 'slow' is not a quantity; write a number and a unit of measure, such as 37 degC.",
    ),
    ("settable: true", "settable: 1", "line 15: '1' stands where true or false is needed."),
    (
        "[feed, ",
        "[Feed, ",
        "line 19: 'Feed' is no name of an action; use lower-case letters, digits and '_'.",
    ),
    (
        "[A1, A2]",
        "[A1, A1]",
        "line 30: a position stands here twice; each is scanned by its own label.",
    ),
    ("[A1, A2]", "A1", "line 30: 'A1' stands where a list is needed; begin each item with '- '."),
    (
        "kind: choice",
        "kind: colour",
        "line 28: 'colour' is no kind of field; write quantity, text, yes_no or choice.",
    ),
    ("kind: quantity, unit: vial, ", "kind: quantity, ", "line 27: 'unit' is missing; add a line 'unit: …'."),
    (
        ", options: [round, flat]",
        "",
        "line 28: nothing stands where a list is needed; begin each item with '- '.",
    ),
    ("            room: RM-01\n", "            driver: lads\n", "line 12: 'driver' stands here twice; keep one of the two."),
    (
        "            room: RM-01",
        "          room: RM-01",
        "line 12: this is not YAML (expected <block end>, but found '?'); check indentation, colons and quotes.",
    ),
    (
        "            room: RM-01",
        "            [a]: RM-01",
        "line 12: a name must be a text; quote it if it begins with a bracket.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "sentence"), MISTAKES, ids=[sentence[:60] for *_, sentence in MISTAKES]
)
def test_a_mistake_is_one_sentence_with_its_line(old: str, new: str, sentence: str) -> None:
    assert mistake(old, new) == f"plant.yaml, {sentence}"


def test_the_plant_of_the_how_to_can_be_read() -> None:
    text = (ROOT / "docs/how-to/describe-a-plant.md").read_text(encoding="utf-8")
    plant = read(text.split("```yaml\n")[1].split("```")[0])
    assert [unit.id for unit in plant.units] == ["RM-01", "SC-01", "BR-01", "CC-01"]


def test_the_same_address_twice_is_refused() -> None:
    with pytest.raises(BadInput) as refused:
        read(load_text().replace("4840/BR-02", "4840/BR-01"))
    assert "the address 'opc.tcp://127.0.0.1:4840/BR-01' is also that of the unit in" in str(refused.value)


def load_text() -> str:
    return DEMO.read_text(encoding="utf-8")


def test_all_mistakes_are_shown_at_once() -> None:
    broken = GOOD.replace("driver: manual", "driver: hand").replace("unit: rpm", "unit: spins")
    with pytest.raises(BadInput) as refused:
        read(broken.replace("unit: pH", "unit: acid"))
    lines = [line.split(":")[0] for line in str(refused.value).splitlines()]
    assert lines == ["plant.yaml, line 16", "plant.yaml, line 17", "plant.yaml, line 22"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "plant.yaml: the file is empty."),
        ("a: " * 30 + "b", "plant.yaml, line 1: this is not YAML (mapping values are not allowed here); "),
        ("[" * 30 + "]" * 30, "plant.yaml, line 1: this is nested deeper than 20 levels; make it flatter."),
        ("a: &x [*x]", "plant.yaml, line 1: this is nested deeper than 20 levels; make it flatter."),
        ("#" * 1_000_001, "plant.yaml: the file is longer than 1,000,000 characters; this is not such a file."),
        (
            "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
            + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
            "with its aliases the file holds more than 100,000 values.",
        ),
    ],
)  # fmt: skip
def test_a_file_that_is_no_plant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(text)
    assert sentence in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent.yaml cannot be read \(No such file or directory\); check"):
        load(tmp_path / "absent.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match=r"binary.yaml cannot be read \(it is not UTF-8 text\); check"):
        load(binary)


@given(st.text(max_size=200))
def test_a_text_that_is_no_plant_is_refused_with_its_place(text: str) -> None:
    assert refusal(text).startswith(("plant.yaml: ", "plant.yaml, line "))


LINES = GOOD.splitlines(keepends=True)


@given(
    st.integers(0, len(LINES) - 1),
    st.integers(0, len(LINES) - 1),
    st.sampled_from(["drop", "double", "swap"]),
)
def test_a_plant_file_with_lines_moved_is_read_or_refused(one: int, other: int, change: str) -> None:
    lines = list(LINES)
    match change:
        case "drop":
            del lines[one]
        case "double":
            lines.insert(other, lines[one])
        case _:
            lines[one], lines[other] = lines[other], lines[one]
    assert all(line.startswith("plant.yaml") for line in refusal("".join(lines)).splitlines())


def test_only_the_qualified_machine_may_answer() -> None:
    unit = read(GOOD).unit("BR-01")
    check_identity(unit, Identity("Acme", "any", "17", "2.0"))
    with pytest.raises(DeviceProtocolError) as refused:
        check_identity(unit, Identity("Acme", "any", "18", "2.0"))
    assert str(refused.value) == (
        "BR-01 answers with serial number '18', but the plant file expects '17' (plant.yaml, line 8); "
        "check which machine is connected, and qualify it before the plant file names it."
    )
