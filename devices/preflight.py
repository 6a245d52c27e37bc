"""Pre-flight of liquid handling: what a recipe will ask of a unit is compiled and checked before a batch.

Our own books go over every action in order: volumes, tips, places. For an Opentrons Flex each protocol is
also analysed by the maker's library, in a worker process; neither checks everything (the library knows no
volumes in wells, we know no geometry). For a handler through pylabrobot the actions run on its simulation.
An OT-2 is analysed by the robot itself, over HTTP, before each run: the library refuses its protocols.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batches.errors import BadInput, KweekError
from devices.asked import Asked
from devices.base import DeviceRefused
from devices.deck_state import DeckState
from devices.opentrons_deck import Setup, build
from devices.opentrons_http import cause
from devices.opentrons_protocol import Compiled, compile_action
from devices.unit import Unit

ANALYSIS_WITHIN = 300.0
"""Seconds of real time for all protocols of a unit."""
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Work:
    """One action that a recipe will ask of a unit. `where`: what to call the place in a message."""

    where: str
    action: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Checked:
    """How a pre-flight ended: `problems`, a sentence each, and how many actions were `looked` at."""

    unit: str
    looked: int
    problems: tuple[str, ...]


async def preflight(unit: Unit, work: Sequence[Work]) -> Checked:
    """Check what a unit will be asked, in order. Raises BadInput if the plant file cannot be used."""
    match unit.driver:
        case "opentrons":
            return await _opentrons(unit, work)
        case "liquid_handler":
            return await _simulated(unit, work)
        case _:
            return Checked(unit.id, 0, ())


async def _opentrons(unit: Unit, work: Sequence[Work]) -> Checked:
    setup = await asyncio.to_thread(build, unit)
    compiled, problems = compiled_by_books(setup, work)
    if setup.robot_name == "Flex":
        problems += await analysed([(each.where, made.text) for each, made in compiled])
    return Checked(unit.id, len(work), tuple(problems))


def compiled_by_books(setup: Setup, work: Sequence[Work]) -> tuple[list[tuple[Work, Compiled]], list[str]]:
    """The protocols of the actions, and what our books refuse: they stop at the first refusal, for what
    follows builds on it."""
    state = DeckState(setup.stocked, setup.racks)
    compiled: list[tuple[Work, Compiled]] = []
    for number, each in enumerate(work):
        try:
            handed = _handed_over(state, each, setup)
            if handed is None:
                made = compile_action(each.action, each.parameters, setup, state, f"preflight-{number}")
                compiled.append((each, made))
                used = state.used | {tip for pick in made.tips for tip in pick}
                handed = replace(state, ledger=state.ledger.moved(made.plan.moves), used=used)
            state = handed
        except (DeviceRefused, BadInput) as error:
            return compiled, [f"{each.where}: {error}"]
    return compiled, []


def _handed_over(state: DeckState, work: Work, setup: Setup) -> DeckState | None:
    """The deck after a person's hand-over; None for any other action."""
    match work.action:
        case "set_up":
            return DeckState(setup.stocked, setup.racks)
        case "load_tips":
            return replace(state, used=frozenset())
        case "discard_tips":
            return state
        case "load":
            given = Asked(work.action, work.parameters)
            name, volume = given.text("vessel"), given.level("volume")
            ledger = state.ledger
            wells = [well for column in setup.layout.plates.get(name, ()) for well in column]
            for well in wells or [name]:
                ledger = ledger.declared(well, volume)
            return replace(state, ledger=ledger)
        case _:
            return None


async def analysed(protocols: Sequence[tuple[str, str]]) -> list[str]:
    """What the maker's analysis finds in protocols (place, text), in a worker process of its own."""
    if not protocols:
        return []
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number:03d}.json" for number in range(len(protocols))]
        for file, (_, text) in zip(files, protocols, strict=True):
            file.write_text(text, encoding="utf-8")
        said = await _work(files, folder)
        found = [_verdict(where, file, said) for file, (where, _) in zip(files, protocols, strict=True)]
    return [problem for problem in found if problem]


async def _work(files: Sequence[Path], folder: str) -> str:
    """Run the worker; what it said on standard error."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "devices.opentrons_analysis",
        *map(str, files),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "OT_API_CONFIG_DIR": folder, "PYTHONPATH": paths},
    )
    try:
        async with asyncio.timeout(ANALYSIS_WITHIN):
            _, said = await worker.communicate()
    except TimeoutError as error:
        worker.kill()
        await worker.wait()
        raise KweekError(
            f"The analysis by opentrons did not end within {ANALYSIS_WITHIN:g} s; try again."
        ) from error
    return said.decode("utf-8", "replace")


def _verdict(where: str, file: Path, said: str) -> str:
    """What is wrong by the analysis of a file; '' if nothing is. Its exit code alone would not tell."""
    made = Path(f"{file}.analysis")
    if not made.exists():
        last = said.strip().splitlines()[-1] if said.strip() else "it said nothing"
        return f"{where}: the analysis by opentrons could not be run ({last}); check the installation."
    analysis: Mapping[str, Any] = json.loads(made.read_text(encoding="utf-8"))
    if analysis["result"] == "ok" and not analysis["errors"]:
        return ""
    causes = "; ".join(cause(error) for error in analysis["errors"])
    return (
        f"{where}: the analysis by opentrons refuses the protocol ({causes}); correct the deck or the recipe."
    )


class _StandingClock:
    """Time for a simulation that nobody waits for: it begins at the epoch and jumps."""

    def __init__(self) -> None:
        self._now = datetime.fromtimestamp(0, UTC)

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, when: datetime) -> None:
        self._now = max(self._now, when)


async def _simulated(unit: Unit, work: Sequence[Work]) -> Checked:
    """The actions on pylabrobot's simulation with the same deck, in a device host of its own."""
    from devices.drivers.liquid_handler import repeatability
    from devices.hosted import Hosted
    from devices.unit import unit_from

    options = {name: value for name, value in unit.options.items() if name not in ("faults", "host")}
    if options.get("backend") in ("STAR", "OT-2"):
        options["backend"] = "simulation"
    trial = unit_from({**unit.written, "identity": {}, "options": options}, unit.where)
    with tempfile.TemporaryDirectory() as folder:
        device = Hosted(trial, _StandingClock(), Path(folder), repeatability)
        try:
            return Checked(unit.id, len(work), tuple(await _tried(device, work)))
        finally:
            await device.close()


async def _tried(device: Any, work: Sequence[Work]) -> list[str]:
    await device.connect()
    for number, each in enumerate(work):
        try:
            outcome = await device.do(each.action, f"preflight-{number}", each.parameters)
        except KweekError as error:
            return [f"{each.where}: {error}"]
        if outcome.status != "done":
            return [f"{each.where}: {outcome.text}"]
    return []
