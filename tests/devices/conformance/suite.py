"""Runs the rules: one run for each driver file, one verdict for each rule."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import devices.drivers
from tests.devices.conformance.convention import Served, StandingClock, to_its_end
from tests.devices.conformance.rules import RULES

PASS, NOT_APPLICABLE = "pass", "does not apply: "
WITHIN = 60.0  # s, real time, for one rule


def drivers() -> list[str]:
    """Every file of devices/drivers: found, not registered."""
    folder = Path(str(devices.drivers.__file__)).parent
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def slow(driver: str) -> bool:
    """Whether a driver's run takes long: its served file says SLOW."""
    name = f"tests.devices.conformance.served.{driver}"
    return find_spec(name) is not None and "SLOW" in vars(import_module(name))


def verdicts(driver: str, folder: Path) -> dict[str, str]:
    """What each rule says of a driver: PASS, NOT_APPLICABLE with the reason, or why it fails."""
    name = f"tests.devices.conformance.served.{driver}"
    if find_spec(name) is None:
        why = f"nothing serves it: tests/devices/conformance/served/{driver}.py is missing"
        return dict.fromkeys(RULES, why)
    served = import_module(name).serve(folder)
    if isinstance(served, str):
        return dict.fromkeys(RULES, NOT_APPLICABLE + served)
    return asyncio.run(_judged(served))


async def _judged(serving: AbstractAsyncContextManager[Served]) -> dict[str, str]:
    async with serving as served:
        device = served.driver(StandingClock(served))
        await device.connect()
        if served.prepare is not None:
            action, given = served.prepare
            await to_its_end(served, device.do(action, "prepare", given))
        await device.close()
        return {rule: await _verdict(served, rule) for rule in RULES}


async def _verdict(served: Served, rule: str) -> str:
    if rule in served.excused:
        return NOT_APPLICABLE + served.excused[rule]
    device = served.driver(StandingClock(served))
    try:
        async with asyncio.timeout(WITHIN):
            await device.connect()
            await RULES[rule](served, device)
    except TimeoutError:
        return f"did not end within {WITHIN:g} s"
    except Exception as error:  # whatever a driver raises is a verdict on it
        return f"{type(error).__name__}: {error}"
    finally:
        await device.close()
    return PASS


def matrix(found: Mapping[str, Mapping[str, str]]) -> str:
    """The verdicts as a table in Markdown, driver by rule; the reasons are below it."""
    lines = ["| rule | " + " | ".join(found) + " |", "| --- |" + " --- |" * len(found)]
    reasons: list[str] = []
    for rule in RULES:
        cells: list[str] = []
        for verdict in (each[rule] for each in found.values()):
            if verdict != PASS and verdict not in reasons:
                reasons.append(verdict)
            cells.append(PASS if verdict == PASS else f"[{reasons.index(verdict) + 1}]")
        lines.append(f"| {rule} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *(f"{n}. {reason}" for n, reason in enumerate(reasons, 1))])
