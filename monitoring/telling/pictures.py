"""Pictures for mails and pages: arrays in, PNG bytes out, 600 pixels wide. What differs differs in grey print, too."""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from io import BytesIO
from math import ceil, inf
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Image = NDArray[np.float32] | NDArray[np.uint8] | NDArray[np.uint16]  # (H, W, C) or (H, W), C = 1 or 3
Unit = Literal["%", "grey levels"]
Level = TypeVar("Level", np.float32, np.uint8, np.uint16)

WIDTH = 600  # pixels: what a mail shows without scaling; a phone shows it at 340
DPI = 100
MARGIN = 8  # pixels, round and between images
TALLEST = 300  # pixels, of one image
LONGEST = 800  # pixels of an image's longer side that are drawn
NAMED = 5  # spots whose places are written out
SETTINGS: Any = {
    "text.parse_math": False,  # a name with two $ is no formula
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "hatch.linewidth": 0.6,
}
TICKS = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
TICKS_AT_ZERO = ["%Y", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
INK, GREY, BLUE, ORANGE = "#1c2530", "#566270", "#0072b2", "#d55e00"  # blue and orange after Okabe and Ito
SHADES = "cividis"  # from dark blue to bright yellow, grey in the middle: darker is darker in grey print too
LEAST_SPAN: dict[Unit, float] = {"%": 2.0, "grey levels": 4.0}  # a smaller difference is not blown up to full colour


class Bounds(NamedTuple):
    """What held for one window: beyond low..high is suspect, beyond sure_low..sure_high sure; infinite: no limit."""

    sure_low: float = -inf
    low: float = -inf
    high: float = inf
    sure_high: float = inf


@dataclass(frozen=True)
class Course:
    """A statistic from window to window: its value and what held, at each time; and from when to when its incidents
    stood, None while one is open."""

    title: str
    unit: str
    times: Sequence[datetime]
    values: Sequence[float]
    bounds: Sequence[Bounds]
    incidents: Sequence[tuple[datetime, datetime | None]] = ()


@dataclass(frozen=True)
class Story:
    """What else happened: (version, since) of references; times are shown in `zone`."""

    versions: Sequence[tuple[str, datetime]] = ()
    zone: tzinfo = UTC


QUIET = Story()


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
        spots: (row, column) in pixels, circled in every image; the first are numbered and their places written below.
        captions: what stands over the three.
    """
    size = reference.shape[:2]
    before, now = _shrunk(reference), _shrunk(current)
    change = _change(before, now, unit) if unit == "%" else _furthest(_change(reference, current, unit), WIDTH // 6)
    span = max(float(np.quantile(np.abs(change), 0.995)), LEAST_SPAN[unit])
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
        return _png(figure)


def over_time(course: Course, onset: tuple[datetime, datetime] | None = None, story: Story = QUIET) -> bytes:
    """A statistic per window over time, its limits shaded and the interval in which a change began, as a PNG."""
    with _drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH / DPI, 3.0), dpi=DPI, layout="constrained")
        axis = figure.subplots()
        if onset is not None:
            began, ended = (_at(moment) for moment in onset)
            axis.axvspan(began, ended, facecolor=ORANGE, alpha=0.3, lw=0, label="began here")
        _draw(axis, course, story)
        axis.set_title(course.title, loc="left", fontweight="bold", color=INK)
        axis.set_ylabel(course.unit)
        _date(axis, story.zone, 7)
        axis.set_xlabel(f"time ({story.zone})")
        figure.legend(loc="outside lower center", ncols=4, frameon=False, columnspacing=1.2, handletextpad=0.4)
        return _png(figure)


def multiples(courses: Sequence[Course], title: str, story: Story = QUIET) -> bytes:
    """Every statistic of a camera over the same time, two beside each other, as a PNG."""
    with _drawing():
        from matplotlib.figure import Figure

        rows = max(ceil(len(courses) / 2), 1)
        height = 0.9 + 1.2 * rows  # inches
        figure = Figure(figsize=(WIDTH / DPI, height), dpi=DPI)
        grid = {"left": 0.09, "right": 0.98, "bottom": 0.85 / height, "top": 1 - 0.68 / height}
        grid |= {"hspace": 0.62, "wspace": 0.22}
        axes = figure.subplots(rows, 2, squeeze=False, sharex=True, gridspec_kw=grid).ravel()
        for axis in axes[len(courses) :]:
            axis.set_axis_off()
        for axis in axes[max(len(courses) - 2, 0) : len(courses)]:  # one time for all: the lowest of a column tell it
            axis.tick_params(labelbottom=True)
        for axis, course in zip(axes, courses, strict=False):
            _draw(axis, course, story)
            unit = "" if course.unit in course.title else f" ({course.unit})"
            name = "\n".join(textwrap.wrap(course.title + unit, 38))
            axis.set_title(name, loc="left", y=1.0, fontsize=9.5, color=INK, pad=3)  # y given: not sought
            axis.locator_params(axis="y", nbins=3)
        moments = [_at(moment) for course in courses for moment in course.times]
        if moments:
            axes[0].set_xlim(*_room(min(moments), max(moments)))
        _date(axes[0], story.zone, 4)
        name = textwrap.shorten(title, 70, placeholder=" ...")
        figure.text(0.01, 1 - 0.06 / height, name, va="top", fontweight="bold", color=INK)
        if courses:
            handles = {
                label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
            }
            figure.legend(handles.values(), handles, loc="lower center", ncols=4, frameon=False)
        return _png(figure)


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
        return _png(figure)


def close_up(image: NDArray[Level], spot: tuple[int, int], across: int) -> NDArray[Level]:
    """The square of `across` pixels of an image (H, W, C) round a spot, moved inwards at the edge."""
    sides = (min(across, image.shape[0]), min(across, image.shape[1]))
    top, left = (
        int(np.clip(place - side // 2, 0, length - side))
        for place, side, length in zip(spot, sides, image.shape, strict=False)
    )
    return image[top : top + sides[0], left : left + sides[1]]


# images


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
    """A ring round each spot and a number at the first, dark under light, so that they stand out on any ground."""
    from matplotlib.patches import Circle
    from matplotlib.patheffects import withStroke

    radius = 0.05 * max(size)
    for number, (row, column) in enumerate(spots, 1):
        for colour, width in (("black", 3.0), ("#ffe14d", 1.4)):
            axis.add_patch(Circle((column, row), radius, fill=False, edgecolor=colour, linewidth=width, clip_on=False))
        if number <= NAMED:
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


# courses


def _draw(axis: "Axes", course: Course, story: Story) -> None:
    """A course within its limits, incidents hatched, new references as dotted lines."""
    at = np.array([_at(moment) for moment in course.times])
    shown = np.asarray(course.values, np.float64)
    bounds = np.array(course.bounds, np.float64).reshape(len(at), 4)
    sure_low, low, high, sure_high = bounds.T
    bottom, top = _room(*_ends((shown, bounds)))
    axis.set_ylim(bottom, top)
    edge = _edges(at)
    if len(at):
        band = [np.clip(np.append(side, side[-1]), bottom, top) for side in (low, high)]
        axis.fill_between(edge, band[0], band[1], step="post", color=BLUE, alpha=0.15, lw=0, label="healthy")
    for number, side in enumerate((sure_low, sure_high)):
        sure = np.where(np.isfinite(side), side, np.nan)
        if np.isfinite(sure).any():
            name = "sure limit" if number == 0 or not np.isfinite(sure_low).any() else None
            axis.step(edge, np.append(sure, sure[-1]), where="post", color=GREY, lw=1, ls=(0, (4, 2)), label=name)
    _tell(axis, course.incidents, story, at)
    axis.plot(at, shown, color=GREY, lw=0.8, zorder=2)
    within = (shown > low) & (shown < high)
    certain = ~((shown > sure_low) & (shown < sure_high))
    for mask, mark, face, colour, label in (
        (within, "o", BLUE, BLUE, "window"),
        (~within & ~certain, "D", "white", ORANGE, "suspect"),
        (certain, "s", ORANGE, INK, "changed"),
    ):
        if mask.any():
            style: Any = {"ms": 4.5, "mfc": face, "mec": colour, "mew": 1.0, "ls": "none", "zorder": 3}
            axis.plot(at[mask], shown[mask], mark, label=label, **style)
    if len(at) == 1:
        axis.set_xlim(at[0] - 0.5, at[0] + 0.5)  # days
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#e3e7eb", lw=0.6)
    axis.set_axisbelow(True)


def _tell(
    axis: "Axes", incidents: Sequence[tuple[datetime, datetime | None]], story: Story, at: NDArray[np.float64]
) -> None:
    """Incidents and new references, as far as they fall into the time that is shown."""
    if not len(at):
        return
    first, last = float(at.min()), float(at.max())
    label: str | None = "incident"
    for since, until in incidents:
        begin, end = max(_at(since), first), min(_at(until), last) if until else last
        if begin <= end:
            style: Any = {"facecolor": "none", "edgecolor": "#b0b8c0", "hatch": "////", "lw": 0, "zorder": 0}
            axis.axvspan(begin, end, label=label, **style)
            label = None
    label = "new reference"
    for version, since in story.versions:
        if first < _at(since) <= last:
            axis.axvline(_at(since), color=INK, lw=1, ls=":", label=label)
            axis.text(_at(since), 1.0, version, transform=axis.get_xaxis_transform(), fontsize=8, va="top", color=INK)
            label = None


def _date(axis: "Axes", zone: tzinfo, most: int) -> None:
    from matplotlib.dates import HOURLY, AutoDateLocator, ConciseDateFormatter

    locator: Any = AutoDateLocator(tz=zone, minticks=2, maxticks=most)  # type: ignore[no-untyped-call]
    locator.intervald[HOURLY] = [*locator.intervald[HOURLY], 24]  # without it, 40 hours have no fitting interval
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(
        ConciseDateFormatter(locator, tz=zone, formats=TICKS, zero_formats=TICKS_AT_ZERO, show_offset=False)  # type: ignore[no-untyped-call]
    )


def _at(moment: datetime) -> float:
    """Matplotlib's days."""
    from matplotlib.dates import date2num

    dates: Any = date2num  # it has no types
    return float(dates(moment))


def _edges(at: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N + 1,): between which limits hold, so that those of one window can be seen."""
    if len(at) < 2:
        return np.array([at[0] - 0.5, at[0] + 0.5]) if len(at) else at
    return np.append(at, 2 * at[-1] - at[-2])


def _ends(arrays: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Lowest and highest finite value."""
    seen = np.concatenate([array[np.isfinite(array)] for array in arrays])
    return (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)


def _room(low: float, high: float) -> tuple[float, float]:
    """Both ends with some air."""
    air = 0.08 * (high - low) or 0.5
    return low - air, high + air


# figures


@contextmanager
def _drawing() -> Iterator[None]:
    """Matplotlib with our settings. It is imported here because that takes most of a second."""
    import matplotlib

    with matplotlib.rc_context(SETTINGS):
        yield


@contextmanager
def _row(
    images: Sequence[NDArray[np.float32]], titles: Sequence[str], below: int, least: int = 1
) -> Iterator[tuple["Figure", list["Axes"]]]:
    """A figure with an empty frame per image, its title above and `below` pixels under it; `least` fit in a row."""
    with _drawing():
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


def _png(figure: "Figure") -> bytes:
    """Without alpha, which halves the size and which no mail program has to lay on a ground of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image as Pillow

    figure.set_facecolor("white")
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[:, :, :3]
    content = BytesIO()
    Pillow.fromarray(np.ascontiguousarray(drawn)).save(content, "PNG", compress_level=3)
    return content.getvalue()
