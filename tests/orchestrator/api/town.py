"""A whole site with its people, behind the HTTP API: real SQLite, real engine, real time, no plant running."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from orchestrator.api.house import House
from orchestrator.app import create_app, open_house
from orchestrator.demo.right_answers import Sight, right_answer
from orchestrator.settings import LOW_COST, Settings

T = TypeVar("T")
FIRST, SECRET = "given by the office", "a sentence only I know"
CREW = {
    "erik": "engineer", "quinn": "qa", "quentin": "qp", "olga": "operator", "otto": "operator", "sam": "supervisor",
    "lab": "qc", "lou": "logistics", "pat": "planner",
}  # fmt: skip
PLANT = Path(__file__).parent / "plant.yaml"
BENCH = (Path(__file__).parent / "bench.yaml").read_text(encoding="utf-8")


class Town:
    """A site to act on by `run`ning coroutines; `open` again after `close` is a restart of the server."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.settings = Settings(
            database_url=url or f"sqlite:///{folder / 'kweek.db'}", plant=PLANT, folder=folder,
            password_cost=LOW_COST, zone="Europe/Amsterdam",
        )  # fmt: skip
        self._runner = asyncio.Runner()
        self.tokens: dict[str, str] = {}
        self.open()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def open(self) -> None:
        self._stack = AsyncExitStack()
        self.house: House = self.run(self._stack.enter_async_context(open_house(self.settings)))
        app = create_app(self.house)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kweek")
        self._stack.push_async_callback(self.client.aclose)

    def close(self) -> None:
        self.run(self._stack.aclose())

    def end(self) -> None:
        self.close()
        self._runner.close()

    # --- acting -------------------------------------------------------------------------------------

    def post(
        self,
        who: str,
        path: str,
        body: object = None,
        *,
        key: str = "",
        status: int = 0,
        role: str = "",
        match: str = "",
    ) -> httpx.Response:
        return self.run(self.posting(who, path, body, key=key, status=status, role=role, match=match))

    async def posting(
        self,
        who: str,
        path: str,
        body: object = None,
        *,
        key: str = "",
        status: int = 0,
        role: str = "",
        match: str = "",
    ) -> httpx.Response:
        sent = {"Idempotency-Key": key or str(uuid4()), **self.bearer(who)}
        sent |= {"Kweek-Role": role} if role else {}
        sent |= {"If-Match": match} if match else {}
        found = await self.client.post(f"/api/v1{path}", json=body, headers=sent)
        assert status in (0, found.status_code), found.text
        return found

    def get(self, who: str, path: str, status: int = 200) -> Any:
        found = self.run(self.client.get(f"/api/v1{path}", headers=self.bearer(who)))
        assert found.status_code == status, found.text
        return found.json()

    def bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}

    def sign_in(self, who: str, password: str = SECRET, **more: object) -> httpx.Response:
        body = {"user_name": who, "password": password, **more}
        found = self.run(self.client.post("/api/v1/sign-in", json=body))
        if found.status_code == 200:
            self.tokens[who] = found.json()["token"]
        return found

    # --- people and material ------------------------------------------------------------------------

    def found(self) -> None:
        """The first administrator, and a person for every role, ready to sign."""
        self.run(self.house.people.add_first("anna", "Anna Admin", SECRET))
        self.sign_in("anna")
        for who, role in CREW.items():
            self.add(who, role)
        for who in CREW:
            self.qualify(who)

    def qualify(self, who: str, *, status: int = 201, **change: object) -> httpx.Response:
        """For everything, by quality assurance; the one of quality assurance by the supervisor."""
        body = {"recipe": "*", "until": "2199-01-01T00:00:00Z", "evidence": "trained and tested", **change}
        granter = "sam" if who == "quinn" else "quinn"
        return self.post(granter, f"/people/{who}/qualifications", body, status=status)

    def add(self, who: str, *roles: str) -> str:
        person = {
            "user_name": who, "full_name": f"{who.title()} Person", "roles": roles, "password": FIRST,
            "identity_check": "passport seen",
        }  # fmt: skip
        identity = self.post("anna", "/people", person, status=201).json()["id"]
        self.sign_in(who, FIRST, new_password=SECRET)
        self.post(who, "/me/policy", {"policy": 1}, status=200)
        return identity

    def approve(self, text: str = BENCH, version: int = 1) -> None:
        self.post("erik", "/recipes", {"text": text}, status=201)
        self.post("quinn", f"/recipes/bench/{version}/approval", status=200)

    def lot(self, quantity: str = "500 mL", release: bool = True) -> str:
        body = {"material": "buffer", "quantity": quantity, "supplier_lot": "S-1"}
        lot = self.post("lou", "/lots", body, status=201).json()["lot"]
        if release:
            decision = {"decision": "release", "reason": "certificate seen", "password": SECRET}
            self.post("quinn", f"/lots/{lot}/decision", decision, status=200)
        return lot

    def batch(self, start: bool = True) -> str:
        number = self.post("sam", "/batches", {"recipe": "bench"}, status=201).json()["number"]
        if start:
            self.post("sam", f"/batches/{number}/commands", {"command": "start"}, status=200)
        return number

    def task(self, number: str, kind: str = "") -> dict[str, Any]:
        """The open task of a batch, waited for."""
        return self.run(self._task(number, kind))

    async def _task(self, number: str, kind: str) -> dict[str, Any]:
        found = None
        for _ in range(500):
            found = await self.client.get(f"/api/v1/batches/{number}", headers=self.bearer("sam"))
            tasks = [task for task in found.json()["tasks"] if kind in ("", task["kind"])]
            if tasks:
                return tasks[0]
            await asyncio.sleep(0.01)
        raise AssertionError(f"No task '{kind}' came: {found and found.text}")

    def answer(
        self, who: str, task: str, answer: object, *, status: int = 200, **more: object
    ) -> httpx.Response:
        return self.post(who, f"/tasks/{task}/answer", {"answer": answer, **more}, status=status)

    def clear(self, number: str) -> None:
        """Line clearance by two people."""
        task = self.task(number, "ask")["id"]
        values = {"nothing_left": True, "cleaned": True, "in_order": True}
        self.answer("olga", task, {"values": values})
        self.answer("otto", task, {"verified": True})

    def image(self, number: str) -> None:
        """The work at the microscope, as its task says."""
        lot = self.get("sam", "/lots?status=released")["items"][0]["lot"]
        self.answer("olga", self.task(number, "consume")["id"], {"scan": lot})
        work = self.task(number, "work")
        answer = right_answer("work", work["content"], Sight(number, "", {}, {}, {}))
        self.answer("olga", work["id"], answer)

    def state(self, number: str, wanted: str) -> dict[str, Any]:
        """The batch once it is in a state, waited for."""
        return self.run(self._state(number, wanted))

    async def _state(self, number: str, wanted: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(500):
            found = (await self.client.get(f"/api/v1/batches/{number}", headers=self.bearer("sam"))).json()
            if found["state"] == wanted:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError(f"Batch {number} is {found['state']}, not {wanted}.")

    def record(self, number: str) -> list[dict[str, Any]]:
        return self.get("sam", f"/batches/{number}/record?limit=500")["items"]
