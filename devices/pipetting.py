"""From an action to the movements of the channels: pure planning on the volume ledger.

`volume` is per well in seed_microwells, dispense, exchange_medium and pool, and in transfer where
`wells` are counted; without them it is the whole volume. Wells count column by column: A1, B1, … H1,
A2, ….

A tip that touched a well never goes back into a reservoir that others draw from: every stage has
tips of its own. Within a stage one set serves all wells, which belong to one lot on one plate;
`new_tips: true` takes a new set for every group of wells instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

from batches.quantities import Quantity
from devices.asked import Asked
from devices.base import DeviceRefused, Results
from devices.located import listed
from devices.volumes import STEP, Ledger, Move, microlitres, shown, split

# Assumed figures for an eight-channel air-displacement head; a site replaces them by measured ones.
PICK_UP = timedelta(seconds=6)
DROP = timedelta(seconds=4)
GO_AND_DIP = timedelta(seconds=3)
FLOW = Decimal(100)
"""µL/s, each way."""
MIXES = 3
MIX_VOLUME = Decimal(300)
"""µL: a suspension is mixed in its reservoir before each draw, because cells settle."""
AGREEMENT = Decimal("0.02")
"""How far a stated volume may be from cells per well over concentration."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the channels can reach: reservoirs that take all channels at once, plates as columns of wells."""

    reservoirs: frozenset[str]
    plates: Mapping[str, tuple[tuple[str, ...], ...]]
    channels: int
    tip: Decimal
    """The smallest tip on the deck (µL)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Cycles of drawing and giving, one move for each channel used, with one set of tips or with new ones
    for each cycle."""

    cycles: tuple[tuple[Move, ...], ...]
    new_tips: bool = False
    mix: bool = False

    @property
    def width(self) -> int:
        """The most channels that work at once."""
        return max((len(cycle) for cycle in self.cycles), default=0)

    @property
    def widths(self) -> list[int]:
        """How many tips are picked up each time."""
        return [len(cycle) for cycle in self.cycles] if self.new_tips else [self.width]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action comes to, before anything is sent."""

    stages: tuple[Stage, ...]
    results: Results = field(default_factory=dict[str, "Quantity | str | bool | int"])

    @property
    def moves(self) -> list[Move]:
        return [move for stage in self.stages for cycle in stage.cycles for move in cycle]

    @property
    def vessels(self) -> list[str]:
        """Every vessel the plan touches, once."""
        return list(dict.fromkeys(name for move in self.moves for name in (move.source, move.target)))

    @property
    def widths(self) -> list[int]:
        """How many tips are picked up each time, in order."""
        return [width for stage in self.stages for width in stage.widths]

    @property
    def duration(self) -> timedelta:
        """An estimate from the assumed figures above."""
        return sum((_stage_duration(stage) for stage in self.stages), timedelta())


def plan(action: str, parameters: Mapping[str, object], layout: Layout, ledger: Ledger) -> Plan:
    """The movements of an action, checked against the ledger. Raises DeviceRefused."""
    asked = Asked(action, parameters)
    match action:
        case "seed_microwells":
            made = _seed(asked, layout)
        case "dispense":
            made = _dispense(asked, layout)
        case "exchange_medium":
            made = _exchange(asked, layout, ledger)
        case "pool":
            made = _pool(asked, layout, ledger)
        case "transfer":
            made = _transfer(asked, layout)
        case _:
            raise DeviceRefused(f"A liquid handler has no action '{action}'; correct the recipe.")
    asked.finish()
    if not made.moves:
        raise asked.refusal("moves nothing: the wells it would draw from hold no liquid")
    ledger.moved(made.moves)
    return made


def _seed(asked: Asked, layout: Layout) -> Plan:
    source, target = asked.text("source", "suspension"), asked.text("target")
    columns = _wells(asked, layout, target, asked.count("wells"))
    cells = asked.quantity("cells_per_well", "cell")
    volume = _seeding_volume(asked, cells)
    stage = _fill(asked, layout, source, columns, volume, mix=True)
    results = _well_results(columns, volume)
    if cells is not None:
        results["cells_per_well"] = cells
        results["cells"] = Quantity(cells.value * _count(columns), "cell")
    return Plan((stage,), results)


def _seeding_volume(asked: Asked, cells: Quantity | None) -> Decimal:
    given, concentration = asked.volume("volume"), asked.quantity("concentration", "cell/uL")
    if cells is None or concentration is None:
        if given is None:
            raise asked.refusal("needs 'volume' per well, or 'cells_per_well' with 'concentration'")
        return given
    needed = (cells.value / concentration.value).quantize(STEP, ROUND_HALF_EVEN)
    if given is not None and abs(given - needed) > AGREEMENT * needed:
        raise asked.refusal(
            f"is given {shown(given)} per well, but {cells} at {concentration} are {shown(needed)}"
        )
    return needed if given is None else given


def _dispense(asked: Asked, layout: Layout) -> Plan:
    source, target = asked.text("source", "medium"), asked.text("target")
    columns = _wells(asked, layout, target, asked.count("wells"))
    volume = asked.needed_volume("volume")
    return Plan((_fill(asked, layout, source, columns, volume),), _well_results(columns, volume))


def _exchange(asked: Asked, layout: Layout, ledger: Ledger) -> Plan:
    plate = asked.text("plate")
    source, waste = asked.text("source", "medium"), asked.text("waste", "waste")
    columns = _holding(asked, layout, ledger, plate)
    volumes = _exchanged(asked, columns, ledger)
    new_tips = asked.yes_no("new_tips")
    out = [[Move(well, waste, volumes[well]) for well in column] for column in columns]
    back = [[Move(source, well, volumes[well]) for well in column] for column in columns]
    total = sum(volumes.values(), Decimal(0))
    stages = (
        Stage(_cycles(asked, layout, out), new_tips),
        Stage(_cycles(asked, layout, back), new_tips),
    )
    return Plan(stages, {"wells": _count(columns), "volume": _millilitres(total)})


def _exchanged(asked: Asked, columns: Sequence[Sequence[str]], ledger: Ledger) -> dict[str, Decimal]:
    volume, fraction = asked.volume("volume"), asked.quantity("fraction", "")
    wells = [well for column in columns for well in column]
    if (volume is None) == (fraction is None):
        raise asked.refusal("needs either 'volume' per well or 'fraction'")
    if volume is not None:
        return dict.fromkeys(wells, volume)
    assert fraction is not None
    if fraction.value > 1:
        raise asked.refusal(f"cannot exchange more than all of it, {fraction}")
    return {well: microlitres(Quantity(ledger.held[well] * fraction.value, "uL")) for well in wells}


def _pool(asked: Asked, layout: Layout, ledger: Ledger) -> Plan:
    plate, target = asked.text("source"), asked.text("target", "pool")
    columns = _holding(asked, layout, ledger, plate)
    volume = asked.volume("volume")
    moves = [[Move(well, target, volume or ledger.drawable(well)) for well in column] for column in columns]
    stage = Stage(_cycles(asked, layout, moves), asked.yes_no("new_tips"))
    total = sum((move.volume for column in moves for move in column), Decimal(0))
    return Plan((stage,), {"wells": _count(columns), "volume": _millilitres(total)})


def _transfer(asked: Asked, layout: Layout) -> Plan:
    source, target = asked.text("source"), asked.text("target")
    wells, volume = asked.count("wells"), asked.needed_volume("volume")
    new_tips = asked.yes_no("new_tips")
    if source in layout.reservoirs and target in layout.reservoirs:
        if wells:
            raise asked.refusal("counts no wells between two reservoirs")
        moves = [[Move(source, target, share) for share in split(volume, _tipfuls(volume, layout))]]
    else:
        pairs = _pairs(asked, layout, source, target, wells)
        count = _count(pairs)
        left = iter([volume] * count if wells else split(volume, count))
        moves = [[Move(*pair, next(left)) for pair in column] for column in pairs]
    total = sum((move.volume for group in moves for move in group), Decimal(0))
    return Plan((Stage(_cycles(asked, layout, moves), new_tips),), {"volume": _millilitres(total)})


def _pairs(asked: Asked, layout: Layout, source: str, target: str, wells: int) -> list[list[tuple[str, str]]]:
    """Source and target of each move; the same wells of both where both are plates."""
    if source in layout.reservoirs:
        return [[(source, well) for well in column] for column in _wells(asked, layout, target, wells)]
    from_ = _wells(asked, layout, source, wells)
    if target in layout.reservoirs:
        return [[(well, target) for well in column] for column in from_]
    to = _wells(asked, layout, target, wells)
    if [len(column) for column in from_] != [len(column) for column in to]:
        raise asked.refusal(f"cannot pair the wells of '{source}' with those of '{target}'")
    return [list(zip(*columns, strict=True)) for columns in zip(from_, to, strict=True)]


def _fill(
    asked: Asked,
    layout: Layout,
    source: str,
    columns: Sequence[Sequence[str]],
    volume: Decimal,
    *,
    mix: bool = False,
) -> Stage:
    moves = [[Move(source, well, volume) for well in column] for column in columns]
    return Stage(_cycles(asked, layout, moves), asked.yes_no("new_tips"), mix)


def _wells(asked: Asked, layout: Layout, name: str, count: int) -> list[list[str]]:
    """The first `count` wells of a plate (0: all) by column, or the one well of that name."""
    if name in layout.plates:
        columns = layout.plates[name]
    elif any(name in column for columns in layout.plates.values() for column in columns):
        columns = ((name,),)
    else:
        raise asked.refusal(f"needs a plate, not '{name}'; the plates are {listed(tuple(layout.plates))}")
    if count > _count(columns):
        raise asked.refusal(f"counts {count} wells, but '{name}' has {_count(columns)}")
    kept: list[list[str]] = []
    for column in columns:
        left = (count or _count(columns)) - _count(kept)
        kept += [list(column[:left])] if left else []
    return kept


def _holding(asked: Asked, layout: Layout, ledger: Ledger, plate: str) -> list[list[str]]:
    """The first `wells` wells, or all that hold liquid if no number is given."""
    count = asked.count("wells")
    columns = _wells(asked, layout, plate, count)
    if count:
        return columns
    return [kept for column in columns if (kept := [well for well in column if ledger.held[well]])]


def _cycles(asked: Asked, layout: Layout, groups: Sequence[Sequence[Move]]) -> tuple[tuple[Move, ...], ...]:
    """Groups of moves as cycles that fit the channels and the tips."""
    for name in {name for group in groups for move in group for name in (move.source, move.target)}:
        if name in layout.plates:
            raise asked.refusal(f"needs a reservoir or a well, not the whole plate '{name}'")
    cycles: list[tuple[Move, ...]] = []
    for group in groups:
        width = layout.channels if _side_by_side(layout, group) else 1
        for start in range(0, len(group), width):
            cycles += _rounds(layout, group[start : start + width])
    return tuple(cycles)


def _side_by_side(layout: Layout, moves: Sequence[Move]) -> bool:
    """Whether several channels can work at once: only a reservoir takes more than one of them."""
    sources, targets = {move.source for move in moves}, {move.target for move in moves}
    narrow = (sources | targets) - layout.reservoirs
    return all(len(names) == len(moves) for names in (sources, targets) if names & narrow)


def _rounds(layout: Layout, moves: Sequence[Move]) -> list[tuple[Move, ...]]:
    """The same moves, in as many rounds as the largest needs for its tip."""
    rounds = max(_tipfuls(move.volume, layout) for move in moves)
    shares = [split(move.volume, rounds) for move in moves]
    return [
        cycle
        for n in range(rounds)
        if (
            cycle := tuple(
                Move(move.source, move.target, share[n])
                for move, share in zip(moves, shares, strict=True)
                if share[n]
            )
        )
    ]


def _tipfuls(volume: Decimal, layout: Layout) -> int:
    return max(int((volume / layout.tip).to_integral_value(ROUND_CEILING)), 1)


def _count(columns: Sequence[Sequence[object]]) -> int:
    return sum(len(column) for column in columns)


def _well_results(
    columns: Sequence[Sequence[str]], volume: Decimal
) -> dict[str, Quantity | str | bool | int]:
    wells = _count(columns)
    per_well = Quantity(volume, "uL")
    return {"wells": wells, "volume_per_well": per_well, "volume": _millilitres(volume * wells)}


def _millilitres(volume: Decimal) -> Quantity:
    return Quantity((volume / 1000).normalize(), "mL")


def _stage_duration(stage: Stage) -> timedelta:
    flows = sum((_flow(cycle, stage.mix) for cycle in stage.cycles), timedelta())
    return len(stage.widths) * (PICK_UP + DROP) + 2 * len(stage.cycles) * GO_AND_DIP + flows


def _flow(cycle: Sequence[Move], mix: bool) -> timedelta:
    """The channels of a cycle work at once; the largest volume takes longest."""
    volume = 2 * max(move.volume for move in cycle) + (2 * MIXES * MIX_VOLUME if mix else 0)
    return timedelta(seconds=float(volume / FLOW))
