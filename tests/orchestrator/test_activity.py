"""How a process knows that it is at rest."""

import asyncio
import threading

import pytest

from orchestrator import activity as activity_module
from orchestrator.activity import Activity, settle
from tests.orchestrator.clock_house import run


async def rests(activity: Activity) -> bool:
    """Whether the activity comes to rest without anything from outside."""
    resting = asyncio.ensure_future(activity.rest())
    done, _ = await asyncio.wait([resting], timeout=0.2)
    resting.cancel()
    return bool(done)


def test_a_call_is_busy_until_it_ends_however_it_ends() -> None:
    async def main() -> None:
        activity = Activity()
        with activity.call():
            with activity.call():
                assert activity.busy
            assert activity.busy
            assert not await rests(activity)
        assert not activity.busy
        with pytest.raises(ValueError, match="no"), activity.call():
            raise ValueError("no")
        assert not activity.busy
        assert await rests(activity)

    run(main())


def test_a_call_in_another_task_is_busy_too() -> None:
    async def main() -> None:
        activity, go_on = Activity(), asyncio.Event()

        async def other() -> None:
            with activity.call():
                await go_on.wait()

        task = asyncio.ensure_future(other())
        assert not await rests(activity)
        go_on.set()
        await activity.rest()
        await task

    run(main())


def test_rest_sees_through_any_number_of_hops() -> None:
    async def main() -> None:
        activity, steps = Activity(), 0

        async def hop(left: int) -> None:
            nonlocal steps
            steps += 1
            if left:
                await asyncio.create_task(hop(left - 1))

        task = asyncio.ensure_future(hop(200))
        await activity.rest()
        assert steps == 201
        assert task.done()

    run(main())


def test_several_may_settle_at_once() -> None:
    async def main() -> None:
        finished: list[str] = []

        async def worker(name: str) -> None:
            for _ in range(50):
                await asyncio.sleep(0)
            finished.append(name)

        workers = [asyncio.ensure_future(worker(name)) for name in "ab"]
        await asyncio.gather(*(settle() for _ in range(5)))
        assert finished == ["a", "b"]
        await asyncio.gather(*workers)

    run(main())


def test_a_settler_that_is_cancelled_leaves_no_trace() -> None:
    async def main() -> None:
        async def spin() -> None:
            while True:  # noqa: ASYNC110 spinning is the point
                await asyncio.sleep(0)

        spinner = asyncio.ensure_future(spin())
        settlers = [asyncio.ensure_future(settle()) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(settler.done() for settler in settlers)
        for settler in settlers:
            settler.cancel()
        await asyncio.gather(*settlers, return_exceptions=True)
        late = asyncio.ensure_future(settle())
        await asyncio.sleep(0.01)
        assert not late.done()  # the spinner is still seen
        spinner.cancel()
        await late

    run(main())


def test_a_loop_whose_queue_cannot_be_seen_gets_a_fixed_number_of_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Unknown:
        """Stands for the class that the running loop is not an instance of."""

    monkeypatch.setattr(activity_module, "SeenLoop", Unknown)

    async def main() -> None:
        rounds = 0

        async def spin() -> None:
            nonlocal rounds
            while True:
                rounds += 1
                await asyncio.sleep(0)

        spinner = asyncio.ensure_future(spin())
        await settle()
        spinner.cancel()
        assert rounds >= activity_module.ROUNDS

    run(main())


def test_pending_commits_are_waited_for() -> None:
    async def main() -> None:
        activity, pending = Activity(), 1
        activity.commits = lambda: pending
        assert activity.busy
        assert not await rests(activity)

        def durable() -> None:
            nonlocal pending
            pending = 0

        writer = threading.Thread(target=asyncio.get_running_loop().call_soon_threadsafe, args=[durable])
        writer.start()
        await activity.rest()
        writer.join()
        assert pending == 0

    run(main())


def test_what_comes_from_outside_waits_while_rest_is_promised() -> None:
    async def main() -> None:
        activity, served = Activity(), 0

        async def request() -> None:
            nonlocal served
            async with activity.request():
                assert activity.busy
                served += 1

        activity.promise()
        requests = [asyncio.ensure_future(request()) for _ in range(2)]
        await activity.rest()
        assert served == 0
        requests[0].cancel()
        activity.free()
        await asyncio.gather(*requests, return_exceptions=True)
        assert served == 1
        assert not activity.busy

    run(main())
