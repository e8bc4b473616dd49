"""What can be found with a reference, in words."""

from pathlib import Path

import numpy as np

from flows.reach import reach
from inspection.params import read_params
from monitoring.camera.zones import Zones
from monitoring.judgement.limit import Limit
from monitoring.judgement.reference import Reference

HEALTH = read_params(Path(__file__).parents[2] / "params.yaml").health


def limit(high: float, windows: int = 20) -> Limit:
    return Limit(-high, high, -2 * high, 2 * high, 0.0, high / 3, 0.0, windows, False)


def of(zones: Zones | None, **highs: Limit) -> str:
    limits = {"gain": limit(0.03), "blur": limit(0.3), "shift": limit(0.4), **highs}
    made = Reference("cam-1", "v1", {}, 4, 4, 1, None, limits=limits)
    made.__dict__["zones"] = zones
    [words] = reach(made, HEALTH)
    return words


def still(share: int, split: bool) -> Zones:
    """Of eight rows."""
    return Zones(np.arange(8)[:, None] < np.full((1, 4), share), split)


def test_where_something_stands_still() -> None:
    words = of(still(2, True))
    assert words == "25 % of the view stands still; found are lighting from 3 %, focus from 0.3 px, framing from 0.4 px"


def test_where_nothing_does_light_is_known_badly() -> None:
    words = of(still(8, False), gain=limit(0.2))
    assert words.startswith(
        "nothing stands still in view, so light is found from 20 % only; a grey patch in view would"
    )
    assert words.endswith("would give 2.5 %; found are focus from 0.3 px, framing from 0.4 px as well")
    assert "grey patch" not in of(still(8, False), gain=limit(0.02))


def test_what_no_window_could_tell_is_not_said_to_be_found() -> None:
    words = of(still(2, True), blur=limit(0.3, windows=0))
    assert words.endswith("lighting from 3 %, framing from 0.4 px, but not focus, of which these pictures tell nothing")


def test_where_pictures_change_in_size() -> None:
    words = of(None, shift=limit(0.4, windows=0))
    assert words.startswith("pictures change in size") and "but not framing" in words
