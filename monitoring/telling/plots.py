"""Sizes over time, for mails and pages: courses in, PNG bytes out."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from math import ceil, inf
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitoring.telling.canvas import BLUE, DPI, GREY, INK, ORANGE, WIDTH, drawing, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = ["%Y", "%b %Y", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
TICKS_AT_ZERO = ["%Y", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]


class Bounds(NamedTuple):
    """What held for one window: beyond low..high is suspect, beyond sure_low..sure_high sure; infinite: no limit."""

    sure_low: float = -inf
    low: float = -inf
    high: float = inf
    sure_high: float = inf


@dataclass(frozen=True)
class Course:
    """A statistic from window to window: its value and what held, at each time; and from when to when its incidents
    stood, None while one is open. `whole`: its values are counts, of which the limit is the first that is too many."""

    title: str
    unit: str
    times: Sequence[datetime]
    values: Sequence[float]
    bounds: Sequence[Bounds]
    incidents: Sequence[tuple[datetime, datetime | None]] = ()
    whole: bool = False


@dataclass(frozen=True)
class Story:
    """What else happened: (version, since) of references; times are shown in `zone`."""

    versions: Sequence[tuple[str, datetime]] = ()
    zone: tzinfo = UTC


QUIET = Story()


def over_time(course: Course, onset: tuple[datetime, datetime] | None = None, story: Story = QUIET) -> bytes:
    """A statistic per window over time, its limits shaded and the interval in which a change began, as a PNG."""
    with drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH / DPI, 3.0), dpi=DPI, layout="constrained")
        axis = figure.subplots()
        if onset is not None:
            began, ended = (_at(moment) for moment in onset)
            axis.axvspan(began, ended, facecolor=ORANGE, alpha=0.3, lw=0, label="began here")
        _draw(axis, course, story)
        axis.set_title(course.title, loc="left", fontweight="bold", color=INK)
        axis.set_ylabel("\n".join(textwrap.wrap(course.unit, 24)))
        if course.whole:
            axis.locator_params(axis="y", integer=True)
        _date(axis, story.zone, 7)
        axis.set_xlabel(_when(course, story.zone))
        figure.legend(loc="outside lower center", ncols=4, frameon=False, columnspacing=1.2, handletextpad=0.4)
        return png(figure)


def _when(course: Course, zone: tzinfo) -> str:
    """What the axis of time is; with the day where its ticks are hours only."""
    days = {f"{moment.astimezone(zone):%a %d %b %Y}" for moment in course.times}
    return f"time on {days.pop()} ({zone})" if len(days) == 1 else f"time ({zone})"


def multiples(courses: Sequence[Course], title: str, story: Story = QUIET) -> bytes:
    """Every statistic of a camera over the same time, two beside each other, as a PNG."""
    with drawing():
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
        return png(figure)


def _draw(axis: "Axes", course: Course, story: Story) -> None:
    """A course within its limits, incidents hatched, new references as dotted lines."""
    at = np.array([_at(moment) for moment in course.times])
    shown = np.asarray(course.values, np.float64)
    bounds = np.array(course.bounds, np.float64).reshape(len(at), 4) - (0.5 if course.whole else 0.0)
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
            name = "certain beyond" if number == 0 or not np.isfinite(sure_low).any() else None
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
