"""What no run has taken in or looked at in time, by the record: it tells also where no Prefect server is asked."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from andon.doctor.answer import Answer, unknown, well, wrong
from inspection import clock
from inspection.errors import AndonError, FixSettings
from inspection.intake.inbox import open_inbox
from inspection.layout import Layout
from inspection.outside import documents
from inspection.params import Params
from inspection.records import batches, ledger

LATE = timedelta(hours=1)  # at least: four runs of the shipped schedule, each a quarter of an hour
DAY, WEEK, MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=31)
AGAIN = "See what is said of the Prefect server here; meanwhile run `{}`."


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """Files that wait in the inbox, and accepted batches that no watch has judged."""
    yield _inbox(layout, settings, patience(layout, "ingest"))
    yield _watch(layout, patience(layout, "watch"))


def patience(layout: Layout, flow: str) -> timedelta:
    """How long a flow's work may wait: twice the longest time between two runs by prefect.yaml."""
    path = layout.root / "prefect.yaml"
    try:
        told = documents.yaml_of(documents.text_of(path)) if path.is_file() else {}
        every = [
            _pause(one)
            for each in (told or {}).get("deployments") or ()
            if each.get("entrypoint") == f"flows.{flow}.{flow}"
            for one in each.get("schedules") or ()
        ]
    except (AttributeError, TypeError, ValueError):
        raise FixSettings("prefect.yaml is not what Prefect reads: run `git restore prefect.yaml`.") from None
    return max(LATE, 2 * min(every, default=timedelta()))


def _pause(schedule: Mapping[str, Any]) -> timedelta:
    """The longest time between two runs, or somewhat more."""
    if "cron" not in schedule:
        return timedelta(seconds=float(schedule.get("interval") or 0))
    fields = (str(schedule["cron"]).split() + ["*"] * 5)[:5]
    minute, hour, day, month, weekday = fields
    if (day, month) != ("*", "*"):
        return MONTH if month == "*" else 12 * MONTH
    if weekday != "*":
        return WEEK
    if hour != "*":  # 6-22/2 has a long night
        return timedelta(hours=int(hour[2:])) if hour.startswith("*/") else DAY
    return timedelta(minutes=int(minute[2:])) if minute.startswith("*/") else timedelta(hours=1)


def _inbox(layout: Layout, settings: Params, late_after: timedelta) -> Answer:
    try:
        found = open_inbox(settings.ingest.inbox, layout.home, settings.ingest).list().files
    except AndonError as refusal:
        return unknown(f"Whether an ingest is late: {refusal.parts()[0]}", refusal.parts()[1])
    late = [one.modified for one in found if one.modified < clock.machine() - late_after]
    if late:
        words = f"{len(late)} files wait in the inbox for more than {_long(late_after)}: no ingest took them in."
        return wrong(words, AGAIN.format("andon ingest"), _said(min(late)))
    return well(f"No file waits in the inbox for more than {_long(late_after)}.")


def _watch(layout: Layout, late_after: timedelta) -> Answer:
    events = ledger.read(layout)
    judged = {name for one in events if one.kind == "watch" for name in one.body["batches"]}
    usable = {name for name, state in batches.states(events).items() if state in batches.USABLE}
    came = {one.body["batch"]: clock.parse(one.at) for one in events if one.kind == "batch"}
    late = [at for name, at in came.items() if name in usable - judged and at < clock.now() - late_after]
    if late:
        words = f"{len(late)} batches came more than {_long(late_after)} ago, and no watch has judged them."
        return wrong(words, AGAIN.format("andon watch"), _said(min(late)))
    return well(f"No accepted batch waits for a watch for more than {_long(late_after)}.")


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _long(time: timedelta) -> str:
    return f"{time / timedelta(hours=1):g} h"
