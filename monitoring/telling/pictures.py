"""Images side by side, for mails and pages: arrays in, PNG bytes out."""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from monitoring.telling.canvas import DPI, INK, WIDTH, drawing, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Image = NDArray[np.float32] | NDArray[np.uint8] | NDArray[np.uint16]  # (H, W, C) or (H, W), C = 1 or 3
Unit = Literal["%", "grey levels"]
Level = TypeVar("Level", np.float32, np.uint8, np.uint16)

MARGIN = 8  # pixels, round and between images
TALLEST = 300  # pixels, of one image
LONGEST = 800  # pixels of an image's longer side that are drawn
NAMED = 5  # spots that are drawn and whose places are written out
SHADES = "cividis"  # from dark blue to bright yellow, grey in the middle: darker is darker in grey print too
LEAST_SPAN: dict[Unit, float] = {"%": 2.0, "grey levels": 4.0}  # a smaller difference is not blown up to full colour


def compared(
    reference: NDArray[np.float32],
    current: NDArray[np.float32],
    spots: Sequence[tuple[int, int]] = (),
    captions: tuple[str, str, str] = ("Before", "Now", "Difference"),
    unit: Unit = "%",
) -> bytes:
    """The mean image before | now | by how much every pixel changed, as a PNG.

    Args:
        reference, current: (H, W, C) float32, 0..255, C = 1 or 3, same shape.
        spots: (row, column) in pixels; the first few are circled in every image, numbered, and their places written
            below, the rest is a count.
        captions: what stands over the three.
    """
    size = reference.shape[:2]
    before, now = _shrunk(reference), _shrunk(current)
    change = _change(before, now, unit) if unit == "%" else _furthest(_change(reference, current, unit), WIDTH // 6)
    span = max(float(np.quantile(np.abs(change), 0.995)), LEAST_SPAN[unit], _at_spots(change, spots, size))
    beyond = "both" if float(np.abs(change).max()) > span else "neither"
    places = _places(spots)
    below = 50 + 17 * len(places)
    with _row((before, now, change), captions, below) as (figure, axes):
        white = max(float(np.quantile(before, 0.999)), float(np.quantile(now, 0.999)), 1.0)
        for axis, image in zip(axes, (before, now), strict=False):
            _show(axis, image, white, size)
        style: Any = {"cmap": SHADES, "interpolation": "nearest", "extent": _extent(size)}
        shown = axes[2].imshow(change, vmin=-span, vmax=span, **style)
        left, bottom, width, _ = axes[2].get_position(original=True).bounds
        height = figure.get_figheight() * DPI
        bar = figure.add_axes((left + 0.02, bottom - 16 / height, width - 0.04, 9 / height))
        figure.colorbar(shown, cax=bar, orientation="horizontal", extend=beyond)
        bar.set_xlabel(f"change in {'per cent' if unit == '%' else unit}", labelpad=1)
        bar.tick_params(length=2, pad=1)
        for axis in axes:
            _circle(axis, spots, size)
        for number, line in enumerate(reversed(places)):
            figure.text(MARGIN / WIDTH, (6 + 17 * number) / height, line, color=INK, va="bottom")
        return png(figure)


def examples(images: Sequence[Image], titles: Sequence[str]) -> bytes:
    """Up to four images side by side under their titles, at one brightness, as a PNG.

    Args:
        images: each (H, W, C) or (H, W), C = 1 or 3, on one scale; the shapes may differ.
    """
    shown = [_shrunk(image[:, :, None] if image.ndim == 2 else image) for image in images[:4]]
    white = max((float(np.quantile(image, 0.999)) for image in shown), default=1.0)
    with _row(shown, titles[:4], below=0, least=2) as (figure, axes):
        for axis, image in zip(axes, shown, strict=True):
            _show(axis, image, max(white, 1.0), image.shape[:2])
        return png(figure)


def close_up(image: NDArray[Level], spot: tuple[int, int], across: int) -> NDArray[Level]:
    """The square of `across` pixels of an image (H, W, C) round a spot, moved inwards at the edge."""
    sides = (min(across, image.shape[0]), min(across, image.shape[1]))
    top, left = (
        int(np.clip(place - side // 2, 0, length - side))
        for place, side, length in zip(spot, sides, image.shape, strict=False)
    )
    return image[top : top + sides[0], left : left + sides[1]]


def busiest(image: Image, across: int, calm: bool = False) -> tuple[int, int]:
    """(row, column) of the middle of the square of `across` pixels with the strongest edges, or with the faintest."""
    grey = np.asarray(image, np.float32).reshape(*image.shape[:2], -1).mean(axis=2)
    steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    half = across // 2
    edges = cv2.blur(steep, (across, across))[half:-half, half:-half]
    row, column = np.unravel_index((edges.argmin if calm else edges.argmax)(), edges.shape)
    return int(row) + half, int(column) + half


def stretched(images: Sequence[Image]) -> list[NDArray[np.float32]]:
    """Each about its own middle brightness, all with the contrast that the most varied of them has room for."""
    levels = [np.asarray(image, np.float32) for image in images]
    away = [image - np.float32(np.median(image)) for image in levels]
    span = max((float(np.quantile(np.abs(one), 0.99)) for one in away), default=1.0)
    return [np.clip(128 + one * np.float32(127 / max(span, 1.0)), 0, 255) for one in away]


def _shrunk(image: Image) -> NDArray[np.float32]:
    """(H, W, C) float32 with at most LONGEST pixels a side, each the mean of what it stands for."""
    factor = LONGEST / max(image.shape[:2])
    if factor >= 1:
        return np.asarray(image, np.float32)
    size = (max(round(image.shape[1] * factor), 1), max(round(image.shape[0] * factor), 1))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(size[1], size[0], image.shape[2])


def _change(reference: NDArray[np.float32], current: NDArray[np.float32], unit: Unit) -> NDArray[np.float32]:
    """(H, W): change of every pixel in levels, or in per cent of what it was (of a tenth of the mean near black)."""
    before, now = reference.mean(axis=2), current.mean(axis=2)
    if unit == "grey levels":
        return np.asarray(now - before, np.float32)
    floor = max(0.1 * float(before.mean()), 1.0)
    return np.asarray(100 * (now - before) / np.maximum(before, floor), np.float32)


def _at_spots(change: NDArray[np.float32], spots: Sequence[tuple[int, int]], size: Sequence[int]) -> float:
    """The least change at a spot that is drawn, so that each stands out of what parts differ by; `size` (H, W) is that
    of the picture that they lie in."""
    found = []
    for spot in spots[:NAMED]:
        row, column = (at * has // of for at, has, of in zip(spot, change.shape, size, strict=False))
        near = change[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
        found.append(float(np.abs(near).max()) if near.size else 0.0)
    return min(found, default=0.0)


def _furthest(change: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    """(H, W) with at most `most` values a side, each the largest change of what it stands for: single pixels stay."""
    step = ceil(max(change.shape) / most)
    padded = np.pad(change, [(0, -length % step) for length in change.shape], mode="edge")
    blocks = padded.reshape(padded.shape[0] // step, step, -1, step).swapaxes(1, 2)
    flat = blocks.reshape(*blocks.shape[:2], -1)
    return np.asarray(np.take_along_axis(flat, np.abs(flat).argmax(axis=2)[:, :, None], 2)[:, :, 0], np.float32)


def _show(axis: "Axes", image: NDArray[np.float32], white: float, size: Sequence[int]) -> None:
    """`image` (H, W, C) with `white` as its brightest level, in the coordinates of one of that `size` (H, W)."""
    if image.shape[2] == 1:
        axis.imshow(image[:, :, 0], cmap="gray", vmin=0, vmax=white, extent=_extent(size))
    else:
        axis.imshow(np.clip(image / white, 0, 1), extent=_extent(size))


def _extent(size: Sequence[int]) -> tuple[float, float, float, float]:
    """Where an image of this size (H, W) lies when a pixel's middle has its row and column."""
    return -0.5, size[1] - 0.5, size[0] - 0.5, -0.5


def _places(spots: Sequence[tuple[int, int]]) -> list[str]:
    """The numbered spots and where they are, in lines that fit."""
    said = [f"{number}: row {row}, column {column}" for number, (row, column) in enumerate(spots[:NAMED], 1)]
    if len(spots) > NAMED:
        said.append(f"and {len(spots) - NAMED} more")
    return textwrap.wrap("    ".join(one.replace(" ", "\xa0") for one in said), 72)


def _circle(axis: "Axes", spots: Sequence[tuple[int, int]], size: Sequence[int]) -> None:
    """A ring with a number round each of the first spots, dark under light, so that they stand out on any ground."""
    from matplotlib.patches import Circle
    from matplotlib.patheffects import withStroke

    radius = 0.05 * max(size)
    for number, (row, column) in enumerate(spots[:NAMED], 1):
        for colour, width in (("black", 3.0), ("#ffe14d", 1.4)):
            axis.add_patch(Circle((column, row), radius, fill=False, edgecolor=colour, linewidth=width, clip_on=False))
        right = column < 0.8 * size[1]
        axis.annotate(
            str(number),
            (column + (1.2 if right else -1.2) * radius, row),
            ha="left" if right else "right",
            va="center",
            color="#ffe14d",
            fontweight="bold",
            path_effects=[withStroke(linewidth=3, foreground="black")],
        )


@contextmanager
def _row(
    images: Sequence[NDArray[np.float32]], titles: Sequence[str], below: int, least: int = 1
) -> Iterator[tuple["Figure", list["Axes"]]]:
    """A figure with an empty frame per image, its title above and `below` pixels under it; `least` fit in a row."""
    with drawing():
        from matplotlib.figure import Figure

        across = (WIDTH - MARGIN) // max(len(images), least) - MARGIN
        wrapped = ["\n".join(textwrap.wrap(title, max(across // 9, 8))[:3]) for title in titles]
        above = 10 + 17 * max((text.count("\n") + 1 for text in wrapped), default=1)
        tall = min(TALLEST, max((round(across * image.shape[0] / image.shape[1]) for image in images), default=across))
        height = above + tall + below + MARGIN
        figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI)
        axes = []
        for number, (_, title) in enumerate(zip(images, wrapped, strict=True)):
            left = MARGIN + number * (across + MARGIN)
            place = (left / WIDTH, (below + MARGIN) / height, across / WIDTH, tall / height)
            axis = figure.add_axes(place, xticks=[], yticks=[])
            axis.set_title(title, color=INK, fontweight="bold", pad=4)
            axes.append(axis)
        yield figure, axes
