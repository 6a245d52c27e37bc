"""A full disk, and a database that cannot be reached: work by hand in real time, no plant needed."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tests.stories.place import Place, eventually, sentence
from tests.stories.recipes import BY_HAND
from tests.stories.staff import Staff

pytestmark = pytest.mark.timeout(180)
PLANT = Path(__file__).parents[1] / "orchestrator" / "api" / "plant.yaml"


@contextlib.contextmanager
def site(folder: Path, database: str) -> Iterator[Staff]:
    """A site of its own, with a batch's first task open."""
    place = Place(folder, virtual=False, plant_file=PLANT, database=database)
    try:
        place.add_admin()
        place.start_server()
        found = Staff(place)
        found.gather()
        yield found
    finally:
        place.close()
    place.look_back()


def stands_still(staff: Staff, number: str, *words: str) -> None:
    """The engine has stopped: whatever is asked gets the reason, and nothing is acted on."""
    for _ in range(2):
        note = staff.post("olga", f"/batches/{number}/notes", {"text": "Is anybody there?"})
        said = sentence(note, 503)
        assert [word for word in words if word not in said] == [], said
    eventually(lambda: staff.place.http.get("/healthz").status_code == 503, "the news at /healthz")
    health = staff.place.health()
    assert health["ok"] is False
    assert "start Kweek again" in health["problem"]


def go_on(staff: Staff, number: str, noted: list[str]) -> None:
    """Starting Kweek again is all it takes: what was acknowledged is there, and the batch ends."""
    staff.place.stop_server()
    staff.place.start_server()
    assert staff.place.health()["ok"] is True
    notes = [entry["body"]["text"] for entry in staff.entries(number, "note_added")]
    assert notes[: len(noted)] == noted
    assert len(set(notes)) == len(notes)
    assert len(notes) <= len(noted) + 1, "of what was refused, at most one was already on its way"
    staff.complete(number)


def test_a_full_disk(tmp_path: Path, small_disk: Path) -> None:
    with site(tmp_path, f"sqlite:///{small_disk / 'kweek.db'}") as staff:
        number = staff.begin(staff.approve(BY_HAND))
        staff.task(number, "ask")
        filler = small_disk / "somebody-elses-file"
        _fill(filler)
        noted: list[str] = []
        for count in range(300):
            text = f"{count} " + "all is well " * 300
            if staff.post("olga", f"/batches/{number}/notes", {"text": text}).status_code != 201:
                break
            noted.append(text.strip())
        else:
            pytest.fail("the disk did not fill")
        stands_still(staff, number, "is full", "free space, then start Kweek again")
        filler.unlink()
        stands_still(staff, number, "is full")  # space alone does not make the engine trust itself
        go_on(staff, number, noted)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise


def test_a_database_that_cannot_be_reached(
    tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with site(tmp_path, postgres_url) as staff:
        number = staff.begin(staff.approve(BY_HAND))
        task = staff.task(number, "ask")
        staff.post("olga", f"/batches/{number}/notes", {"text": "all is well"}, 201)
        postgres_server.stop()
        try:
            _refused_meanwhile(staff, number, task["id"])
        finally:
            postgres_server.start()
        stands_still(staff, number, "start the database, then start Kweek again")
        go_on(staff, number, ["all is well"])


def _refused_meanwhile(staff: Staff, number: str, task: str) -> None:
    """Everything a person may try gets 503 or an answer from memory, and a sentence."""

    def stopped() -> bool:
        return staff.post("olga", f"/batches/{number}/notes", {"text": "Can you hear me?"}).status_code == 503

    eventually(stopped, "the refusal")
    stands_still(staff, number, "check that the database runs")
    values = {"values": {"nothing_left": True, "cleaned": True, "in_order": True}}
    sentence(staff.post("otto", f"/tasks/{task}/answer", {"answer": values}), 503)
    sentence(
        staff.post("sam", f"/batches/{number}/commands", {"command": "abort", "path": "", "reason": "fear"}),
        503,
    )
    sentence(staff.post("sam", "/batches", {"recipe": "bench"}), 503)
    sentence(staff.post("", "/sign-in", {"user_name": "cees", "password": "anything"}), 503)
    assert staff.get(f"/batches/{number}").json()["state"] == "Running", (
        "what is known can still be looked at"
    )
    sentence(staff.get(f"/batches/{number}/record"), 503)


def test_a_database_that_is_not_there_at_the_start(tmp_path: Path, postgres_url: str) -> None:
    place = Place(
        tmp_path, virtual=False, plant_file=PLANT, database=postgres_url.replace("host=", "host=/nowhere")
    )
    try:
        said = place.kweek("serve", "--port", str(place.port), code=1)
    finally:
        place.close()
    line = said.splitlines()[-1]
    assert "cannot be reached" in line
    assert line.endswith("start it or correct the address.")
