"""Process data: ranges of readings, thinned for a picture or whole as a file, and how sampling goes."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from batches.entries import stamp
from batches.errors import BadInput
from batches.limits import AHEAD
from orchestrator.api.common import Amount, Moment, TheHouse, amount, maybe_stamp
from orchestrator.api.house import House
from orchestrator.historian import Historian, Kept
from orchestrator.readings_file import as_csv, as_parquet
from orchestrator.sampler import SILENT_PERIODS

router = APIRouter(prefix="/readings", tags=["readings"])
LONGEST_FILE = timedelta(days=31)
"""A file holds no longer range of one tag: it is made in memory."""
PARQUET = "application/vnd.apache.parquet"
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}, PARQUET: {"schema": {"type": "string", "format": "binary"}}}}
}  # fmt: skip
Points = Annotated[int, Query(ge=10, le=20_000, description="About how many points; extremes are kept.")]
Unit = Annotated[str, Query(max_length=200)]
Tag = Annotated[str, Query(max_length=200)]
From = Annotated[Moment, Query(alias="from", description="The first moment of the range.")]
To = Annotated[Moment, Query(alias="to", description="The moment at which the range ends; it is not in it.")]


class PointShown(BaseModel):
    """One reading. `ahead`: its device's clock ran ahead of the server's, so its time is not certain."""

    measured_at: str
    received_at: str
    value: Amount
    quality: str
    source: str
    ahead: bool


class GapShown(BaseModel):
    """Nothing was measured after `start` until `end`."""

    start: str
    end: str


class SeriesShown(BaseModel):
    """Readings of a tag. `total`: how many the range holds; fewer are shown where it holds more than asked."""

    unit: str
    tag: str
    total: int
    points: list[PointShown]
    gaps: list[GapShown]


class LatestShown(BaseModel):
    """The newest reading of a tag, none if it never gave one. `old`: it is older than three periods."""

    unit: str
    tag: str
    reading: PointShown | None
    old: bool


class SamplingShown(BaseModel):
    """How the sampling of a unit goes. `trouble`: why it gives no value just now; '' when all is well."""

    unit: str
    taken: int
    missed: int
    trouble: str
    since: str | None
    waiting_since: str | None


class SamplersShown(BaseModel):
    """Sampling of every unit; `historian_trouble` and `lost`: whether readings reach the database."""

    units: list[SamplingShown]
    historian_trouble: str
    lost: int


@router.get("", operation_id="get_readings")
async def get_readings(
    house: TheHouse, unit: Unit, tag: Tag, start: From, end: To, points: Points = 1000
) -> SeriesShown:
    """Readings of a tag measured in a range, in order of time, with every gap."""
    historian = _checked(house, unit, tag, start, end)
    with house.clock.activity.call():
        found = await asyncio.to_thread(
            historian.series, unit, tag, start, end, points, _gap_after(house, unit, tag)
        )
    shown = [GapShown(start=stamp(gap.start), end=stamp(gap.end)) for gap in found.gaps]
    return SeriesShown(
        unit=unit, tag=tag, total=found.total, points=[_point(one) for one in found.points], gaps=shown
    )


@router.get("/file", operation_id="get_readings_file", response_class=Response, responses=FILES)
async def get_readings_file(
    house: TheHouse, unit: Unit, tag: Tag, start: From, end: To, form: Annotated[Literal["csv", "parquet"], Query(alias="format")] = "csv",
) -> Response:  # fmt: skip
    """The same, whole, as a file."""
    historian = _checked(house, unit, tag, start, end)
    if end - start > LONGEST_FILE:
        raise BadInput(f"A file holds at most {LONGEST_FILE.days} days of a tag; ask for a shorter range.")

    def made() -> bytes:
        kept = historian.range(unit, tag, start, end)
        return as_parquet(kept) if form == "parquet" else as_csv(kept)

    with house.clock.activity.call():
        content = await asyncio.to_thread(made)
    media = PARQUET if form == "parquet" else "text/csv"
    name = f'attachment; filename="readings-{unit}-{tag.replace("/", "-")}.{form}"'
    return Response(content, media_type=media, headers={"Content-Disposition": name})


@router.get("/latest", operation_id="get_latest_readings")
async def get_latest_readings(house: TheHouse, unit: Unit) -> list[LatestShown]:
    """The newest reading of each tag of a unit, from the historian; nothing is asked of the device."""
    tags, historian = [*house.site.engine.plant.unit(unit).tags], _historian(house)
    with house.clock.activity.call():
        found = await asyncio.to_thread(lambda: [historian.latest(unit, tag) for tag in tags])
    return [_latest(house, unit, tag, one) for tag, one in zip(tags, found, strict=True)]


@router.get("/sampling", operation_id="get_sampling")
async def get_sampling(house: TheHouse) -> SamplersShown:
    """Which units give values, and which do not and why."""
    historian, sampler = _historian(house), house.sampler
    units = [] if sampler is None else [
        SamplingShown(
            unit=unit, taken=one.taken, missed=one.missed, trouble=one.trouble, since=maybe_stamp(one.since),
            waiting_since=maybe_stamp(one.waiting_since),
        )
        for unit, one in sampler.units.items()
    ]  # fmt: skip
    return SamplersShown(units=units, historian_trouble=historian.trouble, lost=historian.lost)


def _checked(house: House, unit: str, tag: str, start: datetime, end: datetime) -> Historian:
    """The historian to ask. Raises NotFound for a tag that is none, BadInput for a range that is none."""
    house.site.engine.plant.unit(unit).tag(tag)
    if end <= start:
        raise BadInput("The range ends before it begins; give 'from' before 'to'.")
    return _historian(house)


def _historian(house: House) -> Historian:
    if house.historian is None:
        raise BadInput("No historian is open here; readings are not kept.")
    return house.historian


def _gap_after(house: House, unit: str, tag: str) -> timedelta:
    """How long a pause is a gap: three periods of the tag, or of the watch of limits if nobody samples."""
    sampler = house.sampler
    every = house.site.engine.settings.sample_every if sampler is None else sampler.period(unit, tag)
    return SILENT_PERIODS * every


def _latest(house: House, unit: str, tag: str, found: Kept | None) -> LatestShown:
    old = found is None or house.clock.now() - found.reading.at > _gap_after(house, unit, tag)
    return LatestShown(unit=unit, tag=tag, reading=None if found is None else _point(found), old=old)


def _point(kept: Kept) -> PointShown:
    found = kept.reading
    return PointShown(
        measured_at=stamp(found.at), received_at=stamp(kept.received_at), value=amount(found.value),
        quality=found.quality, source=found.source, ahead=found.at - kept.received_at > AHEAD,
    )  # fmt: skip
