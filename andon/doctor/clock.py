"""The clock of this computer against the record."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from andon.doctor.answer import Answer, unknown, well, wrong
from inspection import clock, git
from inspection.layout import Layout
from inspection.params import Params
from inspection.records import ledger
from inspection.release import registry

SLACK = timedelta(seconds=5)  # between two computers that wrote one record
ASKED = (  # what tells whether the clock is kept right, and the words that mean yes and no
    (("timedatectl", "show", "--property=NTPSynchronized", "--value"), "yes", "no"),
    (("chronyc", "-c", "tracking"), "Normal", "Not synchronised"),
)
SET = "Set the clock: `timedatectl set-ntp true` where a time server can be reached, else `timedatectl set-time`."


def ask(layout: Layout, settings: Params) -> Iterator[Answer]:
    """Behind the newest record it is wrong; whether it is kept right is what the system says."""
    if said := os.environ.get("ANDON_NOW"):
        yield wrong(f"ANDON_NOW stands still at {said}: every record would bear that time.", "Run `unset ANDON_NOW`.")
    last, now = _newest(layout), clock.now()
    if last and now < last - SLACK:
        yield wrong(f"The clock says {now:%Y-%m-%d %H:%M:%S} UTC, but the newest record is later.", SET, _said(last))
    else:
        behind = f"the newest record is of {_said(last)}" if last else "nothing is recorded yet"
        yield well(f"It is {now:%Y-%m-%d %H:%M} UTC, and {behind}.")
    yield _kept_right()


def _newest(layout: Layout) -> datetime | None:
    """The time of the newest thing that is on record."""
    events = ledger.read(layout)
    times = [clock.parse(events[-1].at)] if events else []
    times += [one.at for one in registry.history(layout)[-1:]]
    if commit := git.asked(layout.home, "log", "-1", "--format=%ct"):
        times.append(datetime.fromtimestamp(int(commit), UTC))
    return max(times, default=None)


def _kept_right() -> Answer:
    for command, yes, no in ASKED:
        if not shutil.which(command[0]):
            continue
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        said = done.stdout.strip()
        if done.returncode == 0 and no in said:
            return wrong(f"`{command[0]}` says that the clock is not kept right by a time server.", SET)
        if done.returncode == 0 and yes in said:
            return well(f"`{command[0]}` says that a time server keeps it right.")
    return unknown("Whether a time server keeps the clock right: neither timedatectl nor chronyc tells it here.")


def _said(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
