"""The letter about files that are not what the record says. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd

from inspection import clock, files
from inspection.outside.quoted import bare
from inspection.post.compared import Compared
from inspection.post.letter import FOOTER, Attachment, Letter
from inspection.post.wording import counted, when
from inspection.verify.everything import Verified

SHOWN = 20  # findings in the mail itself; all are in its sheet


def of_audit(done: Verified, last: Compared, again: bool, zone: ZoneInfo) -> Letter:
    """What a comparison found.

    Args:
        last: the comparison; again: whether people were told of the same before.
    """
    found = done.findings
    what = f"{counted(len(found), 'file')} {'is' if len(found) == 1 else 'are'} not what was recorded"
    before = f"after {_when(last.clean, zone)}, when nothing was found" if last.clean else "nobody knows since when"
    return Letter(
        subject=f"[Andon] {what}{', still' if again else ''}",
        headline=f"{what}{', still' if again else ''}",
        tone="bad",
        summary=f"First found {_when(last.since, zone)}; it happened {before}. Leave everything as it is, and show "
        "this mail to whoever looks after the plant's computer.",
        facts=(
            ("Compared", _when(last.at, zone)),
            ("What it may be", "a disk that fails, a copy that went wrong, or a person who changed or removed files"),
        ),
        todo=(
            "For each file the list below says what brings it back.",
            "To see all of it again, in the plant's folder: andon verify",
            "If nobody knows why a file was changed, do not approve models and do not import labels before that is "
            "clear.",
        ),
        reasons=(
            *(f"{bare(one.file, 120)}: {one.words}" for one in found[:SHOWN]),
            *([f"{len(found) - SHOWN:,} more stand in the attached sheet."] if len(found) > SHOWN else []),
            *(f"Compared: {words}." for words in done.compared),
        ),
        attachments=(_sheet(done),),
        footer=f"{FOOTER} This mail comes when something is found, when it changes, and else once a week.",
    )


def _sheet(done: Verified) -> Attachment:
    rows = pd.DataFrame([(one.file, one.words) for one in done.findings], columns=["file", "words"])
    return Attachment("not-as-recorded.csv", files.as_sheet(rows).encode(), "text/csv")


def _when(moment: str, zone: ZoneInfo) -> str:
    at: datetime = clock.parse(moment)
    return when(at, zone)
