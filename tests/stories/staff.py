"""The people of a site, each signed in over HTTP. They know the text of a task and the labels before them."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

from devices.bench import Bench
from orchestrator.demo.right_answers import Sight, right_answer
from tests.stories.place import PASSWORD, Place, eventually

FIRST = "given by the office"
IDENTITY = "KWDEMO1260000014"
CREW = {
    "olga": "operator", "otto": "operator", "sam": "supervisor", "stef": "supervisor", "quinn": "qa", "erik": "engineer",
    "lou": "logistics", "cato": "qc", "cees": "qc",
}  # fmt: skip
ENDED = ("Complete", "Stopped", "Aborted")
Task = dict[str, Any]
Batch = dict[str, Any]


class Staff:
    """Everybody, around one place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.tokens: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self.names: dict[str, str] = {}

    # --- asking -----------------------------------------------------------------------------------------

    def bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}

    def post(self, who: str, path: str, body: object, status: int = 0, key: str = "") -> httpx.Response:
        headers = self.bearer(who) | {"Idempotency-Key": key or str(uuid4())}
        found = self.place.http.post(f"/api/v1{path}", json=body, headers=headers)
        assert status in (0, found.status_code), found.text
        return found

    def get(self, path: str, who: str = "sam") -> httpx.Response:
        return self.place.http.get(f"/api/v1{path}", headers=self.bearer(who))

    def sign_in(self, who: str, password: str = PASSWORD, **more: str) -> None:
        body = {"user_name": who, "password": password, **more}
        self.tokens[who] = self.post("", "/sign-in", body, 200).json()["token"]

    # --- before the batch -------------------------------------------------------------------------------

    def gather(self) -> None:
        """The first administrator adds the others, who choose their own passwords."""
        self.sign_in("admin")
        for who, role in CREW.items():
            person = {
                "user_name": who, "full_name": f"{who.title()} Person", "roles": [role], "password": FIRST,
                "identity_check": "passport seen",
            }  # fmt: skip
            self.ids[who] = self.post("admin", "/people", person, 201).json()["id"]
            self.names[self.ids[who]] = who
            self.sign_in(who, FIRST, new_password=PASSWORD)
            self.post(who, "/me/policy", {"policy": 1}, 200)
        for who in CREW:
            trained = {"recipe": "*", "until": "2199-01-01T00:00:00Z", "evidence": "trained"}
            granter = "sam" if who == "quinn" else "quinn"
            self.post(granter, f"/people/{who}/qualifications", trained, 201)

    def approve(self, text: str) -> str:
        """A recipe by one person, approved by another, and released lots of what it needs."""
        found = self.post("erik", "/recipes", {"text": text}, 201).json()
        name, version = found["recipe"], found["version"]
        self.post("quinn", f"/recipes/{name}/{version}/approval", {}, 200)
        materials = self.get(f"/recipes/{name}/{version}").json()["content"]["materials"]
        for material, about in materials.items():
            if about["class"] in ("starting", "raw", "consumable"):
                self.receive(material, about)
        return name

    def receive(self, material: str, about: dict[str, Any]) -> str:
        body = {
            "material": material, "quantity": f"1000000 {about['unit']}", "supplier_lot": "S-1",
            "identity": IDENTITY if about.get("identity") else "",
        }  # fmt: skip
        lot = self.post("lou", "/lots", body, 201).json()["lot"]
        decision = {"decision": "release", "reason": "certificate seen", "password": PASSWORD}
        self.post("quinn", f"/lots/{lot}/decision", decision, 200)
        return lot

    def begin(self, recipe: str) -> str:
        number = self.post("sam", "/batches", {"recipe": recipe, "identity": IDENTITY}, 201).json()["number"]
        self.command(number, "start")
        return number

    def command(self, number: str, command: str, who: str = "sam", path: str = "", reason: str = "") -> None:
        body = {"command": command, "path": path, "reason": reason}
        self.post(who, f"/batches/{number}/commands", body, 200)

    def clean(self, *units: str) -> None:
        """Two people clean units for the next batch."""
        body = {"method": "by its procedure", "verifier": "otto", "verifier_password": PASSWORD}
        for unit in units:
            self.post("olga", f"/equipment/{unit}/cleanings", body, 201)

    # --- a batch ----------------------------------------------------------------------------------------

    def batch(self, number: str) -> Batch:
        found = self.get(f"/batches/{number}")
        assert found.status_code == 200, found.text
        return found.json()

    def record(self, number: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(f"/batches/{number}/record?limit=500&cursor={cursor}").json()
            found += page["items"]
            cursor = page["next"]
            if not cursor:
                return found

    def entries(self, number: str, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in self.record(number) if entry["kind"] == kind]

    def task(self, number: str, kind: str) -> Task:
        """The open task of a kind, once it is there; nothing else is answered meanwhile."""
        return eventually(lambda: self._open(number, kind), f"a task '{kind}' of {number}")

    def _open(self, number: str, kind: str) -> Task | None:
        return next((task for task in self.batch(number)["tasks"] if task["kind"] == kind), None)

    def fitting(self, task: Task) -> list[str]:
        gave = {answer["person"] for answer in task["answers"]}
        return [who for who, role in CREW.items() if role in task["roles"] and self.ids[who] not in gave]

    def right(self, number: str, task: Task) -> Any:
        batch = self.batch(number)
        containers = {use["material"]: use["lot"] for use in (*batch["used"], *batch["made"])}
        material = task["content"].get("material", "")
        lots = self.get(f"/lots?material={material}&status=released").json()["items"] if material else []
        shelf = {material: lots[0]["lot"]} if lots else {}
        return right_answer(
            task["kind"], task["content"], Sight(number, IDENTITY, batch["units"], containers, shelf)
        )

    def give(self, who: str, task: Task, answer: Any, status: int = 0, **more: Any) -> httpx.Response:
        body = {"answer": answer, **more}
        if task["signed"]:
            body["signature"] = {"password": PASSWORD}
        return self.post(who, f"/tasks/{task['id']}/answer", body, status)

    def answer(self, number: str, task: Task) -> None:
        """What careful people answer, as many as it takes."""
        people = self.fitting(task)
        for turn in range(len(task["answers"]), task["people"]):
            second = turn > 0 and task["kind"] not in ("dispose", "reconcile")
            answer = {"verified": True} if second else self.right(number, task)
            self.give(people[turn - len(task["answers"])], task, answer, 200)

    def work(self, number: str, until: Callable[[Batch], object] | str = "", within: float = 60.0) -> Batch:
        """Answer every task until the batch has ended, or a task of a kind is open, or something holds."""

        def reached() -> Batch | None:
            batch = self.batch(number)
            if isinstance(until, str):
                there = (
                    any(task["kind"] == until for task in batch["tasks"])
                    if until
                    else batch["state"] in ENDED
                )
            else:
                there = bool(until(batch))
            if there:
                return batch
            for task in batch["tasks"]:
                assert task["kind"] not in ("failed", "in_doubt", "reconcile"), task["text"]
                self.answer(number, task)
            return None

        return eventually(reached, f"{until or 'the end'} of batch {number}", within)

    def complete(self, number: str) -> None:
        """The batch goes on to its end, and its export verifies: nothing was lost."""
        assert self.work(number)["state"] == "Complete"
        self.place.verified(number)

    # --- faults -----------------------------------------------------------------------------------------

    def inject(self, unit: str, fault: str, argument: str = "") -> None:
        """A fault of the simulated plant, asked for over its protocol."""

        async def ask() -> None:
            bench = Bench(self.place.bench)
            try:
                await bench.inject(unit, fault, argument)
            finally:
                await bench.close()

        asyncio.run(ask())
