import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.cameras import Camera
from inspection.network.views import PLAIN, Levels, View, viewed, views_of
from inspection.params import Embed

TURNS = ("flip_x", "flip_y", "turn_180", "turn_90", "turn_270")


def camera(turns: tuple[str, ...] | dict[str, tuple[str, ...]]) -> Camera:
    return Camera.model_validate(
        {"name": "c", "line": "A", "width": 8, "height": 8, "mode": "L", "parts": ("nut", "bolt"), "turns": turns}
    )


def picture(height: int = 2, width: int = 3, channels: int = 1) -> Levels:
    """(H, W, C) in which every pixel is another."""
    return np.arange(height * width * channels, dtype=np.float32).reshape(height, width, channels)


def test_turns_come_before_light_and_light_by_turns_brighter_and_darker() -> None:
    assert views_of(camera(("flip_x", "turn_180")), "nut", Embed(views=64, light=0.1)) == (
        *("identity", "flip_x", "turn_180"),
        *("identity@1.1", "flip_x@0.9", "turn_180@1.1"),
        *("identity@0.9", "flip_x@1.1", "turn_180@0.9"),
        *("identity@1.05", "flip_x@0.95", "turn_180@1.05"),
        *("identity@0.95", "flip_x@1.05", "turn_180@0.95"),
    )


def test_a_part_has_the_turns_that_are_declared_for_it() -> None:
    by_part = camera({"nut": ("turn_90", "turn_270")})
    dark = Embed(views=8, light=0)
    assert views_of(by_part, "nut", dark) == ("identity", "turn_90", "turn_270")
    assert views_of(by_part, "bolt", dark) == views_of(by_part, "washer", dark) == (PLAIN,)
    assert views_of(by_part, "bolt", Embed(views=3, light=0.2)) == (PLAIN, "identity@1.2", "identity@0.8")


def test_a_camera_that_is_not_declared_any_more_allows_no_turn() -> None:
    assert views_of(None, "nut", Embed(views=8, light=0)) == (PLAIN,)
    assert views_of(None, "nut", Embed(views=2, light=0.1)) == (PLAIN, "identity@1.1")


@given(
    st.lists(st.sampled_from(TURNS), unique=True),
    st.integers(1, 64),
    st.floats(0, 0.5).filter(lambda light: light == 0 or light >= 0.01),
)
def test_views_start_with_the_plain_one_name_each_once_and_are_never_more_than_allowed(
    turns: list[str], most: int, light: float
) -> None:
    views = views_of(camera(tuple(turns)), "nut", Embed(views=most, light=light))
    assert views[0] == PLAIN and len(set(views)) == len(views)
    assert len(views) == min(most, (1 + len(turns)) * (5 if light else 1))
    gains = [float(view.partition("@")[2] or 1) for view in views]
    assert all(abs(gain - 1) <= light + 0.0005 for gain in gains)  # names have four digits
    assert all(viewed(picture(), view).size == 6 for view in views)  # every name that is given out is understood


@pytest.mark.parametrize(("turns", "light"), [(("flip_x", "flip_x"), 0.0), (("flip_x",), 0.0004)])
def test_a_turn_named_twice_or_light_that_rounds_away_gives_no_view_twice(turns: tuple[str, ...], light: float) -> None:
    views = views_of(camera(turns), "nut", Embed(views=64, light=light))
    assert len(set(views)) == len(views)


def test_the_plain_view_is_the_picture_itself() -> None:
    levels = picture()
    assert viewed(levels, PLAIN) is levels


@pytest.mark.parametrize(
    ("view", "pixels"),
    [
        ("flip_x", [[2, 1, 0], [5, 4, 3]]),
        ("flip_y", [[3, 4, 5], [0, 1, 2]]),
        ("turn_180", [[5, 4, 3], [2, 1, 0]]),
        ("turn_90", [[2, 5], [1, 4], [0, 3]]),
        ("turn_270", [[3, 0], [4, 1], [5, 2]]),
    ],
)
def test_a_turned_view_moves_every_pixel_to_its_place(view: View, pixels: list[list[int]]) -> None:
    assert np.array_equal(viewed(picture(), view)[:, :, 0], pixels)
    colour = picture(2, 3, 3)
    assert np.array_equal(viewed(colour, view)[:, :, 1], viewed(colour[:, :, 1:2], view)[:, :, 0])


def test_other_light_is_a_factor_and_what_it_makes_too_bright_is_clipped() -> None:
    levels = np.array([[[0.0], [100.0], [200.0], [255.0]]], np.float32)
    before = levels.copy()
    assert viewed(levels, "identity@1.5").ravel().tolist() == [0, 150, 255, 255]
    assert viewed(levels, "flip_x@0.5").ravel().tolist() == [127.5, 100, 50, 0]
    assert viewed(levels, "identity@1.5").dtype == np.float32
    assert np.array_equal(levels, before)
