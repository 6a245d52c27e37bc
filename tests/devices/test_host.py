"""A driver in a process of its own: real processes, killed, frozen and abandoned."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from batches.errors import BadInput, KweekError, NotFound
from batches.plain import Plain
from batches.quantities import parse
from devices import hosted
from devices.base import (
    DeviceFault,
    DeviceProtocolError,
    DeviceRefused,
    DeviceUnreachable,
    Identity,
    OutcomeUnknown,
)
from devices.drivers import make
from devices.drivers.liquid_handler import repeatability
from devices.drivers.manual import Manual
from devices.hosted import Hosted
from devices.plant import DEMO, load
from tests.conftest import ROOT
from tests.devices.handling import START, JumpingClock, do, handler_unit, log_of, seed

SIMULATED = Identity("PyLabRobot", "simulated STARlet", "SIM-LH-01", "pylabrobot 0.2.2")


def run(folder: Path, story: Callable[[Hosted], Awaitable[None]], **options: Plain) -> None:
    """Tell a story on a hosted handler that is not connected yet, and close it."""

    async def told() -> None:
        device = Hosted(handler_unit(**options), JumpingClock(), folder, repeatability)
        try:
            await story(device)
        finally:
            await device.close()

    asyncio.run(told())


async def said(awaitable: Awaitable[object], kind: type[KweekError]) -> str:
    with pytest.raises(kind) as error:
        await awaitable
    return str(error.value)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


async def until(condition: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 another process brings it about
            await asyncio.sleep(0.02)


def moved(folder: Path, times: int) -> Callable[[], bool]:
    """Whether the running command has come that far."""
    return lambda: log_of(folder).exists() and log_of(folder).read_bytes().count(b'"kind":"moved"') >= times


async def worst_lag(work: Awaitable[object]) -> float:
    """The longest time, in seconds, for which the event loop did not turn during `work`."""
    worst, ended = 0.0, asyncio.ensure_future(work)
    while not ended.done():
        asleep = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - asleep - 0.001)
    await ended
    return worst


def test_the_event_loop_never_waits_for_pylabrobot(tmp_path: Path) -> None:
    """The best of three: on a busy machine every process waits now and then."""

    before = set(sys.modules)

    async def story(device: Hosted) -> None:
        async def everything() -> None:
            assert await device.connect() == SIMULATED
            assert (await seed(device, "c-1")).status == "done"

        lags = [await worst_lag(everything())]
        while lags[-1] >= LONGEST_LAG and len(lags) < 3:
            lags.append(await worst_lag(everything()))
        assert min(lags) < LONGEST_LAG
        assert "pylabrobot.liquid_handling.liquid_handler" not in set(sys.modules) - before

    run(tmp_path, story)


LONGEST_LAG = 0.05


def test_a_hosted_device_answers_as_the_driver_does(tmp_path: Path) -> None:
    async def story(device: Hosted) -> None:
        assert device.pid is None
        done = await seed(device, "c-1", cells_per_well="1000 cell")  # connects by itself
        assert (done.status, done.results["cells"]) == ("done", parse("96000 cell"))
        assert done.evidence.count(b'"kind":"moved"') == 12
        clock = device._clock
        assert isinstance(clock, JumpingClock)
        assert clock.passed().total_seconds() == 334
        assert await device.command_status("c-1") == done
        reading = await device.read("volume/suspension")
        assert (reading.value, reading.quality, reading.at) == (parse("5.6 mL"), "good", clock.now())
        assert "'suspension' holds 5.6 mL" in await said(seed(device, "c-2"), DeviceRefused)
        assert "takes no set-points" in await said(device.set("tips", parse("1"), "c-3"), DeviceRefused)
        assert "has no tag 'colour'" in await said(device.read("colour"), NotFound)
        assert "A float cannot be sent" in await said(do(device, "load", "c-4", volume=1.5), BadInput)
        await device.safe("stand_still", "c-5")
        await device.stop()
        assert (device.repeatability("pool"), device.repeatability("safe")) == ("queryable", "idempotent")
        first = device.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: device.pid is None)
        assert (await seed(device, "c-1")).status == "done"  # by a new host, which does not do it again
        assert (await device.read("volume/suspension")).value == parse("5.6 mL")
        second = device.pid
        assert second not in (None, first)
        await device.close()
        assert not alive(second or first)

    run(tmp_path, story)


def test_a_host_killed_in_the_middle_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    async def story(device: Hosted) -> None:
        assert (await do(device, "load", "c-0", vessel="suspension", volume="40 mL")).status == "done"
        running = asyncio.create_task(seed(device, "c-1"))
        await until(moved(tmp_path, 2))
        assert device.pid is not None
        os.kill(device.pid, signal.SIGKILL)
        assert await said(running, OutcomeUnknown) == (
            "The process of LH-01 ended in 'do'; whether the command was carried out is not known."
        )
        assert (await device.command_status("c-0")).status == "done"
        assert (await device.command_status("c-1")).status == "unknown"
        assert (await device.command_status("c-2")).status == "not_seen"
        assert "may carry tips" in await said(seed(device, "c-2"), DeviceRefused)
        assert (await device.read("volume/suspension")).quality == "uncertain"
        await do(device, "discard_tips", "c-3")
        assert "Nobody knows what 'suspension' holds" in await said(seed(device, "c-4"), DeviceRefused)

    run(tmp_path, story, faults={"pace": "20 ms"})


def test_a_driver_that_blocks_is_given_up_after_its_time(tmp_path: Path) -> None:
    async def story(device: Hosted) -> None:
        await device.connect()
        first = device.pid
        assert first is not None
        sentence = await said(seed(device, "c-1"), OutcomeUnknown)
        assert sentence.startswith(
            "The process of LH-01 did not answer 'do' within 1 s; whether the command was"
        )
        assert not alive(first)

    run(tmp_path, story, faults={"hang_at": 3}, answer_within="1 s")


def test_a_driver_that_does_not_hear_a_stop_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "END_WITHIN", 0.5)

    async def story(device: Hosted) -> None:
        await device.connect()
        running = asyncio.create_task(seed(device, "c-1"))
        await until(moved(tmp_path, 1))
        await asyncio.sleep(0.2)
        assert "did not hear the stop and its process was ended" in await said(device.stop(), DeviceFault)
        await said(running, OutcomeUnknown)

    run(tmp_path, story, faults={"hang_at": 3})


def test_a_frozen_host_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "SILENT_BEATS", 3)

    async def story(device: Hosted) -> None:
        await device.connect()
        assert device.pid is not None
        os.kill(device.pid, signal.SIGSTOP)
        assert "ended in 'read'; try again" in await said(device.read("tips"), DeviceUnreachable)

    run(tmp_path, story)


ENGINE = """
import asyncio, sys
from pathlib import Path
from tests.devices.handling import JumpingClock, handler_unit, seed
from devices.drivers.liquid_handler import repeatability
from devices.hosted import Hosted

async def main() -> None:
    unit = handler_unit(faults={"pace": "50 ms"})
    device = Hosted(unit, JumpingClock(), Path(sys.argv[1]), repeatability)
    await device.connect()
    print(device.pid, flush=True)
    await seed(device, "c-1")

asyncio.run(main())
"""


def test_a_command_outlives_the_engine_that_asked_for_it(tmp_path: Path) -> None:
    """Kill -9 of the engine: its host carries the command to the end, and the next engine learns of it."""
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert engine.stdout is not None
    orphan = int(engine.stdout.readline())

    async def story(device: Hosted) -> None:
        await until(moved(tmp_path, 2))
        engine.kill()
        os.kill(orphan, signal.SIGSTOP)  # so that there is time to look at it
        assert (await device.command_status("c-1")).status == "running"
        assert "Another process works with LH-01" in await said(device.connect(), DeviceUnreachable)
        os.kill(orphan, signal.SIGCONT)
        await until(lambda: not alive(orphan))
        assert (await device.command_status("c-1")).status == "done"
        assert (await device.read("volume/suspension")).value == parse("5.6 mL")

    with engine:
        run(tmp_path, story)


def test_another_machine_than_the_qualified_one_is_refused(tmp_path: Path) -> None:
    async def story(device: Hosted) -> None:
        sentence = await said(device.connect(), DeviceProtocolError)
        assert sentence.startswith(
            "LH-01 answers with serial number 'SIM-LH-01', but the plant file expects 'X-7'"
        )
        assert await said(seed(device, "c-1"), DeviceProtocolError) == sentence

    run(tmp_path, story, identity={"serial": "X-7"})


def test_a_deck_that_cannot_be_is_refused_and_tried_again_later(tmp_path: Path) -> None:
    async def story(device: Hosted) -> None:
        sentence = await said(device.connect(), DeviceRefused)
        assert sentence.startswith("plant.yaml, line 7, options of LH-01: the backend 'STAR' was never tried")
        assert await said(seed(device, "c-1"), DeviceRefused) == sentence

    run(tmp_path, story, backend="STAR")


def test_a_host_that_cannot_be_started_is_said_and_not_tried_without_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    async def story(device: Hosted) -> None:
        for pause in ("0.5 s", "1 s"):
            first = await said(device.read("tips"), DeviceUnreachable)
            assert first.startswith("The process of LH-01 could not be started. The process of LH-01 ended")
            second = await said(device.read("tips"), DeviceUnreachable)
            assert second == f"The process of LH-01 could not be started; it is tried again in {pause}."
            await asyncio.sleep(0.6)

    run(tmp_path, story)


def test_a_host_whose_engine_is_gone_does_not_hang_for_ever(tmp_path: Path) -> None:
    """The engine's end of the pipe closes while the driver blocks: the host gives up after its time."""

    async def story(device: Hosted) -> None:
        await device.connect()
        running = asyncio.create_task(seed(device, "c-1"))
        await until(moved(tmp_path, 1))
        pid, process = device.pid, device._process
        assert pid is not None
        assert process is not None
        assert process.process.stdin is not None
        process.process.stdin.close()
        await until(lambda: not alive(pid))
        await said(running, OutcomeUnknown)

    run(tmp_path, story, faults={"hang_at": 3}, answer_within="1 s")


def test_a_time_that_is_none_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"plant.yaml, line 7: 'answer_within' of LH-01 is no time \("):
        Hosted(handler_unit(answer_within="soon"), JumpingClock(), tmp_path, repeatability)


def test_each_unit_of_the_plant_gets_its_driver(tmp_path: Path) -> None:
    clock = JumpingClock()
    kinds = {unit.driver: type(make(unit, clock, tmp_path)).__name__ for unit in load(DEMO, {}).units}
    assert kinds == {"lads": "LadsDriver", "liquid_handler": "Hosted", "manual": Manual.__name__}
    assert clock.now() == START
