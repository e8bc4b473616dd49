"""What is kept, compared with what was recorded -> a mail of what is not the same. Nothing of the record is written."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prefect import flow

from inspection import clock, lock
from inspection.cameras import read_cameras
from inspection.layout import Layout
from inspection.params import read_params
from inspection.post import compared, mail, outbox
from inspection.post.audit_letter import of_audit
from inspection.verify.everything import Verified, verify


@flow(name="audit")
def audit(every: bool = False, root: Path | None = None) -> dict[str, Any]:
    """Compare, note that it was done, and mail what was found: once, when it changes, and else once a week.

    Args:
        every: all pictures, not only those of the last 30 days.

    Returns:
        found: file and words of each finding; compared, left_out: in words; mail: its subject, "" for none.
    """
    layout = Layout.find(root)
    settings = read_params(layout.params)
    zone = next((one.zone for one in read_cameras(layout.cameras).values()), ZoneInfo("UTC"))
    with lock.hold(layout, "audit", "a comparison with the record"):
        done, now = _twice(layout, every), clock.now()
        before = compared.read(layout)
        last, subject = before.follow(done.findings, now), ""
        if last.is_due(now):
            letter = of_audit(done, last, again=before.digest == last.digest, zone=zone)
            key = f"audit/{last.digest}/{before.told or before.clean}"  # the same until it is noted as told
            with lock.hold(layout, "mail", "writing mails"):
                outbox.deliver(layout.home, mail.compose(letter, settings.mail, key), settings.mail)
            last, subject = compared.as_told(last, now), letter.subject
        compared.write(layout, last)
    return {
        "found": [vars(one) for one in done.findings],
        "compared": done.compared,
        "left_out": done.left_out,
        "mail": subject,
    }


def _twice(layout: Layout, every: bool) -> Verified:
    """What is found twice: a flow that writes meanwhile has files for a moment that are not recorded yet."""
    done = verify(layout, every)
    if not done.findings:
        return done
    again = verify(layout, every)
    lasting = tuple(one for one in again.findings if one in done.findings)
    return Verified(lasting, again.compared, again.left_out)


def summary(result: dict[str, Any]) -> list[str]:
    """The result in sentences."""
    found = [f"Found     {one['file']}: {one['words']}" for one in result["found"]]
    lines = found or ["Found     nothing that was changed."]
    lines += [f"Compared  {words}" for words in result["compared"]]
    lines += [f"Left out  {words}" for words in result["left_out"]]
    return [*lines, f"Mail      {result['mail']}"] if result["mail"] else lines
