"""Pictures for mails and pages: arrays in, PNG bytes out, 600 pixels wide."""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 600  # pixels: what a mail shows without scaling
DPI = 100
MARGIN = 8  # pixels, round and between images
TALLEST = 300  # pixels, of one image
SETTINGS: Any = {
    "text.parse_math": False,  # a name with two $ is no formula
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
TICKS = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
TICKS_AT_ZERO = ["%Y", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
INK, GREY, BLUE, ORANGE = "#1c2530", "#566270", "#0072b2", "#d55e00"  # blue and orange after Okabe and Ito
LEAST_SPAN = 2.0  # per cent: a smaller difference is not blown up to full colour


def compared(
    reference: NDArray[np.float32],
    current: NDArray[np.float32],
    spots: Sequence[tuple[int, int]] = (),
    captions: tuple[str, str, str] = ("Before", "Now", "What changed"),
) -> bytes:
    """The mean image before | now | by how many per cent every pixel changed, as a PNG.

    Args:
        reference, current: (H, W, C) float32, 0..255, C = 1 or 3, same shape.
        spots: (row, column) in pixels, circled in every image.
        captions: what stands over the three.
    """
    change = _change(reference, current)
    span = max(float(np.quantile(np.abs(change), 0.995)), LEAST_SPAN)
    beyond = "both" if float(np.abs(change).max()) > span else "neither"
    with _row((reference, current, change), captions, below=48) as (figure, axes):
        white = max(float(np.quantile(reference, 0.999)), float(np.quantile(current, 0.999)), 1.0)
        for axis, image in zip(axes, (reference, current), strict=False):
            _show(axis, image, white)
        shown = axes[2].imshow(change, cmap="PuOr_r", vmin=-span, vmax=span)
        left, _, width, _ = axes[2].get_position(original=True).bounds
        height = figure.get_figheight() * DPI
        bar = figure.add_axes((left + 0.02, 34 / height, width - 0.04, 9 / height))
        figure.colorbar(shown, cax=bar, orientation="horizontal", extend=beyond)
        bar.set_xlabel("change of brightness, %", labelpad=1)
        bar.tick_params(length=2, pad=1)
        for axis in axes:
            _circle(axis, spots, change.shape)
        return _png(figure)


def over_time(
    times: Sequence[datetime],
    values: Sequence[float],
    low: float,
    high: float,
    title: str,
    unit: str,
    onset: tuple[datetime, datetime] | None,
) -> bytes:
    """A statistic per window over time, its limits shaded and the interval in which a change began, as a PNG.

    `low` and `high` may be infinite. Windows beyond them are orange squares.
    """
    with _drawing():
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH / DPI, 2.6), dpi=DPI, layout="constrained")
        axis = figure.subplots()
        dates: Any = date2num  # it has no types
        at = np.asarray(dates(list(times)), np.float64)
        shown = np.asarray(values, np.float64)
        within = (shown >= low) & (shown <= high)
        bottom, top = _room(shown, low, high)
        axis.set_ylim(bottom, top)
        axis.axhspan(max(low, bottom), min(high, top), color=BLUE, alpha=0.13, lw=0, label="allowed")
        if onset is not None:
            began, ended = (float(dates(moment)) for moment in onset)
            axis.axvspan(
                began, ended, facecolor=ORANGE, edgecolor=ORANGE, alpha=0.25, hatch="//", label="change began here"
            )
        axis.plot(at, shown, color=GREY, lw=1, zorder=2)
        for mask, mark, colour, label in ((within, "o", BLUE, "window"), (~within, "s", ORANGE, "beyond the limits")):
            if mask.any():
                axis.plot(at[mask], shown[mask], mark, color=colour, ms=4.5, label=label, zorder=3)
        if len(at) == 1:
            axis.set_xlim(at[0] - 0.5, at[0] + 0.5)  # days
        locator: Any = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(
            ConciseDateFormatter(locator, formats=TICKS, zero_formats=TICKS_AT_ZERO, show_offset=False)  # type: ignore[no-untyped-call]
        )
        axis.set_xlabel("time (UTC)")
        axis.set_ylabel(unit)
        axis.set_title(title, loc="left", fontweight="bold", color=INK)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#e3e7eb", lw=0.6)
        axis.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        return _png(figure)


def examples(images: Sequence[NDArray[np.float32] | NDArray[np.uint8]], titles: Sequence[str]) -> bytes:
    """Up to four images side by side under their titles, as a PNG.

    Args:
        images: each (H, W, C) or (H, W), 0..255, C = 1 or 3; the shapes may differ.
    """
    shown = [image[:, :, None] if image.ndim == 2 else image for image in images[:4]]
    with _row(shown, titles[:4], below=0, least=3) as (figure, axes):
        for axis, image in zip(axes, shown, strict=True):
            _show(axis, image, 255.0)
        return _png(figure)


def _change(reference: NDArray[np.float32], current: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W): change of every pixel in per cent of what it was; of a tenth of the mean where it was near black."""
    before, now = reference.mean(axis=2), current.mean(axis=2)
    floor = max(0.1 * float(before.mean()), 1.0)
    return np.asarray(100 * (now - before) / np.maximum(before, floor), np.float32)


def _room(values: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """Lowest and highest of what has to be seen, with some air."""
    seen = [float(value) for value in (*values, low, high) if isfinite(value)] or [0.0]
    air = 0.1 * (max(seen) - min(seen)) or 0.5
    return min(seen) - air, max(seen) + air


@contextmanager
def _drawing() -> Iterator[None]:
    """Matplotlib with our settings. It is imported here because that takes most of a second."""
    import matplotlib

    with matplotlib.rc_context(SETTINGS):
        yield


@contextmanager
def _row(
    images: Sequence[NDArray[np.float32] | NDArray[np.uint8]], titles: Sequence[str], below: int, least: int = 1
) -> Iterator[tuple["Figure", list["Axes"]]]:
    """A figure with an empty frame per image, its title above and `below` pixels under it; `least` fit in a row."""
    with _drawing():
        from matplotlib.figure import Figure

        across = (WIDTH - MARGIN) // max(len(images), least) - MARGIN
        wrapped = ["\n".join(textwrap.wrap(title, max(across // 8, 8))[:3]) for title in titles]
        above = 8 + 15 * max((text.count("\n") + 1 for text in wrapped), default=1)
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


def _show(axis: "Axes", image: NDArray[np.float32] | NDArray[np.uint8], white: float) -> None:
    """`image` (H, W, C) with `white` as its brightest level."""
    if image.shape[2] == 1:
        axis.imshow(image[:, :, 0], cmap="gray", vmin=0, vmax=white)
    else:
        axis.imshow(np.clip(image.astype(np.float32) / white, 0, 1))


def _circle(axis: "Axes", spots: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> None:
    """A ring round each spot, dark under light, so that it stands out on any ground."""
    from matplotlib.patches import Circle

    radius = 0.05 * max(shape)
    for row, column in spots:
        for colour, width in (("black", 3.0), ("#ffe14d", 1.4)):
            axis.add_patch(Circle((column, row), radius, fill=False, edgecolor=colour, linewidth=width, clip_on=False))


def _png(figure: "Figure") -> bytes:
    """Without alpha, which halves the size and which no mail program has to lay on a ground of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_facecolor("white")
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[:, :, :3]
    content = BytesIO()
    Image.fromarray(np.ascontiguousarray(drawn)).save(content, "PNG", optimize=True)
    return content.getvalue()
