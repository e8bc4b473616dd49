"""Sizes over time show what they should, in grey too."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from monitoring.telling import plots
from monitoring.telling.plots import Bounds, Course, Story
from tests.monitoring.telling.test_pictures import grey, opened

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


HOUR = timedelta(hours=1)


TIMES = [NOON + number * HOUR for number in range(24)]


FREE = Bounds()


STORY = Story([("v2", TIMES[10])], ZoneInfo("Europe/Berlin"))


def course(values: Sequence[float], bounds: Bounds = FREE, times: Sequence[datetime] = TIMES) -> Course:
    return Course("Light of cam-1", "times the usual", times, values, [bounds] * len(values))


def orange(pixels: NDArray[np.uint8]) -> int:
    """Pixels that are orange, strong or pale; all else is blue or grey."""
    seen = pixels.astype(int)
    return int((seen[:, :, 0] - seen[:, :, 2] > 25).sum())


@pytest.mark.parametrize("bounds", [Bounds(0.9, 0.95, 1.05, 1.1), Bounds(-inf, -inf, 1.05, inf), Bounds()])
def test_windows_beyond_the_limits_are_marked(bounds: Bounds) -> None:
    steady, changed = [1.0] * 24, [1.0] * 12 + [1.2] * 12
    assert orange(opened(plots.over_time(course(steady, bounds)))) == 0
    assert (orange(opened(plots.over_time(course(changed, bounds)))) > 100) == (bounds.high < 1.2)
    assert orange(opened(plots.over_time(course(steady, bounds), (TIMES[11], TIMES[12])))) > 500


def test_a_suspect_window_is_another_mark_than_a_changed_one_in_grey_too() -> None:
    def shown(value: float) -> NDArray[np.uint8]:
        values = [1.0] * 23 + [value]
        return grey(opened(plots.over_time(course(values, Bounds(0.9, 0.95, 1.05, 1.1), TIMES))))

    suspect, sure = (shown(value)[:180, 540:] for value in (1.07, 1.107))  # the last window, without the legend
    assert (sure < 140).sum() > 1.3 * (suspect < 140).sum()  # filled, the other is hollow


def test_incidents_and_new_references_are_marked() -> None:
    steady = course([1.0] * 24)
    shaded = replace(steady, incidents=[(TIMES[4], TIMES[6]), (TIMES[20], None)])
    plain, told, both = (
        opened(plots.over_time(one, story=story))
        for one, story in ((steady, Story()), (steady, STORY), (shaded, STORY))
    )
    assert (plain != told).any(axis=2).sum() > 50
    assert (told != both).any(axis=2).sum() > 500


def test_limits_change_with_the_reference() -> None:
    narrow, wide = Bounds(-2, -1, 1, 2), Bounds(-6, -3, 3, 6)
    both = Course("t", "u", TIMES, [0.0] * 24, [narrow] * 12 + [wide] * 12)
    assert (opened(plots.over_time(both)) != opened(plots.over_time(course([0.0] * 24, wide)))).any()


def test_one_window_or_a_constant_can_be_drawn() -> None:
    opened(plots.over_time(course([3.0], times=[NOON])))
    still = course([0.0, 0.0], Bounds(-2, 0, 0, 2), [NOON, NOON + timedelta(days=40)])
    opened(plots.over_time(still))


@pytest.mark.parametrize("count", [0, 3, 19])
def test_every_statistic_of_a_camera_stands_on_one_page(count: int) -> None:
    courses = [course(list(np.linspace(0.9, 1.2, 24)), Bounds(0.8, 0.9, 1.1, 1.2)) for _ in range(count)]
    pixels = opened(plots.multiples(courses, "cam-1 $_{x}$", STORY))
    assert pixels.shape[0] <= 100 + 140 * -(-max(count, 1) // 2)
    assert (orange(pixels) > 0) == bool(count)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("most", [4, 7])
@pytest.mark.parametrize("hours", [0.5, 1, 3, 9, 20, 30, 40, 47, 50, 100, 500, 2000])
def test_every_span_of_time_has_fitting_ticks(hours: float, most: int) -> None:
    figure = Figure()
    canvas, axis = FigureCanvasAgg(figure), figure.add_subplot()
    start = datetime(2026, 11, 3, 5, 20, tzinfo=UTC)
    axis.plot([start, start + timedelta(hours=hours)], [0, 1])  # type: ignore[arg-type]
    plots._date(axis, UTC, most)
    canvas.draw()
    assert len(axis.get_xticks()) >= 1


def test_hours_of_one_day_name_the_day() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert plots._when(course([1.0] * 6, times=TIMES[:6]), zone) == "time on Mon 02 Nov 2026 (Europe/Berlin)"
    assert plots._when(course([1.0] * 24), zone) == "time (Europe/Berlin)"


def test_a_long_unit_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    real = plots.png

    def spy(figure: Figure) -> bytes:
        drawn.append(figure)
        return real(figure)

    monkeypatch.setattr(plots, "png", spy)
    plots.over_time(replace(course([1.0] * 24), unit="more than in health, as a logarithm of what it was"))
    [figure] = drawn
    box = figure.axes[0].yaxis.label.get_window_extent()
    assert box.y0 >= 0 and box.y1 <= figure.bbox.height


def test_one_pixel_too_many_is_not_drawn_as_healthy() -> None:
    """Counts: the limit is the first that is too many."""
    counts = course([0.0] * 23 + [1.0], Bounds(-inf, -inf, 1.0, 1.0))
    plain, whole = (opened(plots.over_time(replace(counts, whole=one))) for one in (False, True))
    pale = [(np.abs(shown.astype(int) - (217, 234, 244)).max(axis=2) < 10).sum() for shown in (plain, whole)]
    assert pale[1] < 0.7 * pale[0]
