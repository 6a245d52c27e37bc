"""What a run of an Opentrons robot did, read from its log against what was intended. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any, cast
from unicodedata import normalize

from batches.plain import PlainDict, dict_in, list_in
from devices import wire
from devices.deck_state import moves_in, plain_holds, plain_moves
from devices.opentrons_http import Command, command_from
from devices.opentrons_protocol import Compiled
from devices.volumes import Ledger, Move


@dataclass(frozen=True, slots=True)
class Settled:
    """`done`: cycles that were ended; `holds`: what the vessels hold that are known; `tips`: used ones;
    `doubted`: vessels of a cycle that was begun and not ended; `head`: whether the pipettes may carry tips."""

    done: int
    holds: Mapping[str, Decimal]
    tips: list[str]
    doubted: list[str]
    head: bool


def settled(intent: PlainDict, lines: list[Mapping[str, Any]]) -> Settled:
    """What was done of `intent` (the line that began the command) by the robot's log of the run."""
    commands = [command_from(line) for line in lines]
    cycles = [moves_in({"moves": cycle}) for cycle in list_in(intent, "cycles")]
    done = sum(c.key.startswith("gave/") and c.status == "succeeded" for c in commands)
    begun = {c.key.rpartition("/")[2] for c in commands if c.key.startswith(("drew/", "gave/"))}
    doubted = sorted(_touched([cycles[done]])) if str(done) in begun and done < len(cycles) else []
    before = {name: Decimal(str(held)) for name, held in dict_in(intent, "before").items()}
    after = _after(before, cycles[:done])
    holds = {name: held for name, held in after.items() if name not in doubted}
    picks = cast("list[list[str]]", list_in(intent, "picks"))
    picked = sum(c.kind == "pickUpTip" for c in commands)
    return Settled(done, holds, [tip for pick in picks[:picked] for tip in pick], doubted, _head(commands))


def intent(made: Compiled, protocol: str, ledger: Ledger) -> PlainDict:
    """What is logged before a run is made: enough to settle it by the robot's log alone."""
    return {
        "vessels": made.plan.vessels,
        "tips": [tip for pick in made.tips for tip in pick],
        "picks": [list(pick) for pick in made.tips],
        "cycles": [plain_moves(cycle) for cycle in made.cycles],
        "results": wire.plain({**made.plan.results, "tips": sum(made.plan.widths)}),
        "protocol": protocol,
        "before": plain_holds({name: ledger.held[name] for name in made.plan.vessels}),
        "sha256": sha256(made.text.encode()).hexdigest(),
    }


def _after(before: Mapping[str, Decimal], cycles: list[list[Move]]) -> dict[str, Decimal]:
    """What the vessels hold after these cycles."""
    held = dict(before)
    for move in (move for cycle in cycles for move in cycle):
        held[move.source] -= move.volume
        held[move.target] += move.volume
    return held


def _touched(cycles: list[list[Move]]) -> set[str]:
    return {name for cycle in cycles for move in cycle for name in (move.source, move.target)}


def _head(commands: list[Command]) -> bool:
    """Whether the pipettes may carry tips: picked up more often than dropped."""
    up = sum(c.kind == "pickUpTip" for c in commands)
    return up > sum(c.kind == "dropTipInPlace" and c.status == "succeeded" for c in commands)


def texts(lines: list[Mapping[str, Any]]) -> list[str]:
    """The robot's log, a JSON text for each command: it holds fractions, which our log does not."""
    return [normalize("NFC", json.dumps(line, sort_keys=True)) for line in lines]


def proper(text: str) -> str:
    """A text that can be logged, whatever a robot sent."""
    return normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))[:500]
