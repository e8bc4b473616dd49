"""Views of a picture that training may show as well: mirrored and turned ones, and a little more or less light.

A view is named `TURN` or `TURN@GAIN`: `flip_x@1.05` is mirrored left to right with 5 % more light.
"""

from itertools import chain, islice
from math import ceil

import numpy as np
from numpy.typing import NDArray

from inspection.cameras import Camera
from inspection.params import Embed

Levels = NDArray[np.float32]  # (H, W, C) on the scale 0..255
View = str
PLAIN: View = "identity"
_FULL = np.float32(255)
_OVERLAP = 1 / 8  # of neighbouring tiles
_SHARES = (1, 1, 0.5, 0.5)  # of the light that is allowed, brighter and darker by turns


def views_of(camera: Camera | None, part: str, settings: Embed) -> tuple[View, ...]:
    """The views of a part's picture, the plain one first: every turn that its camera allows, then the same again with
    steps of light within `embed.light`, brighter and darker by turns.

    Args:
        camera: as declared; None, when cameras.yaml does not know it any more, allows no turn.
    """
    turns = (PLAIN, *(camera.turns_of(part) if camera else ()))
    lit = (
        f"{turn}@{1 + (-1) ** (step + number) * share * settings.light:.6g}"
        for step, share in enumerate(_SHARES)
        for number, turn in enumerate(turns)
    )
    return tuple(islice(dict.fromkeys(chain(turns, lit if settings.light else ())), settings.views))


def tiles(levels: Levels, grid: int) -> list[Levels]:
    """A picture as grid x grid tiles, row by row, that overlap by an eighth, so that no defect lies on every seam."""
    if grid == 1:
        return [levels]
    rows, columns = (_spans(length, grid) for length in levels.shape[:2])
    return [levels[top:bottom, left:right] for top, bottom in rows for left, right in columns]


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    """`count` pieces of equal length, which cover 0..length."""
    wide = min(length, ceil(length / count * (1 + _OVERLAP)))
    starts = [round(number * (length - wide) / (count - 1)) for number in range(count)]
    return [(start, start + wide) for start in starts]


def viewed(levels: Levels, view: View) -> Levels:
    """A view of a picture, (H, W, C); turned by a quarter it is (W, H, C)."""
    turn, _, gain = view.partition("@")
    if turn in ("flip_x", "turn_180"):
        levels = levels[:, ::-1]
    if turn in ("flip_y", "turn_180"):
        levels = levels[::-1]
    if turn in ("turn_90", "turn_270"):
        levels = np.rot90(levels, 1 if turn == "turn_90" else 3)
    return np.minimum(levels * np.float32(gain), _FULL) if gain else levels
