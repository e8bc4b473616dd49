"""When what the plant keeps was last compared with what was recorded, and what came of it: noted for `andon status` and
the daily mail, which say it when nobody has compared for long."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from inspection import clock, files
from inspection.layout import Layout
from inspection.outside import documents
from inspection.verify.finding import Finding

LATE = timedelta(days=2)  # a nightly comparison that is older did not run
AGAIN = timedelta(days=7)  # after which findings that stay the same are told again
NIGHTLY = "see why the nightly comparison does not run, or compare now: `andon verify --mail`"


@dataclass(frozen=True)
class Compared:
    """Moments are text, as `clock.stamp` writes them; "" for never.

    Attributes:
        at: of the last comparison; clean: of the last that found nothing.
        count, digest: how much the last one found, and its hash; since: when that was first found.
        told: when people were last written to of what was found.
    """

    at: str
    clean: str = ""
    count: int = 0
    digest: str = ""
    since: str = ""
    told: str = ""

    def follow(self, found: Sequence[Finding], now: datetime) -> "Compared":
        """The comparison after this one, which nobody was told of yet."""
        at, mark = clock.stamp(now), digest(found)
        if not found:
            return Compared(at, at)
        same = mark == self.digest
        return Compared(at, self.clean, len(found), mark, self.since or at, self.told if same else "")

    def is_due(self, now: datetime) -> bool:
        """Whether people have to be written to: of what is new or was changed, and of the same once a week."""
        return self.count > 0 and (not self.told or now - clock.parse(self.told) >= AGAIN)


def digest(found: Sequence[Finding]) -> str:
    """What was found, as one hash; in any order."""
    lines = sorted(f"{one.file}\0{one.words}" for one in found)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def read(layout: Layout) -> Compared:
    """The last comparison; of a note that is gone or damaged, as if there had been none."""
    try:
        kept = Compared(**documents.json_file(layout.state / "compared.json"))
        for moment in (kept.at, kept.clean, kept.since, kept.told):
            if moment:
                clock.parse(moment)
    except (OSError, ValueError, TypeError, AttributeError):
        return Compared("")
    return kept


def write(layout: Layout, done: Compared) -> None:
    files.write(layout.state / "compared.json", json.dumps(asdict(done), indent=1) + "\n")


def as_told(done: Compared, now: datetime) -> Compared:
    """The same, of which people were written to."""
    return replace(done, told=clock.stamp(now))


def said(layout: Layout) -> str:
    """That the last comparison is not old and found nothing, in a sentence; "" where that is not so."""
    last = read(layout)
    if not last.at or last.count or _is_late(last):
        return ""
    return f"What is kept was last compared with the record on {_day(last.at)}, and nothing was changed."


def wrong(layout: Layout, since: datetime) -> str:
    """What is not as it should be, "" for nothing; `since` is when the plant has something to compare."""
    last = read(layout)
    if last.count:
        files_ = "1 file or tag is" if last.count == 1 else f"{last.count} files or tags are"
        late = f", and nobody has compared since {_day(last.at)}" if _is_late(last) else ""
        return f"{files_} not what the record says (since {_day(last.since)}{late}): `andon verify` names each"
    if last.at and _is_late(last):
        return f"what is kept was not compared with the record since {_day(last.at)}: {NIGHTLY}"
    if not last.at and clock.now() - since > LATE:
        return f"what is kept was never compared with the record: {NIGHTLY}"
    return ""


def _is_late(last: Compared) -> bool:
    return clock.now() - clock.parse(last.at) > LATE


def _day(moment: str) -> str:
    return f"{clock.parse(moment):%Y-%m-%d %H:%M} UTC"
