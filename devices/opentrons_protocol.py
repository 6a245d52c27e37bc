"""From a pipetting plan to the protocol an Opentrons robot runs: JSON protocol, schema 8. Pure.

The commands are data, so that what was checked, what is uploaded and what the robot logs can be compared
line by line: `key` stands on both. The same plan and command id give the same bytes. A cycle of eight
moves of one column runs on the pipette of eight channels; every other one on that of one channel.
Source: github.com/Opentrons/opentrons, shared-data/protocol/schemas/8.json.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from devices.base import DeviceRefused
from devices.deck_state import DeckState
from devices.opentrons_deck import Setup, definition
from devices.pipetting import FLOW, MIX_VOLUME, MIXES, Plan, Stage, plan
from devices.volumes import Move, shown

NAME = "Kweek "
"""A protocol is called so, followed by the command id: by it the run is found again."""
_BOTTOM = {"origin": "bottom", "offset": {"x": 0, "y": 0, "z": 1}}
_TOP = {"origin": "top", "offset": {"x": 0, "y": 0, "z": 0}}


@dataclass(frozen=True, slots=True)
class Compiled:
    """What an action comes to on the robot."""

    plan: Plan
    channels: int
    tips: tuple[tuple[str, ...], ...]
    """By pick-up."""
    text: str

    @property
    def cycles(self) -> list[tuple[Move, ...]]:
        """In order; the command with the key `gave/<n>` ends cycle n."""
        return [cycle for stage in self.plan.stages for cycle in stage.cycles]


def compile_action(
    action: str, parameters: Mapping[str, object], setup: Setup, state: DeckState, command: str
) -> Compiled:
    """The protocol of an action, checked against the books. Raises DeviceRefused."""
    made, channels = _planned(action, parameters, setup, state)
    pipette = setup.pipettes[setup.mount(channels) or ""]
    for move in made.moves:
        if move.volume < pipette.least:
            raise DeviceRefused(
                f"The action '{action}' moves {shown(move.volume)}, and the pipette {pipette.name} moves at least "
                f"{shown(pipette.least)}; use more, or mount another pipette."
            )
    tips = tuple(state.plan_tips(made.widths))
    if channels > 1 and any(len(set(_columns(picked))) > 1 for picked in tips):
        raise DeviceRefused(
            "No whole column of tips is left for the pipette of eight channels; put in full racks and confirm "
            "with the action 'load_tips'."
        )
    return Compiled(made, channels, tips, _text(made, channels, tips, setup, command))


def _planned(
    action: str, parameters: Mapping[str, object], setup: Setup, state: DeckState
) -> tuple[Plan, int]:
    """The plan for eight channels where every cycle is a whole column, else for one."""
    made = plan(action, parameters, setup.layout, state.ledger)
    channels = setup.layout.channels
    if channels == 1 or all(_is_column(cycle, setup) for stage in made.stages for cycle in stage.cycles):
        return made, channels
    return plan(action, parameters, replace(setup.layout, channels=1), state.ledger), 1


def _is_column(cycle: Sequence[Move], setup: Setup) -> bool:
    """Whether eight channels side by side can do it: one volume, and each side one trough or one column."""
    if len({move.volume for move in cycle}) != 1 or len(cycle) != setup.layout.channels:
        return False
    columns = {column for plate in setup.layout.plates.values() for column in plate}
    sides = (tuple(move.source for move in cycle), tuple(move.target for move in cycle))
    return all(side in columns or len(set(side)) == 1 for side in sides)


def _columns(picked: Sequence[str]) -> list[str]:
    """'tips_1/12' of 'tips_1/A12': rack and column."""
    return [f"{rack}/{spot[1:]}" for rack, _, spot in (name.rpartition("/") for name in picked)]


def _text(made: Plan, channels: int, tips: Sequence[tuple[str, ...]], setup: Setup, command: str) -> str:
    definitions = {kind: definition(kind) for _, kind in setup.labware.values()}
    written = {
        "$otSharedSchema": "#/protocol/schemas/8",
        "schemaVersion": 8,
        "metadata": {"protocolName": NAME + command, "author": "Kweek"},
        "robot": {"model": setup.robot.model, "deckId": setup.robot.deck},
        "labwareDefinitionSchemaId": "opentronsLabwareSchemaV2",
        "labwareDefinitions": {_uri(each): each for each in definitions.values()},
        "liquidSchemaId": "opentronsLiquidSchemaV1",
        "liquids": {},
        "commandSchemaId": "opentronsCommandSchemaV8",
        "commands": [*_loads(setup, definitions), *_moves(made, channels, tips, setup)],
        "commandAnnotationSchemaId": "opentronsCommandAnnotationSchemaV1",
        "commandAnnotations": [],
    }
    return json.dumps(written, sort_keys=True, separators=(",", ":"))


def _uri(made: Mapping[str, Any]) -> str:
    return f"{made['namespace']}/{made['parameters']['loadName']}/{made['version']}"


def _command(kind: str, key: str, **params: object) -> dict[str, object]:
    return {"commandType": kind, "key": key, "params": params}


def _loads(setup: Setup, definitions: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, object]]:
    for labware, (slot, kind) in setup.labware.items():
        made = definitions[kind]
        yield _command(
            "loadLabware",
            f"labware/{labware}",
            location={"slotName": slot},
            loadName=made["parameters"]["loadName"],
            namespace=made["namespace"],
            version=made["version"],
            labwareId=labware,
        )
    for mount, pipette in setup.pipettes.items():
        yield _command(
            "loadPipette", f"pipette/{mount}", pipetteName=pipette.name, mount=mount, pipetteId=mount
        )


class _Writer:
    """Writes the commands of a plan for one pipette."""

    def __init__(self, mount: str, setup: Setup) -> None:
        self._mount, self._setup = mount, setup

    def pick_up(self, number: int, tip: str) -> dict[str, object]:
        return self._at("pickUpTip", f"tips/{number}", tip, wellLocation=_TOP)

    def drop(self, number: int) -> Iterator[dict[str, object]]:
        trash = self._setup.robot.trash
        offset = {"x": 0, "y": 0, "z": 0}
        yield _command(
            "moveToAddressableAreaForDropTip",
            f"over_trash/{number}",
            pipetteId=self._mount,
            addressableAreaName=trash,
            offset=offset,
            alternateDropLocation=True,
        )
        yield _command("dropTipInPlace", f"dropped/{number}", pipetteId=self._mount)

    def cycle(self, number: int, move: Move, *, mix: bool) -> Iterator[dict[str, object]]:
        for turn in range(MIXES if mix else 0):
            yield self._flow("aspirate", f"mix_in/{number}/{turn}", move.source, MIX_VOLUME)
            yield self._flow("dispense", f"mix_out/{number}/{turn}", move.source, MIX_VOLUME)
        yield self._flow("aspirate", f"drew/{number}", move.source, move.volume)
        yield self._flow("dispense", f"gave/{number}", move.target, move.volume)

    def _flow(self, kind: str, key: str, vessel: str, volume: Decimal) -> dict[str, object]:
        return self._at(kind, key, vessel, volume=float(volume), flowRate=float(FLOW), wellLocation=_BOTTOM)

    def _at(self, kind: str, key: str, vessel: str, **more: object) -> dict[str, object]:
        place = self._setup.places[vessel]
        return _command(
            kind, key, pipetteId=self._mount, labwareId=place.labware, wellName=place.well, **more
        )


def _moves(
    made: Plan, channels: int, tips: Sequence[tuple[str, ...]], setup: Setup
) -> Iterator[dict[str, object]]:
    writer = _Writer(setup.mount(channels) or "", setup)
    cycles = 0
    picks = enumerate(tips)
    for stage in made.stages:
        for group in _groups(stage):
            number, picked = next(picks)
            yield writer.pick_up(number, picked[0])
            for cycle in group:
                yield from writer.cycle(cycles, cycle[0], mix=stage.mix)
                cycles += 1
            yield from writer.drop(number)


def _groups(stage: Stage) -> list[tuple[tuple[Move, ...], ...]]:
    """The cycles that share a set of tips."""
    return [(cycle,) for cycle in stage.cycles] if stage.new_tips else [stage.cycles]
