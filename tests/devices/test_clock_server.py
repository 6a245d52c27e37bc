"""The plant's clock over its real socket, spoken to line by line."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from batches.errors import BadInput
from devices.clock_protocol import LINE_LIMIT, VERSION
from devices.servers import clock as clock_module
from devices.servers.clock import ClockServer

START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def at(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


class Speaker:
    """A participant that says exactly what the test says."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, address: str) -> "Speaker":
        host, port = address.split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def say(self, **word: object) -> None:
        self.writer.write(json.dumps(word).encode() + b"\n")

    async def hear(self) -> Any:
        return json.loads(await asyncio.wait_for(self.reader.readline(), 5))

    async def hello(self, kind: str = "engine", **more: object) -> Any:
        self.say(word="hello", version=VERSION, kind=kind, name=kind, **more)
        return await self.hear()

    async def refused(self) -> str:
        """The text of the refusal, after which the clock hangs up."""
        word = await self.hear()
        assert word["word"] == "refusal"
        assert await asyncio.wait_for(self.reader.read(), 5) == b""
        return word["text"]

    async def agree(self, **report: object) -> Any:
        """Report, confirm, and give what follows."""
        self.say(word="report", **report)
        asked = await self.hear()
        self.say(word="report", round=asked["round"], **report)
        return await self.hear()

    async def silent(self) -> bool:
        """Whether nothing is heard for a while."""
        try:
            return not await asyncio.wait_for(self.reader.read(1), 0.15)
        except TimeoutError:
            return True

    def close(self) -> None:
        self.writer.close()


Join = Callable[[], Awaitable[Speaker]]


def serving(test: Callable[[ClockServer, Join], Awaitable[None]], *, state: Path | None = None) -> None:
    """Run a test against a clock that is served, and hang up on everybody after it."""

    async def main() -> None:
        server = ClockServer(START, state=state)
        address = await server.start()
        speakers: list[Speaker] = []

        async def join() -> Speaker:
            speakers.append(await Speaker.to(address))
            return speakers[-1]

        try:
            await test(server, join)
        finally:
            await server.stop()
            for speaker in speakers:
                speaker.close()
                await asyncio.wait([asyncio.ensure_future(speaker.writer.wait_closed())])

    asyncio.run(main())


def test_hello_is_welcomed_with_the_time() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        engine = await join()
        assert await engine.hello() == {"word": "welcome", "version": VERSION, "now": at(0)}

    serving(test)


def test_two_participants_agree_and_both_hear_the_new_time() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        engine, people = await join(), await join()
        await engine.hello()
        await people.hello("people")
        engine.say(word="report", next=at(5), mark="r-1")
        people.say(word="report", next=at(3), mark="r-1")
        assert await engine.hear() == await people.hear() == {"word": "confirm", "round": 1}
        engine.say(word="report", round=1, next=at(5), mark="r-1")
        assert await people.silent()
        assert server.now() == START
        people.say(word="report", round=1, next=at(3), mark="r-1")
        assert await engine.hear() == await people.hear() == {"word": "tick", "now": at(3)}
        assert server.now() == START + timedelta(minutes=3)

    serving(test)


def test_one_that_is_busy_releases_the_other() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        engine, people = await join(), await join()
        await engine.hello()
        await people.hello("people")
        engine.say(word="report", next=at(5))
        people.say(word="report")
        await engine.hear()
        await people.hear()
        engine.say(word="report", round=1, next=at(5))
        people.say(word="busy", round=1)
        assert await engine.hear() == await people.hear() == {"word": "release"}
        assert server.now() == START

    serving(test)


def test_one_that_does_not_answer_does_not_hold_the_others_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "ROUND_WITHIN", 0.05)

    async def test(server: ClockServer, join: Join) -> None:
        engine, people = await join(), await join()
        await engine.hello()
        await people.hello("people")
        engine.say(word="report", next=at(5))
        people.say(word="report")
        await engine.hear()
        engine.say(word="report", round=1, next=at(5))
        assert await engine.hear() == {"word": "release"}
        assert server.now() == START

    serving(test)


def test_a_participant_that_leaves_in_the_middle_of_a_round_ends_it() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        engine, people = await join(), await join()
        await engine.hello()
        await people.hello("people")
        engine.say(word="report", next=at(5))
        people.say(word="report")
        await engine.hear()
        people.close()
        assert await engine.hear() == {"word": "release"}
        assert await engine.agree(next=at(5)) == {"word": "tick", "now": at(5)}

    serving(test)


def test_the_twins_are_there_before_anybody_is_told_and_in_order() -> None:
    happened: list[str] = []

    async def test(server: ClockServer, join: Join) -> None:
        async def first(now: datetime) -> None:
            happened.append(f"first to {now:%H:%M}, the clock says {server.now():%H:%M}")
            await asyncio.sleep(0.02)
            happened.append("first is there")

        async def second(now: datetime) -> None:
            happened.append("second")

        server.on_jump(first)
        server.on_jump(second)
        engine = await join()
        await engine.hello()
        await engine.agree(next=at(7))
        happened.append("told")

    serving(test)
    assert happened == ["first to 08:07, the clock says 08:07", "first is there", "second", "told"]


def test_who_comes_while_the_twins_move_is_welcomed_after() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        moving, go_on = asyncio.Event(), asyncio.Event()

        async def update(now: datetime) -> None:
            moving.set()
            await go_on.wait()

        server.on_jump(update)
        engine, people = await join(), await join()
        await engine.hello()
        agreed = asyncio.ensure_future(engine.agree(next=at(7)))
        await moving.wait()
        people.say(word="hello", version=VERSION, kind="people", name="late")
        assert await people.silent()
        go_on.set()
        assert (await people.hear())["now"] == at(7)
        assert await agreed == {"word": "tick", "now": at(7)}

    serving(test)


def test_a_twin_that_fails_stops_the_clock_and_everybody_hears_why() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        async def update(now: datetime) -> None:
            raise BadInput("BR-01 has no volume left.")

        server.on_jump(update)
        engine = await join()
        await engine.hello()
        engine.say(word="report", next=at(7))
        engine.say(word="report", round=(await engine.hear())["round"], next=at(7))
        why = "could not be brought to 2026-03-02T08:07:00+00:00 (BR-01 has no volume left.)"
        assert why in await engine.refused()
        with pytest.raises(BadInput, match="no volume left"):
            await server.watch()
        again = await join()
        again.say(word="hello", version=VERSION, kind="engine", name="engine")
        assert why in await again.refused()

    serving(test)


def test_watch_returns_when_the_clock_is_stopped() -> None:
    async def main() -> None:
        server = ClockServer(START)
        await server.start()
        watching = asyncio.ensure_future(server.watch())
        await asyncio.sleep(0)
        assert not watching.done()
        await server.stop()
        await asyncio.wait_for(watching, 5)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"GET / HTTP/1.1\r\n", "is no word of the clock's protocol version 1"),
        (b"\xff\xfe\x00\n", "is no word of the clock's protocol"),
        (b"[1, 2]\n", "is no word of the clock's protocol"),
        (b'{"word": "tick", "now": "2026-03-02T08:00:00Z"}\n', "is no word of the clock's protocol"),
        (
            b'{"word": "report", "next": "2026-03-02T08:00:00"}\n',
            "report.next: Input should have timezone info",
        ),
        (b'{"word": "hello", "version": 1, "kind": "robot", "name": "x"}\n', "hello.kind"),
        (b'{"word": "hello", "version": 1, "kind": "engine", "name": ""}\n', "hello.name"),
        (
            b'{"word": "hello", "version": 1, "kind": "engine", "name": "x", "x": 1}\n',
            "hello.x: Extra inputs",
        ),
        (b'{"word": "report"}\n', "say hello first"),
        (b"x" * (LINE_LIMIT + 1), f"at most {LINE_LIMIT} bytes"),
        (b"x" * (LINE_LIMIT + 1) + b"\n", f"at most {LINE_LIMIT} bytes"),
        (
            b'{"word": "hello", "version": 99, "kind": "engine", "name": "kweek"}\n',
            "kweek version 99: start both",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(line: bytes, says: str) -> None:
    async def test(server: ClockServer, join: Join) -> None:
        speaker = await join()
        speaker.writer.write(line)
        assert says in await speaker.refused()
        good = await join()
        assert (await good.hello())["word"] == "welcome"

    serving(test)


def test_a_second_hello_is_refused() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        engine = await join()
        await engine.hello()
        engine.say(word="hello", version=VERSION, kind="engine", name="engine")
        assert await engine.refused() == "The clock takes one hello on a connection."

    serving(test)


def test_a_second_engine_is_refused_while_the_first_is_there() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        first, second = await join(), await join()
        await first.hello()
        second.say(word="hello", version=VERSION, kind="engine", name="other")
        assert "already serves the engine 'engine': stop it" in await second.refused()
        first.close()
        await first.writer.wait_closed()
        third = await join()
        assert (await third.hello())["word"] == "welcome"

    serving(test)


def test_silence_instead_of_a_hello_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "HELLO_WITHIN", 0.3)

    async def test(server: ClockServer, join: Join) -> None:
        silent, engine = await join(), await join()
        await engine.hello()
        assert await silent.refused() == "The clock heard no hello within 0.3 seconds."
        assert await engine.agree(next=at(1)) == {"word": "tick", "now": at(1)}

    serving(test)


def test_a_floor_brings_the_plant_forward_and_never_back() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        moved: list[datetime] = []

        async def update(now: datetime) -> None:
            moved.append(now)

        server.on_jump(update)
        people = await join()
        await people.hello("people")
        engine = await join()
        assert (await engine.hello(floor=at(90)))["now"] == at(90)
        assert await people.hear() == {"word": "tick", "now": at(90)}
        other = await join()
        assert (await other.hello("people", floor=at(30)))["now"] == at(90)
        assert moved == [START + timedelta(minutes=90)]

    serving(test)


def test_a_wake_up_in_the_past_does_not_turn_time_back() -> None:
    async def test(server: ClockServer, join: Join) -> None:
        engine = await join()
        await engine.hello()
        assert await engine.agree(next=at(-5)) == {"word": "tick", "now": at(0)}
        assert server.now() == START

    serving(test)


def test_a_plant_started_again_goes_on_where_it_was(tmp_path: Path) -> None:
    state = tmp_path / "clock"

    async def jump(server: ClockServer, join: Join) -> None:
        engine = await join()
        await engine.hello()
        await engine.agree(next=at(12.5))

    async def look(server: ClockServer, join: Join) -> None:
        assert server.now() == START + timedelta(minutes=12.5)

    serving(jump, state=state)
    serving(look, state=state)
    assert state.read_text() == "2026-03-02T08:12:30.000000+00:00\n"


def test_a_later_start_counts_more_than_an_older_file(tmp_path: Path) -> None:
    state = tmp_path / "clock"
    state.write_text("2026-03-02T08:12:30.000000+00:00\n")
    assert ClockServer(START + timedelta(days=1), state=state).now() == START + timedelta(days=1)


@pytest.mark.parametrize("text", ["soon", "2026-03-02T08:12:30.000000", "\x00\xff"])
def test_a_file_that_holds_no_time_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "clock").write_text(text, encoding="latin-1")
    with pytest.raises(BadInput, match="remove it and the plant begins anew"):
        ClockServer(START, state=tmp_path / "clock")


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be opened"):
        ClockServer(START, state=tmp_path / "no such folder" / "clock")


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(BadInput, match="say the time zone"):
        ClockServer(datetime(2026, 3, 2))


def test_a_port_in_use_is_named() -> None:
    async def main() -> None:
        server = ClockServer(START)
        address = await server.start()
        with pytest.raises(BadInput, match=f"cannot listen on {address}"):
            await ClockServer(START, port=int(address.split(":")[1])).start()
        await server.stop()

    asyncio.run(main())
