"""Drawn pictures of a camera as files of the inbox, and how captures are loaded."""

from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np

from inspection.layout import Layout
from inspection.pictures.images import levels_of
from plant.shot import png
from tests.monitoring.camera.test_health import PARAMS, START, pictures

SETTINGS = PARAMS.model_copy(update={"watch": PARAMS.watch.model_copy(update={"window_images": 20})})


MINUTE = timedelta(minutes=1)


PARTS = {"a": "bracket", "b": "housing"}


def shown(seed: int, count: int, since: int, light: float = 1.0) -> dict[str, bytes]:
    """Inbox name -> PNG, one a minute from the minute `since` after START, two for each part."""
    made, begun = {}, dict[int, str]()  # kind of part -> the serial that has one picture so far
    for number, (levels, part, _, _) in enumerate(pictures(seed, count, after=lambda x: light * x)):
        at = START + (since + number) * MINUTE
        serial = begun.pop(part, "") or begun.setdefault(part, f"s-{since + number:03d}")
        made[f"cam-1/{PARTS[part]}/{serial}/{at:%Y%m%dT%H%M%S}000Z.png"] = png(levels[:, :, 0].astype(np.uint8))
    return made


def loader(layout: Layout) -> Any:
    return partial(levels_of, layout.home, 40)
