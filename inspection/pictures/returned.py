"""A serial that comes again long after: the same piece, or another one that bears the number of an old one.

The only place that says which piece a part, a serial and a time mean. Until a person has said it, pictures from after
the gap stand for a piece of their own that waits, `S0042+2?`: they are judged and tell how their camera is, and count
for nothing else. Then they are of `S0042` again, or of `S0042+2`. No serial of a camera holds these signs (naming.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from inspection import clock
from inspection.chain import Event

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

WAITS, SAME, NEW = "waits", "same", "new"
AGAIN = "again"  # of a batch's event: what came again in it
_NUMBER, _DOUBT = "+", "?"
Piece = tuple[str, str]  # part and serial, as cameras name it


@dataclass(frozen=True)
class Return:
    """A serial that came again `since`, long after its `last` picture, and what a person said of it, if anybody did."""

    part: str
    serial: str
    last: datetime
    since: datetime
    state: str = WAITS
    by: str = ""

    @property
    def days(self) -> float:
        return (self.since - self.last) / timedelta(days=1)


Returns = Mapping[Piece, Sequence[Return]]  # of each piece in the order of time


def gaps(before: Iterable[datetime], now: Iterable[datetime], days: float) -> Iterator[tuple[datetime, datetime]]:
    """The ends of each time of more than `days` without a picture that the pictures of `now` show or bring about."""
    fresh = set(now)
    times = sorted({*before, *fresh})
    for one, other in pairwise(times):
        if (other - one) / timedelta(days=1) > days and (one in fresh or other in fresh):
            yield one, other


def told(piece: Piece, gap: tuple[datetime, datetime]) -> dict[str, str]:
    """A return as it stands in an event."""
    return {"part": piece[0], "serial": piece[1], "last": clock.stamp(gap[0]), "since": clock.stamp(gap[1])}


def fold(events: Iterable[Event]) -> Returns:
    """Every return that ingests have seen, with what was said of it last. Late pictures make a gap narrower; what was
    said of it stays."""
    found: defaultdict[Piece, list[Return]] = defaultdict(list)
    for event in events:
        if event.kind == "batch":
            for body in event.body.get(AGAIN, ()):
                _add(found[body["part"], body["serial"]], body)
        elif event.kind == "piece":
            mine, since = found[event.body["part"], event.body["serial"]], clock.parse(event.body["since"])
            by = event.by if event.body["what"] != WAITS else ""
            mine[:] = [replace(one, state=event.body["what"], by=by) if one.since == since else one for one in mine]
    return {piece: tuple(some) for piece, some in found.items() if some}


def _add(mine: list[Return], body: Mapping[str, Any]) -> None:
    one = Return(body["part"], body["serial"], clock.parse(body["last"]), clock.parse(body["since"]))
    for number, other in enumerate(mine):
        if max(one.last, other.last) < min(one.since, other.since):
            mine[number] = replace(other, last=max(one.last, other.last), since=min(one.since, other.since))
            return
    mine.append(one)
    mine.sort(key=lambda one: one.since)


def named(serial: str, returns: Sequence[Return], at: datetime) -> str:
    """The serial by which the piece that a picture of that time shows is told from others."""
    number = 1
    for one in (one for one in returns if one.since <= at):
        number += one.state != SAME
        if one.state == WAITS:
            return f"{serial}{_NUMBER}{number}{_DOUBT}"
    return serial if number == 1 else f"{serial}{_NUMBER}{number}"


def borne(serial: str) -> str:
    """The serial that a piece bears, of one by `named`."""
    return serial.partition(_NUMBER)[0]


def names(serial: str, returns: Sequence[Return]) -> list[str]:
    """All that `named` may make of a serial."""
    later = [f"{serial}{_NUMBER}{number}" for number in range(2, len(returns) + 2)]
    return [serial, *later, *(f"{one}{_DOUBT}" for one in later)]


def waits(serials: pd.Series) -> pd.Series:
    """Which rows, by their serials, are of pieces that wait for a person's word."""
    return serials.astype("str").str.endswith(_DOUBT)


def known(serial: "ColumnElement[str]") -> "ColumnElement[bool]":
    """As the contrary of `waits`, in a query."""
    return ~serial.endswith(_DOUBT)


def applied(table: pd.DataFrame, returns: Returns) -> pd.DataFrame:
    """`table` (`part`, `serial` as cameras name it, `captured_at`) with the serials of `named`."""
    if not returns or table.empty:
        return table
    old = pd.MultiIndex.from_frame(table[["part", "serial"]]).isin(list(returns))
    rows = table.loc[old, ["part", "serial", "captured_at"]].itertuples(index=False)
    new = [named(row.serial, returns.get((row.part, row.serial), ()), _utc(row.captured_at)) for row in rows]
    serials = table["serial"].astype("str").copy()
    serials[old] = new
    return table.assign(serial=serials)


def _utc(moment: datetime) -> datetime:
    return clock.parse(moment.isoformat())
