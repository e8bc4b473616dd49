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
UPWARDS = (  # statistics that are never below 0
    *(*measurement.COUNTS, "shift", "view", "smoothed", "sharpened", "blocks", "coarse", "torn"),
    *("unknown", "novelty", "mix"),
)
UNITS = {**measurement.UNITS, **drift.UNITS}
CAUSES = {**measurement.CAUSES, **drift.CAUSES}
SHORT = {
    "bits of brightness": "bits fewer than in health",
    "captures with the same bytes": "pictures",
    "exponent of the levels": "more than an exponent of 1",
    "healthy standard deviations": "times the usual spread",
    "steps between blocks of 8 pixels": "more than in health, as a logarithm",
}
PLAIN = {
    "gain": "brightness against the healthy picture",
    "gradient": "light on the dark side against the bright one",
    "colour": "red or blue against green",
    "clipped": "share of pixels that are black or white",
    "flicker": "how much the light flickers",
    "tone": "exponent by which the levels are bent",
    "reflection": "brightness of the parts against what stands still",
    "shift": "how far the picture has moved",
    "rotation": "how far the picture has turned",
    "zoom": "size of what is seen",
    "view": "how much the view differs",
    "blur": "blur that was added",
    "motion": "smear along one direction",
    "dead": "dead pixels",
    "hot": "hot pixels",
    "stuck": "stuck pixels",
    "dust": "specks of dust",
    "noise": "graininess against the healthy picture",
    "smoothed": "noise that is missing",
    "sharpened": "how much edges are exaggerated",
    "blocks": "steps between blocks of a compression",
    "coarse": "levels of brightness that are missing",
    "torn": "pictures that arrived broken",
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
        unit, scale = unit_of(name)
        bounds = [_bounds(name, limits[str(one["reference"])].get(name), scale) for one in series]
        found.append(
            Course(
                PLAIN[name],
                unit,
                [clock.parse(one["last"]) for one in series],
                [float(one["values"][name]) * scale for one in series],
                bounds,
                [(one.onset[0], one.closed) for one in scene.incidents if one.cause == CAUSES[name]],
                whole=name in measurement.COUNTS,
            )
        )
    return found


def unit_of(name: str) -> tuple[str, int]:
    """A statistic's unit in plain words, and by what its values are multiplied to be in it."""
    unit = UNITS.get(name, "").partition(",")[0]
    share = unit.startswith(("relative", "share", "likeness"))
    return ("%", 100) if share else (SHORT.get(unit, unit), 1)


def told(name: str, value: float) -> str:
    """A value of a statistic as people say it: "8 % darker", "2.3 px"."""
    unit, scale = unit_of(name)
    number = scale * value
    if name == "gain":
        return f"{abs(number):.2g} % {'darker' if number < 0 else 'brighter'}"
    return f"{number:.3g} {unit}".rstrip()


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
