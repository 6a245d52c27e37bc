"""Sampling: every tag at its period; who hangs or lies keeps nobody waiting and deceives nobody."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from batches.errors import BadInput
from batches.quantities import parse
from devices.base import DeviceUnreachable, Quality, Reading
from devices.plant import Plant, plant_from
from orchestrator.clock import InlineClock
from orchestrator.sampler import Sampler

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)
UNIT = """
          - id: {id}
            class: rack
            driver: {driver}
            {address}
            tags:
              temperature: {{unit: degC, low: 0 degC, high: 60 degC}}
              ph: {{unit: pH, low: 2 pH, high: 12 pH}}"""
HEAD = "format: 1\nsite: S\nsimulated: true\nareas:\n  - area: A\n    process_cells:\n      - process_cell: C\n        units:"
Answer = Callable[[str, datetime], Reading]


def plant() -> Plant:
    units = [
        UNIT.format(id=name, driver="lads", address=f"address: opc.tcp://127.0.0.1:9/{name}")
        for name in ("A", "B")
    ]
    return plant_from(HEAD + "".join(units) + UNIT.format(id="H", driver="manual", address=""), "p.yaml", {})


def usual(tag: str, now: datetime) -> Reading:
    return Reading(parse("37 degC" if tag == "temperature" else "7.2 pH"), now, "good", "probe")


@dataclass
class Bench:
    """Two units; unit A answers as `answer` says, and hangs between the times `hangs`."""

    answer: Answer = usual
    hangs: tuple[timedelta, timedelta] = (timedelta(0), timedelta(0))
    waiting: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])
    clock: InlineClock = field(default_factory=lambda: InlineClock(START))
    kept: list[tuple[float, str, str, str, Quality]] = field(
        default_factory=list[tuple[float, str, str, str, Quality]]
    )

    def manual(self, unit: str) -> bool:
        return unit == "H"

    async def read(self, unit: str, tag: str) -> Reading:
        now = self.clock.now()
        if unit == "A":
            if self.hangs[0] <= now - START < self.hangs[1]:
                await self.clock.sleep_until(START + self.hangs[1])
            return self.answer(tag, self.clock.now())
        return usual(tag, now)

    def keep(self, unit: str, tag: str, reading: Reading) -> None:
        passed = (self.clock.now() - START).total_seconds()
        self.kept.append((passed, unit, tag, str(reading.value), reading.quality))

    def run(self, seconds: int) -> Sampler:
        return asyncio.run(self._run(seconds))

    async def _run(self, seconds: int) -> Sampler:
        sampler = Sampler(
            plant(), self, self.clock, self.keep, SECOND, {("A", "ph"): 5 * SECOND, ("B", "ph"): 5 * SECOND}
        )
        task = asyncio.ensure_future(sampler.run())
        await self.clock.run_until_idle(START + seconds * SECOND)
        self.waiting = {unit: one.waiting_since for unit, one in sampler.units.items()}
        task.cancel()
        await asyncio.wait([task])
        return sampler

    def times(self, unit: str, tag: str) -> list[float]:
        return [passed for passed, of, name, _, _ in self.kept if (of, name) == (unit, tag)]


def test_each_tag_is_read_at_its_period_and_work_by_hand_is_not_asked() -> None:
    bench = Bench()
    sampler = bench.run(10)
    assert bench.times("A", "temperature") == bench.times("B", "temperature") == [*range(11)]
    assert bench.times("A", "ph") == [0, 5, 10]
    assert (bench.times("H", "ph"), sorted(sampler.units)) == ([], ["A", "B"])
    assert all((one.taken, one.missed, one.trouble) == (14, 0, "") for one in sampler.units.values())


def test_a_unit_that_hangs_has_a_gap_and_keeps_nobody_waiting() -> None:
    bench = Bench(hangs=(3 * SECOND, 123 * SECOND))
    sampler = bench.run(125)
    assert bench.times("A", "temperature") == [0, 1, 2, 123, 124, 125]
    assert bench.times("B", "temperature") == [*range(126)]
    assert (sampler.units["A"].missed, sampler.units["B"].missed) == (
        120 - 1 + 24,
        0,
    )  # its pH missed ticks too


def test_who_waits_for_an_answer_says_so() -> None:
    bench = Bench(hangs=(3 * SECOND, 123 * SECOND))
    bench.run(60)
    assert bench.waiting == {"A": START + 3 * SECOND, "B": None}


def test_a_link_that_drops_for_two_minutes_is_a_gap_with_its_reason() -> None:
    def answer(tag: str, now: datetime) -> Reading:
        if timedelta(seconds=10) <= now - START < timedelta(seconds=130):
            raise DeviceUnreachable("A cannot be reached; look at its cable.")
        return usual(tag, now)

    during = Bench(answer).run(60).units["A"]
    assert (during.trouble, during.since) == ("A cannot be reached; look at its cable.", START + 10 * SECOND)
    bench = Bench(answer)
    after = bench.run(140).units["A"]
    assert bench.times("A", "temperature") == [*range(10), *range(130, 141)]
    assert (after.trouble, after.since) == ("", None)
    assert after.missed == 120 + 24


def test_a_value_nobody_can_mean_is_never_good() -> None:
    told: dict[int, Reading] = {
        0: Reading(parse("37 degC"), START), 1: Reading(parse("900 degC"), START + SECOND),
        2: Reading(parse("37 g/L"), START + 2 * SECOND), 3: Reading(parse("37"), START + 3 * SECOND),
        4: Reading(parse("37 degC"), START + 64 * SECOND), 5: Reading(parse("37 degC"), START, "stale"),
    }  # fmt: skip

    def answer(tag: str, now: datetime) -> Reading:
        if tag == "ph":
            raise BadInput("'nan' is not a number.")
        return told[(now - START) // SECOND]

    bench = Bench(answer)
    sampler = bench.run(5)
    found = [
        (value, quality) for _, unit, tag, value, quality in bench.kept if (unit, tag) == ("A", "temperature")
    ]
    assert found == [
        ("37 degC", "good"), ("900 degC", "bad"), ("37 g/L", "bad"), ("37", "bad"), ("37 degC", "uncertain"), ("37 degC", "stale"),
    ]  # fmt: skip
    assert bench.times("A", "ph") == []
    assert sampler.units["A"].missed == 2
