"""Measures in words and in quantities a person reads: seconds become days or hours, shares per cent."""

from math import isinf

from simulations.statistics import Interval

DAY, HOUR, MINUTE = 86400.0, 3600.0, 60.0
_TIMES = ("wait_to_start.", "making.", "vein_to_vein.", "order_to_end.", "queue.", "wait.", "time_in_system.")
_SHARES = ("success.", "fate.", "utilisation.", "cleaning.", "down.", "upkeep.", "busy.", "waited.", "lost.", "reneged.")  # fmt: skip
_WORDS = {
    "batches": "batches ended", "throughput": "released batches a year", "success": "released, of batches ended",
    "deviations": "deviations a batch", "fate": "batches ended as", "wait_to_start": "wait for a start",
    "making": "making", "vein_to_vein": "vein to vein", "order_to_end": "order to end",
    "utilisation": "in use", "cleaning": "being cleaned", "down": "down", "upkeep": "in upkeep",
    "hours": "hours worked", "queue": "wait for", "cost": "cost a year", "breakdowns": "breakdowns",
    "orders": "orders", "used": "used", "remade": "made again", "open_orders": "orders open",
    "wait": "wait at", "waited": "share that waited at", "busy": "servers in use at", "present": "present at",
    "lost": "lost at", "reneged": "gave up at", "served": "served a second at", "time_in_system": "time in system",
}  # fmt: skip


def is_time(name: str) -> bool:
    """Whether a measure is a time in seconds."""
    return (
        name.startswith(_TIMES)
        and not name.startswith("queue.")
        or name.startswith("queue.")
        and name.endswith(".mean")
    )


def is_share(name: str) -> bool:
    """Whether a measure is a share from 0 to 1."""
    return name.startswith(_SHARES)


def title(name: str) -> str:
    """A measure in words: 'vein_to_vein.cart.median' is 'vein to vein: cart, median'."""
    first, _, rest = name.partition(".")
    said = _WORDS.get(first, first.replace("_", " "))
    return f"{said}: {rest.replace('.', ', ').replace('_', ' ')}" if rest else said


def scale(name: str, largest: float) -> tuple[float, str]:
    """What to divide a measure by, and the unit it is then in."""
    if is_share(name):
        return 0.01, "%"
    if not is_time(name):
        return 1.0, ""
    if largest >= 2 * DAY:
        return DAY, "d"
    return (HOUR, "h") if largest >= 2 * HOUR else (MINUTE, "min")


def number(value: float) -> str:
    """Three significant digits; whole thousands in full."""
    if isinf(value):
        return "?"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def quantity(name: str, value: float) -> str:
    """A value of a measure with its unit."""
    by, unit = scale(name, abs(value))
    return f"{number(value / by)} {unit}".rstrip()


def ranged(name: str, found: Interval) -> str:
    """An estimate with its interval: '21.3 d (20.1 to 22.5)'."""
    by, unit = scale(name, abs(found.estimate))
    text = f"{number(found.estimate / by)} {unit}".rstrip()
    low, high = (max(found.low, 0.0), min(found.high, 1.0)) if is_share(name) else (found.low, found.high)
    return text if isinf(found.half) else f"{text} ({number(low / by)} to {number(high / by)})"
