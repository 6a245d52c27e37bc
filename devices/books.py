"""The books of one deck: what its vessels hold and which tips are used, kept in its command log.

People write in them too: a hand-over (`load`, `load_tips`, `set_up`) is what a person says of the deck.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from batches.plain import Plain, PlainDict
from batches.quantities import Quantity
from devices import wire
from devices.asked import Asked
from devices.base import DeviceRefused, DeviceUnreachable, Outcome, OutcomeUnknown, Reading, Results
from devices.command_log import CommandLog
from devices.deck_state import DeckState, plain_holds
from devices.volumes import Ledger


class Books:
    """The books of `unit`, in the file `path`."""

    def __init__(self, path: Path, unit: str) -> None:
        self.unit = unit
        self.log = CommandLog(path, unit)
        self._state: DeckState | None = None
        self._stocked = Ledger({}, {})

    @property
    def state(self) -> DeckState:
        """What the deck holds now. Raises DeviceUnreachable if the books are not open."""
        if self._state is None:
            raise DeviceUnreachable(f"{self.unit} is not connected; connect to it first.")
        return self._state

    def open(self, stocked: Ledger, racks: Mapping[str, Sequence[str]]) -> None:
        """Read the log. `stocked`: what the deck holds as the plant file describes it."""
        self.close()
        self._stocked, self._state = stocked, DeckState(stocked, racks)
        try:
            if self.log.open(self._take):
                self.note("stocked", "", {"holds": plain_holds(stocked.held)})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._state = None
        self.log.close()

    def note(self, kind: str, command: str, body: PlainDict, *, durable: bool = True) -> None:
        """Write a line and take it into account."""
        self._take(self.log.write(kind, command, body, durable=durable))

    def finish(
        self, command: str, at: str, status: wire.Status, results: Results, text: str = "", **more: Plain
    ) -> None:
        """Write the end of a command."""
        outcome = wire.plain_outcome(Outcome(status, results, text))
        self.note("finished", command, {"outcome": outcome, "at": at, **more})

    def reading(self, tag: str, unit: str, now: datetime) -> Reading:
        """`tips` (left on the deck) or `volume/<vessel>` in `unit`: what the books say, not a measurement.
        Raises DeviceRefused for any other tag."""
        kind, _, vessel = tag.partition("/")
        if kind == "tips":
            left = Quantity(Decimal(self.state.tips_left()), "")
            return Reading(left, now, "uncertain" if self.state.head_in_doubt else "good", "tip book")
        ledger = self.state.ledger
        if kind != "volume" or vessel not in ledger.vessels:
            raise DeviceRefused(
                f"{self.unit} keeps no book of '{tag}', only of 'tips' and 'volume/<vessel>'; correct the plant file."
            )
        held = Quantity(ledger.held[vessel], "uL").to(unit)
        return Reading(held, now, "uncertain" if vessel in ledger.doubted else "good", "volume ledger")

    def repeated(self, command: str) -> Outcome:
        """The outcome of a command that is asked for again. Raises OutcomeUnknown if it has none."""
        known = self.log.outcome(command)
        if known.status in ("done", "failed"):
            return known
        raise OutcomeUnknown(
            f"{self.unit} began this command before, and its end is not known; look at the deck, say what "
            "happened, and give a new command."
        )

    # -- hand-overs: `asked` is the line that begins the command ----------------------------------

    def load(
        self,
        command: str,
        at: str,
        asked: PlainDict,
        given: Asked,
        plates: Mapping[str, Sequence[Sequence[str]]],
    ) -> None:
        """A person says what a vessel, or every well of a plate, holds now."""
        name, volume = given.text("vessel"), given.level("volume")
        given.finish()
        wells = [well for column in plates.get(name, ()) for well in column] or [name]
        ledger = self.state.ledger
        for well in wells:
            ledger = ledger.declared(well, volume)
        self.note("started", command, asked)
        self.note("declared", command, {"holds": plain_holds(dict.fromkeys(wells, volume))})
        results = {"vessel": name, "volume": Quantity(volume, "uL"), "wells": len(wells)}
        self.finish(command, at, "done", results)

    def load_tips(self, command: str, at: str, asked: PlainDict, given: Asked) -> None:
        """A person says that a rack, or every rack, is full again."""
        racks, rack = list(self.state.racks), given.text("rack", "all")
        given.finish()
        if rack != "all" and rack not in racks:
            raise DeviceRefused(
                f"There is no rack '{rack}' on {self.unit}; look up its name in the plant file."
            )
        self.note("started", command, asked)
        self.note("racked", command, {"racks": racks if rack == "all" else [rack]})
        self.finish(command, at, "done", {"tips": self.state.tips_left()})

    def set_up(self, command: str, at: str, asked: PlainDict, given: Asked) -> None:
        """A person says that the deck stands as the plant file describes it: full racks, new plates and
        vessels, media as stocked. `what` is for the eyes of that person."""
        given.text("what", "the deck")
        given.finish()
        self.note("started", command, asked)
        self.note("declared", command, {"holds": plain_holds(self._stocked.held)})
        self.note("racked", command, {"racks": list(self.state.racks)})
        self.finish(command, at, "done", {"tips": self.state.tips_left()})

    def _take(self, line: PlainDict) -> None:
        self._state = self.state.after(line)
