"""Labels that people gave: which one stands for each image, and which contradict each other."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import pandas as pd

from inspection.cameras import Camera
from inspection.chain import Event
from inspection.layout import Layout
from inspection.pictures import piece, sides
from inspection.records import ledger
from inspection.records.ledger import read_cut

T = TypeVar("T")


class Label(NamedTuple):  # made in a third of a frozen dataclass's time, and there is one per labelled image
    """The label that an image was given last, in ledger event number `n`; `stale`: the quality spec has changed the
    meaning of its class since."""

    n: int
    image_id: str
    label: str
    by: str
    at: str
    labelled_at: str
    spec: str
    stale: bool


class Renaming(NamedTuple):
    """A class that bears another name from ledger event number `n` on: labels given before are of the new one."""

    n: int
    old: str
    new: str


def standing(events: Iterable[Event]) -> dict[str, Label]:
    """image_id -> the label given last and not undone. A "spec" event makes the labels before it stale whose class it
    names."""
    told = list(events)
    gone = undone(told)
    last: dict[str, Event] = {}
    changed: dict[str, int] = {}  # class -> number of the event that changed its meaning last
    for event in told:
        if event.kind == "label" and event.n not in gone:
            last[event.body["image_id"]] = event
        elif event.kind == "spec":
            changed.update(dict.fromkeys(event.body["classes"], event.n))
        elif event.kind == "class-rename":
            move(changed, event.body["old"], event.body["new"])
    names = renamings(told)
    return {image_id: _label(event, changed, names) for image_id, event in last.items()}


def undone(events: Iterable[Event]) -> dict[int, Event]:
    """Number of a label's event -> the event that took it back."""
    return {event.body["undone"]: event for event in events if event.kind == "label-undo"}


def renamings(events: Iterable[Event]) -> list[Renaming]:
    """Every class that was renamed, in order."""
    return [Renaming(e.n, e.body["old"], e.body["new"]) for e in events if e.kind == "class-rename"]


def called_now(label: str, names: Iterable[Renaming], n: int = 0) -> str:
    """What a class is called now that was called `label` when event `n` was written."""
    for one in names:
        if one.n > n and one.old == label:
            label = one.new
    return label


def learned_as(classes: Sequence[str], names: Sequence[Renaming]) -> dict[str, str]:
    """What the `classes` that a model learned are called now, by the names that it knows them by. Where it knows a
    class beside one that bore the same name before, that one alone has another name."""
    now = {one: called_now(one, names) for one in classes}
    given = list(now.values())
    return {one: new if given.count(new) == 1 else one for one, new in now.items()}


def in_cut(layout: Layout) -> list[Renaming]:
    """The renamings that a training run stands on."""
    cut = read_cut(layout.cut)
    return renamings(ledger.read(layout, upto=cut.head)) if cut.events else []


def move(values: dict[str, T], old: str, new: str) -> None:
    """Let what is kept under the class `old` be kept under `new`."""
    if old in values:
        values[new] = values.pop(old)


def conflicts(table: pd.DataFrame, cameras: Mapping[str, Camera]) -> pd.DataFrame:
    """Those rows of `table` whose labels cannot all be right. A camera that is not declared is not judged.

    Of a camera that photographs one side of a part: the images of a piece under different labels. Of one that
    photographs several (`sides.of_cameras`): those of a pass under more labels than there are sides, and those of one
    side in several whole passes, in which sides follow each other alike.

    Args:
        table: one row per image: `label`, `acceptable` (bool), `camera`, `part`, `serial`, `captured_at`, and any other
            columns.

    Returns:
        The rows with `on_verdict` (bool): they disagree on whether the part is acceptable.
    """
    count = {name: one.count for name, one in sides.of_cameras(table, cameras).items()}
    table = table[table["camera"].isin(count)]
    most, own = table["camera"].map(count), piece.of(table)
    same_side = pd.Series(0, table.index).where(most == 1, _side(table, most))
    in_pass = sides.passes(table).where(most > 1, -1)
    wrong = pd.Series(False, table.index)
    on_verdict = wrong.copy()
    for by, allowed, judged in (
        ([table["camera"], own, same_side], 1, same_side >= 0),
        ([table["camera"], own, in_pass], most, most > 1),
    ):
        labels, verdicts = (table[name].groupby(by).transform("nunique") for name in ("label", "acceptable"))
        differ = judged & (labels > allowed)
        wrong, on_verdict = wrong | differ, on_verdict | (differ & (verdicts > 1))
    return table.assign(on_verdict=on_verdict)[wrong]


def _side(table: pd.DataFrame, most: pd.Series) -> pd.Series:
    """Which side of its piece each image shows, from 0; -1 where its pass has not as many pictures as there are
    sides."""
    by = sides.passes(table)
    rank = pd.to_datetime(table["captured_at"], utc=True).groupby(by).rank(method="first").astype(int) - 1
    return rank.where(by.groupby(by).transform("size") == most, -1)


def _label(event: Event, changed: Mapping[str, int], names: Iterable[Renaming]) -> Label:
    body = event.body
    label = called_now(body["label"], names, event.n)
    stale = event.n < changed.get(label, 0)
    return Label(event.n, body["image_id"], label, event.by, event.at, body["labelled_at"], body["spec"], stale)
