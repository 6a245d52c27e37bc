"""However many knock at the door, those who are signed in sign."""

import asyncio
from collections.abc import Iterator

import pytest

from orchestrator.passwords import MOST_AT_THE_DOOR, Passwords
from orchestrator.person import WaitFirst
from orchestrator.settings import LOW_COST

RIGHT = "a sentence only I know"


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    found = Passwords(LOW_COST)
    yield found
    found.close()


def test_a_signature_waits_for_no_sign_in(passwords: Passwords) -> None:
    async def story() -> None:
        kept = await passwords.make(RIGHT)
        crowd = [
            asyncio.create_task(passwords.check_at_the_door("a guess", None)) for _ in range(MOST_AT_THE_DOOR)
        ]
        await asyncio.sleep(0)
        assert await passwords.check(RIGHT, kept) == (True, None)
        assert sum(task.done() for task in crowd) < MOST_AT_THE_DOOR / 2
        assert set(await asyncio.gather(*crowd)) == {(False, None)}

    asyncio.run(story())


def test_more_than_the_door_holds_are_asked_to_come_back(passwords: Passwords) -> None:
    async def story() -> None:
        crowd = [
            asyncio.create_task(passwords.check_at_the_door("a guess", None)) for _ in range(MOST_AT_THE_DOOR)
        ]
        await asyncio.sleep(0)
        with pytest.raises(WaitFirst, match="try again in 10 s"):
            await passwords.check_at_the_door(RIGHT, None)
        await asyncio.gather(*crowd)
        assert await passwords.check_at_the_door(RIGHT, await passwords.make(RIGHT)) == (True, None)

    asyncio.run(story())
