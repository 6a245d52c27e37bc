"""What twins and their LADS server cost. Run: python -m tests.benchmarks.twins

Twins alone in hours of process time per second of CPU; then a served plant: start, one update of six
units, a reading, a set-point and an action by the driver (CPU of server and driver together).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from batches.quantities import parse
from devices.twins.catalogue import MODELS, make
from devices.twins.twin import Twin
from tests.devices.lads_plant import START, ServedPlant

AT = START.timestamp()
DAYS = 30
UNITS = {
    "BR-01": "bioreactor/vertical_wheel",
    "BR-02": "bioreactor/vertical_wheel",
    "ST-01": "bioreactor/stirred_tank",
    "CP-01": "closed_cell_processor",
    "CR-01": "controlled_rate_freezer",
    "IN-01": "incubator",
}
CELLS = {"cells": parse("4e7 cell"), "volume": parse("400 mL"), "batch": "B-0001"}


def working(unit_class: str) -> Twin:
    """A twin with something to do."""
    twin = make(unit_class, "U-01", AT)
    settable = {"temperature": 37.0, "agitation": 60.0, "ph": 7.2, "dissolved_oxygen": 40.0, "co2": 5.0}
    twin.update(
        AT,
        {
            tag: value
            for tag, value in settable.items()
            if (known := twin.model.tags.get(tag)) and known.settable
        },
    )
    if unit_class.startswith("bioreactor"):
        twin.start(AT, "inoculate", {"cells": "4e7 cell", "volume": "400 mL"}, "c1")
    return twin


def twin_hours(unit_class: str, every: float) -> float:
    """Hours of process time per second of CPU, looked at every so many hours."""
    twin = working(unit_class)
    begun = time.process_time()
    for look in range(1, int(DAYS * 24 / every) + 1):
        twin.update(AT + look * every * 3600.0)
    return DAYS * 24 / (time.process_time() - begun)


async def cost(times: int, act: Callable[[int], Awaitable[Any]]) -> float:
    """Milliseconds of CPU of one act."""
    begun = time.process_time()
    for number in range(times):
        await act(number)
    return (time.process_time() - begun) / times * 1000.0


async def served(plant: ServedPlant) -> None:
    """Print what the served plant costs."""
    driver = plant.driver("BR-01")
    await driver.connect()
    await driver.do("inoculate", "c0", CELLS)
    feed = {"volume": parse("0.5 mL"), "batch": "B-0001"}
    updates = await cost(300, lambda _: plant.after(minutes=2))
    reads = await cost(300, lambda _: driver.read("temperature"))
    sets = await cost(100, lambda number: driver.set("temperature", parse(f"{37 + number % 2} degC"), "s"))
    actions = await cost(50, lambda number: driver.do("feed", f"c{number + 1}", feed))
    await driver.close()
    print(f"update of {len(UNITS)} units: {updates:.2f} ms, thread hop included")
    print(
        f"driver: read {reads:.2f} ms, set-point {sets:.2f} ms, action with result and event file {actions:.1f} ms"
    )


def main() -> None:
    """Print all figures."""
    for unit_class in MODELS:
        slow, quick = twin_hours(unit_class, 24.0), twin_hours(unit_class, 1 / 30)
        print(f"{unit_class:28} {slow:>12,.0f} h/s looked at daily, {quick:>9,.0f} h/s every 2 min")
    plant, begun, cpu = ServedPlant(UNITS), time.perf_counter(), time.process_time()
    with plant:
        took = time.perf_counter() - begun
        print(
            f"LADS server of {len(UNITS)} units: started in {took:.2f} s ({time.process_time() - cpu:.2f} s CPU)"
        )
        asyncio.run(served(plant))


if __name__ == "__main__":
    main()
