"""What the API talks to: the site, its people, its clock and its settings, in one place."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from pydantic import BaseModel

from orchestrator.alarm_list import LiveAlarms
from orchestrator.clock import ProcessClock, VirtualClock
from orchestrator.historian import Historian
from orchestrator.people import People
from orchestrator.sampler import Sampler
from orchestrator.settings import Settings
from orchestrator.site import Site


class BatchSummary(BaseModel):
    """A batch in the list."""

    number: str
    recipe: str
    version: int
    product: str
    identity: str
    state: str
    simulated: bool
    created_at: str | None
    ended_at: str | None
    phases: list[str]
    open_tasks: int


@dataclass(slots=True)
class House:
    """Made once, by `orchestrator/app.py`."""

    site: Site
    people: People
    clock: ProcessClock
    settings: Settings
    requests: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    keys: "WeakValueDictionary[tuple[str, str], asyncio.Lock]" = field(default_factory=WeakValueDictionary)
    """A lock per Idempotency-Key in use, so that a request sent twice at once acts once."""
    ended: dict[str, BatchSummary] = field(default_factory=dict[str, BatchSummary])
    """Batches that had ended before this engine started."""
    historian: Historian | None = None
    alarms: LiveAlarms | None = None
    sampler: Sampler | None = None
    """None: tags are read only where a recipe has limits on them."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server stops: streams of events end."""

    def count(self, method: str, status: int) -> None:
        """Count a request that was answered."""
        self.requests[method, status] += 1

    def clock_trouble(self) -> str:
        """Why process time stands still, if it does."""
        return (self.clock.trouble or "") if isinstance(self.clock, VirtualClock) else ""
