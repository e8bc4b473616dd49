"""The sizes of a camera's statistics from window to window, with the limits that each was held against."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from inspection import clock
from inspection.errors import AndonError
from inspection.layout import Layout
from monitoring.camera import measurement
from monitoring.content import drift
from monitoring.judgement import reference
from monitoring.judgement.limit import Limit
from monitoring.telling.plots import Bounds, Course
from monitoring.telling.scene import Scene

RECENT = 60  # windows in a plot
UPWARDS = (*measurement.COUNTS, "shift", "unknown", "novelty", "mix")  # statistics that are never below 0
UNITS = {**measurement.UNITS, **drift.UNITS}
CAUSES = {**measurement.CAUSES, **drift.CAUSES}
SHORT = {"captures with the same bytes": "pictures", "healthy standard deviations": "times the usual spread"}
PLAIN = {
    "gain": "brightness against the healthy picture",
    "gradient": "light on the dark side against the bright one",
    "colour": "red or blue against green",
    "clipped": "share of pixels that are black or white",
    "flicker": "how much the light flickers",
    "shift": "how far the picture has moved",
    "rotation": "how far the picture has turned",
    "blur": "blur that was added",
    "motion": "smear along one direction",
    "dead": "dead pixels",
    "hot": "hot pixels",
    "stuck": "stuck pixels",
    "dust": "specks of dust",
    "noise": "graininess against the healthy picture",
    "frozen": "pictures that are the same",
    "unknown": "share of the picture that has changed",
    "novelty": "parts unlike any that are known",
    "mix": "kinds of parts against the usual mix",
    "surface": "how different the surfaces look",
    "defects": "rejected parts against the usual share",
}


def courses(
    layout: Layout, scene: Scene, windows: Sequence[Mapping[str, Any]], names: Sequence[str] = tuple(PLAIN)
) -> list[Course]:
    """Each of the statistics that these windows have, with the limits of the reference that each was held against."""
    limits = {version: _limits(layout, scene, version) for version in {str(one["reference"]) for one in windows}}
    found = []
    for name in names:
        series = [one for one in windows if name in one["values"]]
        if not series:
            continue
        unit = UNITS[name].partition(",")[0]
        share = unit.startswith(("relative", "share"))
        bounds = [_bounds(name, limits[str(one["reference"])].get(name), 100 if share else 1) for one in series]
        found.append(
            Course(
                PLAIN[name],
                "%" if share else SHORT.get(unit, unit),
                [clock.parse(one["last"]) for one in series],
                [float(one["values"][name]) * (100 if share else 1) for one in series],
                bounds,
                [(one.onset[0], one.closed) for one in scene.incidents if one.cause == CAUSES[name]],
            )
        )
    return found


def _limits(layout: Layout, scene: Scene, version: str) -> Mapping[str, Limit]:
    """The limits of one of the camera's references; nothing where an earlier one cannot be read any more."""
    if scene.held is not None and scene.held[0].version == version:
        return scene.held[1].limits
    for one in scene.commissions:
        if one.version == version:
            try:
                return reference.load(one.folder(layout), one.digest).limits
            except AndonError:
                return {}
    return {}


def _bounds(name: str, limit: Limit | None, scale: float) -> Bounds:
    """The limits in the unit of the plot; without those that a statistic never meets."""
    if limit is None:
        return Bounds()
    low = (-inf, -inf) if name in UPWARDS else (scale * limit.sure_low, scale * limit.low)
    return Bounds(*low, scale * limit.high, scale * limit.sure_high)
