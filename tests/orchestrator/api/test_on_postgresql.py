"""The same site on PostgreSQL: people, a batch, a repeated request, a restart."""

from pathlib import Path

from tests.orchestrator.api.town import SECRET, Town


def test_people_and_a_batch_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    town = Town(tmp_path, postgres_url)
    town.found()
    town.approve()
    town.lot()
    first = town.post("sam", "/batches", {"recipe": "bench"}, key="make-1", status=201)
    number = first.json()["number"]
    town.post("sam", f"/batches/{number}/commands", {"command": "start"}, status=200)
    town.clear(number)
    assert town.sign_in("olga", "wrong").status_code == 401
    town.close()

    town.open()
    assert town.get("olga", "/me")["user_name"] == "olga"
    assert town.post("sam", "/batches", {"recipe": "bench"}, key="make-1").content == first.content
    assert town.sign_in("olga").status_code == 200
    town.image(number)
    town.answer("sam", town.task(number, "decide")["id"], {"choice": "go"}, signature={"password": SECRET})
    town.clear(number)
    town.state(number, "Complete")
    town.end()
