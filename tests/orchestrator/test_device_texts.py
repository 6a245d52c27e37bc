"""Whatever a device says: it is written down, and the engine goes on."""

import base64
import hashlib

import pytest

from batches.plain import dict_in
from batches.quantities import parse
from batches.steps import Do, PhaseRun, Program
from devices.base import DeviceFault, DeviceRefused, Outcome
from orchestrator.clean import clean, file_body
from tests.orchestrator.stories import Shop, Town, World, scripted, unit_procedure

ODD = "cafe\u0301 \x00 \ud800 end"
SAID = "caf\u00e9 \ufffd \ufffd end"


def feed() -> PhaseRun:
    reply = yield Do("feed", {})
    return {"fed": reply}


def programme() -> PhaseRun:
    reply = yield Program("wash", {})
    return {"washed": reply}


def world(script: str = "feed") -> World:
    return World(scripted(unit_procedure("Grow", script)), {"feed": feed, "programme": programme}, Shop())


@pytest.mark.parametrize("fate", [DeviceFault(ODD), DeviceRefused(ODD), Outcome("failed", text=ODD)])
def test_an_error_in_odd_words_fails_its_step_and_nothing_else(fate: Outcome | Exception) -> None:
    found = world()
    found.shop.fates["feed"] = [fate]

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("failed") and town.elements["Grow"] == "Held")
        (failed,) = town.bodies("step_failed")
        assert str(failed["sentence"]).endswith(SAID)
        assert town.site.health()["ok"] is True
        assert town.verified().findings == []

    found.run(story)


def test_results_in_odd_words_are_kept_in_clean_ones() -> None:
    found = world()
    found.shop.fates["feed"] = [Outcome("done", {"note": ODD, "menge_\u00fc": parse("5 mL"), "good": True})]

    async def story(town: Town) -> None:
        await town.begin()
        await town.to_the_end()
        (done,) = town.bodies("step_done")
        assert done["reply"] == {"note": SAID, "menge_\\xfc": parse("5 mL").plain(), "good": True}
        assert town.verified().findings == []

    found.run(story)


class Asking(Shop):
    async def prompt(self, unit: str, command: str) -> str | None:
        return ODD


def test_a_prompt_in_odd_words_is_put_once() -> None:
    found = world("programme")
    found.shop = Asking()

    async def story(town: Town) -> None:
        await town.begin()
        await town.until(lambda: town.has("prompt"))
        await town.until(lambda: town.state.ended)
        contents = [dict_in(dict_in(body, "task"), "content") for body in town.bodies("task_opened")]
        assert [content["text"] for content in contents] == [SAID]

    found.run(story)


FILES = [
    b"\xff\xfe\x00binary",
    "cafe\u0301".encode(),
    b"a\x00b",
    "caf\u00e9\r\n\tend".encode(),
    b"plain",
    b"\\xff",
]


@pytest.mark.parametrize("evidence", FILES)
def test_an_event_file_is_kept_whole_whatever_is_in_it(evidence: bytes) -> None:
    found = world()
    found.shop.fates["feed"] = [Outcome("done", {}, evidence=evidence)]

    async def story(town: Town) -> None:
        await town.begin()
        await town.to_the_end()
        (kept,) = town.bodies("evidence_kept")
        text = str(kept["text"])
        assert (base64.b64decode(text) if kept.get("encoding") == "base64" else text.encode()) == evidence
        assert kept["digest"] == hashlib.sha256(evidence).hexdigest()
        assert town.verified().findings == []

    found.run(story)


def test_clean_words_stay_as_they_are() -> None:
    assert clean("37 \u00b0C,\tk\u00fchl\n") == "37 \u00b0C,\tk\u00fchl\n"
    assert file_body("k\u00fchl\n".encode()) == {"text": "k\u00fchl\n"}
    assert file_body(b"\xff") == {"text": "/w==", "encoding": "base64"}
