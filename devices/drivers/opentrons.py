"""Opentrons Flex and OT-2 over their HTTP API, with our own books of volumes, tips and commands.

An action is planned and checked against the books, compiled to a protocol that carries the command id in
its name, uploaded and analysed by the robot; only then is it logged as started and played. By that name
the run is found again after a lost reply or a restart, and the books are settled with what the robot's
log says was moved: so a command has no clear end only where the robot itself cannot tell. The robot's log
of each run is kept as evidence in the command log. No run is ever deleted.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

from batches.errors import BadInput
from batches.plain import PlainDict, dict_in
from batches.quantities import Quantity, duration, parse
from devices import wire
from devices.asked import Asked
from devices.base import (
    Clock,
    DeviceError,
    DeviceFault,
    DeviceProtocolError,
    DeviceRefused,
    DeviceUnreachable,
    Identity,
    Outcome,
    OutcomeUnknown,
    Reading,
    Repeatability,
    Results,
)
from devices.books import Books
from devices.deck_state import plain_holds
from devices.opentrons_deck import Setup, build
from devices.opentrons_http import RobotHttp, Run, cause
from devices.opentrons_protocol import NAME, Compiled, compile_action
from devices.opentrons_settling import Settled, intent, proper, settled, texts
from devices.unit import Unit

LIMIT = "10 s"
"""Option `limit`: real time for one answer of the robot."""
SLOWEST = "30 s"
"""Option `slowest`: process time between two looks at a run."""
ANALYSIS_LOOKS, ANALYSIS_PAUSE = 240, 0.5
"""The robot's analysis is waited for so often, seconds of real time apart."""
WATCH = 2.0
"""Seconds of real time between two looks whether a robot that works is still there."""
HAND_OVER = timedelta(seconds=30)
"""Assumed duration of load, load_tips, set_up and discard_tips."""
SAFE_STATES = ("stand_still", "keep_environment", "stop_feeds")


class Opentrons:
    """One robot with its deck. `folder` holds its command log."""

    def __init__(self, unit: Unit, clock: Clock, folder: Path) -> None:
        self.unit = unit
        self._clock = clock
        self._books = Books(folder / f"{unit.id}.commands.jsonl", unit.id)
        self._robot = RobotHttp(unit.address, unit.id, _seconds(unit, "limit", LIMIT))
        self._slowest = timedelta(seconds=_seconds(unit, "slowest", SLOWEST))
        self._setup: Setup | None = None
        self._command = ""
        """The command that runs."""
        self._run = ""
        self._stop_asked = False

    async def connect(self) -> Identity:
        """Ask who answers, check what is mounted, open the books. Raises DeviceErrors."""
        await self._close_books()
        setup = await asyncio.to_thread(build, self.unit)
        health = await self._robot.health()
        identity = Identity(
            "Opentrons",
            str(health.get("robot_model", "")),
            str(health.get("robot_serial", "")),
            str(health.get("api_version", "")),
        )
        if identity.model != setup.robot.model:
            raise DeviceProtocolError(
                f"{self.unit.id} answers as '{identity.model}', and the plant file describes a {setup.robot_name} "
                f"('{setup.robot.model}'); correct the address or the option 'robot'."
            )
        await self._check_pipettes(setup)
        await asyncio.to_thread(self._books.open, setup.stocked, setup.racks)
        self._setup = setup
        return identity

    async def close(self) -> None:
        await self._close_books()
        await self._robot.close()
        self._robot = RobotHttp(self.unit.address, self.unit.id, _seconds(self.unit, "limit", LIMIT))

    async def read(self, tag: str) -> Reading:
        """`tips` (left) or `volume/<vessel>`: what the books say, not a measurement."""
        declared = self.unit.tag(tag)
        self._connected()
        return self._books.reading(tag, declared.unit, self._clock.now())

    async def set(self, tag: str, value: Quantity, command_id: str) -> None:
        raise DeviceRefused(
            f"{self.unit.id} takes no set-points, so '{tag}' cannot be set; correct the recipe."
        )

    async def do(self, action: str, command_id: str, parameters: Mapping[str, object]) -> Outcome:
        """Carry out an action to its end; the same id acts once. Raises DeviceErrors."""
        setup = self._connected()
        if self._command:
            raise DeviceRefused(f"{self.unit.id} is busy with another command; wait until that has ended.")
        if self._books.log.seen(command_id):
            return await self._again(command_id)
        self._command, self._run, self._stop_asked = command_id, "", False
        try:
            if action in ("load", "load_tips", "set_up", "discard_tips"):
                await self._hand_over(setup, action, command_id, parameters)
            else:
                await self._pipette(setup, action, command_id, parameters)
        except (DeviceRefused, BadInput) as error:
            if not self._books.log.seen(command_id):
                asked = self._asked(action, parameters)
                await self._note("refused", command_id, {**asked, "text": str(error)})
            raise DeviceRefused(str(error)) from error
        finally:
            self._command = ""
        return self._books.log.outcome(command_id)

    async def command_status(self, command_id: str) -> Outcome:
        """What our log says; where it has no end, what the robot says of the run with this id."""
        known = self._books.log.outcome(command_id)
        if known.status in ("done", "failed") or command_id == self._command:
            return known
        if known.status == "not_seen" or self._setup is None:
            return known
        return await self._ask_robot(command_id)

    async def safe(self, state: str, command_id: str) -> None:
        if state not in SAFE_STATES:
            raise DeviceRefused(f"{self.unit.id} has no safe state '{state}'; correct the recipe.")
        await self.stop()

    async def stop(self) -> None:
        """Stop the run; its command then ends as failed, and says how far it came."""
        self._stop_asked = bool(self._command)
        if self._run:
            await self._end(self._run)

    async def hold(self) -> None:
        """Pause the run that is played. Nothing to pause is no error."""
        if self._run:
            await self._robot.act(self._run, "pause")

    async def unhold(self) -> None:
        """Go on with a paused run."""
        if self._run:
            await self._robot.act(self._run, "play")

    def repeatability(self, action: str) -> Repeatability:
        """Every action is in our command log, and every run in the robot's under the command id."""
        return "idempotent" if action == "safe" else "queryable"

    # -- actions ----------------------------------------------------------------------------------

    async def _hand_over(
        self, setup: Setup, action: str, command: str, parameters: Mapping[str, object]
    ) -> None:
        asked, given, at = self._asked(action, parameters), Asked(action, parameters), self._at()
        if action == "load":
            await asyncio.to_thread(self._books.load, command, at, asked, given, setup.layout.plates)
        elif action == "load_tips":
            await asyncio.to_thread(self._books.load_tips, command, at, asked, given)
        elif action == "set_up":
            await asyncio.to_thread(self._books.set_up, command, at, asked, given)
        else:
            await self._discard_tips(command, asked, given)
        await self._clock.sleep_until(self._clock.now() + HAND_OVER)

    async def _discard_tips(self, command: str, asked: PlainDict, given: Asked) -> None:
        """Only a person can: a new run of the robot begins without knowing of tips on its pipettes."""
        if not given.yes_no("by_hand"):
            raise DeviceRefused(
                f"{self.unit.id} starts each run with empty pipettes; take the tips off by hand, then give "
                "'discard_tips' with 'by_hand: true'."
            )
        given.finish()
        await self._note("started", command, asked)
        await self._note("head_emptied", command, {})
        await asyncio.to_thread(self._books.finish, command, self._at(), "done", {"tips": 0})

    async def _pipette(
        self, setup: Setup, action: str, command: str, parameters: Mapping[str, object]
    ) -> None:
        state = self._books.state
        if state.head_in_doubt:
            raise DeviceRefused(
                f"The pipettes of {self.unit.id} may carry tips since a command failed; look, then do 'discard_tips'."
            )
        made = await asyncio.to_thread(compile_action, action, parameters, setup, state, command)
        protocol = await self._uploaded(command, made)
        await self._check_safe()
        await self._note(
            "started", command, {**self._asked(action, parameters), **intent(made, protocol, state.ledger)}
        )
        try:
            await self._played(command, protocol)
            run = await self._until_ended(made.plan.duration)
            await self._settle(command, run)
        except DeviceRefused as error:
            await self._settle_refused(command, str(error))
            raise
        except DeviceError as error:
            await self._in_doubt(command, error)
            raise OutcomeUnknown(
                f"{self.unit.id} was lost in the middle of a command ({error}) Ask it for the command when it answers."
            ) from error

    async def _uploaded(self, command: str, made: Compiled) -> str:
        """The id of the protocol on the robot, found sound by the robot's own analysis."""
        protocol, analysis = await self._robot.upload(f"{command}.json", made.text)
        for _ in range(ANALYSIS_LOOKS):
            found = await self._robot.analysis(protocol, analysis)
            if found.get("status") == "completed":
                break
            await asyncio.sleep(ANALYSIS_PAUSE)
        else:
            raise DeviceUnreachable(f"{self.unit.id} did not end its analysis of the protocol; try again.")
        if found.get("result") != "ok" or found.get("errors"):
            causes = "; ".join(cause(error) for error in found.get("errors", ()))
            raise DeviceRefused(f"{self.unit.id} refuses the protocol in its analysis: {causes}")
        return protocol

    async def _check_safe(self) -> None:
        if await self._robot.door_open():
            raise DeviceRefused(f"The door of {self.unit.id} is open; close it and repeat.")
        if self._connected().robot_name == "Flex" and await self._robot.estop_engaged():
            raise DeviceRefused(f"The emergency stop of {self.unit.id} is pressed; release it and repeat.")

    async def _played(self, command: str, protocol: str) -> None:
        """Make the run and play it."""
        run = await self._robot.new_run(protocol)
        self._run = run.id
        await self._note("run", command, {"run": run.id})
        if self._stop_asked:
            await self._end(run.id)
        else:
            await self._robot.act(run.id, "play")

    async def _until_ended(self, estimate: timedelta) -> Run:
        wait = estimate
        while True:
            run = await self._robot.run(self._run)
            if run.ended:
                return run
            if run.status == "awaiting-recovery":  # Kweek's protocols are not continued by hand
                await self._end(run.id)
            await self._pause(min(wait, self._slowest))

    async def _pause(self, wait: timedelta) -> None:
        """Let process time pass; in real time the robot is asked now and then whether it is still there."""
        asleep = asyncio.ensure_future(self._clock.sleep_until(self._clock.now() + wait))
        try:
            while not (await asyncio.wait([asleep], timeout=WATCH))[0]:
                if (await self._robot.run(self._run)).ended:
                    return
        finally:
            asleep.cancel()

    async def _end(self, run: str) -> None:
        """Stop a run; one that has ended already is no error."""
        try:
            await self._robot.act(run, "stop")
        except DeviceRefused:
            if not (await self._robot.run(run)).ended:
                raise

    # -- ends -------------------------------------------------------------------------------------

    async def _again(self, command: str) -> Outcome:
        """A command that is asked for again never acts again."""
        known = await self.command_status(command)
        if known.status in ("done", "failed"):
            return known
        raise OutcomeUnknown(
            f"{self.unit.id} began this command before, and its end is not known; ask for its status, or look at the "
            "deck, say what happened, and give a new command."
        )

    async def _ask_robot(self, command: str) -> Outcome:
        """Find the run by the command id and settle the books with it, if it has ended."""
        started = self._started(command)
        if not started or "protocol" not in started:
            return self._books.log.outcome(command)
        protocol = await self._robot.protocol_named(NAME + command)
        runs = await self._robot.runs_of(protocol) if protocol else []
        if not runs:
            return Outcome("unknown", text=f"{self.unit.id} has no run of this command any more.")
        run = runs[-1]
        if run.status == "idle":  # never played; stopped, so that a late play cannot start it either
            await self._end(run.id)
            run = await self._robot.run(run.id)
        if not run.ended:
            return Outcome("running", text=f"{self.unit.id} says that the run is {run.status}.")
        await self._settle(command, run)
        return self._books.log.outcome(command)

    async def _settle(self, command: str, run: Run) -> None:
        """Write down what the robot's log says was moved, and the end. The log itself is the evidence."""
        lines = await self._robot.commands(run.id)
        await self._note("robot_log", command, {"run": run.id, "lines": texts(lines)})
        found, state = settled(self._started(command), lines), self._books.state
        if self._interrupted(command):  # what a person has declared since then stands
            known = state.ledger.doubted
            found = replace(
                found,
                holds={name: held for name, held in found.holds.items() if name in known},
                doubted=[name for name in found.doubted if name in known],
                head=found.head and state.head_in_doubt,
            )
        await self._note("tips", command, {"tips": found.tips})
        await self._note("declared", command, {"holds": plain_holds(found.holds)})  # absolute: twice is once
        if not found.head and state.head_in_doubt:
            await self._note("head_emptied", command, {})
        await self._finish(command, run, found)

    async def _finish(self, command: str, run: Run, found: Settled) -> None:
        if run.status == "succeeded":
            results = cast("Results", wire.values(dict_in(self._started(command), "results")))
            await asyncio.to_thread(self._books.finish, command, self._at(), "done", results)
            return
        why = "; ".join(run.errors) or ("It was stopped" if run.status == "stopped" else run.status)
        text = proper(f"{why}, after {found.done} cycles of pipetting.")
        if found.head:
            text += " The pipettes may carry tips: look, then do 'discard_tips'."
        if found.doubted:
            names = ", ".join(found.doubted)
            text += f" Nobody knows what {names} hold: look, and declare it with the action 'load'."
        more = {"doubted": found.doubted, "head_in_doubt": found.head}
        ended: Results = {"cycles": found.done, "tips_on_head": found.head}
        await asyncio.to_thread(
            partial(self._books.finish, command, self._at(), "failed", ended, text, **more)
        )

    async def _settle_refused(self, command: str, text: str) -> None:
        """The robot refused to make or play the run: nothing moved."""
        await asyncio.to_thread(self._books.finish, command, self._at(), "failed", {}, proper(text))

    async def _in_doubt(self, command: str, error: DeviceError) -> None:
        """Leave the command without an end: what it may touch is in doubt until the robot can be asked."""
        await self._note("interrupted", command, {"text": proper(str(error))})

    def _interrupted(self, command: str) -> bool:
        return any(line["kind"] == "interrupted" for line in self._books.log.lines(command))

    # -- small things -----------------------------------------------------------------------------

    def _started(self, command: str) -> PlainDict:
        """The line that began the command; {} if there is none."""
        for line in self._books.log.lines(command):
            if line["kind"] == "started":
                return line
        return {}

    async def _check_pipettes(self, setup: Setup) -> None:
        found = {
            str(each.get("mount")): str(each.get("instrumentName"))
            for each in await self._robot.instruments()
        }
        for mount, pipette in setup.pipettes.items():
            if found.get(mount) != pipette.name:
                raise DeviceFault(
                    f"{self.unit.id} has '{found.get(mount, 'no pipette')}' on the {mount} mount, and the plant file "
                    f"says '{pipette.name}'; mount that one, or correct the plant file."
                )

    def _connected(self) -> Setup:
        if self._setup is None:
            raise DeviceUnreachable(f"{self.unit.id} is not connected; connect to it first.")
        return self._setup

    async def _close_books(self) -> None:
        self._setup = None
        await asyncio.to_thread(self._books.close)

    async def _note(self, kind: str, command: str, body: PlainDict) -> None:
        await asyncio.to_thread(self._books.note, kind, command, body)

    def _asked(self, action: str, parameters: Mapping[str, object]) -> PlainDict:
        return {"action": action, "parameters": wire.plain(parameters), "at": self._at()}

    def _at(self) -> str:
        return self._clock.now().isoformat()


def _seconds(unit: Unit, option: str, default: str) -> float:
    try:
        return duration(parse(str(unit.options.get(option, default)))).total_seconds()
    except BadInput as error:
        raise BadInput(f"{unit.where}: '{option}' of {unit.id} is no time ({error}).") from error
