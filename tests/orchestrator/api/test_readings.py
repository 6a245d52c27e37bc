"""Process data over HTTP: ranges, gaps, files, what is newest, and what is asked wrongly."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from batches.quantities import parse
from batches.report.readings import read_readings
from devices.base import Reading
from tests.orchestrator.api.town import Town

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
RANGE = "from=2026-11-23T08:00:00Z&to=2026-11-23T09:00:00Z"
OF = "unit=BR-01&tag=temperature"


@pytest.fixture(scope="module", autouse=True)
def kept(town: Town) -> None:
    historian = town.house.historian
    assert historian is not None
    for minute in (0, 1, 2, 50):
        at = AT + timedelta(minutes=minute)
        historian.keep(
            "BR-01", "temperature", Reading(parse(f"37.{minute:02} degC"), at, "good", "probe"), at
        )
    ahead = Reading(parse("37.00 degC"), AT + timedelta(minutes=51), "uncertain", "probe")
    historian.keep("BR-01", "temperature", ahead, AT + timedelta(minutes=50))


def test_a_range_with_its_gap_and_a_clock_that_ran_ahead(town: Town) -> None:
    found: dict[str, Any] = town.get("olga", f"/readings?{OF}&{RANGE}")
    assert [(p["value"]["value"], p["quality"], p["ahead"]) for p in found["points"]] == [
        ("37.00", "good", False), ("37.01", "good", False), ("37.02", "good", False), ("37.50", "good", False),
        ("37.00", "uncertain", True),
    ]  # fmt: skip
    assert (found["total"], found["gaps"]) == (5, [])  # nobody samples here: a look an hour is usual


def test_a_file_holds_the_whole_range(town: Town) -> None:
    def file(form: str) -> bytes:
        address = f"/api/v1/readings/file?{OF}&{RANGE}&format={form}"
        return town.run(town.client.get(address, headers=town.bearer("olga"))).raise_for_status().content

    values = ["37.00", "37.01", "37.02", "37.50", "37.00"]
    assert [str(one.value.value) for one in read_readings(file("csv"))] == values
    frame = pl.read_parquet(io.BytesIO(file("parquet")))
    assert frame["value_text"].to_list() == values
    assert frame["value"].to_list() == [37.0, 37.01, 37.02, 37.5, 37.0]
    assert frame["measured_at"].to_list()[3] == AT + timedelta(minutes=50)
    assert frame["quality"].to_list() == ["good"] * 4 + ["uncertain"]


def test_the_newest_of_each_tag_says_that_it_is_old(town: Town) -> None:
    found = town.get("olga", "/readings/latest?unit=BR-01")
    assert {one["tag"]: one["reading"] and one["reading"]["measured_at"] for one in found} == {
        "temperature": "2026-11-23T08:51:00.000000Z", "agitation": None, "ph": None, "dissolved_oxygen": None,
    }  # fmt: skip
    assert all(one["old"] for one in found)
    assert town.get("olga", "/readings/sampling") == {"units": [], "historian_trouble": "", "lost": 0}


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        (f"unit=BR-09&tag=temperature&{RANGE}", 404, "There is no unit 'BR-09'"),
        (f"unit=BR-01&tag=humidity&{RANGE}", 404, "BR-01 has no tag 'humidity'"),
        (f"{OF}&from=2026-11-23T09:00:00Z&to=2026-11-23T08:00:00Z", 422, "ends before it begins"),
        (f"{OF}&from=2026-11-23&to=2026-11-24T08:00:00Z", 422, ""),
        (f"{OF}&{RANGE}&points=1", 422, ""),
    ],
)
def test_what_is_asked_wrongly_is_said(town: Town, query: str, status: int, says: str) -> None:
    assert says in str(town.get("olga", f"/readings?{query}", status))


def test_a_file_of_years_is_refused(town: Town) -> None:
    found = town.get("olga", f"/readings/file?{OF}&from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", 422)
    assert "at most 31 days" in found["detail"]
