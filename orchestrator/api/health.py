"""Health and metrics."""

from typing import cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from batches.errors import NotPermitted
from orchestrator.api.common import TheHouse, house_of
from orchestrator.api.house import House
from orchestrator.person import Person
from orchestrator.store.driver import sqlite

router = APIRouter(tags=["health"])
LOOPBACK = frozenset({"127.0.0.1", "::1"})


class Health(BaseModel):
    """Whether the engine works, and what is wrong if not."""

    ok: bool
    problem: str
    open_batches: int
    process_time: str
    pending_commits: int
    clock: str
    clock_trouble: str
    sqlite: str
    plant: str
    simulated: bool
    password_cost: str


@router.get("/healthz", operation_id="get_health")
async def get_health(house: TheHouse, response: Response) -> Health:
    """Open to all: whether Kweek works. 503 when the engine has stopped."""
    found = health(house)
    response.status_code = 200 if found.ok else 503
    return found


def health(house: House) -> Health:
    """What is wrong, if anything."""
    site, settings = house.site, house.settings
    plant = site.engine.plant
    cost = settings.password_cost
    return Health(
        **cast("dict[str, bool | int | str]", dict(site.health())),  # pyright: ignore[reportArgumentType] keys are the fields
        clock="virtual" if house.clock.virtual else "real", clock_trouble=house.clock_trouble(),
        sqlite=sqlite.sqlite_version, plant=plant.site, simulated=plant.simulated,
        password_cost=f"argon2id, {cost.memory // 1024} MiB, {cost.passes} passes",
    )  # fmt: skip


@router.get("/metrics", operation_id="get_metrics", response_class=PlainTextResponse)
async def get_metrics(request: Request) -> Response:
    """Numbers for Prometheus. Open to this machine itself; from elsewhere for administrators."""
    person: Person | None = request.state.person
    local = request.client is not None and request.client.host in LOOPBACK
    if not local and (person is None or "admin" not in person.roles):
        raise NotPermitted("Metrics are for this machine itself and for administrators.")
    return Response(_text(house_of(request)), media_type="text/plain; version=0.0.4; charset=utf-8")


def _text(house: House) -> str:
    found = health(house)
    tasks = sum(len(state.tasks) for state in house.site.batches.values())
    lines = [
        _gauge("kweek_up", "1 while the engine works.", int(found.ok)),
        _gauge("kweek_open_batches", "Batches being executed.", found.open_batches),
        _gauge("kweek_open_tasks", "Tasks that wait for people.", tasks),
        _gauge("kweek_pending_commits", "Submissions not yet on disk.", found.pending_commits),
        _gauge(
            "kweek_failed_sign_ins_total",
            "Failed attempts since start.",
            house.people.sign_ins.failed_attempts,
            "counter",
        ),
        "# HELP kweek_requests_total Requests answered.\n# TYPE kweek_requests_total counter",
    ]
    lines += [
        f'kweek_requests_total{{method="{method}",status="{status}"}} {count}'
        for (method, status), count in sorted(house.requests.items())
    ]
    return "\n".join(lines) + "\n"


def _gauge(name: str, text: str, value: int, kind: str = "gauge") -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{name} {value}"
