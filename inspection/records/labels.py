"""Labels that people gave: which one stands for each image, and which contradict each other."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pandas as pd

from inspection.cameras import Camera
from inspection.chain import Event


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


def standing(events: Iterable[Event]) -> dict[str, Label]:
    """image_id -> the label given last. A "spec" event makes the labels before it stale whose class it names."""
    last: dict[str, Event] = {}
    changed: dict[str, int] = {}  # class -> number of the event that changed its meaning last
    for event in events:
        if event.kind == "label":
            last[event.body["image_id"]] = event
        elif event.kind == "spec":
            changed.update(dict.fromkeys(event.body["classes"], event.n))
    return {image_id: _label(event, changed) for image_id, event in last.items()}


def conflicts(table: pd.DataFrame, cameras: Mapping[str, Camera]) -> pd.DataFrame:
    """Those rows of `table` whose labels cannot all be right: images of one serial from one camera that photographs
    one side of a part, under different labels. A camera that is not declared is not judged.

    Args:
        table: one row per image: `label`, `acceptable` (bool), `camera`, `serial`, and any other columns.

    Returns:
        The rows with `on_verdict` (bool): they disagree on whether the part is acceptable.
    """
    table = table[table["camera"].isin([name for name, camera in cameras.items() if camera.sides == 1])]
    parts = table.groupby(["camera", "serial"])
    table = table.assign(on_verdict=parts["acceptable"].transform("nunique") > 1)
    return table[parts["label"].transform("nunique") > 1]


def _label(event: Event, changed: Mapping[str, int]) -> Label:
    body = event.body
    stale = event.n < changed.get(body["label"], 0)
    return Label(event.n, body["image_id"], body["label"], event.by, event.at, body["labelled_at"], body["spec"], stale)
