"""The LADS server as any client sees it: nodes, states, methods, files, memory, faults."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.client.client import Client
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput, NotFound
from batches.quantities import Quantity, parse
from devices.base import DeviceRefused, DeviceUnreachable
from devices.bench import Bench
from devices.lads import LADS, TRANSITIONS, Command, State, pair, pairs_in
from devices.lads_client import CallRefused, Map, below, call, content, learn, plain, values, within
from devices.servers.faults import FAULTS
from devices.servers.lads import ABRUPT, LadsServer
from devices.servers.memory import Memory
from devices.twins.catalogue import make
from tests.conftest import ROOT
from tests.devices.lads_plant import START, ServedPlant

CELLS = {"cells": "4e7 cell", "volume": "400 mL"}


@asynccontextmanager
async def linked(plant: ServedPlant, name: str) -> AsyncIterator[tuple[Client, Map]]:
    client = Client(f"opc.tcp://127.0.0.1:{plant.server.port}/", timeout=5)
    client.session_timeout = 600_000
    async with client:
        yield client, await learn(client, name)


async def start(client: Client, known: Map, template: str, given_: dict[str, str], task: str) -> Any:
    pairs = [pair(known.lads, *each) for each in given_.items()]
    texts = [ua.Variant(each, ua.VariantType.String) for each in (template, "B-0001", task)]
    arrays = [ua.Variant(each, ua.VariantType.ExtensionObject, is_array=True) for each in (pairs, [])]
    arguments = [texts[0], arrays[0], texts[1], texts[2], arrays[1]]
    return (await call(client, known.state[""], known.state["StartProgram"], *arguments))[0]


async def state_of(client: Client, known: Map) -> tuple[str, str]:
    outer, inner = await values(client, [known.state["CurrentState"], known.running["CurrentState"]])
    return plain(outer), plain(inner)


def test_every_method_does_what_the_state_machine_says_in_every_state(
    plant: ServedPlant, reactor: str
) -> None:
    """All of TRANSITIONS over the wire: each state, each method; what is not named is refused."""
    ways: dict[State, tuple[Command, ...]] = {
        "Stopped": (), "Idle": ("Start",), "Execute": ("StartProgram",), "Held": ("StartProgram", "Hold"),
        "Aborted": ("Abort",),
    }  # fmt: skip
    shown = {"Stopped": ("Stopped", ""), "Aborted": ("Aborted", "")}

    async def story() -> None:
        async with linked(plant, reactor) as (client, known):
            await start(client, known, "inoculate", CELLS, "fill")
            await plant.after(hours=1)
            tries = 0

            async def ask(command: Command) -> None:
                nonlocal tries
                tries += 1
                if command == "StartProgram":
                    await start(client, known, "settle", {}, f"try {tries}")
                    return
                parts = known.state if command in known.state else known.running
                await call(client, parts[""], parts[command])

            for state, way in ways.items():
                for command, table in TRANSITIONS.items():
                    await reset(ask, client, known)
                    for step in way:
                        await ask(step)
                    assert await state_of(client, known) == shown.get(state, ("Running", state))
                    if state in table:
                        await ask(command)
                        after = table[state]
                    else:
                        with pytest.raises(CallRefused, match=f"in state {state}, which takes no {command}"):
                            await ask(command)
                        after = state
                    assert await state_of(client, known) == shown.get(after, ("Running", after)), (
                        state,
                        command,
                    )

    async def reset(ask: Any, client: Client, known: Map) -> None:
        if (await state_of(client, known))[0] == "Aborted":
            await ask("Clear")
        elif (await state_of(client, known))[0] != "Stopped":
            await ask("Stop")

    asyncio.run(story())


def test_a_programme_that_ends_leaves_the_unit_complete_until_it_is_reset(
    plant: ServedPlant, reactor: str
) -> None:
    async def story() -> None:
        async with linked(plant, reactor) as (client, known):
            await start(client, known, "inoculate", CELLS, "c1")
            assert await state_of(client, known) == ("Running", "Execute")
            await plant.after(hours=1)
            assert await state_of(client, known) == ("Running", "Complete")
            await call(client, known.running[""], known.running["Reset"])
            assert await state_of(client, known) == ("Running", "Idle")
            await start(client, known, "settle", {}, "c2")
            await plant.after(hours=1)
            await start(client, known, "settle", {}, "c3")

    asyncio.run(story())


def test_the_active_programme_shows_its_progress(plant: ServedPlant, reactor: str) -> None:
    async def story() -> dict[str, Any]:
        async with linked(plant, reactor) as (client, known):
            await start(client, known, "inoculate", CELLS, "c1")
            await plant.after(hours=1)
            await start(client, known, "exchange_medium", {"fraction": "50 %"}, "c2")
            await plant.after(minutes=11)
            names = [name for name in known.active if name and name != "AnswerPrompt"]
            return dict(
                zip(
                    names,
                    map(plain, await values(client, [known.active[each] for each in names])),
                    strict=True,
                )
            )

    assert asyncio.run(story()) == {
        "DeviceProgramRunId": f"{reactor}-0002",
        "CurrentRuntime": 660_000.0,
        "CurrentPauseTime": 0.0,
        "EstimatedRuntime": 1_080_000.0,
        "CurrentStepName": "pump out 200.0 mL",
        "CurrentStepNumber": 2,
        "CurrentStepRuntime": 60_000.0,
        "EstimatedStepNumbers": 3,
        "EstimatedStepRuntime": 240_000.0,
        "SupervisoryJobId": "B-0001",
        "SupervisoryTaskId": "c2",
        "Prompt": "",
    }


def test_a_result_holds_ids_times_parameters_and_the_event_file(plant: ServedPlant, reactor: str) -> None:
    begun = plant.now()

    async def story() -> tuple[dict[str, Any], bytes]:
        async with linked(plant, reactor) as (client, known):
            await start(client, known, "inoculate", CELLS, "c1")
            await plant.after(hours=1)
            result = await below(client, (await below(client, known.results))[f"{reactor}-0001"])
            names = [name for name in result if name not in ("", "VariableSet", "FileSet", "ProgramTemplate")]
            told = dict(
                zip(names, map(plain, await values(client, [result[each] for each in names])), strict=True)
            )
            file = (await below(client, (await below(client, result["FileSet"]))["events"]))["File"]
            return told, await content(client, file)

    told, file = asyncio.run(story())
    assert pairs_in(told.pop("Properties")) == CELLS
    assert {name: told[name] for name in ("SupervisoryJobId", "SupervisoryTaskId", "Outcome", "OutcomeText")} == {
        "SupervisoryJobId": "B-0001", "SupervisoryTaskId": "c1", "Outcome": "done", "OutcomeText": "",
    }  # fmt: skip
    assert told["Started"] == begun
    assert (told["Stopped"] - begun).total_seconds() == 480.0
    assert told["TotalRuntime"] == 480_000.0
    assert file.startswith(b"time,unit,run,event,detail\n")


def test_a_file_is_read_in_parts_and_only_through_its_handle(plant: ServedPlant, reactor: str) -> None:
    async def story() -> None:
        async with linked(plant, reactor) as (client, known):
            await start(client, known, "inoculate", CELLS, "c1")
            await plant.after(hours=1)
            result = await below(client, (await below(client, known.results))[f"{reactor}-0001"])
            node = (await below(client, (await below(client, result["FileSet"]))["events"]))["File"]
            file = await below(client, node)
            size = plain((await values(client, [file["Size"]]))[0])

            async def ask(method: str, *given_: ua.Variant) -> Any:
                return await call(client, node, file[method], *given_)

            read, write = (ua.Variant(mode, ua.VariantType.Byte) for mode in (1, 2))
            with pytest.raises(CallRefused, match="can only be read"):
                await ask("Open", write)
            handle = ua.Variant((await ask("Open", read))[0], ua.VariantType.UInt32)
            ten, all_ = (ua.Variant(length, ua.VariantType.Int32) for length in (10, 100_000))
            parts = [(await ask("Read", handle, each))[0] for each in (ten, ten, all_)]
            assert (len(parts[0]), len(parts[1]), sum(map(len, parts))) == (10, 10, size)
            await ask("Close", handle)
            with pytest.raises(CallRefused, match="does not belong to an open file"):
                await ask("Read", handle, ten)

    asyncio.run(story())


def test_set_points_are_refused_out_of_range_and_values_cannot_be_written(
    plant: ServedPlant, reactor: str
) -> None:
    async def story() -> None:
        async with linked(plant, reactor) as (client, known):
            function = known.functions["temperature"]
            assert function.target is not None
            for value, code in ((70.0, "BadOutOfRange"), (float("nan"), "BadOutOfRange"), (37.0, "Good")):
                written = ua.DataValue(ua.Variant(value, ua.VariantType.Double))
                (status,) = await client.uaclient.write_attributes([function.target], [written])
                assert status.name == code
            assert plain((await values(client, [function.target]))[0]) == 37.0
            text = ua.DataValue(ua.Variant("hot", ua.VariantType.String))
            (status,) = await client.uaclient.write_attributes([function.target], [text])
            assert status.name == "BadTypeMismatch"
            written = ua.DataValue(ua.Variant(37.0, ua.VariantType.Double))
            (status,) = await client.uaclient.write_attributes([function.value], [written])
            assert status.name == "BadUserAccessDenied"

    asyncio.run(story())
    assert plant.twins[reactor].targets == {"temperature": 37.0}
    assert plant.twins[reactor].switched_on == set()


def test_a_controller_has_a_switch_of_its_own(plant: ServedPlant, reactor: str) -> None:
    twin = plant.twins[reactor]

    async def story() -> None:
        async with linked(plant, reactor) as (client, known):
            function = known.functions["agitation"]
            assert function.control is not None
            with pytest.raises(CallRefused, match="no set-point for agitation yet"):
                await call(client, function.control, function.controls["Start"])
            target = ua.Variant(50.0, ua.VariantType.Double)
            await call(client, function.control, function.controls["StartWithTargetValue"], target)
            assert (twin.targets, twin.switched_on) == ({"agitation": 50.0}, {"agitation"})
            assert plain((await values(client, [function.controls["CurrentState"]]))[0]) == "Running"
            await call(client, function.control, function.controls["Stop"])
            assert twin.switched_on == set()

    asyncio.run(story())


def test_nonsense_in_a_call_is_refused_and_the_server_goes_on(plant: ServedPlant, reactor: str) -> None:
    async def story() -> None:
        async with linked(plant, reactor) as (client, known):
            method = known.state["StartProgram"]
            text = ua.Variant("x", ua.VariantType.String)
            whole = ua.Variant(7, ua.VariantType.Int64)
            no = ua.Variant([], ua.VariantType.ExtensionObject, is_array=True)
            for given_ in (
                (),
                (text,),
                (text, whole, text, text),
                (whole, no, text, text, no),
                (text, text, text, text, text),
            ):
                with pytest.raises(CallRefused, match=r"not those of this method|no key-value pair"):
                    await call(client, known.state[""], method, *given_)
            with pytest.raises(CallRefused, match="needs a SupervisoryTaskId"):
                await start(client, known, "settle", {}, "")
            with pytest.raises(CallRefused, match="no such method"):
                await start(
                    client, replace(known, state={"": known.device[""], "StartProgram": method}), "x", {}, "c"
                )
            assert isinstance(plain((await values(client, [known.functions["temperature"].value]))[0]), float)

    asyncio.run(story())
    assert plant.twins[reactor].runs == {}


# -- limits ----------------------------------------------------------------------------------------


class Late(asyncio.CancelledError):
    """As the library raises it when a reply arrives at the moment of the limit."""


async def arriving_late() -> None:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        raise Late from None


def test_a_reply_at_the_moment_of_the_limit_is_no_cancellation() -> None:
    async def story() -> None:
        with pytest.raises(TimeoutError):
            async with within(asyncio.get_running_loop().time() + 0.01):
                await arriving_late()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(story())


def test_a_cancellation_stays_one() -> None:
    async def limited() -> None:
        async with within(asyncio.get_running_loop().time() + 30):
            await arriving_late()

    async def story() -> None:
        task = asyncio.create_task(limited())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(story())


# -- key-value pairs -------------------------------------------------------------------------------


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=20), st.text(st.characters(codec="utf-8")))
)
def test_key_value_pairs_survive_their_encoding(pairs: dict[str, str]) -> None:
    assert pairs_in([pair(4, *each) for each in pairs.items()]) == pairs


@given(st.binary(max_size=40))
def test_a_garbled_pair_is_told(body: bytes) -> None:
    try:
        found = pairs_in([ua.ExtensionObject(Body=ua.ByteString(body))])
    except ValueError:
        return
    assert len(found) == 1


def test_a_key_stands_once() -> None:
    with pytest.raises(ValueError, match="'a' stands twice"):
        pairs_in([pair(4, "a", "1"), pair(4, "a", "2")])


# -- the simulation's object -----------------------------------------------------------------------


def test_the_bench_measures_what_is_in_a_unit(plant: ServedPlant, reactor: str) -> None:
    async def story() -> dict[str, Quantity | str]:
        async with linked(plant, reactor) as (client, known):
            await start(client, known, "inoculate", CELLS, "c1")
            await plant.after(hours=1)
        bench = await plant.bench()
        asked = [("viable_cells", "cell/mL"), ("viable_cells", "cell"), ("viability", ""), ("sterility", "")]
        found = {f"{name} {unit}".strip(): await bench.measure(reactor, name, unit) for name, unit in asked}
        found["typical"] = await bench.measure("", "endotoxin")
        for unit, attribute in (("XX-99", "viability"), (reactor, "charm")):
            with pytest.raises(NotFound):
                await bench.measure(unit, attribute)
        await bench.close()
        return found

    found = asyncio.run(story())
    count, total, viability = found["viable_cells cell/mL"], found["viable_cells cell"], found["viability"]
    assert isinstance(count, Quantity)
    assert parse("7e4 cell/mL") < count < parse("1.3e5 cell/mL")
    assert isinstance(total, Quantity)
    assert parse("3e7 cell") < total < parse("5e7 cell")
    assert isinstance(viability, Quantity)
    assert parse("90 %") < viability < parse("100 %")
    assert found["sterility"] == "negative"
    assert isinstance(found["typical"], Quantity)


@pytest.mark.parametrize(
    ("fault", "argument", "sentence"),
    [
        ("explode", "", "no fault 'explode'; there are: refuse"),
        ("drift", "charm 1", "the tags are: temperature"),
        ("drift", "temperature", "asked as 'drift tag amount"),
        ("jump", "temperature much", "asked as 'jump tag amount"),
        ("delay", "", "asked as 'delay seconds"),
        ("disconnect", "soon", "asked as 'disconnect seconds"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    plant: ServedPlant, fault: str, argument: str, sentence: str
) -> None:
    async def story() -> None:
        bench = await plant.bench()
        with pytest.raises(DeviceRefused, match=sentence):
            await bench.inject("CP-02", fault, argument)
        await bench.close()

    asyncio.run(story())
    assert set(FAULTS) >= {
        "refuse",
        "delay",
        "lose_reply",
        "disconnect",
        "freeze_value",
        "drift",
        "jump",
        "die",
    }


def test_no_bench_where_no_plant_is() -> None:
    with pytest.raises(DeviceUnreachable, match="No simulated plant answers"):
        asyncio.run(Bench("opc.tcp://127.0.0.1:9", limit=0.5).connect())


def test_the_server_serves_nobody_but_this_machine() -> None:
    with pytest.raises(BadInput, match="not on the loopback interface"):
        LadsServer("opc.tcp://0.0.0.0:4840", {}, lambda: START)


# -- memory ----------------------------------------------------------------------------------------


def test_a_plant_that_was_restarted_knows_its_runs_and_goes_on(tmp_path: Path) -> None:
    memory = tmp_path / "lads.jsonl"
    units = {"BR-01": "bioreactor/vertical_wheel"}

    async def before(plant: ServedPlant) -> None:
        async with linked(plant, "BR-01") as (client, known):
            await start(client, known, "inoculate", CELLS, "c1")
            await plant.after(hours=1)
            await start(client, known, "settle", {"duration": "30 min"}, "c2")
            await plant.after(minutes=10)

    with ServedPlant(units, memory) as plant:
        asyncio.run(before(plant))
        at, truth = plant.now(), plant.twins["BR-01"].truth()

    async def after(plant: ServedPlant) -> None:
        async with linked(plant, "BR-01") as (client, known):
            assert await state_of(client, known) == ("Running", "Execute")
            assert await start(client, known, "settle", {"duration": "30 min"}, "c2") == "BR-01-0002"
            assert await start(client, known, "inoculate", CELLS, "c1") == "BR-01-0001"
            assert "BR-01-0001" in await below(client, known.results)
            await plant.after(minutes=21)
            assert await state_of(client, known) == ("Running", "Complete")
            assert "BR-01-0002" in await below(client, known.results)

    with ServedPlant(units, memory) as plant:
        asyncio.run(plant.sleep_until(at))
        assert plant.twins["BR-01"].truth() == truth
        asyncio.run(after(plant))
        assert plant.twins["BR-01"].runs["c2"].status == "done"


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lads.jsonl"
    twin = make("ln2_store", "LN-01", START.timestamp())
    memory = Memory(path)
    memory.recall([twin])
    twin.start(twin.at, "store", {"position": "R1-A"}, "c1")
    memory.keep(twin, twin.runs["c1"])
    memory.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    again = make("ln2_store", "LN-01", START.timestamp())
    memory = Memory(path)
    memory.recall([again])
    memory.close()
    assert again.runs["c1"].plain() == twin.runs["c1"].plain()
    assert path.read_bytes() == whole


def test_a_memory_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lads.jsonl"
    path.write_text("this is\nno memory\n")
    with pytest.raises(BadInput, match="cannot be read: .*; move it away"):
        Memory(path).recall([])


DYING = """
import asyncio, sys
from datetime import UTC, datetime
from devices.servers.lads import LadsServer
from devices.twins.catalogue import make

async def main():
    now = datetime(2026, 3, 2, tzinfo=UTC)
    twin = make("ln2_store", "LN-01", now.timestamp())
    server = LadsServer("opc.tcp://127.0.0.1:0", {"LN-01": twin}, lambda: now)
    await server.start()
    print(server.port, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_server_that_is_told_to_die_is_gone_at_once() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", DYING], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())

        async def story() -> None:
            bench = Bench(f"opc.tcp://127.0.0.1:{port}")
            await bench.connect()
            await bench.inject("", "die")
            await bench.close()

        asyncio.run(story())
        assert process.wait(10) == ABRUPT


def test_the_namespace_of_lads_is_found_by_its_name(plant: ServedPlant) -> None:
    async def story() -> list[str]:
        async with linked(plant, "CP-02") as (client, known):
            spaces = await client.get_namespace_array()
            assert spaces[known.lads] == LADS
            return list(known.functions)

    assert asyncio.run(story()) == ["temperature", "co2", "volume"]
