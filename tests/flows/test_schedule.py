"""The schedules of prefect.yaml, by Prefect's own arithmetic, over the nights in which the clock is changed."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import yaml
from prefect.server.schemas.schedules import CronSchedule

from tests.conftest import ROOT

BACK, AHEAD = datetime(2026, 10, 25, tzinfo=UTC), datetime(2027, 3, 28, tzinfo=UTC)  # in Europe, at 01:00 UTC
EVERY = {  # minutes
    "flows.ingest.ingest": 15,
    "flows.watch.watch": 15,
    "flows.retrain.retrain": 60,
    "flows.audit.audit": 24 * 60,
}


def planned() -> dict[str, dict[str, str]]:
    """Entry point -> its one schedule."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    found = {one["entrypoint"]: one["schedules"] for one in deployments if one.get("schedules")}
    assert all(len(schedules) == 1 for schedules in found.values())
    return {entry: schedules[0] for entry, schedules in found.items()}


def longest(schedule: dict[str, str], night: datetime) -> float:
    """Minutes between two runs, at most, from the day before `night` to the day after."""
    start, end = night - timedelta(hours=30), night + timedelta(hours=32)
    times = asyncio.run(CronSchedule(**schedule).get_dates(1000, start=start, end=end))
    return max((after.timestamp() - before.timestamp()) / 60 for before, after in pairwise(times))


@pytest.mark.parametrize("night", [BACK, AHEAD])
def test_no_night_has_a_gap(night: datetime) -> None:
    assert {entry: longest(schedule, night) for entry, schedule in planned().items()} == EVERY


def test_with_the_clock_of_the_wall_one_night_would() -> None:
    """Why they are in UTC. Should Prefect run both hours one day, the zone is free again."""
    gaps = [longest({**schedule, "timezone": "Europe/Berlin"}, BACK) for schedule in planned().values()]
    assert gaps == [75, 75, 120, 25 * 60]
