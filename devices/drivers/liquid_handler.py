"""Liquid handlers through pylabrobot, with our own books of volumes, tips and commands.

It blocks and its library keeps global state, so it lives in a device host (`devices/hosted.py`).
An action is planned and checked against the books, logged as started, carried out cycle by cycle,
logged as finished. What ends without a definite answer leaves the vessels of the running cycle in
doubt, and the head too: both wait for a person (actions `load` and `discard_tips`).
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from batches.errors import BadInput, KweekError
from batches.plain import PlainDict
from batches.quantities import Quantity
from devices import wire
from devices.asked import Asked
from devices.base import (
    Clock,
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
from devices.deck_state import plain_moves
from devices.pipetting import FLOW, MIX_VOLUME, MIXES, Plan, Stage, plan
from devices.unit import Unit
from devices.volumes import Move

if TYPE_CHECKING:
    from pylabrobot.liquid_handling.standard import Mix

    from devices.decks.build import Setup

HAND_OVER = timedelta(seconds=30)
"""Assumed duration of load, load_tips, set_up and discard_tips."""
SAFE_STATES = ("stand_still", "keep_environment", "stop_feeds")
"""All mean the same here: the channels stop after the cycle they are in."""


def repeatability(action: str) -> Repeatability:
    """Every action is in the command log before anything is sent, so it can be asked for.
    The answer may be 'unknown' (begun, and the end is not known), never a guess."""
    return "idempotent" if action == "safe" else "queryable"


class LiquidHandler:
    """One liquid handler with its deck. `folder` holds its command log."""

    def __init__(self, unit: Unit, clock: Clock, folder: Path) -> None:
        self.unit = unit
        self._clock = clock
        self._books = Books(folder / f"{unit.id}.commands.jsonl", unit.id)
        self._setup: Setup | None = None
        self._busy = False
        self._stop_asked = False

    async def connect(self) -> Identity:
        """Build the deck, open the books and start the instrument. Loads pylabrobot: one to two seconds."""
        await self.close()
        from devices.decks.build import build

        setup = build(self.unit)
        self._books.open(setup.stocked, {rack: tuple(spots) for rack, spots in setup.tips.items()})
        try:
            await setup.handler.setup()
        except Exception as error:  # every backend raises its own kinds here, before anything can move
            self._books.close()
            raise DeviceUnreachable(
                f"{self.unit.id} cannot be started ({error}); check that it is switched on and connected."
            ) from error
        self._setup = setup
        self._align()
        return self._identity(setup)

    async def close(self) -> None:
        setup, self._setup = self._setup, None
        if setup is not None and setup.can_stop:
            await setup.handler.stop()
        self._books.close()

    async def read(self, tag: str) -> Reading:
        """`tips` (left on the deck) or `volume/<vessel>`: what the books say, not a measurement."""
        return self._books.reading(tag, self.unit.tag(tag).unit, self._clock.now())

    async def set(self, tag: str, value: Quantity, command_id: str) -> None:
        raise DeviceRefused(
            f"{self.unit.id} takes no set-points, so '{tag}' cannot be set; correct the recipe."
        )

    async def do(self, action: str, command_id: str, parameters: Mapping[str, object]) -> Outcome:
        """Carry out an action; the same id acts once. Raises DeviceRefused and OutcomeUnknown."""
        self._connected()
        if self._busy:
            raise DeviceRefused(f"{self.unit.id} is busy with another command; wait until that has ended.")
        if self._books.log.seen(command_id):
            return self._books.repeated(command_id)
        self._busy, self._stop_asked = True, False
        try:
            lasts = await self._carry_out(action, command_id, parameters)
        finally:
            self._busy = False
        if self._connected().simulated:  # a real instrument has taken its time already
            await self._clock.sleep_until(self._clock.now() + lasts)
        return self._books.log.outcome(command_id)

    async def command_status(self, command_id: str) -> Outcome:
        return self._books.log.outcome(command_id)

    async def safe(self, state: str, command_id: str) -> None:
        if state not in SAFE_STATES:
            raise DeviceRefused(f"{self.unit.id} has no safe state '{state}'; correct the recipe.")
        await self.stop()

    async def stop(self) -> None:
        """Stop after the cycle that runs; its command then ends as failed, and says how far it came."""
        self._stop_asked = self._busy

    def repeatability(self, action: str) -> Repeatability:
        return repeatability(action)

    def _connected(self) -> "Setup":
        if self._setup is None:
            raise DeviceUnreachable(f"{self.unit.id} is not connected; connect to it first.")
        return self._setup

    def _align(self) -> None:
        """Make pylabrobot's trackers believe what the books say: it keeps half a failed operation."""
        setup, state = self._connected(), self._books.state
        for name, container in setup.containers.items():
            container.tracker.set_volume(float(state.ledger.held[name]))
        for spots in setup.tips.values():
            for name, spot in spots.items():
                if (name in state.used) != (not spot.has_tip()):
                    spot.tracker.clear()
                    if name not in state.used:
                        spot.tracker.add_tip(spot.make_tip(), origin=spot)

    def _identity(self, setup: "Setup") -> Identity:
        software = f"pylabrobot {version('pylabrobot')}"
        if setup.simulated:
            return Identity("PyLabRobot", setup.model, f"SIM-{self.unit.id}", software)
        return Identity("", setup.model, "", software)  # pylabrobot asks no instrument for its number

    # -- actions ----------------------------------------------------------------------------------

    async def _carry_out(self, action: str, command: str, parameters: Mapping[str, object]) -> timedelta:
        """Do it and log its end; how long it takes on the instrument. Refusals are logged too."""
        at = self._at()
        asked: PlainDict = {"action": action, "parameters": wire.plain(parameters), "at": at}
        try:
            match action:
                case "load":
                    plates = self._connected().layout.plates
                    self._books.load(command, at, asked, Asked(action, parameters), plates)
                case "load_tips":
                    self._books.load_tips(command, at, asked, Asked(action, parameters))
                case "set_up":
                    self._books.set_up(command, at, asked, Asked(action, parameters))
                case "discard_tips":
                    await self._discard_tips(command, asked, Asked(action, parameters))
                case _:
                    return await self._pipette(action, command, asked, parameters)
        except (DeviceRefused, BadInput) as error:
            self._books.note("refused", command, {**asked, "text": str(error)})
            raise DeviceRefused(str(error)) from error
        self._align()
        return HAND_OVER

    async def _discard_tips(self, command: str, asked: PlainDict, given: Asked) -> None:
        """Throw away what hangs on the head; with `by_hand`, a person has taken it off."""
        setup = self._connected()
        by_hand = given.yes_no("by_hand")
        given.finish()
        channels = [] if by_hand else await self._carrying(setup)
        self._books.note("started", command, asked)
        try:
            if channels:
                await setup.handler.discard_tips(use_channels=channels)
            setup.handler.clear_head_state()
            self._books.note("head_emptied", command, {})
            self._books.finish(command, self._at(), "done", {"tips": len(channels)})
        except Exception as error:
            raise self._unknown(command, error) from error

    async def _carrying(self, setup: "Setup") -> list[int]:
        """The channels that carry a tip; after a restart the instrument is asked."""
        head = setup.handler.head
        if known := [channel for channel, tracker in head.items() if tracker.has_tip]:
            return known
        try:
            present = await setup.handler.backend.request_tip_presence()
        except NotImplementedError as error:
            if setup.simulated:  # it ended with its process; a new one carries nothing
                return []
            raise DeviceRefused(
                f"{self.unit.id} cannot tell whether its head carries tips; take them off by hand, then give "
                "'discard_tips' with 'by_hand: true'."
            ) from error
        spot = next(spot for spots in setup.tips.values() for spot in spots.values())
        channels = [channel for channel, there in enumerate(present) if there]
        for channel in channels:
            head[channel].add_tip(spot.make_tip())
        return channels

    async def _pipette(
        self, action: str, command: str, asked: PlainDict, parameters: Mapping[str, object]
    ) -> timedelta:
        setup, state = self._connected(), self._books.state
        if state.head_in_doubt:
            raise DeviceRefused(
                f"The head of {self.unit.id} may carry tips since a command failed; look, then do 'discard_tips'."
            )
        made = plan(action, parameters, setup.layout, state.ledger)
        tips = [tip for picked in state.plan_tips(made.widths) for tip in picked]
        self._books.note("started", command, {**asked, "vessels": made.vessels, "tips": tips})
        await self._run(command, made, setup)
        return made.duration

    async def _run(self, command: str, made: Plan, setup: "Setup") -> None:
        from devices.decks.backends import DEFINITE

        done: list[tuple[Move, ...]] = []
        running: tuple[Move, ...] = ()
        try:
            for stage in made.stages:
                for running in stage.cycles:
                    if self._stop_asked:
                        await self._drop(setup)
                        return self._fail(command, "It was stopped", done, (), setup)
                    await self._cycle(command, stage, running, setup)
                    done.append(running)
                running = ()
                await self._drop(setup)
            return self._books.finish(command, self._at(), "done", {**made.results, "tips": sum(made.widths)})
        except DEFINITE as error:
            return self._fail(command, f"The instrument says: {_reason(error)}", done, running, setup)
        except Exception as error:  # the link, the library or the disk failed
            raise self._unknown(command, error) from error
        except BaseException as error:  # we are being ended
            self._unknown(command, error)
            raise

    async def _cycle(self, command: str, stage: Stage, cycle: tuple[Move, ...], setup: "Setup") -> None:
        """Tips if there are none, draw, give, and write it down."""
        handler, containers = setup.handler, setup.containers
        if stage.new_tips:
            await self._drop(setup)
        if not any(tracker.has_tip for tracker in handler.head.values()):
            await self._pick_up(command, len(cycle) if stage.new_tips else stage.width, setup)
        channels = list(range(len(cycle)))
        volumes = [float(move.volume) for move in cycle]
        mix = [_mix() for _ in cycle] if stage.mix else None
        await handler.aspirate([containers[move.source] for move in cycle], volumes, channels, mix=mix)
        await handler.dispense([containers[move.target] for move in cycle], volumes, channels)
        self._books.note("moved", command, {"moves": plain_moves(cycle)}, durable=False)

    async def _pick_up(self, command: str, width: int, setup: "Setup") -> None:
        picked = self._books.state.pick(width)
        spots = {name: spot for rack in setup.tips.values() for name, spot in rack.items()}
        self._books.note("tips", command, {"tips": list(picked)}, durable=False)
        await setup.handler.pick_up_tips([spots[name] for name in picked])

    async def _drop(self, setup: "Setup") -> None:
        if any(tracker.has_tip for tracker in setup.handler.head.values()):
            await setup.handler.discard_tips()

    # -- ends -------------------------------------------------------------------------------------

    def _fail(
        self,
        command: str,
        reason: str,
        done: list[tuple[Move, ...]],
        running: tuple[Move, ...],
        setup: "Setup",
    ) -> None:
        """The command ended for certain, but not as asked: what was moved, and what the head carries."""
        doubted = list(dict.fromkeys(name for move in running for name in (move.source, move.target)))
        tips = sum(tracker.has_tip for tracker in setup.handler.head.values())
        moved = sum((move.volume for cycle in done for move in cycle), Decimal(0))
        text = f"{reason}, after {len(done)} cycles of pipetting; the head carries {tips} tips."
        if doubted:
            text += (
                f" Nobody knows what {', '.join(doubted)} hold: look, and declare it with the action 'load'."
            )
        results: Results = {"moved": Quantity(moved, "uL"), "tips_on_head": tips}
        self._books.finish(
            command, self._at(), "failed", results, text, doubted=doubted, head_in_doubt=tips > 0
        )
        self._align()

    def _unknown(self, command: str, error: BaseException) -> OutcomeUnknown:
        """Leave the command without an end. Everything it may touch is in doubt from here on."""
        with suppress(KweekError):  # where the log itself failed, the next opening finds the open command
            self._books.note("interrupted", command, {"text": _reason(error)})
        self._setup = None
        self._books.close()
        return OutcomeUnknown(
            f"{self.unit.id} was cut off in the middle of a command ({_reason(error)}); look at the deck, say what "
            "happened, then declare the volumes with 'load' and empty the head with 'discard_tips'."
        )

    def _at(self) -> str:
        return self._clock.now().isoformat()


def _reason(error: BaseException) -> str:
    """What the library said; an error of several channels says it for the first of them."""
    from pylabrobot.liquid_handling.errors import ChannelizedError

    if isinstance(error, ChannelizedError) and error.errors:
        channel, inner = min(error.errors.items(), key=lambda item: item[0])
        return _proper(f"channel {channel + 1}, {type(inner).__name__}: {inner}")
    return _proper(f"{type(error).__name__}: {error}")


def _proper(text: str) -> str:
    """A text that can be logged, whatever an instrument sent."""
    return normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))[:500]


def _mix() -> "Mix":
    from pylabrobot.liquid_handling.standard import Mix

    return Mix(volume=float(MIX_VOLUME), repetitions=MIXES, flow_rate=float(FLOW))
