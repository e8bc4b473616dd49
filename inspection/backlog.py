"""What still has to be sent to the remote: noted before it is committed, struck off once it is there."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from inspection import clock, files, lock
from inspection.errors import FixSettings
from inspection.layout import Layout
from inspection.outside import credentials, documents


@dataclass(frozen=True)
class Waiting:
    """One thing: a path below the plant, or a stage as it was at the git revision `rev`; since when it waits."""

    target: str
    rev: str | None
    since: str


@dataclass(frozen=True)
class Backlog:
    """Everything that waits, oldest first, and why the last try failed ("" before any)."""

    waiting: tuple[Waiting, ...] = ()
    why: str = ""


def read(layout: Layout) -> Backlog:
    """What waits now.

    Raises:
        FixSettings: the note was damaged.
    """
    path = _path(layout)
    try:
        raw = documents.json_file(path)
        return Backlog(tuple(Waiting(**one) for one in raw["waiting"]), raw["why"])
    except FileNotFoundError:
        return Backlog()
    except (ValueError, KeyError, TypeError):
        raise FixSettings(f"{path} is damaged: delete that file, then run `andon push --all`.") from None


def note(layout: Layout, targets: Sequence[str], rev: str | None = None) -> None:
    """Add targets that do not wait yet."""
    since = clock.stamp(clock.now())
    with lock.hold(layout, "backlog", "noting what has to be pushed"):
        now = read(layout)
        have = {(one.target, one.rev) for one in now.waiting}
        new = tuple(Waiting(target, rev, since) for target in targets if (target, rev) not in have)
        if new:
            _write(layout, Backlog(now.waiting + new, now.why))


def strike(layout: Layout, sent: Sequence[Waiting]) -> None:
    """Forget what has arrived."""
    with lock.hold(layout, "backlog", "noting what was pushed"):
        left = tuple(one for one in read(layout).waiting if one not in sent)
        _write(layout, Backlog(left))


def failed(layout: Layout, why: str) -> None:
    """Keep the reason for people, without the passwords that a remote's own words may quote."""
    with lock.hold(layout, "backlog", "noting why nothing was pushed"):
        _write(layout, Backlog(read(layout).waiting, credentials.masked(why)))


def words(backlog: Backlog) -> str:
    """The state in a sentence, "" when nothing waits."""
    if not backlog.waiting:
        return ""
    since = backlog.waiting[0].since[:16].replace("T", " ")
    return f"{len(backlog.waiting)} pushes wait since {since} UTC" + (
        f": {credentials.masked(backlog.why)}" if backlog.why else ""
    )


def _path(layout: Layout) -> Path:
    return layout.state / "backlog.json"


def _write(layout: Layout, backlog: Backlog) -> None:
    files.write(_path(layout), json.dumps(asdict(backlog), indent=1) + "\n")
