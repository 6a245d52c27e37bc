"""The one place that wires things together: settings in, a running application out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import structlog
from fastapi import Depends, FastAPI

from batches.errors import StoreError
from batches.numbers import SiteScheme
from devices.base import Device
from devices.drivers import make
from devices.plant import Plant, load
from devices.unit import Unit
from orchestrator.alarm_list import LiveAlarms
from orchestrator.alive import away, keep_alive
from orchestrator.api import (
    alarms,
    batches,
    changes,
    document,
    equipment,
    events,
    health,
    lots,
    people,
    problems,
    readings,
    recipes,
    sign_in,
    tasks,
)
from orchestrator.api.common import bearer
from orchestrator.api.gate import Gate
from orchestrator.api.house import House
from orchestrator.clock import ProcessClock, RealClock, VirtualClock
from orchestrator.engine import Engine
from orchestrator.equipment import PlantEquipment
from orchestrator.historian import Historian, historian_url
from orchestrator.passwords import Passwords
from orchestrator.people import People
from orchestrator.people_store import PeopleStore
from orchestrator.retention import retain
from orchestrator.sampler import Sampler
from orchestrator.settings import FULL_COST, Settings
from orchestrator.site import SOFTWARE, Site
from orchestrator.store.port import Store
from orchestrator.store.store import DatabaseStore
from orchestrator.upgrading import refuse_to_start

API = "/api/v1"
Drivers = Callable[[Unit, ProcessClock, Path], object]
"""What makes the driver of a unit: `devices.drivers.make`."""
CLOCK_PATIENCE = 30.0  # s, real time, for the plant's clock to come up


def create_app(house: House | None = None) -> FastAPI:
    """The application over a house. Without one it only tells its OpenAPI document."""
    app = FastAPI(
        title="Kweek", version=SOFTWARE, openapi_url=f"{API}/openapi.json", docs_url=None, redoc_url=None,
        description="Runs cell and gene therapy manufacturing: recipe, record, plan.",
    )  # fmt: skip
    for module in (
        sign_in,
        people,
        recipes,
        batches,
        changes,
        tasks,
        lots,
        equipment,
        readings,
        alarms,
        events,
    ):
        app.include_router(module.router, prefix=API, dependencies=[Depends(bearer)])
    app.include_router(sign_in.entrance, prefix=API)
    app.include_router(health.router)
    problems.install(app)
    document.install(app)
    app.add_middleware(Gate)
    app.state.house = house
    return app


@asynccontextmanager
async def open_house(settings: Settings, driver: "Drivers" = make) -> AsyncIterator[House]:
    """Open store, clock, equipment, engine and people; close them in the opposite order. `driver` makes the
    driver of a unit."""
    if settings.password_cost != FULL_COST:
        structlog.get_logger().warning("passwords are hashed at low cost: for demonstrations only")
    await asyncio.to_thread(settings.folder.mkdir, parents=True, exist_ok=True)
    plant = load(settings.plant)
    async with AsyncExitStack() as stack:
        failed: asyncio.Future[StoreError] = asyncio.get_running_loop().create_future()
        store = await asyncio.to_thread(_store, settings, failed)
        stack.push_async_callback(asyncio.to_thread, store.close)
        await asyncio.to_thread(refuse_to_start, store)
        clock = await _clock(settings, await asyncio.to_thread(latest, store), stack)
        clock.activity.commits = store.pending
        devices = _equipment(settings, plant, clock, driver)
        stack.push_async_callback(devices.close)
        engine = Engine(store, clock, devices, plant)
        failed.add_done_callback(lambda failure: engine.on_crash(failure.result()))
        engine.historian = historian = await asyncio.to_thread(
            Historian, historian_url(settings.database_url)
        )
        stack.push_async_callback(asyncio.to_thread, historian.close)
        crowd = await asyncio.to_thread(_people, settings, engine)
        stack.push_async_callback(asyncio.to_thread, crowd.close)
        site = Site(engine, SiteScheme(prefix=settings.identity_prefix))
        site.answers.qualified = crowd.qualified
        clock.activity.asks = lambda: any(state.tasks for state in site.batches.values())
        site.open(
            clock.away if isinstance(clock, VirtualClock) else await asyncio.to_thread(_away, settings, store)
        )
        stack.push_async_callback(site.close)
        crowd.open()
        if not clock.virtual:
            engine.spawn(keep_alive(settings.folder), "alive")
        live = LiveAlarms(engine)
        await live.open()
        engine.spawn(live.run(), "alarms")
        if settings.keep_readings is not None:
            engine.spawn(retain(engine, historian, settings.keep_readings), "retention")
        sampler = None
        if settings.sample_every is not None:
            sampler = Sampler(plant, engine.equipment, clock, engine.keep_reading, settings.sample_every)
            engine.spawn(sampler.run(), "sampler")
        yield House(site, crowd, clock, settings, historian=historian, alarms=live, sampler=sampler)


@asynccontextmanager
async def open_people(settings: Settings) -> AsyncIterator[People]:
    """Only the people of a record, and no batch taken up: for installation."""
    await asyncio.to_thread(settings.folder.mkdir, parents=True, exist_ok=True)
    plant, clock = load(settings.plant), RealClock()
    store = await asyncio.to_thread(DatabaseStore, settings.database_url)
    engine = Engine(store, clock, _equipment(settings, plant, clock, make), plant)
    crowd = await asyncio.to_thread(_people, settings, engine)
    try:
        crowd.open()
        yield crowd
    finally:
        await asyncio.to_thread(crowd.close)
        await asyncio.to_thread(store.close)


def _store(settings: Settings, failed: "asyncio.Future[StoreError]") -> DatabaseStore:
    """The record. Blocking. `failed` tells when it can no longer be written, even if nobody tries to."""
    loop = failed.get_loop()

    def tell(failure: StoreError) -> None:
        loop.call_soon_threadsafe(failed.set_result, failure)

    return DatabaseStore(settings.database_url, on_failure=tell)


def _equipment(settings: Settings, plant: Plant, clock: ProcessClock, made: Drivers) -> PlantEquipment:
    def driver(unit: Unit, time: ProcessClock) -> Device:
        return cast(
            "Device", made(unit, time, settings.folder / "drivers")
        )  # manual units are never asked as devices

    return PlantEquipment(plant, clock, driver)


def _people(settings: Settings, engine: Engine) -> People:
    store, passwords = PeopleStore(settings.database_url), Passwords(settings.password_cost)
    return People(engine, store, passwords, settings.zone)


async def _clock(settings: Settings, floor: datetime, stack: AsyncExitStack) -> ProcessClock:
    if not settings.clock:
        return RealClock()
    clock = await VirtualClock.connect(settings.clock, floor=floor, patience=CLOCK_PATIENCE)
    stack.push_async_callback(clock.close)
    return clock


def _away(settings: Settings, store: Store) -> tuple[datetime, datetime] | None:
    """Since when and until when no engine ran here. Blocking. What is written of people needs no engine."""
    recorded = latest(store, "batch/") if store.streams("batch/") else None
    return away(settings.folder, recorded)


def latest(store: Store, prefix: str = "") -> datetime:
    """The latest time on record, in the streams with a prefix: virtual time never goes behind it. Blocking."""
    last = datetime.min.replace(tzinfo=UTC)
    for stream in store.streams(prefix):
        for entry in store.read(stream, store.head(stream) - 1, 1):
            last = max(last, entry.recorded_at)
    return last
