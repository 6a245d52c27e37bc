"""The volume ledger: never negative, never over capacity, nothing gained or lost."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from batches.errors import BadInput
from batches.quantities import parse
from devices.base import DeviceRefused
from devices.volumes import STEP, Ledger, Move, Vessel, microlitres, shown, split

NAMES = ("trough", "plate/A1", "plate/B1", "waste")
VESSELS = {
    "trough": Vessel(Decimal(1000), Decimal(20)),
    "plate/A1": Vessel(Decimal(300), Decimal(5)),
    "plate/B1": Vessel(Decimal("300.5")),
    "waste": Vessel(Decimal(600)),
}
volumes = st.integers(0, 12_000).map(lambda steps: steps * STEP)
names = st.sampled_from(NAMES)
moves = st.lists(st.builds(Move, names, names, volumes), max_size=6)


def ledger(**held: str) -> Ledger:
    return Ledger(VESSELS, {name: Decimal(held.get(name, "0")) for name in NAMES})


class Deck(RuleBasedStateMachine):
    """Any sequence of moves and declarations, accepted or refused."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = ledger(trough="500", waste="10")
        self.total = Decimal(510)

    @rule(asked=moves)
    def move(self, asked: list[Move]) -> None:
        before = self.ledger
        try:
            self.ledger = before.moved(asked)
        except DeviceRefused:
            assert self.ledger is before
        else:
            for move in asked:
                assert not {move.source, move.target} & before.doubted

    @rule(name=names, volume=volumes)
    def declare(self, name: str, volume: Decimal) -> None:
        before = self.ledger
        if volume > VESSELS[name].capacity:
            with pytest.raises(DeviceRefused):
                before.declared(name, volume)
            return
        self.ledger = before.declared(name, volume)
        self.total += volume - before.held[name]
        assert name not in self.ledger.doubted

    @rule(touched=st.lists(names, max_size=2))
    def lose_sight(self, touched: list[str]) -> None:
        self.ledger = self.ledger.in_doubt(touched)
        assert self.ledger.doubted >= set(touched)

    @invariant()
    def volumes_can_be(self) -> None:
        for name, vessel in VESSELS.items():
            assert 0 <= self.ledger.held[name] <= vessel.capacity

    @invariant()
    def nothing_is_gained_or_lost(self) -> None:
        assert sum(self.ledger.held.values()) == self.total


TestDeck = Deck.TestCase


@given(moves)
def test_what_was_drawn_leaves_the_dead_volume(asked: list[Move]) -> None:
    before = ledger(trough="500", waste="300")
    try:
        after = before.moved(asked)
    except DeviceRefused:
        return
    for move in asked:
        if move.volume:
            assert after.held[move.source] >= VESSELS[move.source].dead


def test_too_little_is_refused_before_anything_moves() -> None:
    drawn = [Move("trough", "waste", Decimal(50)), Move("trough", "plate/A1", Decimal(40))]
    with pytest.raises(DeviceRefused) as refused:
        ledger(trough="100").moved(drawn)
    assert str(refused.value) == (
        "'trough' holds 100 µL, of which 20 µL cannot be drawn, and 90 µL are needed; "
        "fill it up, declare it with the action 'load' and repeat."
    )


def test_too_much_is_refused_before_anything_moves() -> None:
    with pytest.raises(DeviceRefused) as refused:
        ledger(trough="1000", waste="590.5").moved([Move("trough", "waste", Decimal(10))])
    assert str(refused.value) == (
        "'waste' holds 590.5 µL of at most 600 µL, and 10 µL more do not fit; "
        "empty it, declare it with the action 'load' and repeat, or use less."
    )


def test_a_vessel_in_doubt_serves_nothing_until_it_is_declared() -> None:
    doubted = ledger(trough="100").in_doubt(["trough", "unknown"])
    with pytest.raises(
        DeviceRefused, match=r"Nobody knows what 'trough' holds, because a command ended without"
    ):
        doubted.moved([Move("trough", "waste", Decimal(1))])
    with pytest.raises(DeviceRefused, match="Nobody knows what 'trough' holds"):
        doubted.moved([Move("waste", "trough", Decimal(0))])
    assert (
        doubted.declared("trough", Decimal(90)).moved([Move("trough", "waste", Decimal(1))]).held["trough"]
        == 89
    )


def test_a_vessel_that_is_not_there_is_named() -> None:
    with pytest.raises(
        DeviceRefused, match="There is no vessel 'pool' on the deck; look up its name in the plant"
    ):
        ledger().moved([Move("trough", "pool", Decimal(1))])
    with pytest.raises(DeviceRefused, match="There is no vessel 'pool' on the deck"):
        ledger().declared("pool", Decimal(1))
    with pytest.raises(DeviceRefused, match="'waste' cannot hold 1 mL, at most 600 µL; check the volume."):
        ledger().declared("waste", Decimal(1000))


@given(st.integers(0, 10_000_000), st.integers(1, 96))
def test_parts_are_even_and_add_up(steps: int, parts: int) -> None:
    shares = split(steps * STEP, parts)
    assert len(shares) == parts
    assert sum(shares) == steps * STEP
    assert max(shares) - min(shares) <= STEP


def test_volumes_are_whole_steps() -> None:
    assert microlitres(parse("1.23456 mL")) == Decimal("1234.5")
    assert microlitres(parse("0.09 uL")) == 0
    with pytest.raises(BadInput):
        microlitres(parse("3 g"))
    assert [shown(Decimal(text)) for text in ("0.1", "150.0", "1000", "14400.5")] == [
        "0.1 µL", "150 µL", "1 mL", "14.4005 mL",
    ]  # fmt: skip
