"""The plant's virtual clock over real sockets, with participants in tasks and in real processes."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from batches.errors import BadInput, Refused
from devices.base import Clock, DeviceUnreachable
from devices.clock_protocol import Hello, Report, encode
from devices.servers import clock as clock_server
from devices.servers.clock import ClockServer
from orchestrator.clock import InlineClock, PeopleClock, ProcessClock, RealClock, VirtualClock, let_pass
from tests.orchestrator.clock_house import MINUTE, START, House, after, in_house, line, run, stands
from tests.orchestrator.clock_participants import Board

ADVICE = "Start the plant first (kweek plant), or correct the address."


def test_every_clock_is_a_process_clock_and_a_drivers_clock() -> None:
    async def main() -> None:
        server = ClockServer(START)
        address = await server.start()
        virtual, people = await VirtualClock.connect(address), await PeopleClock.connect(address)
        clocks: list[ProcessClock] = [RealClock(), InlineClock(START), virtual, people]
        drivers: list[Clock] = [*clocks]
        assert [clock.virtual for clock in clocks] == [False, True, True, True]
        assert all(clock.now().tzinfo is UTC for clock in drivers)
        await virtual.close()
        await people.close()
        await server.stop()

    run(main())


def test_an_engine_sleeps_through_a_week_at_once() -> None:
    async def test(house: House) -> None:
        clock = await house.engine()
        assert clock.now() == START
        for day in range(1, 8):
            await clock.sleep_until(START + timedelta(days=day))
            assert clock.now() == house.server.now() == START + timedelta(days=day)
        assert (clock.overtaken, clock.trouble) == (0, None)

    in_house(test)


def test_engine_and_people_wake_in_the_order_of_time() -> None:
    async def test(house: House) -> None:
        engine, people = await house.engine(), await house.people()
        woken: list[tuple[str, datetime]] = []

        async def sleep(name: str, clock: VirtualClock, *minutes: float) -> None:
            for each in minutes:
                await clock.sleep_until(after(each))
                woken.append((name, clock.now()))

        async with people.event(engine.published):
            tasks = [sleep("engine", engine, 2, 5, 9), sleep("people", people, 3, 4, 10)]
            sleeping = asyncio.gather(*tasks)
        await sleeping
        order = [("engine", 2), ("people", 3), ("people", 4), ("engine", 5), ("engine", 9), ("people", 10)]
        assert woken == [(name, after(minutes)) for name, minutes in order]
        assert house.jumps == [after(minutes) for _, minutes in order]

    in_house(test)


def test_it_does_not_jump_while_a_call_is_open_and_does_while_the_call_sleeps() -> None:
    async def test(house: House) -> None:
        clock, go_on = await house.engine(), asyncio.Event()
        timer = asyncio.ensure_future(clock.sleep_until(after(1)))

        async def device() -> None:
            with clock.activity.call():
                await go_on.wait()
                await clock.sleep_until(after(5))

        calling = asyncio.ensure_future(device())
        assert await stands(house)
        go_on.set()
        await calling
        assert (timer.done(), house.jumps) == (True, [after(1), after(5)])

    in_house(test)


def test_it_does_not_jump_while_a_commit_is_pending() -> None:
    async def test(house: House) -> None:
        clock = await house.engine()
        pending = 1
        clock.activity.commits = lambda: pending
        timer = asyncio.ensure_future(clock.sleep_until(after(1)))
        assert await stands(house)
        pending = 0
        await timer
        assert house.jumps == [after(1)]

    in_house(test)


def test_it_does_not_jump_before_the_people_have_seen_every_event() -> None:
    async def test(house: House) -> None:
        engine, people = await house.engine(), await house.people()
        timer = asyncio.ensure_future(engine.sleep_until(after(1)))
        assert await stands(house)  # the people have not even heard of this run of the engine
        async with people.event(engine.published):
            pass
        await timer
        marks = [engine.publish(), engine.publish()]
        timer = asyncio.ensure_future(engine.sleep_until(after(2)))
        assert await stands(house)
        async with people.event(marks[0]):
            pass
        assert await stands(house)
        async with people.event(marks[1]):
            assert await stands(house)
        await timer
        assert house.jumps == [after(1), after(2)]

    in_house(test)


def test_a_task_waits_for_a_human_so_it_stands_until_somebody_acts_the_people() -> None:
    async def test(house: House) -> None:
        engine = await house.engine()
        asks = True
        engine.activity.asks = lambda: asks
        timer = asyncio.ensure_future(engine.sleep_until(after(10)))
        assert await stands(house)
        people = await house.people()
        async with people.event(engine.published):
            late = asyncio.ensure_future(people.sleep_until(after(4)))
        await late
        assert house.jumps == [after(4)]
        async with people.event(engine.published):
            await people.close()
        assert await stands(house)
        async with engine.activity.request():  # the human's answer
            asks = False
        await timer
        assert house.jumps == [after(4), after(10)]

    in_house(test)


def test_requests_wait_only_as_long_as_a_jump_is_decided() -> None:
    async def test(house: House) -> None:
        clock, steps = await house.engine(), 0

        async def batch() -> None:
            nonlocal steps
            while steps < 300:
                await clock.sleep_until(clock.now() + MINUTE)
                steps += 1

        async def human() -> None:
            while steps < 300:
                async with clock.activity.request():
                    before = clock.now()
                    await asyncio.sleep(0.001)
                    assert clock.now() == before
                await asyncio.sleep(0.002)

        await asyncio.gather(batch(), human())
        assert (len(house.jumps), clock.overtaken) == (300, 0)

    in_house(test)


def test_what_starts_by_itself_outside_a_request_is_at_least_counted() -> None:
    async def test(house: House) -> None:
        clock, moving, go_on = await house.engine(), asyncio.Event(), asyncio.Event()

        async def hold(now: datetime) -> None:
            moving.set()
            await go_on.wait()

        house.server.on_jump(hold)
        timer = asyncio.ensure_future(clock.sleep_until(after(1)))
        await moving.wait()
        with clock.activity.call():
            go_on.set()
            await timer
        assert clock.overtaken == 1

    in_house(test)


async def lets_in(clock: VirtualClock) -> bool:
    """Whether a request from outside is let in."""
    with suppress(TimeoutError):
        async with asyncio.timeout(0.5), clock.activity.request():
            return True
    return False


def test_a_promise_ends_with_the_connection() -> None:
    async def test(house: House) -> None:
        clock, moving, go_on = await house.engine(), asyncio.Event(), asyncio.Event()

        async def hold(now: datetime) -> None:
            moving.set()
            await go_on.wait()

        house.server.on_jump(hold)
        timer = asyncio.ensure_future(clock.sleep_until(after(1)))
        await moving.wait()
        assert not await lets_in(clock)
        for connection in house.server.connections:
            connection.hang_up()
        assert await lets_in(clock)
        go_on.set()
        await timer
        assert clock.now() == after(1)

    in_house(test)


def test_an_answer_that_comes_too_late_is_no_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_server, "ROUND_WITHIN", 0.02)

    async def test(house: House) -> None:
        engine, done = await house.engine(), asyncio.Event()
        host, port = house.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(encode(Hello(kind="people", name="who never confirm")))
        await reader.readline()
        timer = asyncio.ensure_future(engine.sleep_until(after(1)))
        await asyncio.sleep(0.1)  # the engine has reported

        async def spin() -> None:
            while not done.is_set():  # noqa: ASYNC110 it keeps the engine from settling
                await asyncio.sleep(0)

        spinning = asyncio.ensure_future(spin())
        writer.write(encode(Report(mark=engine.published)))
        assert [json.loads(await reader.readline())["word"] for _ in range(2)] == ["confirm", "release"]
        done.set()
        await spinning
        await asyncio.sleep(0.1)  # now the engine has settled
        assert await lets_in(engine)
        timer.cancel()
        writer.close()

    in_house(test)


def test_without_the_plant_the_clock_cannot_be_joined() -> None:
    async def main() -> None:
        server = ClockServer(START)
        address = await server.start()
        await server.stop()
        with pytest.raises(DeviceUnreachable) as caught:
            await VirtualClock.connect(address, patience=0.1)
        refused = f"The plant's clock at {address} cannot be joined: Connection refused. {ADVICE}"
        assert str(caught.value) == refused

    run(main())


def test_joining_waits_for_a_plant_that_is_still_starting() -> None:
    async def main() -> None:
        first = ClockServer(START)
        address = await first.start()
        await first.stop()
        joining = asyncio.ensure_future(VirtualClock.connect(address))
        await asyncio.sleep(0.1)
        plant = ClockServer(START, port=int(address.split(":")[1]))
        await plant.start()
        clock = await joining
        assert clock.now() == START
        await clock.close()
        await plant.stop()

    run(main())


def test_a_second_engine_is_told_that_there_is_one() -> None:
    async def test(house: House) -> None:
        await house.engine(name="kweek serve")
        with pytest.raises(DeviceUnreachable, match="already serves the engine 'kweek serve': stop it"):
            await VirtualClock.connect(house.address, patience=0.1)

    in_house(test)


@pytest.mark.parametrize("address", ["", "4850", "127.0.0.1:", "127.0.0.1:port", ":4850", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadInput, match=r"is no address of a clock: write host:port"):
        asyncio.run(VirtualClock.connect(address))


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 9000, b""])
def test_something_else_at_the_address_is_named(says: bytes) -> None:
    async def main() -> None:
        async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(says)
            writer.close()

        server = await asyncio.start_server(other, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DeviceUnreachable) as caught:
            await VirtualClock.connect(f"127.0.0.1:{port}", patience=0.1)
        meant = "closed the connection" if not says else "clock's protocol"
        assert meant in str(caught.value)
        server.close()
        await asyncio.sleep(0.01)

    run(main())


def test_a_plant_that_is_started_again_is_joined_again_and_never_earlier() -> None:
    async def test(house: House) -> None:
        clock = await house.engine()
        await clock.sleep_until(after(90))
        sleeping = asyncio.ensure_future(clock.sleep_until(after(95)))
        with clock.activity.call():  # so that it does not jump before it is stopped
            await house.server.stop()
            await asyncio.sleep(0.2)
            assert clock.trouble == "Connection refused. " + ADVICE
        assert (clock.now(), sleeping.done()) == (after(90), False)
        plant = ClockServer(START, port=int(house.address.split(":")[1]))  # it has forgotten everything
        await plant.start()
        house.stack.push_async_callback(plant.stop)
        await sleeping
        assert clock.now() == plant.now() == after(95)
        assert clock.trouble is None

    in_house(test)


def test_what_is_on_record_is_the_floor() -> None:
    async def test(house: House) -> None:
        clock = await house.engine(floor=after(45))
        assert clock.now() == house.server.now() == after(45)

    in_house(test)


def test_a_closed_clock_does_not_come_back() -> None:
    async def test(house: House) -> None:
        clock = await house.engine()
        await clock.close()
        await asyncio.sleep(0.1)
        assert clock.trouble == "This clock was closed."
        other = await house.engine()
        await other.sleep_until(after(1))
        assert (other.now(), clock.now()) == (after(1), START)

    in_house(test)


# Processes


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_three_processes_it_never_jumps_while_anything_is_under_way(seed: int, tmp_path: Path) -> None:
    board, open_at_a_jump = Board(tmp_path / "board"), list[int]()

    async def look(now: datetime) -> None:
        open_at_a_jump.append(board.total())

    async def test(house: House) -> None:
        house.server.on_jump(look)
        engine = await house.start("engine", house.address, tmp_path / "board", seed, 100)
        port = await line(engine)
        people = await house.start("people", house.address, tmp_path / "board", seed, port, 60)
        results = [json.loads(await line(engine)), json.loads(await line(people))]
        assert [(result["moved"], result["overtaken"]) for result in results] == [(0, 0), (0, 0)]
        assert results[0]["now"] == house.jumps[-1].isoformat()

    in_house(test)
    assert len(open_at_a_jump) > 500
    assert set(open_at_a_jump) == {0}


def test_the_engine_is_killed_and_the_clock_stands_until_it_is_back() -> None:
    async def test(house: House) -> None:
        people = await house.people()
        for _ in range(3):
            before = house.server.now()
            engine = await house.start("runner", house.address)
            async with people.event(await line(engine)):
                pass
            told = [datetime.fromisoformat(await line(engine)) for _ in range(20)]
            assert told == [before + (n + 1) * MINUTE for n in range(20)]
            engine.kill()
            await engine.communicate()
            killed_at = house.server.now()
            assert killed_at >= told[-1]
            assert await stands(house)

    in_house(test)


def test_ten_thousand_jumps(capsys: pytest.CaptureFixture[str]) -> None:
    async def test(house: House) -> None:
        engine = await house.start("sleeper", house.address, 10_000)
        people = await house.start("bystander", house.address, await line(engine), 10)
        await line(people)
        assert engine.stdin is not None
        engine.stdin.write(b"go\n")
        cost = json.loads(await line(engine))["seconds_per_jump"]
        assert house.server.now() >= START + timedelta(seconds=10_000)
        with capsys.disabled():
            print(f"\n10,000 jumps in three processes: {cost * 1e6:.0f} us a jump")

    in_house(test)


def test_time_passes_without_an_engine_and_the_next_engine_learns_how_long() -> None:
    async def test(house: House) -> None:
        first = await house.engine()
        await first.sleep_until(after(30))
        assert first.away is None
        with pytest.raises(Refused, match="The engine 'engine' is running: stop it first"):
            await let_pass(house.address, 120 * MINUTE)
        await first.close()
        assert await let_pass(house.address, 120 * MINUTE) == house.server.now() == after(150)
        second = await house.engine()
        assert (second.now(), second.away) == (after(150), (after(30), after(150)))
        people = await house.people()
        assert people.away is None

    in_house(test)


def test_an_impossible_outage_is_refused() -> None:
    async def test(house: House) -> None:
        for by in (timedelta(0), timedelta(days=-1), timedelta(days=367)):
            with pytest.raises(BadInput, match="cannot be advanced by"):
                await let_pass(house.address, by)
        assert house.server.now() == START
        with pytest.raises(DeviceUnreachable, match="No plant's clock answers at"):
            await let_pass("127.0.0.1:1", MINUTE)

    in_house(test)
