"""Process time without sockets: the real clock, and what all virtual clocks share."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.errors import BadInput, Refused
from orchestrator.clock import InlineClock, ProcessClock, RealClock
from tests.orchestrator.clock_house import MINUTE, START, after, run

# Real


def test_the_real_clock_sleeps_until_the_machine_says_so() -> None:
    async def main() -> None:
        clock = RealClock()
        due = clock.now() + timedelta(milliseconds=30)
        await clock.sleep_until(due)
        assert clock.now() >= due
        await clock.sleep_until(due - MINUTE)  # returns at once

    run(main())


def test_the_real_clock_waits_for_an_answer_or_its_due_time() -> None:
    async def main() -> None:
        clock, loop = RealClock(), asyncio.get_running_loop()
        answered, never = loop.create_future(), loop.create_future()
        loop.call_later(0.01, answered.set_result, "yes")
        assert await clock.wait(answered)
        assert await clock.wait(answered, clock.now() - MINUTE)
        assert not await clock.wait(never, clock.now() + timedelta(milliseconds=20))
        assert not never.done()

    run(main())


# What all virtual clocks share, shown on the one without sockets


def test_sleepers_wake_by_due_time_and_then_by_the_order_of_lying_down() -> None:
    async def main() -> None:
        clock, woken = InlineClock(START), list[tuple[str, datetime]]()

        async def sleeper(name: str, minutes: float) -> None:
            await clock.sleep_until(after(minutes))
            woken.append((name, clock.now()))

        work = [sleeper("late", 5), sleeper("a", 2), sleeper("b", 2), sleeper("past", -3), sleeper("c", 2)]
        tasks = [asyncio.ensure_future(each) for each in work]
        await clock.run_until_idle()
        await asyncio.gather(*tasks)
        two = after(2)
        assert woken == [("past", START), ("a", two), ("b", two), ("c", two), ("late", after(5))]

    run(main())


@given(st.lists(st.lists(st.integers(0, 20), max_size=6), max_size=8))
def test_time_never_goes_back_nobody_wakes_early_and_runs_repeat(plans: list[list[int]]) -> None:
    async def one_run() -> list[tuple[int, int]]:
        clock, log = InlineClock(START), list[tuple[int, int]]()

        async def sleeper(number: int, naps: list[int]) -> None:
            for nap in naps:
                due = clock.now() + nap * MINUTE
                await clock.sleep_until(due)
                assert clock.now() == due
                log.append(((clock.now() - START) // MINUTE, number))

        tasks = [asyncio.ensure_future(sleeper(*numbered)) for numbered in enumerate(plans)]
        await clock.run_until_idle()
        await asyncio.gather(*tasks)
        return log

    log = asyncio.run(one_run())
    assert [minute for minute, _ in log] == sorted(minute for minute, _ in log)
    assert len(log) == sum(map(len, plans))
    assert log == asyncio.run(one_run())


def test_run_until_idle_stops_at_a_limit() -> None:
    async def main() -> None:
        clock = InlineClock(START)
        tasks = [asyncio.ensure_future(clock.sleep_until(after(minutes))) for minutes in (1, 2, 3)]
        await clock.run_until_idle(until=after(2))
        assert (clock.now(), [task.done() for task in tasks]) == (after(2), [True, True, False])
        tasks[2].cancel()
        await clock.run_until_idle()
        assert (clock.now(), clock.advance()) == (after(2), False)

    run(main())


def test_settle_and_advance_by_hand() -> None:
    async def main() -> None:
        clock = InlineClock(START)
        task = asyncio.ensure_future(clock.sleep_until(after(4)))
        await clock.settle()
        assert clock.now() == START
        assert clock.advance()
        assert clock.now() == after(4)
        await clock.settle()
        assert task.done()

    run(main())


def test_a_clock_that_is_told_an_earlier_time_stays() -> None:
    clock = InlineClock(START)
    clock.move(after(-1))
    assert clock.now() == START


def test_drive_runs_work_to_its_end_and_gives_its_result() -> None:
    async def main() -> None:
        clock = InlineClock(START)

        async def work() -> str:
            await clock.sleep_until(after(60))
            return f"{clock.now():%H:%M}"

        async def bad() -> None:
            await clock.sleep_until(after(120))
            raise ValueError("as it was raised")

        assert await clock.drive(work()) == "09:00"
        with pytest.raises(ValueError, match="as it was raised"):
            await clock.drive(bad())

    run(main())


def test_drive_says_so_when_nothing_can_happen_any_more() -> None:
    async def main() -> None:
        clock, cancelled = InlineClock(START), list[bool]()

        async def work() -> None:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                cancelled.append(True)

        with pytest.raises(Refused, match="Nothing can happen any more at 2026-03-02T08:00:00"):
            await clock.drive(work())
        assert cancelled == [True]

    run(main())


def test_settle_waits_for_a_thread_inside_a_call() -> None:
    async def main() -> None:
        clock, log = InlineClock(START), list[str]()

        async def device() -> None:
            with clock.activity.call():
                await asyncio.to_thread(lambda: log.append("the device answered"))
            log.append(f"at {clock.now():%H:%M}")

        async def timer() -> None:
            await clock.sleep_until(after(1))
            log.append("the timer fired")

        tasks = [asyncio.ensure_future(device()), asyncio.ensure_future(timer())]
        await clock.run_until_idle()
        await asyncio.gather(*tasks)
        assert log == ["the device answered", "at 08:00", "the timer fired"]

    run(main())


def test_a_sleep_inside_a_call_does_not_count_and_counts_again_when_it_is_woken() -> None:
    async def main() -> None:
        clock, seen = InlineClock(START), list[bool]()

        async def poll() -> None:
            with clock.activity.call(), clock.activity.call():
                await clock.sleep_until(after(1))
                seen.append(clock.activity.busy)
                await clock.sleep_until(after(2))

        task = asyncio.ensure_future(poll())
        await clock.settle()
        assert not clock.activity.busy
        clock.advance()
        assert clock.activity.busy  # before the task has run
        await clock.run_until_idle()
        assert (seen, task.done(), clock.activity.busy) == ([True], True, False)

    run(main())


def test_a_task_born_in_a_request_sleeps_without_releasing_it() -> None:
    async def main() -> None:
        clock, answered = InlineClock(START), asyncio.Event()

        async def batch() -> None:
            await clock.sleep_until(after(1))

        async def request() -> "asyncio.Task[None]":
            async with clock.activity.request():
                born = asyncio.ensure_future(batch())
                await answered.wait()
            return born

        serving = asyncio.ensure_future(request())
        await asyncio.sleep(0.01)
        assert clock.activity.busy
        answered.set()
        await clock.drive(await serving_batch(serving))
        assert (clock.now(), clock.activity.busy) == (after(1), False)

    async def serving_batch(serving: "asyncio.Task[asyncio.Task[None]]") -> Coroutine[Any, Any, None]:
        born = await serving

        async def finish() -> None:
            await born

        return finish()

    run(main())


def test_a_cancelled_sleeper_leaves_its_call_counted_until_it_ends_and_no_wake_up() -> None:
    async def main() -> None:
        clock, seen = InlineClock(START), list[bool]()

        async def poll() -> None:
            with clock.activity.call():
                try:
                    await clock.sleep_until(after(1))
                finally:
                    seen.append(clock.activity.busy)

        task = asyncio.ensure_future(poll())
        await clock.settle()
        task.cancel()
        await clock.settle()
        assert (seen, clock.activity.busy, clock.advance()) == ([True], False, False)

        woken_then_cancelled = asyncio.ensure_future(poll())
        await clock.settle()
        clock.advance()
        woken_then_cancelled.cancel()
        await clock.settle()
        assert (seen, clock.activity.busy, clock.now()) == ([True, True], False, after(1))

    run(main())


def test_wait_is_ended_by_the_answer_or_by_the_due_time() -> None:
    async def main() -> None:
        clock, loop = InlineClock(START), asyncio.get_running_loop()
        answer, never = loop.create_future(), loop.create_future()

        async def person() -> None:
            await clock.sleep_until(after(3))
            answer.set_result("harvest")

        answering = asyncio.ensure_future(person())

        async def task() -> list[tuple[bool, datetime]]:
            with clock.activity.call():  # as a driver that waits for a prompt would
                by_answer = (await clock.wait(answer, after(10)), clock.now())
                by_time = (await clock.wait(never, after(5)), clock.now())
                at_once = (await clock.wait(answer, after(9)), clock.now())
                too_late = (await clock.wait(never, after(1)), clock.now())
            return [by_answer, by_time, at_once, too_late]

        five = after(5)
        assert await clock.drive(task()) == [(True, after(3)), (False, five), (True, five), (False, five)]
        await answering
        assert (answer.result(), never.done(), clock.activity.busy) == ("harvest", False, False)
        assert not clock.advance()  # the due time of the answered wait wakes nobody
        assert not never._callbacks  # nor does the one who gave up waiting stay behind

    run(main())


def test_wait_without_a_due_time_waits_for_the_answer_even_if_it_is_a_failure() -> None:
    async def main() -> None:
        clock, answer = InlineClock(START), asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(clock.wait(answer))
        await clock.run_until_idle()
        assert not waiting.done()
        answer.set_exception(ValueError("torn up"))
        assert await waiting
        with pytest.raises(ValueError, match="torn up"):
            answer.result()

    run(main())


def test_a_wait_that_is_cancelled_leaves_the_answer_alone() -> None:
    async def main() -> None:
        clock, answer = InlineClock(START), asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(clock.wait(answer, after(5)))
        await clock.settle()
        waiting.cancel()
        await clock.settle()
        assert (waiting.cancelled(), answer.done(), clock.activity.busy) == (True, False, False)

    run(main())


@pytest.mark.parametrize("clock", [RealClock(), InlineClock(START)], ids=["real", "inline"])
def test_a_time_without_a_zone_is_refused(clock: ProcessClock) -> None:
    async def main() -> None:
        naive = datetime(2026, 3, 2, 9)
        with pytest.raises(BadInput, match="has no time zone"):
            await clock.sleep_until(naive)
        with pytest.raises(BadInput, match="has no time zone"):
            await clock.wait(asyncio.get_running_loop().create_future(), naive)

    run(main())


def test_other_zones_are_understood() -> None:
    async def main() -> None:
        amsterdam = timezone(timedelta(hours=1))
        clock = InlineClock(START.astimezone(amsterdam))
        assert clock.now().tzinfo is UTC
        await clock.drive(clock.sleep_until(datetime(2026, 3, 2, 9, 30, tzinfo=amsterdam)))
        assert clock.now() == after(30)

    run(main())


def test_marks_count_and_name_the_run() -> None:
    clock, again = RealClock(), RealClock()
    run_name = clock.published.removesuffix("-0")
    assert [clock.publish(), clock.publish(), clock.published] == [f"{run_name}-{n}" for n in (1, 2, 2)]
    assert again.published != f"{run_name}-0"
