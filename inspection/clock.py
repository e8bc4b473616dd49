"""The one clock. Nothing else in Andon asks for the time, so that a demo or a test may set it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from inspection.errors import FixSettings

_set_to: datetime | None = None


def now() -> datetime:
    """The time in UTC: what `at()` or the environment's ANDON_NOW (ISO 8601) set, otherwise the real one."""
    if _set_to is not None:
        return _set_to
    if text := os.environ.get("ANDON_NOW"):
        try:
            return parse(text)
        except ValueError:
            raise FixSettings(f"ANDON_NOW is {text!r}, which is no time; write it like 2026-11-02T06:15:12.") from None
    return datetime.now(UTC)


def machine() -> datetime:
    """The machine's own clock in UTC, which stamps files; for their age only."""
    return datetime.now(UTC)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Within the block the clock stands at `moment` (aware)."""
    global _set_to  # noqa: PLW0603  the one piece of state that a test or demo sets
    before, _set_to = _set_to, moment.astimezone(UTC)
    try:
        yield
    finally:
        _set_to = before


def stamp(moment: datetime) -> str:
    """`moment` as text that sorts by time: 2026-11-02T06:15:12.345678+00:00."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def parse(text: str) -> datetime:
    """ISO 8601 text as an aware UTC time; text without a zone is read as UTC.

    Raises:
        ValueError: the text is not a time.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
