"""One unit of the plant (ISA-88 equipment) and how it is read from the plant file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict
from urllib.parse import urlsplit

from batches.errors import BadInput, NotFound
from batches.plain import Plain, PlainDict
from batches.quantities import Quantity, dimension
from devices.base import DeviceProtocolError, Identity
from devices.located import Located, Mistakes, from_plain, listed

DRIVERS = {"lads": "opc.tcp", "liquid_handler": "", "opentrons": "http", "manual": "", "sila2": "sila"}
"""Every driver and the scheme of its address; '' where the driver has no address of its own."""
# What a recipe may count on from a unit of such a class, and the unit of measure that fits it.
NEEDED_TAGS = {
    "bioreactor": {"temperature": "degC", "agitation": "rpm", "ph": "pH", "dissolved_oxygen": "%"},
    "closed_cell_processor": {"temperature": "degC", "co2": "%"},
    "controlled_rate_freezer": {"temperature": "degC"},
    "ln2_store": {"temperature": "degC"},
    "incubator": {"temperature": "degC", "co2": "%"},
}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_PATH = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*")
_ACTION = re.compile(r"(program:)?[a-z][a-z0-9_]*")


class FieldArguments(TypedDict, total=False):
    """The arguments of `batches.steps.Field`: one thing a person enters."""

    kind: Literal["quantity", "text", "yes_no", "choice"]
    unit: str
    low: Quantity | None
    high: Quantity | None
    options: tuple[str, ...]
    critical: bool
    label: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A value of a unit: its unit of measure, what is plausible, and whether it takes a set-point."""

    unit: str
    low: Quantity
    high: Quantity
    settable: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """An action a unit offers; `text` and `fields` are what a person reads and enters if it is manual."""

    text: str
    fields: Mapping[str, FieldArguments]


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of the plant (ISA-88 equipment)."""

    id: str
    unit_class: str
    driver: str
    address: str
    identity: Identity
    """Who must answer; an empty part is not compared."""
    tags: Mapping[str, Tag]
    actions: Mapping[str, Action]
    positions: tuple[str, ...]
    """Scanned positions of a shared unit; none: the unit serves one batch at a time."""
    room: str
    """Id of the room it stands in, itself a unit of class room/…; '' if none is given."""
    area: str
    process_cell: str
    options: PlainDict
    """What only the driver understands."""
    title: str
    where: str
    """File and line."""
    written: PlainDict
    """The unit as it stands in the file, at the address it has now."""

    def fits(self, unit_class: str) -> bool:
        """Whether a recipe that asks for `unit_class` may run here: bioreactor accepts bioreactor/stirred_tank."""
        return self.unit_class == unit_class or self.unit_class.startswith(unit_class + "/")

    def tag(self, name: str) -> Tag:
        """A tag by name. Raises NotFound."""
        if name not in self.tags:
            raise NotFound(
                f"{self.id} has no tag '{name}'; its tags are {listed(tuple(self.tags)) or 'none'}."
            )
        return self.tags[name]


def unit_from(written: PlainDict, where: str = "unit") -> Unit:
    """A unit from `Unit.written` and `Unit.where`: how a unit reaches a process of its own."""
    return read_unit(from_plain(written, where), "", "", {})


def check_identity(unit: Unit, found: Identity) -> None:
    """Refuse a device that is not the qualified one. Raises DeviceProtocolError."""
    expected = unit.identity
    pairs = {
        "vendor": (expected.vendor, found.vendor),
        "model": (expected.model, found.model),
        "serial number": (expected.serial, found.serial),
        "software": (expected.software, found.software),
    }
    for what, (wanted, got) in pairs.items():
        if wanted and wanted != got:
            raise DeviceProtocolError(
                f"{unit.id} answers with {what} '{got}', but the plant file expects '{wanted}' ({unit.where}); "
                "check which machine is connected, and qualify it before the plant file names it."
            )


def read_unit(node: Located, area: str, process_cell: str, ports: Mapping[int, int]) -> Unit:
    """The unit at `node`, a member of that area and process cell. Raises BadInput."""
    parts = node.fields(
        ["id", "class", "driver"],
        ["title", "address", "room", "identity", "tags", "actions", "positions", "options"],
    )
    mistakes = Mistakes()
    unit_id = _pattern(parts["id"], _ID, "a unit's id is letters, digits, '.', '_' and '-', such as BR-01")
    unit_class = _pattern(
        parts["class"], _PATH, "a class is lower-case words with slashes, such as bioreactor/stirred_tank"
    )
    driver = _driver(parts["driver"])
    address = _address(node, parts, driver, ports)
    unit = Unit(
        id=unit_id,
        unit_class=unit_class,
        driver=driver,
        address=address,
        identity=_identity(parts.get("identity")),
        tags=_tags(parts.get("tags"), mistakes),
        actions=_actions(parts.get("actions"), mistakes),
        positions=_positions(parts.get("positions")),
        room=parts["room"].text() if "room" in parts else "",
        area=area,
        process_cell=process_cell,
        options=_options(parts.get("options")),
        title=parts["title"].text() if "title" in parts else unit_id,
        where=node.where,
        written=_as_mapping(node) | ({"address": address} if address else {}),
    )
    mistakes.complain()
    _check_needed_tags(unit, parts.get("tags", node))
    return unit


def _pattern(node: Located, pattern: re.Pattern[str], rule: str) -> str:
    text = str(node.value) if isinstance(node.value, int) else node.text()
    if not pattern.fullmatch(text):
        raise node.mistake(f"'{text}' cannot stand here: {rule}.")
    return text


def _driver(node: Located) -> str:
    driver = node.text()
    if driver not in DRIVERS:
        raise node.mistake(f"there is no driver '{driver}'; the drivers are {listed(tuple(DRIVERS))}.")
    return driver


def _address(node: Located, parts: Mapping[str, Located], driver: str, ports: Mapping[int, int]) -> str:
    scheme = DRIVERS[driver]
    if not scheme:
        if "address" in parts:
            raise parts["address"].mistake(f"the driver '{driver}' has no address; remove this line.")
        return ""
    if "address" not in parts:
        raise node.mistake(
            f"'address' is missing; the driver '{driver}' needs one, such as {scheme}://host:4840/ID."
        )
    return _moved(parts["address"], scheme, ports)


def _moved(node: Located, scheme: str, ports: Mapping[int, int]) -> str:
    text = node.text()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != scheme or not parts.hostname or port is None:
        raise node.mistake(f"'{text}' is not an address of this driver; write it as {scheme}://host:4840/ID.")
    if port not in ports:
        return text
    return parts._replace(netloc=parts.netloc.removesuffix(f":{port}") + f":{ports[port]}").geturl()


def _identity(node: Located | None) -> Identity:
    parts = node.fields([], ["vendor", "model", "serial", "software"]) if node else {}
    told = {
        name: str(part.value) if isinstance(part.value, int) else part.text() for name, part in parts.items()
    }
    return Identity(
        told.get("vendor", ""), told.get("model", ""), told.get("serial", ""), told.get("software", "")
    )


def _tags(node: Located | None, mistakes: Mistakes) -> dict[str, Tag]:
    tags: dict[str, Tag] = {}
    for name, part in (node.mapping() if node else {}).items():
        with mistakes.gathered():
            tags[_name(part, name, _PATH, "tag")] = _tag(part)
    return tags


def _tag(node: Located) -> Tag:
    parts = node.fields(["unit", "low", "high"], ["settable"])
    unit = parts["unit"].text() if parts["unit"].value else ""
    low, high = parts["low"].quantity(), parts["high"].quantity()
    if {_dimension(parts["unit"], unit)} != {low.dimension, high.dimension}:
        raise parts["unit"].mistake(
            f"the limits {low} and {high} do not measure what '{unit}' measures; correct one."
        )
    if low >= high:
        raise parts["low"].mistake(
            f"the low limit {low} is not below the high limit {high}; correct one of them."
        )
    return Tag(unit, low, high, "settable" in parts and parts["settable"].yes_no())


def _dimension(node: Located, unit: str) -> str:
    try:
        return dimension(unit)
    except BadInput as error:
        raise node.mistake(str(error)) from error


def _actions(node: Located | None, mistakes: Mistakes) -> dict[str, Action]:
    if node is None:
        return {}
    if not isinstance(node.value, Mapping):
        names = [_name(part, part.text(), _ACTION, "action") for part in node.items()]
        return {name: Action("", {}) for name in names}
    actions: dict[str, Action] = {}
    for name, part in node.mapping().items():
        with mistakes.gathered():
            actions[_name(part, name, _ACTION, "action")] = _action(part)
    return actions


def _action(node: Located) -> Action:
    if node.value is None:
        return Action("", {})
    parts = node.fields([], ["text", "fields"])
    fields = parts["fields"].mapping() if "fields" in parts else {}
    return Action(
        parts["text"].text() if "text" in parts else "", {name: _field(part) for name, part in fields.items()}
    )


def _field(node: Located) -> FieldArguments:
    parts = node.fields(["kind"], ["unit", "low", "high", "options", "critical", "label"])
    made = FieldArguments()
    match parts["kind"].text():
        case ("quantity" | "text" | "yes_no" | "choice") as kind:
            made["kind"] = kind
        case other:
            raise parts["kind"].mistake(
                f"'{other}' is no kind of field; write quantity, text, yes_no or choice."
            )
    if made["kind"] == "quantity":
        made.update(_bounds(node, parts))
    if made["kind"] == "choice":
        made["options"] = tuple(
            part.text() for part in parts.get("options", Located(None, node.where)).items()
        )
    if "critical" in parts:
        made["critical"] = parts["critical"].yes_no()
    if "label" in parts:
        made["label"] = parts["label"].text()
    return made


def _bounds(node: Located, parts: Mapping[str, Located]) -> FieldArguments:
    tag = _tag(Located({name: parts[name] for name in ("unit", "low", "high") if name in parts}, node.where))
    return FieldArguments(unit=tag.unit, low=tag.low, high=tag.high)


def _name(node: Located, name: str, pattern: re.Pattern[str], what: str) -> str:
    if not pattern.fullmatch(name):
        raise node.mistake(f"'{name}' is no name of an {what}; use lower-case letters, digits and '_'.")
    return name


def _positions(node: Located | None) -> tuple[str, ...]:
    positions = (
        tuple(_pattern(part, _ID, "a position is a short label") for part in node.items()) if node else ()
    )
    if node and len(set(positions)) < len(positions):
        raise node.mistake("a position stands here twice; each is scanned by its own label.")
    return positions


def _options(node: Located | None) -> PlainDict:
    return _as_mapping(node) if node else {}


def _as_mapping(node: Located) -> dict[str, Plain]:
    return {name: part.plain() for name, part in node.mapping().items()}


def _check_needed_tags(unit: Unit, place: Located) -> None:
    for unit_class, needed in NEEDED_TAGS.items():
        if not unit.fits(unit_class):
            continue
        for name, measure in needed.items():
            if name not in unit.tags:
                raise place.mistake(
                    f"{unit.id} is a {unit_class} and needs the tag '{name}' in {measure}; add it."
                )
            if dimension(unit.tags[name].unit) != dimension(measure):
                wrong = unit.tags[name].unit
                raise place.mistake(
                    f"the tag '{name}' of {unit.id} is in '{wrong}', not in {measure}; correct it."
                )
