"""The LADS driver against the served twins, over real sockets."""

import asyncio
import socket
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from batches.quantities import parse, quantity
from devices.base import (
    Device,
    DeviceFault,
    DeviceProtocolError,
    DeviceRefused,
    DeviceUnreachable,
    Identity,
    Outcome,
    OutcomeUnknown,
    Prompting,
)
from devices.drivers.lads import LadsDriver
from tests.devices.lads_plant import ServedPlant, unit_at

CELLS = {"cells": parse("4e7 cell"), "volume": parse("400 mL"), "batch": "B-0001"}


def conforms(driver: LadsDriver) -> Device:
    return driver


async def filled(plant: ServedPlant, name: str, **options: str | bool) -> LadsDriver:
    driver = plant.driver(name, **options)
    await driver.connect()
    await driver.do("inoculate", f"{name} inoculate", CELLS)
    return driver


def test_connect_tells_who_answers(plant: ServedPlant, reactor: str) -> None:
    async def story() -> Identity:
        driver = plant.driver(reactor)
        assert isinstance(conforms(driver), Prompting)
        try:
            return await driver.connect()
        finally:
            await driver.close()
            await driver.close()

    assert asyncio.run(story()) == Identity(
        "Kweek", "Simulated vertical-wheel bioreactor", f"SIM-{reactor}", "1"
    )


def test_a_set_point_is_written_read_back_and_controlled(plant: ServedPlant, reactor: str) -> None:
    async def story() -> None:
        driver = plant.driver(reactor)
        await driver.connect()
        await driver.set("temperature", parse("310.15 K"), "s1")
        await driver.set("temperature", parse("37 degC"), "s1")
        assert plant.twins[reactor].targets == {"temperature": 37.0}
        assert plant.twins[reactor].switched_on == {"temperature"}
        await plant.after(hours=3)
        reading = await driver.read("temperature")
        assert abs(reading.value.value - 37) < Decimal("0.2")
        assert (reading.value.unit, reading.value.value.as_tuple().exponent) == ("degC", -2)
        assert (reading.at, reading.quality, reading.source) == (plant.now(), "good", reactor)
        await driver.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("tag", "value", "sentence"),
    [
        ("temperature", "70 degC", "it takes 15 to 42 degC"),
        ("temperature", "37 mL", "measure different things"),
        ("glucose", "2 g/L", "can only be read"),
        ("charm", "1 g/L", "has no tag 'charm'; it has: temperature, agitation"),
    ],
)
def test_a_set_point_that_cannot_be_is_refused_before_it_is_sent(
    plant: ServedPlant, tag: str, value: str, sentence: str
) -> None:
    async def story() -> None:
        driver = plant.driver("BR-01")
        await driver.connect()
        with pytest.raises(DeviceRefused, match=sentence):
            await driver.set(tag, parse(value), "s1")
        await driver.close()

    before = dict(plant.twins["BR-01"].targets)
    asyncio.run(story())
    assert plant.twins["BR-01"].targets == before


def test_an_action_runs_to_its_end_and_brings_results_and_evidence(plant: ServedPlant, reactor: str) -> None:
    async def story() -> Outcome:
        driver = await filled(plant, reactor)
        await plant.after(days=2)
        outcome = await driver.do("harvest", "c2", {"batch": "B-0001"})
        assert await driver.command_status("c2") == outcome
        await driver.close()
        return outcome

    begun = plant.now()
    outcome = asyncio.run(story())
    assert (outcome.status, outcome.text) == ("done", "")
    assert outcome.results["volume"] == quantity("400.0", "mL")
    cells = outcome.results["viable_cells"]
    assert str(cells).endswith(" cell/mL")
    assert "." not in str(cells)
    lines = outcome.evidence.decode().splitlines()
    assert lines[0] == "time,unit,run,event,detail"
    assert lines[1].endswith(f"{reactor},{reactor}-0002,programme started,harvest")
    assert lines[-1].endswith("programme ended,done")
    assert plant.now() >= begun + timedelta(days=2, minutes=8)


def test_a_run_is_waited_for_with_few_looks(plant: ServedPlant, reactor: str) -> None:
    async def story() -> int:
        driver = await filled(plant, reactor)
        before = plant.jumps
        await driver.do("settle", "c2", {"duration": parse("20 min")})
        await driver.close()
        return plant.jumps - before

    assert asyncio.run(story()) <= 21, "at most one look a minute"


@pytest.mark.parametrize(
    ("action", "parameters", "sentence"),
    [
        ("dance", {}, "has no programme 'dance'"),
        ("feed", {"volume": parse("1000 mL")}, "it takes 0.1 to 550 mL"),
        ("feed", {"volume": parse("200 mL")}, "do not fit"),
        ("add", {"volume": parse("2 mL")}, "needs the parameter 'material'"),
        ("feed", {"volume": (1, 2)}, "a device takes amounts and texts"),
    ],
)
def test_a_refusal_comes_with_the_sentence_of_the_device(
    plant: ServedPlant, reactor: str, action: str, parameters: dict[str, object], sentence: str
) -> None:
    async def story() -> None:
        driver = await filled(plant, reactor)
        with pytest.raises(DeviceRefused, match=sentence):
            await driver.do(action, "c2", parameters)
        assert (await driver.command_status("c2")).status == "not_seen"
        await driver.close()

    asyncio.run(story())


def test_the_same_command_acts_once_also_over_another_link(plant: ServedPlant, reactor: str) -> None:
    async def story() -> None:
        first = await filled(plant, reactor)
        outcome = await first.do("feed", "c2", {"volume": parse("10 mL")})
        await first.close()
        second = plant.driver(reactor)
        await second.connect()
        assert await second.do("feed", "c2", {"volume": parse("10 mL")}) == outcome
        with pytest.raises(DeviceRefused, match="as another one"):
            await second.do("feed", "c2", {"volume": parse("20 mL")})
        await second.close()

    asyncio.run(story())
    assert plant.twins[reactor].truth()["volume"] == 410.0


def test_a_command_under_way_is_running_and_another_is_refused(plant: ServedPlant, reactor: str) -> None:
    async def story() -> None:
        one, other = await filled(plant, reactor), plant.driver(reactor)
        await other.connect()
        running = asyncio.create_task(one.do("settle", "c2", {"duration": parse("20 min")}))
        await plant.busy(reactor)
        assert (await other.command_status("c2")).status == "running"
        with pytest.raises(DeviceRefused, match="takes no StartProgram"):
            await other.do("feed", "c9", {"volume": parse("10 mL")})
        assert (await running).status == "done"
        await one.close()
        await other.close()

    asyncio.run(story())


def test_a_prompt_is_shown_answered_once_and_kept_as_evidence(plant: ServedPlant) -> None:
    async def story() -> tuple[Outcome, list[str]]:
        driver = plant.driver("CP-01")
        assert await driver.prompt("p1") is None, "not connected yet"
        await driver.connect()
        with pytest.raises(DeviceRefused, match="asks nothing"):
            await driver.answer_prompt("p1", "done")
        running = asyncio.create_task(driver.do("program:install_set", "p1", {"batch": "B-0002"}))
        asked: list[str] = []
        while not running.done():
            await asyncio.sleep(0.005)
            if (text := await driver.prompt("p1")) is not None:
                assert (await driver.command_status("p1")).status == "running"
                assert await driver.prompt("another") is None
                asked.append(text)
                await driver.answer_prompt("p1", "set 0815 loaded")
                await driver.answer_prompt("p1", "set 0815 loaded")
        outcome = await running
        await driver.close()
        return outcome, asked

    outcome, asked = asyncio.run(story())
    assert asked == ["Load the tubing set as the screen shows, close the doors, and confirm."]
    assert outcome.results == {"integrity_test": "pass"}
    assert "prompt answered,set 0815 loaded" in outcome.evidence.decode()


def test_stop_hold_and_abort_reach_a_running_programme(plant: ServedPlant, reactor: str) -> None:
    async def story() -> None:
        driver = await filled(plant, reactor)
        other = plant.driver(reactor)
        await other.connect()
        for method, ended in ((other.stop, "stopped"), (other.abort, "aborted")):
            running = asyncio.create_task(driver.do("settle", f"c {ended}", {"duration": parse("20 min")}))
            await plant.busy(reactor)
            await other.hold()
            with pytest.raises(DeviceRefused, match="state Held, which takes no Hold"):
                await other.hold()
            await other.unhold()
            await method()
            outcome = await running
            assert (outcome.status, outcome.text) == ("failed", f"{ended} during 'settle'")
        with pytest.raises(DeviceRefused, match="state Aborted, which takes no StartProgram"):
            await driver.do("settle", "c5", {})
        await other.stop()
        await driver.close()
        await other.close()

    asyncio.run(story())


def test_a_safe_state_stops_feeds_and_leaves_the_environment(plant: ServedPlant, reactor: str) -> None:
    twin = plant.twins[reactor]

    async def story() -> None:
        driver = await filled(plant, reactor)
        await driver.set("temperature", parse("37 degC"), "s1")
        await driver.set("perfusion_rate", parse("240 mL/day"), "s2")
        assert twin.targets == {"temperature": 37.0, "perfusion_rate": 10.0}
        await driver.safe("keep_environment", "s3")
        await driver.safe("stand_still", "s4")
        assert twin.targets["perfusion_rate"] == 10.0
        await driver.safe("stop_feeds", "s5")
        assert twin.targets == {"temperature": 37.0, "perfusion_rate": 0.0}
        with pytest.raises(DeviceRefused, match="no safe state 'hide'"):
            await driver.safe("hide", "s6")
        await driver.close()

    asyncio.run(story())
    assert twin.switched_on == {"temperature", "perfusion_rate"}


def test_what_is_promised_follows_what_the_device_remembers(plant: ServedPlant, reactor: str) -> None:
    keeps, forgets = plant.driver(reactor), plant.driver(reactor, remembers=False)
    asked = ("set", "safe", "feed", "program:x")
    assert [keeps.repeatability(each) for each in asked] == [
        "idempotent",
        "idempotent",
        "queryable",
        "queryable",
    ]
    assert [forgets.repeatability(each) for each in asked[2:]] == ["non_repeatable", "non_repeatable"]

    async def story() -> str:
        await forgets.connect()
        status = (await forgets.command_status("never sent")).status
        await forgets.close()
        return status

    assert asyncio.run(story()) == "unknown"


# -- quality and faults ----------------------------------------------------------------------------


def test_every_quality_is_told_apart(plant: ServedPlant, reactor: str) -> None:
    async def story() -> None:
        driver, bench = plant.driver(reactor), await plant.bench()
        await driver.connect()
        await bench.inject(reactor, "dropout", "ph")
        with pytest.raises(DeviceFault, match=r"no value for 'ph' \(BadSensorFailure\)"):
            await driver.read("ph")
        await bench.inject(reactor, "clear")
        good = await driver.read("ph")
        assert good.quality == "good"
        await bench.inject(reactor, "dropout", "ph")
        bad = await driver.read("ph")
        assert (bad.value, bad.at, bad.quality) == (good.value, good.at, "bad")
        assert "BadSensorFailure" in bad.source
        await bench.inject(reactor, "freeze_value", "temperature")
        frozen = await driver.read("temperature")
        await plant.after(seconds=50)
        assert (await driver.read("temperature")).quality == "good"
        await plant.after(hours=1)
        stale = await driver.read("temperature")
        assert (stale.value, stale.at, stale.quality) == (frozen.value, frozen.at, "stale")
        await bench.inject(reactor, "jump", "agitation 1000")
        assert (await driver.read("agitation")).quality == "uncertain"
        await bench.inject(reactor, "jump", "dissolved_oxygen -20")
        before = (await driver.read("dissolved_oxygen")).value.value
        await bench.inject(reactor, "drift", "dissolved_oxygen -10")
        await plant.after(hours=3)
        assert before - 15 < (await driver.read("dissolved_oxygen")).value.value < before
        await bench.inject(reactor, "clear")
        await driver.close()
        await bench.close()

    asyncio.run(story())


def test_a_refused_command_did_not_happen(plant: ServedPlant, reactor: str) -> None:
    async def story() -> None:
        driver, bench = await filled(plant, reactor), await plant.bench()
        await bench.inject(reactor, "refuse", "2")
        with pytest.raises(DeviceRefused, match="as it was told to"):
            await driver.do("feed", "c2", {"volume": parse("10 mL")})
        with pytest.raises(DeviceRefused):
            await driver.set("temperature", parse("37 degC"), "s1")
        assert (await driver.command_status("c2")).status == "not_seen"
        assert (await driver.do("feed", "c2", {"volume": parse("10 mL")})).status == "done"
        await driver.close()
        await bench.close()

    asyncio.run(story())


@pytest.mark.parametrize("fault", [("lose_reply", "1"), ("delay", "2")])
def test_a_lost_reply_is_an_unknown_outcome_that_can_be_asked_for(
    plant: ServedPlant, reactor: str, fault: tuple[str, str]
) -> None:
    async def story() -> None:
        driver, bench = await filled(plant, reactor, limit="1 s"), await plant.bench()
        await bench.inject(reactor, *fault)
        with pytest.raises(OutcomeUnknown, match="did not answer within 1 s"):
            await driver.do("feed", "c2", {"volume": parse("10 mL")})
        assert (await driver.command_status("c2")).status == "running"
        assert (await driver.do("feed", "c2", {"volume": parse("10 mL")})).status == "done"
        assert plant.twins[reactor].truth()["volume"] == 410.0
        await driver.close()
        await bench.close()

    asyncio.run(story())


def test_a_link_that_breaks_while_a_programme_runs_is_mended(plant: ServedPlant, reactor: str) -> None:
    async def story() -> Outcome:
        driver, bench = await filled(plant, reactor), await plant.bench()
        running = asyncio.create_task(driver.do("settle", "c2", {"duration": parse("20 min")}))
        await plant.busy(reactor)
        await bench.inject("", "disconnect", "0.4")
        outcome = await running
        assert (await driver.read("temperature")).quality == "good"
        await driver.close()
        await bench.close()
        return outcome

    assert asyncio.run(story()).status == "done"


def test_a_link_that_stays_broken_is_an_unknown_outcome(plant: ServedPlant, reactor: str) -> None:
    async def story() -> None:
        driver, bench = await filled(plant, reactor, limit="300 ms", patience="500 ms"), await plant.bench()
        running = asyncio.create_task(driver.do("settle", "c2", {"duration": parse("20 min")}))
        await plant.busy(reactor)
        await bench.inject("", "disconnect", "1.8")
        with pytest.raises(OutcomeUnknown, match="What it ran may have gone on"):
            await running
        with pytest.raises(DeviceUnreachable, match="check that it is switched on"):
            await driver.read("temperature")
        await asyncio.sleep(1.4)
        assert (await driver.command_status("c2")).status in ("running", "done")
        await driver.close()
        await bench.close()

    asyncio.run(story())


def test_a_device_that_is_absent_is_unreachable_within_the_limit(plant: ServedPlant) -> None:
    async def story() -> float:
        driver = LadsDriver(unit_at("opc.tcp://127.0.0.1:9/BR-01", "BR-01", {}, {"limit": "300 ms"}), plant)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(DeviceUnreachable, match="BR-01 does not answer at opc.tcp://127.0.0.1:9/BR-01"):
            await driver.connect()
        return asyncio.get_running_loop().time() - begun

    assert asyncio.run(story()) < 2.0


def test_a_host_that_never_answers_is_unreachable_within_the_limit(plant: ServedPlant) -> None:
    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and nobody reads
            address = f"opc.tcp://127.0.0.1:{silent.getsockname()[1]}/X"
            driver = LadsDriver(unit_at(address, "X", {}, {"limit": "300 ms"}), plant)
            async with asyncio.timeout(3):
                with pytest.raises(DeviceUnreachable):
                    await driver.connect()
            await driver.close()

    asyncio.run(story())


def test_another_device_than_the_one_expected_is_told(plant: ServedPlant) -> None:
    async def story() -> None:
        real = plant.unit("BR-01")
        unknown = replace(real, address=real.address.replace("BR-01", "XX-99"))
        with pytest.raises(DeviceProtocolError, match="no device 'XX-99'; it has: BR-01, BR-02"):
            await LadsDriver(unknown, plant).connect()
        processor = replace(real, address=real.address.replace("BR-01", "CP-01"))
        with pytest.raises(DeviceProtocolError, match="no function for the tag 'agitation'"):
            await LadsDriver(processor, plant).connect()
        wrong = replace(real.tags["temperature"], unit="rpm")
        with pytest.raises(DeviceProtocolError, match="tag 'temperature' of the plant file: 'degC' cannot"):
            await LadsDriver(replace(real, tags={"temperature": wrong}), plant).connect()

    asyncio.run(story())


def test_tags_can_be_named_otherwise_in_the_plant_file(plant: ServedPlant) -> None:
    async def story() -> None:
        real = plant.unit("BR-01")
        options = {**real.options, "names": {"warmth": "temperature"}}
        driver = LadsDriver(replace(real, tags={"warmth": real.tags["temperature"]}, options=options), plant)
        await driver.connect()
        assert (await driver.read("warmth")).quality == "good"
        await driver.close()

    asyncio.run(story())


def test_the_event_loop_is_never_kept_waiting(plant: ServedPlant, reactor: str) -> None:
    async def story() -> float:
        loop = asyncio.get_running_loop()
        worst = 0.0
        driver = await filled(plant, reactor)
        running = asyncio.create_task(driver.do("settle", "c2", {"duration": parse("20 min")}))
        while not running.done():
            begun = loop.time()
            await asyncio.sleep(0.001)
            worst = max(worst, loop.time() - begun)
        await driver.close()
        return worst

    assert asyncio.run(story()) < 0.5, "50 ms on a quiet machine"
