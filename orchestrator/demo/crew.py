"""The people of the demonstration: they prepare a site, run one batch, and answer its tasks.

They know what a person would: the text of the task, the labels in front of them, and what their
instruments show (the simulated plant's bench). One answer in ten is wrong, late or given twice; the
right one follows.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx

from batches.entries import stamp
from batches.errors import KweekError, NotFound
from batches.plain import Plain, PlainDict
from batches.quantities import Quantity, duration, from_plain
from devices.bench import Bench
from orchestrator.clock import PeopleClock
from orchestrator.demo.client import API, PAUSE, Client, Problem
from orchestrator.demo.processes import PASSWORD, Processes
from orchestrator.demo.right_answers import Sight, right_answer
from orchestrator.demo.slips import Slip, slip_for, wrong
from orchestrator.demo.view import View

PEOPLE: dict[str, tuple[str, list[str]]] = {
    "olga": ("Olga Smit", ["operator"]),
    "omar": ("Omar El Amrani", ["operator"]),
    "sven": ("Sven Peeters", ["supervisor"]),
    "sara": ("Sara Dubois", ["supervisor"]),
    "qiu": ("Qiu Jansen", ["qa"]),
    "quinn": ("Quinn Maes", ["qa"]),
    "quim": ("Quim Vos", ["qp"]),
    "cato": ("Cato Bos", ["qc"]),
    "cees": ("Cees de Wit", ["qc"]),
    "eva": ("Eva Claes", ["engineer"]),
    "emil": ("Emil Bakker", ["engineer"]),
    "loes": ("Loes Mertens", ["logistics"]),
    "luuk": ("Luuk Hendriks", ["logistics"]),
}
FIRST_PASSWORD = "first-password-of-the-demo"  # changed at the first sign-in
IDENTITY = "KWDEMO1260000014"
"""The chain-of-identity number on every label of the patient's or donor's material."""
STOCK = "1000000000000"
"""Enough of everything, in the unit of measure of each material (a demonstration's shelf)."""
LATE = timedelta(minutes=45)
ENDED = ("Complete", "Stopped", "Aborted")
CONFLICT, MOMENTS = 409, 10  # a refusal for the time being, and how often a right answer is given again
CULTURE = ("bioreactor", "closed_cell_processor")


class Crew:
    """Everybody, signed in, around one batch. `story` counts what happened for the summary."""

    def __init__(self, processes: Processes, view: View, seed: int) -> None:
        self._processes, self._view = processes, view
        self._draw = random.Random(seed)  # slips of scripted people, not secrets
        self._stack = AsyncExitStack()
        self._people: dict[str, Client] = {}
        self._ids: dict[str, str] = {}
        self._recipe: dict[str, Any] = {}
        self._classes: dict[str, str] = {}
        self._answering: set[str] = set()
        self._jobs: set[asyncio.Task[None]] = set()
        self.story: Counter[str] = Counter()

    async def __aenter__(self) -> "Crew":
        http = httpx.AsyncClient(base_url=self._processes.url, timeout=60)
        self._http = await self._stack.enter_async_context(http)
        self._bench = Bench(self._processes.bench)
        self._stack.push_async_callback(self._bench.close)
        self._clock = await PeopleClock.connect(self._processes.clock, name="crew")
        self._stack.push_async_callback(self._clock.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        await self._stack.aclose()

    # --- before the batch -----------------------------------------------------------------------------

    @property
    def acknowledged(self) -> list[str]:
        """The paths of all that the server took, of everybody."""
        return [path for person in self._people.values() for path in person.acknowledged]

    async def prepare(self, text: str) -> None:
        """People, an approved recipe, released lots."""
        with self._clock.activity.call():
            await self._gather_people()
            await self._approve(text)
            await self._qualify()
            await self._stock()

    async def _gather_people(self) -> None:
        admin = Client(self._http, "admin")
        await admin.sign_in(PASSWORD)
        for name, (full_name, roles) in PEOPLE.items():
            body = {
                "user_name": name, "full_name": full_name, "roles": roles, "password": FIRST_PASSWORD,
                "identity_check": "identity card seen at the desk",
            }  # fmt: skip
            self._ids[name] = (await admin.post("/people", body))["id"]
            self._people[name] = client = Client(self._http, name)
            await client.sign_in(FIRST_PASSWORD, PASSWORD)
            await client.post("/me/policy", {"policy": 1})
        self._view.say(f"{len(PEOPLE)} people signed in, each with their own role and password.")

    async def _approve(self, text: str) -> None:
        submitted = await self._people["eva"].post("/recipes", {"text": text})
        name, version = submitted["recipe"], submitted["version"]
        await self._people["qiu"].post(f"/recipes/{name}/{version}/approval", {})
        self._recipe = (await self._people["eva"].get(f"/recipes/{name}/{version}"))["content"]
        units = (await self._people["eva"].get("/equipment"))["items"]
        self._classes = {unit["id"]: unit["unit_class"] for unit in units}
        self._view.recipe(self._recipe)
        self._view.say(f"Recipe {name} version {version} passed its checks; a second person approved it.")

    async def _qualify(self) -> None:
        """Quality assurance qualifies everybody for the recipe, and is qualified by the supervisor."""
        until = self._clock.now() + timedelta(days=365)
        for name in PEOPLE:
            granter = self._people["sven" if "qa" in PEOPLE[name][1] else "qiu"]
            await granter.post(f"/people/{name}/qualifications", {
                "recipe": self._recipe["recipe"], "until": stamp(until), "evidence": "trained on the recipe, and tested",
            })  # fmt: skip
        self._view.say(f"{len(PEOPLE)} people qualified for the recipe by somebody else, for a year.")

    async def _stock(self) -> None:
        received = 0
        for name, material in self._recipe["materials"].items():
            if material["class"] in ("starting", "raw", "consumable"):
                await self._receive(name, material)
                received += 1
        self._view.say(f"{received} lots received and released by quality assurance, under signature.")

    async def _receive(self, name: str, material: dict[str, Any]) -> None:
        body = {
            "material": name, "quantity": f"{STOCK} {material['unit']}", "supplier_lot": f"SUP-{name}",
            "identity": IDENTITY if material.get("identity") else "",
        }  # fmt: skip
        lot = (await self._people["loes"].post("/lots", body))["lot"]
        decision = {"decision": "release", "reason": "certificate of analysis reviewed", "password": PASSWORD}
        await self._people["qiu"].post(f"/lots/{lot}/decision", decision)

    # --- the batch ------------------------------------------------------------------------------------

    async def run_batch(self) -> str:
        """Create and start the batch, answer everything until it ends; gives its number."""
        supervisor, number = self._people["sven"], ""
        needs = any(material.get("identity") for material in self._recipe["materials"].values())
        async for kind, mark, data in self._events():
            async with self._clock.event(mark):
                if kind == "snapshot" and number:  # the server was away
                    if await self._missed(supervisor, number):
                        break
                elif kind == "snapshot":
                    number = await self._begin(supervisor, IDENTITY if needs else "")
                elif kind == "entry" and await self._heard(supervisor, number, data):
                    break
        return number

    async def _begin(self, supervisor: Client, identity: str) -> str:
        with self._clock.activity.call():
            body = {"recipe": self._recipe["recipe"], "identity": identity}
            number = (await supervisor.post("/batches", body))["number"]
            await supervisor.post(f"/batches/{number}/commands", {"command": "start"})
        self._view.batch(number)
        return number

    async def _missed(self, supervisor: Client, number: str) -> bool:
        """Look at the batch after the stream of events broke off; whether it has ended."""
        self.story["times the server was away"] += 1
        self._spawn(self._look(supervisor, number))
        return (await supervisor.get(f"/batches/{number}"))["state"] in ENDED

    async def _events(self) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
        """Server-sent events as (kind, id, data), taken up again when the server comes back: each time
        it begins with a snapshot."""
        while True:
            try:
                async for event in self._one_stream():
                    yield event
            except httpx.TransportError:
                await asyncio.sleep(PAUSE)

    async def _one_stream(self) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
        """One stream of server-sent events until it breaks off; a mark that carries no data too."""
        listener = self._people["sara"]
        async with self._http.stream(
            "GET", f"{API}/events", headers=listener.headers, timeout=None
        ) as answer:
            kind, mark = "", ""
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                match name:
                    case "event":
                        kind = value
                    case "id":
                        mark = value
                    case "data" if kind in ("snapshot", "entry", "mark"):
                        yield kind, mark, json.loads(value)
                    case "data" if kind == "end":
                        raise KweekError(f"The stream of events ended: {json.loads(value)['detail']}")
                    case _:
                        continue
        raise httpx.RemoteProtocolError("The server closed the stream of events before the batch had ended.")

    async def _heard(self, supervisor: Client, number: str, entry: dict[str, Any]) -> bool:
        """React to one entry; whether the batch has ended."""
        if entry["stream"] != f"batch/{number}":
            return False
        self._view.entry(entry)
        body = entry["body"] or {}
        if (
            entry["kind"] == "state_changed"
            and body["path"] == ""
            and body["to"] in ("Complete", "Stopped", "Aborted")
        ):
            return True
        opened = entry["kind"] in ("task_opened", "task_answered") or body.get("tasks")
        if opened or entry["body"] is None:
            self._spawn(self._look(supervisor, number))
        return False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._done)

    def _done(self, job: "asyncio.Task[None]") -> None:
        self._jobs.discard(job)
        if not job.cancelled() and (error := job.exception()) is not None:
            self._view.say(f"A scripted person is at a loss: {error}")
            raise error

    async def _look(self, supervisor: Client, number: str) -> None:
        with self._clock.activity.call():
            batch = await supervisor.get(f"/batches/{number}")
            self._view.state(batch)
            for task in batch["tasks"]:
                if task["id"] not in self._answering:
                    self._answering.add(task["id"])
                    self._spawn(self._answer(batch, task))

    # --- one task ---------------------------------------------------------------------------------------

    async def _answer(self, batch: dict[str, Any], task: dict[str, Any]) -> None:
        slip = slip_for(self._draw, task)
        await self._clock.sleep_until(self._clock.now() + self._takes(task, slip))
        with self._clock.activity.call():
            people = self._fitting(task)
            for turn in range(len(task["answers"]), task["people"]):
                second = (
                    turn > 0
                    and bool(task["answers"] or turn)
                    and task["kind"] not in ("dispose", "reconcile")
                )
                answer: Plain = {"verified": True} if second else await self._right(batch, task)
                if slip is Slip.WRONG and not second:
                    await self._give(people[turn], task, wrong(self._draw, task, answer), expected=False)
                await self._give(people[turn], task, answer, expected=True)
                if slip is Slip.TWICE:
                    await self._give(people[turn], task, answer, expected=False)
            self.story["tasks answered"] += 1

    def _takes(self, task: dict[str, Any], slip: Slip) -> timedelta:
        """How long it takes until the answer is given: the laboratory its turnaround, people minutes."""
        turnaround = task["content"].get("turnaround")
        if turnaround is not None:
            return duration(from_plain(turnaround))
        minutes = timedelta(minutes=self._draw.uniform(0.5, 2.0))
        if slip is Slip.LATE:
            self.story["late answers"] += 1
            return minutes + LATE
        return minutes

    def _fitting(self, task: dict[str, Any]) -> list[Client]:
        able = [name for name, (_, roles) in PEOPLE.items() if set(roles) & set(task["roles"])]
        gave = {answer["person"] for answer in task["answers"]}
        fitting = [self._people[name] for name in able if self._ids[name] not in gave]
        return [*self._people.values()][: len(task["answers"])] + fitting

    async def _right(self, batch: dict[str, Any], task: dict[str, Any]) -> Plain:
        found = await self._measured(batch, task["content"])
        containers = {use["material"]: use["lot"] for use in (*batch["used"], *batch["made"])}
        shelf = await self._shelf(task["content"])
        sight = Sight(
            batch["number"],
            batch["identity"],
            batch["units"],
            containers,
            shelf,
            lambda name, _: found.get(name),
        )
        return right_answer(task["kind"], task["content"], sight)

    async def _shelf(self, content: dict[str, Any]) -> dict[str, str]:
        material = content.get("material")
        if content.get("expects") != "lot" or not material:
            return {}
        lots = await self._people["loes"].every(f"/lots?material={material}&status=released")
        return {material: lots[0]["lot"]} if lots else {}

    async def _measured(self, batch: dict[str, Any], content: dict[str, Any]) -> dict[str, Quantity]:
        """What the instruments show of the culture, for the fields that ask for a quantity."""
        unit = next(
            (u for u in batch["units"].values() if self._classes.get(u, "").split("/")[0] in CULTURE), ""
        )
        found: dict[str, Quantity] = {}
        for name, field in (content.get("fields") or {}).items():
            if field["kind"] == "quantity":
                value = await self._measure(unit, name, field)
                if value is not None:
                    found[name] = value
        return found

    async def _measure(self, unit: str, name: str, field: PlainDict) -> Quantity | None:
        try:
            value = await self._bench.measure(unit, name, str(field["unit"]))
            return value.to(str(field["unit"])) if isinstance(value, Quantity) else None
        except (NotFound, KweekError):
            return None

    async def _post(self, person: Client, path: str, body: dict[str, Any], *, patient: bool) -> None:
        """Answer; a server that has just come back may ask for a moment, when the answer is right."""
        for _ in range(MOMENTS if patient else 0):
            try:
                await person.post(path, body)
            except Problem as problem:
                if problem.status != CONFLICT:
                    raise
                await asyncio.sleep(PAUSE)
            else:
                return
        await person.post(path, body)

    async def _is_open(self, task: dict[str, Any]) -> bool:
        batch = await self._people["sven"].get(f"/batches/{task['id'].rpartition('-T')[0]}")
        return task["id"] in {found["id"] for found in batch["tasks"]}

    async def _give(self, person: Client, task: dict[str, Any], answer: Plain, *, expected: bool) -> None:
        body: dict[str, Any] = {"answer": answer}
        if task["signed"]:
            body["signature"] = {"password": PASSWORD}
        try:
            await self._post(person, f"/tasks/{task['id']}/answer", body, patient=expected)
        except Problem as problem:
            if expected and await self._is_open(task):
                raise
            if expected:  # a timer was quicker, or the step was settled otherwise
                self.story["answers that came too late"] += 1
                return
            self.story["wrong or second answers refused"] += 1
            self._view.refused(person.user_name, str(problem))
        else:
            if not expected:
                self.story["wrong answers that were plausible"] += 1
